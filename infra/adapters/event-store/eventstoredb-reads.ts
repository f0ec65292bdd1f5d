// Reading single streams, single positions and the head of EventStoreDB: pages with deadlines, tried again where the line broke.
import { END, type EventStoreDBClient, START } from '@eventstore/db-client'
import { EventStoreError, type ReadStreamOptions, type StoredEvent } from '../../../commands/ports/event-store.ts'
import type { Position, Revision } from '../../../domain/log.ts'
import { type Settings, take, toEventStoreError } from './eventstoredb-connection.ts'
import { toStored } from './eventstoredb-events.ts'

const PAGE = 256
/** Single positions asked for at a time. */
const PARALLEL = 16

export class EventStoreDbReads {
  readonly #client: EventStoreDBClient
  readonly #url: string
  readonly #settings: Settings
  /** The newest position of this log that anything told of, and the newest record of any kind that a head read saw. */
  #newest: Position | undefined
  #seenUpTo = -1n
  #closed = false

  constructor(client: EventStoreDBClient, url: string, settings: Settings) {
    this.#client = client
    this.#url = url
    this.#settings = settings
  }

  close(): void {
    this.#closed = true
  }

  /** Newest position that this process has seen: what is appended from now on lies behind it. */
  get newest(): Position | undefined {
    return this.#newest
  }

  /** Position of the newest record of any kind that a look at the head found. */
  get end(): Position {
    return this.#seenUpTo
  }

  saw(position: Position): void {
    if (this.#newest === undefined || position > this.#newest) this.#newest = position
  }

  /** `firstPage` events are asked for at first: a reader that will stop soon asks for few. */
  async *readStream(stream: string, options: ReadStreamOptions = {}, firstPage = PAGE): AsyncGenerator<StoredEvent> {
    for await (const page of this.readPages(stream, options, firstPage)) {
      for (const event of page) {
        this.#open()
        yield event
      }
    }
  }

  async *readPages(
    stream: string,
    options: ReadStreamOptions = {},
    firstPage = PAGE,
  ): AsyncGenerator<readonly StoredEvent[]> {
    const backwards = options.direction === 'backwards'
    let left = options.limit ?? Number.POSITIVE_INFINITY
    let from = options.from
    for (let page = firstPage; left > 0; page = Math.min(page * 4, PAGE)) {
      const count = Math.min(page, left)
      const events = await this.#again(() => this.#page(stream, from, backwards, count))
      if (events.length > 0) yield events
      if (events.length < count) return
      left -= events.length
      const last = (events.at(-1) as StoredEvent).revision
      if (backwards && last === 0n) return
      from = backwards ? last - 1n : last + 1n
    }
  }

  async lastRevision(stream: string): Promise<Revision | undefined> {
    return (await this.last(stream))?.revision
  }

  /** The last event of a stream. */
  async last(stream: string): Promise<StoredEvent | undefined> {
    return (await this.#again(() => this.#page(stream, undefined, true, 1)))[0]
  }

  async readPositions(positions: readonly Position[]): Promise<readonly StoredEvent[]> {
    const found = new Array<StoredEvent | undefined>(positions.length)
    let next = 0
    const worker = async () => {
      while (next < positions.length) {
        const i = next++
        found[i] = await this.#at(positions[i] as Position)
      }
    }
    await Promise.all(Array.from({ length: Math.min(PARALLEL, positions.length) }, worker))
    return found.filter((event) => event !== undefined)
  }

  /** Reads $all backwards over what is not ours; as far as the last look at most. */
  async head(): Promise<Position | undefined> {
    let from: Position | undefined
    let first: Position | undefined
    for (let count = 8; ; count = Math.min(count * 4, 2_000)) {
      const known = this.#newest
      let last: Position | undefined
      let own: Position | undefined
      let reached = false
      let size = 0
      await this.#again(async () => {
        size = 0
        const fromPosition = from === undefined ? END : { commit: from, prepare: from }
        const read = this.#client.readAll({
          direction: 'backwards',
          fromPosition,
          maxCount: count,
          requiresLeader: true,
        })
        await take(read, this.#settings.deadlineMs, ({ event, commitPosition }) => {
          size++
          last = commitPosition ?? event?.position.commit ?? 0n
          first ??= last
          const stored = toStored(event, this.#settings.namespace, last)
          own = stored?.position
          reached = last <= this.#seenUpTo || (known !== undefined && last <= known)
          return own !== undefined || reached
        })
      })
      if (own !== undefined) this.saw(own)
      if (own !== undefined || reached || size < count) {
        if (first !== undefined && first > this.#seenUpTo) this.#seenUpTo = first
        return this.#newest
      }
      from = last
    }
  }

  /** Once more until the time for retries is up: reads change nothing. */
  async #again<T>(action: () => Promise<T>): Promise<T> {
    const until = Date.now() + this.#settings.retryForMs
    for (let pause = 25; ; pause = Math.min(pause * 2, 1_000)) {
      this.#open()
      try {
        return await action()
      } catch (cause) {
        this.#open()
        const error = toEventStoreError(cause, this.#url)
        if (error.code !== 'unavailable' || Date.now() + pause > until) throw error
        this.#settings.onTrouble?.(error)
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }
  }

  #open(): void {
    if (this.#closed) throw new EventStoreError('closed', 'The log was closed while it was being read')
  }

  async #page(stream: string, from: Revision | undefined, backwards: boolean, count: number): Promise<StoredEvent[]> {
    const { namespace, deadlineMs } = this.#settings
    const page: StoredEvent[] = []
    const read = this.#client.readStream(namespace + stream, {
      direction: backwards ? 'backwards' : 'forwards',
      fromRevision: from ?? (backwards ? END : START),
      maxCount: count,
      requiresLeader: true,
    })
    try {
      await take(read, deadlineMs, ({ event }) => {
        const stored = toStored(event, namespace)
        if (stored) page.push(stored)
        return page.length === count
      })
    } catch (error) {
      if ((error as { type?: string }).type === 'stream-not-found') return []
      throw error
    }
    return page
  }

  #at(position: Position): Promise<StoredEvent | undefined> {
    return this.#again(async () => {
      let found: StoredEvent | undefined
      const fromPosition = { commit: position, prepare: position }
      const read = this.#client.readAll({ fromPosition, maxCount: 1, requiresLeader: true })
      try {
        await take(read, this.#settings.deadlineMs, ({ event, commitPosition }) => {
          const stored = toStored(event, this.#settings.namespace, commitPosition)
          if (stored?.position === position) found = stored
          return true
        })
      } catch (error) {
        // Asked for a place inside a record, a server calls it an invalid position: nothing is there.
        if (!/invalid ?position/i.test(String((error as Error).message))) throw error
      }
      return found
    })
  }
}
