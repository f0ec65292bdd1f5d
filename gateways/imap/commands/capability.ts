// CAPABILITY (RFC 9051 §6.1.1).
import { capabilities } from '../capabilities.ts'
import type { Command } from './command.ts'

export const capability: Command = {
  name: 'CAPABILITY',
  when: 'any',
  run(session, args) {
    args.end()
    session.out.line(`* CAPABILITY ${capabilities(session)}`)
    return {}
  },
}
