// Checkpoints of the followers with side effects in MongoDB, so that another process goes on where one ended.
import type { Collection, MongoClient } from 'mongodb'
import type { CheckpointStore } from '../../../commands/ports/checkpoint-store.ts'
import type { Position } from '../../../domain/log.ts'
import { mongoClient } from '../mongodb-client.ts'

interface Saved {
  readonly _id: string
  /** Decimal: a position may be larger than a double tells apart. */
  readonly position: string
}

export class MongoCheckpoints implements CheckpointStore {
  readonly #client: MongoClient
  readonly #checkpoints: Collection<Saved>
  readonly #saved = new Map<string, Position>()

  constructor(url: string) {
    this.#client = mongoClient(url, { maxPoolSize: 2, waitMs: 5_000, commandMs: 10_000 })
    this.#checkpoints = this.#client.db().collection<Saved>('follower_checkpoints')
  }

  async load(name: string): Promise<Position | undefined> {
    const saved = await this.#checkpoints.findOne({ _id: name })
    return saved ? BigInt(saved.position) : undefined
  }

  async save(name: string, position: Position): Promise<void> {
    if (this.#saved.get(name) === position) return
    await this.#checkpoints.updateOne({ _id: name }, { $set: { position: `${position}` } }, { upsert: true })
    this.#saved.set(name, position)
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}
