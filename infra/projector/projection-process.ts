// The projector role over MongoDB: follows the log for the partitions that this process holds, hands them over, builds generations.
import { setTimeout as pause } from 'node:timers/promises'
import type { AccountId, Position, Revision } from '../../domain/log.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import { earliest, type HandledBatch, run } from '../../projections/runtime.ts'
import type { MongoDatabase } from '../adapters/views/mongodb-database.ts'
import type { MongoViewName } from '../adapters/views/mongodb-indexes.ts'
import { openPartitions, type PartitionedProjection } from '../adapters/views/mongodb-partitions.ts'
import { PartitionLost, partitionOf } from '../adapters/views/mongodb-store.ts'
import { type Generations, VIEWS } from './generations.ts'
import { type AppliedBatch, MAX_TRACED } from './messages.ts'
import { DIRECTORY_PARTITION, PartitionLeases } from './partition-leases.ts'

export interface ProcessOptions {
  readonly process: string
  readonly leaseMs: number
  readonly heartbeatMs: number
  /** Parts of the partitions that are filled at the same time. */
  readonly fillers: number
  /** Positions that a view may be behind: further, and it catches up beside the others, so that it does not hold them up. */
  readonly farBehind: bigint
  readonly now: () => number
  readonly onApplied: (mailboxes: ReadonlyMap<AccountId, Revision>, position: Position) => void
  readonly onError: (error: unknown) => void
  /** Told of every batch that was applied, for traces. */
  readonly onBatch?: ((batch: AppliedBatch) => void) | undefined
}

interface Running {
  readonly view: MongoViewName
  readonly generation: number
  readonly partitions: readonly number[]
  readonly projection: PartitionedProjection
}

const fillOf = (view: MongoViewName, generation: number, partitions: readonly number[]): string =>
  `${view}/${generation}/${partitions.join()}`

const LIVE_BATCH = 500
const FILL_BATCH = 2000
/** After a switch the generation before is written on for so long. */
const GRACE_MS = 10_000
const REPORT_MS = 50
const DRAIN_MS = 5000
const START_MS = 15_000

export class ProjectionProcess {
  readonly #database: MongoDatabase
  readonly #source: EventSource
  readonly #generations: Generations
  readonly #options: ProcessOptions
  readonly #leases: PartitionLeases
  readonly #compared = new Set<string>()
  /** What was filled since it was opened last. */
  readonly #filled = new Set<string>()
  #running: readonly Running[] = []
  #filling: readonly Running[] = []
  /** Partitions of what runs. */
  #opened: readonly number[] = []
  #wanted = ''
  #phase = new AbortController()
  #work: Promise<void> = Promise.resolve()
  #restart = false
  #closing = new AbortController()
  #loop: Promise<void> | undefined
  /** What each loop follows. A mailbox does not wait for the other views: it has a loop of its own. */
  #groups: readonly (readonly Running[])[] = []
  readonly #caughtUp = new Set<readonly Running[]>()
  #lastAt: number | undefined
  #keeping: NodeJS.Timeout | undefined
  #reported = 0
  #reporting = false
  #error: string | undefined

  constructor(database: MongoDatabase, source: EventSource, generations: Generations, options: ProcessOptions) {
    this.#database = database
    this.#source = source
    this.#generations = generations
    this.#options = options
    this.#leases = new PartitionLeases(database, options)
  }

  get leases(): PartitionLeases {
    return this.#leases
  }
  /** Event time of the last event applied, epoch milliseconds. */
  get lastAt(): number | undefined {
    return this.#lastAt
  }
  get error(): string | undefined {
    return this.#error
  }

