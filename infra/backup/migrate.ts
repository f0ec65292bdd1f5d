// everpost migrate-engine: everything of one set of engines into another while mail goes on, then over to it.
import { createHash, type Hash, hash } from 'node:crypto'
import { resolve } from 'node:path'
import { type EventStore, EventStoreError } from '../../commands/ports/event-store.ts'
import { leafOf } from '../../domain/audit/leaf.ts'
import type { Position } from '../../domain/log.ts'
import { CliRefusal } from '../../gateways/cli/services.ts'
import { readKeys, writeKeys } from '../adapters/keyring/copy-keys.ts'
import { type Config, loadConfig } from '../config.ts'
import { keyringPlaceOf, openStores } from '../engines.ts'
import { type Everpost, openEverpost } from '../open-everpost.ts'
import type { CopyProgress } from './backup.ts'
import { appendInOrder, eventsBehind } from './copy-log.ts'
import { sayMoved } from './moved.ts'

export interface MigrateOptions {
  /** Copies and builds only; mail stays where it is. */
  readonly prepare: boolean
  readonly signal: AbortSignal
  readonly onProgress: (progress: CopyProgress | { readonly what: 'views'; readonly done: number }) => void
}

export interface Migrated {
  readonly events: number
  readonly blobs: number
  readonly keys: number
  /** Settings that are in force now; undefined after `prepare`. */
  readonly config: Config | undefined
  /** How long nothing could be written. */
  readonly heldMs: number
}

/** A log that keeps growing while it is held is being written past the journal. */
const TAIL_TRIES = 20
const BLOBS_AT_ONCE = 16

/** The settings of the target: a file with a data folder and engines of its own. Environment variables are those of the old ones. */
export function targetConfig(file: string, source: Config): Config {
  const target = loadConfig({ file }, {}, resolve(file, '..'))
  if (target.data === source.data)
    throw new CliRefusal(
      `${file} names the data folder that is in use: give the new engines one of their own (data: …)`,
    )
  const sameKey = target.masterKey ?? source.masterKey
  return { ...target, roles: source.roles, ...(sameKey === undefined ? {} : { masterKey: sameKey }) }
}

export async function migrate(from: Everpost, target: Config, options: MigrateOptions): Promise<Migrated> {
  const source = from.config
  const copied = { events: 0, blobs: 0, keys: 0 }
  const keys = async () => {
    const [old, next] = [keyringPlaceOf(source), keyringPlaceOf(target)]
    if (JSON.stringify(old) !== JSON.stringify(next)) copied.keys += await writeKeys(next, readKeys(old))
  }
  const sameBlobs = !source.engines.blobs.startsWith('file:') && source.engines.blobs === target.engines.blobs
  const log = new LogCopy(options)

  // The bulk, while mail goes on. The keys first, then the log, then what the log names.
  await keys()
  const opened: { close(): unknown }[] = []
  try {
    const stores = await openStores(target, opened)
    copied.events += await log.follow(from.stores.events, stores.events)
    if (!sameBlobs) copied.blobs += await copyBlobs(from.stores, stores, options)
  } finally {
    for (const part of opened.toReversed()) await part.close()
  }
  // The views of the new engines, from the new log.
  options.onProgress({ what: 'views', done: 0 })
  const next = await openEverpost(target)
  let release: ((refusal?: Error) => void) | undefined
  try {
    await next.projectors.ready()
    const settleSearch = async () => {
      const head = await next.stores.events.head()
      if (head !== undefined) await next.search.waitForPosition(head, { timeoutMs: 3_600_000 })
    }
    await settleSearch()
    options.onProgress({ what: 'views', done: 1 })
    const tail = async () => {
      await keys()
      const events = await log.follow(from.stores.events, next.stores.events)
      copied.events += events
      if (!sameBlobs) copied.blobs += await copyBlobs(from.stores, next.stores, options)
      return events
    }
    await tail()
    if (options.prepare) return { ...copied, config: undefined, heldMs: 0 }
    const began = performance.now()
    release = await from.journal.hold()
    for (let tries = 0; (await tail()) > 0; tries++)
      if (tries === TAIL_TRIES)
        throw new CliRefusal('The log keeps growing: wait until the import that is running has ended.')
    await log.compare(next.stores.events, options.signal)
    await next.services.settle()
    await settleSearch()
    // From here on the old engines are history.
    sayMoved(source.data, target.data)
    // What waits is tried again, there.
    release(new EventStoreError('closed', 'The log has moved on: try again'))
    release = undefined
    return { ...copied, config: target, heldMs: performance.now() - began }
  } finally {
    release?.()
    await next.close()
  }
}

/** Copies behind where it stands, and can tell afterwards whether the copy is the same, event by event. */
class LogCopy {
  readonly #options: MigrateOptions
  readonly #leaves: Hash = createHash('sha256')
  #after: Position | undefined
  #count = 0

  constructor(options: MigrateOptions) {
    this.#options = options
  }

  async follow(from: EventStore, to: EventStore): Promise<number> {
    const before = this.#count
    for await (const batch of eventsBehind(from, this.#after, this.#options.signal)) {
      await appendInOrder(to, batch)
      for (const event of batch) this.#leaves.update(leafOf(sha256, event))
      this.#count += batch.length
      this.#after = batch.at(-1)?.position ?? this.#after
      this.#options.onProgress({ what: 'events', done: this.#count })
    }
    return this.#count - before
  }

  /** Reads the copy from its start. */
  async compare(to: EventStore, signal: AbortSignal): Promise<void> {
    const leaves = createHash('sha256')
    let count = 0
    for await (const batch of eventsBehind(to, undefined, signal)) {
      for (const event of batch) leaves.update(leafOf(sha256, event))
      count += batch.length
    }
    if (count !== this.#count || leaves.digest('hex') !== this.#leaves.copy().digest('hex'))
      throw new CliRefusal(
        `The copy is not the log: ${count} events there, ${this.#count} here. Nothing was changed; begin again with empty engines.`,
      )
  }
}

async function copyBlobs(
  from: Everpost['stores'],
  to: Everpost['stores'],
  { signal, onProgress }: MigrateOptions,
): Promise<number> {
  let copied = 0
  const copy = async (id: string): Promise<void> => {
    if ((await to.blobStore.size(id)) !== undefined) return
    const size = await from.blobStore.size(id)
    if (size === undefined) return
    await to.blobStore.put(id, await from.blobStore.read(id, 0, size))
    onProgress({ what: 'blobs', done: ++copied })
  }
  // Several at a time: they share the rounds of the disk, or the way to the server.
  let some: string[] = []
  for await (const { id } of from.blobStore.entries()) {
    signal.throwIfAborted()
    some.push(id)
    if (some.length < BLOBS_AT_ONCE) continue
    await Promise.all(some.map(copy))
    some = []
  }
  await Promise.all(some.map(copy))
  return copied
}

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')
