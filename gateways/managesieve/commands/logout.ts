// LOGOUT (RFC 5804 §2.3).
import type { Command } from './command.ts'

export const logout: Command = {
  when: 'any',
  run(connection) {
    connection.ok('Goodbye')
    connection.close()
  },
}
