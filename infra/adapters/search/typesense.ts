// The search index in Typesense: one collection a generation, which is always written by its own name, never through an alias.
//
// There are no transactions: before a batch is written, the state document says what it changes and how that was before. A batch
// that did not get to its checkpoint is put back when the index is opened next, and then comes again from the log.
import type { AccountId, Position } from '../../../domain/log.ts'
import {
  type SearchChange,
  type SearchFolder,
  type SearchIndex,
  SearchIndexError,
  type SearchPage,
  type SearchPageRequest,
  type SearchPlan,
  type SearchWords,
} from '../../../projections/ports/search-index.ts'
import { formatCursor, MAX_REVISION, parseCursor, type SearchCursor } from '../../../projections/search/cursor.ts'
import { matchesPlan } from '../../../projections/search/match.ts'
import { byRank, type Candidate, RANKED, rank, rankingOf, score } from '../../../projections/search/ranking.ts'
import { foldersOf, TypesenseBatch } from './typesense-batch.ts'
import type { TypesenseCalls } from './typesense-calls.ts'
import { compilePlan, hasPhrase, mayMatch } from './typesense-plan.ts'
import { accountKey, FACT_FIELDS, type MessageRow, messageKey, NO_WORDS, newState, STATE_ID } from './typesense-rows.ts'

const PAGE = 250
const IDS_A_SEARCH = 200
/** A starting server that takes longer to replay its log is asked again later. */
const SETTLES_WITHIN_MS = 60_000

interface State {
  readonly cp: string
  readonly undo: string
}

type FoundRow = MessageRow & { readonly heads: string; readonly trace?: string; readonly words?: string }

export class TypesenseIndex implements SearchIndex {
  readonly #calls: TypesenseCalls
  /** Its own name for a writer, the alias for a reader. */
  readonly #collection: string
  #checkpoint: Position | undefined
  #sure = false
  #closed = false

  private constructor(calls: TypesenseCalls, collection: string) {
    this.#calls = calls
    this.#collection = collection
  }

  /** For writing: makes the collection when it is missing, and puts back what an interrupted batch left. */
  static async open(calls: TypesenseCalls, collection: string): Promise<TypesenseIndex> {
    const index = new TypesenseIndex(calls, collection)
    if ((await calls.collections(collection)).includes(collection)) await index.#recover()
    else {
      await calls.create(collection)
      index.#sure = true
    }
    return index
  }

  /** For reading, by the name of a collection or an alias. */
  static reader(calls: TypesenseCalls, name: string): TypesenseIndex {
    return new TypesenseIndex(calls, name)
  }

  async checkpoint(): Promise<Position | undefined> {
    this.#open()
    const state = await this.#calls.document<State>(this.#collection, STATE_ID)
    return state === undefined || state.cp === '' ? undefined : BigInt(state.cp)
  }

