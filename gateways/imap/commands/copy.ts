// COPY and MOVE with their UID variants (RFC 9051 §6.4.7 and §6.4.8, RFC 6851, RFC 4315).
import { changeMailbox } from '../../../commands/change-mailbox.ts'
import { derivedId } from '../../../commands/identity.ts'
import type { MailboxCommand } from '../../../domain/mailbox/mailbox.ts'
import type { UidRow } from '../../../projections/queries.ts'
import { copyAcross } from '../copy-across.ts'
import { Refused } from '../errors.ts'
import { demand, type Place } from '../places.ts'
import { writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'
import type { Answer, Command, CommandArguments } from './command.ts'
import { expungeMessages } from './expunge.ts'

/** Each message copied is two ids to the command, and it takes 10,000. */
const AT_ONCE = 5_000

async function readTarget(
  session: Session,
  args: CommandArguments,
  byUid: boolean,
): Promise<{ readonly uids: readonly number[]; readonly target: Place }> {
  args.space()
  const set = args.set()
  args.space()
  const path = session.nameIn(args.astring())
  args.end()
  // The code that lets a client make it and try again.
  const target = await session.needPlace(path, 'i', 'TRYCREATE')
  return { uids: session.mailbox.resolve(set, byUid), target }
}

async function run(session: Session, command: MailboxCommand): Promise<void> {
  const { account } = session.mailbox
  const outcome = await changeMailbox(session.services, session.context(), account, command)
  if (!outcome.ok)
    throw new Refused(outcome.refusal.message, outcome.refusal.code === 'no-such-message' ? 'EXPUNGEISSUED' : undefined)
  await session.reflect(outcome.revision, account)
}

/** Which UID became which message there. */
type Pair = { readonly from: number; readonly id: string }

/** `COPYUID validity from to`: pairs in the same order (RFC 4315 §3). */
async function copyUid(
  session: Session,
  { account, folder }: Place,
  pairs: readonly Pair[],
): Promise<string | undefined> {
  const index = await session.services.live.of(account).index(folder.id)
  const known = pairs
    .map(({ from, id }) => ({ from, to: index?.uidOf(id) ?? 0 }))
    .filter(({ to }) => to > 0)
    .sort((a, b) => a.to - b.to)
  if (known.length === 0) return undefined
  return `COPYUID ${folder.uidValidity} ${writeSet(known.map(({ from }) => from))} ${writeSet(known.map(({ to }) => to))}`
}

export const copy: Command = {
  name: 'COPY',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid }): Promise<Answer> {
    const { uids, target } = await readTarget(session, args, byUid)
    const code = await copyUid(session, target, await copyTo(session, uids, target))
    return { holdExpunges: !byUid, ...(code ? { code } : {}) }
  },
}

async function copyTo(session: Session, uids: readonly number[], target: Place): Promise<readonly Pair[]> {
  // A copy keeps all flags: where some may not be set, it is a message of its own, as it is in another's mailbox.
  if (target.account !== session.mailbox.account || !/s.*w.*t/.test(target.rights))
    return copyAcross(session, uids, target)
  const context = session.context()
  const pairs: Pair[] = []
  for await (const rows of pages(session, uids)) {
    const copies = rows.map(({ id }) => ({ messageId: id, copyId: derivedId('copy', context.commandId, id) }))
    await run(session, { type: 'CopyMessages', copies, folderId: target.folder.id })
    for (const [i, { uid }] of rows.entries()) pairs.push({ from: uid, id: copies[i]?.copyId ?? '' })
  }
  return pairs
}

export const move: Command = {
  name: 'MOVE',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid }): Promise<Answer> {
    const selected = session.writable
    demand(selected, 'te')
    const { uids, target } = await readTarget(session, args, byUid)
    if (target.folder.id === selected.folderId) return {}
    const pairs: Pair[] = []
    const across = target.account !== selected.account
    if (across) pairs.push(...(await copyTo(session, uids, target)))
    else
      for await (const rows of pages(session, uids)) {
        await run(session, { type: 'MoveMessages', messageIds: rows.map(({ id }) => id), folderId: target.folder.id })
        for (const { uid, id } of rows) pairs.push({ from: uid, id })
      }
    // RFC 6851 §4.3: told before the departures that follow.
    const code = await copyUid(session, target, pairs)
    if (code) session.out.line(`* OK [${code}] Moved`)
    if (across) {
      const moved = new Set(pairs.map(({ from }) => from))
      for await (const rows of pages(session, uids)) {
        const ids = rows.filter(({ uid }) => moved.has(uid)).map(({ id }) => id)
        await expungeMessages(session, selected, ids)
      }
    }
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
