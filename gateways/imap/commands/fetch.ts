// FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 7162 §3.1.4, RFC 3516, RFC 8474, RFC 8970, RFC 9394).
import { changeMailbox } from '../../../commands/change-mailbox.ts'
import { mailboxStream } from '../../../domain/log.ts'
import type { UidRow } from '../../../projections/queries.ts'
import type { Arguments } from '../arguments.ts'
import { BadCommand, Refused } from '../errors.ts'
import { type FetchItem, marksSeen, needsContent, readItems } from '../fetch-items.ts'
import { OpenMessage } from '../message.ts'
import { isDescription, isOfRow, writeFetch, writeRow } from '../respond/fetch.ts'
import { savedDates } from '../saved-dates.ts'
import { type PartialRange, partOf, readPartial } from '../search/results.ts'
import { writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'
import type { Answer, Command } from './command.ts'

/** Messages opened at once: what a long FETCH holds in memory. */
const OPENED = 20

export const fetch: Command = {
  name: 'FETCH',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid }): Promise<Answer> {
    args.space()
    const set = args.set()
    args.space()
    const asked = readItems(args)
    const { changedSince, vanished, partial } = readModifiers(args)
    args.end()
    if (partial && !byUid) throw new BadCommand('PARTIAL is of UID FETCH')
    if (vanished && !(byUid && session.enabled.has('QRESYNC')))
      throw new BadCommand('VANISHED needs UID FETCH and ENABLE QRESYNC')
    if (changedSince !== undefined || asked.some(({ kind }) => kind === 'MODSEQ')) session.enabled.add('CONDSTORE')
    const named = session.mailbox.resolve(set, byUid)
    const uids = partial ? await within(session, named, changedSince ?? 0, partial) : named
    if (vanished && changedSince !== undefined) await tellVanished(session, changedSince, named, set)
    const items = await complete(session, asked, byUid, changedSince !== undefined)
    const quiet = await fetchAll(session, items, uids, changedSince ?? 0)
    return { holdExpunges: !byUid, quiet }
  },
}

interface Modifiers {
  readonly changedSince?: number
  readonly vanished: boolean
  readonly partial?: PartialRange
}

function readModifiers(args: Arguments): Modifiers {
  if (!args.taken(' ')) return { vanished: false }
  let changedSince: number | undefined
  let partial: PartialRange | undefined
  let vanished = false
  args.list(() => {
    const name = args.word()
    if (name === 'CHANGEDSINCE') {
      args.space()
      changedSince = args.nonZero()
    } else if (name === 'VANISHED') vanished = true
    else if (name === 'PARTIAL') {
      args.space()
      partial = readPartial(args)
    } else throw new BadCommand(`There is no modifier ${name.slice(0, 40)}`)
  })
  if (vanished && changedSince === undefined) throw new BadCommand('VANISHED needs CHANGEDSINCE')
  return { vanished, ...(changedSince === undefined ? {} : { changedSince }), ...(partial ? { partial } : {}) }
}

/** RFC 9394 §3.4: counts among the messages that would be answered. */
async function within(
  session: Session,
  uids: readonly number[],
  changedSince: number,
  partial: PartialRange,
): Promise<readonly number[]> {
  if (changedSince === 0) return partOf(uids, partial)
  const changed: number[] = []
  for await (const rows of session.mailbox.rows(uids))
    for (const { uid, modseq } of rows) if (modseq > changedSince) changed.push(uid)
  return partOf(changed, partial)
}

/** Items of an answer that nobody asked for by number (RFC 5465 §5.2). */
export function withUid(session: Session, items: readonly FetchItem[]): readonly FetchItem[] {
  const told = items.some(({ kind }) => kind === 'UID') || session.enabled.has('UIDONLY')
  return told ? items : [{ kind: 'UID' }, ...items]
}

/** UID is always told to UID FETCH, MODSEQ to who asked for changes. */
async function complete(
  session: Session,
  asked: readonly FetchItem[],
  byUid: boolean,
  withModseq: boolean,
): Promise<readonly FetchItem[]> {
  const has = (kind: FetchItem['kind']) => asked.some((item) => item.kind === kind)
  const items = [...asked]
  if (byUid && !has('UID') && !session.enabled.has('UIDONLY')) items.unshift({ kind: 'UID' })
  if (withModseq && !has('MODSEQ')) items.push({ kind: 'MODSEQ' })
  return items
}

