// Search on Typesense for a whole server: a follower of the log keeps the index, queries go through an alias, and a rebuild fills the next
// generation's collection before the alias is turned to it.
import type { AccountId, Position } from '../../../domain/log.ts'
import type { MessageReader } from '../../../projections/ports/event-source.ts'
import { SearchIndexError } from '../../../projections/ports/search-index.ts'
import { type Projection, run } from '../../../projections/runtime.ts'
import { SEARCH_PROJECTOR, searchProjection } from '../../../projections/search/projector.ts'
import { type SearchOptions, type SearchResult, searchMessages } from '../../../projections/search/search.ts'
import type { ProjectionStatus, RebuildProgress, RebuiltProjection } from '../../projector/projectors.ts'
import { type OpenedSource, openEventSource, type SourceConfig } from '../journal/open-source.ts'
import { notInTime, PositionWaiters } from './position-waiters.ts'
import type { SearchApi } from './search-api.ts'
import { TypesenseIndex } from './typesense.ts'
import { TypesenseCalls, type TypesenseOptions } from './typesense-calls.ts'
import { SCHEMA_VERSION } from './typesense-rows.ts'

export interface TypesenseSearchConfig {
  /** `typesense://KEY@HOST:8108`. */
  readonly url: string
  readonly source: SourceConfig
  /** For texts that did not fit into their events. */
  readonly messages?: MessageReader
  /** Name of the alias, and the beginning of the collections' names: several servers may share a Typesense. */
  readonly name?: string
  /**
   * False for a process that only asks: another one keeps the index, and never two at a time. Where who does is settled later, see
   * `keepIndex` and `letGo`.
   */
  readonly indexes?: boolean
  readonly options?: TypesenseOptions
}

const NAME = SEARCH_PROJECTOR.name
const BATCH = 500
/** Searches at a time; more are refused, so that a flood costs no memory. */
const MAX_WAITING = 1000

/** A generation that is written, and the follower that writes it. */
interface Writer {
  readonly collection: string
  readonly generation: number
  readonly index: TypesenseIndex
  readonly projection: Projection
  readonly stop: AbortController
  running: Promise<void>
}

export class TypesenseSearch implements SearchApi {
  readonly #calls: TypesenseCalls
  readonly #alias: string
  readonly #source: OpenedSource
  readonly #messages: MessageReader | undefined
  readonly #reader: TypesenseIndex
  #writer: Writer | undefined
  readonly #waiters = new PositionWaiters()
  #head: Position | undefined
  #position: Position | undefined
  #lastAt: number | undefined
  #trouble: string | undefined
  #rebuilding = false
  #asking = 0
  #closed = false

  private constructor(config: TypesenseSearchConfig, calls: TypesenseCalls, source: OpenedSource) {
    this.#calls = calls
    this.#alias = config.name ?? 'everpost_search'
    this.#source = source
    this.#messages = config.messages
    this.#reader = TypesenseIndex.reader(calls, this.#alias)
  }

  /** Opens the index that the alias leads to, or begins one. Search answers from what is indexed. */
  static async start(config: TypesenseSearchConfig): Promise<TypesenseSearch> {
    const calls = new TypesenseCalls(config.url, config.options)
    const source = await openEventSource(config.source)
    const search = new TypesenseSearch(config, calls, source)
    try {
      if (config.indexes !== false) await search.keepIndex()
      return search
    } catch (error) {
      await source.close()
      throw error
    }
  }

