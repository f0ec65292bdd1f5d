// Views in MongoDB as gateways use them: every process asks and waits; those with the projector role also write.
import { createHash, randomUUID } from 'node:crypto'
import type { AccountId, Position, Revision } from '../../domain/log.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import type { FanOut } from '../../projections/ports/fan-out.ts'
import type {
  DirectoryQueries,
  FilterQueries,
  MailboxQueries,
  SubmissionQueries,
  TimelineQueries,
  ViewQueries,
} from '../../projections/queries.ts'
import { MONGO_VIEWS, mongoReader } from '../adapters/views/mongodb.ts'
import { type MongoDatabase, openMongo, toViewsError } from '../adapters/views/mongodb-database.ts'
import { type Comparison, Generations, VIEWS } from './generations.ts'
import type { AppliedBatch } from './messages.ts'
import { DIRECTORY_PARTITION, LEASED, PartitionLeases } from './partition-leases.ts'
import { ProjectionProcess } from './projection-process.ts'
import {
  type ProjectionStatus,
  ProjectorError,
  type ProjectorsApi,
  type RebuildProgress,
  type RebuildResult,
  type RebuiltProjection,
  type ViewName,
} from './projectors.ts'

export interface MongoProjectorsConfig {
  /** `mongodb://…` with the name of the database. */
  readonly url: string
  /** The log. `poke` and `forget` are called where there are such. */
  readonly source: EventSource & { poke?(): void; forget?(account: AccountId): void }
  /** Whether this process has the projector role. Others ask and wait. */
  readonly projector: boolean
  /** Without one, what other processes commit is found out by asking. */
  readonly fanOut?: FanOut
  /** Names this process among those that live; random unless given. */
  readonly process?: string
  readonly leaseMs?: number
  readonly heartbeatMs?: number
  /** Positions that a view may be behind before it catches up beside the others. */
  readonly farBehind?: bigint
  readonly onError?: (error: unknown) => void
  /** Told of every batch that this process applied, for traces. */
  readonly onBatch?: (batch: AppliedBatch) => void
}

const WAIT_MS = 5000
const LEASE_MS = 10_000
const HEARTBEAT_MS = 1000
const FILLERS = 4
/** Events, where positions count them. */
const FAR_BEHIND = 20_000n
/** How often a waiting process asks: with and without a fan-out that tells it. */
const ASK_MS = { told: 250, untold: 25 }
const POLL_MS = 100
/** Mailboxes that one look for missed commits finds. */
const MISSED = 1000

interface RevisionWaiter {
  readonly account: AccountId
  readonly revision: Revision
  readonly resolve: () => void
}

export class MongoProjectors implements ProjectorsApi {
  readonly mailbox: MailboxQueries
  readonly directory: DirectoryQueries
  readonly submissions: SubmissionQueries
  readonly timeline: TimelineQueries
  readonly filter: FilterQueries
  readonly #config: MongoProjectorsConfig
  readonly #database: MongoDatabase
  readonly #generations: Generations
  readonly #leases: PartitionLeases
  readonly #process: ProjectionProcess | undefined
  readonly #name: string
  readonly #listeners = new Set<(touched: ReadonlyMap<AccountId, Revision>) => void>()
  readonly #revisions = new Set<RevisionWaiter>()
  readonly #closing = new AbortController()
  readonly #ready = Promise.withResolvers<void>()
  /** Commits up to here were told to the listeners. */
  #toldAt = 0
  #asking = false
  #rebuilding = false
  #timers: NodeJS.Timeout[] = []
  #unsubscribe: (() => void)[] = []

