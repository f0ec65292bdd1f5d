// The log as projections see it: typed, opened events in log order.
import type { RecordedEvent } from '../../domain/events.ts'
import type { AccountId, Position, Redacted, Revision } from '../../domain/log.ts'

export type SourceEvent = RecordedEvent | Redacted

export interface SourceBatch {
  readonly events: readonly SourceEvent[]
  /** Checkpoint once the batch is applied; moves on without events when a filter is sparse. */
  readonly position: Position | undefined
  /** Nothing more was in the log when this batch was read. */
  readonly caughtUp: boolean
}

export interface EventSource {
  /** History after `after` (exclusive), a caught-up batch, then live batches, until the signal aborts. */
  subscribe(options: {
    readonly after?: Position | undefined
    readonly prefixes?: readonly string[]
    readonly batchSize?: number
    /** Also open the extracted text of arrivals; without it `content.text` is ''. */
    readonly text?: boolean
    readonly signal?: AbortSignal
  }): AsyncIterable<SourceBatch>
  /** One stream from a revision on (inclusive); ends at the stream's end. */
  readStream(
    stream: string,
    options?: { readonly from?: Revision; readonly limit?: number; readonly text?: boolean },
  ): AsyncIterable<SourceEvent>
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
