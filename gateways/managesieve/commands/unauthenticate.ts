// UNAUTHENTICATE (RFC 5804 §2.14): another account may sign in on the same connection.
import { type Command, strings } from './command.ts'

export const unauthenticate: Command = {
  when: 'signed-in',
  run(connection, words) {
    strings(words, 0)
    connection.leave()
    connection.ok('Signed out')
  },
}
