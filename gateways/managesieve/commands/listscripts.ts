// LISTSCRIPTS (RFC 5804 §2.7).
import { rulesOf } from '../../../commands/filter-rules.ts'
import { stringOf } from '../words.ts'
import { accountOf, type Command, strings } from './command.ts'

export const listscripts: Command = {
  when: 'signed-in',
  async run(connection, words) {
    strings(words, 0)
    const { scripts, active } = await rulesOf(connection.services.journal, accountOf(connection))
    for (const name of scripts.keys()) connection.line(`${stringOf(name)}${name === active ? ' ACTIVE' : ''}`)
    connection.ok('That is all')
  },
}
