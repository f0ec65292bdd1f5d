// Searches whose results a client follows (RFC 5267 §4.3): what joins a result is told by ADDTO, what leaves it by REMOVEFROM.
import { fetchAll, withUid } from '../commands/fetch.ts'
import type { FetchItem } from '../fetch-items.ts'
import { quoted } from '../respond/strings.ts'
import { writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'
import type { Criterion } from './criteria.ts'
import { searchMailbox } from './evaluate.ts'

interface Context {
  readonly tag: string
  readonly byUid: boolean
  /** Told of what joins (RFC 5465 §7). */
  readonly fetch: readonly FetchItem[]
  readonly criterion: Criterion
  readonly members: Set<number>
}

export const MAX_CONTEXTS = 10
/** UIDs in all results of one session. */
const MAX_MEMBERS = 1_000_000

export class SearchContexts {
  readonly #contexts = new Map<string, Context>()

  get any(): boolean {
    return this.#contexts.size > 0
  }

  has(tag: string): boolean {
    return this.#contexts.has(tag)
  }

  /** False when there are too many already. */
  add(
    { tag, byUid, fetch }: Pick<Context, 'tag' | 'byUid' | 'fetch'>,
    criterion: Criterion,
    uids: readonly number[],
  ): boolean {
    let members = uids.length
    for (const each of this.#contexts.values()) members += each.members.size
    if (this.#contexts.size >= MAX_CONTEXTS || (this.any && members > MAX_MEMBERS)) return false
    this.#contexts.set(tag, { tag, byUid, fetch, criterion, members: new Set(uids) })
    return true
  }

  cancel(tag: string): void {
    this.#contexts.delete(tag)
  }

  /** Before the departures themselves are told, so that message numbers still stand (RFC 5267 §4.3.4). */
  tellRemoved(session: Session, expunged: readonly { readonly sequence: number; readonly uid: number }[]): void {
    for (const context of this.#contexts.values()) {
      const gone: number[] = []
      // Each number is as it is after the departures before it.
      for (const [i, { sequence, uid }] of expunged.entries())
        if (context.members.delete(uid)) gone.push(context.byUid ? uid : sequence + i)
      tell(session, context, 'REMOVEFROM', gone)
    }
  }

  /** Looks again at messages that are new or have changed. */
  async tellChanged(session: Session, uids: readonly number[]): Promise<void> {
    const among = uids.toSorted((a, b) => a - b)
    for (const context of this.#contexts.values()) {
      const matching = new Set((await searchMailbox(session, context.criterion, among)).map(({ uid }) => uid))
      const left = among.filter((uid) => !matching.has(uid) && context.members.delete(uid))
      const joined = among.filter((uid) => matching.has(uid) && !context.members.has(uid))
      for (const uid of joined) context.members.add(uid)
      const number = (uid: number) => (context.byUid ? uid : session.mailbox.sequenceOf(uid))
      tell(session, context, 'REMOVEFROM', left.map(number))
      tell(session, context, 'ADDTO', joined.map(number))
      if (context.fetch.length > 0 && joined.length > 0)
        await fetchAll(session, withUid(session, context.fetch), joined, 0)
    }
  }
}

/** Position 0: the result is in mailbox order, and the client keeps it so. */
function tell(
  { out }: Session,
  { tag, byUid }: Context,
  what: 'ADDTO' | 'REMOVEFROM',
  numbers: readonly number[],
): void {
  if (numbers.length === 0) return
  out.line(`* ESEARCH (TAG ${quoted(tag)})${byUid ? ' UID' : ''} ${what} (0 ${writeSet(numbers)})`)
}
