// Opens what the settings name: which engine is behind which port is known here, and nowhere else. Clients of servers are loaded only when used.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckpointStore } from '../commands/ports/checkpoint-store.ts'
import type { EventStore } from '../commands/ports/event-store.ts'
import type { WorkQueue } from '../commands/ports/work-queue.ts'
import { MemorySharedState, type SharedState } from '../gateways/limits/shared-state.ts'
import type { Cache } from '../projections/ports/cache.ts'
import type { FanOut } from '../projections/ports/fan-out.ts'
import type { BlobPlace } from './adapters/blobs/open-blobs.ts'
import { PackfileBlobStore } from './adapters/blobs/packfile.ts'
import { MemoryCache } from './adapters/cache/memory.ts'
import { CheckpointFiles } from './adapters/checkpoints/files.ts'
import { SqliteEventStore } from './adapters/event-store/sqlite.ts'
import type { KeyringPlace, LogPlace, SourceConfig } from './adapters/journal/open-source.ts'
import { FileKeyring, KeyringError, masterKeyFromFile } from './adapters/keyring/file.ts'
import type { OpenKeyring } from './adapters/keyring/wrapping.ts'
import { MemoryQueue } from './adapters/queue/memory.ts'
import { StorageThread } from './adapters/storage/storage-thread.ts'
import type { ListedBlobStore } from './compaction.ts'
import { type Config, dataPaths, isEmbedded } from './config.ts'
import { logLine } from './log-line.ts'

export interface Engines {
  readonly events: EventStore
  readonly blobStore: ListedBlobStore
  readonly keyring: OpenKeyring
  readonly cache: Cache
  /** Wrong passwords, rates and ended sessions, of all processes where Redis is. */
  readonly sharedState: SharedState
  readonly checkpoints: CheckpointStore
  /** Where threads find the log and its keys. */
  readonly source: SourceConfig
  /** Where threads find the blobs. */
  readonly blobPlace: BlobPlace
  readonly masterKey: Uint8Array
  /** The thread that writes the log or the pack files of this machine. */
  readonly storage: StorageThread | undefined
  /** How processes tell each other of changes; undefined while this is the only one. */
  readonly fanOut: FanOut | undefined
  newQueue(): Promise<WorkQueue>
}

type Opened = { close(): unknown }[]

export const keyringPlaceOf = ({ engines, data }: Config): KeyringPlace =>
  isEmbedded('keyring', engines.keyring) ? dataPaths(data).keyring : { mongodb: engines.keyring }

/** The log and the blobs alone. What is opened is put into `opened`, to be closed in the opposite order, also after an error. */
export async function openStores(
  config: Config,
  opened: Opened,
): Promise<Pick<Engines, 'events' | 'blobStore' | 'storage'>> {
  const paths = dataPaths(config.data)
  const { eventStore, blobs } = config.engines
  const local = {
    ...(isEmbedded('eventStore', eventStore) ? { log: paths.log } : {}),
    ...(isEmbedded('blobs', blobs) ? { blobs: paths.blobs } : {}),
  }
  const storage = Object.keys(local).length > 0 ? kept(opened, await StorageThread.start(local)) : undefined
  const events = kept(opened, await openLog(eventStore, paths.log, storage))
  const blobStore = kept(opened, await openBlobs(blobs, paths.blobs, storage))
  return { events, blobStore, storage }
}

/** Opens the engines. */
export async function openEngines(config: Config, opened: Opened): Promise<Engines> {
  const paths = dataPaths(config.data)
  const { eventStore } = config.engines
  const localLog = isEmbedded('eventStore', eventStore)
  const keyringPlace = keyringPlaceOf(config)
  const localKeys = typeof keyringPlace === 'string'
  const hasKeys = localKeys && existsSync(keyringPlace)
  // A log without its keys is worth nothing: better to stop than to make new ones beside it.
  const missing = (log: string) =>
    new KeyringError(
      'unavailable',
      `${log} and the keyring ${keyringPlace} is missing: put it back, nothing in the log can be read without it`,
    )
  const fresh = localLog ? !existsSync(paths.log) : !hasKeys
  if (localLog && localKeys && !fresh && !hasKeys) throw missing(`The log ${paths.log} is here`)
  const masterKey = config.masterKey
    ? Buffer.from(config.masterKey, 'base64')
    : masterKeyFromFile(paths.masterKey, fresh)
  const { events, blobStore, storage } = await openStores(config, opened)
  const isNew = !(await hasAccounts(events))
  if (localKeys && !isNew && !hasKeys) throw missing('The log holds accounts')
  const keyring = kept(opened, await openWritableKeyring(keyringPlace, masterKey, isNew))
  const log: LogPlace = localLog ? paths.log : { eventStoreDb: eventStore }
  return {
    events,
    blobStore,
    storage,
    keyring,
    cache: kept(opened, await openCache(config.engines.cache)),
    sharedState: await openSharedState(config.engines.cache, opened),
    checkpoints: await openCheckpoints(config, opened),
    source: { log, keyring: keyringPlace, masterKey },
    blobPlace: isEmbedded('blobs', config.engines.blobs) ? paths.blobs : config.engines.blobs,
    masterKey,
    fanOut: await openFanOut(config.engines.queue, opened),
    newQueue: () => openQueue(config.engines.queue),
  }
}

