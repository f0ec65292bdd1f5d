// Runs projectors over the log: one subscription for a group of them, one commit a batch and view, errors parked, progress told.
import { type AccountId, isRedacted, type Position, type Revision } from '../domain/log.ts'
import { type EventSource, isUnreadable, type SourceEvent } from './ports/event-source.ts'
import type { ParkedEvent, Projector, ViewStore } from './ports/view-store.ts'

/** A projector with the store that it writes. */
export interface Projection {
  readonly name: string
  readonly prefixes: readonly string[]
  readonly text: boolean
  /** Position up to which the store reflects the log, or would, had there been events for it. */
  position(): Position | undefined
  /** The store's own checkpoint. */
  stored(): Position | undefined
  /** Events handed to `apply`, parked ones included. */
  applied(): number
  /** Applies what of the batch lies behind its position, and moves to `position`. Answers the events that it applied. */
  handle(events: readonly SourceEvent[], position: Position): Promise<readonly SourceEvent[]>
  /** Stores the position also when no event moved it. */
  settle(): Promise<void>
  parked(): { readonly newest: readonly ParkedEvent[]; readonly count: number }
}

/** Hides the unit's type, so that different projectors can run in one group. */
export function project<Unit>(
  projector: Projector<Unit>,
  store: ViewStore<Unit>,
  now: () => number = Date.now,
): Projection {
  let position = store.checkpoint()
  let stored = position
  let applied = 0

  const commit = async (
    unit: Unit,
    at: Position,
    parked: readonly ParkedEvent[],
    events: readonly SourceEvent[],
  ): Promise<void> => {
    await store.commit(unit, at, parked)
    position = at
    stored = at
    applied += events.length
  }

  /** The batch failed as a whole: find the event that does not apply, keep it aside, and go on with the others. */
  const isolate = async (events: readonly SourceEvent[], last: Position): Promise<void> => {
    for (const event of events) {
      const unit = await store.begin([event])
      let error: unknown
      try {
        projector.apply(unit, event)
      } catch (caught) {
        error = caught ?? 'unknown'
      }
      if (error === undefined) await commit(unit, event.position, [], [event])
      else {
        const parked = { position: event.position, type: event.type, error: describe(error), at: now() }
        await commit(await store.begin([]), event.position, [parked], [event])
      }
    }
    if (position !== last) await commit(await store.begin([]), last, [], [])
  }

  return {
    name: projector.name,
    prefixes: projector.prefixes,
    text: projector.text ?? false,
    position: () => position,
    stored: () => stored,
    applied: () => applied,
    parked: () => store.parked(),
    async handle(events, last) {
      const after = position
      if (after !== undefined && last <= after) return []
      const wanted = events.filter(
        (event) => projector.types.has(event.type) && (after === undefined || event.position > after),
      )
      if (wanted.length === 0) {
        position = last
        return wanted
      }
      const unit = await store.begin(wanted)
      try {
        for (const event of wanted) projector.apply(unit, event)
      } catch {
        await isolate(wanted, last)
        return wanted
      }
      await commit(unit, last, [], wanted)
      return wanted
    },
    async settle() {
      if (position !== undefined && position !== stored) await commit(await store.begin([]), position, [], [])
    },
  }
}

const describe = (error: unknown): string =>
  (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 500)

export interface RuntimeOptions {
  readonly batchSize?: number
  /** Called after each batch that every projection handled, in log order. */
  readonly onBatch?: (batch: HandledBatch) => void | Promise<void>
  /** An error of the source or of a store; the runtime goes on after a pause. */
  readonly onError?: (error: unknown) => void
  /** Pause before the first retry; doubles up to 64 times that. */
  readonly retryMs?: number
  /** Events with a later position are left alone, and the run ends there. */
  readonly until?: Position
  /** An error ends the run instead of being retried. */
  readonly once?: boolean
}

export interface HandledBatch {
  readonly events: number
  readonly position: Position | undefined
  readonly caughtUp: boolean
  /** Newest revision of every mailbox stream in the batch. */
  readonly mailboxes: ReadonlyMap<AccountId, Revision>
  /** Of the last event in the batch that could be read: epoch milliseconds. */
  readonly lastAt: number | undefined
  /** When its projections began and ended with it: epoch milliseconds, with fractions. */
  readonly began: number
  readonly ended: number
  /** Of its events that could be read, each once and at most `limit`. */
  correlationIds(limit: number): readonly string[]
}

