// STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).
import { changeMailbox, MAX_MESSAGES_PER_COMMAND } from '../../../commands/change-mailbox.ts'
import { normalizeFlag } from '../../../domain/mail/flags.ts'
import type { UidRow } from '../../../projections/queries.ts'
import { BadCommand, Refused } from '../errors.ts'
import { demand, permitted } from '../places.ts'
import { writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'
import type { Answer, Command, CommandArguments } from './command.ts'

type Mode = 'add' | 'remove' | 'replace'

export const store: Command = {
  name: 'STORE',
  when: 'selected',
  uid: true,
  async run(session, args, { byUid }): Promise<Answer> {
    args.space()
    const set = args.set()
    args.space()
    const unchangedSince = args.peek() === '(' ? readUnchangedSince(args) : undefined
    const { mode, silent } = readMode(args)
    args.space()
    const flags = readFlags(args)
    args.end()
    if (unchangedSince !== undefined) session.enabled.add('CONDSTORE')
    const selected = session.writable
    const uids = selected.resolve(set, byUid)
    const rows: UidRow[] = []
    const modified: number[] = []
    for await (const page of selected.rows(uids)) {
      for (const row of page) {
        if (unchangedSince !== undefined && row.modseq > unchangedSince) modified.push(row.uid)
        else rows.push(row)
      }
    }
    const may = permitted(selected.rights, flags)
    if (may.length < flags.length && may.length === 0) demand(selected, neededFor(flags))
    await change(session, rows, mode, may)
    const quiet = new Set(rows.map(({ uid }) => uid))
    await answer(session, rows, silent)
    const names = byUid ? modified : modified.map((uid) => selected.sequenceOf(uid))
    return {
      holdExpunges: !byUid,
      quiet,
      ...(modified.length > 0 ? { code: `MODIFIED ${writeSet(names)}` } : {}),
    }
  },
}

/** The rights that changing one of the flags takes. */
const neededFor = (flags: readonly string[]): string =>
  [...'stw'].filter((right) => flags.some((flag) => permitted(right, [flag]).length > 0)).join('')

function readUnchangedSince(args: CommandArguments): number {
  args.expect('(')
  if (args.word() !== 'UNCHANGEDSINCE') throw new BadCommand('Expected UNCHANGEDSINCE')
  args.space()
  const modseq = args.number()
  args.expect(')')
  args.space()
  return modseq
}

function readMode(args: CommandArguments): { readonly mode: Mode; readonly silent: boolean } {
  const mode = args.taken('+') ? 'add' : args.taken('-') ? 'remove' : 'replace'
  const name = args.word()
  if (name !== 'FLAGS' && name !== 'FLAGS.SILENT') throw new BadCommand('Expected FLAGS')
  return { mode, silent: name === 'FLAGS.SILENT' }
}

/** A list, or flags without parentheses. Flags that cannot be kept are refused; \Recent is nobody's to set. */
export function readFlags(args: CommandArguments): readonly string[] {
  const inList = args.peek() === '('
  const written = inList ? args.list(() => args.flag(), true) : [args.flag()]
  while (!inList && args.taken(' ')) written.push(args.flag())
  return written
    .filter((flag) => flag.toLowerCase() !== '\\recent')
    .map((flag) => {
      const normal = normalizeFlag(flag)
      if (normal === undefined) throw new BadCommand(`${flag.slice(0, 40)} is not a flag that can be set`)
      return normal
    })
}

async function change(session: Session, rows: readonly UidRow[], mode: Mode, flags: readonly string[]): Promise<void> {
  if (mode !== 'replace') {
    const none: readonly string[] = []
    const [add, remove] = mode === 'add' ? [flags, none] : [none, flags]
    return apply(session, rows, add, remove)
  }
  // To replace is to take away what each has and should not have: messages alike are one change.
  const alike = new Map<string, { readonly remove: readonly string[]; readonly rows: UidRow[] }>()
  for (const row of rows) {
    const remove = permitted(session.mailbox.rights, row.flags).filter((flag) => !flags.includes(flag))
    const key = remove.join(' ')
    const group = alike.get(key) ?? { remove, rows: [] }
    group.rows.push(row)
    alike.set(key, group)
  }
  for (const { remove, rows: group } of alike.values()) await apply(session, group, flags, remove)
}

async function apply(
  session: Session,
  rows: readonly UidRow[],
  add: readonly string[],
  remove: readonly string[],
): Promise<void> {
  for (let i = 0; i < rows.length; i += MAX_MESSAGES_PER_COMMAND) {
    session.progress.step(i, rows.length)
    const messageIds = rows.slice(i, i + MAX_MESSAGES_PER_COMMAND).map(({ id }) => id)
    const command = { type: 'ChangeFlags' as const, messageIds, add, remove }
    let outcome = await changeMailbox(session.services, session.context(), session.mailbox.account, command)
    if (!outcome.ok && outcome.refusal.code === 'no-such-message') {
      // Another client expunged some of them: the others still get their flags.
      const { messages } = await session.services.snapshots.snapshot(session.mailbox.account, messageIds)
      const left = messages.filter(({ expunged }) => !expunged).map(({ id }) => id)
      const some = { ...command, messageIds: left }
      outcome = await changeMailbox(session.services, session.context(), session.mailbox.account, some)
    }
    if (!outcome.ok)
      throw new Refused(outcome.refusal.message, outcome.refusal.code === 'too-many' ? 'LIMIT' : undefined)
    await session.reflect(outcome.revision, session.mailbox.account)
  }
}

/** The flags as they are now; without `silent` for all, with it only MODSEQ for who watches it (RFC 7162 §3.1.3). */
async function answer(session: Session, rows: readonly UidRow[], silent: boolean): Promise<void> {
  if (silent && !session.condstore) return
  for await (const page of session.mailbox.rows(rows.map(({ uid }) => uid))) {
    for (const row of page) {
      if (silent) session.fetched(row.uid, [`MODSEQ (${row.modseq})`], true)
      else session.flags(row)
    }
    await session.out.drained()
  }
}
