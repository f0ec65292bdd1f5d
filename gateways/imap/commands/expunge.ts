// EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3 and §6.4.9).
import { changeMailbox, MAX_MESSAGES_PER_COMMAND } from '../../../commands/change-mailbox.ts'
import { Refused } from '../errors.ts'
import { demand } from '../places.ts'
import type { Selected } from '../selected.ts'
import type { Session } from '../session.ts'
import type { Command } from './command.ts'

export const expunge: Command = {
  name: 'EXPUNGE',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid }) {
    let wanted: readonly number[] | undefined
    if (byUid) {
      args.space()
      const set = args.set()
      wanted = session.mailbox.resolve(set, true)
    }
    args.end()
    const selected = session.writable
    demand(selected, 'e')
    // Also those that others marked and this client has not heard of.
    if (!byUid) await session.tell({ expunge: true })
    const modseq = await expungeDeleted(session, selected, wanted ?? selected.uids)
    return session.condstore && modseq !== undefined ? { code: `HIGHESTMODSEQ ${modseq}` } : {}
  },
}

/** Expunges those of the UIDs that carry \Deleted; the MODSEQ afterwards, undefined when there was none. */
export async function expungeDeleted(
  session: Session,
  selected: Selected,
  uids: readonly number[],
): Promise<number | undefined> {
  const doomed: string[] = []
  for await (const rows of selected.rows(uids)) {
    for (const row of rows) if (row.flags.includes('\\deleted')) doomed.push(row.id)
  }
  return expungeMessages(session, selected, doomed)
}

/** The MODSEQ afterwards; undefined when there was nothing to expunge. */
export async function expungeMessages(
  session: Session,
  { account }: Pick<Selected, 'account'>,
  ids: readonly string[],
): Promise<number | undefined> {
  let modseq: number | undefined
  for (let i = 0; i < ids.length; i += MAX_MESSAGES_PER_COMMAND) {
    const messageIds = ids.slice(i, i + MAX_MESSAGES_PER_COMMAND)
    const command = { type: 'ExpungeMessages' as const, messageIds }
    const outcome = await changeMailbox(session.services, session.context(), account, command)
    if (!outcome.ok) throw new Refused(outcome.refusal.message)
    await session.reflect(outcome.revision, account)
    modseq = Number(outcome.revision) + 1
  }
  return modseq
}
