// What the ManageSieve gateway needs of the rest of the system.
import type { Journal } from '../../commands/ports/journal.ts'
import { MAX_FILTER_BYTES } from '../../domain/account/account.ts'
import type { SignInServices } from '../wire/sign-in.ts'

export interface ManageSieveServices extends SignInServices {
  readonly journal: Journal
  /** Epoch milliseconds. */
  readonly now: () => number
}

export interface ManageSieveLimits {
  /** Of one line without the literals in it. */
  readonly lineBytes: number
  /** Of one literal: a script that is a little too long shall be told so, one that is far too long ends the connection. */
  readonly literalBytes: number
  readonly words: number
  readonly connections: number
  readonly sessionsPerAccount: number
  readonly connectionsPerAddress: number
  readonly preAuthMs: number
  /** RFC 5804 §1.2: at least 30 minutes. */
  readonly idleMs: number
  readonly badCommands: number
}

export const DEFAULT_MANAGESIEVE_LIMITS: ManageSieveLimits = {
  lineBytes: 8192,
  literalBytes: 4 * MAX_FILTER_BYTES,
  words: 8,
  connections: 1_000,
  sessionsPerAccount: 20,
  connectionsPerAddress: 100,
  preAuthMs: 60_000,
  idleMs: 31 * 60_000,
  badCommands: 10,
}
