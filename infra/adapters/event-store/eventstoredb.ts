// The event store on EventStoreDB 23.10 or newer, through its own client. Commit positions are the port's positions.
import type { EventStoreDBClient } from '@eventstore/db-client'
import type {
  Append,
  AppendResult,
  EventBatch,
  EventStore,
  ReadStreamOptions,
  StoredEvent,
  SubscribeOptions,
} from '../../../commands/ports/event-store.ts'
import { EventStoreError } from '../../../commands/ports/event-store.ts'
import type { Position, Revision } from '../../../domain/log.ts'
import { checkAppend } from './check-append.ts'
import { EventStoreDbAppends } from './eventstoredb-appends.ts'
import {
  checkServer,
  clientFor,
  closeChannel,
  type EventStoreDbOptions,
  type Settings,
  settingsOf,
  within,
} from './eventstoredb-connection.ts'
import { EventStoreDbReads } from './eventstoredb-reads.ts'
import { EventStoreDbSubscriptions } from './eventstoredb-subscription.ts'

export type { EventStoreDbOptions } from './eventstoredb-connection.ts'

/**
 * Opens the log on the server of a connection string: `esdb://USER:PASSWORD@HOST:2113?tls=…`, several hosts for a cluster. Waits for a
 * server that is starting. Throws 'wrong-server' with what to do when it is none that can hold the log, 'unavailable' when none answers.
 */
export async function openEventStoreDb(url: string, options: EventStoreDbOptions = {}): Promise<EventStoreDb> {
  const settings = settingsOf(options)
  const client = clientFor(url)
  try {
    await checkServer(client, url, settings)
  } catch (error) {
    await closeChannel(client)
    throw error
  }
  const store = new EventStoreDb(client, url, settings)
  // What is appended from now on lies behind the head of now.
  await store.head()
  return store
}

export class EventStoreDb implements EventStore {
  readonly #client: EventStoreDBClient
  readonly #reads: EventStoreDbReads
  readonly #appends: EventStoreDbAppends
  readonly #subscriptions: EventStoreDbSubscriptions
  #closed = false

  /** Use `openEventStoreDb`. */
  constructor(client: EventStoreDBClient, url: string, settings: Settings) {
    this.#client = client
    this.#reads = new EventStoreDbReads(client, url, settings)
    this.#appends = new EventStoreDbAppends(client, url, settings, this.#reads)
    this.#subscriptions = new EventStoreDbSubscriptions(client, url, settings, this.#reads)
  }

  async append(append: Append): Promise<AppendResult> {
    if (this.#closed) throw new EventStoreError('closed', 'The log is closed')
    checkAppend(append)
    return this.#appends.append(append)
  }

  readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<StoredEvent> {
    return this.#reads.readStream(stream, options)
  }

  /** As `readStream`, a page at a time. */
  readPages(stream: string, options?: ReadStreamOptions): AsyncIterable<readonly StoredEvent[]> {
    return this.#reads.readPages(stream, options)
  }

  lastRevision(stream: string): Promise<Revision | undefined> {
    return this.#reads.lastRevision(stream)
  }

  subscribe(options?: SubscribeOptions): AsyncIterable<EventBatch> {
    return this.#subscriptions.subscribe(options)
  }

  readPositions(positions: readonly Position[]): Promise<readonly StoredEvent[]> {
    return this.#reads.readPositions(positions)
  }

  head(): Promise<Position | undefined> {
    return this.#reads.head()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#reads.close()
    this.#subscriptions.close()
    await this.#appends.close()
    // A subscription left in the middle never counts as finished to the client: its channel ends it.
    await within(100, 'closing', this.#client.dispose()).catch(() => undefined)
    await closeChannel(this.#client)
  }
}
