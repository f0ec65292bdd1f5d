// STARTTLS (RFC 9051 §6.2.1).
import { BadCommand } from '../errors.ts'
import type { Command } from './command.ts'

export const starttls: Command = {
  name: 'STARTTLS',
  when: 'before-sign-in',
  run(session, args, { connection }) {
    args.end()
    if (session.secure || !session.canStartTls) throw new BadCommand('TLS is not to be had here, or is on already')
    return { text: 'Begin TLS now', after: () => connection.startTls() }
  },
}
