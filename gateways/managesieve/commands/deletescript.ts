// DELETESCRIPT (RFC 5804 §2.10): not the one in force.
import { change } from './change.ts'
import { type Command, strings } from './command.ts'

export const deletescript: Command = {
  when: 'signed-in',
  async run(connection, words) {
    const [name = ''] = strings(words, 1)
    await change(connection, { type: 'DeleteFilterRules', name })
    connection.ok('Deleted')
  },
}
