// Following $all of EventStoreDB. The client's callbacks run ahead of its loop, so they only push marks into the subscription, and one
// loop takes events and marks in order. A broken line or a clean end by the server means: subscribe again from the last batch.
import { type EventStoreDBClient, START, streamNameFilter } from '@eventstore/db-client'
import {
  type EventBatch,
  EventStoreError,
  type StoredEvent,
  type SubscribeOptions,
} from '../../../commands/ports/event-store.ts'
import type { Position } from '../../../domain/log.ts'
import { type ClientStream, cancel, Late, type Settings, toEventStoreError } from './eventstoredb-connection.ts'
import { type Recorded, toStored } from './eventstoredb-events.ts'
import type { EventStoreDbReads } from './eventstoredb-reads.ts'

interface Received {
  readonly event?: Recorded
  readonly commitPosition?: bigint
}
type Mark = { readonly mark: 'checkpoint'; readonly position: bigint } | { readonly mark: 'caught-up' | 'fell-behind' }
type Item = Received | Mark
interface Subscription extends ClientStream<Item> {
  push(mark: Mark): boolean
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'caughtUp' | 'fellBehind', listener: () => void): unknown
  readonly readableLength: number
}

/** Events that a server looks at for a filter before it says how far it came. */
const SEARCH_WINDOW = 1_000
/** Items that may wait in this process. */
const BUFFERED = 512

/** How far a subscription has come over what is not in this log too, or left out by its filter. */
interface Passed {
  position: Position | undefined
}

export class EventStoreDbSubscriptions {
  readonly #client: EventStoreDBClient
  readonly #url: string
  readonly #settings: Settings
  readonly #reads: EventStoreDbReads
  readonly #live = new Set<() => void>()
  #closed = false

  constructor(client: EventStoreDBClient, url: string, settings: Settings, reads: EventStoreDbReads) {
    this.#client = client
    this.#url = url
    this.#settings = settings
    this.#reads = reads
  }

