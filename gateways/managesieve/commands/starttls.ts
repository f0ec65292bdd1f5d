// STARTTLS (RFC 5804 §2.2).
import { Refused } from '../refused.ts'
import { type Command, strings } from './command.ts'

export const starttls: Command = {
  when: 'signed-out',
  run(connection, words) {
    strings(words, 0)
    if (connection.secure || !connection.settings.tls) throw new Refused('TLS is not to be had here, or is on already')
    connection.ok('Begin TLS now')
    connection.startTls()
  },
}
