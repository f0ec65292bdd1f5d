// Search as gateways and the command line use it, whichever engine keeps the index.
import type { AccountId, Position } from '../../../domain/log.ts'
import type { HeaderField } from '../../../projections/ports/search-index.ts'
import type { SearchOptions, SearchResult } from '../../../projections/search/search.ts'
import type { ProjectionStatus, RebuildProgress, RebuiltProjection } from '../../projector/projectors.ts'
import type { SubstringMatch } from './fts5-substring.ts'

export interface SearchApi {
  search(account: AccountId, query: string, options?: SearchOptions): Promise<SearchResult>
  /**
   * Messages of the account with the text anywhere in a field, or anywhere that is indexed. Absent, or undefined, where the engine cannot
   * tell: then they must be looked into.
   */
  substring?(account: AccountId, needle: string, field: HeaderField | null): Promise<SubstringMatch | undefined>
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