  close(): void {
    this.#closed = true
    for (const stop of [...this.#live]) stop()
  }

  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<EventBatch> {
    const { signal, prefixes = [], batchSize = 500 } = options
    const over = () => this.#closed || signal?.aborted === true
    let position = options.after
    const passed: Passed = { position: options.after }
    let failures = 0
    while (!over()) {
      try {
        for await (const batch of this.#session(position, passed, prefixes, batchSize, over, signal)) {
          failures = 0
          position = batch.position
          yield batch
          if (over()) return
        }
      } catch (cause) {
        if (over()) return
        const error = toEventStoreError(cause, this.#url)
        if (error.code !== 'unavailable') throw error
        if (error instanceof Skipped) continue
        this.#settings.onTrouble?.(error)
      }
      if (!over()) await this.#pause(Math.min(25 * 2 ** failures++, 2_000), signal)
    }
  }

  /** One subscription of the client, until it ends or breaks. */
  async *#session(
    after: Position | undefined,
    passed: Passed,
    prefixes: readonly string[],
    batchSize: number,
    over: () => boolean,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<EventBatch> {
    const { namespace } = this.#settings
    // Read before subscribing: once caught up, everything up to here was handled or is not for this reader.
    const headBefore = await this.#reads.head()
    const subscription = this.#start(passed.position, prefixes)
    const stop = () => cancel(subscription)
    this.#live.add(stop)
    signal?.addEventListener('abort', stop, { once: true })
    let position = after
    let live = false
    let events: StoredEvent[] = []
    let moved = false
    const advance = (to: Position | undefined) => {
      if (to === undefined || (position !== undefined && to <= position)) return false
      position = to
      return true
    }
    // Servers have sent stale checkpoints, and 2^64 - 1: what lies behind the end of the log is none.
    const pass = (to: Position | undefined) => {
      if (to === undefined || to > this.#reads.end) return false
      if (passed.position === undefined || to > passed.position) passed.position = to
      const newest = this.#reads.newest
      return newest !== undefined && advance(to < newest ? to : newest)
    }
    const flush = (): EventBatch => {
      const batch = { events, position, caughtUp: live }
      events = []
      moved = false
      return batch
    }
    const look = this.#lookAhead(
      () => position,
      () => live,
      subscription,
    )
    try {
      if (over()) return
      for await (const item of subscription) {
        if ('mark' in item) {
          switch (item.mark) {
            case 'checkpoint':
              moved = pass(item.position) || moved
              break
            case 'caught-up':
              advance(headBefore)
              live = true
              yield flush()
              break
            case 'fell-behind':
              live = false
              break
            default: {
              const _: never = item
            }
          }
        } else {
          const stored = toStored(item.event, namespace, item.commitPosition)
          if (stored === undefined) moved = pass(item.commitPosition) || moved
          else if (advance(stored.position)) {
            this.#reads.saw(stored.position)
            passed.position = stored.position
            events.push(stored)
          }
        }
        look.heard()
        const full = events.length >= batchSize
        if (
          full ||
          ((live || events.length === 0) && (events.length > 0 || moved) && subscription.readableLength === 0)
        )
          yield full && subscription.readableLength > 0 ? { ...flush(), caughtUp: false } : flush()
        if (over()) return
      }
      // A clean end: what came before it counts.
      if (events.length > 0) yield { ...flush(), caughtUp: false }
    } finally {
      look.stop()
      this.#live.delete(stop)
      signal?.removeEventListener('abort', stop)
      cancel(subscription)
    }
  }

  #start(after: Position | undefined, prefixes: readonly string[]): Subscription {
    const { namespace } = this.#settings
    const wanted =
      prefixes.length > 0 ? prefixes.map((prefix) => namespace + prefix) : namespace === '' ? [] : [namespace]
    let subscription: Subscription | undefined
    const filter = streamNameFilter({
      prefixes: wanted,
      maxSearchWindow: SEARCH_WINDOW,
      checkpointInterval: 1,
      // Must not throw: the subscription would stall.
      checkpointReached: async (_, position) => {
        subscription?.push({ mark: 'checkpoint', position: position.commit })
      },
    })
    subscription = this.#client.subscribeToAll(
      {
        fromPosition: after === undefined ? START : { commit: after, prepare: after },
        ...(wanted.length === 0 ? {} : { filter }),
      },
      { highWaterMark: BUFFERED },
    ) as unknown as Subscription
    const started = subscription
    // The client emits errors without destroying its stream: a loop over it would wait for ever.
    started.on('error', (error) => started.destroy(error))
    started.on('caughtUp', () => started.push({ mark: 'caught-up' }))
    started.on('fellBehind', () => started.push({ mark: 'fell-behind' }))
    return started
  }

  /**
   * A live subscription with a filter hears nothing of what it leaves out, and a server that hangs says nothing at all. So while it is
   * quiet the head is read: when that has moved on, or cannot be read, the session ends and the next one starts where it stood.
   */
  #lookAhead(position: () => Position | undefined, live: () => boolean, subscription: Subscription) {
    const { headPollMs, deadlineMs } = this.#settings
    let heardAt = performance.now()
    let looking = false
    const timer = setInterval(() => {
      const quiet = performance.now() - heardAt
      if (looking || quiet < headPollMs) return
      if (!live()) {
        if (quiet > 4 * deadlineMs) subscription.destroy(new Late('the subscription', 4 * deadlineMs))
        return
      }
      looking = true
      const stood = position()
      this.#reads.head().then(
        (head) => {
          looking = false
          const behind = head !== undefined && (stood === undefined || head > stood)
          if (behind && position() === stood && live()) subscription.destroy(new Skipped())
        },
        (error) => {
          looking = false
          subscription.destroy(error)
        },
      )
    }, headPollMs)
    timer.unref()
    return {
      heard: () => {
        heardAt = performance.now()
      },
      stop: () => clearInterval(timer),
    }
  }

  #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#live.delete(done)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#live.add(done)
      signal?.addEventListener('abort', done, { once: true })
    })
  }
}

/** Not an error: the log went on with what the filter leaves out. */
export class Skipped extends EventStoreError {
  constructor() {
    super('unavailable', 'The log moved on without this subscription')
  }
}
