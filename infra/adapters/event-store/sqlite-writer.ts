// The one writer of the SQLite log. Synchronous: it lives in the storage thread, which groups many appends into one commit.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Append, AppendResult, EventToAppend } from '../../../commands/ports/event-store.ts'
import { EventStoreError } from '../../../commands/ports/event-store.ts'
import { openLogForWriting, toEventStoreError } from './sqlite-schema.ts'

/** Appends that must all happen or not happen at all. */
export type AppendGroup = readonly Append[]
export type GroupOutcome = { readonly results: readonly AppendResult[] } | { readonly error: EventStoreError }

interface StreamRow {
  id: number
  revision: number
}

const CACHED_STREAMS = 20_000

export class SqliteLogWriter {
  readonly #path: string
  readonly #db: DatabaseSync
  readonly #types = new Map<string, number>()
  /** Streams touched lately. Dropped when a commit fails, since it then may hold what was rolled back. */
  readonly #streams = new Map<string, StreamRow>()
  #nextPosition: number
  #nextStream: number
  #broken: EventStoreError | undefined
  readonly #findStream: StatementSync
  readonly #insertStream: StatementSync
  readonly #updateStream: StatementSync
  readonly #insertEvent: StatementSync
  readonly #findEvent: StatementSync

  constructor(path: string) {
    this.#path = path
    this.#db = openLogForWriting(path)
    const db = this.#db
    try {
      this.#findStream = db.prepare('SELECT id, revision FROM stream WHERE name = ?')
      this.#insertStream = db.prepare('INSERT INTO stream (id, name, revision) VALUES (?, ?, ?)')
      this.#updateStream = db.prepare('UPDATE stream SET revision = ? WHERE id = ?')
      this.#insertEvent = db.prepare(
        'INSERT INTO event (position, stream, revision, type, id, metadata, data) VALUES (?, ?, ?, ?, ?, ?, ?)',
      )
      this.#findEvent = db.prepare('SELECT position, revision FROM event WHERE stream = ? AND id = ?')
      for (const row of db.prepare('SELECT id, name FROM type').all())
        this.#types.set(String(row['name']), Number(row['id']))
      this.#nextPosition = Number(
        db.prepare('SELECT coalesce(max(position), 0) + 1 AS next FROM event').get()?.['next'],
      )
      this.#nextStream = Number(db.prepare('SELECT coalesce(max(id), 0) + 1 AS next FROM stream').get()?.['next'])
    } catch (error) {
      db.close()
      throw toEventStoreError(error, path)
    }
  }

  /** Position of the newest committed event, 0 for an empty log. */
  get head(): number {
    return this.#nextPosition - 1
  }

  /**
   * Commits every group that is acceptable in one transaction with one fsync. A group refused for its expected revision answers
   * `ok: false` and leaves no trace; when the commit itself fails, no group happened and all answer the error.
   */
  commit(groups: readonly AppendGroup[]): readonly GroupOutcome[] {
    if (this.#broken) return groups.map(() => ({ error: this.#broken as EventStoreError }))
    const position = this.#nextPosition
    const stream = this.#nextStream
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      const outcomes = groups.map((group) => this.#applyGroup(group))
      this.#db.exec('COMMIT')
      return outcomes
    } catch (cause) {
      const error = toEventStoreError(cause, this.#path)
      if (this.#db.isTransaction) {
        try {
          this.#db.exec('ROLLBACK')
        } catch (rollback) {
          this.#broken = toEventStoreError(rollback, this.#path)
        }
      }
      if (error.code === 'corrupt') this.#broken = error
      this.#nextPosition = position
      this.#nextStream = stream
      this.#forget()
      return groups.map(() => ({ error }))
    }
  }

  close(): void {
    if (!this.#db.isOpen) return
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // A reader still holds the WAL: the next start folds it in.
    }
    this.#db.close()
  }

  /** What was undone may be in the caches: a type or a stream whose row is gone. */
  #forget(): void {
    this.#streams.clear()
    this.#types.clear()
    for (const row of this.#readTypes()) this.#types.set(row.name, row.id)
  }

  #readTypes(): readonly { name: string; id: number }[] {
    try {
      return this.#db
        .prepare('SELECT id, name FROM type')
        .all()
        .map((row) => ({ id: Number(row['id']), name: String(row['name']) }))
    } catch {
      return []
    }
  }

  #applyGroup(group: AppendGroup): GroupOutcome {
    // A single-event append checks before it writes, so only larger groups can need undoing.
    const undoable = group.length > 1 || (group[0]?.events.length ?? 0) > 1
    const position = this.#nextPosition
    if (undoable) this.#db.exec('SAVEPOINT part')
    const results: AppendResult[] = []
    let failure: EventStoreError | undefined
    for (const append of group) {
      try {
        results.push(this.#apply(append))
      } catch (error) {
        if (!(error instanceof EventStoreError) || error.code !== 'id-reused') throw error
        failure = error
      }
      if (failure || results.at(-1)?.ok === false) break
    }
    const refused = failure !== undefined || results.at(-1)?.ok === false
    if (undoable) {
      if (refused) {
        this.#db.exec('ROLLBACK TO part')
        this.#nextPosition = position
        this.#forget()
      }
      this.#db.exec('RELEASE part')
    }
    if (failure) return { error: failure }
    if (refused && group.length > 1) {
      const last = results.at(-1) as AppendResult
      return { results: group.map(() => last) }
    }
    return { results }
  }

  #apply(append: Append): AppendResult {
    const stream = this.#stream(append.stream)
    if (stream) {
      const repeated = this.#repeated(append, stream.id)
      if (repeated) return repeated
    }
    const actual = stream ? BigInt(stream.revision) : undefined
    const { expected } = append
    const accepted = expected === 'any' || (expected === 'no-stream' ? actual === undefined : actual === expected)
    if (!accepted) return { ok: false, error: 'wrong-expected-revision', actual }
    return this.#insert(append, stream)
  }

  #insert(append: Append, known: StreamRow | undefined): AppendResult {
    const { events } = append
    const first = known ? known.revision + 1 : 0
    const last = first + events.length - 1
    let row: StreamRow
    if (known) {
      row = known
      this.#updateStream.run(last, row.id)
    } else {
      row = { id: this.#nextStream++, revision: last }
      this.#insertStream.run(row.id, append.stream, last)
      this.#remember(append.stream, row)
    }
    row.revision = last
    let revision = first
    for (const event of events) this.#insertOne(row.id, revision++, event, append.stream)
    return { ok: true, revision: BigInt(last), position: BigInt(this.#nextPosition - 1), repeated: false }
  }

  #insertOne(stream: number, revision: number, event: EventToAppend, name: string): void {
    try {
      this.#insertEvent.run(
        this.#nextPosition,
        stream,
        revision,
        this.#type(event.type),
        uuidBytes(event.id),
        event.metadata,
        event.data,
      )
    } catch (error) {
      if ((error as { errcode?: number }).errcode === 2067) throw idReused(name, event.id)
      throw error
    }
    this.#nextPosition++
  }

  /** The result of the first append when all of these events are there already, one after the other; undefined when none is. */
  #repeated(append: Append, stream: number): AppendResult | undefined {
    const [first, ...rest] = append.events
    if (!first) return undefined
    const found = this.#findEvent.get(stream, uuidBytes(first.id))
    if (!found) return undefined
    let revision = Number(found['revision'])
    let position = Number(found['position'])
    for (const event of rest) {
      const next = this.#findEvent.get(stream, uuidBytes(event.id))
      if (!next || Number(next['revision']) !== revision + 1) throw idReused(append.stream, event.id)
      revision++
      position = Number(next['position'])
    }
    return { ok: true, revision: BigInt(revision), position: BigInt(position), repeated: true }
  }

  #stream(name: string): StreamRow | undefined {
    const cached = this.#streams.get(name)
    if (cached) return cached
    const row = this.#findStream.get(name)
    if (!row) return undefined
    const stream = { id: Number(row['id']), revision: Number(row['revision']) }
    this.#remember(name, stream)
    return stream
  }

  #remember(name: string, stream: StreamRow): void {
    if (this.#streams.size >= CACHED_STREAMS) this.#streams.clear()
    this.#streams.set(name, stream)
  }

  #type(name: string): number {
    const known = this.#types.get(name)
    if (known !== undefined) return known
    const id = this.#types.size + 1
    this.#db.prepare('INSERT INTO type (id, name) VALUES (?, ?)').run(id, name)
    this.#types.set(name, id)
    return id
  }
}

const idReused = (stream: string, id: string) =>
  new EventStoreError('id-reused', `Event ${id} is in stream ${stream} already, in another place than this append says`)

const uuidBytes = (id: string): Uint8Array => Buffer.from(id.replaceAll('-', ''), 'hex')
