// Search as gateways and the command line use it, whichever engine keeps the index.
import type { AccountId, Position } from '../../../domain/log.ts'
import type { SearchOptions, SearchResult } from '../../../projections/search/search.ts'
import type { ProjectionStatus, RebuildProgress, RebuiltProjection } from '../../projector/projectors.ts'

export interface SearchApi {
  search(account: AccountId, query: string, options?: SearchOptions): Promise<SearchResult>
  /** The log has grown up to here. */
  poke(head: Position): void
  /** The account was erased: its key and texts leave memory. */
  forget(account: AccountId): void
  /** Resolves once queries see the log up to `position`; rejects after `timeoutMs` (5,000). */
  waitForPosition(position: Position, options?: { readonly timeoutMs?: number }): Promise<void>
  status(): Promise<readonly ProjectionStatus[]>
  /** Beside the index that serves; readers never wait. */
  rebuild(onProgress?: (progress: RebuildProgress) => void): Promise<RebuiltProjection>
  close(): Promise<void>
}
