// CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8, RFC 6154 §5.3).
import { changeAccount } from '../../../commands/change-account.ts'
import { changeMailbox } from '../../../commands/change-mailbox.ts'
import { newId } from '../../../commands/identity.ts'
import type { FolderRole, MailboxCommand } from '../../../domain/mailbox/mailbox.ts'
import { BadCommand, Refused } from '../errors.ts'
import { DELIMITER, type FolderTree, SPECIAL_USE, splitPath } from '../names.ts'
import { demand, isOthers } from '../places.ts'
import type { Session } from '../session.ts'
import type { Command, CommandArguments } from './command.ts'

/** RFC 5530 codes of the domain's refusals. */
const CODES: Readonly<Record<string, string>> = {
  'no-such-folder': 'NONEXISTENT',
  'name-taken': 'ALREADYEXISTS',
  'bad-name': 'CANNOT',
  'not-allowed': 'CANNOT',
  'too-many': 'LIMIT',
  busy: 'INUSE',
}

async function change(session: Session, command: MailboxCommand, account = session.accountId): Promise<void> {
  const outcome = await changeMailbox(session.services, session.context(), account, command)
  if (!outcome.ok) throw new Refused(outcome.refusal.message, CODES[outcome.refusal.code])
  await session.reflect(outcome.revision, account)
}

export const create: Command = {
  name: 'CREATE',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const path = session.nameIn(args.astring())
    const role = args.taken(' ') ? readUse(args) : undefined
    args.end()
    if (isOthers(path)) return { code: `MAILBOXID (${await makeBelow(session, path)})` }
    const tree = await session.folders()
    if (tree.find(path.endsWith(DELIMITER) ? path.slice(0, -1) : path))
      throw new Refused('There is such a mailbox already', 'ALREADYEXISTS')
    const id = await make(session, tree, splitPath(path), role)
    return { code: `MAILBOXID (${id})` }
  },
}

/** A mailbox below one of somebody else's, with the rights that are given there (RFC 4314 §3: they are inherited). */
async function makeBelow(session: Session, written: string): Promise<string> {
  const path = written.endsWith(DELIMITER) ? written.slice(0, -1) : written
  const at = path.lastIndexOf(DELIMITER)
  const parent = at < 0 ? undefined : await session.place(path.slice(0, at))
  if (!parent) throw new Refused('Mailboxes of others are made by them, or below one that you may see', 'CANNOT')
  demand(parent, 'k')
  if (await session.place(path)) throw new Refused('There is such a mailbox already', 'ALREADYEXISTS')
  const { services } = session
  const folderId = newId()
  const folder = { type: 'CreateFolder' as const, folderId, name: path.slice(at + 1), parentId: parent.folder.id }
  await change(session, folder, parent.account)
  const owner = await services.directory.account(parent.account)
  for (const { folderId: of, ...grant } of owner?.grants ?? []) {
    if (of !== parent.folder.id) continue
    const command = { type: 'ShareFolder' as const, folderId, ...grant }
    await changeAccount(services.journal, session.context(), parent.account, command)
  }
  await services.settle()
  return folderId
}

/** `(USE (\Sent))` */
function readUse(args: CommandArguments): FolderRole | undefined {
  let role: string | undefined
  args.list(() => {
    if (args.word() !== 'USE') throw new BadCommand('Only USE is known here')
    args.space()
    for (const flag of args.list(() => args.flag(), true)) {
      const found = Object.entries(SPECIAL_USE).find(([, use]) => use.toLowerCase() === flag.toLowerCase())
      if (!found || role !== undefined) throw new Refused('This use cannot be given to a mailbox', 'USEATTR')
      role = found[0]
    }
  })
  return role as FolderRole | undefined
}

/** Makes the folder and those above it that are missing; answers its id. */
async function make(session: Session, tree: FolderTree, parts: readonly string[], role?: FolderRole): Promise<string> {
  let parentId: string | null = null
  for (let i = 0; i < parts.length; i++) {
    const last = i === parts.length - 1
    const known = tree.find(parts.slice(0, i + 1).join(DELIMITER))
    if (known && !last) {
      parentId = known.id
      continue
    }
    const folderId = newId()
    const name = parts[i] ?? ''
    await change(session, { type: 'CreateFolder', folderId, name, parentId, ...(last && role ? { role } : {}) })
    parentId = folderId
  }
  return parentId ?? ''
}

export const remove: Command = {
  name: 'DELETE',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const path = session.nameIn(args.astring())
    args.end()
    const { account, folder, hasChildren } = await session.needPlace(path, 'x')
    if (hasChildren) throw new Refused('There are mailboxes below this one', 'HASCHILDREN')
    if (session.selected?.folderId === folder.id) session.selected = undefined
    await change(session, { type: 'DeleteFolder', folderId: folder.id }, account)
    return {}
  },
}

export const rename: Command = {
  name: 'RENAME',
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const from = session.nameIn(args.astring())
    args.space()
    const to = session.nameIn(args.astring())
    args.end()
    if (isOthers(from) || isOthers(to)) {
      if (await session.place(from)) throw new Refused('Mailboxes of others are renamed by them', 'CANNOT')
      throw new Refused('There is no such mailbox', 'NONEXISTENT')
    }
    const tree = await session.folders()
    const folder = tree.need(from)
    const target = tree.find(to)
    if (target && target.id !== folder.id) throw new Refused('There is such a mailbox already', 'ALREADYEXISTS')
    if (folder.role === 'inbox') {
      await emptyInbox(session, folder.id, await make(session, tree, splitPath(to)))
      return {}
    }
    const parts = splitPath(to)
    const above = parts.slice(0, -1)
    const parentId =
      above.length === 0 ? null : (tree.find(above.join(DELIMITER))?.id ?? (await make(session, tree, above)))
    const name = parts.at(-1) ?? ''
    // Where both change, a name that is taken on one side must not stop half way: the one that cannot clash goes first.
    const steps: MailboxCommand[] = []
    if (parentId !== folder.parentId) steps.push({ type: 'MoveFolder', folderId: folder.id, parentId })
    if (name !== folder.name) steps.push({ type: 'RenameFolder', folderId: folder.id, name })
    const clashes = tree.find([...above, folder.name].join(DELIMITER)) !== undefined
    if (steps.length === 2 && clashes) steps.reverse()
    for (const step of steps) await change(session, step)
    return {}
  },
}

/** Renaming INBOX moves its messages and leaves it empty (RFC 9051 §6.3.6). */
async function emptyInbox(session: Session, inbox: string, target: string): Promise<void> {
  for (;;) {
    const rows = await (await session.viewed(session.accountId)).uidRange(session.accountId, inbox, { limit: 5000 })
    if (rows.length === 0) return
    await change(session, { type: 'MoveMessages', messageIds: rows.map(({ id }) => id), folderId: target })
  }
}

const subscribing = (name: string, subscribed: boolean): Command => ({
  name,
  when: 'signed-in',
  async run(session, args) {
    args.space()
    const path = session.nameIn(args.astring())
    args.end()
    const place = await session.needPlace(path, 'l')
    if (place.account !== session.accountId) {
      if (subscribed) return {}
      throw new Refused('What others share with you is always listed', 'CANNOT')
    }
    await change(session, { type: 'SubscribeFolder', folderId: place.folder.id, subscribed })
    return {}
  },
})

export const subscribe = subscribing('SUBSCRIBE', true)
export const unsubscribe = subscribing('UNSUBSCRIBE', false)
