// Where a query was found in a text, by the same analyzer that indexed it: plain segments, never HTML.
import type { SearchPlan } from '../ports/search-index.ts'
import { foldInPlace, isRunCharacter, MAX_TOKEN_LENGTH, TokenScan } from './analyzer.ts'

/** A piece of text, plain (never HTML); `match` where the query was found. */
export interface Segment {
  readonly text: string
  readonly match: boolean
}

/** A word or phrase to mark. */
export interface HighlightTerm {
  readonly tokens: readonly string[]
  readonly prefix: boolean
}

/** Characters of a snippet. */
export const SNIPPET_LENGTH = 160
/** Of these as many stand before the first match. */
const LEAD = 40
/** A snippet is first looked for in so much of the text: most matches are there, and a page of long texts costs a third. */
const FIRST_LOOK = 3 * 1024
/** Longer texts are not looked at beyond. */
const MAX_TEXT = 16 * 1024

export interface Range {
  readonly start: number
  readonly end: number
  readonly term: number
}

/** What to mark in the subject, or in the text: words that were asked for there, not those asked to be missing. */
export function highlightTerms(plan: SearchPlan, where: 'subject' | 'body'): readonly HighlightTerm[] {
  switch (plan.kind) {
    case 'and':
    case 'or':
      return plan.plans.flatMap((part) => highlightTerms(part, where))
    case 'words':
      return plan.fields === null || (where === 'subject' && plan.fields.includes('subject')) ? [plan] : []
    default:
      return []
  }
}

/** The whole text in segments. */
export function highlight(text: string, terms: readonly HighlightTerm[]): readonly Segment[] {
  return segments(text, 0, text.length, findMatches(text, terms))
}

/** The stretch of the text with most of the terms in it, on one line, with … where something was left out. */
export function snippet(
  text: string,
  terms: readonly HighlightTerm[],
  length: number = SNIPPET_LENGTH,
): readonly Segment[] {
  const searched = beginning(text, MAX_TEXT)
  let matches = findMatches(beginning(searched, FIRST_LOOK), terms)
  if (matches.length === 0 && searched.length > FIRST_LOOK) matches = findMatches(searched, terms)
  const best = bestStart(matches, length)
  let start = best === undefined || best <= LEAD ? 0 : atWord(searched, best - LEAD, best)
  while (start < searched.length && /\s/.test(searched[start] ?? '')) start++
  let end = Math.min(searched.length, start + length)
  if (end < searched.length) {
    const space = lastSpace(searched, end)
    if (space > start + length / 2) end = space
    else if (isHighSurrogate(searched.charCodeAt(end - 1))) end--
  }
  const inside = segments(searched, start, end, matches)
  const first = start > 0 ? [{ text: '…', match: false }] : []
  const last = end < text.trimEnd().length ? [{ text: '…', match: false }] : []
  return join([...first, ...inside, ...last])
}

/** All places of all terms, ascending. */
export function findMatches(text: string, terms: readonly HighlightTerm[]): readonly Range[] {
  if (terms.length === 0 || text === '') return []
  if (terms.every((term) => term.tokens.every(isPlain))) {
    const folded = foldInPlace(text)
    if (folded !== undefined) return findPlain(folded, terms)
  }
  // Most tokens of a text begin like no term does, and cost one look here.
  const byFirst = new Map<number, number[]>()
  terms.forEach(({ tokens }, index) => {
    const unit = tokens[0]?.charCodeAt(0)
    if (unit !== undefined) byFirst.set(unit, [...(byFirst.get(unit) ?? []), index])
  })
  const scan = new TokenScan(text)
  const ranges: Range[] = []
  for (let i = 0; i < scan.count; i++) {
    const starting = byFirst.get(scan.firstUnit(i))
    if (starting === undefined) continue
    for (const index of starting) {
      const end = endOfMatch(scan, i, terms[index] as HighlightTerm)
      if (end !== undefined) ranges.push({ start: scan.start(i), end, term: index })
    }
  }
  return ranges
}

function isPlain(token: string): boolean {
  return PLAIN.test(token) && token.length < MAX_TOKEN_LENGTH
}
const PLAIN = /^[a-z0-9]+$/

