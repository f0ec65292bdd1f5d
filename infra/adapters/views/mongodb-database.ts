// The connection to MongoDB, and how the views' collections are named, indexed, read by id and written in bulk.
import type { AnyBulkWriteOperation, Collection, Db, Document, MongoClient } from 'mongodb'
import type { AccountId } from '../../../domain/log.ts'
import { shownAddress } from '../shown-address.ts'
import { INDEXES, type MongoViewName, type TableName, tablesOf } from './mongodb-indexes.ts'

/** A row as it is stored. `a` is the account, which shard keys begin with; `at` the position of the commit that wrote it. */
export interface Row extends Document {
  readonly _id: string
  readonly a: AccountId
  readonly at: number
}

/** One change of one row. Rows are written whole. */
export type RowWrite =
  | {
      readonly op: 'put'
      readonly table: TableName
      readonly id: string
      readonly account: AccountId
      readonly row: Document
      /** Nothing is stored under the id. */
      readonly fresh: boolean
    }
  | { readonly op: 'drop'; readonly table: TableName; readonly id: string; readonly account: AccountId }
  /** All rows of the account in the table, before anything else of the same commit. */
  | { readonly op: 'wipe'; readonly table: TableName; readonly account: AccountId }

export interface MongoOptions {
  /**
   * Guard every write by the position that is stored, so that a process which lost its partition and does not know it yet cannot
   * put an older row over a newer one. 'auto' leaves that out where the server looks at every document for it (FerretDB).
   */
  readonly guards?: 'always' | 'auto'
  /** The client tells of every command: for tests. */
  readonly monitored?: boolean
  /** Longest that one command may take, milliseconds. */
  readonly timeoutMs?: number
}

/** `redo` and `partitions` are of one generation: its name goes before theirs. */
type ControlName = 'generations' | 'comparisons' | 'leases' | 'checkpoints' | `${string}_partitions` | `${string}_redo`

const IN_CHUNK = 1000
const WRITE_CHUNK = 1000
/** Reads by id at a time, on a server that finds only one id by its index. */
const PARALLEL = 8

export class ViewsUnavailable extends Error {
  readonly code = 'unavailable'
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ViewsUnavailable'
  }
}

/** Names of the driver's errors, and codes of a server's, that mean: not just now (the server is away, or changes hands). */
const AWAY = /^Mongo(Network|ServerSelection|PoolCleared|WaitQueueTimeout|NotConnected|TopologyClosed)/
const CHANGING_HANDS: ReadonlySet<unknown> = new Set([91, 189, 10107, 11600, 11602, 13435, 13436])

/** The error as the views tell it: 'unavailable' when the server is. */
export function toViewsError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code } = error as { readonly code?: unknown }
  const broken = typeof code === 'string' && /^E(CONN|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH)/.test(code)
  if (!broken && !AWAY.test(error.name) && !CHANGING_HANDS.has(code)) return error
  return new ViewsUnavailable(`MongoDB cannot be reached: ${error.message}`, { cause: error })
}

/** One database, which may hold several generations of each view. */
export class MongoDatabase {
  readonly client: MongoClient
  readonly db: Db
  /** Whether the server finds rows by anything but one `_id` through an index. */
  readonly indexed: boolean
  /** Whether writes ask for the position and the epoch that are stored. */
  readonly guarded: boolean
  /** What the server calls itself. */
  readonly server: string

  constructor(
    client: MongoClient,
    db: Db,
    server: { readonly name: string; readonly ferret: boolean },
    guarded: boolean,
  ) {
    this.client = client
    this.db = db
    this.server = server.name
    this.indexed = !server.ferret
    this.guarded = guarded || !server.ferret
  }

  /** Where a generation keeps a table. */
  collection(view: MongoViewName, generation: number, table: TableName): Collection<Row> {
    return this.db.collection<Row>(`${view}_${generation}_${table}`)
  }

  control<T extends Document>(name: ControlName): Collection<T> {
    return this.db.collection<T>(name)
  }

  /** Collections and indexes of a generation; repeating it changes nothing. */
  async prepare(view: MongoViewName, generation: number): Promise<void> {
    for (const table of tablesOf(view)) {
      const collection = this.collection(view, generation, table)
      const indexes = INDEXES.filter((index) => index.view === view && index.table === table)
      if (indexes.length > 0)
        await collection.createIndexes(indexes.map(({ name, key }) => ({ name, key: new Map(Object.entries(key)) })))
    }
  }

  async drop(view: MongoViewName, generation: number): Promise<void> {
    for (const table of tablesOf(view)) await this.collection(view, generation, table).drop()
    for (const name of ['redo', 'partitions'] as const) await this.control(`${view}_${generation}_${name}`).drop()
  }

