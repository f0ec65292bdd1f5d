// The file of the FTS5 engine: its tables, its statements, what is done at one moment, and how merging keeps it small.
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type HeaderField, SearchIndexError } from '../../../projections/ports/search-index.ts'
import { traceHas } from '../../../projections/search/trace.ts'

/** 'EVPS': marks the file as an Everpost search index (PRAGMA application_id). */
const APPLICATION_ID = 0x45565053
/** Raised whenever the tables or their contents change: an index of another version is rebuilt from the log. */
const SCHEMA_VERSION = 1

const SCHEMA = `
  CREATE TABLE account (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE);
  CREATE TABLE folder (
    key INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    parent TEXT,
    role TEXT,
    UNIQUE (account, id)
  );
  CREATE TABLE docs (
    doc INTEGER PRIMARY KEY,
    message BLOB NOT NULL,
    folder INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    position INTEGER NOT NULL,
    heads BLOB NOT NULL
  );
  CREATE INDEX docs_by_message ON docs (message);
  CREATE TABLE traces (doc INTEGER PRIMARY KEY, trace BLOB NOT NULL);
  CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE VIRTUAL TABLE words USING fts5 (
    tokens, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
  );
  INSERT INTO words (words, rank) VALUES ('automerge', 0);
  INSERT INTO words (words, rank) VALUES ('crisismerge', 64);
  INSERT INTO words (words, rank) VALUES ('hashsize', 16777216);
`

/** Pages of FTS5 that one step of merging rewrites: about a millisecond of work. */
const MERGE_PAGES = 32
/** How long merging may hold up the next batch. */
const MERGE_BUDGET_MS = 5

export class Fts5File {
  readonly db: DatabaseSync
  readonly #path: string
  readonly #statements = new Map<string, StatementSync>()
  #closed = false

