// Search for a whole server: one thread that indexes, a few that answer, generations that replace each other without a pause.
// Nothing here ever blocks the main thread: queries of tens of milliseconds run elsewhere, and readers never wait for the writer.
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { AccountId, Position } from '../../../domain/log.ts'
import { type HeaderField, SearchIndexError } from '../../../projections/ports/search-index.ts'
import { SEARCH_PROJECTOR } from '../../../projections/search/projector.ts'
import type { SearchOptions, SearchResult } from '../../../projections/search/search.ts'
import type { ProjectionStatus, RebuildProgress, RebuiltProjection } from '../../projector/projectors.ts'
import type { SourceConfig } from '../journal/open-source.ts'
import { Catalog } from '../views/catalog.ts'
import type { SubstringMatch } from './fts5-substring.ts'
import { PositionWaiters } from './position-waiters.ts'
import type { SearchApi } from './search-api.ts'
import type {
  FromThread,
  SearchAnswer,
  SearchDigest,
  SearchIndexStatus,
  SearchRequest,
  SearchThreadConfig,
  ToThread,
} from './search-protocol.ts'

export interface SearchThreadsConfig {
  /** The data folder; the index lies in `views/` below it. */
  readonly data: string
  readonly source: SourceConfig
  /** Folder of the pack files, for texts that did not fit into their events. */
  readonly blobs?: string
  /** 2 by default. */
  readonly queryThreads?: number
}

/** Queries that may wait at one time; more are refused, so that a flood costs no memory. */
const MAX_WAITING = 1000
const NAME = SEARCH_PROJECTOR.name
/** Bounds of each thread's heap, in MB: what it reads is short-lived. */
const HEAP = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 512 }

export class SearchThreads implements SearchApi {
  readonly #config: SearchThreadsConfig
  readonly #catalog: Catalog
  #generation: number
  #indexer: Thread
  readonly #queries: Thread[] = []
  #startingQuery: Promise<Thread> | undefined
  readonly #waiters = new PositionWaiters()
  #position: Position | undefined
  #head: Position | undefined
  #lastAt: number | undefined
  #trouble: string | undefined
  #rebuilding = false
  #closed = false

  private constructor(config: SearchThreadsConfig, catalog: Catalog, generation: number, indexer: Thread) {
    this.#config = config
    this.#catalog = catalog
    this.#generation = generation
    this.#indexer = indexer
    this.#position = indexer.checkpoint
    this.#listen(indexer)
  }

  /** Opens the index, or begins a new generation when there is none that can be read. Search answers from what is indexed. */
  static async start(config: SearchThreadsConfig): Promise<SearchThreads> {
    const catalog = new Catalog(join(config.data, 'views'), 'search.json')
    catalog.clear(NAME)
    let generation = catalog.generation(NAME)
    let indexer: Thread | undefined
    if (generation !== undefined) {
      try {
        indexer = await Thread.start(indexConfig(config, catalog, generation, false))
      } catch (error) {
        if (!isUseless(error)) throw error
      }
    }
    if (generation === undefined || indexer === undefined) {
      generation = catalog.next(NAME)
      indexer = await Thread.start(indexConfig(config, catalog, generation, true))
      catalog.flip(NAME, generation)
    }
    return new SearchThreads(config, catalog, generation, indexer)
  }

