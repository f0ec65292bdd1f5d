// SELECT and EXAMINE (RFC 9051 §6.3.2, RFC 7162 §3.1.8 and §3.2.5), CLOSE and UNSELECT (§6.4.1, §6.4.2).
import type { Rights } from '../../../domain/account/sharing.ts'
import type { FolderRow } from '../../../projections/queries.ts'
import type { Arguments } from '../arguments.ts'
import { BadCommand } from '../errors.ts'
import { permitted } from '../places.ts'
import { SYSTEM, spelled } from '../respond/flags.ts'
import { ROWS, Selected } from '../selected.ts'
import { resolveSet, type SequenceSet, writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'
import type { Answer, Command } from './command.ts'
import { expungeDeleted } from './expunge.ts'

/** What a client still knows of the mailbox from the last time. */
interface Resync {
  readonly uidValidity: number
  readonly modseq: number
  readonly known: Exclude<SequenceSet, '$'> | undefined
}

const opening = (name: 'SELECT' | 'EXAMINE'): Command => ({
  name,
  when: 'signed-in',
  async run(session, args): Promise<Answer> {
    args.space()
    const path = session.nameIn(args.astring())
    const resync = readParameters(session, args)
    args.end()
    const before = session.selected
    session.selected = undefined
    const place = await session.needPlace(path, 'r')
    const { folder, rights } = place
    const { services, out } = session
    if (before) out.line('* OK [CLOSED] The mailbox before is closed')
    // RFC 4314 §5.2: who may change nothing is told so.
    const readOnly = name === 'EXAMINE' || !/[swtie]/.test(rights)
    const selected = await Selected.open(services, place, readOnly)
    session.selected = selected
    out.line(`* FLAGS (${SYSTEM} $Forwarded $Junk $NotJunk $Phishing $MDNSent)`)
    out.line(`* OK [PERMANENTFLAGS (${selected.readOnly ? '' : permanentFlags(rights)})] Flags that stay`)
    out.line(`* ${selected.uids.length} EXISTS`)
    if (!session.rev2) {
      out.line('* 0 RECENT')
      const unseen = await firstUnseen(session, folder)
      if (unseen > 0) out.line(`* OK [UNSEEN ${unseen}] The first unread message`)
    }
    out.line(`* OK [UIDVALIDITY ${folder.uidValidity}] UIDs are valid`)
    out.line(`* OK [UIDNEXT ${folder.uidNext}] The next UID, or a lower bound of it`)
    out.line(`* OK [HIGHESTMODSEQ ${folder.modseq}] The newest change`)
    out.line(`* OK [MAILBOXID (${folder.id})] The name that stays when it is renamed`)
    if (session.rev2) out.line(`* LIST () "/" ${session.nameOut(place.path)}`)
    if (resync && resync.uidValidity === folder.uidValidity) await catchUp(session, selected, resync)
    return { code: selected.readOnly ? 'READ-ONLY' : 'READ-WRITE' }
  },
})

function permanentFlags(rights: Rights): string {
  const system = SYSTEM.split(' ').map((flag) => flag.toLowerCase())
  const may = [...permitted(rights, system).map(spelled), ...(rights.includes('w') ? ['\\*'] : [])]
  return may.join(' ')
}

export const select = opening('SELECT')
export const examine = opening('EXAMINE')

function readParameters(session: Session, args: Arguments): Resync | undefined {
  if (!args.taken(' ')) return undefined
  let resync: Resync | undefined
  args.list(() => {
    const name = args.word()
    if (name === 'CONDSTORE') session.enabled.add('CONDSTORE')
    else if (name === 'QRESYNC') {
      if (!session.enabled.has('QRESYNC')) throw new BadCommand('ENABLE QRESYNC first')
      args.space()
      resync = readResync(args)
    } else throw new BadCommand(`There is no parameter ${name.slice(0, 40)}`)
  })
  return resync
}

function readResync(args: Arguments): Resync {
  args.expect('(')
  const uidValidity = args.nonZero()
  args.space()
  const modseq = args.nonZero()
  let known: Resync['known']
  if (args.taken(' ')) {
    if (args.peek() !== '(') {
      const set = args.set()
      if (set === '$') throw new BadCommand('Known UIDs are numbers')
      known = set
      args.taken(' ')
    }
    // Pairs of numbers and UIDs help servers that forget. This one does not.
    if (args.peek() === '(') {
      args.expect('(')
      args.set()
      args.space()
      args.set()
      args.expect(')')
    }
  }
  args.expect(')')
  return { uidValidity, modseq, known }
}

/** Departures and flag changes since the client's MODSEQ, however long ago (RFC 7162 §3.2.5.1). */
async function catchUp(session: Session, selected: Selected, { modseq, known }: Resync): Promise<void> {
  const { services, out } = session
  const ranges = known && resolveSet(known, selected.highest)
  const inKnown = (uid: number) => !ranges || ranges.some(([from, to]) => uid >= from && uid <= to)
  const gone = await (await session.viewed(selected.account)).vanishedSince(selected.account, selected.folderId, modseq)
  const told = gone.filter((uid) => inKnown(uid) && selected.sequenceOf(uid) === 0)
  if (told.length > 0) out.line(`* VANISHED (EARLIER) ${writeSet(told)}`)
  for (let from = 0; ; ) {
    const options = { from, changedSince: modseq, limit: ROWS }
    const rows = await services.mailbox.uidRange(selected.account, selected.folderId, options)
    for (const row of rows) if (inKnown(row.uid)) session.flags(row)
    await out.drained()
    const last = rows.at(-1)
    if (rows.length < ROWS || !last) return
    from = last.uid + 1
  }
}

/** Searching a long mailbox for it would make every SELECT slow, and it may be left out (RFC 3501 §6.3.1). */
const WORTH_LOOKING = 20_000

/** RFC 3501 has clients jump to it; IMAP4rev2 dropped it. */
async function firstUnseen(session: Session, folder: FolderRow): Promise<number> {
  if (folder.unread === 0 || folder.total > WORTH_LOOKING) return 0
  const uid = (await session.mailbox.index())?.firstWithout('\\seen') ?? 0
  return uid === 0 ? 0 : session.mailbox.sequenceOf(uid)
}

export const close: Command = {
  name: 'CLOSE',
  when: 'selected',
  async run(session, args) {
    args.end()
    const { mailbox: selected } = session
    session.selected = undefined
    await selected.sync(true)
    if (!selected.readOnly && selected.rights.includes('e')) await expungeDeleted(session, selected, selected.uids)
    return {}
  },
}

export const unselect: Command = {
  name: 'UNSELECT',
  when: 'selected',
  run(session, args) {
    args.end()
    session.selected = undefined
    return {}
  },
}
