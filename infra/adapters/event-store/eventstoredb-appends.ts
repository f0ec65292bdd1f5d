// Appending to EventStoreDB so that an event is there once, whatever breaks meanwhile. Every error but a refusal leaves the outcome
// unknown: the append is tried again with the same ids. With an exact expectation the server knows its own repeat. With "any" it
// knows only what is still in its memory, which a restart empties: so after an unknown outcome this looks in the stream itself, back
// to where the log stood before the first try, and pins the next try to the revision that it found.
import type { AppendExpectedRevision, EventStoreDBClient } from '@eventstore/db-client'
import {
  type Append,
  type AppendResult,
  EventStoreError,
  type ExpectedRevision,
} from '../../../commands/ports/event-store.ts'
import type { Position, Revision } from '../../../domain/log.ts'
import { BatchLane } from './eventstoredb-batch.ts'
import { clientFor, type Settings, toEventStoreError, within } from './eventstoredb-connection.ts'
import { toEventData } from './eventstoredb-events.ts'
import type { EventStoreDbReads } from './eventstoredb-reads.ts'

interface Place {
  readonly stream: string
  readonly revision: Revision
  readonly position: Position
}

/** Ids of appends of this process that are remembered to notice a repeat without asking. */
const REMEMBERED = 20_000
/** Tries under a revision that the stream was seen at, after an append to any revision whose outcome is not known. */
const PINNED_TRIES = 3
/** Appends of unknown outcome whose caller gave up, and may come back. */
const UNDECIDED = 10_000

export class EventStoreDbAppends {
  readonly #client: EventStoreDBClient
  readonly #url: string
  readonly #settings: Settings
  readonly #reads: EventStoreDbReads
  readonly #batches: BatchLane | undefined
  readonly #known = new Map<string, Place>()
  /** By the first id: where the log stood before its first try. */
  readonly #undecided = new Map<string, Position | undefined>()
  #closed = false

  constructor(client: EventStoreDBClient, url: string, settings: Settings, reads: EventStoreDbReads) {
    this.#client = client
    // Plain appends only through this client: one call each, with errors that say who leads.
    Object.assign(client, { supports: async () => false })
    this.#url = url
    this.#settings = settings
    this.#reads = reads
    this.#batches = settings.readOnly ? undefined : BatchLane.claim(() => clientFor(url), settings.deadlineMs)
  }

