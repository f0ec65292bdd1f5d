// What makes one found message better than another: where the words stand, whether they stand together, and how new it is.
// Engines that rank themselves (Typesense) do not need it; those that only find use it, and so answer in the same order.
import type { SearchPlan, SearchWords } from '../ports/search-index.ts'
import { traceHas, tracePattern } from './trace.ts'

/** Newest matches that are ranked; behind them results go on newest first. Also how far totals count. */
export const RANKED = 1000
/** Best ones that are looked at once more for words side by side. */
const LOOKED_AT_TWICE = 100

const SUBJECT = 3
const SENDER = 2.5
const FILENAME = 1.5
const BODY = 1
/** All words of the query side by side, in its order. */
const TOGETHER = 1
/** A message this old has half of what newness can give. */
const HALF_LIFE_MS = 120 * 86_400_000
/** Part of the score that age cannot take away. */
const TIMELESS = 0.4

/** A word or phrase of the query that a message should have. */
interface RankTerm {
  readonly hashes: readonly number[]
}

export interface Ranking {
  readonly terms: readonly RankTerm[]
  /** The trace of the query's words one after the other; undefined when there is only one. */
  readonly together: Uint8Array | undefined
}

/** What a plan asks for, as far as it makes a message better: words that must or may be there, not those that must not. */
export function rankingOf(plan: SearchPlan): Ranking {
  const terms: RankTerm[] = []
  const tokens: string[] = []
  const collect = (node: SearchPlan): void => {
    if (node.kind === 'and' || node.kind === 'or') for (const inner of node.plans) collect(inner)
    else if (node.kind === 'words') {
      terms.push({ hashes: node.tokens.map(hash16) })
      if (node.fields === null) tokens.push(...node.tokens)
    }
  }
  collect(plan)
  return { terms, together: tokens.length > 1 ? tracePattern(tokens, false) : undefined }
}

/** Subject, sender and file names of a message as 16-bit hashes of their tokens, for scoring without reading text. */
export function encodeHeads(words: SearchWords): Uint8Array {
  const lists = [words.subject, words.from, words.filename].map((text) =>
    text === '' ? [] : text.split(' ', MAX_HEAD_TOKENS).map(hash16),
  )
  const heads = new Uint8Array(3 + 2 * lists.reduce((sum, list) => sum + list.length, 0))
  let o = 3
  lists.forEach((list, field) => {
    heads[field] = list.length
    for (const hash of list) {
      heads[o++] = hash & 255
      heads[o++] = hash >> 8
    }
  })
  return heads
}

const MAX_HEAD_TOKENS = 100

function hash16(token: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < token.length; i++) hash = Math.imul(hash ^ token.charCodeAt(i), 0x01000193)
  return ((hash ^ (hash >>> 16)) >>> 0) & 0xffff
}

/** Relevance in millionths, before nearness of words; never negative. */
export function score(ranking: Ranking, heads: Uint8Array, receivedAt: number, now: number): number {
  let sum = 0
  for (const term of ranking.terms) sum += fieldWeight(heads, term.hashes)
  const relevance = ranking.terms.length === 0 ? BODY : sum / ranking.terms.length
  return weigh(relevance, receivedAt, now)
}

/** A found message: `doc` grows with the revision of its arrival. */
export interface Candidate {
  readonly doc: number
  readonly receivedAt: number
  score: number
}

/** Best first, equal ones newest first: a total order, so that pages never overlap. */
export function byRank(a: { doc: number; score: number }, b: { doc: number; score: number }): number {
  return b.score - a.score || b.doc - a.doc
}

/** Sorts scored candidates, with the bonus for words side by side given to the best of them. */
export function rank(
  ranking: Ranking,
  candidates: Candidate[],
  now: number,
  traceOf: (doc: number) => Uint8Array | undefined,
): readonly Candidate[] {
  candidates.sort(byRank)
  if (ranking.together === undefined) return candidates
  for (const candidate of candidates.slice(0, LOOKED_AT_TWICE)) {
    const trace = traceOf(candidate.doc)
    if (trace !== undefined && traceHas(trace, ranking.together, null)) {
      candidate.score += weigh(TOGETHER, candidate.receivedAt, now)
    }
  }
  return candidates.sort(byRank)
}

function weigh(relevance: number, receivedAt: number, now: number): number {
  const age = Math.max(0, now - receivedAt)
  return Math.round(1e6 * relevance * (TIMELESS + (1 - TIMELESS) * 2 ** (-age / HALF_LIFE_MS)))
}

function fieldWeight(heads: Uint8Array, hashes: readonly number[]): number {
  const subjectEnd = 3 + 2 * (heads[0] ?? 0)
  const senderEnd = subjectEnd + 2 * (heads[1] ?? 0)
  if (contains(heads, 3, subjectEnd, hashes)) return SUBJECT
  if (contains(heads, subjectEnd, senderEnd, hashes)) return SENDER
  if (contains(heads, senderEnd, heads.length, hashes)) return FILENAME
  return BODY
}

function contains(heads: Uint8Array, from: number, to: number, hashes: readonly number[]): boolean {
  const last = to - 2 * hashes.length
  for (let at = from; at <= last; at += 2) {
    let k = 0
    while (k < hashes.length && ((heads[at + 2 * k] ?? 0) | ((heads[at + 2 * k + 1] ?? 0) << 8)) === hashes[k]) k++
    if (k === hashes.length) return true
  }
  return false
}
