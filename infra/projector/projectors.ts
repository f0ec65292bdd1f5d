// The main thread's side of the projectors: they run in a worker, it asks the views, waits for revisions and orders rebuilds.
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { AccountId, Position, Revision } from '../../domain/log.ts'
import type {
  DirectoryQueries,
  FilterQueries,
  MailboxQueries,
  SubmissionQueries,
  TimelineQueries,
  ViewQueries,
} from '../../projections/queries.ts'
import { Catalog } from '../adapters/views/catalog.ts'
import { openReader, type ReadableView } from '../adapters/views/sqlite.ts'
import type {
  Answer,
  AppliedBatch,
  Compared,
  FromRebuild,
  FromWorker,
  RebuildConfig,
  ToRebuild,
  ToWorker,
  WorkerConfig,
} from './messages.ts'

export type ViewName = 'mailbox' | 'directory' | 'submissions' | 'timeline' | 'filter'
export const VIEW_NAMES: readonly ViewName[] = ['mailbox', 'directory', 'submissions', 'timeline', 'filter']

export interface ProjectorsConfig {
  /** The data folder; views lie in `views/` below it. */
  readonly data: string
  /** Passed as it is to `openEventSource` in the worker. */
  readonly source: unknown
  /** Told of every batch that was applied, for traces. */
  readonly onBatch?: (batch: AppliedBatch) => void
}

/** An event that a projector could not apply: it is kept here and the projector went on. */
export interface ParkedEvent {
  readonly position: Position
  readonly type: string
  readonly error: string
  /** Epoch milliseconds. */
  readonly at: number
}

export interface ProjectionStatus {
  readonly name: string
  readonly version: number
  readonly generation: number
  readonly state: 'catching-up' | 'live' | 'rebuilding' | 'failed'
  /** The position that the view reflects; undefined before the first event. */
  readonly checkpoint: Position | undefined
  readonly head: Position | undefined
  /** Positions between checkpoint and head (positions are not dense), and the age of the oldest event not yet applied. */
  readonly lag: { readonly positions: bigint; readonly seconds: number }
  /** Events applied since the worker started. */
  readonly applied: number
  readonly parked: readonly ParkedEvent[]
  /** How many events are parked in all; `parked` lists at most the 100 newest. */
  readonly parkedCount: number
  readonly error?: string
}

export interface RebuildProgress {
  readonly name: string
  readonly phase: 'filling' | 'indexing' | 'catching-up' | 'comparing' | 'switching' | 'done'
  readonly events: number
  /** Estimated events in all; exact once filled. */
  readonly total: number
  /** Events a second. */
  readonly rate: number
  readonly etaSeconds: number
}

export interface RebuiltProjection {
  readonly name: string
  readonly generation: number
  readonly events: number
  readonly seconds: number
  /** SHA-256 over every row in a fixed order, of the new and of the old generation at the same position. */
  readonly digest: string
  /** Undefined when there was no readable old generation or its projector had another version. */
  readonly previousDigest: string | undefined
  readonly same: boolean | undefined
  readonly parked: number
}
export interface RebuildResult {
  readonly projections: readonly RebuiltProjection[]
}

export class ProjectorError extends Error {
  readonly code: 'timeout' | 'closed' | 'worker-failed' | 'unknown-projection' | 'rebuild-running' | 'rebuild-failed'
  constructor(code: ProjectorError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ProjectorError'
    this.code = code
  }
}

/** What gateways get: implemented by `Projectors.start`. */
export interface ProjectorsApi {
  readonly mailbox: MailboxQueries
  readonly directory: DirectoryQueries
  readonly submissions: SubmissionQueries
  readonly timeline: TimelineQueries
  readonly filter: FilterQueries
  status(): Promise<ProjectionStatus[]>
  /** Blue/green; readers never wait. Rejects with 'rebuild-running' when the same projection is being rebuilt. */
  rebuild(name: ViewName | 'all', onProgress?: (progress: RebuildProgress) => void): Promise<RebuildResult>
  /** Resolves once the mailbox view reflects `revision` of the account's mailbox stream; rejects with 'timeout' (default 5,000 ms). */
  waitForRevision(account: AccountId, revision: Revision, options?: { readonly timeoutMs?: number }): Promise<void>
  /** Resolves once every view reflects the log up to `position`. For the directory and submissions, and for tests. */
  waitForPosition(position: Position, options?: { readonly timeoutMs?: number }): Promise<void>
  /** Called after each commit of the mailbox view with the newest revision of every mailbox that it touched. Answers the way to stop. */
  onApplied(listener: (touched: ReadonlyMap<AccountId, Revision>) => void): () => void
  /** Resolves once every view has met the end of the log: at once, unless views had to be filled. */
  ready(): Promise<void>
  /** The log has grown up to here: wakes the projectors at once. */
  poke(head: Position): void
  /** An account was erased: its key leaves the memory of the projectors' threads. */
  forget(account: AccountId): void
  close(): Promise<void>
}