  /** This process keeps the index from here on. Whoever calls it makes sure that no other does. */
  async keepIndex(): Promise<void> {
    if (this.#writer !== undefined || this.#closed) return
    const serving = await this.#calls.target(this.#alias)
    const usable = serving?.startsWith(this.#beginning) === true
    const collection = usable ? serving : await this.#nextName()
    const writer = await this.#open(collection)
    if (!usable) await this.#calls.point(this.#alias, collection)
    this.#serve(writer)
  }

  /** Another process keeps the index from here on: resolves once this one has written its last. */
  async letGo(): Promise<void> {
    const writer = this.#writer
    this.#writer = undefined
    if (writer) await stopped(writer)
  }

  async search(account: AccountId, query: string, options: SearchOptions = {}): Promise<SearchResult> {
    if (this.#closed) throw new SearchIndexError('closed', 'Search was closed.')
    if (this.#asking >= MAX_WAITING) throw new SearchIndexError('unavailable', 'Too many searches at once; try again.')
    this.#asking++
    try {
      return await searchMessages(this.#reader, this.#source, account, query, options)
    } finally {
      this.#asking--
    }
  }

  poke(head: Position): void {
    this.#head = head
    this.#source.poke()
  }

  forget(account: AccountId): void {
    this.#source.forget(account)
  }

  /** In a process that only asks, the index is asked how far it is. */
  async waitForPosition(position: Position, options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs = 5000 } = options
    if (this.#position !== undefined && this.#position >= position) return
    if (this.#writer === undefined) return this.#pollFor(position, timeoutMs)
    await this.#waiters.wait(position, timeoutMs)
  }

  async #pollFor(position: Position, timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs
    for (;;) {
      this.#position = await this.#reader.checkpoint()
      if (this.#position !== undefined && this.#position >= position) return
      if (performance.now() > until) throw notInTime(position)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async status(): Promise<readonly ProjectionStatus[]> {
    const writer = this.#writer
    const checkpoint = writer ? writer.projection.position() : await this.#reader.checkpoint()
    const head = this.#head ?? (await this.#source.head())
    const behind = (head ?? 0n) - (checkpoint ?? 0n)
    const positions = behind > 0n ? behind : 0n
    const seconds = positions === 0n || this.#lastAt === undefined ? 0 : Math.max(0, (Date.now() - this.#lastAt) / 1000)
    const { newest, count } = writer?.projection.parked() ?? { newest: [], count: 0 }
    return [
      {
        name: NAME,
        version: SEARCH_PROJECTOR.version,
        generation: writer?.generation ?? this.#generationOf((await this.#calls.target(this.#alias)) ?? ''),
        state: this.#rebuilding ? 'rebuilding' : positions === 0n ? 'live' : 'catching-up',
        checkpoint,
        head,
        lag: { positions, seconds },
        applied: writer?.projection.applied() ?? 0,
        parked: newest,
        parkedCount: count,
        ...(this.#trouble === undefined ? {} : { error: this.#trouble }),
      },
    ]
  }

  /** Compared by the number of documents. The generation before stays, to go back to by hand; older ones are dropped. */
  async rebuild(onProgress: (progress: RebuildProgress) => void = () => {}): Promise<RebuiltProjection> {
    const old = this.#writer
    if (old === undefined)
      throw new SearchIndexError('unavailable', 'Another process keeps the search index: rebuild there.')
    if (this.#rebuilding) throw new SearchIndexError('unavailable', 'Search is being rebuilt already.')
    this.#rebuilding = true
    const started = performance.now()
    let events = 0
    const seconds = () => (performance.now() - started) / 1000
    const tell = (phase: RebuildProgress['phase']): void => {
      const rate = events / Math.max(seconds(), 0.001)
      const total = Math.max(events, phase === 'filling' ? Number(this.#head ?? BigInt(events)) : events)
      onProgress({ name: NAME, phase, events, total, rate, etaSeconds: rate > 0 ? (total - events) / rate : 0 })
    }
    const collection = await this.#nextName()
    try {
      const next = await this.#open(collection)
      const fill = async (until: Position | undefined) => {
        if (until === undefined) return
        const onBatch = (batch: { readonly events: number }) => {
          events += batch.events
          tell('filling')
        }
        await run(this.#source, [next.projection], next.stop.signal, { batchSize: BATCH, once: true, until, onBatch })
      }
      await fill(await this.#source.head())
      tell('catching-up')
      await fill(await this.#source.head())
      // The old one stands still, so that the two can meet.
      await stopped(old)
      await fill(old.projection.position())
      tell('comparing')
      const [before, after] = [await this.#calls.count(old.collection), await this.#calls.count(collection)]
      tell('switching')
      await this.#calls.point(this.#alias, collection)
      this.#serve(next)
      await this.#dropOthers(collection, old.collection)
      tell('done')
      const digests = { digest: `${after} documents`, previousDigest: `${before} documents`, same: before === after }
      const parked = next.projection.parked().count
      return { name: NAME, generation: next.generation, events, seconds: seconds(), ...digests, parked }
    } catch (error) {
      if (this.#writer === old) {
        await this.#calls.drop(collection).catch(() => undefined)
        if (old.stop.signal.aborted && !this.#closed) this.#serve(await this.#open(old.collection))
      }
      throw error
    } finally {
      this.#rebuilding = false
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#writer) await stopped(this.#writer)
    await this.#source.close()
  }

  get #beginning(): string {
    return `${this.#alias}_v${SCHEMA_VERSION}_${SEARCH_PROJECTOR.version}_`
  }

  #generationOf(collection: string): number {
    return Number(/_(\d+)$/.exec(collection)?.[1] ?? 0)
  }

  async #nextName(): Promise<string> {
    const all = (await this.#calls.collections(this.#beginning)).map((name) => this.#generationOf(name))
    return `${this.#beginning}${Math.max(0, ...all) + 1}`
  }

  async #open(collection: string): Promise<Writer> {
    const index = await TypesenseIndex.open(this.#calls, collection)
    const messages = this.#messages
    const projection = await searchProjection({ index, source: this.#source, ...(messages ? { messages } : {}) })
    const generation = this.#generationOf(collection)
    return { collection, generation, index, projection, stop: new AbortController(), running: Promise.resolve() }
  }

  #serve(writer: Writer): void {
    this.#writer = writer
    this.#reached(writer.projection.position())
    writer.running = run(this.#source, [writer.projection], writer.stop.signal, {
      batchSize: BATCH,
      onError: (error) => {
        this.#trouble = error instanceof Error ? error.message : String(error)
      },
      onBatch: ({ position, lastAt }) => {
        this.#trouble = undefined
        this.#lastAt = lastAt ?? this.#lastAt
        this.#reached(position)
      },
    })
  }

  #reached(position: Position | undefined): void {
    if (position === undefined) return
    this.#position = position
    this.#waiters.reached(position)
  }

  async #dropOthers(...kept: readonly string[]): Promise<void> {
    for (const name of await this.#calls.collections(`${this.#alias}_v`))
      if (!kept.includes(name)) await this.#calls.drop(name)
  }
}

async function stopped(writer: Writer): Promise<void> {
  writer.stop.abort()
  await writer.running
}
