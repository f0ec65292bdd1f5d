// What the IMAP gateway needs of the rest of the system.
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { Tracer } from '../../commands/ports/tracer.ts'
import type { MailboxSnapshots } from '../../commands/ports/views.ts'
import type { AccountId, Revision } from '../../domain/log.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import type { HeaderField } from '../../projections/ports/search-index.ts'
import type { MailboxQueries } from '../../projections/queries.ts'
import type { SignInServices } from '../wire/sign-in.ts'
import type { LiveMailboxes } from './live-mailbox.ts'
import type { OpenedContents } from './opened-contents.ts'
import type { Rendered } from './respond/rendered.ts'

export interface ImapServices extends SignInServices {
  readonly journal: Journal
  readonly source: Pick<EventSource, 'readStream' | 'readPositions'>
  readonly blobs: MessageBlobs
  readonly snapshots: MailboxSnapshots
  readonly mailbox: MailboxQueries
  /** Shared by all listeners of the process. */
  readonly live: LiveMailboxes
  readonly rendered: Rendered
  readonly contents: OpenedContents
  /** Resolves once the views reflect the revision. */
  waitForRevision(account: AccountId, revision: Revision, options?: { readonly timeoutMs?: number }): Promise<void>
  /** Resolves once the views reflect everything that is on the log by now. */
  settle(): Promise<void>
  /** Messages with a text anywhere in a field, or anywhere that is indexed; undefined where the index cannot tell. */
  substring(
    account: AccountId,
    needle: string,
    field: HeaderField | null,
  ): Promise<{ readonly messageIds: readonly string[]; readonly sure: boolean; readonly upTo: number } | undefined>
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly tracer?: Tracer
}
