// SETACTIVE (RFC 5804 §2.8): an empty name puts no script in force.
import { change } from './change.ts'
import { type Command, strings } from './command.ts'

export const setactive: Command = {
  when: 'signed-in',
  async run(connection, words) {
    const [name = ''] = strings(words, 1)
    await change(connection, { type: 'ActivateFilterRules', name: name === '' ? null : name })
    connection.ok(name === '' ? 'No script is in force' : 'It is in force')
  },
}
