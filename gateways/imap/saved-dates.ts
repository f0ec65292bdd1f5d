// SAVEDATE (RFC 8514): when a message came into its mailbox, which is the moment of the event that gave it its UID.
import { type AccountId, isRedacted, mailboxStream } from '../../domain/log.ts'
import type { ImapServices } from './services.ts'

/** Events between two that are wanted that are read rather than jumped over. */
const GAP = 50
const AT_ONCE = 1_000

/** Epoch milliseconds by UID; nothing for messages that were erased meanwhile. */
export async function savedDates(
  { source }: Pick<ImapServices, 'source'>,
  account: AccountId,
  uids: readonly number[],
  progress: (done: number) => void = () => undefined,
): Promise<ReadonlyMap<number, number>> {
  const dates = new Map<number, number>()
  for (let i = 0; i < uids.length; ) {
    const first = uids[i] as number
    let last = first
    let next = i + 1
    for (; next < uids.length && (uids[next] as number) - last <= GAP; next++) {
      if ((uids[next] as number) - first >= AT_ONCE) break
      last = uids[next] as number
    }
    const wanted = new Set(uids.slice(i, next))
    const range = { from: BigInt(first - 1), limit: last - first + 1 }
    for await (const event of source.readStream(mailboxStream(account), range)) {
      const uid = Number(event.revision) + 1
      if (wanted.has(uid) && !isRedacted(event)) dates.set(uid, event.metadata.at)
    }
    progress(next)
    i = next
  }
  return dates
}