/** The same for plain words, several times faster: they are looked for, instead of reading all others too. */
function findPlain(folded: string, terms: readonly HighlightTerm[]): readonly Range[] {
  const ranges: Range[] = []
  terms.forEach(({ tokens, prefix }, term) => {
    const first = tokens[0]
    if (first === undefined) return
    for (let at = folded.indexOf(first); at >= 0; at = folded.indexOf(first, at + 1)) {
      if (at > 0 && isWordUnit(folded.charCodeAt(at - 1))) continue
      const end = endOfPlain(folded, at, tokens, prefix)
      if (end !== undefined) ranges.push({ start: at, end, term })
    }
  })
  return ranges.sort((a, b) => a.start - b.start || a.term - b.term)
}

function endOfPlain(folded: string, at: number, tokens: readonly string[], prefix: boolean): number | undefined {
  let end = at
  for (let k = 0; k < tokens.length; k++) {
    // Between two words only what is no token: a run's characters would be some.
    if (k > 0) while (end < folded.length && isGap(folded.charCodeAt(end))) end++
    if (!folded.startsWith(tokens[k] as string, end)) return undefined
    end += (tokens[k] as string).length
    if (!isWordUnit(folded.charCodeAt(end))) continue
    if (!prefix || k < tokens.length - 1) return undefined
    while (isWordUnit(folded.charCodeAt(end))) end++
  }
  return end
}

/** Letters and digits of folded text; not a number (past the end) is none. */
function isWordUnit(unit: number): boolean {
  return (unit >= 97 && unit <= 122) || (unit >= 48 && unit <= 57) || unit > 127
}

function isGap(unit: number): boolean {
  return unit !== 1 && !isWordUnit(unit)
}

function endOfMatch(scan: TokenScan, at: number, { tokens, prefix }: HighlightTerm): number | undefined {
  const last = tokens.length - 1
  if (at + last >= scan.count) return undefined
  for (let k = 0; k <= last; k++) if (!scan.is(at + k, tokens[k] ?? '', prefix && k === last)) return undefined
  const end = scan.end(at + last)
  const token = tokens[last] ?? ''
  // One character of a run was asked for, its successor was not.
  const part = prefix && isRunCharacter(token) && !scan.is(at + last, token, false)
  return part ? Math.min(end, scan.start(at + last) + token.length) : end
}

/** Start of the first match of the window with most different terms, then most matches, then the earliest. */
function bestStart(matches: readonly Range[], length: number): number | undefined {
  let best: number | undefined
  let bestTerms = 0
  let bestCount = 0
  const counts = new Map<number, number>()
  let from = 0
  for (let to = 0; to < matches.length; to++) {
    const match = matches[to] as Range
    counts.set(match.term, (counts.get(match.term) ?? 0) + 1)
    while (match.end - (matches[from] as Range).start > length - LEAD && from < to) {
      const { term } = matches[from++] as Range
      const left = (counts.get(term) ?? 1) - 1
      if (left === 0) counts.delete(term)
      else counts.set(term, left)
    }
    const count = to - from + 1
    if (counts.size > bestTerms || (counts.size === bestTerms && count > bestCount)) {
      best = (matches[from] as Range).start
      bestTerms = counts.size
      bestCount = count
    }
  }
  return best
}

function segments(text: string, from: number, to: number, matches: readonly Range[]): readonly Segment[] {
  const found: Segment[] = []
  let at = from
  for (const { start, end } of matches) {
    if (end <= at || start >= to) continue
    if (start > at) found.push({ text: oneLine(text.slice(at, start)), match: false })
    found.push({ text: oneLine(text.slice(Math.max(at, start), Math.min(end, to))), match: true })
    at = Math.min(end, to)
  }
  if (at < to) found.push({ text: oneLine(text.slice(at, to)), match: false })
  return join(found)
}

/** Neighbours of the same kind become one. */
function join(parts: readonly Segment[]): readonly Segment[] {
  const joined: { text: string; match: boolean }[] = []
  for (const part of parts) {
    const before = joined.at(-1)
    if (before !== undefined && before.match === part.match) before.text += part.text
    else if (part.text !== '') joined.push({ ...part })
  }
  return joined
}

/** At most so many characters, not ending inside a word where that can be helped. */
function beginning(text: string, length: number): string {
  if (text.length <= length) return text
  const space = lastSpace(text, length)
  return text.slice(0, space > length / 2 ? space : length)
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ')
}

/** The start of the word at or after `from`, before `limit`. */
function atWord(text: string, from: number, limit: number): number {
  for (let i = from; i < limit; i++) if (/\s/.test(text[i] ?? '')) return i + 1
  return isHighSurrogate(text.charCodeAt(from - 1)) ? from + 1 : from
}

function lastSpace(text: string, before: number): number {
  for (let i = before; i > 0; i--) if (/\s/.test(text[i] ?? '')) return i
  return -1
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