  async apply(changes: readonly SearchChange[], checkpoint: Position): Promise<void> {
    this.#open()
    // After a failure nobody knows what was written.
    if (!this.#sure) await this.#recover()
    if (this.#checkpoint !== undefined && checkpoint <= this.#checkpoint) return
    this.#sure = false
    const calls = this.#calls
    const state = { ...newState(), cp: this.#checkpoint === undefined ? '' : String(this.#checkpoint) }
    if (changes.length > 0) {
      const batch = await new TypesenseBatch(calls, this.#collection).run(changes)
      if (batch.undo.length > 0)
        await calls.import(this.#collection, [{ ...state, undo: JSON.stringify(batch.undo) }], 'upsert')
      for (const account of batch.erased) await calls.removeWhere(this.#collection, `a:=${account}`)
      await calls.import(this.#collection, batch.upserts, 'upsert')
      await calls.import(this.#collection, batch.updates, 'update')
      await this.#remove(batch.removed)
      await calls.import(this.#collection, [{ ...state, cp: String(checkpoint) }], 'upsert')
      await this.#dropWords(batch.expunged)
    } else await calls.import(this.#collection, [{ ...state, cp: String(checkpoint) }], 'upsert')
    this.#checkpoint = checkpoint
    this.#sure = true
  }

  async contents(account: AccountId, messageIds: readonly string[]): Promise<ReadonlyMap<string, Position>> {
    this.#open()
    const found = new Map<string, Position>()
    const ids = [...new Set(messageIds)].map((id) => messageKey(account, id))
    const searches = []
    for (let at = 0; at < ids.length; at += IDS_A_SEARCH)
      searches.push({
        filter: `id:=[${ids.slice(at, at + IDS_A_SEARCH).join(',')}]`,
        fields: 'mid,pos',
        perPage: IDS_A_SEARCH,
      })
    for (const { documents } of await this.#calls.search<Pick<MessageRow, 'mid' | 'pos'>>(this.#collection, searches))
      for (const { mid, pos } of documents) found.set(mid, BigInt(pos))
    return found
  }

  async folders(account: AccountId): Promise<readonly SearchFolder[]> {
    this.#open()
    return [...(await foldersOf(this.#calls, this.#collection, account)).values()].map(({ folder }) => folder)
  }

  async query(account: AccountId, plan: SearchPlan, request: SearchPageRequest): Promise<SearchPage> {
    this.#open()
    const first = Math.max(1, Math.min(PAGE, Math.floor(request.first)))
    const after = request.after === undefined ? undefined : parseCursor(request.after)
    if (plan.kind === 'none') return EMPTY
    const now = after?.now ?? request.now
    const ranking = rankingOf(plan)
    const { filter, wide } = compilePlan(plan)
    const own = `(a:=${accountKey(account)}) && (k:=m) && (gone:=false)${filter === undefined ? '' : ` && ${filter}`}`
    const phrase = hasPhrase(plan)
    const traced = phrase || ranking.together !== undefined
    const fields = `${FACT_FIELDS},heads${traced ? ',trace' : ''}${wide ? ',words' : ''}`
    const fits = (row: FoundRow): boolean =>
      (!phrase || mayMatch(Buffer.from(row.trace ?? '', 'base64'), plan)) &&
      (!wide || matchesPlan(documentOf(row), (flag) => row[flag], plan))
    const walk = (last: number, limit: number) => this.#walk(own, fields, last, limit, fits)
    const rows = await walk(after?.top ?? MAX_REVISION, RANKED + 1)
    const older = rows.length > RANKED
    if (older) rows.length = RANKED
    const top = after?.top ?? rows[0]?.doc ?? 0
    const byDoc = new Map(rows.map((row) => [row.doc, row]))
    const candidateOf = (row: FoundRow): Candidate => ({
      doc: row.doc,
      receivedAt: row.at,
      score: score(ranking, Buffer.from(row.heads, 'base64'), row.at, now),
    })
    const ranked = rank(ranking, rows.map(candidateOf), now, (doc) => {
      const trace = byDoc.get(doc)?.trace
      return trace === undefined ? undefined : Buffer.from(trace, 'base64')
    })
    const hits: { readonly candidate: Candidate; readonly cursor: string }[] = []
    const push = (candidate: Candidate, phase: SearchCursor['phase']): void => {
      const cursor = formatCursor({ phase, now, top, score: candidate.score, revision: candidate.doc })
      hits.push({ candidate, cursor })
    }
    let hasNext = older
    let floor = rows.at(-1)?.doc ?? 0
    if (after?.phase === 'older') floor = after.revision
    else {
      let start = 0
      if (after !== undefined) {
        const last = { doc: after.revision, score: after.score }
        while (start < ranked.length && byRank(ranked[start] as Candidate, last) <= 0) start++
      }
      for (const candidate of ranked.slice(start, start + first)) push(candidate, 'ranked')
      if (start + first < ranked.length) hasNext = true
    }
    if (older && hits.length < first) {
      const more = await walk(floor - 1, first - hits.length + 1)
      hasNext = more.length > first - hits.length
      for (const row of more.slice(0, first - hits.length)) {
        byDoc.set(row.doc, row)
        push(candidateOf(row), 'older')
      }
    }
    return {
      hits: hits.flatMap(({ candidate }) => {
        const row = byDoc.get(candidate.doc)
        return row === undefined
          ? []
          : [{ messageId: row.mid, position: BigInt(row.pos), score: candidate.score / 1e6 }]
      }),
      cursors: hits.map(({ cursor }) => cursor),
      hasNext,
      total: rows.length,
      totalIsExact: !older,
    }
  }

  /** Words of messages that were expunged when a crash came between. */
  async optimize(): Promise<void> {
    this.#open()
    for (;;) {
      const filter = '(k:=m) && (gone:=true) && (full:=true)'
      const [left] = await this.#calls.search<{ id: string }>(this.#collection, [
        { filter, fields: 'id', perPage: PAGE },
      ])
      if (left === undefined || left.documents.length === 0) return
      await this.#dropWords(left.documents.map(({ id }) => id))
    }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  /** Newest first, from a revision down. */
  async #walk(
    own: string,
    fields: string,
    last: number,
    limit: number,
    fits: (row: FoundRow) => boolean,
  ): Promise<FoundRow[]> {
    const rows: FoundRow[] = []
    const perPage = Math.min(PAGE, limit)
    for (let from = last; rows.length < limit; ) {
      const filter = `${own} && (doc:<=${from})`
      const [page] = await this.#calls.search<FoundRow>(this.#collection, [{ filter, fields, perPage }])
      if (page === undefined) break
      for (const row of page.documents) if (rows.length < limit && fits(row)) rows.push(row)
      const lowest = page.documents.at(-1)
      if (lowest === undefined || page.documents.length >= page.found) break
      from = lowest.doc - 1
    }
    return rows
  }

  async #remove(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += IDS_A_SEARCH)
      await this.#calls.removeWhere(this.#collection, `id:=[${ids.slice(at, at + IDS_A_SEARCH).join(',')}]`)
  }

  #dropWords(ids: readonly string[]): Promise<void> {
    return this.#calls.import(
      this.#collection,
      ids.map((id) => ({ id, ...NO_WORDS })),
      'update',
    )
  }

  /** Where the index stands; what a batch without its checkpoint changed is put back first. */
  async #recover(): Promise<void> {
    const calls = this.#calls
    const state = await this.#settled()
    if (state !== undefined && state.undo !== '') {
      const undo = JSON.parse(state.undo) as readonly (readonly [string, object | null])[]
      const changed = undo.flatMap(([id, before]) => (before !== null && id.startsWith('m') ? [{ id, ...before }] : []))
      // Gone meanwhile with an erased account: nothing to put back.
      const there = new Set<string>()
      for (let at = 0; at < changed.length; at += IDS_A_SEARCH) {
        const ids = changed.slice(at, at + IDS_A_SEARCH).map(({ id }) => id)
        const [found] = await calls.search<{ id: string }>(this.#collection, [
          { filter: `id:=[${ids.join(',')}]`, fields: 'id', perPage: IDS_A_SEARCH },
        ])
        for (const { id } of found?.documents ?? []) there.add(id)
      }
      await calls.import(
        this.#collection,
        changed.filter(({ id }) => there.has(id)),
        'update',
      )
      await calls.import(
        this.#collection,
        undo.flatMap(([id, before]) => (before !== null && id.startsWith('f') ? [before] : [])),
        'upsert',
      )
      await this.#remove(undo.flatMap(([id, before]) => (before === null ? [id] : [])))
      await calls.import(this.#collection, [{ ...newState(), cp: state.cp }], 'upsert')
    }
    this.#checkpoint = state === undefined || state.cp === '' ? undefined : BigInt(state.cp)
    this.#sure = true
  }

  /** The state, once neither it nor the number of documents moves any more. */
  async #settled(): Promise<State | undefined> {
    const calls = this.#calls
    const until = performance.now() + SETTLES_WITHIN_MS
    let before: string | undefined
    for (;;) {
      const state = await calls.document<State>(this.#collection, STATE_ID)
      if (calls.settleMs === 0) return state
      const now = `${state?.cp}/${state?.undo.length}/${await calls.count(this.#collection)}`
      if (now === before) return state
      if (performance.now() > until)
        throw new SearchIndexError(
          'unavailable',
          `The collection ${this.#collection} keeps changing: another process writes it`,
        )
      before = now
      await new Promise((resolve) => setTimeout(resolve, calls.settleMs))
    }
  }

  #open(): void {
    if (this.#closed) throw new SearchIndexError('closed', 'The search index was closed.')
  }
}

const EMPTY: SearchPage = { hits: [], cursors: [], hasNext: false, total: 0, totalIsExact: true }

const documentOf = ({ words, fid, at, size, att }: FoundRow) => ({
  words: JSON.parse(words ?? '{}') as SearchWords,
  ...{ folderId: fid, receivedAt: at, size, hasAttachment: att },
})