/** Checkpoints of idle views are stored after this many batches at the latest. */
const SETTLE_EVERY = 64

/** Runs until the signal aborts (or `until` is reached), through clean ends and errors of the source. */
export async function run(
  source: Pick<EventSource, 'subscribe'>,
  projections: readonly Projection[],
  signal: AbortSignal,
  options: RuntimeOptions = {},
): Promise<void> {
  const retryMs = options.retryMs ?? 50
  let failures = 0
  while (!signal.aborted) {
    try {
      const ended = await follow(source, projections, signal, options, () => {
        failures = 0
      })
      if (ended) return
    } catch (error) {
      if (signal.aborted) break
      if (options.once) throw error
      options.onError?.(error)
    }
    // A clean end by the source means: subscribe again from the checkpoint.
    if (!signal.aborted) await pause(Math.min(retryMs * 2 ** failures++, retryMs * 64), signal)
  }
  for (const projection of projections) await projection.settle()
}

async function follow(
  source: Pick<EventSource, 'subscribe'>,
  projections: readonly Projection[],
  signal: AbortSignal,
  options: RuntimeOptions,
  progressed: () => void,
): Promise<boolean> {
  const { until } = options
  const after = earliest(projections)
  if (until !== undefined && after !== undefined && after >= until) return true
  const prefixes = [...new Set(projections.flatMap((projection) => projection.prefixes))]
  const text = projections.some((projection) => projection.text)
  const inner = new AbortController()
  const stop = () => inner.abort()
  signal.addEventListener('abort', stop, { once: true })
  let sinceSettled = 0
  try {
    const batches = source.subscribe({
      after,
      prefixes,
      text,
      signal: inner.signal,
      ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
    })
    for await (const batch of batches) {
      let { events, position } = batch
      const began = performance.timeOrigin + performance.now()
      const last = until !== undefined && position !== undefined && position >= until
      if (last) {
        events = events.filter((event) => event.position <= until)
        position = until
      }
      if (position !== undefined) await together(projections, (projection) => projection.handle(events, position))
      if (++sinceSettled >= SETTLE_EVERY) {
        sinceSettled = 0
        for (const projection of projections) await projection.settle()
      }
      progressed()
      await options.onBatch?.({
        events: events.length,
        position,
        caughtUp: batch.caughtUp,
        mailboxes: newestRevisions(events),
        lastAt: lastTime(events),
        began,
        ended: performance.timeOrigin + performance.now(),
        correlationIds: (limit) => correlationsOf(events, limit),
      })
      if (last) {
        for (const projection of projections) await projection.settle()
        return true
      }
      if (signal.aborted) return false
    }
    return false
  } finally {
    signal.removeEventListener('abort', stop)
    inner.abort()
  }
}

/** Where the slowest of them stands; undefined when one of them has seen nothing. */
export function earliest(projections: readonly Projection[]): Position | undefined {
  let least: Position | undefined
  for (const projection of projections) {
    const position = projection.position()
    if (position === undefined) return undefined
    if (least === undefined || position < least) least = position
  }
  return least
}

function newestRevisions(events: readonly SourceEvent[]): ReadonlyMap<AccountId, Revision> {
  const newest = new Map<AccountId, Revision>()
  for (const event of events) if (event.stream.startsWith('mailbox-')) newest.set(event.stream.slice(8), event.revision)
  return newest
}

function correlationsOf(events: readonly SourceEvent[], limit: number): readonly string[] {
  const found = new Set<string>()
  for (const event of events) {
    if (found.size >= limit) break
    if (!isRedacted(event) && !isUnreadable(event)) found.add(event.metadata.correlationId)
  }
  return [...found]
}

function lastTime(events: readonly SourceEvent[]): number | undefined {
  const event = events.findLast((each) => !isRedacted(each) && !isUnreadable(each))
  return event === undefined || isRedacted(event) ? undefined : event.metadata.at
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}

/** Stores of their own may be written at the same time. Rejects when all have ended: nothing is still written while it is tried again. */
async function together(projections: readonly Projection[], work: (projection: Projection) => Promise<unknown>) {
  for (const result of await Promise.allSettled(projections.map(work)))
    if (result.status === 'rejected') throw result.reason
}
