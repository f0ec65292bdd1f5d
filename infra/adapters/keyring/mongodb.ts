// Data keys in MongoDB, each wrapped by the master key: one keyring for all processes of a cell. Not in the database of the views,
// which may be dropped at any time.
import { randomBytes } from 'node:crypto'
import type { Collection, MongoClient } from 'mongodb'
import { KeysNotLoaded } from '../../../commands/ports/keyring.ts'
import { mongoClient } from '../mongodb-client.ts'
import { type WrappedKey as CopiedKey, otherKeyring } from './copy-keys.ts'
import { derivedKey, hashOfName, KeyringError, type OpenKeyring, unwrap, wrap } from './wrapping.ts'

export interface MongoKeyringOptions {
  /** Makes the system key when there is none: only the first start of a fresh log may. */
  readonly mayCreate: boolean
  /** Milliseconds that a key may be used without looking whether it was destroyed. 5,000 by default. */
  readonly freshMs?: number
}

interface WrappedKey {
  readonly _id: string
  /** Base64. */
  readonly wrapped: string
}

interface Known {
  /** Undefined: there was none when somebody looked. */
  readonly key: Uint8Array | undefined
  readonly until: number
}

const SYSTEM = 'system'
const CACHED_KEYS = 100_000
const IDS_A_QUESTION = 1_000
const COLLECTION = 'data_keys'

/** A key that the majority does not have could be lost, and all that was sealed under it. */
const clientOf = (url: string): MongoClient =>
  mongoClient(url, {
    readConcern: { level: 'majority' },
    readPreference: 'primary',
    waitMs: 5_000,
    commandMs: 10_000,
  })

export class MongoKeyring implements OpenKeyring {
  readonly #client: MongoClient
  readonly #keys: Collection<WrappedKey>
  readonly #master: Uint8Array
  readonly #freshMs: number
  readonly #known = new Map<string, Known>()
  #system: Uint8Array = new Uint8Array()

  private constructor(client: MongoClient, master: Uint8Array, freshMs: number) {
    this.#client = client
    this.#keys = client.db().collection<WrappedKey>(COLLECTION)
    this.#master = master
    this.#freshMs = freshMs
  }

  /** The keyring in the database that the connection string names. Throws KeyringError when it is not this log's, or cannot be reached. */
  static async open(url: string, master: Uint8Array, options: MongoKeyringOptions): Promise<MongoKeyring> {
    let client: MongoClient
    try {
      client = clientOf(url)
    } catch (cause) {
      throw new KeyringError('unavailable', `The keyring's connection string cannot be used: ${said(cause)}`, { cause })
    }
    const keyring = new MongoKeyring(client, master, options.freshMs ?? 5_000)
    try {
      if (options.mayCreate) await keyring.create(SYSTEM)
      await keyring.load([SYSTEM])
      const system = keyring.#known.get(SYSTEM)?.key
      if (!system)
        throw new KeyringError(
          'unavailable',
          'The keyring in MongoDB holds no system key: it is not the keyring of this log',
        )
      keyring.#system = system
      return keyring
    } catch (error) {
      await client.close()
      throw error
    }
  }

  async create(account: string): Promise<void> {
    const wrapped = Buffer.from(wrap(this.#master, account, randomBytes(32))).toString('base64')
    await this.#asked(() => this.#keys.updateOne({ _id: account }, { $setOnInsert: { wrapped } }, { upsert: true }))
    this.#known.delete(account)
    await this.load([account])
  }

  async load(accounts: Iterable<string>): Promise<void> {
    // What is loaded must stay so while a batch is opened: half of its time at least.
    const now = performance.now() + this.#freshMs / 2
    const wanted = [...new Set(accounts)].filter((account) => {
      const known = this.#known.get(account)
      // That there was no key says nothing of now: the account may have been opened since.
      return known?.key === undefined || known.until <= now
    })
    for (let at = 0; at < wanted.length; at += IDS_A_QUESTION) {
      const ids = wanted.slice(at, at + IDS_A_QUESTION)
      const filter = ids.length === 1 ? { _id: ids[0] as string } : { _id: { $in: ids } }
      const found = await this.#asked(() => this.#keys.find(filter).toArray())
      const keys = new Map(found.map(({ _id, wrapped }) => [_id, wrapped]))
      const until = performance.now() + this.#freshMs
      for (const id of ids) {
        const wrapped = keys.get(id)
        const before = this.#known.get(id)?.key
        if (wrapped === undefined) before?.fill(0)
        // Unwrapping again what is known would only cost.
        const key =
          wrapped === undefined ? undefined : (before ?? unwrap(this.#master, id, Buffer.from(wrapped, 'base64')))
        this.#known.delete(id)
        this.#known.set(id, { key, until })
      }
    }
    while (this.#known.size > CACHED_KEYS) this.#known.delete(this.#known.keys().next().value as string)
  }

  dataKey(account: string): Uint8Array | undefined {
    if (account === SYSTEM) return this.#system
    const known = this.#known.get(account)
    if (known === undefined || known.until <= performance.now()) throw new KeysNotLoaded([account])
    return known.key
  }

  async destroy(account: string): Promise<void> {
    if (account === SYSTEM) throw new KeyringError('unavailable', 'The system key cannot be destroyed')
    await this.#asked(() => this.#keys.deleteOne({ _id: account }))
    this.forget(account)
  }

  forget(account: string): void {
    if (account === SYSTEM) return
    this.#known.get(account)?.key?.fill(0)
    this.#known.delete(account)
  }

  nameHash(text: string): string {
    return hashOfName(this.#system, text)
  }

  derive(purpose: string): Uint8Array {
    return derivedKey(this.#system, purpose)
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async #asked<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (cause) {
      throw new KeyringError('unavailable', `The keyring in MongoDB does not answer: ${said(cause)}`, { cause })
    }
  }
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export async function* readMongoKeys(url: string): AsyncGenerator<CopiedKey> {
  const client = clientOf(url)
  try {
    const keys = client.db().collection<WrappedKey>(COLLECTION)
    for await (const { _id, wrapped } of keys.find().sort({ _id: 1 })) yield { owner: _id, wrapped }
  } finally {
    await client.close()
  }
}

/** Adds keys that are not there; how many. Rejects when the system key is another. */
export async function writeMongoKeys(url: string, copied: AsyncIterable<CopiedKey>): Promise<number> {
  const client = clientOf(url)
  try {
    const keys = client.db().collection<WrappedKey>(COLLECTION)
    let added = 0
    for await (const { owner, wrapped } of copied) {
      if (owner === SYSTEM) {
        const own = await keys.findOne({ _id: SYSTEM })
        if (own && own.wrapped !== wrapped) throw otherKeyring('in MongoDB')
      }
      const result = await keys.updateOne({ _id: owner }, { $setOnInsert: { wrapped } }, { upsert: true })
      added += result.upsertedCount
    }
    return added
  } finally {
    await client.close()
  }
}
