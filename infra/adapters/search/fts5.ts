// The search index in SQLite FTS5: one file that may be deleted at any time.
//
// A message's row number is its account's number and the revision of its arrival: another account's messages lie outside the range
// that a query may walk, and walking it backwards is newest first without sorting. The words lie in a contentless FTS5 table
// without positions (detail=none); `traces` tells whether words stand together. bm25 is not used: its statistics span accounts.
import { createHash } from 'node:crypto'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { AccountId, Position } from '../../../domain/log.ts'
import type { FolderRole } from '../../../domain/mailbox/mailbox.ts'
import {
  type HeaderField,
  type SearchChange,
  type SearchFolder,
  type SearchHit,
  type SearchIndex,
  SearchIndexError,
  type SearchPage,
  type SearchPageRequest,
  type SearchPlan,
} from '../../../projections/ports/search-index.ts'
import { formatCursor, MAX_REVISION, parseCursor, type SearchCursor } from '../../../projections/search/cursor.ts'
import {
  byRank,
  type Candidate,
  RANKED,
  type Ranking,
  rank,
  rankingOf,
  score,
} from '../../../projections/search/ranking.ts'
import { traceHas } from '../../../projections/search/trace.ts'
import { Batch } from './fts5-batch.ts'
import { compilePlan, FLAG_BITS } from './fts5-query.ts'
import { ACCOUNT_STEP, messageKey, messageOfKey, rangeOf } from './fts5-rows.ts'
import { type SubstringMatch, Substrings } from './fts5-substring.ts'

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

export class Fts5Index implements SearchIndex {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #accounts = new Map<AccountId, number>()
  readonly #folders = new Map<string, number>()
  readonly #path: string
  #substrings: Substrings | undefined
  #closed = false

  /** Opens or makes the file. A damaged one, or one of another version, rejects: delete it and rebuild. */
  constructor(path: string, options: { readonly readOnly?: boolean } = {}) {
    this.#path = path
    try {
      this.#db = new DatabaseSync(path, { readOnly: options.readOnly ?? false, timeout: 5000 })
      if (!options.readOnly) this.#prepareFile()
      else this.#db.exec('PRAGMA cache_size = -32768')
      this.#db.function('trace_has', { deterministic: true }, (trace, pattern, fields) => {
        if (!(trace instanceof Uint8Array) || !(pattern instanceof Uint8Array)) return 0
        return traceHas(trace, pattern, String(fields).split(' ') as HeaderField[]) ? 1 : 0
      })
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #prepareFile(): void {
    const db = this.#db
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

  async checkpoint(): Promise<Position | undefined> {
    return this.#state('checkpoint')
  }

