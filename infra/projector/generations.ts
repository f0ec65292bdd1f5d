// Which generation of each view serves in MongoDB, which one is being built beside it, and what their owners found when they compared.

import { MONGO_VIEWS } from '../adapters/views/mongodb.ts'
import type { MongoDatabase } from '../adapters/views/mongodb-database.ts'
import type { MongoViewName } from '../adapters/views/mongodb-indexes.ts'

export interface Generation {
  readonly _id: MongoViewName
  readonly serving: number
  /** Of the projector that fills the serving one. */
  readonly version: number
  /** Whether the serving one has met the end of the log once: questions wait for that. */
  readonly filled: boolean
  readonly building: number | null
  /** Kept for a way back, and written for a while, so that a reader who has not heard of the switch sees no old mail. */
  readonly previous: number | null
  /** Epoch milliseconds. */
  readonly switchedAt: number
}

/** What one process found of its partitions, both generations at one position. */
export interface Comparison {
  readonly _id: string
  readonly view: MongoViewName
  readonly generation: number
  readonly partitions: readonly number[]
  readonly digest: string
  readonly previousDigest: string
  readonly events: number
  readonly parked: number
}

export const VIEWS = Object.keys(MONGO_VIEWS) as MongoViewName[]

export class Generations {
  readonly #database: MongoDatabase
  readonly #now: () => number
  #known: ReadonlyMap<MongoViewName, Generation> = new Map()

  constructor(database: MongoDatabase, now: () => number) {
    this.#database = database
    this.#now = now
  }

  get #documents() {
    return this.#database.control<Generation>('generations')
  }
  get #comparisons() {
    return this.#database.control<Comparison>('comparisons')
  }

  /** As last read. */
  get(view: MongoViewName): Generation | undefined {
    return this.#known.get(view)
  }

  async read(): Promise<ReadonlyMap<MongoViewName, Generation>> {
    const known = new Map<MongoViewName, Generation>()
    for await (const each of this.#documents.find({})) known.set(each._id, each)
    this.#known = known
    return known
  }

  /** Makes the first generation of what has none, and a new one of what another version of the program filled. */
  async ensure(): Promise<void> {
    await this.read()
    for (const view of VIEWS) {
      const held = this.get(view)
      const { version } = MONGO_VIEWS[view]
      if (held !== undefined && held.version >= version) continue
      const serving = Math.max(held?.serving ?? 0, held?.building ?? 0) + 1
      await this.#database.prepare(view, serving)
      const next = { serving, version, filled: false, building: null, previous: null, switchedAt: this.#now() }
      if (held === undefined) {
        await this.#documents.insertOne({ _id: view, ...next }).catch((error: { code?: number }) => {
          if (error.code !== 11000) throw error
        })
      } else await this.#documents.updateOne({ _id: view, serving: held.serving }, { $set: next })
    }
    await this.read()
  }

  async setFilled(view: MongoViewName, serving: number): Promise<void> {
    await this.#documents.updateOne({ _id: view, serving }, { $set: { filled: true } })
    await this.read()
  }

  /** The number of the generation that is built from here on; undefined when one is being built already. */
  async build(view: MongoViewName): Promise<number | undefined> {
    const held = (await this.read()).get(view)
    if (held === undefined || held.building !== null) return undefined
    const building = Math.max(held.serving, held.previous ?? 0) + 1
    if (held.previous !== null) await this.#database.drop(view, held.previous)
    await this.#database.drop(view, building)
    await this.#database.prepare(view, building)
    const begun = await this.#documents.updateOne(
      { _id: view, building: null, serving: held.serving },
      { $set: { building, previous: null } },
    )
    return begun.matchedCount === 1 ? building : undefined
  }

  async flip(view: MongoViewName, generation: number): Promise<void> {
    const held = this.get(view)
    const version = MONGO_VIEWS[view].version
    const now = {
      serving: generation,
      previous: held?.serving ?? null,
      building: null,
      switchedAt: this.#now(),
      version,
    }
    await this.#documents.updateOne({ _id: view, building: generation }, { $set: { ...now, filled: true } })
    await this.read()
  }

  async giveUp(view: MongoViewName, generation: number): Promise<void> {
    await this.#documents.updateOne({ _id: view, building: generation }, { $set: { building: null } })
    await this.read()
    await this.#database.drop(view, generation)
  }

  async compared(comparison: Comparison): Promise<void> {
    const { _id, ...rest } = comparison
    await this.#comparisons.replaceOne({ _id }, rest, { upsert: true })
  }

  async comparisons(view: MongoViewName, generation: number): Promise<readonly Comparison[]> {
    return this.#comparisons.find({ view, generation }).toArray()
  }

  async forgetComparisons(view: MongoViewName): Promise<void> {
    await this.#comparisons.deleteMany({ view })
  }
}
