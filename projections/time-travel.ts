// A mailbox as it was: the mailbox projector over a throw-away store, up to a moment.
import { type AccountId, isRedacted, mailboxStream, type Revision } from '../domain/log.ts'
import { applyMailboxEvent } from './mailbox/projector.ts'
import type { MailboxUnit } from './mailbox/unit.ts'
import type { EventSource, SourceEvent } from './ports/event-source.ts'
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
  source: EventSource,
  account: AccountId,
  moment: Moment,
  open: () => { readonly store: MailboxStore; readonly queries: MailboxQueries },
): Promise<MailboxMoment> {
  const { store, queries } = open()
  const limit = 'revision' in moment ? Number(moment.revision) + 1 : undefined
  let unit: MailboxUnit = await store.begin([])
  let ahead: SourceEvent[] = []
  let last: SourceEvent | undefined
  let events = 0
  let failed = 0
  let loose = 0

  const take = async (event: SourceEvent): Promise<void> => {
    try {
      applyMailboxEvent(unit, event)
      last = event
      events++
    } catch {
      // What this event began is undone by reading again without it.
      failed++
    }
    if (++loose < COMMIT_EVERY) return
    loose = 0
    await store.commit(unit, event.position, [])
    unit = await store.begin([])
  }

  const options = limit === undefined ? {} : { limit }
  if (limit === undefined || limit > 0) {
    for await (const event of source.readStream(mailboxStream(account), options)) {
      if (!('time' in moment)) await take(event)
      else {
        ahead.push(event)
        if (isRedacted(event) || event.metadata.at > moment.time) continue
        for (const each of ahead) await take(each)
        ahead = []
      }
    }
  }
  ahead = []
  if (last !== undefined) await store.commit(unit, last.position, [])
  const at = last === undefined || isRedacted(last) ? undefined : last.metadata.at
  return { queries, revision: last?.revision, at, events, failed }
}

const COMMIT_EVERY = 100_000