  async apply(changes: readonly SearchChange[], checkpoint: Position): Promise<void> {
    this.#open()
    const before = this.#state('checkpoint')
    if (before !== undefined && checkpoint <= before) return
    this.#transaction(() => {
      new Batch(this, changes).run()
      this.#setState('checkpoint', checkpoint)
    })
    if (this.#state('purge') !== undefined) this.#purge()
    else this.#merge()
  }

  async contents(account: AccountId, messageIds: readonly string[]): Promise<ReadonlyMap<string, Position>> {
    this.#open()
    const found = new Map<string, Position>()
    const number = this.accountNumber(account)
    if (number === undefined) return found
    const select = this.sql('SELECT position FROM docs WHERE message = ? AND doc BETWEEN ? AND ?')
    select.setReadBigInts(true)
    for (const id of messageIds) {
      const row = select.get(messageKey(id), ...rangeOf(number))
      if (row !== undefined) found.set(id, row['position'] as bigint)
    }
    return found
  }

  async folders(account: AccountId): Promise<readonly SearchFolder[]> {
    this.#open()
    const number = this.accountNumber(account)
    if (number === undefined) return []
    return this.sql('SELECT id, name, parent, role FROM folder WHERE account = ? ORDER BY key')
      .all(number)
      .map((row) => ({
        id: String(row['id']),
        name: String(row['name']),
        parentId: row['parent'] as string | null,
        role: row['role'] as FolderRole | null,
      }))
  }

  async query(account: AccountId, plan: SearchPlan, request: SearchPageRequest): Promise<SearchPage> {
    this.#open()
    const first = Math.max(1, Math.min(250, Math.floor(request.first)))
    const after = request.after === undefined ? undefined : parseCursor(request.after)
    try {
      // One transaction, so that all of a page is of one moment.
      this.#db.exec('BEGIN')
      try {
        return this.#page(account, plan, first, after, request.now)
      } finally {
        this.#db.exec('COMMIT')
      }
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #page(
    account: AccountId,
    plan: SearchPlan,
    first: number,
    after: SearchCursor | undefined,
    clock: number,
  ): SearchPage {
    const number = this.#accountNow(account)
    if (number === undefined || plan.kind === 'none') return EMPTY
    const base = number * ACCOUNT_STEP
    const now = after?.now ?? clock
    const compiled = compilePlan(plan, {
      first: base,
      last: base + MAX_REVISION,
      folderKey: (id) => this.#folderNow(number, id),
    })
    const select = (columns: string): StatementSync =>
      compiled.match === undefined
        ? this.sql(
            `SELECT ${columns} FROM docs d WHERE d.doc BETWEEN ? AND ? AND d.flags & ${FLAG_BITS.gone} = 0
             AND ${compiled.condition} ORDER BY d.doc DESC LIMIT ?`,
          )
        : this.sql(
            `SELECT ${columns} FROM words CROSS JOIN docs d ON d.doc = words.rowid
             WHERE words MATCH ? AND words.rowid BETWEEN ? AND ? AND ${compiled.condition}
             ORDER BY words.rowid DESC LIMIT ?`,
          )
    const walk = (columns: string, last: number, limit: number): unknown[][] => {
      const statement = select(columns)
      statement.setReturnArrays(true)
      const head: SQLInputValue[] = compiled.match === undefined ? [] : [compiled.match]
      return statement.all(...head, base, last, ...compiled.parameters, limit) as unknown as unknown[][]
    }

    const rows = walk('d.doc, d.received_at, d.heads', base + (after?.top ?? MAX_REVISION), RANKED + 1)
    const older = rows.length > RANKED
    if (older) rows.length = RANKED
    const top = after?.top ?? Number(rows[0]?.[0] ?? base) - base
    const ranking = rankingOf(plan)
    const trace = this.sql('SELECT trace FROM traces WHERE doc = ?')
    const ranked = rank(
      ranking,
      rows.map((row) => candidateOf(ranking, row, now)),
      now,
      (doc) => trace.get(doc)?.['trace'] as Uint8Array | undefined,
    )

    const hits: { readonly candidate: Candidate; readonly cursor: string }[] = []
    const push = (candidate: Candidate, phase: SearchCursor['phase']): void => {
      const revision = candidate.doc - base
      hits.push({ candidate, cursor: formatCursor({ phase, now, top, score: candidate.score, revision }) })
    }
    let hasNext = older
    let floor = Number(rows.at(-1)?.[0] ?? base)
    if (after?.phase === 'older') {
      floor = base + after.revision
    } else {
      let start = 0
      if (after !== undefined) {
        const last = { doc: base + after.revision, score: after.score }
        while (start < ranked.length && byRank(ranked[start] as Candidate, last) <= 0) start++
      }
      for (const candidate of ranked.slice(start, start + first)) push(candidate, 'ranked')
      if (start + first < ranked.length) hasNext = true
    }
    if (older && hits.length < first) {
      const more = walk('d.doc, d.received_at, d.heads', floor - 1, first - hits.length + 1)
      hasNext = more.length > first - hits.length
      for (const row of more.slice(0, first - hits.length)) push(candidateOf(ranking, row, now), 'older')
    }
    return {
      hits: this.#hits(hits.map((hit) => hit.candidate)),
      cursors: hits.map((hit) => hit.cursor),
      hasNext,
      total: rows.length,
      totalIsExact: !older,
    }
  }

  #hits(candidates: readonly Candidate[]): readonly SearchHit[] {
    const select = this.sql('SELECT message, position AS place FROM docs WHERE doc = ?')
    select.setReadBigInts(true)
    return candidates.map((candidate) => {
      const row = select.get(candidate.doc)
      return {
        messageId: messageOfKey(row?.['message']),
        position: row?.['place'] as bigint,
        score: candidate.score / 1e6,
      }
    })
  }

  /** As `SearchApi.substring`. */
  substring(account: AccountId, needle: string, field: HeaderField | null): SubstringMatch | undefined {
    this.#open()
    this.#substrings ??= new Substrings(this.#db)
    try {
      this.#db.exec('BEGIN')
      try {
        return this.#substrings.find(this.#accountNow(account), needle, field)
      } finally {
        this.#db.exec('COMMIT')
      }
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async optimize(): Promise<void> {
    this.#open()
    this.#mergeAll()
    this.#db.exec('ANALYZE')
    const count = (pragma: string): number => Number(Object.values(this.#db.prepare(`PRAGMA ${pragma}`).get() ?? {})[0])
    // Merging leaves pages free that later mail would fill only slowly.
    if (count('freelist_count') > count('page_count') / 10) this.#db.exec('VACUUM')
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /** SHA-256 over everything that queries can see, in an order that does not depend on how it came to be, and where it stands. */
  digest(): { readonly checkpoint: Position | undefined; readonly digest: string } {
    this.#open()
    const hash = createHash('sha256')
    const add = (rows: Iterable<Record<string, unknown>>): void => {
      for (const row of rows) {
        for (const value of Object.values(row)) {
          hash.update(value instanceof Uint8Array ? value : String(value))
          hash.update('\0')
        }
      }
    }
    this.#db.exec('BEGIN')
    try {
      const accounts = this.sql('SELECT number, id FROM account ORDER BY id').all()
      for (const { number, id } of accounts as { number: number; id: string }[]) {
        hash.update(`${id}\n`)
        add(this.sql('SELECT id, name, parent, role FROM folder WHERE account = ? ORDER BY id').iterate(number))
        const docs = this.sql(
          `SELECT d.doc - ? AS revision, d.message, f.id AS folder, d.flags, d.received_at, d.size, d.heads, t.trace
           FROM docs d LEFT JOIN folder f ON f.key = d.folder LEFT JOIN traces t ON t.doc = d.doc
           WHERE d.doc BETWEEN ? AND ? ORDER BY d.doc`,
        )
        add(docs.iterate(number * ACCOUNT_STEP, ...rangeOf(number)))
      }
      return { checkpoint: this.#state('checkpoint'), digest: hash.digest('hex') }
    } finally {
      this.#db.exec('COMMIT')
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#statements.clear()
    this.#db.close()
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
    this.#db.exec("INSERT INTO words (words, rank) VALUES ('merge', -512)")
    while (this.#mergeStep(512));
  }

  /** After an erasure: no page, old or free, may keep the words. Readers with an open query only delay the last step. */
  #purge(): void {
    this.#db.exec('PRAGMA secure_delete = ON')
    this.#mergeAll()
    this.#db.exec('PRAGMA secure_delete = OFF; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)')
    this.writing("DELETE FROM state WHERE name = 'purge'").run()
  }

  // What a batch needs.

  sql(text: string): StatementSync {
    const known = this.#statements.get(text)
    if (known !== undefined) return known
    // Conditions vary with the query: keep the ones in use.
    if (this.#statements.size >= 200) this.#statements.delete(this.#statements.keys().next().value ?? '')
    const statement = this.#db.prepare(text)
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

  /** The account's number, known to the writer from its first change on. */
  accountNumber(account: AccountId): number | undefined {
    const known = this.#accounts.get(account)
    if (known !== undefined) return known
    const number = this.#accountNow(account)
    if (number !== undefined) {
      if (this.#accounts.size >= 100_000) this.#accounts.clear()
      this.#accounts.set(account, number)
    }
    return number
  }

  /** Asked of the file each time: a reader does not see the writer's caches, nor an erasure in them. */
  #accountNow(account: AccountId): number | undefined {
    return this.sql('SELECT number FROM account WHERE id = ?').get(account)?.['number'] as number | undefined
  }

  #folderNow(account: number, id: string): number | undefined {
    return this.sql('SELECT key FROM folder WHERE account = ? AND id = ?').get(account, id)?.['key'] as
      | number
      | undefined
  }

  newAccount(account: AccountId): number {
    const number = Number(this.writing('INSERT INTO account (id) VALUES (?)').run(account).lastInsertRowid)
    // Row numbers must stay exact as JavaScript numbers.
    if (number >= 2 ** 21)
      throw new SearchIndexError('unavailable', 'This search index is full: it holds 2,097,151 accounts.')
    return number
  }

  folderKey(account: number, id: string): number | undefined {
    const name = `${account}/${id}`
    const known = this.#folders.get(name)
    if (known !== undefined) return known
    const key = this.#folderNow(account, id)
    if (key !== undefined) {
      if (this.#folders.size >= 100_000) this.#folders.clear()
      this.#folders.set(name, key)
    }
    return key
  }

  /** After anything that may have changed what the caches say. */
  forget(): void {
    this.#accounts.clear()
    this.#folders.clear()
  }

  markForPurge(): void {
    this.#setState('purge', 1n)
  }

  #state(name: string): bigint | undefined {
    this.#open()
    const select = this.sql('SELECT value FROM state WHERE name = ?')
    select.setReadBigInts(true)
    return select.get(name)?.['value'] as bigint | undefined
  }

  #setState(name: string, value: bigint): void {
    this.writing(
      'INSERT INTO state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    ).run(name, value)
  }

  #transaction(work: () => void): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      try {
        work()
        this.#db.exec('COMMIT')
      } catch (error) {
        this.forget()
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
        throw error
      }
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #open(): void {
    if (this.#closed) throw new SearchIndexError('closed', 'The search index was closed.')
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

const EMPTY: SearchPage = { hits: [], cursors: [], hasNext: false, total: 0, totalIsExact: true }

function candidateOf(ranking: Ranking, row: readonly unknown[], now: number): Candidate {
  const [doc, receivedAt, heads] = row as [number, number, Uint8Array]
  return { doc, receivedAt, score: score(ranking, heads, receivedAt, now) }
}