  /** The rows with these ids, in one question for every thousand. */
  async rows(collection: Collection<Row>, ids: Iterable<string>, projection?: Document): Promise<Map<string, Row>> {
    const found = new Map<string, Row>()
    const all = [...new Set(ids)]
    const options = projection === undefined ? {} : { projection }
    if (this.indexed) {
      for (let from = 0; from < all.length; from += IN_CHUNK) {
        const chunk = all.slice(from, from + IN_CHUNK)
        for await (const row of collection.find({ _id: { $in: chunk } }, options)) found.set(row._id, row as Row)
      }
      return found
    }
    const next = all.values()
    const ask = async () => {
      for (const id of next) {
        const row = await collection.findOne({ _id: id }, options)
        if (row !== null) found.set(id, row as Row)
      }
    }
    await Promise.all(Array.from({ length: Math.min(PARALLEL, all.length) }, ask))
    return found
  }

  /**
   * Writes rows that reflect the log up to `at`. `again` after a crash, when some of them may be there: then each is looked at first.
   */
  async write(
    view: MongoViewName,
    generation: number,
    writes: readonly RowWrite[],
    at: number,
    again: boolean,
  ): Promise<void> {
    const tables = Map.groupBy(writes, (each) => each.table)
    for (const [table, own] of tables) {
      const wiped = own.filter((each) => each.op === 'wipe').map((each) => each.account)
      if (wiped.length > 0)
        await this.collection(view, generation, table).deleteMany({ a: { $in: wiped }, at: { $lt: at } })
    }
    await Promise.all(
      [...tables].map(([table, own]) => this.#writeTable(this.collection(view, generation, table), own, at, again)),
    )
  }

  async #writeTable(
    collection: Collection<Row>,
    writes: readonly RowWrite[],
    at: number,
    again: boolean,
  ): Promise<void> {
    const there = again
      ? await this.rows(
          collection,
          writes.flatMap((each) => (each.op === 'put' ? [each.id] : [])),
          { at: 1 },
        )
      : undefined
    const fresh: Row[] = []
    const changes: AnyBulkWriteOperation<Row>[] = []
    const guard = (id: string, a: AccountId) => (this.guarded ? { _id: id, a, at: { $lt: at } } : { _id: id })
    for (const each of writes) {
      if (each.op === 'wipe') continue
      if (each.op === 'drop') {
        changes.push({ deleteOne: { filter: guard(each.id, each.account) } })
        continue
      }
      const row = { a: each.account, at, ...each.row }
      const stored = there?.get(each.id)
      if (there === undefined ? each.fresh : stored === undefined) fresh.push({ _id: each.id, ...row })
      else if (stored === undefined || stored.at < at)
        changes.push({ replaceOne: { filter: guard(each.id, each.account), replacement: row } })
    }
    for (let from = 0; from < fresh.length; from += WRITE_CHUNK)
      await collection.insertMany(fresh.slice(from, from + WRITE_CHUNK), { ordered: false })
    for (let from = 0; from < changes.length; from += WRITE_CHUNK)
      await collection.bulkWrite(changes.slice(from, from + WRITE_CHUNK), { ordered: false })
  }

  async close(): Promise<void> {
    await this.client.close()
  }
}

/** What questions to one generation of a view are asked of. */
export abstract class MongoReader {
  readonly #database: MongoDatabase
  readonly #view: MongoViewName
  readonly #generation: number

  constructor(database: MongoDatabase, view: MongoViewName, generation: number) {
    this.#database = database
    this.#view = view
    this.#generation = generation
  }

  protected table(name: TableName): Collection<Row> {
    return this.#database.collection(this.#view, this.#generation, name)
  }

  protected rows(table: TableName, ids: Iterable<string>): Promise<Map<string, Row>> {
    return this.#database.rows(this.table(table), ids)
  }
}

/** Connects, and refuses with a sentence when it cannot. */
export async function openMongo(url: string, options: MongoOptions = {}): Promise<MongoDatabase> {
  const { mongoClient } = await import('../mongodb-client.ts')
  const timeoutMs = options.timeoutMs ?? 10_000
  const client = mongoClient(url, {
    ignoreUndefined: true,
    promoteBuffers: true,
    maxPoolSize: 20,
    waitMs: timeoutMs,
    commandMs: timeoutMs,
    readConcern: { level: 'local' },
    monitorCommands: options.monitored ?? false,
  })
  try {
    await client.connect()
    const db = client.db()
    const info = (await db.admin().command({ buildInfo: 1 })) as { version: string; ferretdbVersion?: string }
    const ferret = info.ferretdbVersion !== undefined
    const name = ferret ? `FerretDB ${info.ferretdbVersion}` : `MongoDB ${info.version}`
    if (Number.parseInt(info.version, 10) < 6) throw new Error(`it is ${name}, and 6.0 or newer is needed`)
    return new MongoDatabase(client, db, { name, ferret }, options.guards === 'always')
  } catch (error) {
    await client.close().catch(() => undefined)
    const place = shownAddress(url)
    throw new ViewsUnavailable(`MongoDB at ${place} cannot be used for the views: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
