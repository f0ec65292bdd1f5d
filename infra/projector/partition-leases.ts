// Which process projects which partition: leases in MongoDB, given out by rendezvous hashing over the processes that live.
import { hash } from 'node:crypto'
import type { MongoDatabase } from '../adapters/views/mongodb-database.ts'
import { PARTITIONS } from '../adapters/views/mongodb-store.ts'

/** The directory is one partition of its own, behind those of the accounts. */
export const DIRECTORY_PARTITION = PARTITIONS
export const LEASED: readonly number[] = Array.from({ length: PARTITIONS + 1 }, (_, i) => i)

interface LeaseDocument {
  readonly _id: string
  readonly partition: number
  readonly owner: string | null
  /** Epoch milliseconds. */
  readonly expires: number
}

/** One projector process, as it last said of itself. */
export interface ProcessDocument {
  readonly _id: string
  readonly expires: number
  readonly partitions: readonly number[]
  /** Every view of its partitions reflects the log up to here. */
  readonly at: number | null
  /** Whether each of its views has met the end of the log. */
  readonly live: boolean
}

export interface LeaseOptions {
  readonly process: string
  /** A process that is silent for so long has lost its partitions. */
  readonly leaseMs: number
  /** Epoch milliseconds. Clocks that differ cost a hand-over, never a wrong row: writes are fenced by an epoch. */
  readonly now: () => number
}

interface Renewal {
  readonly gained: readonly number[]
  readonly lost: readonly number[]
  readonly toRelease: readonly number[]
}

export class PartitionLeases {
  readonly #database: MongoDatabase
  readonly #options: LeaseOptions
  readonly #owned = new Set<number>()
  #before: Promise<void> = Promise.resolve()

  constructor(database: MongoDatabase, options: LeaseOptions) {
    this.#database = database
    this.#options = options
  }

  get owned(): ReadonlySet<number> {
    return this.#owned
  }

  get #leases() {
    return this.#database.control<LeaseDocument>('leases')
  }
  get #processes() {
    return this.#database.control<ProcessDocument & { readonly kind: 'process' }>('leases')
  }

  async prepare(): Promise<void> {
    const fresh = LEASED.map((partition) => ({ _id: leaseId(partition), partition, owner: null, expires: 0 }))
    await this.#leases.insertMany(fresh, { ordered: false }).catch((error: { code?: number }) => {
      if (error.code !== 11000) throw error
    })
  }

  /** Says that this process lives, which partitions it follows (it may hold more), and how far their views are. */
  async report(partitions: readonly number[], at: bigint | undefined, live: boolean): Promise<void> {
    const { process, leaseMs, now } = this.#options
    const expires = now() + leaseMs
    const said = { kind: 'process' as const, expires, partitions, at: numberOf(at), live }
    await this.#alone(() => this.#processes.replaceOne({ _id: `process/${process}` }, said, { upsert: true }))
  }

  async processes(): Promise<readonly ProcessDocument[]> {
    const all = await this.#processes.find({ _id: { $gte: 'process/', $lt: 'process0' } }).toArray()
    const now = this.#options.now()
    const dead = all.filter((each) => each.expires < now - 10 * this.#options.leaseMs).map(({ _id }) => _id)
    if (dead.length > 0) await this.#processes.deleteMany({ _id: { $in: dead } })
    return all.filter((each) => each.expires >= now)
  }

  /** Still here, also while a batch or an opening takes long. */
  async keep(): Promise<void> {
    const { process, leaseMs, now } = this.#options
    const expires = now() + leaseMs
    await this.#alone(() => this.#leases.updateMany({ owner: process }, { $set: { expires } }))
  }

  /** One of these after the other: not every server makes a change of several documents one step. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#before.then(work)
    this.#before = done.then(
      () => undefined,
      () => undefined,
    )
    return done
  }

  /**
   * Renews what is held. `lost` is what others have by now, `toRelease` what belongs to another that lives, `gained` what was free
   * and belongs here.
   */
  renew(): Promise<Renewal> {
    return this.#alone(() => this.#renew())
  }

  async #renew(): Promise<Renewal> {
    const { process, leaseMs, now } = this.#options
    const at = now()
    await this.#leases.updateMany({ owner: process }, { $set: { expires: at + leaseMs } })
    const living = [...new Set([process, ...(await this.processes()).map(({ _id }) => _id.slice('process/'.length))])]
    const leases = await this.#leases.find({ _id: { $gte: 'lease/', $lt: 'lease0' } }).toArray()
    const gained: number[] = []
    const lost: number[] = []
    const toRelease: number[] = []
    for (const { _id, partition, owner, expires } of leases) {
      const here = preferred(partition, living) === process
      if (owner === process) {
        if (!this.#owned.has(partition)) gained.push(partition)
        this.#owned.add(partition)
        if (!here) toRelease.push(partition)
      } else {
        if (this.#owned.delete(partition)) lost.push(partition)
        if (!here || (owner !== null && expires >= at)) continue
        const taken = await this.#leases.updateOne({ _id, owner }, { $set: { owner: process, expires: at + leaseMs } })
        if (taken.modifiedCount === 0) continue
        this.#owned.add(partition)
        gained.push(partition)
      }
    }
    return { gained, lost, toRelease }
  }

  /** Once nothing writes them here any more. */
  async release(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.#owned.delete(partition)
    const ids = partitions.map(leaseId)
    const own = { _id: { $in: ids }, owner: this.#options.process }
    await this.#alone(() => this.#leases.updateMany(own, { $set: { owner: null, expires: 0 } }))
  }

  async leave(): Promise<void> {
    await this.release([...this.#owned])
    await this.#processes.deleteOne({ _id: `process/${this.#options.process}` })
  }

  /** Higher than every one that was given out before, to whatever process. */
  async nextEpoch(): Promise<number> {
    const counter = this.#database.control<{ _id: string; epoch: number }>('leases')
    const found = await counter.findOneAndUpdate(
      { _id: 'epoch' },
      { $inc: { epoch: 1 } },
      { upsert: true, returnDocument: 'after' },
    )
    return found?.epoch ?? 1
  }
}

const leaseId = (partition: number): string => `lease/${String(partition).padStart(2, '0')}`
const numberOf = (position: bigint | undefined): number | null => (position === undefined ? null : Number(position))

/** Highest random weight: when a process comes or goes, only its own share of the partitions moves. */
export function preferred(partition: number, processes: readonly string[]): string | undefined {
  let best: string | undefined
  let most = ''
  for (const process of processes) {
    const weight = hash('sha1', `${partition} ${process}`, 'hex')
    if (weight <= most) continue
    most = weight
    best = process
  }
  return best
}