  private constructor(config: MongoProjectorsConfig, database: MongoDatabase) {
    this.#config = config
    this.#database = database
    this.#name = config.process ?? randomUUID()
    const leaseMs = config.leaseMs ?? LEASE_MS
    this.#generations = new Generations(database, Date.now)
    this.#leases = new PartitionLeases(database, { process: this.#name, leaseMs, now: Date.now })
    if (config.projector) {
      this.#process = new ProjectionProcess(database, config.source, this.#generations, {
        process: this.#name,
        leaseMs,
        heartbeatMs: config.heartbeatMs ?? HEARTBEAT_MS,
        fillers: FILLERS,
        farBehind: config.farBehind ?? FAR_BEHIND,
        now: Date.now,
        onApplied: (mailboxes, position) => this.#committed(mailboxes, position),
        onError: (error) => config.onError?.(error),
        onBatch: config.onBatch,
      })
    }
    this.mailbox = this.#queries('mailbox')
    this.directory = this.#queries('directory')
    this.submissions = this.#queries('submissions')
    this.timeline = this.#queries('timeline')
    this.filter = this.#queries('filter')
    this.#ready.promise.catch(() => undefined)
  }

  /** Rejects with a sentence when MongoDB cannot be reached. Views that are new fill in the background; `ready` tells. */
  static async start(config: MongoProjectorsConfig): Promise<MongoProjectors> {
    const database = await openMongo(config.url)
    const projectors = new MongoProjectors(config, database)
    try {
      await projectors.#start()
      return projectors
    } catch (error) {
      await projectors.close()
      throw error
    }
  }

  async #start(): Promise<void> {
    await this.#generations.read()
    await this.#process?.start()
    const { fanOut } = this.#config
    if (fanOut !== undefined) {
      this.#unsubscribe = [
        fanOut.subscribe(({ mailboxes }) => this.#tell(mailboxes)),
        fanOut.onMissed(() => void this.#lookForMissed()),
      ]
    }
    this.#toldAt = Number((await this.#reached()) ?? 0n)
    const every = (ms: number, work: () => Promise<void>) => {
      const timer = setInterval(() => void work().catch((error) => this.#config.onError?.(error)), ms)
      timer.unref()
      this.#timers.push(timer)
    }
    every(this.#config.heartbeatMs ?? HEARTBEAT_MS, async () => void (await this.#generations.read()))
    // Nothing told is lost for good: what was committed since is looked up, seldom when messages come.
    if (this.#process === undefined || fanOut !== undefined)
      every(fanOut === undefined ? POLL_MS : 5000, () => this.#lookForMissed())
    void this.#becomeReady().then(this.#ready.resolve, this.#ready.reject)
  }

  async #becomeReady(): Promise<void> {
    const head = await this.#config.source.head()
    for (;;) {
      await this.#asked(async () => {
        if (this.#generations.get('mailbox') === undefined) await this.#generations.read()
        return VIEWS.every((view) => this.#generations.get(view)?.filled)
      })
      if (head === undefined) return
      await this.#asked(async () => ((await this.#reached()) ?? -1n) >= head)
      return
    }
  }

  /** Whether this process holds the partition that there is only one of: it does what only one process may. */
  get leads(): boolean {
    return this.#process?.leases.owned.has(DIRECTORY_PARTITION) ?? false
  }

  ready(): Promise<void> {
    return this.#ready.promise
  }

  /** What every serving view reflects, whoever writes it; undefined while a partition is nobody's or has seen nothing. */
  async #reached(): Promise<Position | undefined> {
    const processes = await this.#leases.processes()
    const covered = new Set<number>()
    let least: bigint | undefined
    for (const { _id, partitions, at } of processes) {
      if (partitions.length === 0) continue
      const own = _id === `process/${this.#name}` ? this.#process?.position() : undefined
      const position = own ?? (at === null ? undefined : BigInt(at))
      if (position === undefined) return undefined
      for (const partition of partitions) covered.add(partition)
      if (least === undefined || position < least) least = position
    }
    return covered.size === LEASED.length ? least : undefined
  }

  /** Asks until the answer is yes. */
  async #asked(question: () => Promise<boolean>, deadline = Number.POSITIVE_INFINITY): Promise<boolean> {
    // Every question is a read of what processes say: who waits long asks less often.
    for (let wait = ASK_MS.untold; ; wait = Math.min(2 * wait, ASK_MS.told)) {
      if (this.#closing.signal.aborted) throw new ProjectorError('closed', 'The projectors are closed.')
      // A server that is away for a moment is asked again, until the deadline.
      if (await question().catch(() => false)) return true
      if (performance.now() >= deadline) return false
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }

  async waitForPosition(position: Position, { timeoutMs = WAIT_MS } = {}): Promise<void> {
    const deadline = performance.now() + timeoutMs
    if (await this.#asked(async () => ((await this.#reached()) ?? -1n) >= position, deadline)) return
    throw new ProjectorError('timeout', `The views did not reach position ${position} within ${timeoutMs} ms.`)
  }

  async waitForRevision(account: AccountId, revision: Revision, { timeoutMs = WAIT_MS } = {}): Promise<void> {
    if (this.#closing.signal.aborted) throw new ProjectorError('closed', 'The projectors are closed.')
    const deadline = performance.now() + timeoutMs
    const told = Promise.withResolvers<void>()
    const waiter: RevisionWaiter = { account, revision, resolve: told.resolve }
    this.#revisions.add(waiter)
    try {
      // The listener stands before the first question, so that no commit falls between.
      for (;;) {
        const reflected = await this.mailbox.accountRevision(account).catch(() => undefined)
        if (reflected !== undefined && reflected >= revision) return
        const left = deadline - performance.now()
        if (left <= 0) break
        if (this.#closing.signal.aborted) throw new ProjectorError('closed', 'The projectors are closed.')
        const isTold = this.#process !== undefined || this.#config.fanOut !== undefined
        const ask = Math.min(left, isTold ? ASK_MS.told : ASK_MS.untold)
        const timer = Promise.withResolvers<void>()
        const handle = setTimeout(timer.resolve, ask)
        await Promise.race([told.promise, timer.promise])
        clearTimeout(handle)
      }
    } finally {
      this.#revisions.delete(waiter)
    }
    throw new ProjectorError('timeout', `The views did not reach revision ${revision} within ${timeoutMs} ms.`)
  }

  onApplied(listener: (touched: ReadonlyMap<AccountId, Revision>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #committed(mailboxes: ReadonlyMap<AccountId, Revision>, position: Position): void {
    this.#config.fanOut?.publish({ mailboxes, position })
    this.#tell(mailboxes)
  }

  #tell(mailboxes: ReadonlyMap<AccountId, Revision>): void {
    if (mailboxes.size === 0) return
    for (const waiter of this.#revisions)
      if ((mailboxes.get(waiter.account) ?? -1n) >= waiter.revision) waiter.resolve()
    for (const listener of this.#listeners) listener(mailboxes)
  }

  /** Mailboxes that others committed since the last look. Told twice is better than not at all. */
  async #lookForMissed(): Promise<void> {
    if (this.#asking || (this.#listeners.size === 0 && this.#revisions.size === 0)) return
    this.#asking = true
    try {
      const reached = Number((await this.#reached()) ?? 0n)
      const serving = this.#generations.get('mailbox')?.serving
      if (serving === undefined) return
      const options = { hint: 'head_at', sort: { at: 1 }, limit: MISSED, projection: { revision: 1, at: 1 } } as const
      const heads = this.#database.collection('mailbox', serving, 'head').find({ at: { $gt: this.#toldAt } }, options)
      const touched = new Map<AccountId, Revision>()
      let last = this.#toldAt
      for await (const { _id, at, revision } of heads) {
        touched.set(_id, BigInt(Number(revision)))
        last = at
      }
      // Behind the slowest process more may come to light.
      this.#toldAt = touched.size === MISSED ? last : Math.max(this.#toldAt, Math.min(last, reached))
      this.#tell(touched)
    } finally {
      this.#asking = false
    }
  }

  poke(_head: Position): void {
    this.#config.source.poke?.()
  }

  forget(account: AccountId): void {
    this.#config.source.forget?.(account)
  }

  async status(): Promise<ProjectionStatus[]> {
    const head = await this.#config.source.head()
    const reached = await this.#reached()
    const known = await this.#generations.read()
    const status: ProjectionStatus[] = []
    for (const name of VIEWS) {
      const generation = known.get(name)
      if (generation === undefined) continue
      const parked = this.#database.collection(name, generation.serving, 'parked')
      const newest = await parked.find({}).sort({ _id: -1 }).limit(100).toArray()
      const checkpoint = reached
      const behind = (head ?? 0n) - (checkpoint ?? 0n)
      const lastAt = this.#process?.lastAt
      const error = this.#process?.error
      status.push({
        name,
        version: MONGO_VIEWS[name].version,
        generation: generation.serving,
        state: !generation.filled ? 'rebuilding' : behind > 0n ? 'catching-up' : 'live',
        checkpoint,
        head,
        lag: {
          positions: behind > 0n ? behind : 0n,
          seconds: behind > 0n && lastAt !== undefined ? Math.max(0, (Date.now() - lastAt) / 1000) : 0,
        },
        applied: this.#process?.applied(name) ?? 0,
        parked: newest.map((row) => ({
          position: BigInt(Number(row['position'])),
          type: String(row['type']),
          error: String(row['error']),
          at: Number(row['parkedAt']),
        })),
        parkedCount: await parked.countDocuments({ _id: { $gte: '' } }),
        ...(error === undefined ? {} : { error }),
      })
    }
    return status
  }

  /** Every process builds its own partitions beside what serves and compares them; the pointer moves once all were the same place. */
  async rebuild(
    name: ViewName | 'all',
    onProgress: (progress: RebuildProgress) => void = () => {},
  ): Promise<RebuildResult> {
    if (this.#closing.signal.aborted) throw new ProjectorError('closed', 'The projectors are closed.')
    const names = name === 'all' ? VIEWS : VIEWS.filter((each) => each === name)
    if (names.length === 0) throw new ProjectorError('unknown-projection', `There is no projection ${name}.`)
    if (this.#rebuilding) throw new ProjectorError('rebuild-running', 'A rebuild is running already.')
    if (!(await this.#leases.processes()).some(({ partitions }) => partitions.length > 0))
      throw new ProjectorError('rebuild-failed', 'No process with the projector role lives: start one.')
    this.#rebuilding = true
    const began = performance.now()
    const building = new Map<ViewName, number>()
    try {
      for (const each of names) {
        await this.#generations.forgetComparisons(each)
        const generation = await this.#generations.build(each)
        if (generation === undefined)
          throw new ProjectorError('rebuild-running', `The projection ${each} is being rebuilt already.`)
        building.set(each, generation)
      }
      this.#process?.look()
      const projections: RebuiltProjection[] = []
      for (const [view, generation] of building) {
        const compared = await this.#waitForComparisons(view, generation, began, onProgress)
        await this.#generations.flip(view, generation)
        building.delete(view)
        const digest = joined(compared.map((each) => each.digest))
        const previousDigest = joined(compared.map((each) => each.previousDigest))
        const events = compared.reduce((sum, each) => sum + each.events, 0)
        const parked = Math.max(0, ...compared.map((each) => each.parked))
        const seconds = (performance.now() - began) / 1000
        projections.push({
          ...{ name: view, generation, events, seconds, digest, previousDigest },
          same: digest === previousDigest,
          parked,
        })
      }
      this.#process?.look()
      const events = Math.max(0, ...projections.map((each) => each.events))
      const rate = events / Math.max(0.001, (performance.now() - began) / 1000)
      onProgress({ name: names.join(', '), phase: 'done', events, total: events, rate, etaSeconds: 0 })
      return { projections }
    } catch (error) {
      for (const [view, generation] of building) await this.#generations.giveUp(view, generation).catch(() => undefined)
      this.#process?.look()
      if (error instanceof ProjectorError) throw error
      throw new ProjectorError('rebuild-failed', `The rebuild failed and nothing was changed: ${String(error)}`, {
        cause: error,
      })
    } finally {
      this.#rebuilding = false
    }
  }

  async #waitForComparisons(
    view: ViewName,
    generation: number,
    began: number,
    onProgress: (progress: RebuildProgress) => void,
  ): Promise<readonly Comparison[]> {
    const wanted = view === 'directory' ? 1 : LEASED.length - 1
    for (let told = 0; ; ) {
      if (this.#closing.signal.aborted) throw new ProjectorError('closed', 'The projectors are closed.')
      const compared = await this.#generations.comparisons(view, generation)
      const covered = new Set(compared.flatMap(({ partitions }) => partitions))
      const seconds = (performance.now() - began) / 1000
      if (covered.size >= wanted) return compared
      if (performance.now() - told > 250) {
        told = performance.now()
        const events = compared.reduce((sum, each) => sum + each.events, 0)
        const left = covered.size === 0 ? 0 : (seconds * (wanted - covered.size)) / covered.size
        onProgress({ name: view, phase: 'filling', events, total: events, rate: events / seconds, etaSeconds: left })
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    for (const timer of this.#timers) clearInterval(timer)
    for (const stop of this.#unsubscribe) stop()
    for (const waiter of this.#revisions) waiter.resolve()
    this.#ready.reject(new ProjectorError('closed', 'The projectors are closed.'))
    await this.#process?.close()
    await this.#database.close()
  }

  /** Questions go to the generation that serves now; until there is a whole one they wait. */
  #queries<Name extends ViewName>(name: Name): ViewQueries[Name] {
    const readers = new Map<number, ViewQueries[Name]>()
    const ask =
      (method: string | symbol) =>
      async (...values: unknown[]) => {
        if (!this.#generations.get(name)?.filled)
          await this.#asked(async () => (await this.#generations.read()).get(name)?.filled === true)
        if (this.#closing.signal.aborted) throw new ProjectorError('closed', 'The projectors are closed.')
        const serving = this.#generations.get(name)?.serving ?? 0
        let reader = readers.get(serving)
        if (reader === undefined) {
          reader = mongoReader(name, this.#database, serving)
          readers.clear()
          readers.set(serving, reader)
        }
        const ask = (reader as unknown as Record<string | symbol, (...values: unknown[]) => Promise<unknown>>)[method]
        return ask?.apply(reader, values).catch((error) => {
          throw toViewsError(error)
        })
      }
    // Not a promise, whoever asks: an answer to `then` would make it one.
    const target = {} as ViewQueries[Name]
    return new Proxy(target, { get: (_, method) => (method === 'then' ? undefined : ask(method)) })
  }
}

const joined = (digests: readonly string[]): string =>
  digests.length === 1
    ? (digests[0] ?? '')
    : createHash('sha256')
        .update([...digests].sort().join('\n'))
        .digest('hex')
