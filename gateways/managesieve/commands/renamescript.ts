// RENAMESCRIPT (RFC 5804 §2.11): a script in force stays in force.
import { change } from './change.ts'
import { type Command, strings } from './command.ts'

export const renamescript: Command = {
  when: 'signed-in',
  async run(connection, words) {
    const [name = '', newName = ''] = strings(words, 2)
    await change(connection, { type: 'RenameFilterRules', name, newName })
    connection.ok('Renamed')
  },
}
