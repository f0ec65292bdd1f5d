// Opens the log for reading in a thread that does not write: a projector's, a search worker's.
import type { EventStore, ReadStreamOptions } from '../../../commands/ports/event-store.ts'
import type { Position, Revision } from '../../../domain/log.ts'
import type { SealedLog } from '../../../projections/audit/sealed-log.ts'
import type { EventSource, SourceEvent } from '../../../projections/ports/event-source.ts'
import type { EventStoreDbOptions } from '../event-store/eventstoredb.ts'
import { SqliteLogReader } from '../event-store/sqlite-reader.ts'
import { FileKeyring } from '../keyring/file.ts'
import type { OpenKeyring } from '../keyring/wrapping.ts'
import { openEvent } from './seal.ts'
import { type EventReader, SealedSource } from './sealed-journal.ts'

/** Where the log is: the file of SQLite's, or EventStoreDB's connection string. */
export type LogPlace =
  | string
  | { readonly eventStoreDb: string; readonly options?: Omit<EventStoreDbOptions, 'onTrouble'> }
/** Where the keyring is: its file, or the connection string of its MongoDB. */
export type KeyringPlace = string | { readonly mongodb: string }

/** Plain data, so that it can be handed to a worker thread. */
export interface SourceConfig {
  readonly log: LogPlace
  readonly keyring: KeyringPlace
  readonly masterKey: Uint8Array
}

/** A log and a keyring in files of this machine. */
export type LocalSourceConfig = SourceConfig & { readonly log: string; readonly keyring: string }

export type OpenedSource = EventSource &
  SealedLog & {
    readPages(stream: string, options?: ReadStreamOptions): AsyncIterable<readonly SourceEvent[]>
    /** What only a log in a file of this machine can do: answer without waiting. */
    readonly local?: {
      lastRevision(stream: string): Revision | undefined
      /** The event at a position, all of it but the text. Throws when it cannot be opened. */
      openAt(position: Position): SourceEvent | undefined
    }
    /** Says that the log grew; live subscriptions look again. */
    poke(): void
    /** Drops an erased account's key from this thread's memory. */
    forget(account: string): void
    close(): Promise<void>
  }

/** A keyring to read with. Clients of servers are loaded only where one is named: every thread would pay for them. */
export async function openKeyring(place: KeyringPlace, masterKey: Uint8Array): Promise<OpenKeyring> {
  if (typeof place === 'string') return new FileKeyring(place, masterKey, { writable: false })
  const { MongoKeyring } = await import('../keyring/mongodb.ts')
  return MongoKeyring.open(place.mongodb, masterKey, { mayCreate: false })
}

export async function openEventSource(config: SourceConfig): Promise<OpenedSource> {
  const keyring = await openKeyring(config.keyring, config.masterKey)
  try {
    return typeof config.log === 'string'
      ? sqliteSource(config.log, keyring)
      : await eventStoreDbSource(config.log, keyring)
  } catch (error) {
    await keyring.close()
    throw error
  }
}

function sqliteSource(path: string, keyring: OpenKeyring): OpenedSource {
  const reader = new SqliteLogReader(path)
  const source = new SealedSource(
    {
      readStream: (stream, options) => reader.readStream(stream, options),
      readPages: (stream, options) => reader.readPages(stream, options),
      subscribe: (options) => reader.subscribe(options),
      readPositions: async (positions) => reader.readPositions(positions),
      head: async () => reader.head(),
    },
    keyring,
  )
  const local = {
    lastRevision: (stream: string) => reader.lastRevision(stream),
    openAt: (position: Position) => {
      const [event] = reader.readPositions([position])
      return event && openEvent(event, keyring, false)
    },
  }
  return Object.assign(source, {
    // Without waiting only while the keys are here too.
    ...(keyring.load === undefined ? { local } : {}),
    poke: () => reader.poke(),
    forget: (account: string) => keyring.forget(account),
    close: async () => {
      reader.close()
      await keyring.close()
    },
  })
}

async function eventStoreDbSource(
  { eventStoreDb, options = {} }: Exclude<LogPlace, string>,
  keyring: OpenKeyring,
): Promise<OpenedSource> {
  const { openEventStoreDb } = await import('../event-store/eventstoredb.ts')
  const store: EventStore & EventReader = await openEventStoreDb(eventStoreDb, { ...options, readOnly: true })
  return Object.assign(new SealedSource(store, keyring), {
    // The server tells its subscribers itself.
    poke: () => undefined,
    forget: (account: string) => keyring.forget(account),
    close: async () => {
      await store.close()
      await keyring.close()
    },
  })
}
