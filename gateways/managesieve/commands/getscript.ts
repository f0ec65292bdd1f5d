// GETSCRIPT (RFC 5804 §2.9).
import { rulesOf } from '../../../commands/filter-rules.ts'
import { Refused } from '../refused.ts'
import { accountOf, type Command, strings } from './command.ts'

export const getscript: Command = {
  when: 'signed-in',
  async run(connection, words) {
    const [name = ''] = strings(words, 1)
    const { scripts } = await rulesOf(connection.services.journal, accountOf(connection))
    const script = scripts.get(name)
    if (script === undefined) throw new Refused('There is no script of that name', 'NONEXISTENT')
    connection.line(`{${Buffer.byteLength(script)}}\r\n${script}`)
    connection.ok('That is it')
  },
}
