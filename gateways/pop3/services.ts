// What the POP3 gateway needs of the rest of the system.
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { MailboxSnapshots } from '../../commands/ports/views.ts'
import type { AccountId } from '../../domain/log.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import type { MailboxQueries } from '../../projections/queries.ts'
import type { SignInServices } from '../wire/sign-in.ts'

export interface Pop3Services extends SignInServices {
  readonly journal: Journal
  readonly source: Pick<EventSource, 'readPositions'>
  readonly blobs: MessageBlobs
  readonly snapshots: MailboxSnapshots
  readonly mailbox: Pick<MailboxQueries, 'folders' | 'uidRange'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

export interface Pop3Limits {
  /** RFC 2449 §4: 255 octets, more for UTF-8 names and AUTH. */
  readonly lineBytes: number
  readonly connections: number
  readonly sessionsPerAccount: number
  readonly connectionsPerAddress: number
  readonly preAuthMs: number
  /** RFC 1939 §3: at least 10 minutes. */
  readonly idleMs: number
  readonly badCommands: number
}

export const DEFAULT_POP3_LIMITS: Pop3Limits = {
  lineBytes: 4096,
  connections: 10_000,
  sessionsPerAccount: 20,
  connectionsPerAddress: 1_000,
  preAuthMs: 60_000,
  idleMs: 11 * 60_000,
  badCommands: 20,
}

/** Whether one session at a time has the maildrop (RFC 1939 §4), or several share it: DELE takes what is there. */
export type Sharing = 'shared' | 'exclusive'

/** Which maildrops are locked: shared by all listeners of the process. */
export type Locks = Set<AccountId>