  async search(account: AccountId, query: string, options: SearchOptions = {}): Promise<SearchResult> {
    if (this.#closed) throw new SearchIndexError('closed', 'Search was closed.')
    const free = await this.#queryThread()
    if (free.waiting >= MAX_WAITING) throw new SearchIndexError('unavailable', 'Too many searches at once; try again.')
    const answer = await free.call({ op: 'search', account, query, options })
    return JSON.parse(String(answer)) as SearchResult
  }

  async substring(account: AccountId, needle: string, field: HeaderField | null): Promise<SubstringMatch | undefined> {
    if (this.#closed) throw new SearchIndexError('closed', 'Search was closed.')
    const free = await this.#queryThread()
    if (free.waiting >= MAX_WAITING) throw new SearchIndexError('unavailable', 'Too many searches at once; try again.')
    const answer = await free.call({ op: 'substring', account, needle, field })
    return (JSON.parse(String(answer)) as SubstringMatch | null) ?? undefined
  }

  /** The least busy thread. Threads start when searches need them: an idle server does without. */
  async #queryThread(): Promise<Thread> {
    const free = this.#queries.toSorted((a, b) => a.waiting - b.waiting)[0]
    if (free !== undefined && (free.waiting === 0 || this.#queries.length >= (this.#config.queryThreads ?? 2)))
      return free
    this.#startingQuery ??= this.#startQueryThread().finally(() => {
      this.#startingQuery = undefined
    })
    return free ?? this.#startingQuery
  }

  async #startQueryThread(): Promise<Thread> {
    const file = this.#catalog.path(NAME, this.#generation)
    const thread = await Thread.start({ role: 'query', file, source: this.#config.source })
    const serving = this.#catalog.path(NAME, this.#generation)
    // A rebuild may have put another generation in its place meanwhile.
    if (serving !== file) await thread.call({ op: 'open', file: serving })
    if (this.#closed) await thread.close()
    this.#queries.push(thread)
    return thread
  }

  /** The log has grown up to here. */
  poke(head: Position): void {
    this.#head = head
    this.#indexer.tell({ kind: 'poke' })
  }

  /** The account was erased: its key and texts leave the memory of the threads. */
  forget(account: AccountId): void {
    for (const thread of [this.#indexer, ...this.#queries]) thread.tell({ kind: 'forget', account })
  }

  /** Resolves once queries see the log up to `position`; rejects after `timeoutMs` (5,000). */
  async waitForPosition(position: Position, options: { readonly timeoutMs?: number } = {}): Promise<void> {
    if (this.#position !== undefined && this.#position >= position) return
    await this.#waiters.wait(position, options.timeoutMs ?? 5000)
  }

  /** One projection, in the form of all of them. */
  async status(): Promise<readonly ProjectionStatus[]> {
    const status = (await this.#indexer.call({ op: 'status' })) as SearchIndexStatus
    const behind = (this.#head ?? 0n) - (status.checkpoint ?? 0n)
    const positions = behind > 0n ? behind : 0n
    const seconds = positions === 0n || this.#lastAt === undefined ? 0 : Math.max(0, (Date.now() - this.#lastAt) / 1000)
    return [
      {
        name: NAME,
        version: SEARCH_PROJECTOR.version,
        generation: this.#generation,
        state: this.#rebuilding ? 'rebuilding' : positions === 0n ? 'live' : 'catching-up',
        checkpoint: status.checkpoint,
        head: this.#head,
        lag: { positions, seconds },
        applied: status.applied,
        parked: status.parked,
        parkedCount: status.parkedCount,
        ...(this.#trouble === undefined ? {} : { error: this.#trouble }),
      },
    ]
  }

  /** Fills a new generation beside the one that serves, compares the two, and lets it serve. Killed half-way, nothing has changed. */
  async rebuild(onProgress: (progress: RebuildProgress) => void = () => {}): Promise<RebuiltProjection> {
    if (this.#rebuilding) throw new SearchIndexError('unavailable', 'Search is being rebuilt already.')
    this.#rebuilding = true
    const started = performance.now()
    let events = 0
    const tell = (phase: RebuildProgress['phase']): void => {
      const seconds = (performance.now() - started) / 1000
      const rate = seconds > 0 ? events / seconds : 0
      // Positions are not dense, so the log's head is an upper bound of what is to come.
      const total = Math.max(events, phase === 'filling' ? Number(this.#head ?? BigInt(events)) : events)
      const etaSeconds = rate > 0 ? (total - events) / rate : 0
      onProgress({ name: NAME, phase, events, total, rate, etaSeconds })
    }
    const generation = this.#catalog.next(NAME)
    const next = await Thread.start(indexConfig(this.#config, this.#catalog, generation, true))
    try {
      await new Promise<void>((resolve, reject) => {
        next.onMessage = (message) => {
          if (message.kind === 'applied') {
            events += message.events
            tell('filling')
          } else if (message.kind === 'filled') resolve()
          else if (message.kind === 'trouble') reject(new SearchIndexError('unavailable', message.message))
        }
        next.onEnd = reject
      })
      tell('catching-up')
      next.tell({ kind: 'poke' })
      tell('comparing')
      const { digest, previousDigest } = await this.#compare(next)
      const status = (await next.call({ op: 'status' })) as SearchIndexStatus
      tell('switching')
      const file = this.#catalog.path(NAME, generation)
      this.#catalog.flip(NAME, generation)
      await Promise.all(this.#queries.map((thread) => thread.call({ op: 'open', file })))
      const old = this.#indexer
      this.#indexer = next
      this.#generation = generation
      this.#listen(next)
      next.tell({ kind: 'poke' })
      await old.close()
      this.#catalog.clear(NAME)
      tell('done')
      return {
        name: NAME,
        generation,
        events,
        seconds: (performance.now() - started) / 1000,
        digest,
        previousDigest,
        same: previousDigest === undefined ? undefined : previousDigest === digest,
        parked: status.parkedCount,
      }
    } catch (error) {
      await next.close()
      this.#catalog.clear(NAME)
      throw error
    } finally {
      this.#rebuilding = false
    }
  }

  /** Both at one position, if live traffic lets them meet there. */
  async #compare(next: Thread): Promise<{ digest: string; previousDigest: string | undefined }> {
    let newer: SearchDigest | undefined
    for (let attempt = 0; attempt < 10; attempt++) {
      const [older, fresh] = (await Promise.all([
        this.#indexer.call({ op: 'digest' }),
        next.call({ op: 'digest' }),
      ])) as [SearchDigest, SearchDigest]
      newer = fresh
      if (older.checkpoint === fresh.checkpoint) return { digest: fresh.digest, previousDigest: older.digest }
      this.#indexer.tell({ kind: 'poke' })
      next.tell({ kind: 'poke' })
    }
    return { digest: newer?.digest ?? '', previousDigest: undefined }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all([this.#indexer, ...this.#queries].map((thread) => thread.close()))
  }

  #listen(indexer: Thread): void {
    indexer.onMessage = (message) => {
      if (message.kind === 'trouble') this.#trouble = message.message
      if (message.kind !== 'applied' || message.position === undefined) return
      this.#trouble = undefined
      this.#position = message.position
      this.#lastAt = message.lastAt ?? this.#lastAt
      this.#waiters.reached(message.position)
    }
    indexer.onEnd = (error) => {
      this.#trouble = error.message
    }
  }
}

function indexConfig(
  config: SearchThreadsConfig,
  catalog: Catalog,
  generation: number,
  filling: boolean,
): SearchThreadConfig {
  const file = catalog.path(NAME, generation)
  const { source, blobs } = config
  return { role: 'index', file, source, filling, ...(blobs === undefined ? {} : { blobs }) }
}

/** Whether only a new index helps. */
function isUseless(error: unknown): boolean {
  return error instanceof SearchIndexError && (error.code === 'corrupt' || error.code === 'newer-schema')
}

/** A worker, and the calls that wait for its answers. */
class Thread {
  checkpoint: Position | undefined
  onMessage: (message: FromThread) => void = () => {}
  onEnd: (error: Error) => void = () => {}
  readonly #worker: Worker
  readonly #calls = new Map<number, { resolve: (answer: SearchAnswer) => void; reject: (error: Error) => void }>()
  #seq = 0
  #ended: Error | undefined

  private constructor(config: SearchThreadConfig) {
    this.#worker = new Worker(new URL('./search-thread.ts', import.meta.url), {
      workerData: config,
      resourceLimits: HEAP,
    })
  }

  /** Rejects with the engine's own error when the file cannot be opened. */
  static async start(config: SearchThreadConfig): Promise<Thread> {
    const thread = new Thread(config)
    await new Promise<void>((resolve, reject) => {
      thread.#worker.on('message', (message: FromThread) => {
        if (message.kind === 'ready') {
          thread.checkpoint = message.checkpoint
          resolve()
        } else if (message.kind === 'refused') {
          const error = new SearchIndexError(message.code as SearchIndexError['code'], message.message)
          thread.#end(error)
          reject(error)
          void thread.#worker.terminate()
        } else thread.#receive(message)
      })
      thread.#worker.on('error', (cause) => {
        const error = cause instanceof Error ? cause : new Error(String(cause))
        thread.#end(error)
        reject(error)
      })
      thread.#worker.on('exit', () => thread.#end(new SearchIndexError('closed', 'The search thread has stopped.')))
    })
    return thread
  }

  get waiting(): number {
    return this.#calls.size
  }

  call(request: SearchRequest): Promise<SearchAnswer> {
    if (this.#ended) return Promise.reject(this.#ended)
    const seq = ++this.#seq
    return new Promise((resolve, reject) => {
      this.#calls.set(seq, { resolve, reject })
      this.#worker.postMessage({ kind: 'call', seq, request } satisfies ToThread)
    })
  }

  tell(message: Exclude<ToThread, { kind: 'call' }>): void {
    if (!this.#ended) this.#worker.postMessage(message)
  }

  async close(): Promise<void> {
    if (this.#ended) return
    const error = new SearchIndexError('closed', 'Search was closed.')
    try {
      await this.call({ op: 'close' })
    } finally {
      this.#end(error)
      await this.#worker.terminate()
    }
  }

  #receive(message: FromThread): void {
    if (message.kind === 'answer' || message.kind === 'failed') {
      const waiting = this.#calls.get(message.seq)
      this.#calls.delete(message.seq)
      if (message.kind === 'answer') waiting?.resolve(message.answer)
      else waiting?.reject(new SearchIndexError(message.code as SearchIndexError['code'], message.message))
      return
    }
    this.onMessage(message)
  }

  #end(error: Error): void {
    if (this.#ended) return
    this.#ended = error
    for (const { reject } of this.#calls.values()) reject(error)
    this.#calls.clear()
    this.onEnd(error)
  }
}
