// Opens the log for reading in a thread that does not write: a projector's, a search worker's.
import type { ReadStreamOptions } from '../../../commands/ports/event-store.ts'
import type { Position, Revision } from '../../../domain/log.ts'
import type { SealedLog } from '../../../projections/audit/sealed-log.ts'
import type { EventSource, SourceEvent } from '../../../projections/ports/event-source.ts'
import { SqliteLogReader } from '../event-store/sqlite-reader.ts'
import { FileKeyring } from '../keyring/file.ts'
import { openEvent } from './seal.ts'
import { SealedSource } from './sealed-journal.ts'

/** Plain data, so that it can be handed to a worker thread. */
export interface SourceConfig {
  /** File of the SQLite log. */
  readonly log: string
  /** File of the keyring. */
  readonly keyring: string
  readonly masterKey: Uint8Array
}

export type OpenedSource = EventSource &
  SealedLog & {
    readPages(stream: string, options?: ReadStreamOptions): AsyncIterable<readonly SourceEvent[]>
    lastRevision(stream: string): Revision | undefined
    /** The event at a position, all of it but the text. Throws when it cannot be opened. */
    openAt(position: Position): SourceEvent | undefined
    /** Says that the log grew; live subscriptions look again. */
    poke(): void
    /** Drops an erased account's key from this thread's memory. */
    forget(account: string): void
    close(): Promise<void>
  }

export async function openEventSource(config: SourceConfig): Promise<OpenedSource> {
  const reader = new SqliteLogReader(config.log)
  const keyring = new FileKeyring(config.keyring, config.masterKey, { writable: false })
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
  return Object.assign(source, {
    lastRevision: (stream: string) => reader.lastRevision(stream),
    openAt: (position: Position) => {
      const [event] = reader.readPositions([position])
      return event && openEvent(event, keyring, false)
    },
    poke: () => reader.poke(),
    forget: (account: string) => keyring.forget(account),
    close: async () => {
      reader.close()
      keyring.close()
    },
  })
}
