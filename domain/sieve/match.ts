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

/** A run of a pattern between two `*`: literal texts, and ANY_ONE for each `?`. */
type Segment = readonly (string | typeof ANY_ONE)[]
const ANY_ONE = 1

/** A key of :matches, cut at every `*`. */
export type Pattern = readonly Segment[]

/** Reads a key of :matches: a backslash takes the meaning from what follows it. */
export function readPattern(key: string): Pattern {
  const pattern: (string | typeof ANY_ONE)[][] = [[]]
  let literal = ''
  const put = (piece: typeof ANY_ONE | undefined): void => {
    const segment = pattern.at(-1)
    if (literal !== '') segment?.push(literal)
    literal = ''
    if (piece !== undefined) segment?.push(piece)
  }
  for (let at = 0; at < key.length; at++) {
    const char = key[at]
    if (char === '*') {
      put(undefined)
      pattern.push([])
    } else if (char === '?') put(ANY_ONE)
    else {
      if (char === '\\' && at + 1 < key.length) at++
      literal += key[at]
    }
  }
  put(undefined)
  return pattern
}

type Span = readonly [start: number, end: number]

/**
 * Where the wildcards match, in the order of the key: start and end of each, every `*` as short as can be (RFC 5229 §3.2). Undefined when
 * the key does not match, or when the steps are used up. Each run between two `*` is looked for once and stays where it is first found,
 * so it takes at most the product of both lengths.
 */
export function matchWildcards(text: string, pattern: Pattern, steps: Steps): readonly Span[] | undefined {
  const found: Span[] = []
  const last = pattern.length - 1
  let at = endOf(text, pattern[0] as Segment, 0, found)
  if (at < 0 || !steps.take(1)) return undefined
  if (last === 0) return at === text.length ? found : undefined
  for (let i = 1; i < last; i++) {
    const segment = pattern[i] as Segment
    const star = found.push([at, at]) - 1
    const start = find(text, segment, at, steps)
    if (start < 0) return undefined
    found[star] = [at, start]
    at = endOf(text, segment, start, found)
  }
  const segment = pattern[last] as Segment
  const start = findAtEnd(text, segment, at, steps)
  if (start < 0) return undefined
  found.push([at, start])
  endOf(text, segment, start, found)
  return found
}

/** Where a segment that begins at `start` ends, with what each `?` took; -1 when it does not match there. */
function endOf(text: string, segment: Segment, start: number, found: Span[]): number {
  let at = start
  for (const piece of segment) {
    if (piece === ANY_ONE) {
      if (at >= text.length) return -1
      const end = at + width(text, at)
      found.push([at, end])
      at = end
    } else {
      if (!text.startsWith(piece, at)) return -1
      at += piece.length
    }
  }
  return at
}

/** The first place at or behind `from` where a segment matches, or -1. */
function find(text: string, segment: Segment, from: number, steps: Steps): number {
  const [first] = segment
  if (first === undefined) return from
  const tried: Span[] = []
  let start = from
  while (start <= text.length) {
    if (typeof first === 'string') {
      const next = text.indexOf(first, start)
      // The runtime's search is fast for short texts; long ones with repetitions may cost their length at every place.
      const passed = (next < 0 ? text.length : next) - start
      if (!steps.take(1 + (passed >> 4) * (1 + (first.length >> 6))) || next < 0) return -1
      start = next
    }
    if (!steps.take(segment.length)) return -1
    tried.length = 0
    if (endOf(text, segment, start, tried) >= 0) return start
    start += width(text, start)
  }
  return -1
}

/** The first place at or behind `from` where a segment matches up to the very end, or -1. */
function findAtEnd(text: string, segment: Segment, from: number, steps: Steps): number {
  let units = 0
  let wild = 0
  for (const piece of segment) {
    if (piece === ANY_ONE) wild++
    else units += piece.length
  }
  const tried: Span[] = []
  // A `?` takes one or two code units.
  for (let start = Math.max(from, text.length - units - 2 * wild); start <= text.length - units - wild; start++) {
    if (!steps.take(segment.length)) return -1
    const code = text.charCodeAt(start)
    const inside = start > from && code >= 0xdc00 && code < 0xe000 && width(text, start - 1) === 2
    tried.length = 0
    if (!inside && endOf(text, segment, start, tried) === text.length) return start
  }
  return -1
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
