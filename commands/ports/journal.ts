// The log as commands see it: typed events, sealed on the way in and opened on the way out.
import type { EverpostEvent, RecordedEvent } from '../../domain/events.ts'
import type { NewEvent, Redacted, Revision } from '../../domain/log.ts'
import type { StagedBlob } from './blob-store.ts'
import type { AppendResult, ExpectedRevision, ReadStreamOptions } from './event-store.ts'

export interface JournalAppend {
  readonly stream: string
  readonly expected: ExpectedRevision
  readonly events: readonly NewEvent<EverpostEvent>[]
}

export interface AppendAllOptions {
  /** Blobs that must be durable before anything is appended. */
  readonly after?: readonly StagedBlob[]
  /**
   * The first append promises the others, and a follower of the log keeps that promise: once it is durable, an engine that commits
   * stream by stream answers with what it could append, fewer results perhaps than appends, and does not reject any more.
   */
  readonly promised?: boolean
}

export interface Journal {
  /** Seals and appends, split into chunks below the engine's limits; the last chunk's result. Durable when it resolves. */
  append(append: JournalAppend): Promise<AppendResult>
  /**
   * Several streams in one commit where the engine can, else one after the other in the order given.
   * A reader of the log must therefore be able to finish what the first append promised. Nothing is appended unless the blobs of
   * `after` are durable: engines that share a disk store both in one round, others wait first.
   */
  appendAll(appends: readonly JournalAppend[], options?: AppendAllOptions): Promise<readonly AppendResult[]>
  readStream(
    stream: string,
    options?: ReadStreamOptions & { readonly text?: boolean },
  ): AsyncIterable<RecordedEvent | Redacted>
  lastRevision(stream: string): Promise<Revision | undefined>
}
