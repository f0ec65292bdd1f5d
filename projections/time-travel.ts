// A mailbox as it was: the mailbox projector over a throw-away store, up to a moment.
import { type AccountId, isRedacted, mailboxStream, type Revision } from '../domain/log.ts'
import { applyMailboxEvent } from './mailbox/projector.ts'
import type { MailboxUnit } from './mailbox/unit.ts'
import { type EventSource, isUnreadable, type SourceEvent } from './ports/event-source.ts'
import type { MailboxStore } from './ports/view-store.ts'
import type { MailboxQueries } from './queries.ts'

export interface MailboxMoment {
  readonly queries: MailboxQueries
  /** The last event of the mailbox stream that is in it; undefined when the mailbox did not exist yet. */
  readonly revision: Revision | undefined
  /** `metadata.at` of that event, epoch milliseconds. */
  readonly at: number | undefined
  /** Events read; those that could not be applied. */
  readonly events: number
  readonly failed: number
}

/** Where to stop: at a revision (inclusive), or at a moment in epoch milliseconds. */
export type Moment = { readonly revision: Revision } | { readonly time: number }

/**
 * The mailbox as it was at a moment. The order of the log is the truth, and clocks may step back, so a time means: everything up
 * to and including the last event whose `at` is not after it. An event written earlier in the log with a later `at` (the clock
 * was stepped back after it) had happened by then, and counts. An erased account has no past: it answers as empty.
 */
export async function mailboxAt(
  source: Pick<EventSource, 'readPages'>,
  account: AccountId,
  moment: Moment,
  open: () => { readonly store: MailboxStore; readonly queries: MailboxQueries },
): Promise<MailboxMoment> {
  const failed = new Set<Revision>()
  for (;;) {
    try {
      return await replay(source, account, moment, open(), failed)
    } catch (error) {
      // An event that does not apply may have changed half of what it would: start over without it.
      if (!(error instanceof FailedEvent) || failed.has(error.revision)) throw error
      failed.add(error.revision)
    }
  }
}

class FailedEvent extends Error {
  readonly revision: Revision
  constructor(revision: Revision, cause: unknown) {
    super(`The event at revision ${revision} does not apply.`, { cause })
    this.revision = revision
  }
}

async function replay(
  source: Pick<EventSource, 'readPages'>,
  account: AccountId,
  moment: Moment,
  { store, queries }: { readonly store: MailboxStore; readonly queries: MailboxQueries },
  failed: Set<Revision>,
): Promise<MailboxMoment> {
  let unit: MailboxUnit = await store.begin([])
  let last: SourceEvent | undefined
  let events = 0
  let committed = 0
  const apply = (event: SourceEvent): void => {
    last = event
    // Nothing of an unreadable one is applied: no need to start over.
    if (isUnreadable(event)) failed.add(event.revision)
    if (failed.has(event.revision)) return
    try {
      applyMailboxEvent(unit, event)
    } catch (error) {
      throw new FailedEvent(event.revision, error)
    }
    events++
  }

  /** Events with a later time: they count as soon as one behind them is not later. */
  let ahead: SourceEvent[] = []
  reading: for await (const page of source.readPages(mailboxStream(account))) {
    for (const event of page) {
      if ('revision' in moment) {
        if (event.revision > moment.revision) break reading
        apply(event)
        continue
      }
      if (isRedacted(event)) continue
      // When an unreadable one happened cannot be told: it counts when something behind it does.
      if (isUnreadable(event) || event.metadata.at > moment.time) {
        ahead.push(event)
        continue
      }
      for (const each of ahead) apply(each)
      ahead = []
      apply(event)
    }
    if (events - committed < COMMIT_EVERY) continue
    committed = events
    await store.commit(unit, (last as SourceEvent).position, [])
    unit = await store.begin([])
  }
  if (last !== undefined) await store.commit(unit, last.position, [])
  const at = last === undefined || isRedacted(last) || isUnreadable(last) ? undefined : last.metadata.at
  return { queries, revision: last?.revision, at, events, failed: failed.size }
}

const COMMIT_EVERY = 100_000
