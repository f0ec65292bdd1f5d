// Search as the rest of the server sees it, whichever engine keeps the index.
import type { AccountId, Position } from '../../../domain/log.ts'
import type { SearchQueries } from '../../../projections/search/search.ts'
import type { ProjectionStatus, RebuildProgress, RebuiltProjection } from '../../projector/projectors.ts'

export interface SearchService extends SearchQueries {
  /** The log has grown up to here. */
  poke(head: Position): void
  /** The account was erased: its key and texts leave memory. */
  forget(account: AccountId): void
  /** Resolves once queries see the log up to `position`; rejects after `timeoutMs` (5,000). */
  waitForPosition(position: Position, options?: { readonly timeoutMs?: number }): Promise<void>
  /** One projection, in the form of all of them. */
  status(): Promise<readonly ProjectionStatus[]>
  /** Fills a new generation beside the one that serves, compares the two, and lets it serve. */
  rebuild(onProgress?: (progress: RebuildProgress) => void): Promise<RebuiltProjection>
  close(): Promise<void>
}
