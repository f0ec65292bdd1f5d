// The one search of the web app, GraphQL, REST and the command line: query text in, ranked and highlighted messages out.
import { type AccountId, isRedacted, type Position } from '../../domain/log.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import type { EventSource, SourceEvent } from '../ports/event-source.ts'
import {
  SEARCH_FIELDS,
  type SearchIndex,
  SearchIndexError,
  type SearchPage,
  type SearchPlan,
} from '../ports/search-index.ts'
import { highlight, highlightTerms, type Segment, snippet } from './highlight.ts'
import { namesFolders, parseQuery, planQuery } from './query.ts'
import { wordsOf } from './words.ts'

export type { Segment } from './highlight.ts'

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
  readonly typing?: boolean | undefined
  /** Epoch milliseconds, for relative dates and recency; the clock by default. */
  readonly now?: number | undefined
  /** Minutes east of UTC in which the dates of the query begin; 0 by default. */
  readonly utcOffset?: number | undefined
}

/** What gateways get: search, wherever it runs. */
export interface SearchQueries {
  search(account: AccountId, query: string, options?: SearchOptions): Promise<SearchResult>
}

/** Search in this thread. */
export function searchQueries(index: SearchIndex, source: Pick<EventSource, 'readPositions'>): SearchQueries {
  return { search: (account, query, options) => searchMessages(index, source, account, query, options) }
}

/** Pages fetched to make up for hits that a look at their text took away. */
const MAX_ROUNDS = 5

/**
 * Searches one account's messages in the language of the reference (`words "phrases" -not OR from: in: is:unread …`).
 * Never rejects because of the query text or cursor: what it does not understand becomes a warning.
 */
export async function searchMessages(
  index: SearchIndex,
  source: Pick<EventSource, 'readPositions'>,
  account: AccountId,
  query: string,
  options: SearchOptions = {},
): Promise<SearchResult> {
  const now = options.now ?? Date.now()
  const first = Math.max(1, Math.min(250, Math.floor(options.first ?? 50)))
  const parsed = parseQuery(query, {
    now,
    typing: options.typing ?? false,
    utcOffset: options.utcOffset ?? 0,
  })
  const folders = namesFolders(parsed) ? await index.folders(account) : []
  const planned = planQuery(parsed, folders)
  const warnings = [...planned.warnings]
  const { plan } = planned
  const looksAtText = hasPhrase(plan)
  const terms = { subject: highlightTerms(plan, 'subject'), body: highlightTerms(plan, 'body') }

  const hits: MessageHit[] = []
  let after = options.after ?? undefined
  let page: SearchPage | undefined
  for (let round = 0; round < MAX_ROUNDS && hits.length < first; round++) {
    try {
      const wanted = first - hits.length
      page = await index.query(account, plan, { first: wanted, now, ...(after === undefined ? {} : { after }) })
    } catch (error) {
      if (!(error instanceof SearchIndexError) || error.code !== 'bad-cursor' || after === undefined) throw error
      warnings.push('The place to go on from was not understood; this is the first page.')
      after = undefined
      continue
    }
    const events = await readAll(
      source,
      page.hits.map((hit) => hit.position),
    )
    const contents = new Map(
      events.flatMap((event) =>
        !isRedacted(event) && (event.type === 'MessageReceived' || event.type === 'MessageAppended')
          ? [[event.position, event.data.content] as const]
          : [],
      ),
    )
    page.hits.forEach((hit, i) => {
      // Erased since the index was asked.
      const content = contents.get(hit.position)
      if (content === undefined || (looksAtText && !mayMatch(plan, content))) return
      hits.push({
        messageId: hit.messageId,
        score: hit.score,
        cursor: page?.cursors[i] ?? '',
        subject: highlight(content.envelope.subject, terms.subject),
        snippet: snippet(content.text, terms.body),
      })
    })
    after = page.cursors.at(-1)
    if (!page.hasNext || after === undefined) break
  }
  return {
    hits,
    hasNext: page?.hasNext ?? false,
    total: page?.total ?? 0,
    totalIsExact: page?.totalIsExact ?? true,
    warnings,
    cursor: hits.at(-1)?.cursor ?? null,
  }
}

/** One event that cannot be opened must not take the others of its page with it. */
async function readAll(
  source: Pick<EventSource, 'readPositions'>,
  positions: readonly Position[],
): Promise<readonly SourceEvent[]> {
  try {
    return await source.readPositions(positions, { text: true })
  } catch (error) {
    if (positions.length < 2) return []
    const found: SourceEvent[] = []
    for (const position of positions) found.push(...(await readAll(source, [position])))
    // Nothing at all can be read: that is the log's trouble, not one event's.
    if (found.length === 0) throw error
    return found
  }
}

/** Whether engines may answer the plan a little too widely. */
function hasPhrase(plan: SearchPlan): boolean {
  if (plan.kind === 'and' || plan.kind === 'or') return plan.plans.some(hasPhrase)
  if (plan.kind === 'not') return hasPhrase(plan.plan)
  return plan.kind === 'words' && plan.tokens.length > 1
}

/** False when the message's own text shows that it does not match. What is not text, the engine knows exactly. */
function mayMatch(plan: SearchPlan, content: MessageContent): boolean {
  // What the event does not hold was indexed from the blob: take the engine's word.
  if (content.textTruncated === true) return true
  const words = wordsOf(content, content.text)
  const evaluate = (node: SearchPlan): boolean | undefined => {
    switch (node.kind) {
      case 'and':
      case 'or': {
        const decisive = node.kind === 'or'
        const parts = node.plans.map(evaluate)
        return parts.includes(decisive) ? decisive : parts.includes(undefined) ? undefined : !decisive
      }
      case 'not': {
        const inner = evaluate(node.plan)
        return inner === undefined ? undefined : !inner
      }
      case 'words': {
        const wanted = ` ${node.tokens.join(' ')}${node.prefix ? '' : ' '}`
        return (node.fields ?? SEARCH_FIELDS).some((field) => ` ${words[field]} `.includes(wanted))
      }
      default:
        return undefined
    }
  }
  return evaluate(plan) !== false
}
