// SORT and UID SORT (RFC 5256, RFC 5957 DISPLAY, RFC 5267 ESORT).
import { BadCommand } from '../errors.ts'
import { CriteriaReader } from '../search/criteria.ts'
import { searchMailbox } from '../search/evaluate.ts'
import { ccOf, fromRow, type Listed, listedOf } from '../search/listed.ts'
import { readResultOptions, save, writeExtended } from '../search/results.ts'
import type { Session } from '../session.ts'
import type { Answer, Command, CommandArguments } from './command.ts'

const KEYS = ['ARRIVAL', 'CC', 'DATE', 'FROM', 'SIZE', 'SUBJECT', 'TO', 'DISPLAYFROM', 'DISPLAYTO'] as const
type Key = (typeof KEYS)[number]
interface Order {
  readonly key: Key
  readonly reverse: boolean
}

export const sort: Command = {
  name: 'SORT',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid, tag }): Promise<Answer> {
    args.space()
    let options: ReturnType<typeof readResultOptions> | undefined
    if (args.lookingAt('RETURN')) {
      args.word()
      options = readResultOptions(args)
      args.space()
    }
    const orders = readOrders(args)
    args.space()
    const reader = new CriteriaReader(args, session.services.now())
    reader.charset(args.astring())
    args.space()
    const criterion = reader.keys()
    args.end()
    const [only] = orders
    if (!options && orders.length === 1 && only?.key === 'DATE' && !only.reverse && criterion.kind === 'all') {
      tell(session, (await session.mailbox.index())?.byDate() ?? [], byUid)
      return { holdExpunges: !byUid }
    }
    const rows = await searchMailbox(session, criterion)
    const cc = orders.some(({ key }) => key === 'CC') ? await ccOf(session, rows) : new Map<number, string>()
    const byNumber = new Map(rows.map((row) => [row.uid, row]))
    const facts = orders.every(({ key }) => BY_ROW.has(key)) ? rows.map(fromRow) : await listedOf(session, rows)
    const listed = [...facts].sort(comparer(orders, cc))
    const sorted = listed.flatMap(({ uid }) => byNumber.get(uid) ?? [])
    if (options) {
      if (options.save) save(session, sorted, options)
      writeExtended(session, sorted, options, { tag, byUid, ordered: true, modseq: false })
    } else {
      tell(
        session,
        sorted.map(({ uid }) => uid),
        byUid,
      )
    }
    return { holdExpunges: !byUid }
  },
}

/** Keys that the folder's index holds. */
const BY_ROW: ReadonlySet<Key> = new Set<Key>(['ARRIVAL', 'DATE', 'SIZE', 'CC'])

/** Those that this client knows: it may not have been told of the newest. */
function tell(session: Session, uids: readonly number[], byUid: boolean): void {
  const numbers: number[] = []
  for (const uid of uids) {
    const sequence = session.mailbox.sequenceOf(uid)
    if (sequence > 0) numbers.push(byUid ? uid : sequence)
  }
  session.out.line(numbers.length === 0 ? '* SORT' : `* SORT ${numbers.join(' ')}`)
}

function readOrders(args: CommandArguments): readonly Order[] {
  return args.list(() => {
    let reverse = false
    let word = args.word()
    if (word === 'REVERSE') {
      reverse = true
      args.space()
      word = args.word()
    }
    if (!KEYS.includes(word as Key)) throw new BadCommand(`There is no sort key ${word.slice(0, 40)}`)
    return { key: word as Key, reverse }
  })
}

/** Equal ones stay in the order of the mailbox (RFC 5256 §3). */
function comparer(orders: readonly Order[], cc: ReadonlyMap<number, string>): (a: Listed, b: Listed) => number {
  return (a, b) => {
    for (const { key, reverse } of orders) {
      const difference = compare(key, a, b, cc)
      if (difference !== 0) return reverse ? -difference : difference
    }
    return a.uid - b.uid
  }
}

function compare(key: Key, a: Listed, b: Listed, cc: ReadonlyMap<number, string>): number {
  switch (key) {
    case 'ARRIVAL':
      return a.receivedAt - b.receivedAt
    case 'DATE':
      return a.sentAt - b.sentAt
    case 'SIZE':
      return a.size - b.size
    case 'SUBJECT':
      return text(a.subject, b.subject)
    case 'FROM':
      return text(a.from, b.from)
    case 'TO':
      return text(a.to, b.to)
    case 'DISPLAYFROM':
      return text(a.fromShown, b.fromShown)
    case 'DISPLAYTO':
      return text(a.toShown, b.toShown)
    case 'CC':
      return text(cc.get(a.uid) ?? '', cc.get(b.uid) ?? '')
    default: {
      const _: never = key
      return _
    }
  }
}

const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