/** Sends the answers; marks messages as read where an item says so, and answers the UIDs of those. */
export async function fetchAll(
  session: Session,
  items: readonly FetchItem[],
  uids: readonly number[],
  changedSince: number,
): Promise<ReadonlySet<number>> {
  const { mailbox: selected, services, out } = session
  const marked = new Set<number>()
  const seen = items.some(marksSeen) && !selected.readOnly && selected.rights.includes('s')
  const content = items.some(needsContent)
  const withFlags: readonly FetchItem[] = items.some(({ kind }) => kind === 'FLAGS')
    ? items
    : [...items, { kind: 'FLAGS' }]
  for await (const page of selected.rows(uids)) {
    const changed = changedSince > 0 ? page.filter(({ modseq }) => modseq > changedSince) : page
    const step = content ? OPENED : changed.length
    for (let i = 0; i < changed.length; i += Math.max(1, step)) {
      let rows: readonly UidRow[] = changed.slice(i, i + step)
      const unread = seen ? rows.filter(({ flags }) => !flags.includes('\\seen')) : []
      if (unread.length > 0) {
        await markSeen(session, unread)
        for (const { uid } of unread) marked.add(uid)
        const again = new Map<number, UidRow>()
        for await (const fresh of selected.rows(rows.map(({ uid }) => uid)))
          for (const row of fresh) again.set(row.uid, row)
        rows = rows.map((row) => again.get(row.uid) ?? row)
      }
      await writePage(session, rows, (row) => (marked.has(row.uid) ? withFlags : items))
      await out.drained()
    }
  }
  services.count('imap_fetch')
  return marked
}

async function writePage(
  session: Session,
  rows: readonly UidRow[],
  itemsOf: (row: UidRow) => readonly FetchItem[],
): Promise<void> {
  const { services } = session
  const { account } = session.mailbox
  if (rows.every((row) => itemsOf(row).every(isOfRow))) {
    for (const row of rows) writeRow(session, itemsOf(row), row)
    return
  }
  const all = rows.flatMap((row) => itemsOf(row).map(({ kind }) => kind))
  const { rendered } = services
  const toOpen = rows.filter((row) =>
    itemsOf(row).some(
      (item) => needsContent(item) && !(isDescription(item) && rendered.get(row.position, item.kind) !== undefined),
    ),
  )
  const wantsListed = all.includes('THREADID') || all.includes('PREVIEW')
  const opened =
    toOpen.length > 0
      ? await OpenMessage.openAll(services, mailboxStream(account), toOpen)
      : new Map<number, OpenMessage>()
  const listed = new Map(
    wantsListed
      ? (
          await (
            await session.viewed(account)
          ).messagesById(
            account,
            rows.map(({ id }) => id),
          )
        ).map((row) => [row.id, row] as const)
      : [],
  )
  const uids = all.includes('SAVEDATE') ? rows.map(({ uid }) => uid) : []
  const saved = await savedDates(services, account, uids)
  for (const row of rows) {
    const facts = { row, message: opened.get(row.uid), listed: listed.get(row.id), savedAt: saved.get(row.uid) }
    await writeFetch(session, itemsOf(row), facts)
  }
}

async function markSeen(session: Session, rows: readonly UidRow[]): Promise<void> {
  const { services } = session
  const { account } = session.mailbox
  const messageIds = rows.map(({ id }) => id)
  const outcome = await changeMailbox(services, session.context(), account, {
    type: 'ChangeFlags',
    messageIds,
    add: ['\\seen'],
    remove: [],
  })
  if (outcome.ok) await session.reflect(outcome.revision, account)
  // Expunged meanwhile: then nothing needs to be marked.
  else if (outcome.refusal.code !== 'no-such-message') throw new Refused(outcome.refusal.message)
}

/** RFC 7162 §3.2.6: what left of the UIDs asked for, since then. */
async function tellVanished(
  session: Session,
  since: number,
  known: readonly number[],
  set: ReturnType<Arguments['set']>,
): Promise<void> {
  const { mailbox: selected, out } = session
  const here = new Set(known)
  const gone = (
    await (await session.viewed(selected.account)).vanishedSince(selected.account, selected.folderId, since)
  ).filter((uid) => !here.has(uid) && (set === '$' || set.some(([from, to]) => uid >= from && uid <= to)))
  if (gone.length > 0) out.line(`* VANISHED (EARLIER) ${writeSet(gone)}`)
}
