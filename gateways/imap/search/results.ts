// How SEARCH and SORT answer: plain numbers, or ESEARCH with what was asked for (RFC 4731, RFC 5182, RFC 9394).
import type { UidRow } from '../../../projections/queries.ts'
import type { Arguments } from '../arguments.ts'
import { BadCommand } from '../errors.ts'
import { type FetchItem, readItem, readItemName } from '../fetch-items.ts'
import { writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'

export interface ResultOptions {
  readonly min: boolean
  readonly max: boolean
  readonly count: boolean
  readonly all: boolean
  readonly save: boolean
  /** RFC 5267: ADDTO and REMOVEFROM follow until the mailbox is left. */
  readonly update: boolean
  /** Told of what joins the result (RFC 5465 §7). */
  readonly updateFetch: readonly FetchItem[]
  readonly partial: PartialRange | undefined
}

/** From the front when positive, from the back when negative; both inclusive, 1-based. */
export interface PartialRange {
  readonly from: number
  readonly to: number
}

/** `RETURN (…)`, already behind its name. */
export function readResultOptions(args: Arguments, { mayUpdate = false } = {}): ResultOptions {
  args.space()
  let [min, max, count, all, save, update] = [false, false, false, false, false, false]
  let updateFetch: readonly FetchItem[] = []
  let partial: PartialRange | undefined
  args.list(() => {
    const name = args.word()
    if (name === 'MIN') min = true
    else if (name === 'MAX') max = true
    else if (name === 'COUNT') count = true
    else if (name === 'ALL') all = true
    else if (name === 'SAVE') save = true
    else if (name === 'UPDATE' && mayUpdate) {
      update = true
      if (!args.lookingAtSpaceThen('(')) return
      args.space()
      updateFetch = args.list(() => readItem(args, readItemName(args)))
    }
    // A hint that more of the same will be asked: what it would prepare is always there.
    else if (name === 'CONTEXT' && mayUpdate) return
    else if (name === 'PARTIAL') {
      args.space()
      partial = readPartial(args)
    } else throw new BadCommand(`There is no result option ${name.slice(0, 40)}`)
  }, true)
  if (all && partial) throw new BadCommand('ALL and PARTIAL exclude each other')
  if (!min && !max && !count && !all && !save && !partial) all = true
  return { min, max, count, all, save, update, updateFetch, partial }
}

export function readPartial(args: Arguments): PartialRange {
  const negative = args.taken('-')
  const first = args.nonZero()
  args.expect(':')
  if (args.taken('-') !== negative) throw new BadCommand('Both ends of a partial range count from the same side')
  const second = args.nonZero()
  const sign = negative ? -1 : 1
  return { from: sign * Math.min(first, second), to: sign * Math.max(first, second) }
}

export function partOf<T>(list: readonly T[], { from, to }: PartialRange): readonly T[] {
  if (from > 0) return list.slice(from - 1, to)
  return list.slice(Math.max(0, list.length + to), list.length + from + 1)
}

/** Saves for `$` what the options say (RFC 5182 §2.1). */
export function save(
  session: Session,
  rows: readonly UidRow[],
  { min, max, all, count, partial }: ResultOptions,
): void {
  const uids = rows.map(({ uid }) => uid)
  const ends = [...(min ? uids.slice(0, 1) : []), ...(max ? uids.slice(-1) : [])]
  const chosen = (min || max) && !all && !count ? ends : partial ? partOf(uids, partial) : uids
  session.mailbox.saved = [...new Set(chosen)].sort((a, b) => a - b)
}

/** ESEARCH; `ordered` keeps the order of a sort. */
export function writeExtended(
  session: Session,
  rows: readonly UidRow[],
  options: ResultOptions,
  how: { readonly tag: string; readonly byUid: boolean; readonly ordered: boolean; readonly modseq: boolean },
): void {
  const numbers = rows.map(({ uid }) => (how.byUid ? uid : session.mailbox.sequenceOf(uid)))
  const parts = [`* ESEARCH (TAG ${JSON.stringify(how.tag)})`]
  if (how.byUid) parts.push('UID')
  if (options.min && numbers.length > 0) parts.push(`MIN ${numbers[0]}`)
  if (options.max && numbers.length > 0) parts.push(`MAX ${numbers.at(-1)}`)
  if (options.count) parts.push(`COUNT ${numbers.length}`)
  if (options.all && numbers.length > 0) parts.push(`ALL ${writeSet(numbers)}`)
  if (options.partial) {
    const { from, to } = options.partial
    const some = partOf(numbers, options.partial)
    parts.push(`PARTIAL (${from}:${to} ${some.length > 0 ? writeSet(some) : 'NIL'})`)
  }
  if (how.modseq && rows.length > 0) parts.push(`MODSEQ ${highest(rows)}`)
  session.out.line(parts.join(' '))
}

/** The highest MODSEQ among the rows. */
export const highest = (rows: readonly UidRow[]): number => rows.reduce((most, { modseq }) => Math.max(most, modseq), 0)
