// Reading the SQLite log. Every thread that reads has a reader of its own; readers never wait for the writer.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type {
  EventBatch,
  ReadStreamOptions,
  StoredEvent,
  SubscribeOptions,
} from '../../../commands/ports/event-store.ts'
import { EventStoreError } from '../../../commands/ports/event-store.ts'
import type { Position, Revision } from '../../../domain/log.ts'
import { openLogForReading, toEventStoreError } from './sqlite-schema.ts'

const PAGE = 256
const CACHED_NAMES = 100_000
type Row = readonly [number, number, number, number, string, Uint8Array | null, Uint8Array]
/** What nearly every event has: not worth an array of its own each time. */
const COMMON_METADATA = Buffer.from('{"v":1}')
const COLUMNS = `position, stream, revision, type, lower(hex(id)), nullif(metadata, x'${COMMON_METADATA.toString('hex')}'), data`

export class SqliteLogReader {
  readonly #path: string
  readonly #db: DatabaseSync
  readonly #names = new Map<number, string>()
  readonly #types = new Map<number, string>()
  readonly #waiting = new Set<() => void>()
  #closed = false
  readonly #forwards: StatementSync
  readonly #backwards: StatementSync
  readonly #all: StatementSync
  readonly #one: StatementSync
  readonly #head: StatementSync
  readonly #streamByName: StatementSync
  readonly #streamName: StatementSync
  readonly #typeName: StatementSync

  constructor(path: string) {
    this.#path = path
    this.#db = openLogForReading(path)
    const prepare = (sql: string) => {
      const statement = this.#db.prepare(sql)
      statement.setReturnArrays(true)
      return statement
    }
    try {
      this.#forwards = prepare(
        `SELECT ${COLUMNS} FROM event WHERE stream = ? AND revision >= ? ORDER BY revision LIMIT ?`,
      )
      this.#backwards = prepare(
        `SELECT ${COLUMNS} FROM event WHERE stream = ? AND revision <= ? ORDER BY revision DESC LIMIT ?`,
      )
      this.#all = prepare(`SELECT ${COLUMNS} FROM event WHERE position > ? ORDER BY position LIMIT ?`)
      this.#one = prepare(`SELECT ${COLUMNS} FROM event WHERE position = ?`)
      this.#head = prepare('SELECT max(position) FROM event')
      this.#streamByName = prepare('SELECT id, revision FROM stream WHERE name = ?')
      this.#streamName = prepare('SELECT name FROM stream WHERE id = ?')
      this.#typeName = prepare('SELECT name FROM type WHERE id = ?')
    } catch (error) {
      throw toEventStoreError(error, path)
    }
  }

  async *readStream(stream: string, options: ReadStreamOptions = {}): AsyncGenerator<StoredEvent> {
    for (const page of this.readPages(stream, options)) yield* page
  }

  /** As `readStream`, a page at a time: for long streams, where a step of an async generator costs as much as its event. */
  *readPages(stream: string, options: ReadStreamOptions = {}): Generator<readonly StoredEvent[]> {
    const backwards = options.direction === 'backwards'
    const row = this.#read(() => this.#streamByName.get(stream)) as readonly [number, number] | undefined
    if (!row) return
    let left = options.limit ?? Number.POSITIVE_INFINITY
    let from = options.from === undefined ? (backwards ? row[1] : 0) : Number(options.from)
    // Asked before every change: what came since then? Mostly nothing.
    if (!backwards && from > row[1]) return
    while (left > 0) {
      const page = Math.min(PAGE, left)
      const rows = this.#read(() =>
        (backwards ? this.#backwards : this.#forwards).all(row[0], from, page),
      ) as unknown as Row[]
      if (rows.length > 0) yield rows.map((found) => this.#event(found))
      if (rows.length < page) return
      left -= rows.length
      from = (rows.at(-1) as Row)[2] + (backwards ? -1 : 1)
    }
  }

  lastRevision(stream: string): Revision | undefined {
    const row = this.#read(() => this.#streamByName.get(stream)) as readonly [number, number] | undefined
    return row && BigInt(row[1])
  }

  head(): Position | undefined {
    const row = this.#read(() => this.#head.get()) as readonly [number | null] | undefined
    return row?.[0] ? BigInt(row[0]) : undefined
  }

  readPositions(positions: readonly Position[]): readonly StoredEvent[] {
    const events: StoredEvent[] = []
    for (const position of positions) {
      const row = this.#read(() => this.#one.get(Number(position))) as Row | undefined
      if (row) events.push(this.#event(row))
    }
    return events
  }

  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<EventBatch> {
    const { signal, prefixes = [], batchSize = 500 } = options
    const wanted = (name: string) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix))
    let after = Number(options.after ?? 0n)
    let told = false
    while (!this.#closed && !signal?.aborted) {
      const rows = this.#read(() => this.#all.all(after, batchSize)) as unknown as Row[]
      const caughtUp = rows.length < batchSize
      if (rows.length > 0 || !told) {
        after = rows.at(-1)?.[0] ?? after
        const events: StoredEvent[] = []
        for (const row of rows) if (wanted(this.#name(row[1]))) events.push(this.#event(row))
        if (events.length > 0 || caughtUp) {
          told = caughtUp
          yield { events, position: after === 0 ? undefined : BigInt(after), caughtUp }
        } else {
          // A long stretch of what nobody asked for must not hold up this thread.
          await setImmediate()
        }
      }
      if (caughtUp && !this.#closed && !signal?.aborted && this.#headIsBefore(after)) await this.#poked(signal)
    }
  }

  /** Wakes the subscriptions of this thread: the writer committed something. */
  poke(): void {
    for (const wake of this.#waiting) wake()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.poke()
    this.#db.close()
  }

  /** Also of a log that is shorter than it was: a reader that was further along waits, it does not spin. */
  #headIsBefore(position: number): boolean {
    return Number(this.head() ?? 0n) <= position
  }

  #poked(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  #read<T>(query: () => T): T {
    if (this.#closed) throw new EventStoreError('closed', 'The log was closed while it was being read')
    try {
      return query()
    } catch (error) {
      throw toEventStoreError(error, this.#path)
    }
  }

  #event(row: Row): StoredEvent {
    return {
      position: BigInt(row[0]),
      stream: this.#name(row[1]),
      revision: BigInt(row[2]),
      type: this.#typeOf(row[3]),
      id: uuidText(row[4]),
      metadata: row[5] ?? COMMON_METADATA,
      data: row[6],
    }
  }

  #name(id: number): string {
    const cached = this.#names.get(id)
    if (cached !== undefined) return cached
    const name = String((this.#streamName.get(id) as unknown as readonly [string])[0])
    if (this.#names.size >= CACHED_NAMES) this.#names.clear()
    this.#names.set(id, name)
    return name
  }

  #typeOf(id: number): string {
    const cached = this.#types.get(id)
    if (cached !== undefined) return cached
    const name = String((this.#typeName.get(id) as unknown as readonly [string])[0])
    this.#types.set(id, name)
    return name
  }
}

const uuidText = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
