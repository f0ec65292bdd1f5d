// Gives back the space of messages that nobody may restore any more.
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { BlobStore } from '../commands/ports/blob-store.ts'
import { type AccountId, accountOfStream, isRedacted } from '../domain/log.ts'
import type { EventSource } from '../projections/ports/event-source.ts'
import type { DirectoryQueries, FilterQueries, MailboxQueries, SubmissionQueries } from '../projections/queries.ts'
import type { CompactionResult } from './adapters/blobs/pack-writer.ts'

export interface ReclaimPorts {
  readonly mailbox: MailboxQueries
  readonly directory: DirectoryQueries
  readonly submissions: SubmissionQueries
  readonly filter: FilterQueries
  readonly source: EventSource
  readonly blobStore: ListedBlobStore
}

/** A blob store that can say what it holds. */
export type ListedBlobStore = BlobStore & {
  /** Epoch milliseconds. */
  entries():
    | AsyncIterable<{ readonly id: string; readonly writtenAt: number }>
    | Iterable<{ readonly id: string; readonly writtenAt: number }>
  /** Rewrites what is mostly dead; absent where deleting gives the space back at once. */
  compact?(share: number): Promise<CompactionResult>
}

export interface Reclaimed {
  readonly segments: number
  readonly bytesFreed: number
  readonly blobsDeleted: number
}

/** Expunged messages stay restorable this long. */
export const RETENTION_MS = 30 * 86_400_000

/** An unreferenced blob younger than this may belong to a message that is being received. */
const IN_FLIGHT_MS = 86_400_000

/**
 * Deletes the blobs that no message needs, then rewrites the segments that have become mostly dead. A blob is needed while any account
 * has a message that is not expunged, was expunged within the retention time, or lies under a legal hold.
 */
export async function reclaim(ports: ReclaimPorts, now = Date.now(), share = 0.3): Promise<Reclaimed> {
  // On disk and unnamed, so that a large log costs no memory.
  const found = new DatabaseSync('')
  found.exec('CREATE TABLE blob (id TEXT PRIMARY KEY, needed INTEGER NOT NULL) WITHOUT ROWID; BEGIN')
  try {
    await findReferences(ports, now, found)
    const state = found.prepare('SELECT needed FROM blob WHERE id = ?')
    let blobsDeleted = 0
    for await (const { id, writtenAt } of ports.blobStore.entries()) {
      const row = state.get(id)
      // A blob of no readable event belonged to an erased account, or to a transaction that never came to its end.
      const deletable = row ? row['needed'] === 0 : writtenAt < now - IN_FLIGHT_MS
      if (!deletable) continue
      await ports.blobStore.delete(id)
      blobsDeleted++
    }
    const compacted = await ports.blobStore.compact?.(share)
    return { segments: 0, bytesFreed: 0, ...compacted, blobsDeleted }
  } finally {
    found.close()
  }
}

async function findReferences(ports: ReclaimPorts, now: number, found: DatabaseSync): Promise<void> {
  const note = found.prepare(
    'INSERT INTO blob (id, needed) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET needed = max(needed, excluded.needed)',
  )
  const held = new Map<AccountId, boolean>()
  for await (const batch of ports.source.subscribe({
    prefixes: ['mailbox-', 'submission-', 'intake-'],
    batchSize: 500,
  })) {
    for (const event of batch.events) {
      if (isRedacted(event)) continue
      if (event.type === 'MessageSubmitted') {
        // What was sent is the business of the mailboxes that hold it; only what still waits needs the blob by itself.
        const row = await ports.submissions.submission(event.data.accountId, event.data.submissionId)
        note.run(event.data.blob.id, row === undefined || row.state === 'pending' ? 1 : 0)
      }
      if (event.type === 'MailQuarantined') {
        // Held mail is in nobody's mailbox; what was released is the mailbox's business, what was dropped is nobody's.
        for (const [account, { blob }] of Object.entries(event.data.sections)) {
          const row = await ports.filter.quarantined(account, event.data.intakeId)
          note.run(blob.id, row === undefined || row.state === 'held' ? 1 : 0)
        }
        continue
      }
      const copied = event.type === 'MessageCopied'
      if (event.type !== 'MessageReceived' && event.type !== 'MessageAppended' && !copied) continue
      const account = accountOfStream(event.stream) ?? ''
      const onHold = held.get(account) ?? ((await ports.directory.account(account))?.holds.length ?? 0) > 0
      held.set(account, onHold)
      // A copy lives on the blob of its original, and may outlive it.
      const row = await ports.mailbox.message(account, copied ? event.data.copyId : event.data.messageId)
      const gone = row?.expunged === true && !onHold && (row.expungedAt ?? now) < now - RETENTION_MS
      const [arrival] = copied ? (row === undefined ? [] : await ports.source.readPositions([row.position])) : [event]
      if (arrival === undefined || isRedacted(arrival)) continue
      if (arrival.type !== 'MessageReceived' && arrival.type !== 'MessageAppended') continue
      note.run(arrival.data.content.blob.id, gone ? 0 : 1)
    }
    await setImmediate()
    if (batch.caughtUp) return
  }
}
