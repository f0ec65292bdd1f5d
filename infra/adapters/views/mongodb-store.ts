// How a view commits without transactions: the changes of a commit are first written down whole, then made, then the checkpoint
// moves. Whatever is interrupted is made again from what was written down, so that rows and checkpoint are of one moment.
import { hash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Collection, Filter } from 'mongodb'
import type { AccountId, Position } from '../../../domain/log.ts'
import type { SourceEvent } from '../../../projections/ports/event-source.ts'
import type { ParkedEvent, ViewStore } from '../../../projections/ports/view-store.ts'
import type { MongoDatabase, Row, RowWrite } from './mongodb-database.ts'
import type { MongoViewName, TableName } from './mongodb-indexes.ts'

/** Accounts are hashed to so many partitions, for ever: each is projected by one process at a time. */
export const PARTITIONS = 64

/** Where an account belongs. '' is nobody's: domains, addresses. */
export function partitionOf(account: AccountId, of: number = PARTITIONS): number {
  return account === '' ? 0 : Number.parseInt(hash('sha1', account, 'hex').slice(0, 6), 16) % of
}

/** Another process took the partition over. */
export class PartitionLost extends Error {
  readonly partitions: readonly number[]
  constructor(partitions: readonly number[]) {
    super(`Partitions ${partitions.join(', ')} are another process's by now`)
    this.name = 'PartitionLost'
    this.partitions = partitions
  }
}

interface PartitionDocument {
  readonly _id: string
  readonly epoch: number
  /** Rows reflect the log up to here; null before the first commit. */
  readonly at: number | null
}

interface RedoDocument {
  readonly _id: string
  readonly epoch: number
  readonly at: number | null
  /** JSON of RowWrite[]; of a large commit the rest is in so many documents of their own. */
  readonly writes: string
  readonly more: number
}

export interface MongoStoreOptions {
  readonly generation: number
  /** All of them unless given. */
  readonly partitions?: readonly number[]
  /** How many there are: PARTITIONS, but for tests. */
  readonly of?: number
  /** Raised with every change of hands: writes of an owner with a lower one are refused. */
  readonly epoch?: number
  /** A write that failed and is tried again. */
  readonly onTrouble?: (error: unknown) => void
  /** Pause before the first further try, milliseconds; doubles up to 32 times that. */
  readonly retryMs?: number
}

export const allPartitions = (of: number = PARTITIONS): readonly number[] => Array.from({ length: of }, (_, i) => i)

/** Checkpoints move with every so many commits: what was written down of a partition says more. */
const MOVE_ALL_EVERY = 16
/** A document takes 16 MiB: what is written down is cut well below that. */
const REDO_CHARS = 4_000_000
const KEPT_PARKED = 100

export abstract class MongoStore<Unit> implements ViewStore<Unit> {
  protected readonly database: MongoDatabase
  protected readonly view: MongoViewName
  protected readonly generation: number
  readonly #options: MongoStoreOptions
  readonly #partitions: readonly number[]
  readonly #owned: ReadonlySet<number>
  readonly #epoch: number
  #at: number | undefined
  #level = false
  #stored = new Map<number, number | null>()
  #commits = 0
  #parked: ParkedEvent[] = []
  #parkedCount = 0
  #closed = false

  constructor(database: MongoDatabase, view: MongoViewName, options: MongoStoreOptions) {
    this.database = database
    this.view = view
    this.generation = options.generation
    this.#options = options
    this.#partitions = options.partitions ?? allPartitions(options.of)
    this.#owned = new Set(this.#partitions)
    this.#epoch = options.epoch ?? 0
  }

  /** Rows that the unit changed. */
  protected abstract writes(unit: Unit): RowWrite[] | Promise<RowWrite[]>
  abstract begin(events: readonly SourceEvent[]): Promise<Unit>
  abstract digest(): Promise<string>
  /** What is kept in memory of rows must go: another process may have changed them. */
  protected forgetKept(): void {}

  /** Tables whose rows are written after all others of a commit: what readers look at first. */
  protected readonly late: ReadonlySet<TableName> = new Set()