const FOLDER = 'views'
const WAIT_MS = 5000
/** Small young generations keep the resident size of several threads down; the old ones are far above what they need. */
const LIMITS = { maxYoungGenerationSizeMb: 24, maxOldGenerationSizeMb: 512 }
/** After a crash of the thread; doubles with every crash in a row. */
const RESTART_MS = 100
/** The answer of a thread that has ended. */
const NOTHING: Answer = { kind: 'status', status: [] }

interface Waiter {
  readonly reached: () => boolean
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

type RevisionWaiter = Waiter & { readonly revision: Revision }

type Readers = { [Name in ViewName]?: ReadableView<ViewQueries[Name]> }

export class Projectors implements ProjectorsApi {
  readonly mailbox: MailboxQueries
  readonly directory: DirectoryQueries
  readonly submissions: SubmissionQueries
  readonly timeline: TimelineQueries
  readonly filter: FilterQueries
  readonly #config: WorkerConfig
  readonly #onBatch: ProjectorsConfig['onBatch']
  readonly #readers: Readers = {}
  readonly #opening = new Map<ViewName, PromiseWithResolvers<void>>()
  readonly #listeners = new Set<(touched: ReadonlyMap<AccountId, Revision>) => void>()
  readonly #mailboxWaiters = new Map<AccountId, Set<RevisionWaiter>>()
  readonly #positionWaiters = new Set<Waiter>()
  readonly #positions = new Map<string, Position>()
  readonly #asked = new Map<number, (answer: Answer) => void>()
  readonly #ready = Promise.withResolvers<void>()
  #worker: Worker
  #ended: Promise<void> = Promise.resolve()
  /** Between the end of a thread and the start of the next. */
  #down = false
  #rebuild: Worker | undefined
  #nextId = 1
  #crashes = 0
  #closed = false
  #lastFailure: string | undefined

  private constructor(config: ProjectorsConfig) {
    this.#config = {
      data: config.data,
      folder: FOLDER,
      names: VIEW_NAMES,
      source: config.source,
      traced: config.onBatch !== undefined,
    }
    this.#onBatch = config.onBatch
    for (const name of VIEW_NAMES) this.#opening.set(name, Promise.withResolvers())
    this.#ready.promise.catch(() => {})
    this.mailbox = this.#queries('mailbox')
    this.directory = this.#queries('directory')
    this.submissions = this.#queries('submissions')
    this.timeline = this.#queries('timeline')
    this.filter = this.#queries('filter')
    this.#worker = this.#startWorker()
  }

  /** Views that are missing are filled in the background: queries of them wait for that, `ready` tells. */
  static async start(config: ProjectorsConfig): Promise<Projectors> {
    const projectors = new Projectors(config)
    await new Promise<void>((resolve, reject) => {
      projectors.#worker.once('online', resolve)
      projectors.#worker.once('error', reject)
    })
    return projectors
  }

  ready(): Promise<void> {
    return this.#ready.promise
  }

  async status(): Promise<ProjectionStatus[]> {
    const answer = await this.#ask({ type: 'status', id: this.#nextId++ })
    return answer.kind === 'status' ? answer.status : []
  }

  poke(_head: Position): void {
    this.#send({ type: 'poke' })
    this.#sendRebuild({ type: 'poke' })
  }

  forget(account: AccountId): void {
    this.#send({ type: 'forget', account })
  }

