// The log as auditors see it: what is stored for each event, digested, without opening it. Anything that is opened can be asked for.
import type { Position, Redacted } from '../../domain/log.ts'
import type { SourceEvent } from '../ports/event-source.ts'

/** An event as the log stores it, with its leaf of the hash tree. To a projector it is an event that cannot be read. */
export interface SealedEvent extends Redacted {
  /** Readable without a key. */
  readonly metadata: Uint8Array
  readonly sealed: Uint8Array
  /** Leaf hash, as domain/audit/leaf.ts defines it. */
  readonly leaf: Uint8Array
}

export interface SealedBatch {
  readonly events: readonly SealedEvent[]
  readonly position: Position | undefined
  readonly caughtUp: boolean
}

export interface SealedLog {
  /** Every event in log order, in the manner of `EventSource.subscribe`. */
  subscribeSealed(options: {
    readonly after?: Position | undefined
    readonly batchSize?: number
    readonly signal?: AbortSignal
  }): AsyncIterable<SealedBatch>
  /** One stream from its start. */
  readSealedStream(stream: string): AsyncIterable<SealedEvent>
  readSealed(positions: readonly Position[]): Promise<readonly SealedEvent[]>
  /** Throws when the stored bytes are not what was sealed. */
  open(event: SealedEvent, withText?: boolean): SourceEvent
}
