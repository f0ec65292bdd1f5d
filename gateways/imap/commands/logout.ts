// LOGOUT (RFC 9051 §6.1.3).
import type { Command } from './command.ts'

export const logout: Command = {
  name: 'LOGOUT',
  when: 'any',
  run(session, args, { connection }) {
    args.end()
    session.out.line('* BYE Until next time')
    return { after: () => connection.close() }
  },
}