  /** Opens or makes the file. A damaged one, or one of another version, is a SearchIndexError: delete it and rebuild. */
  constructor(path: string, { readOnly }: { readonly readOnly: boolean }) {
    this.#path = path
    try {
      this.db = new DatabaseSync(path, { readOnly, timeout: 5000 })
      if (readOnly) this.db.exec('PRAGMA cache_size = -32768')
      else this.#prepare()
      this.db.function('trace_has', { deterministic: true }, (trace, pattern, fields) => {
        if (!(trace instanceof Uint8Array) || !(pattern instanceof Uint8Array)) return 0
        return traceHas(trace, pattern, String(fields).split(' ') as HeaderField[]) ? 1 : 0
      })
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #prepare(): void {
    const db = this.db
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
    const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count'])
    if (pages > 0 && version !== SCHEMA_VERSION) {
      throw new SearchIndexError(
        'newer-schema',
        `${this.#path} is a search index of version ${version}, this Everpost writes ${SCHEMA_VERSION}: rebuild search`,
      )
    }
    if (pages === 0) db.exec('PRAGMA page_size = 8192')
    // The log is the truth: a commit lost in a power cut is applied again, so this file need not be synced at every commit.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768')
    db.exec('PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864')
    if (pages === 0) {
      db.exec(
        `BEGIN; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; PRAGMA application_id = ${APPLICATION_ID}; COMMIT`,
      )
    }
  }

  /** Throws when the index was closed. */
  demandOpen(): void {
    if (this.#closed) throw new SearchIndexError('closed', 'The search index was closed.')
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#statements.clear()
    this.db.close()
  }

  /** Prepared once, and kept while it is in use. */
  sql(text: string): StatementSync {
    const known = this.#statements.get(text)
    if (known !== undefined) return known
    // Conditions vary with the query: keep the ones in use.
    if (this.#statements.size >= 200) this.#statements.delete(this.#statements.keys().next().value ?? '')
    const statement = this.db.prepare(text)
    this.#statements.set(text, statement)
    return statement
  }

  /**
   * A statement that writes. `run` reports the row number that this connection inserted last, whatever the statement did, and those
   * inside FTS5's own tables are beyond exact JavaScript numbers: it would throw after having written.
   */
  writing(text: string): StatementSync {
    const statement = this.sql(text)
    statement.setReadBigInts(true)
    return statement
  }

  /** All that `read` asks is of one moment. */
  read<T>(read: () => T): T {
    try {
      this.db.exec('BEGIN')
      try {
        return read()
      } finally {
        this.db.exec('COMMIT')
      }
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** All of `work` or nothing. */
  write(work: () => void): void {
    try {
      this.db.exec('BEGIN IMMEDIATE')
      try {
        work()
        this.db.exec('COMMIT')
      } catch (error) {
        if (this.db.isTransaction) this.db.exec('ROLLBACK')
        throw error
      }
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** One of the numbers that the index knows of itself: how far it has come, whether it must be purged. */
  state(name: 'checkpoint' | 'purge'): bigint | undefined {
    const select = this.sql('SELECT value FROM state WHERE name = ?')
    select.setReadBigInts(true)
    return select.get(name)?.['value'] as bigint | undefined
  }

  setState(name: 'checkpoint' | 'purge', value: bigint): void {
    this.writing(
      'INSERT INTO state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    ).run(name, value)
  }

  /** After a batch: what an erasure left behind goes at once, else a little is merged. */
  tidy(): void {
    if (this.state('purge') !== undefined) this.#purge()
    else this.#merge()
  }

  /** The words that the batch deleted leave the file behind it, free pages included. */
  markForPurge(): void {
    this.setState('purge', 1n)
  }

  /** As small and as quick as the file can be: for a moment when nobody waits. */
  optimize(): void {
    this.#mergeAll()
    this.db.exec('ANALYZE')
    const count = (pragma: string): number => Number(Object.values(this.db.prepare(`PRAGMA ${pragma}`).get() ?? {})[0])
    // Merging leaves pages free that later mail would fill only slowly.
    if (count('freelist_count') > count('page_count') / 10) this.db.exec('VACUUM')
    this.db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /** Small steps after every batch, so that no commit ever has to merge much at once. */
  #merge(): void {
    const until = performance.now() + MERGE_BUDGET_MS
    while (this.#mergeStep(MERGE_PAGES) && performance.now() < until);
  }

  #mergeStep(pages: number): boolean {
    const changes = (): number => Number(this.sql('SELECT total_changes() AS n').get()?.['n'])
    const before = changes()
    this.writing("INSERT INTO words (words, rank) VALUES ('merge', ?)").run(pages)
    // FTS5 counts its own writes: fewer than two mean that there was nothing to merge.
    return changes() - before >= 2
  }

  /** Everything into one segment: deleted words are gone from it. In steps, so that readers' log stays short. */
  #mergeAll(): void {
    this.db.exec("INSERT INTO words (words, rank) VALUES ('merge', -512)")
    while (this.#mergeStep(512));
  }

  /** After an erasure: no page, old or free, may keep the words. Readers with an open query only delay the last step. */
  #purge(): void {
    this.db.exec('PRAGMA secure_delete = ON')
    this.#mergeAll()
    this.db.exec('PRAGMA secure_delete = OFF; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)')
    this.writing("DELETE FROM state WHERE name = 'purge'").run()
  }

  #failure(error: unknown): Error {
    if (error instanceof SearchIndexError) return error
    const message = error instanceof Error ? error.message : String(error)
    const code = Number((error as { errcode?: number }).errcode ?? 0) & 0xff
    // SQLITE_CORRUPT and SQLITE_NOTADB
    return code === 11 || code === 26
      ? new SearchIndexError(
          'corrupt',
          `${this.#path} is damaged (${message}): delete it, search is rebuilt from the log`,
          {
            cause: error,
          },
        )
      : new SearchIndexError('unavailable', `The search index ${this.#path} failed: ${message}`, { cause: error })
  }
}
