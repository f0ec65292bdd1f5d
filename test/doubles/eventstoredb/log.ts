// The log of the EventStoreDB double: streams, positions, and the checks that a server makes before it writes. In memory, and in a
// file as well when one is named, so that a killed double comes back with what it acknowledged.
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'

export interface LogEvent {
  readonly id: string
  readonly stream: string
  readonly revision: bigint
  /** Commit and prepare position are one since version 20: the place of the record in the log. */
  readonly position: bigint
  readonly type: string
  readonly contentType: string
  readonly data: Uint8Array
  readonly metadata: Uint8Array
  /** Epoch milliseconds. */
  readonly created: number
}

export type NewLogEvent = Pick<LogEvent, 'id' | 'type' | 'contentType' | 'data' | 'metadata'>
export type Expected = 'any' | 'no-stream' | 'stream-exists' | bigint
export type WriteOutcome =
  | { readonly kind: 'written' | 'repeated'; readonly revision: bigint; readonly position: bigint }
  /** `current` is -1n for a stream that does not exist. */
  | { readonly kind: 'wrong-expected-version'; readonly current: bigint }

/** Ids that a server remembers for appends to any revision: a bounded cache in its memory, gone after a restart. */
const REMEMBERED_IDS = 50_000
/** Where the first record of a real log lies differs; it is never 0. */
const FIRST_POSITION = 1_788n

export class DoubleLog {
  readonly events: LogEvent[] = []
  readonly #streams = new Map<string, LogEvent[]>()
  #remembered = new Map<string, LogEvent>()
  readonly #listeners = new Set<() => void>()
  #next = FIRST_POSITION
  #file: number | undefined

  /** With a file: what was acknowledged before is there again, a torn tail is cut off. */
  constructor(path?: string) {
    if (path !== undefined) {
      if (existsSync(path)) this.#load(path)
      this.#file = openSync(path, 'a')
    }
    if (this.events.length === 0) {
      // Every real server's $all begins with streams of its own.
      this.#write('$users', [systemEvent('$UserCreated', '{"loginName":"admin"}')])
    }
  }

  stream(name: string): readonly LogEvent[] {
    return this.#streams.get(name) ?? []
  }

  /** Checks and writes as the server's index writer does; all events or none. */
  append(stream: string, expected: Expected, events: readonly NewLogEvent[]): WriteOutcome {
    const current = BigInt((this.#streams.get(stream)?.length ?? 0) - 1)
    const wrong: WriteOutcome = { kind: 'wrong-expected-version', current }
    if (expected === 'stream-exists' && current < 0n) return wrong
    if (expected === 'any' || expected === 'stream-exists') {
      let last: LogEvent | undefined
      for (const [i, { id }] of events.entries()) {
        const known = this.#remembered.get(id)
        if (known === undefined || known.stream !== stream) {
          if (i > 0) return wrong
          last = undefined
          break
        }
        last = known
      }
      if (last !== undefined) return { kind: 'repeated', revision: last.revision, position: last.position }
    } else {
      const version = expected === 'no-stream' ? -1n : expected
      if (version > current) return wrong
      if (version < current) {
        const there = this.stream(stream).slice(Number(version) + 1, Number(version) + 1 + events.length)
        const last = there.at(-1)
        const same = there.length === events.length && events.every(({ id }, i) => there[i]?.id === id)
        if (!same || last === undefined) return wrong
        return { kind: 'repeated', revision: last.revision, position: last.position }
      }
    }
    const last = this.#write(stream, events)
    return { kind: 'written', revision: last.revision, position: last.position }
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Index in `events` of the first one behind a position. */
  after(position: bigint): number {
    let low = 0
    let high = this.events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.events[middle] as LogEvent).position <= position) low = middle + 1
      else high = middle
    }
    return low
  }

  get end(): bigint {
    return this.#next
  }

  /** What a restart does to a server: the ids of earlier appends are forgotten, the events are not. */
  forgetIds(): void {
    this.#remembered = new Map()
  }

  close(): void {
    if (this.#file === undefined) return
    closeSync(this.#file)
    this.#file = undefined
  }

  #write(stream: string, events: readonly NewLogEvent[]): LogEvent {
    const created = Date.now()
    const revision = this.stream(stream).length
    const written = events.map((event, i): LogEvent => {
      const position = this.#next
      this.#next += BigInt(80 + stream.length + 2 * event.type.length + event.data.length + event.metadata.length)
      return { ...event, stream, revision: BigInt(revision + i), position, created }
    })
    // Nobody may see what a kill could take back.
    if (this.#file !== undefined) writeSync(this.#file, pack(written, this.#next))
    this.#add(written)
    for (const event of written) this.#remember(event)
    for (const listener of this.#listeners) listener()
    return written.at(-1) as LogEvent
  }

  #add(written: readonly LogEvent[]): void {
    for (const event of written) {
      this.events.push(event)
      const stream = this.#streams.get(event.stream)
      if (stream) stream.push(event)
      else this.#streams.set(event.stream, [event])
    }
  }

  #remember(event: LogEvent): void {
    this.#remembered.set(event.id, event)
    if (this.#remembered.size > REMEMBERED_IDS) this.#remembered.delete(this.#remembered.keys().next().value as string)
  }

  #load(path: string): void {
    const bytes = readFileSync(path)
    let at = 0
    while (at + 4 <= bytes.length) {
      const length = bytes.readUInt32LE(at)
      if (at + 4 + length > bytes.length) break
      const { events, next } = unpack(bytes.subarray(at + 4, at + 4 + length))
      this.#add(events)
      this.#next = next
      at += 4 + length
    }
    if (at < bytes.length) truncateSync(path, at)
  }
}

export const systemEvent = (type: string, json: string): NewLogEvent => ({
  id: crypto.randomUUID(),
  type,
  contentType: 'application/json',
  data: Buffer.from(json),
  metadata: new Uint8Array(),
})

/** One append is one record: length, then a JSON head, then the bytes of the events one after the other. */
function pack(events: readonly LogEvent[], next: bigint): Buffer {
  const head = Buffer.from(
    JSON.stringify({
      next: String(next),
      events: events.map(({ data, metadata, revision, position, ...rest }) => ({
        ...rest,
        revision: String(revision),
        position: String(position),
        data: data.length,
        metadata: metadata.length,
      })),
    }),
  )
  const size = Buffer.alloc(8)
  const bodies = events.flatMap(({ data, metadata }) => [data, metadata])
  const record = Buffer.concat([size, head, ...bodies])
  record.writeUInt32LE(record.length - 4, 0)
  record.writeUInt32LE(head.length, 4)
  return record
}

function unpack(record: Buffer): { events: LogEvent[]; next: bigint } {
  const end = 4 + record.readUInt32LE(0)
  const head = JSON.parse(record.toString('utf8', 4, end)) as {
    next: string
    events: (Omit<LogEvent, 'data' | 'metadata' | 'revision' | 'position'> & {
      data: number
      metadata: number
      revision: string
      position: string
    })[]
  }
  let at = end
  const take = (length: number) => record.subarray(at, (at += length))
  const events = head.events.map((event) => ({
    ...event,
    revision: BigInt(event.revision),
    position: BigInt(event.position),
    data: take(event.data),
    metadata: take(event.metadata),
  }))
  return { events, next: BigInt(head.next) }
}
