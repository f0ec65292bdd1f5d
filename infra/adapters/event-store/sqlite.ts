// The embedded event store: SQLite, one writer in the storage thread, a reader in every thread that reads.
import type {
  Append,
  AppendResult,
  AtomicOptions,
  EventBatch,
  EventStore,
  ReadStreamOptions,
  StoredEvent,
  SubscribeOptions,
} from '../../../commands/ports/event-store.ts'
import { EventStoreError } from '../../../commands/ports/event-store.ts'
import type { Position, Revision } from '../../../domain/log.ts'
import { type StorageThread, transferable } from '../storage/storage-thread.ts'
import { checkAppend } from './check-append.ts'
import { SqliteLogReader } from './sqlite-reader.ts'

export class SqliteEventStore implements EventStore {
  readonly #storage: StorageThread
  readonly #reader: SqliteLogReader
  readonly #unsubscribe: () => void
  #closed = false

  constructor(storage: StorageThread, path: string) {
    this.#storage = storage
    this.#reader = new SqliteLogReader(path)
    this.#unsubscribe = storage.onCommit(() => this.#reader.poke())
  }

  async append(append: Append): Promise<AppendResult> {
    return (await this.appendAtomically([append]))[0] as AppendResult
  }

  readonly ordersBlobs = true

  async appendAtomically(appends: readonly Append[], options: AtomicOptions = {}): Promise<readonly AppendResult[]> {
    if (this.#closed) throw new EventStoreError('closed', 'The log is closed')
    for (const append of appends) checkAppend(append)
    return this.#storage.append({ op: 'append', ...pack(appends), ...options })
  }

  readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<StoredEvent> {
    return this.#reader.readStream(stream, options)
  }

  async lastRevision(stream: string): Promise<Revision | undefined> {
    return this.#reader.lastRevision(stream)
  }

  subscribe(options?: SubscribeOptions): AsyncIterable<EventBatch> {
    return this.#reader.subscribe(options)
  }

  async readPositions(positions: readonly Position[]): Promise<readonly StoredEvent[]> {
    return this.#reader.readPositions(positions)
  }

  async head(): Promise<Position | undefined> {
    return this.#reader.head()
  }

  /** Ends this store's subscriptions and reads; the storage thread is closed by whoever started it. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#unsubscribe()
    this.#reader.close()
  }
}

function pack(appends: readonly Append[]) {
  let length = 0
  for (const { events } of appends) for (const { metadata, data } of events) length += metadata.length + data.length
  const bytes = transferable(length, (into) => {
    let at = 0
    for (const { events } of appends) {
      for (const { metadata, data } of events) {
        into.set(metadata, at)
        into.set(data, at + metadata.length)
        at += metadata.length + data.length
      }
    }
  })
  return {
    bytes,
    appends: appends.map(({ stream, expected, events }) => ({
      stream,
      expected,
      events: events.map(({ id, type, metadata, data }) => ({
        id,
        type,
        metadata: metadata.length,
        data: data.length,
      })),
    })),
  }
}
