// The main thread's side of the projectors: they run in a worker, it asks the views, waits for revisions and orders rebuilds.
import type { AccountId, Position, Revision } from '../../domain/log.ts'
import type { DirectoryQueries, MailboxQueries, SubmissionQueries, TimelineQueries } from '../../projections/queries.ts'

export type ViewName = 'mailbox' | 'directory' | 'submissions' | 'timeline'
export const VIEW_NAMES: readonly ViewName[] = ['mailbox', 'directory', 'submissions', 'timeline']

export interface ProjectorsConfig {
  /** The data folder; views lie in `views/` below it. */
  readonly data: string
  /** Passed as it is to `openEventSource` in the worker. */
  readonly source: unknown
}

/** An event that a projector could not apply: it is kept here and the projector went on. */
export interface ParkedEvent {
  readonly position: Position
  readonly type: string
  readonly error: string
  /** Epoch milliseconds. */
  readonly at: number
}

export interface ProjectionStatus {
  readonly name: string
  readonly version: number
  readonly generation: number
  readonly state: 'catching-up' | 'live' | 'rebuilding' | 'failed'
  /** The position that the view reflects; undefined before the first event. */
  readonly checkpoint: Position | undefined
  readonly head: Position | undefined
  /** Positions between checkpoint and head (positions are not dense), and the age of the oldest event not yet applied. */
  readonly lag: { readonly positions: bigint; readonly seconds: number }
  /** Events applied since the worker started. */
  readonly applied: number
  readonly parked: readonly ParkedEvent[]
  /** How many events are parked in all; `parked` lists at most the 100 newest. */
  readonly parkedCount: number
  readonly error?: string
}

export interface RebuildProgress {
  readonly name: string
  readonly phase: 'filling' | 'indexing' | 'catching-up' | 'comparing' | 'switching' | 'done'
  readonly events: number
  /** Estimated events in all; exact once filled. */
  readonly total: number
  /** Events a second. */
  readonly rate: number
  readonly etaSeconds: number
}

export interface RebuiltProjection {
  readonly name: string
  readonly generation: number
  readonly events: number
  readonly seconds: number
  /** SHA-256 over every row in a fixed order, of the new and of the old generation at the same position. */
  readonly digest: string
  /** Undefined when there was no readable old generation or its projector had another version. */
  readonly previousDigest: string | undefined
  readonly same: boolean | undefined
  readonly parked: number
}
export interface RebuildResult {
  readonly projections: readonly RebuiltProjection[]
}

export class ProjectorError extends Error {
  readonly code: 'timeout' | 'closed' | 'worker-failed' | 'unknown-projection' | 'rebuild-running' | 'rebuild-failed'
  constructor(code: ProjectorError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ProjectorError'
    this.code = code
  }
}

/** What gateways get: implemented by `Projectors.start`. */
export interface ProjectorsApi {
  readonly mailbox: MailboxQueries
  readonly directory: DirectoryQueries
  readonly submissions: SubmissionQueries
  readonly timeline: TimelineQueries
  status(): Promise<ProjectionStatus[]>
  /** Blue/green; readers never wait. Rejects with 'rebuild-running' when the same projection is being rebuilt. */
  rebuild(name: ViewName | 'all', onProgress?: (progress: RebuildProgress) => void): Promise<RebuildResult>
  /** Resolves once the mailbox view reflects `revision` of the account's mailbox stream; rejects with 'timeout' (default 5,000 ms). */
  waitForRevision(account: AccountId, revision: Revision, options?: { readonly timeoutMs?: number }): Promise<void>
  /** Resolves once every view reflects the log up to `position`. For the directory and submissions, and for tests. */
  waitForPosition(position: Position, options?: { readonly timeoutMs?: number }): Promise<void>
  /** Called after each commit of the mailbox view with the newest revision of every mailbox that it touched. Answers the way to stop. */
  onApplied(listener: (touched: ReadonlyMap<AccountId, Revision>) => void): () => void
  /** The log has grown up to here: wakes the projectors at once. */
  poke(head: Position): void
  close(): Promise<void>
}
