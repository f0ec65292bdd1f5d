// Comparing texts: comparators (RFC 4790), match types (RFC 5228 §2.7), relations (RFC 5231). Linear or counted, never exponential.
import type { Comparator, Match, Relation } from './program.ts'

/** Steps left; `take` answers false when they are used up. */
export interface Steps {
  take(count: number): boolean
}

/** A text that is compared often: its folded form is made once. */
export interface Subject {
  readonly text: string
  folded?: string
}

/** Letters A to Z as small ones, and nothing else changed: indices stay (RFC 4790 §9.2). */
export function foldAscii(text: string): string {
  if (!/[A-Z]/.test(text)) return text
  return /[^\x00-\x7f]/.test(text) ? text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase()) : text.toLowerCase()
}

const folded = (subject: Subject): string => (subject.folded ??= foldAscii(subject.text))

/** The value of a text for i;ascii-numeric (RFC 4790 §9.1): its leading digits without zeros before them; undefined is infinity. */
function numeric(text: string): string | undefined {
  return /^\d+/.exec(text)?.[0].replace(/^0+(?=\d)/, '')
}

function compareNumeric(left: string, right: string): number {
  const a = numeric(left)
  const b = numeric(right)
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  return a.length - b.length || compareOctets(a, b)
}

/** The order of UTF-8 octets, which is that of code points and not that of UTF-16. */
function compareOctets(left: string, right: string): number {
  if (left === right) return 0
  return /[\ud800-\udfff]/.test(left + right)
    ? Buffer.compare(Buffer.from(left), Buffer.from(right))
    : left < right
      ? -1
      : 1
}

export function compare(comparator: Comparator, left: string, right: string): number {
  switch (comparator) {
    case 'i;octet':
      return compareOctets(left, right)
    case 'i;ascii-casemap':
      return compareOctets(foldAscii(left), foldAscii(right))
    case 'i;ascii-numeric':
      return compareNumeric(left, right)
    default: {
      const _: never = comparator
      return _
    }
  }
}

export function related(relation: Relation, order: number): boolean {
  switch (relation) {
    case 'gt':
      return order > 0
    case 'ge':
      return order >= 0
    case 'lt':
      return order < 0
    case 'le':
      return order <= 0
    case 'eq':
      return order === 0
    case 'ne':
      return order !== 0
    default: {
      const _: never = relation
      return _
    }
  }
}

/** Wildcards in order: code units, ANY_ONE for `?`, ANY_MANY for `*`. */
export type Pattern = readonly number[]
const ANY_ONE = -1
const ANY_MANY = -2

/** Reads a key of :matches: a backslash takes the meaning from what follows it. */
export function readPattern(key: string): Pattern {
  const pattern: number[] = []
  for (let at = 0; at < key.length; at++) {
    const char = key[at]
    if (char === '*') pattern.push(ANY_MANY)
    else if (char === '?') pattern.push(ANY_ONE)
    else {
      if (char === '\\' && at + 1 < key.length) at++
      pattern.push(key.charCodeAt(at))
    }
  }
  return pattern
}

/**
 * Where the wildcards match, in the order of the key: start and end of each, every `*` as short as can be (RFC 5229 §3.2). Undefined when
 * the key does not match, or when the steps are used up. Going back to the last `*` alone is enough, so it takes at most the product
 * of both lengths.
 */
export function matchWildcards(
  text: string,
  pattern: Pattern,
  steps: Steps,
): readonly (readonly [number, number])[] | undefined {
  const found: [number, number][] = []
  let at = 0
  let next = 0
  let star = -1
  let starEnd = 0
  let foundAtStar = 0
  for (;;) {
    if (!steps.take(1)) return undefined
    if (next === pattern.length && at === text.length) return found
    const wanted = pattern[next]
    if (wanted === ANY_MANY) {
      star = next++
      starEnd = at
      foundAtStar = found.length
      found.push([at, at])
      // A star at the end takes all that is left.
      if (next === pattern.length) {
        found[foundAtStar] = [at, text.length]
        return found
      }
    } else if (wanted === ANY_ONE && at < text.length) {
      const end = at + width(text, at)
      found.push([at, end])
      at = end
      next++
    } else if (wanted !== undefined && at < text.length && text.charCodeAt(at) === wanted) {
      at++
      next++
    } else {
      if (star === -1 || starEnd >= text.length) return undefined
      const begun = (found[foundAtStar] as [number, number])[0]
      starEnd += width(text, starEnd)
      found.length = foundAtStar
      found.push([begun, starEnd])
      at = starEnd
      next = star + 1
    }
  }
}

/** Code units of the character at `at`: one `?` takes a whole character. */
function width(text: string, at: number): number {
  const code = text.charCodeAt(at)
  const low = text.charCodeAt(at + 1)
  return code >= 0xd800 && code < 0xdc00 && low >= 0xdc00 && low < 0xe000 ? 2 : 1
}

export interface MatchTools extends Steps {
  /** Bounded by whoever made it. */
  pattern(key: string): Pattern
}

/** Whether one value matches one key under anything but :count; the texts of wildcards when :matches does. */
export function matches(
  match: Exclude<Match, { type: 'count' }>,
  subject: Subject,
  key: string,
  tools: MatchTools,
): boolean | readonly string[] {
  const { comparator } = match
  const value = subject.text
  switch (match.type) {
    case 'is':
      if (!tools.take(1 + (key.length >> 4))) return false
      if (comparator === 'i;ascii-numeric') return compareNumeric(value, key) === 0
      if (comparator === 'i;octet') return value === key
      return value.length === key.length && folded(subject) === foldAscii(key)
    case 'value':
      if (!tools.take(1 + ((value.length + key.length) >> 4))) return false
      return related(match.relation, compare(comparator, value, key))
    case 'contains': {
      // The runtime's search is fast for short keys; long ones with repetitions may cost their length at every place.
      if (!tools.take(1 + (value.length >> 4) * (1 + (key.length >> 6)))) return false
      return comparator === 'i;octet' ? value.includes(key) : folded(subject).includes(foldAscii(key))
    }
    case 'matches': {
      const exact = comparator === 'i;octet'
      const places = matchWildcards(exact ? value : folded(subject), tools.pattern(exact ? key : foldAscii(key)), tools)
      return places ? [value, ...places.map(([start, end]) => value.slice(start, end))] : false
    }
    default: {
      const _: never = match
      return _
    }
  }
}
