// The search index in SQLite FTS5: one file that may be deleted at any time.
//
// A message's row number is its account's number and the revision of its arrival: another account's messages lie outside the range
// that a query may walk, and walking it backwards is newest first without sorting. The words lie in a contentless FTS5 table
// without positions (detail=none); `traces` tells whether words stand together. bm25 is not used: its statistics span accounts.
import { createHash } from 'node:crypto'
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import type { AccountId, Position } from '../../../domain/log.ts'
import type { FolderRole } from '../../../domain/mailbox/mailbox.ts'
import type {
  HeaderField,
  SearchChange,
  SearchFolder,
  SearchHit,
  SearchIndex,
  SearchPage,
  SearchPageRequest,
  SearchPlan,
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
import { Batch } from './fts5-batch.ts'
import { Fts5File } from './fts5-file.ts'
import { Fts5Numbers } from './fts5-numbers.ts'
import { compilePlan, FLAG_BITS } from './fts5-query.ts'
import { ACCOUNT_STEP, messageKey, messageOfKey, rangeOf } from './fts5-rows.ts'
import { type SubstringMatch, Substrings } from './fts5-substring.ts'

export class Fts5Index implements SearchIndex {
  readonly #file: Fts5File
  readonly #numbers: Fts5Numbers
  #substrings: Substrings | undefined

  /** Opens or makes the file. A damaged one, or one of another version, rejects: delete it and rebuild. */
  constructor(path: string, { readOnly = false }: { readonly readOnly?: boolean } = {}) {
    this.#file = new Fts5File(path, { readOnly })
    this.#numbers = new Fts5Numbers(this.#file)
  }

  async checkpoint(): Promise<Position | undefined> {
    this.#file.demandOpen()
    return this.#file.state('checkpoint')
  }

  async apply(changes: readonly SearchChange[], checkpoint: Position): Promise<void> {
    this.#file.demandOpen()
    const before = this.#file.state('checkpoint')
    if (before !== undefined && checkpoint <= before) return
    try {
      this.#file.write(() => {
        new Batch(this.#file, this.#numbers, changes).run()
        this.#file.setState('checkpoint', checkpoint)
      })
    } catch (error) {
      this.#numbers.forget()
      throw error
    }
    this.#file.tidy()
  }

  async contents(account: AccountId, messageIds: readonly string[]): Promise<ReadonlyMap<string, Position>> {
    this.#file.demandOpen()
    const found = new Map<string, Position>()
    const number = this.#numbers.accountNumber(account)
    if (number === undefined) return found
    const select = this.#file.sql('SELECT position FROM docs WHERE message = ? AND doc BETWEEN ? AND ?')
    select.setReadBigInts(true)
    for (const id of messageIds) {
      const row = select.get(messageKey(id), ...rangeOf(number))
      if (row !== undefined) found.set(id, row['position'] as bigint)
    }
    return found
  }

  async folders(account: AccountId): Promise<readonly SearchFolder[]> {
    this.#file.demandOpen()
    const number = this.#numbers.accountNumber(account)
    if (number === undefined) return []
    return this.#file
      .sql('SELECT id, name, parent, role FROM folder WHERE account = ? ORDER BY key')
      .all(number)
      .map((row) => ({
        id: String(row['id']),
        name: String(row['name']),
        parentId: row['parent'] as string | null,
        role: row['role'] as FolderRole | null,
      }))
  }

  async query(account: AccountId, plan: SearchPlan, request: SearchPageRequest): Promise<SearchPage> {
    this.#file.demandOpen()
    const first = Math.max(1, Math.min(250, Math.floor(request.first)))
    const after = request.after === undefined ? undefined : parseCursor(request.after)
    return this.#file.read(() => this.#page(account, plan, first, after, request.now))
  }

  #page(
    account: AccountId,
    plan: SearchPlan,
    first: number,
    after: SearchCursor | undefined,
    clock: number,
  ): SearchPage {
    const number = this.#numbers.accountNow(account)
    if (number === undefined || plan.kind === 'none') return EMPTY
    const base = number * ACCOUNT_STEP
    const now = after?.now ?? clock
    const compiled = compilePlan(plan, {
      first: base,
      last: base + MAX_REVISION,
      folderKey: (id) => this.#numbers.folderNow(number, id),
    })
    const select = (columns: string): StatementSync =>
      compiled.match === undefined
        ? this.#file.sql(
            `SELECT ${columns} FROM docs d WHERE d.doc BETWEEN ? AND ? AND d.flags & ${FLAG_BITS.gone} = 0
             AND ${compiled.condition} ORDER BY d.doc DESC LIMIT ?`,
          )
        : this.#file.sql(
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
    const trace = this.#file.sql('SELECT trace FROM traces WHERE doc = ?')
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
    const select = this.#file.sql('SELECT message, position AS place FROM docs WHERE doc = ?')
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
    this.#file.demandOpen()
    const substrings = (this.#substrings ??= new Substrings(this.#file.db))
    return this.#file.read(() => substrings.find(this.#numbers.accountNow(account), needle, field))
  }

  async optimize(): Promise<void> {
    this.#file.demandOpen()
    this.#file.optimize()
  }

  /** SHA-256 over everything that queries can see, in an order that does not depend on how it came to be, and where it stands. */
  digest(): { readonly checkpoint: Position | undefined; readonly digest: string } {
    this.#file.demandOpen()
    const hash = createHash('sha256')
    const add = (rows: Iterable<Record<string, unknown>>): void => {
      for (const row of rows) {
        for (const value of Object.values(row)) {
          hash.update(value instanceof Uint8Array ? value : String(value))
          hash.update('\0')
        }
      }
    }
    return this.#file.read(() => {
      const accounts = this.#file.sql('SELECT number, id FROM account ORDER BY id').all()
      for (const { number, id } of accounts as { number: number; id: string }[]) {
        hash.update(`${id}\n`)
        add(this.#file.sql('SELECT id, name, parent, role FROM folder WHERE account = ? ORDER BY id').iterate(number))
        const docs = this.#file.sql(
          `SELECT d.doc - ? AS revision, d.message, f.id AS folder, d.flags, d.received_at, d.size, d.heads, t.trace
           FROM docs d LEFT JOIN folder f ON f.key = d.folder LEFT JOIN traces t ON t.doc = d.doc
           WHERE d.doc BETWEEN ? AND ? ORDER BY d.doc`,
        )
        add(docs.iterate(number * ACCOUNT_STEP, ...rangeOf(number)))
      }
      return { checkpoint: this.#file.state('checkpoint'), digest: hash.digest('hex') }
    })
  }

  async close(): Promise<void> {
    this.#file.close()
  }
}

const EMPTY: SearchPage = { hits: [], cursors: [], hasNext: false, total: 0, totalIsExact: true }

function candidateOf(ranking: Ranking, row: readonly unknown[], now: number): Candidate {
  const [doc, receivedAt, heads] = row as [number, number, Uint8Array]
  return { doc, receivedAt, score: score(ranking, heads, receivedAt, now) }
}