function kept<T extends { close(): unknown }>(opened: Opened, part: T): T {
  opened.push(part)
  return part
}

/** Whether somebody was here before. The server may hold streams of others too. */
export async function hasAccounts(events: EventStore): Promise<boolean> {
  const abort = new AbortController()
  try {
    for await (const batch of events.subscribe({ prefixes: ['account-'], batchSize: 1, signal: abort.signal })) {
      if (batch.events.length > 0) return true
      if (batch.caughtUp) return false
    }
    return false
  } finally {
    abort.abort()
  }
}

async function openLog(address: string, path: string, storage: StorageThread | undefined): Promise<EventStore> {
  if (isEmbedded('eventStore', address)) return new SqliteEventStore(storage as StorageThread, path)
  const { openEventStoreDb } = await import('./adapters/event-store/eventstoredb.ts')
  return openEventStoreDb(address, { onTrouble: (error) => logLine('event store', { error: error.message }) })
}

/** What a crash left half uploaded. */
const LEFTOVER_DAYS = 1

async function openBlobs(address: string, path: string, storage: StorageThread | undefined): Promise<ListedBlobStore> {
  if (isEmbedded('blobs', address)) return new PackfileBlobStore(storage as StorageThread, path)
  const { S3BlobStore } = await import('./adapters/blobs/s3.ts')
  const store = await S3BlobStore.open(address)
  void store.removeLeftoversAfter(LEFTOVER_DAYS).then((removed) => {
    if (!removed)
      logLine('blobs', { error: 'The bucket takes no lifecycle rule: see docs/how-to/point-it-at-real-engines.md, S3' })
  })
  return store
}

async function openCache(address: string): Promise<Cache> {
  if (isEmbedded('cache', address)) return new MemoryCache()
  const { RedisCache } = await import('./adapters/cache/redis.ts')
  return RedisCache.open(address, { onTrouble: (error) => logLine('cache', { error: String(error) }) })
}

async function openSharedState(address: string, opened: Opened): Promise<SharedState> {
  if (isEmbedded('cache', address)) return new MemorySharedState()
  const { RedisSharedState } = await import('./adapters/shared-state/redis.ts')
  return kept(opened, await RedisSharedState.open(address))
}

/** Beside the views: both are made again from the log when they are lost. */
async function openCheckpoints({ data, engines }: Config, opened: Opened): Promise<CheckpointStore> {
  if (isEmbedded('views', engines.views)) return new CheckpointFiles(join(data, 'checkpoints'))
  const { MongoCheckpoints } = await import('./adapters/checkpoints/mongodb.ts')
  return kept(opened, new MongoCheckpoints(engines.views))
}

async function openFanOut(address: string, opened: Opened): Promise<FanOut | undefined> {
  if (isEmbedded('queue', address)) return undefined
  const { NatsFanOut } = await import('./adapters/fan-out/nats.ts')
  return kept(opened, await NatsFanOut.open(address))
}

async function openQueue(address: string): Promise<WorkQueue> {
  if (isEmbedded('queue', address)) return new MemoryQueue()
  const { NatsQueue } = await import('./adapters/queue/nats.ts')
  return NatsQueue.open(address, {
    onPoison: (poison) => logLine('work given up', poison),
    onTrouble: (error) => logLine('queue', { error: String(error) }),
  })
}

async function openWritableKeyring(
  place: KeyringPlace,
  masterKey: Uint8Array,
  mayCreate: boolean,
): Promise<OpenKeyring> {
  if (typeof place === 'string') return new FileKeyring(place, masterKey, { writable: true })
  const { MongoKeyring } = await import('./adapters/keyring/mongodb.ts')
  return MongoKeyring.open(place.mongodb, masterKey, { mayCreate })
}
