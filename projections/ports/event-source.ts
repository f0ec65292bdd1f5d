// The log as projections see it: typed, opened events in log order.
import type { RecordedEvent } from '../../domain/events.ts'
import type { AccountId, Position, Redacted, Revision } from '../../domain/log.ts'

export type SourceEvent = (RecordedEvent & { readonly facts?: ArrivalFacts }) | Redacted

/** What a source may tell of an arrival beside its payload, so that a projector need not touch the content. */
export interface ArrivalFacts {
  /** Bytes of the raw message. */
  readonly size: number
  /** As `threadKeysOf` its envelope. */
  readonly threadKeys: readonly number[]
}

/**
 * An event that is in the log and cannot be opened: its bytes were changed, or a newer program wrote it. Reading its payload
 * throws why, so a projector that needs it parks it and goes on.
 */
export class UnreadableSourceEvent {
  readonly id: string
  readonly stream: string
  readonly revision: Revision
  readonly position: Position
  readonly type: string
  readonly #error: Error

  constructor(event: Omit<Redacted, 'redacted'>, error: Error) {
    this.id = event.id
    this.stream = event.stream
    this.revision = event.revision
    this.position = event.position
    this.type = event.type
    this.#error = error
  }
  get error(): Error {
    return this.#error
  }
  get data(): never {
    throw this.#error
  }
  get metadata(): never {
    throw this.#error
  }
}

export function unreadable(event: Omit<Redacted, 'redacted'>, error: Error): SourceEvent {
  return new UnreadableSourceEvent(event, error) as unknown as SourceEvent
}

export const isUnreadable = (event: unknown): event is UnreadableSourceEvent => event instanceof UnreadableSourceEvent

export interface SourceBatch {
  readonly events: readonly SourceEvent[]
  /** Checkpoint once the batch is applied; moves on without events when a filter is sparse. */
  readonly position: Position | undefined
  /** Nothing more was in the log when this batch was read. */
  readonly caughtUp: boolean
}

export interface EventSource {
  /**
   * History after `after` (exclusive), a caught-up batch, then live batches, until the signal aborts. An event that cannot be
   * opened comes as `unreadable`: it must not stop what comes behind it.
   */
  subscribe(options: {
    readonly after?: Position | undefined
    readonly prefixes?: readonly string[]
    readonly batchSize?: number
    /** Also open the extracted text of arrivals; without it `content.text` is ''. */
    readonly text?: boolean
    /** A reader that needs only these may be spared the opening of others. */
    readonly types?: ReadonlySet<string>
    readonly signal?: AbortSignal
  }): AsyncIterable<SourceBatch>
  /**
   * One stream from a revision on (inclusive); ends at the stream's end. Throws at an event that cannot be opened, because a
   * command must not decide on a hole.
   */
  readStream(
    stream: string,
    options?: { readonly from?: Revision; readonly limit?: number; readonly text?: boolean },
  ): AsyncIterable<SourceEvent>
  /** All of one stream, some events at a time; one that cannot be opened comes as `unreadable`. For views of the past. */
  readPages(stream: string): AsyncIterable<readonly SourceEvent[]>
  /** Events at positions, in that order, for history pages and snippets. */
  readPositions(positions: readonly Position[], options?: { readonly text?: boolean }): Promise<readonly SourceEvent[]>
  head(): Promise<Position | undefined>
}

/** Raw messages, for text that did not fit into its event. */
export interface MessageReader {
  read(
    ref: { readonly id: string; readonly key: string; readonly size: number },
    start?: number,
    end?: number,
  ): Promise<Uint8Array>
}

export type { AccountId, Position, Revision }
