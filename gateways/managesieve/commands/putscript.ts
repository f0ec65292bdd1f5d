// PUTSCRIPT (RFC 5804 §2.6): only scripts that can run are stored.

import { change } from './change.ts'
import { accountOf, type Command, strings } from './command.ts'

export const putscript: Command = {
  when: 'signed-in',
  async run(connection, words) {
    const [name = '', script = ''] = strings(words, 2)
    accountOf(connection)
    await change(connection, { type: 'ChangeFilterRules', name, script })
    connection.ok('Saved')
  },
}
