// Sequence sets and UID sets (RFC 9051 §9 sequence-set, RFC 5182 §2.1 `$`).
import { BadCommand } from './errors.ts'

/** Ascending inclusive ranges as written; `*` is Infinity until it is known what it stands for. '$' is the saved search result. */
export type SequenceSet = '$' | readonly (readonly [from: number, to: number])[]

const MAX_RANGES = 20_000
const MAX_NUMBER = 4_294_967_295

export function parseSet(text: string): SequenceSet {
  if (text === '$') return '$'
  const parts = text.split(',')
  if (parts.length > MAX_RANGES) throw new BadCommand('Too many ranges in one command')
  return parts.map((part) => {
    const ends = part.split(':')
    const [from, to = from] = ends.map(numberOf)
    if (from === undefined || to === undefined || ends.length > 2) throw new BadCommand('These are not message numbers')
    return from <= to ? [from, to] : [to, from]
  })
}

function numberOf(text: string): number {
  if (text === '*') return Number.POSITIVE_INFINITY
  const number = /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN
  if (!(number <= MAX_NUMBER)) throw new BadCommand('These are not message numbers')
  return number
}

/** Ranges that stand for numbers up to `last`: sorted, joined, without `*`. `*` is `last`, in a mailbox that has one. */
export function resolveSet(
  set: Exclude<SequenceSet, '$'>,
  last: number,
): readonly (readonly [from: number, to: number])[] {
  const known = set
    .map(([from, to]): [number, number] => {
      const low = from === Number.POSITIVE_INFINITY ? last : from
      const high = to === Number.POSITIVE_INFINITY ? last : to
      return low <= high ? [low, high] : [high, low]
    })
    .filter(([low]) => low > 0)
    .sort((a, b) => a[0] - b[0])
  const joined: [number, number][] = []
  for (const [low, high] of known) {
    const before = joined.at(-1)
    if (before && low <= before[1] + 1) before[1] = Math.max(before[1], high)
    else joined.push([low, high])
  }
  return joined
}

/** Ascending numbers as IMAP writes them: `1:3,7`. */
export function writeSet(numbers: Iterable<number>): string {
  const parts: string[] = []
  let from = -1
  let to = -1
  const flush = () => {
    if (from >= 0) parts.push(from === to ? `${from}` : `${from}:${to}`)
  }
  for (const number of numbers) {
    if (number === to + 1 && from >= 0) {
      to = number
      continue
    }
    flush()
    from = number
    to = number
  }
  flush()
  return parts.join(',')
}
