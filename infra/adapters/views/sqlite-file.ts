// One SQLite file of one view and generation: opening, the checkpoint in the rows' own transaction, parked events, small encodings.
import { closeSync, existsSync, fsyncSync, openSync, rmSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { Position } from '../../../domain/log.ts'
import type { ParkedEvent } from '../../../projections/ports/view-store.ts'

/** 'EVPV': marks a file as a view of Everpost. */
const APPLICATION_ID = 0x45565056

/** Raised when the layout of the files changes: files of another layout are rebuilt like those of another projector version. */
const LAYOUT = 2

export interface ViewSchema {
  /** The projector's name and version, as the file must have been written with. */
  readonly name: string
  readonly version: number
  readonly tables: string
  /** What only readers need; made at the end of a filling. */
  readonly indexes: string
}

/** A file that cannot serve: missing, of another version, half filled or damaged. It is rebuilt. */
export class UnusableView extends Error {
  readonly reason: 'missing' | 'version' | 'filling' | 'damaged'
  constructor(reason: UnusableView['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UnusableView'
    this.reason = reason
  }
}

export function isDamage(error: unknown): boolean {
  const code = Number((error as { errcode?: number } | undefined)?.errcode ?? 0) & 0xff
  return code === 11 || code === 26
}

const SUFFIXES = ['', '-wal', '-shm', '-journal']

export function removeView(path: string): void {
  for (const suffix of SUFFIXES) rmSync(path + suffix, { force: true })
}

/** The writer's connection. `fill` makes the file anew, without indexes for readers and without waiting for the disk. */
export class ViewFile {
  readonly path: string
  readonly db: DatabaseSync
  readonly #schema: ViewSchema
  readonly #setCheckpoint: StatementSync
  readonly #addParked: StatementSync
  #checkpoint: Position | undefined

  constructor(path: string, schema: ViewSchema, mode: 'live' | 'fill') {
    this.path = path
    this.#schema = schema
    if (mode === 'fill') removeView(path)
    else checkFile(path, schema)
    this.db = new DatabaseSync(path, { timeout: 5000 })
    if (mode === 'fill') {
      this.db.exec(
        `PRAGMA page_size = 4096; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -24576;
         PRAGMA locking_mode = EXCLUSIVE; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${LAYOUT};
         CREATE TABLE view (name TEXT NOT NULL, version INTEGER NOT NULL, checkpoint INTEGER, filling INTEGER NOT NULL);
         CREATE TABLE parked (position INTEGER PRIMARY KEY, type TEXT NOT NULL, error TEXT NOT NULL, at INTEGER NOT NULL);`,
      )
      this.db.exec(schema.tables)
      this.db.prepare('INSERT INTO view VALUES (?, ?, NULL, 1)').run(schema.name, schema.version)
    } else {
      this.db.exec(
        'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 524288',
      )
    }
    this.#setCheckpoint = this.db.prepare('UPDATE view SET checkpoint = ?')
    this.#addParked = this.db.prepare('INSERT OR REPLACE INTO parked VALUES (?, ?, ?, ?)')
    const checkpoint = this.db.prepare('SELECT checkpoint FROM view').get()?.['checkpoint']
    this.#checkpoint = typeof checkpoint === 'number' ? BigInt(checkpoint) : undefined
  }

  get checkpoint(): Position | undefined {
    return this.#checkpoint
  }

  /** Rows, parked events and checkpoint in one transaction. */
  commit(write: () => void, checkpoint: Position, parked: readonly ParkedEvent[]): void {
    this.db.exec('BEGIN IMMEDIATE')
    try {
      write()
      for (const { position, type, error, at } of parked) this.#addParked.run(Number(position), type, error, at)
      this.#setCheckpoint.run(Number(checkpoint))
      this.db.exec('COMMIT')
    } catch (error) {
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
      throw error
    }
    this.#checkpoint = checkpoint
  }

  parked(): { newest: readonly ParkedEvent[]; count: number } {
    const rows = this.db.prepare('SELECT * FROM parked ORDER BY position DESC LIMIT 100').all()
    const count = Number(this.db.prepare('SELECT count(*) AS n FROM parked').get()?.['n'] ?? 0)
    const newest = rows.map((row) => ({
      position: BigInt(Number(row['position'])),
      type: String(row['type']),
      error: String(row['error']),
      at: Number(row['at']),
    }))
    return { newest, count }
  }

  /** Ends a filling: indexes for readers, everything on disk. The file must then be opened 'live'. */
  finish(): void {
    this.db.exec(this.#schema.indexes)
    this.db.exec('UPDATE view SET filling = 0')
    this.db.close()
    const file = openSync(this.path, 'r+')
    try {
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }

  close(): void {
    if (!this.db.isOpen) return
    // The last connection to close takes the write-ahead log with it; should a reader still be there, it is at least empty.
    try {
      this.db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // It is read again at the next start.
    }
    this.db.close()
  }
}

/** What every view in SQLite has in common: one file, its checkpoint and its parked events. */
export abstract class SqliteStore {
  readonly file: ViewFile
  protected readonly queries: Queries

  constructor(path: string, schema: ViewSchema, mode: 'live' | 'fill') {
    this.file = new ViewFile(path, schema, mode)
    this.queries = new Queries(this.file.db)
  }
  checkpoint(): Position | undefined {
    return this.file.checkpoint
  }
  parked(): { newest: readonly ParkedEvent[]; count: number } {
    return this.file.parked()
  }
  close(): void {
    this.file.close()
  }
}

function checkFile(path: string, schema: ViewSchema): void {
  if (!existsSync(path)) throw new UnusableView('missing', `${path} is not there`)
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
    const pragma = (name: string) => db?.prepare(`PRAGMA ${name}`).get()?.[name]
    if (pragma('application_id') !== APPLICATION_ID) throw new UnusableView('damaged', `${path} is not a view`)
    const layout = pragma('user_version')
    const row = db.prepare('SELECT name, version, filling FROM view').get()
    if (layout !== LAYOUT || row?.['name'] !== schema.name || row['version'] !== schema.version)
      throw new UnusableView('version', `${path} was written by another version`)
    if (row['filling'] !== 0) throw new UnusableView('filling', `${path} was not filled to its end`)
  } catch (error) {
    if (error instanceof UnusableView) throw error
    throw new UnusableView('damaged', `${path} cannot be read: ${String(error)}`, { cause: error })
  } finally {
    db?.close()
  }
}

/** A reader's connection: never blocks the writer and is never blocked by it. */
export function openForReading(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
  db.exec('PRAGMA cache_size = -8192; PRAGMA query_only = 1')
  return db
}

export type Cell = string | number | Uint8Array | null
export type Cells = readonly Cell[]

/** A statement that answers rows as arrays. */
export class Query {
  readonly #statement: StatementSync
  constructor(db: DatabaseSync, sql: string) {
    this.#statement = db.prepare(sql)
    this.#statement.setReturnArrays(true)
  }
  get(...values: SQLInputValue[]): Cells | undefined {
    return this.#statement.get(...values) as unknown as Cells | undefined
  }
  all(...values: SQLInputValue[]): Cells[] {
    return this.#statement.all(...values) as unknown as Cells[]
  }
  iterate(...values: SQLInputValue[]): Iterable<Cells> {
    return this.#statement.iterate(...values) as unknown as Iterable<Cells>
  }
}

/** Statements prepared once, by their text. */
export class Queries {
  readonly db: DatabaseSync
  readonly #prepared = new Map<string, Query>()
  constructor(db: DatabaseSync) {
    this.db = db
  }
  prepare(sql: string): Query {
    let query = this.#prepared.get(sql)
    if (query === undefined) {
      query = new Query(this.db, sql)
      this.#prepared.set(sql, query)
    }
    return query
  }
  /** One moment of the database for several statements. */
  snapshot<T>(read: () => T): T {
    this.db.exec('BEGIN')
    try {
      return read()
    } finally {
      this.db.exec('COMMIT')
    }
  }
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const VALUES = new Int8Array(128).fill(-1)
for (let i = 0; i < 32; i++) VALUES[ALPHABET.charCodeAt(i)] = i

/** Ids of 26 base32 characters take 16 bytes; any other id stays text. */
export function packId(id: string): Uint8Array | string {
  if (id.length !== 26) return id
  const bytes = new Uint8Array(16)
  let bits = 0
  let value = 0
  let at = 0
  for (let i = 0; i < 26; i++) {
    const digit = VALUES[id.charCodeAt(i)] ?? -1
    if (digit < 0) return id
    value = ((value << 5) | digit) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = value >> bits
    }
  }
  // Two bits are left over: an id that uses them is not ours.
  return (value & 3) === 0 ? bytes : id
}

export function unpackId(packed: Cell | undefined): string {
  if (!(packed instanceof Uint8Array)) return String(packed)
  let id = ''
  let bits = 0
  let value = 0
  for (const byte of packed) {
    value = ((value << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      id += ALPHABET[(value >> bits) & 31]
    }
  }
  return bits > 0 ? id + ALPHABET[(value << (5 - bits)) & 31] : id
}
