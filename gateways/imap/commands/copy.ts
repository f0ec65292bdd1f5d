// COPY and MOVE with their UID variants (RFC 9051 §6.4.7 and §6.4.8, RFC 6851, RFC 4315).
import { changeMailbox } from '../../../commands/change-mailbox.ts'
import { derivedId } from '../../../commands/identity.ts'
import type { MailboxCommand } from '../../../domain/mailbox/mailbox.ts'
import type { FolderRow, UidRow } from '../../../projections/queries.ts'
import { Refused } from '../errors.ts'
import { writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'
import type { Answer, Command, CommandArguments } from './command.ts'

/** Each message copied is two ids to the command, and it takes 10,000. */
const AT_ONCE = 5_000

async function readTarget(
  session: Session,
  args: CommandArguments,
  byUid: boolean,
): Promise<{ readonly uids: readonly number[]; readonly target: FolderRow }> {
  args.space()
  const set = args.set()
  args.space()
  const path = session.nameIn(args.astring())
  args.end()
  const target = (await session.folders()).find(path)
  // The code that lets a client make it and try again.
  if (!target) throw new Refused('There is no such mailbox', 'TRYCREATE')
  return { uids: session.mailbox.resolve(set, byUid), target }
}

async function run(session: Session, command: MailboxCommand): Promise<void> {
  const outcome = await changeMailbox(session.services, session.context(), session.accountId, command)
  if (!outcome.ok)
    throw new Refused(outcome.refusal.message, outcome.refusal.code === 'no-such-message' ? 'EXPUNGEISSUED' : undefined)
  await session.reflect(outcome.revision)
}

/** `COPYUID validity from to`: pairs in the same order (RFC 4315 §3). */
async function copyUid(
  session: Session,
  target: FolderRow,
  pairs: readonly { readonly from: number; readonly id: string }[],
): Promise<string | undefined> {
  const index = await session.services.live.of(session.accountId).index(target.id)
  const known = pairs
    .map(({ from, id }) => ({ from, to: index?.uidOf(id) ?? 0 }))
    .filter(({ to }) => to > 0)
    .sort((a, b) => a.to - b.to)
  if (known.length === 0) return undefined
  return `COPYUID ${target.uidValidity} ${writeSet(known.map(({ from }) => from))} ${writeSet(known.map(({ to }) => to))}`
}

export const copy: Command = {
  name: 'COPY',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid }): Promise<Answer> {
    const { uids, target } = await readTarget(session, args, byUid)
    const context = session.context()
    const pairs: { from: number; id: string }[] = []
    for await (const rows of pages(session, uids)) {
      const copies = rows.map(({ id }) => ({ messageId: id, copyId: derivedId('copy', context.commandId, id) }))
      await run(session, { type: 'CopyMessages', copies, folderId: target.id })
      for (const [i, { uid }] of rows.entries()) pairs.push({ from: uid, id: copies[i]?.copyId ?? '' })
    }
    const code = await copyUid(session, target, pairs)
    return { holdExpunges: !byUid, ...(code ? { code } : {}) }
  },
}

export const move: Command = {
  name: 'MOVE',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid }): Promise<Answer> {
    void session.writable
    const { uids, target } = await readTarget(session, args, byUid)
    if (target.id === session.mailbox.folderId) return {}
    const pairs: { from: number; id: string }[] = []
    for await (const rows of pages(session, uids)) {
      await run(session, { type: 'MoveMessages', messageIds: rows.map(({ id }) => id), folderId: target.id })
      for (const { uid, id } of rows) pairs.push({ from: uid, id })
    }
    // RFC 6851 §4.3: told before the departures that follow.
    const code = await copyUid(session, target, pairs)
    if (code) session.out.line(`* OK [${code}] Moved`)
    return {}
  },
}

async function* pages(session: Session, uids: readonly number[]): AsyncGenerator<readonly UidRow[]> {
  let gathered: UidRow[] = []
  for await (const rows of session.mailbox.rows(uids)) {
    session.progress.step(gathered.length, uids.length)
    gathered.push(...rows)
    if (gathered.length < AT_ONCE) continue
    yield gathered
    gathered = []
  }
  if (gathered.length > 0) yield gathered
}