  applied(view: MongoViewName): number {
    return Math.max(0, ...this.#running.filter((each) => each.view === view).map((each) => each.projection.applied()))
  }

  /** What every serving view of the partitions held here reflects; undefined while one has seen nothing. */
  position(view?: MongoViewName): Position | undefined {
    const serving = [...this.#running, ...this.#filling].filter(
      (each) => this.#serves(each) && (view === undefined || each.view === view),
    )
    return serving.length === 0 ? undefined : earliest(serving.map(({ projection }) => projection))
  }

  get live(): boolean {
    return (
      this.#opened.length > 0 && this.#filling.length === 0 && this.#groups.every((each) => this.#caughtUp.has(each))
    )
  }

  /** A server that is busy or changes hands is tried for a while; then the start fails with what it said. */
  async start(): Promise<void> {
    for (const until = performance.now() + START_MS; ; ) {
      try {
        await this.#generations.ensure()
        await this.#leases.prepare()
        await this.#leases.report([], undefined, false)
        break
      } catch (error) {
        if (performance.now() > until) throw error
        await pause(this.#options.heartbeatMs)
      }
    }
    this.#keeping = setInterval(() => void this.#keep(), this.#options.leaseMs / 4)
    this.#keeping.unref()
    this.look()
    this.#loop = this.#beat()
  }

  /** Finishes the batch in hand, stores the checkpoints, and leaves the partitions to whoever lives. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#loop
    await this.#stopPhase()
    clearInterval(this.#keeping)
    await this.#leases.leave().catch(this.#options.onError)
  }

  /** Looks at leases and generations at once instead of with the next heartbeat. */
  look(): void {
    this.#restart = true
    this.#phase.abort()
  }

  async #keep(): Promise<void> {
    await this.#leases.keep().catch(this.#options.onError)
    await this.#report(true)
  }

  async #beat(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      if (this.#restart) {
        await this.#attempt()
        if (signal.aborted) return
      }
      const woken = new AbortController()
      const wake = () => woken.abort()
      this.#phase.signal.addEventListener('abort', wake, { once: true })
      signal.addEventListener('abort', wake, { once: true })
      await pause(this.#options.heartbeatMs, undefined, { signal: woken.signal, ref: false }).catch(() => undefined)
      signal.removeEventListener('abort', wake)
      if (signal.aborted) return
      await this.#attempt()
    }
  }

  async #attempt(): Promise<void> {
    try {
      await this.#tick()
      this.#error = undefined
    } catch (error) {
      this.#error = String(error)
      this.#options.onError(error)
      await pause(this.#options.heartbeatMs, undefined, { ref: false })
    }
  }

  async #tick(): Promise<void> {
    await this.#generations.ensure()
    const { lost, toRelease } = await this.#leases.renew()
    if (toRelease.length > 0 || lost.length > 0) await this.#stopPhase()
    if (toRelease.length > 0) await this.#leases.release(toRelease)
    const wanted = JSON.stringify([[...this.#leases.owned].sort(), VIEWS.map((view) => this.#numbers(view))])
    if (wanted !== this.#wanted || this.#restart || this.#phase.signal.aborted) {
      this.#restart = false
      await this.#stopPhase()
      await this.#open()
      this.#wanted = wanted
    }
    await this.#report(true)
  }

  /** Generations that are written: the one that serves first. */
  #numbers(view: MongoViewName): readonly number[] {
    const held = this.#generations.get(view)
    if (held === undefined) return []
    const recent = this.#options.now() - held.switchedAt < GRACE_MS
    return [held.serving, held.building, recent ? held.previous : null].filter((each) => each !== null)
  }

  #serves({ view, generation }: Running): boolean {
    return this.#generations.get(view)?.serving === generation
  }

  async #open(): Promise<void> {
    const { owned } = this.#leases
    this.#phase = new AbortController()
    this.#groups = []
    this.#caughtUp.clear()
    if (owned.size === 0) return
    const epoch = await this.#leases.nextEpoch()
    const head = (await this.#source.head()) ?? 0n
    const accounts = [...owned].filter((partition) => partition !== DIRECTORY_PARTITION)
    const onTrouble = this.#options.onError
    const open = async (view: MongoViewName, generation: number, partitions: readonly number[]): Promise<Running> => {
      const projection = await openPartitions(view, this.#database, { generation, partitions, epoch, onTrouble })
      return { view, generation, partitions, projection }
    }
    const running: Running[] = []
    const filling: Running[][] = []
    try {
      for (const view of VIEWS) {
        const partitions = view === 'directory' ? (owned.has(DIRECTORY_PARTITION) ? [0] : []) : accounts
        if (partitions.length === 0) continue
        for (const generation of this.#numbers(view)) {
          const whole = await open(view, generation, partitions)
          const position = whole.projection.position()
          const filled = this.#filled.has(fillOf(view, generation, partitions))
          if (filled || head - (position ?? 0n) <= this.#options.farBehind) {
            running.push(whole)
            continue
          }
          await whole.projection.close()
          const parts = Math.min(this.#options.fillers, partitions.length)
          for (let i = 0; i < parts; i++) {
            const own = partitions.filter((_, at) => at % parts === i)
            ;(filling[i] ??= []).push(await open(view, generation, own))
          }
        }
      }
    } catch (error) {
      for (const each of [...running, ...filling.flat()]) await each.projection.close()
      throw error
    }
    this.#running = running
    this.#filling = filling.flat()
    this.#opened = [...owned]
    this.#filled.clear()
    const { signal } = this.#phase
    this.#groups = [true, false]
      .map((mailboxes) => running.filter(({ view }) => (view === 'mailbox') === mailboxes))
      .filter((group) => group.length > 0)
    const following = this.#groups.map((group) => this.#follow(group, signal, LIVE_BATCH))
    const fillers = filling.map((group) => this.#fill(group, signal))
    if (fillers.length > 0)
      // What has caught up joins the others, however much came meanwhile: else a busy log would keep it away for ever.
      void Promise.all(fillers).then(() => {
        if (signal.aborted) return
        for (const { view, generation } of this.#filling)
          this.#filled.add(fillOf(view, generation, view === 'directory' ? [0] : accounts))
        this.look()
      })
    this.#work = Promise.all([...following, ...fillers]).then(() => undefined)
  }

  async #stopPhase(): Promise<void> {
    this.#phase.abort()
    // A batch in hand is finished; one that waits for a server that is gone is left to the next owner.
    await Promise.race([this.#work, pause(DRAIN_MS, undefined, { ref: false })])
    for (const each of [...this.#running, ...this.#filling]) await each.projection.close()
    await this.#work
    this.#work = Promise.resolve()
    this.#opened = []
    this.#running = []
    this.#filling = []
    this.#wanted = ''
  }

  async #follow(group: readonly Running[], signal: AbortSignal, batchSize: number): Promise<void> {
    const projections = group.map(({ projection }) => projection)
    await run(this.#source, projections, signal, {
      batchSize,
      onBatch: (batch) => this.#onBatch(group, batch),
      onError: (error) => this.#failed(error),
    }).catch((error) => this.#failed(error))
  }

  async #fill(group: readonly Running[], signal: AbortSignal): Promise<void> {
    const done = new AbortController()
    const stop = () => done.abort()
    signal.addEventListener('abort', stop, { once: true })
    const projections = group.map(({ projection }) => projection)
    await run(this.#source, projections, done.signal, {
      batchSize: FILL_BATCH,
      onBatch: (batch) => {
        if (batch.caughtUp) done.abort()
      },
      onError: (error) => this.#failed(error),
    }).catch((error) => this.#failed(error))
    signal.removeEventListener('abort', stop)
  }

  #failed(error: unknown): void {
    this.#error = String(error)
    this.#options.onError(error)
    if (error instanceof PartitionLost) this.#phase.abort()
  }

  async #onBatch(group: readonly Running[], batch: HandledBatch): Promise<void> {
    this.#lastAt = batch.lastAt ?? this.#lastAt
    if (this.#options.onBatch && batch.events > 0) this.#options.onBatch(traced(group, batch))
    if (batch.position !== undefined && group[0]?.view === 'mailbox') {
      const own = [...batch.mailboxes].filter(([account]) => this.#opened.includes(partitionOf(account)))
      this.#options.onApplied(new Map(own), batch.position)
    }
    if (batch.caughtUp) {
      this.#caughtUp.add(group)
      await this.#fillEnded()
      await this.#compare(group)
    }
    void this.#report(false)
  }

  /** One process that holds everything of a view may say that it is whole; several are asked by `ready`. */
  async #fillEnded(): Promise<void> {
    for (const view of VIEWS) {
      const held = this.#generations.get(view)
      if (held === undefined || held.filled || this.#filling.length > 0) continue
      const others = (await this.#leases.processes()).filter(({ _id }) => _id !== `process/${this.#options.process}`)
      const covered = new Set([
        ...this.#leases.owned,
        ...others.filter(({ live }) => live).flatMap((each) => each.partitions),
      ])
      if (covered.size === DIRECTORY_PARTITION + 1) await this.#generations.setFilled(view, held.serving)
    }
  }

  /** Both generations of a view stand at the same position here, because one loop writes them: their rows must be the same. */
  async #compare(group: readonly Running[]): Promise<void> {
    for (const built of group) {
      const { view, generation } = built
      if (this.#generations.get(view)?.building !== generation) continue
      const serving = group.find((each) => each.view === view && this.#serves(each))
      const key = `${view}/${generation}/${this.#options.process}/${built.partitions.join()}`
      if (serving === undefined || this.#compared.has(key)) continue
      if (serving.projection.position() !== built.projection.position()) continue
      const [digest, previousDigest] = [await built.projection.digest(), await serving.projection.digest()]
      const events = built.projection.applied()
      const partitions = view === 'directory' ? [DIRECTORY_PARTITION] : built.partitions
      const parked = built.projection.parked().count
      const _id = `${view}/${generation}/${this.#options.process}`
      await this.#generations.compared({ _id, view, generation, partitions, digest, previousDigest, events, parked })
      this.#compared.add(key)
    }
  }

  /** Other processes wait for what stands here: told soon, but not with every batch. */
  async #report(now: boolean): Promise<void> {
    if (!now) {
      if (this.#reporting) return
      this.#reporting = true
      const wait = this.#reported + REPORT_MS - performance.now()
      if (wait > 0) await pause(wait, undefined, { ref: false })
    }
    this.#reported = performance.now()
    this.#reporting = false
    await this.#leases.report(this.#opened, this.position(), this.live).catch(this.#options.onError)
  }
}

function traced(group: readonly Running[], { events, began, ended, correlationIds }: HandledBatch): AppliedBatch {
  const views = [...new Set(group.map(({ view }) => view))]
  return { views, events, began, ended, correlationIds: correlationIds(MAX_TRACED) }
}
