// Events as a store keeps them, sealed, from one store into another or into a file: in log order, at the revisions that they had.
import {
  type Append,
  type EventStore,
  EventStoreError,
  MAX_APPEND_BYTES,
  type StoredEvent,
} from '../../commands/ports/event-store.ts'
import type { Position } from '../../domain/log.ts'

/** What a store holds behind a position, up to where it ended when this began. */
export async function* eventsBehind(
  store: EventStore,
  after: Position | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredEvent[]> {
  const abort = new AbortController()
  const stop = () => abort.abort()
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const batch of store.subscribe({ after, batchSize: 1000, signal: abort.signal })) {
      signal.throwIfAborted()
      const own = batch.events.filter(({ stream }) => !stream.startsWith('$'))
      if (own.length > 0) yield own
      if (batch.caughtUp) return
    }
    signal.throwIfAborted()
  } finally {
    signal.removeEventListener('abort', stop)
    abort.abort()
  }
}

const MAX_EVENTS = 500

/**
 * Appends events at exactly their revisions. Repeated, it changes nothing more. Rejects when a stream of the target holds something
 * else there: its UIDs would be others.
 */
export async function appendInOrder(store: EventStore, events: readonly StoredEvent[]): Promise<void> {
  const appends = grouped(events)
  const together = store.appendAtomically
  for (let i = 0; i < appends.length; ) {
    const some: Append[] = []
    let bytes = 0
    // Two appends to one stream cannot share a commit: the second would not know where it stands.
    const streams = new Set<string>()
    for (; i < appends.length; i++) {
      const append = appends[i] as Append
      const size = sizeOf(append)
      if (some.length > 0 && (!together || streams.has(append.stream) || bytes + size > MAX_APPEND_BYTES)) break
      some.push(append)
      streams.add(append.stream)
      bytes += size
    }
    const results = together ? await together.call(store, some) : [await store.append(some[0] as Append)]
    for (const [n, result] of results.entries()) {
      if (result.ok) continue
      const append = some[n] as Append
      throw new EventStoreError(
        'id-reused',
        `The stream ${append.stream} of the target stands at ${result.actual ?? 'nothing'}, not before ${append.expected}: it is not a copy of this log`,
      )
    }
  }
}

function grouped(events: readonly StoredEvent[]): readonly Append[] {
  const appends: { stream: string; expected: Append['expected']; events: StoredEvent[]; bytes: number }[] = []
  for (const event of events) {
    const last = appends.at(-1)
    const size = event.data.length + event.metadata.length
    if (
      last?.stream === event.stream &&
      last.events.length < MAX_EVENTS &&
      last.bytes + size <= MAX_APPEND_BYTES / 2 &&
      (last.events.at(-1) as StoredEvent).revision + 1n === event.revision
    ) {
      last.events.push(event)
      last.bytes += size
    } else {
      const expected = event.revision === 0n ? ('no-stream' as const) : event.revision - 1n
      appends.push({ stream: event.stream, expected, events: [event], bytes: size })
    }
  }
  return appends
}

const sizeOf = ({ events }: Append): number =>
  events.reduce((sum, { data, metadata }) => sum + data.length + metadata.length, 0)
