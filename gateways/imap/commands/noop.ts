// NOOP and CHECK (RFC 9051 §6.1.2, RFC 3501 §6.4.1): what is new is told after every command.
import type { Command } from './command.ts'

const nothing = (name: string, when: Command['when']): Command => ({
  name,
  when,
  run(_session, args) {
    args.end()
    return {}
  },
})

export const noop = nothing('NOOP', 'any')
/** Everything acknowledged is on disk already. */
export const check = nothing('CHECK', 'selected')
