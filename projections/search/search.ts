// The one search of the web app, GraphQL, REST and the command line: query text in, ranked and highlighted messages out.
import type { AccountId } from '../../domain/log.ts'
import type { EventSource } from '../ports/event-source.ts'
import type { SearchIndex } from '../ports/search-index.ts'

/** A piece of text, plain (never HTML); `match` where the query was found. */
export interface Segment {
  readonly text: string
  readonly match: boolean
}

export interface MessageHit {
  readonly messageId: string
  /** Higher is better; only comparable within one answer. */
  readonly score: number
  readonly cursor: string
  readonly subject: readonly Segment[]
  /** About 160 characters of the text around the best match. */
  readonly snippet: readonly Segment[]
}

export interface SearchResult {
  /** Best first. */
  readonly hits: readonly MessageHit[]
  readonly hasNext: boolean
  /** Number of messages found, up to a bound; beyond it `totalIsExact` is false. */
  readonly total: number
  readonly totalIsExact: boolean
  /** Sentences for the person about parts of the query that were not understood. */
  readonly warnings: readonly string[]
  /** `after` of the next page: the cursor of the last hit; null when there is none. */
  readonly cursor: string | null
}

export interface SearchOptions {
  /** 50 by default, at most 250. */
  readonly first?: number | undefined
  readonly after?: string | null | undefined
  /** The last word may be unfinished: search as you type. */
  readonly typing?: boolean
  /** Epoch milliseconds, for relative dates and recency; the clock by default. */
  readonly now?: number
}

/**
 * Searches one account's messages in the language of the reference (`words "phrases" -not OR from: in: is:unread …`).
 * Never rejects because of the query text or cursor: what it does not understand becomes a warning.
 */
export async function searchMessages(
  _index: SearchIndex,
  _source: Pick<EventSource, 'readPositions'>,
  _account: AccountId,
  _query: string,
  _options: SearchOptions = {},
): Promise<SearchResult> {
  return { hits: [], hasNext: false, total: 0, totalIsExact: true, warnings: [], cursor: null }
}
