// Wakes what follows the log when it grows: views at once or, in a rush, many messages together; the search index less often; and
// whoever wants to know once the views show it.
import type { EventStore } from '../commands/ports/event-store.ts'
import type { SealedJournal } from './adapters/journal/sealed-journal.ts'
import type { SearchApi } from './adapters/search/search-api.ts'
import type { StorageThread } from './adapters/storage/storage-thread.ts'
import type { ProjectorsApi } from './projector/projectors.ts'
import { throttled } from './throttle.ts'

/** In a rush many messages share a transaction of the views, and more one of the index; a lone one is shown at once. */
const VIEWS_WAKE = { calmMs: 8, busyMs: 50 }
/** Followers of the views ask no oftener than the views change. */
const VIEWED_WAKE = { calmMs: 20, busyMs: 50 }
const SEARCH_WAKE = { calmMs: 50, busyMs: 2000 }
/** How often it is asked whether other processes have written, should nobody have said so. */
const ASK_MS = 1000

export interface Growth {
  /** Calls back after the views reflect what was written, many writes together; answers the way to stop. */
  onViewed(listener: () => void): () => void
  /** Nobody is woken until `release`: a long import goes first. */
  hold(): void
  release(): void
  close(): void
}

export function followGrowth(
  { events, storage }: { readonly events: EventStore; readonly storage: StorageThread | undefined },
  journal: SealedJournal,
  projectors: ProjectorsApi,
  search: SearchApi,
): Growth {
  const wakeViews = throttled(VIEWS_WAKE, (head) => projectors.poke(head))
  const wakeSearch = throttled(SEARCH_WAKE, (head) => search.poke(head))
  const viewed = new Set<() => void>()
  const tellViewed = throttled(VIEWED_WAKE, (head: bigint) => {
    if (viewed.size === 0) return
    projectors.waitForPosition(head, { timeoutMs: 60_000 }).then(
      () => viewed.forEach((listener) => void listener()),
      () => undefined,
    )
  })
  let held = false
  let newest = 0n
  const grown = (head: bigint) => {
    if (head > newest) newest = head
    tellViewed(newest)
    if (held) return
    wakeViews(newest)
    wakeSearch(newest)
  }
  const stops: (() => void)[] = []
  if (events.ordersBlobs && storage) storage.onCommit(grown)
  else {
    // Others write to this log too.
    const ask = () =>
      events.head().then(
        (head) => {
          if (head !== undefined && head > newest) grown(head)
        },
        () => undefined,
      )
    const asking = setInterval(() => void ask(), ASK_MS)
    asking.unref()
    stops.push(
      () => clearInterval(asking),
      journal.onAppended(({ position }) => grown(position)),
      projectors.onApplied(() => void ask()),
    )
  }
  return {
    onViewed: (listener) => {
      viewed.add(listener)
      return () => viewed.delete(listener)
    },
    hold: () => {
      held = true
    },
    release: () => {
      held = false
      grown(newest)
    },
    close: () => {
      for (const stop of stops) stop()
      for (const wake of [wakeViews, wakeSearch, tellViewed]) wake.cancel()
    },
  }
}
