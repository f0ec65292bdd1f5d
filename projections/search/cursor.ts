// Where a page of results ended. A cursor carries the first page's clock and newest message, so that mail that arrives while
// someone turns pages moves nothing.
import { SearchIndexError } from '../ports/search-index.ts'

export interface SearchCursor {
  /** 'ranked': among the best of the newest messages; 'older': behind them, newest first. */
  readonly phase: 'ranked' | 'older'
  /** Clock of the first page. */
  readonly now: number
  /** Revision of the newest message that the first page looked at. */
  readonly top: number
  /** The last hit: its score and the revision of its arrival. */
  readonly score: number
  readonly revision: number
}

export function formatCursor(cursor: SearchCursor): string {
  const { phase, now, top, score, revision } = cursor
  return `${phase === 'ranked' ? 'r' : 'o'}.${[now, top, score, revision].map((part) => part.toString(36)).join('.')}`
}

export function parseCursor(text: string): SearchCursor {
  const match = /^([ro])\.([0-9a-z]{1,11})\.([0-9a-z]{1,8})\.([0-9a-z]{1,8})\.([0-9a-z]{1,8})$/.exec(text)
  const [now, top, score, revision] = (match ?? []).slice(2).map((part) => Number.parseInt(part, 36))
  if (match === null || now === undefined || top === undefined || score === undefined || revision === undefined) {
    throw new SearchIndexError('bad-cursor', 'The cursor is not one that a search gave out.')
  }
  if (now > Number.MAX_SAFE_INTEGER || top > MAX_REVISION || revision > MAX_REVISION) {
    throw new SearchIndexError('bad-cursor', 'The cursor is not one that a search gave out.')
  }
  return { phase: match[1] === 'r' ? 'ranked' : 'older', now, top, score, revision }
}

export const MAX_REVISION = 2 ** 32 - 1
