// Opens what the settings name: which engine is behind which port is known here, and nowhere else. Clients of servers are loaded only when used.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckpointStore } from '../commands/ports/checkpoint-store.ts'
import type { EventStore } from '../commands/ports/event-store.ts'
import type { WorkQueue } from '../commands/ports/work-queue.ts'
import type { Cache } from '../projections/ports/cache.ts'
import type { FanOut } from '../projections/ports/fan-out.ts'
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
import { type Config, dataPaths, type EngineName, isEmbedded } from './config.ts'
import { logLine } from './log-line.ts'

export interface Engines {
  readonly events: EventStore
  readonly blobStore: ListedBlobStore
  readonly keyring: OpenKeyring
  readonly cache: Cache
  readonly checkpoints: CheckpointStore
  /** Where threads find the log and its keys. */
  readonly source: SourceConfig
  readonly masterKey: Uint8Array
  /** The thread that writes the log or the pack files of this machine. */
  readonly storage: StorageThread | undefined
  /** How processes tell each other of changes; undefined while this is the only one. */
  readonly fanOut: FanOut | undefined
  newQueue(): Promise<WorkQueue>
}

/** Opens the engines; what is opened is put into `opened`, to be closed in the opposite order, also after an error. */
export async function openEngines(config: Config, opened: { close(): unknown }[]): Promise<Engines> {
  const paths = dataPaths(config.data)
  const { engines } = config
  const embedded = (name: EngineName) => isEmbedded(name, engines[name])
  const keep = <T extends { close(): unknown }>(part: T): T => {
    opened.push(part)
    return part
  }
  const localLog = embedded('eventStore')
  const localBlobs = embedded('blobs')
  // A log that has events without its keys is worth nothing: better to stop than to make new ones beside it.
  const fresh = localLog ? !existsSync(paths.log) : !existsSync(paths.keyring)
  if (localLog && embedded('keyring') && !fresh && !existsSync(paths.keyring))
    throw new KeyringError(
      'unavailable',
      `The keyring ${paths.keyring} is missing: put it back, nothing in the log can be read without it`,
    )
  const masterKey = config.masterKey
    ? Buffer.from(config.masterKey, 'base64')
    : masterKeyFromFile(paths.masterKey, fresh)
  const keyringPlace: KeyringPlace = embedded('keyring') ? paths.keyring : { mongodb: engines.keyring }
  const logPlace: LogPlace = localLog ? paths.log : { eventStoreDb: engines.eventStore }
  const storage =
    localLog || localBlobs
      ? keep(
          await StorageThread.start({
            ...(localLog ? { log: paths.log } : {}),
            ...(localBlobs ? { blobs: paths.blobs } : {}),
          }),
        )
      : undefined
  const events = keep(await openLog(engines.eventStore, paths.log, storage))
  const isNew = !(await hasAccounts(events))
  if (!isNew && typeof keyringPlace === 'string' && !existsSync(keyringPlace))
    throw new KeyringError(
      'unavailable',
      `The log holds accounts and the keyring ${keyringPlace} is missing: put it back, nothing in the log can be read without it`,
    )
  const keyring = keep(await openWritableKeyring(keyringPlace, masterKey, isNew))
  const blobStore = keep(new PackfileBlobStore(storage as StorageThread, paths.blobs))
  return {
    events,
    blobStore,
    keyring,
    cache: keep(new MemoryCache()),
    checkpoints: new CheckpointFiles(join(config.data, 'checkpoints')),
    source: { log: logPlace, keyring: keyringPlace, masterKey },
    masterKey,
    storage,
    fanOut: undefined,
    newQueue: async () => new MemoryQueue(),
  }
}

/** Whether somebody was here before. The server may hold streams of others too. */
async function hasAccounts(events: EventStore): Promise<boolean> {
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

async function openWritableKeyring(
  place: KeyringPlace,
  masterKey: Uint8Array,
  mayCreate: boolean,
): Promise<OpenKeyring> {
  if (typeof place === 'string') return new FileKeyring(place, masterKey, { writable: true })
  const { MongoKeyring } = await import('./adapters/keyring/mongodb.ts')
  return MongoKeyring.open(place.mongodb, masterKey, { mayCreate })
}