  /**
   * Finishes what an interrupted commit left, and answers where each partition stands. Only a store whose partitions all stand at
   * one position may be written (see mongodb-partitions).
   */
  async open(): Promise<ReadonlyMap<number, Position | undefined>> {
    this.forgetKept()
    const partitions = this.#partitionDocuments
    const redo = this.#redoDocuments
    const ids = this.#partitions.map((partition) => this.#id(partition))
    const known = await documents(partitions, ids)
    const fresh = ids.filter((id) => !known.has(id)).map((_id) => ({ _id, epoch: this.#epoch, at: null }))
    if (fresh.length > 0) {
      const nothing = fresh.map((each) => ({ ...each, writes: '[]', more: 0 }))
      await redo.insertMany(nothing, { ordered: false }).catch(ignoreDuplicates)
      await partitions.insertMany(fresh, { ordered: false }).catch(ignoreDuplicates)
    }
    // From here on nobody with a lower epoch can start a commit, or say that one is done.
    const older = { _id: { $in: ids }, epoch: { $lt: this.#epoch } }
    await redo.updateMany(older, { $set: { epoch: this.#epoch } })
    await partitions.updateMany(older, { $set: { epoch: this.#epoch } })
    const stands = await documents(partitions, ids)
    const written = await documents(redo, ids)
    const newer: number[] = []
    for (const partition of this.#partitions) {
      const id = this.#id(partition)
      const last = written.get(id)
      const stored = stands.get(id)?.at ?? null
      if ((last?.epoch ?? 0) > this.#epoch) newer.push(partition)
      else if (last !== undefined && last.at !== null && (stored === null || last.at > stored)) {
        await this.#redo(last)
        await partitions.updateOne({ _id: id, epoch: this.#epoch }, { $set: { at: last.at } })
        this.#stored.set(partition, last.at)
      } else this.#stored.set(partition, stored)
    }
    if (newer.length > 0) throw new PartitionLost(newer)
    await this.#loadParked()
    const [at] = this.#stored.values()
    this.#level = [...this.#stored.values()].every((each) => each === at)
    this.#at = this.#level ? (at ?? undefined) : undefined
    return new Map(this.#partitions.map((each) => [each, asPosition(this.#stored.get(each))]))
  }

  checkpoint(): Position | undefined {
    return asPosition(this.#at)
  }
  parked(): { newest: readonly ParkedEvent[]; count: number } {
    return { newest: this.#parked, count: this.#parkedCount }
  }
  async close(): Promise<void> {
    this.#closed = true
  }

  /** Whether this store writes the account's rows. */
  protected owns(account: AccountId): boolean {
    return this.#owned.has(partitionOf(account, this.#options.of))
  }

  protected table(name: TableName) {
    return this.database.collection(this.view, this.generation, name)
  }

  protected rows(table: TableName, ids: Iterable<string>): Promise<Map<string, Row>> {
    return this.database.rows(this.table(table), ids)
  }

  /**
   * Resolves once rows and checkpoint are stored. A server that cannot be reached is tried until it can, because what was written
   * down must be made before anything else; rejects when the store is closed, and with PartitionLost.
   */
  async commit(unit: Unit, checkpoint: Position, parked: readonly ParkedEvent[]): Promise<void> {
    if (!this.#level) throw new Error('A store whose partitions stand at different positions was written')
    const at = Number(checkpoint)
    const writes = await this.writes(unit)
    for (const each of parked) {
      const { position, type, error, at: parkedAt } = each
      const id = String(position).padStart(20, '0')
      const row = { position: Number(position), type, error, parkedAt }
      writes.push({ op: 'put', table: 'parked', id, account: '', fresh: true, row })
    }
    const first = this.#partitions[0] ?? 0
    const home = (account: AccountId) =>
      this.owns(account) && account !== '' ? partitionOf(account, this.#options.of) : first
    const touched = Map.groupBy(writes, (each) => home(each.account))
    const all = touched.size === 0 || ++this.#commits % MOVE_ALL_EVERY === 0
    if (touched.size > 0) {
      await this.#persist(() => this.#writeDown(touched, at))
      let again = parked.length > 0
      await this.#persist(async () => {
        const repeated = again
        again = true
        await this.#make(writes, at, repeated)
      })
    }
    // What was written down is a checkpoint too: an opening makes it again and stands there.
    if (all) await this.#persist(() => this.#move(this.#partitions, at))
    this.#at = at
    if (parked.length > 0) await this.#persist(() => this.#loadParked())
  }

  /** Stores the position for partitions, too, in which nothing happened for a while. */
  async settle(): Promise<void> {
    const at = this.#at
    if (this.#level && at !== undefined) await this.#persist(() => this.#move(this.#partitions, at))
  }

  async #make(writes: readonly RowWrite[], at: number, again: boolean): Promise<void> {
    const late = writes.filter((each) => this.late.has(each.table))
    const early = late.length === 0 ? writes : writes.filter((each) => !this.late.has(each.table))
    if (early.length > 0) await this.database.write(this.view, this.generation, early, at, again)
    if (late.length > 0) await this.database.write(this.view, this.generation, late, at, again)
  }

  async #writeDown(touched: ReadonlyMap<number, readonly RowWrite[]>, at: number): Promise<void> {
    const redo = this.#redoDocuments
    const replacements = []
    for (const [partition, writes] of touched) {
      const id = this.#id(partition)
      const [head = '[]', ...rest] = cut(writes)
      for (const [i, text] of rest.entries()) {
        const _id = `${id}/${this.#epoch}/${i}`
        await redo.replaceOne({ _id }, { epoch: this.#epoch, at, writes: text, more: 0 }, { upsert: true })
      }
      const replacement = { epoch: this.#epoch, at, writes: head, more: rest.length }
      replacements.push({ replaceOne: { filter: this.#own(id), replacement } })
    }
    const { matchedCount } = await redo.bulkWrite(replacements, { ordered: false })
    if (matchedCount < touched.size) throw new PartitionLost(await this.#lost())
  }

  async #redo({ _id, epoch, at, writes, more }: RedoDocument): Promise<void> {
    const all = JSON.parse(writes, revive) as RowWrite[]
    const redo = this.#redoDocuments
    // The epoch of the head was raised since: the rest was written under the one before.
    for (let i = 0; i < more; i++) {
      const pattern = new RegExp(`^${_id}/\\d+/${i}$`)
      const part = await redo.find({ _id: pattern, at }).sort({ epoch: -1 }).limit(1).next()
      if (part === null) throw new Error(`Part ${i} of what ${_id} wrote down at ${at} (epoch ${epoch}) is missing`)
      all.push(...(JSON.parse(part.writes, revive) as RowWrite[]))
    }
    await this.#make(all, Number(at), true)
  }

  async #move(partitions: readonly number[], at: number): Promise<void> {
    const behind = partitions.filter((partition) => this.#stored.get(partition) !== at).map((each) => this.#id(each))
    if (behind.length === 0) return
    const ours = this.database.guarded ? { epoch: this.#epoch } : {}
    const { matchedCount } = await this.#partitionDocuments.updateMany(
      { _id: { $in: behind }, ...ours },
      { $set: { at } },
    )
    if (matchedCount < behind.length) throw new PartitionLost(await this.#lost())
    for (const partition of partitions) this.#stored.set(partition, at)
  }

  async #lost(): Promise<readonly number[]> {
    const redo = this.#redoDocuments
    const lost: number[] = []
    for (const partition of this.#partitions)
      if ((await redo.findOne({ _id: this.#id(partition) }))?.epoch !== this.#epoch) lost.push(partition)
    return lost
  }

  /** Tries until it is done. */
  async #persist(step: () => Promise<void>): Promise<void> {
    const retryMs = this.#options.retryMs ?? 100
    for (let failures = 0; ; failures++) {
      if (this.#closed) throw new Error('The views were closed in the middle of a commit; the next start finishes it.')
      try {
        await step()
        return
      } catch (error) {
        if (error instanceof PartitionLost || this.#closed) throw error
        this.#options.onTrouble?.(error)
        await pause(Math.min(retryMs * 2 ** failures, retryMs * 32))
      }
    }
  }

  async #loadParked(): Promise<void> {
    const rows = this.table('parked')
    this.#parkedCount = await rows.countDocuments({ _id: { $gte: '' } })
    const newest = await rows.find({}).sort({ _id: -1 }).limit(KEPT_PARKED).toArray()
    this.#parked = newest.map((row) => {
      const { position, type, error, parkedAt } = row
      return { position: BigInt(Number(position)), type: String(type), error: String(error), at: Number(parkedAt) }
    })
  }

  get #partitionDocuments() {
    return this.database.control<PartitionDocument>(`${this.view}_${this.generation}_partitions`)
  }
  get #redoDocuments() {
    return this.database.control<RedoDocument>(`${this.view}_${this.generation}_redo`)
  }

  /** Only as long as the partition is ours. */
  #own(id: string): { _id: string; epoch?: number } {
    return this.database.guarded ? { _id: id, epoch: this.#epoch } : { _id: id }
  }

  #id(partition: number): string {
    return `${this.view}_${this.generation}/${String(partition).padStart(2, '0')}`
  }
}

async function documents<T extends { readonly _id: string }>(
  collection: Collection<T>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, T>> {
  const found = new Map<string, T>()
  const wanted = { _id: { $in: ids } } as unknown as Filter<T>
  for await (const each of collection.find<T>(wanted)) found.set(each._id, each)
  return found
}

const asPosition = (at: number | null | undefined): Position | undefined => (at == null ? undefined : BigInt(at))

function ignoreDuplicates(error: unknown): void {
  if ((error as { code?: number }).code !== 11000) throw error
}

/** Texts of at most about REDO_CHARS; one row is far below that. */
function cut(writes: readonly RowWrite[]): string[] {
  const texts: string[] = []
  let part: string[] = []
  let length = 0
  for (const each of writes) {
    const text = JSON.stringify(each, keep)
    if (length + text.length > REDO_CHARS && part.length > 0) {
      texts.push(`[${part.join()}]`)
      part = []
      length = 0
    }
    part.push(text)
    length += text.length + 1
  }
  texts.push(`[${part.join()}]`)
  return texts
}

/** Bytes have no place in JSON. */
function keep(this: unknown, key: string, value: unknown): unknown {
  const held = (this as Record<string, unknown>)[key]
  return held instanceof Uint8Array ? { $bytes: Buffer.from(held).toString('base64') } : value
}
function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$bytes' in value)) return value
  return Buffer.from(String(value.$bytes), 'base64')
}