  async append(append: Append): Promise<AppendResult> {
    const repeated = this.#repeated(append)
    if (repeated) return repeated
    const key = append.events[0]?.id ?? ''
    const floor = this.#undecided.has(key) ? this.#undecided.get(key) : this.#reads.newest
    const until = Date.now() + this.#settings.retryForMs
    let pinned: ExpectedRevision | undefined
    let unsure = this.#undecided.has(key)
    let lost = 0
    for (let pause = 25; ; pause = Math.min(pause * 2, 1_000)) {
      try {
        if (unsure && append.expected === 'any') {
          const looked = await this.#look(append, floor)
          if (typeof looked === 'object') return this.#decided(append, looked)
          // Others who keep winning the race show a server that is well: then its memory of ids is enough for what is still under way.
          pinned = lost < PINNED_TRIES ? looked : undefined
        }
        const expected = pinned ?? append.expected
        const result = await this.#try(append, expected, unsure)
        if (result.ok) return this.#decided(append, result)
        if (append.expected !== 'any') return this.#decided(append, result)
        // Without a pin: the server found the first of these ids and then another event behind it.
        if (pinned === undefined) throw idReused(append.stream)
        lost++
      } catch (cause) {
        if (this.#closed)
          throw new EventStoreError('closed', 'The log was closed before the append was answered', { cause })
        const error = toEventStoreError(cause, this.#url)
        if (error.code !== 'unavailable') throw error
        unsure = true
        lost = 0
        this.#settings.onTrouble?.(error)
        if (Date.now() + pause > until) {
          this.#remember(this.#undecided, key, floor, UNDECIDED)
          throw error
        }
        await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#batches?.close()
  }

  async #try(append: Append, expected: ExpectedRevision, unsure: boolean): Promise<AppendResult> {
    const { deadlineMs, namespace } = this.#settings
    const stream = namespace + append.stream
    const before = this.#reads.newest
    const events = append.events.map(toEventData)
    const expectedRevision: AppendExpectedRevision = expected === 'no-stream' ? 'no_stream' : expected
    try {
      const sent = unsure ? undefined : this.#batches?.append(stream, events, expectedRevision)
      const options = { expectedRevision, requiresLeader: true, deadline: deadlineMs }
      const answer = await (sent ??
        within(deadlineMs + 100, 'an append', this.#client.appendToStream(stream, events, options)))
      const revision = answer.nextExpectedRevision
      const told = append.events.length === 1 ? answer.position?.commit : undefined
      const position = told ?? (await this.#positionOf(append.stream, revision))
      return { ok: true, revision, position, repeated: before !== undefined && position <= before && !unsure }
    } catch (error) {
      if ((error as { type?: string }).type !== 'wrong-expected-version') throw error
      const { actualVersion } = error as { actualVersion?: unknown }
      const actual = typeof actualVersion === 'bigint' && actualVersion >= 0n ? actualVersion : undefined
      return { ok: false, error: 'wrong-expected-revision', actual }
    }
  }

  /** Of an append of several events a server tells one position: the last event is asked for its own. */
  async #positionOf(stream: string, revision: Revision): Promise<Position> {
    for await (const event of this.#reads.readStream(stream, { from: revision, limit: 1 })) return event.position
    throw new EventStoreError('unavailable', `The event ${revision} of ${stream} was appended and cannot be read yet`)
  }

  /** Whether the append happened after all; else the expectation under which it can be tried safely. */
  async #look(append: Append, floor: Position | undefined): Promise<AppendResult | ExpectedRevision> {
    const ids = append.events.map(({ id }) => id.toLowerCase())
    let end: Revision | undefined
    let behind = 0
    for await (const event of this.#reads.readStream(append.stream, { direction: 'backwards' }, 8)) {
      end ??= event.revision
      // Backwards, the last of these events comes first.
      if (event.id === ids.at(-1 - behind)) {
        if (++behind === ids.length) {
          const revision = event.revision + BigInt(ids.length - 1)
          const position = ids.length === 1 ? event.position : await this.#positionOf(append.stream, revision)
          return { ok: true, revision, position, repeated: false }
        }
      } else behind = 0
      if (floor !== undefined && event.position <= floor && behind === 0) break
    }
    return end ?? 'no-stream'
  }

  #decided(append: Append, result: AppendResult): AppendResult {
    this.#undecided.delete(append.events[0]?.id ?? '')
    if (!result.ok) return result
    this.#reads.saw(result.position)
    const first = result.revision - BigInt(append.events.length - 1)
    for (const [i, { id }] of append.events.entries()) {
      const place = { stream: append.stream, revision: first + BigInt(i), position: result.position }
      this.#remember(this.#known, id, place, REMEMBERED)
    }
    return result
  }

  /** The first answer again, for an append that this process made before. */
  #repeated({ stream, events }: Append): AppendResult | undefined {
    const places = events
      .map(({ id }) => this.#known.get(id))
      .map((place) => (place?.stream === stream ? place : undefined))
    const last = places.at(-1)
    if (places.every((place) => place === undefined)) return undefined
    const first = places[0]?.revision
    const whole = first !== undefined && places.every((place, i) => place?.revision === first + BigInt(i))
    // Forgotten in part, or reused: the server knows which, unless a new event comes first.
    if (!whole || last === undefined) {
      if (this.#known.size < REMEMBERED) throw idReused(stream)
      return undefined
    }
    return { ok: true, revision: last.revision, position: last.position, repeated: true }
  }

  #remember<V>(map: Map<string, V>, key: string, value: V, limit: number): void {
    map.set(key, value)
    if (map.size > limit) map.delete(map.keys().next().value as string)
  }
}

const idReused = (stream: string) =>
  new EventStoreError(
    'id-reused',
    `An event of this append is in stream ${stream} already, in another place than it says`,
  )