  onApplied(listener: (touched: ReadonlyMap<AccountId, Revision>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async waitForRevision(account: AccountId, revision: Revision, { timeoutMs = WAIT_MS } = {}): Promise<void> {
    const waiters = this.#mailboxWaiters.get(account) ?? new Set<RevisionWaiter>()
    this.#mailboxWaiters.set(account, waiters)
    let seen = false
    const promise = this.#wait<{ reached(): boolean; revision: Revision }>(
      waiters,
      { revision, reached: () => seen },
      timeoutMs,
      `revision ${revision}`,
    )
    const settle = () => {
      if (waiters.size === 0 && this.#mailboxWaiters.get(account) === waiters) this.#mailboxWaiters.delete(account)
    }
    // Asked after the waiter stands, so that no commit falls between.
    const reflected = await this.mailbox.accountRevision(account)
    if (reflected !== undefined && reflected >= revision) {
      seen = true
      this.#release(waiters)
    } else this.poke(0n) // Somebody waits: it is not the time to gather events.
    return promise.finally(settle)
  }

  async waitForPosition(position: Position, { timeoutMs = WAIT_MS } = {}): Promise<void> {
    const reached = () => VIEW_NAMES.every((name) => (this.#positions.get(name) ?? -1n) >= position)
    if (reached()) return
    return this.#wait(this.#positionWaiters, { reached }, timeoutMs, `position ${position}`)
  }

  async rebuild(
    name: ViewName | 'all',
    onProgress: (progress: RebuildProgress) => void = () => {},
  ): Promise<RebuildResult> {
    if (this.#closed) throw new ProjectorError('closed', 'The projectors are closed.')
    const names = name === 'all' ? VIEW_NAMES : VIEW_NAMES.filter((each) => each === name)
    if (names.length === 0) throw new ProjectorError('unknown-projection', `There is no projection ${name}.`)
    if (this.#rebuild !== undefined) throw new ProjectorError('rebuild-running', 'A rebuild is running already.')
    await Promise.all(names.map((each) => this.#opening.get(each)?.promise))
    const catalog = new Catalog(join(this.#config.data, FOLDER))
    const generations = names.map((each) => {
      const generation = catalog.next(each)
      const serving = catalog.generation(each)
      const path = catalog.path(each, generation)
      return { name: each, generation, path, serving: serving === undefined ? undefined : catalog.path(each, serving) }
    })
    const rebuilding: RebuildConfig = { ...this.#config, names, generations }
    const worker = new Worker(new URL('./rebuild-worker.ts', import.meta.url), {
      workerData: rebuilding,
      resourceLimits: LIMITS,
    })
    this.#rebuild = worker
    try {
      const results = await this.#rebuildWith(worker, generations, onProgress)
      const switches = generations.map(({ name: each, generation }) => [each, generation] as const)
      await this.#ask({ type: 'switch', id: this.#nextId++, generations: switches })
      const projections = results.map((each, i): RebuiltProjection => {
        const same = each.previousDigest === undefined ? undefined : each.previousDigest === each.digest
        return { ...each, generation: generations[i]?.generation ?? 0, same }
      })
      const events = Math.max(0, ...results.map((each) => each.events))
      const seconds = results[0]?.seconds ?? 0
      const rate = seconds > 0 ? events / seconds : 0
      onProgress({ name: names.join(', '), phase: 'done', events, total: events, rate, etaSeconds: 0 })
      return { projections }
    } catch (error) {
      await worker.terminate()
      this.#send({ type: 'resume' })
      for (const each of names) new Catalog(join(this.#config.data, FOLDER)).clear(each)
      if (error instanceof ProjectorError) throw error
      throw new ProjectorError('rebuild-failed', `The rebuild failed and nothing was changed: ${String(error)}`, {
        cause: error,
      })
    } finally {
      this.#rebuild = undefined
    }
  }

  #rebuildWith(
    worker: Worker,
    _generations: RebuildConfig['generations'],
    onProgress: (progress: RebuildProgress) => void,
  ): Promise<readonly Compared[]> {
    return new Promise((resolve, reject) => {
      let results: readonly Compared[] = []
      const send = (message: ToRebuild) => worker.postMessage(message)
      const freeze = async (atLeast: Position | undefined): Promise<Position | undefined> => {
        const answer = await this.#ask({ type: 'freeze', id: this.#nextId++, atLeast })
        return answer.kind === 'frozen' ? answer.position : undefined
      }
      const handle = async (message: FromRebuild): Promise<void> => {
        switch (message.type) {
          case 'progress':
            onProgress(message.progress)
            return
          case 'caught-up':
            send({ type: 'compare', position: await freeze(message.position) })
            return
          case 'snapshotted':
            this.#send({ type: 'resume' })
            return
          case 'compared':
            results = message.results
            send({ type: 'finish', position: await freeze(message.position) })
            return
          case 'finished':
            resolve(results)
            return
          default: {
            const _: never = message
          }
        }
      }
      worker.on('message', (message: FromRebuild) => void handle(message).catch(reject))
      worker.on('error', reject)
      worker.on('exit', (code) => {
        if (code !== 0) reject(new Error(`its thread ended with code ${code}`))
      })
    })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#rebuild?.terminate()
    // Readers first: the worker's connections are then the last ones, and take their write-ahead logs with them.
    for (const name of VIEW_NAMES) {
      this.#readers[name]?.db.close()
      delete this.#readers[name]
    }
    this.#send({ type: 'close' })
    await this.#ended
    const error = new ProjectorError('closed', 'The projectors are closed.')
    for (const waiters of [...this.#mailboxWaiters.values(), this.#positionWaiters]) {
      for (const waiter of waiters) {
        clearTimeout(waiter.timer)
        waiter.reject(error)
      }
      waiters.clear()
    }
    this.#ready.reject(error)
    for (const opening of this.#opening.values()) {
      opening.promise.catch(() => {})
      opening.reject(error)
    }
  }

  #startWorker(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: this.#config,
      resourceLimits: LIMITS,
    })
    worker.on('message', (message: FromWorker) => {
      try {
        this.#handle(message)
      } catch (error) {
        // A view that cannot be read here: the thread begins again, which is recovery.
        this.#lastFailure = String(error)
        void worker.terminate()
      }
    })
    worker.on('error', (error) => {
      this.#lastFailure = String(error)
    })
    this.#down = false
    this.#ended = new Promise((resolve) => worker.once('exit', () => resolve()))
    worker.on('exit', () => {
      this.#down = true
      for (const [id, resolve] of this.#asked) {
        this.#asked.delete(id)
        resolve(NOTHING)
      }
      if (this.#closed) return
      // Start-up is recovery: the views stand at their checkpoints.
      setTimeout(
        () => {
          if (!this.#closed) this.#worker = this.#startWorker()
        },
        Math.min(RESTART_MS * 2 ** this.#crashes++, 10_000),
      )
    })
    return worker
  }

  /** The last thing that went wrong in the projectors' thread, for operators. */
  get lastFailure(): string | undefined {
    return this.#lastFailure
  }

  #handle(message: FromWorker): void {
    switch (message.type) {
      case 'opened':
        this.#opened(message.name as ViewName, message.path)
        return
      case 'live':
        this.#crashes = 0
        this.#ready.resolve()
        return
      case 'applied':
        if (message.batch) this.#onBatch?.(message.batch)
        this.#applied(message.mailboxes, message.positions)
        return
      case 'answer':
        this.#asked.get(message.id)?.(message.value)
        this.#asked.delete(message.id)
        return
      case 'failure':
        this.#lastFailure = message.error
        return
      default: {
        const _: never = message
      }
    }
  }

  #opened<Name extends ViewName>(name: Name, path: string): void {
    if (this.#closed) return
    const reader = openReader(name, path)
    this.#readers[name]?.db.close()
    ;(this.#readers as { [N in Name]?: ReadableView<ViewQueries[N]> })[name] = reader
    this.#opening.get(name)?.resolve()
  }

  #applied(
    mailboxes: ReadonlyMap<AccountId, Revision>,
    positions: readonly (readonly [string, Position | undefined])[],
  ): void {
    for (const [name, position] of positions) if (position !== undefined) this.#positions.set(name, position)
    for (const [account, revision] of mailboxes) {
      const waiters = this.#mailboxWaiters.get(account)
      for (const waiter of waiters ?? []) {
        if (revision < waiter.revision) continue
        waiters?.delete(waiter)
        clearTimeout(waiter.timer)
        waiter.resolve()
      }
    }
    this.#release(this.#positionWaiters)
    if (mailboxes.size > 0) for (const listener of this.#listeners) listener(mailboxes)
  }

  #wait<Extra extends { readonly reached: () => boolean }>(
    waiters: Set<Waiter & Extra>,
    extra: Extra,
    timeoutMs: number,
    what: string,
  ): Promise<void> {
    if (this.#closed) return Promise.reject(new ProjectorError('closed', 'The projectors are closed.'))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiters.delete(waiter)
        reject(new ProjectorError('timeout', `The views did not reach ${what} within ${timeoutMs} ms.`))
      }, timeoutMs)
      const waiter = { ...extra, resolve, reject, timer }
      waiters.add(waiter)
    })
  }

  #release(waiters: Set<Waiter>): void {
    for (const waiter of waiters) {
      if (!waiter.reached()) continue
      waiters.delete(waiter)
      clearTimeout(waiter.timer)
      waiter.resolve()
    }
  }

  /** Questions go to the generation that serves now; until there is one they wait. */
  #queries<Name extends ViewName>(name: Name): ViewQueries[Name] {
    const ask =
      (method: string | symbol) =>
      async (...values: unknown[]) => {
        if (this.#closed) throw new ProjectorError('closed', 'The projectors are closed.')
        if (this.#readers[name] === undefined) await this.#opening.get(name)?.promise
        const queries = this.#readers[name]?.queries as unknown as Record<
          string | symbol,
          (...values: unknown[]) => unknown
        >
        return queries[method]?.(...values)
      }
    // Not a promise, whoever asks: an answer to `then` would make it one.
    const target = {} as ViewQueries[Name]
    return new Proxy(target, { get: (_, method) => (method === 'then' ? undefined : ask(method)) })
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message)
  }

  #sendRebuild(message: ToRebuild): void {
    this.#rebuild?.postMessage(message)
  }

  #ask(message: Extract<ToWorker, { readonly id: number }>): Promise<Answer> {
    return new Promise((resolve) => {
      if (this.#down) return resolve(NOTHING)
      this.#asked.set(message.id, resolve)
      this.#send(message)
    })
  }
}
