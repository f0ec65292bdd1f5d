// The log as an engine sees it: streams of opaque bytes. What the bytes mean, and how they are sealed, is the journal's business.
import type { Position, Revision } from '../../domain/log.ts'

/** One event to append. `data` and `metadata` together take at most `MAX_EVENT_BYTES`. */
export interface EventToAppend {
  /** UUID text. The same id appended again to the same stream is the same event. */
  readonly id: string
  readonly type: string
  readonly data: Uint8Array
  /** JSON in UTF-8, readable without any key: no personal data. */
  readonly metadata: Uint8Array
}

export interface StoredEvent extends EventToAppend {
  readonly stream: string
  readonly revision: Revision
  readonly position: Position
}

/** What must be true of a stream for an append to happen: anything, that it does not exist yet, or its exact last revision. */
export type ExpectedRevision = 'any' | 'no-stream' | Revision

export interface Append {
  readonly stream: string
  readonly expected: ExpectedRevision
  /** One to 1,000 events, at most `MAX_APPEND_BYTES` in all. They become visible all at once or not at all. */
  readonly events: readonly EventToAppend[]
}

export type AppendResult =
  /** Durable. `revision` and `position` are those of the last event of the append, also when it was there already. */
  | { readonly ok: true; readonly revision: Revision; readonly position: Position; readonly repeated: boolean }
  /** The stream is elsewhere. `actual` is its last revision, undefined when it does not exist. */
  | { readonly ok: false; readonly error: 'wrong-expected-revision'; readonly actual: Revision | undefined }

export const MAX_EVENT_BYTES = 64 * 1024
/** EventStoreDB takes 1 MiB an append and counts the types too, at two bytes a character: the rest is theirs. */
export const MAX_APPEND_BYTES = 960 * 1024
/** Stream names: ASCII letters, digits, `-`, `_`, `.`, 1 to 200 of them. */
export const STREAM_NAME = /^[A-Za-z0-9._-]{1,200}$/

export interface ReadStreamOptions {
  /** First revision to read, inclusive; by default the start (forwards) or the end (backwards). */
  readonly from?: Revision
  readonly direction?: 'forwards' | 'backwards'
  readonly limit?: number
}

export interface SubscribeOptions {
  /** Exclusive; undefined starts at the first event. */
  readonly after?: Position | undefined
  /** Only streams whose name starts with one of these; all when absent or empty. */
  readonly prefixes?: readonly string[]
  /** Events of history a batch, 500 by default. */
  readonly batchSize?: number
  readonly signal?: AbortSignal
}

/**
 * Batches in log order. `caughtUp` is true on a batch (perhaps empty) after which the reader has seen everything that was in the
 * log when the batch was read; it comes once after history, and with every live batch. `position` may be stored as a checkpoint
 * once the events of the batch are handled; with a sparse filter it moves on without events.
 */
export interface EventBatch<E = StoredEvent> {
  readonly events: readonly E[]
  readonly position: Position | undefined
  readonly caughtUp: boolean
}

export interface AtomicOptions {
  /** Content addresses of blobs that must be stored, or nothing is appended ('unavailable'). */
  readonly blobs?: readonly string[]
}

/** Thrown for broken promises of the caller (bad stream name, too large) and for an engine that cannot go on. */
export class EventStoreError extends Error {
  readonly code: EventStoreErrorCode
  constructor(code: EventStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EventStoreError'
    this.code = code
  }
}
export type EventStoreErrorCode =
  | 'bad-stream-name'
  | 'event-too-large'
  | 'append-too-large'
  | 'id-reused'
  | 'disk-full'
  | 'read-only'
  | 'corrupt'
  | 'locked'
  | 'newer-schema'
  | 'closed'
  | 'wrong-server'
  | 'unavailable'

export interface EventStore {
  /** Resolves once durable. An unknown outcome rejects with 'unavailable': retry with the same ids and expectation. */
  append(append: Append): Promise<AppendResult>
  /** Engines that can commit several streams at once: all appends happen or none. Absent otherwise. */
  appendAtomically?(appends: readonly Append[], options?: AtomicOptions): Promise<readonly AppendResult[]>
  /** True for an engine that honours `AtomicOptions.blobs`: it commits after the blobs that were sent before, on the same disk. */
  readonly ordersBlobs?: boolean
  /** The events of one stream; nothing for a stream that does not exist. */
  readStream(stream: string, options?: ReadStreamOptions): AsyncIterable<StoredEvent>
  /** Last revision of a stream, undefined when it does not exist. */
  lastRevision(stream: string): Promise<Revision | undefined>
  /** History, then a caught-up batch, then live batches until the signal aborts or the store closes. */
  subscribe(options?: SubscribeOptions): AsyncIterable<EventBatch>
  /** Events at the given positions, in that order; a position that is not there is left out. */
  readPositions(positions: readonly Position[]): Promise<readonly StoredEvent[]>
  /** Position of the newest event, undefined for an empty log. */
  head(): Promise<Position | undefined>
  close(): Promise<void>
}
