// The events of a `mailbox-<accountId>` stream: everything that ever happened to one person's folders and messages.
import type { FilterVerdict } from '../filter/verdict.ts'
import type { Revision } from '../log.ts'
import { MAX_KEYWORDS, normalizeFlag } from '../mail/flags.ts'
import type { Attachment, Envelope, MimePart, Protection } from '../mail/structure.ts'

export type FolderRole = 'inbox' | 'drafts' | 'sent' | 'archive' | 'junk' | 'trash'

/** Where the raw bytes of a message lie, and the key that opens them. Kept only inside sealed payloads. */
export interface BlobRef {
  /** Content address of the stored bytes: lowercase hex of their SHA-256. */
  readonly id: string
  /** The message's own AES-256 key, base64; wrapped by being inside a payload that the account's data key seals. */
  readonly key: string
  /** Bytes of the raw message. */
  readonly size: number
}

/** What an arrival keeps of a message, so that no view ever needs the raw bytes again. */
export interface MessageContent {
  readonly blob: BlobRef
  readonly envelope: Envelope
  readonly root: MimePart
  readonly snippet: string
  readonly attachments: readonly Attachment[]
  readonly hasAttachment: boolean
  readonly hasCalendar?: boolean
  readonly hasTnef?: boolean
  readonly protection?: Protection
  readonly defects?: readonly string[]
  /** Extracted text, at most 16 KiB of UTF-8. Readers that do not ask for text get ''. */
  readonly text: string
  /** The rest of the text must be read from the blob. */
  readonly textTruncated?: boolean
  /** What the filters said of it when it came; absent for mail that no filter saw. */
  readonly verdict?: FilterVerdict
  /** Hashed facts of its header and markup, base64 (domain/filter/signals.ts): what it takes to learn from it later. */
  readonly signals?: string
}

export interface Arrival {
  readonly messageId: string
  readonly folderId: string
  /** Normalised flags. */
  readonly flags: readonly string[]
  /** IMAP INTERNALDATE, epoch milliseconds: when it came, or its original date when imported. */
  readonly receivedAt: number
  readonly content: MessageContent
}

export type MailboxEvent =
  | {
      type: 'FolderCreated'
      data: { folderId: string; name: string; parentId: string | null; role: FolderRole | null }
    }
  | { type: 'FolderRenamed'; data: { folderId: string; name: string } }
  | { type: 'FolderMoved'; data: { folderId: string; parentId: string | null } }
  | { type: 'FolderDeleted'; data: { folderId: string } }
  | { type: 'FolderSubscribed'; data: { folderId: string; subscribed: boolean } }
  | {
      type: 'MessageReceived'
      data: Arrival & {
        /** SMTP reverse-path; '' for a bounce. */
        readonly mailFrom: string
        /** The RCPT address that led here, tag included. */
        readonly recipient: string
        readonly intakeId: string
        /** The line of the filter rules that filed it; absent when no rule said where. */
        readonly filedBy?: { readonly script: string; readonly line: number }
      }
    }
  | { type: 'MessageAppended'; data: Arrival & { readonly source: 'append' | 'draft' | 'sent' | 'import' } }
  | { type: 'FlagsChanged'; data: { messageIds: readonly string[]; add: readonly string[]; remove: readonly string[] } }
  | { type: 'MessageMoved'; data: { messageId: string; folderId: string } }
  | { type: 'MessageCopied'; data: { messageId: string; copyId: string; folderId: string } }
  | { type: 'MessagesExpunged'; data: { messageIds: readonly string[] } }
  | { type: 'MessageRestored'; data: { messageId: string; folderId: string } }

export const MAILBOX_EVENT_TYPES = [
  'FolderCreated',
  'FolderRenamed',
  'FolderMoved',
  'FolderDeleted',
  'FolderSubscribed',
  'MessageReceived',
  'MessageAppended',
  'FlagsChanged',
  'MessageMoved',
  'MessageCopied',
  'MessagesExpunged',
  'MessageRestored',
] as const satisfies readonly MailboxEvent['type'][]

// ── State ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Folder {
  readonly id: string
  readonly name: string
  readonly parentId: string | null
  readonly role: FolderRole | null
  readonly subscribed: boolean
  /** Revision of its FolderCreated; plus one it is the folder's UIDVALIDITY. */
  readonly createdAt: Revision
}

export interface Message {
  readonly id: string
  readonly folderId: string
  /** Revision of its arrival in the folder; plus one it is the UID. */
  readonly arrivedAt: Revision
  /** Revision of the last event that touched it; plus one it is the MODSEQ. */
  readonly changedAt: Revision
  /** Sorted, without doubles. */
  readonly flags: readonly string[]
  /** Expunged messages stay known: they can be restored, and never arrive twice. */
  readonly expunged: boolean
}

/** All of a mailbox, or the part of it that a command asked for: then messages it did not ask for are unknown here. */
export interface Mailbox {
  readonly folders: ReadonlyMap<string, Folder>
  readonly messages: ReadonlyMap<string, Message>
}

export const emptyMailbox: Mailbox = { folders: new Map(), messages: new Map() }

// ── Evolve ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Folds one event. Total and deterministic: what cannot apply (a message that is gone, a folder that is not there) changes nothing,
 * the last move wins, and an arrival whose message id is known is the same arrival again.
 */
export function evolve(state: Mailbox, event: MailboxEvent, revision: Revision): Mailbox {
  switch (event.type) {
    case 'FolderCreated': {
      const { folderId, name, parentId, role } = event.data
      if (state.folders.has(folderId)) return state
      return withFolder(state, { id: folderId, name, parentId, role, subscribed: true, createdAt: revision })
    }
    case 'FolderRenamed':
      return patchFolder(state, event.data.folderId, { name: event.data.name })
    case 'FolderMoved': {
      const { folderId, parentId } = event.data
      if (isWithin(parentId, folderId, parentIn(state))) return state
      return patchFolder(state, folderId, { parentId })
    }
    case 'FolderSubscribed':
      return patchFolder(state, event.data.folderId, { subscribed: event.data.subscribed })
    case 'FolderDeleted':
      return withoutFolder(state, event.data.folderId, revision)
    case 'MessageReceived':
    case 'MessageAppended': {
      const { messageId, folderId, flags } = event.data
      return arrive(state, messageId, folderId, flags, revision)
    }
    case 'MessageCopied': {
      const source = state.messages.get(event.data.messageId)
      if (!source || source.expunged) return state
      return arrive(state, event.data.copyId, event.data.folderId, source.flags, revision)
    }
    case 'FlagsChanged':
      return event.data.messageIds.reduce((next, id) => changeFlags(next, id, event.data, revision), state)
    case 'MessageMoved': {
      const message = state.messages.get(event.data.messageId)
      const { folderId } = event.data
      if (!message || message.expunged || message.folderId === folderId || !state.folders.has(folderId)) return state
      return withMessage(state, { ...message, folderId, arrivedAt: revision, changedAt: revision })
    }
    case 'MessagesExpunged':
      return event.data.messageIds.reduce((next, id) => expunge(next, id, revision), state)
    case 'MessageRestored': {
      const message = state.messages.get(event.data.messageId)
      const folderId = existingFolder(state, event.data.folderId)
      if (!message?.expunged || !folderId) return state
      const flags = message.flags.filter((flag) => flag !== '\\deleted')
      return withMessage(state, {
        ...message,
        folderId,
        flags,
        expunged: false,
        arrivedAt: revision,
        changedAt: revision,
      })
    }
    default: {
      const _: never = event
      return _
    }
  }
}

/** The folder itself, or the inbox when it is gone, so that nothing that arrives is lost. */
export function existingFolder(state: Mailbox, folderId: string): string | undefined {
  if (state.folders.has(folderId)) return folderId
  return folderByRole(state, 'inbox')?.id
}

export function folderByRole(state: Mailbox, role: FolderRole): Folder | undefined {
  for (const folder of state.folders.values()) if (folder.role === role) return folder
  return undefined
}

function arrive(state: Mailbox, id: string, folder: string, flags: readonly string[], revision: Revision): Mailbox {
  const folderId = existingFolder(state, folder)
  if (state.messages.has(id) || !folderId) return state
  const message = {
    id,
    folderId,
    arrivedAt: revision,
    changedAt: revision,
    flags: sorted(new Set(flags)),
    expunged: false,
  }
  return withMessage(state, message)
}

function changeFlags(state: Mailbox, id: string, change: FlagChange, revision: Revision): Mailbox {
  const message = state.messages.get(id)
  if (!message || message.expunged) return state
  const flags = flagsAfter(message.flags, change)
  return flags === message.flags ? state : withMessage(state, { ...message, flags, changedAt: revision })
}

export interface FlagChange {
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

/** Removes, then adds. The same array when nothing changed. */
export function flagsAfter(flags: readonly string[], { add, remove }: FlagChange): readonly string[] {
  const next = new Set(flags)
  for (const flag of remove) next.delete(flag)
  for (const flag of add) next.add(flag)
  const same = next.size === flags.length && flags.every((flag) => next.has(flag))
  return same ? flags : sorted(next)
}

function expunge(state: Mailbox, id: string, revision: Revision): Mailbox {
  const message = state.messages.get(id)
  if (!message || message.expunged) return state
  return withMessage(state, { ...message, expunged: true, changedAt: revision })
}

function withoutFolder(state: Mailbox, folderId: string, revision: Revision): Mailbox {
  const folder = state.folders.get(folderId)
  if (!folder || folder.role === 'inbox' || hasChildren(state, folderId)) return state
  const folders = new Map(state.folders)
  folders.delete(folderId)
  let next: Mailbox = { ...state, folders }
  for (const message of state.messages.values()) {
    if (message.folderId === folderId) next = expunge(next, message.id, revision)
  }
  return next
}

const sorted = (flags: ReadonlySet<string>): readonly string[] => [...flags].sort()

function withMessage(state: Mailbox, message: Message): Mailbox {
  return { ...state, messages: new Map(state.messages).set(message.id, message) }
}

function withFolder(state: Mailbox, folder: Folder): Mailbox {
  return { ...state, folders: new Map(state.folders).set(folder.id, folder) }
}

function patchFolder(state: Mailbox, id: string, patch: Partial<Folder>): Mailbox {
  const folder = state.folders.get(id)
  return folder ? withFolder(state, { ...folder, ...patch }) : state
}

function hasChildren(state: Mailbox, folderId: string): boolean {
  for (const folder of state.folders.values()) if (folder.parentId === folderId) return true
  return false
}

/**
 * Whether `folderId` is `ancestorId` or lies below it, in the tree that `parentOf` knows. The one rule by which the fold, the views and the
 * search indexes leave out a move that would make a circle.
 */
export function isWithin(
  folderId: string | null,
  ancestorId: string,
  parentOf: (folderId: string) => string | null | undefined,
): boolean {
  for (let id = folderId, steps = 0; id !== null && steps <= MAX_FOLDERS; steps++) {
    if (id === ancestorId) return true
    id = parentOf(id) ?? null
  }
  return false
}

const parentIn = (state: Mailbox) => (folderId: string) => state.folders.get(folderId)?.parentId

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type MailboxCommand =
  | { type: 'CreateFolder'; folderId: string; name: string; parentId: string | null; role?: FolderRole }
  | { type: 'RenameFolder'; folderId: string; name: string }
  | { type: 'MoveFolder'; folderId: string; parentId: string | null }
  | { type: 'DeleteFolder'; folderId: string }
  | { type: 'SubscribeFolder'; folderId: string; subscribed: boolean }
  | { type: 'ChangeFlags'; messageIds: readonly string[]; add: readonly string[]; remove: readonly string[] }
  | { type: 'MoveMessages'; messageIds: readonly string[]; folderId: string }
  | { type: 'CopyMessages'; copies: readonly { messageId: string; copyId: string }[]; folderId: string }
  /** To Trash; what is in Trash (or Junk, when there is no Trash) goes for good. */
  | { type: 'DeleteMessages'; messageIds: readonly string[] }
  | { type: 'ExpungeMessages'; messageIds: readonly string[] }
  | { type: 'RestoreMessages'; messageIds: readonly string[]; folderId?: string }

export type MailboxRefusal =
  | { readonly code: 'no-such-folder'; readonly message: string }
  | { readonly code: 'no-such-message'; readonly message: string }
  | { readonly code: 'name-taken'; readonly message: string }
  | { readonly code: 'bad-name'; readonly message: string }
  | { readonly code: 'bad-flag'; readonly message: string }
  | { readonly code: 'not-allowed'; readonly message: string }
  | { readonly code: 'too-many'; readonly message: string }

export type Decision<E, R> = { readonly events: readonly E[] } | { readonly refused: R }

export const MAX_FOLDERS = 2_000
export const MAX_FOLDER_DEPTH = 20
/** Ids in one FlagsChanged or MessagesExpunged: 1,000 ids of 26 characters stay far below 64 KiB. */
const IDS_PER_EVENT = 1_000

// ── Decide ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Pure. No events means that everything is already so. Messages that are not in `state` are refused, never ignored. */
export function decide(command: MailboxCommand, state: Mailbox): Decision<MailboxEvent, MailboxRefusal> {
  switch (command.type) {
    case 'CreateFolder':
      return createFolder(command, state)
    case 'RenameFolder':
      return renameFolder(command, state)
    case 'MoveFolder':
      return moveFolder(command, state)
    case 'DeleteFolder':
      return deleteFolder(command.folderId, state)
    case 'SubscribeFolder': {
      const folder = state.folders.get(command.folderId)
      if (!folder) return refuse('no-such-folder', 'This folder does not exist.')
      if (folder.subscribed === command.subscribed) return { events: [] }
      return { events: [{ type: 'FolderSubscribed', data: { folderId: folder.id, subscribed: command.subscribed } }] }
    }
    case 'ChangeFlags':
      return decideFlags(command, state)
    case 'MoveMessages':
      return moveMessages(command.messageIds, command.folderId, state)
    case 'CopyMessages': {
      const missing = missingMessage(
        command.copies.map(({ messageId }) => messageId),
        state,
      )
      if (missing) return missing
      if (!state.folders.has(command.folderId)) return refuse('no-such-folder', 'The target folder does not exist.')
      const { folderId } = command
      return {
        events: command.copies
          .filter(({ copyId }) => !state.messages.has(copyId))
          .map(({ messageId, copyId }) => ({ type: 'MessageCopied', data: { messageId, copyId, folderId } })),
      }
    }
    case 'DeleteMessages':
      return deleteMessages(command.messageIds, state)
    case 'ExpungeMessages': {
      const missing = missingMessage(command.messageIds, state, { expungedToo: true })
      return missing ?? { events: expungeEvents(command.messageIds, state) }
    }
    case 'RestoreMessages':
      return restoreMessages(command, state)
    default: {
      const _: never = command
      return _
    }
  }
}

type MailboxDecision = Decision<MailboxEvent, MailboxRefusal>

const refuse = (code: MailboxRefusal['code'], message: string): { readonly refused: MailboxRefusal } => ({
  refused: { code, message },
})

function createFolder(command: Extract<MailboxCommand, { type: 'CreateFolder' }>, state: Mailbox): MailboxDecision {
  const { folderId, parentId, role = null } = command
  const name = command.name.normalize('NFC').trim()
  const known = state.folders.get(folderId)
  if (known)
    return known.name === name && known.parentId === parentId
      ? { events: [] }
      : refuse('name-taken', 'This folder id is taken.')
  if (state.folders.size >= MAX_FOLDERS) return refuse('too-many', `A mailbox holds at most ${MAX_FOLDERS} folders.`)
  const wrong = nameRefusal(name, parentId, state)
  if (wrong) return wrong
  if (role !== null && folderByRole(state, role)) return refuse('name-taken', `There is a folder for ${role} already.`)
  return { events: [{ type: 'FolderCreated', data: { folderId, name, parentId, role } }] }
}

function renameFolder(command: Extract<MailboxCommand, { type: 'RenameFolder' }>, state: Mailbox): MailboxDecision {
  const folder = state.folders.get(command.folderId)
  if (!folder) return refuse('no-such-folder', 'This folder does not exist.')
  const name = command.name.normalize('NFC').trim()
  if (name === folder.name) return { events: [] }
  if (folder.role === 'inbox') return refuse('not-allowed', 'The inbox cannot be renamed.')
  return (
    nameRefusal(name, folder.parentId, state, folder) ?? {
      events: [{ type: 'FolderRenamed', data: { folderId: folder.id, name } }],
    }
  )
}

function moveFolder(command: Extract<MailboxCommand, { type: 'MoveFolder' }>, state: Mailbox): MailboxDecision {
  const folder = state.folders.get(command.folderId)
  const { parentId } = command
  if (!folder) return refuse('no-such-folder', 'This folder does not exist.')
  if (folder.parentId === parentId) return { events: [] }
  if (folder.role === 'inbox') return refuse('not-allowed', 'The inbox cannot be moved.')
  if (isWithin(parentId, folder.id, parentIn(state))) {
    return refuse('not-allowed', 'A folder cannot be moved into itself.')
  }
  const wrong = nameRefusal(folder.name, parentId, state, folder)
  return wrong ?? { events: [{ type: 'FolderMoved', data: { folderId: folder.id, parentId } }] }
}

function deleteFolder(folderId: string, state: Mailbox): MailboxDecision {
  const folder = state.folders.get(folderId)
  if (!folder) return refuse('no-such-folder', 'This folder does not exist.')
  if (folder.role !== null) return refuse('not-allowed', `${folder.name} is a folder that the mailbox needs.`)
  if (hasChildren(state, folderId))
    return refuse('not-allowed', 'The folder has folders below it: move or delete those first.')
  return { events: [{ type: 'FolderDeleted', data: { folderId } }] }
}

function decideFlags(command: Extract<MailboxCommand, { type: 'ChangeFlags' }>, state: Mailbox): MailboxDecision {
  const missing = missingMessage(command.messageIds, state)
  if (missing) return missing
  const add = normalizeAll(command.add)
  const remove = normalizeAll(command.remove)
  if (!add || !remove)
    return refuse('bad-flag', 'A flag is a \\system flag or a word of at most 100 ASCII letters, digits and signs.')
  if (add.length > MAX_KEYWORDS || remove.length > MAX_KEYWORDS)
    return refuse('too-many', `A command adds or removes at most ${MAX_KEYWORDS} flags.`)
  const touched: string[] = []
  for (const id of new Set(command.messageIds)) {
    const message = state.messages.get(id) as Message
    const flags = flagsAfter(message.flags, { add, remove })
    if (flags === message.flags) continue
    if (flags.length > MAX_KEYWORDS) return refuse('too-many', `A message carries at most ${MAX_KEYWORDS} flags.`)
    touched.push(id)
  }
  return { events: chunked(touched).map((messageIds) => ({ type: 'FlagsChanged', data: { messageIds, add, remove } })) }
}

function moveMessages(messageIds: readonly string[], folderId: string, state: Mailbox): MailboxDecision {
  const missing = missingMessage(messageIds, state)
  if (missing) return missing
  if (!state.folders.has(folderId)) return refuse('no-such-folder', 'The target folder does not exist.')
  return { events: moveEvents(new Set(messageIds), folderId, state) }
}

function moveEvents(messageIds: Iterable<string>, folderId: string, state: Mailbox): readonly MailboxEvent[] {
  const events: MailboxEvent[] = []
  for (const messageId of messageIds) {
    if (state.messages.get(messageId)?.folderId !== folderId)
      events.push({ type: 'MessageMoved', data: { messageId, folderId } })
  }
  return events
}

function deleteMessages(messageIds: readonly string[], state: Mailbox): MailboxDecision {
  const missing = missingMessage(messageIds, state, { expungedToo: true })
  if (missing) return missing
  const trash = folderByRole(state, 'trash')
  const live = [...new Set(messageIds)].filter((id) => !state.messages.get(id)?.expunged)
  const forGood = live.filter((id) => !trash || state.messages.get(id)?.folderId === trash.id)
  const toTrash = live.filter((id) => !forGood.includes(id))
  return { events: [...(trash ? moveEvents(toTrash, trash.id, state) : []), ...expungeEvents(forGood, state)] }
}

function restoreMessages(
  command: Extract<MailboxCommand, { type: 'RestoreMessages' }>,
  state: Mailbox,
): MailboxDecision {
  const missing = missingMessage(command.messageIds, state, { expungedToo: true })
  if (missing) return missing
  if (command.folderId !== undefined && !state.folders.has(command.folderId)) {
    return refuse('no-such-folder', 'The target folder does not exist.')
  }
  const trash = folderByRole(state, 'trash')?.id
  const inbox = folderByRole(state, 'inbox')?.id as string
  const events: MailboxEvent[] = []
  for (const messageId of new Set(command.messageIds)) {
    const message = state.messages.get(messageId) as Message
    const home = message.folderId === trash ? inbox : (existingFolder(state, message.folderId) ?? inbox)
    const folderId = command.folderId ?? home
    if (message.expunged) events.push({ type: 'MessageRestored', data: { messageId, folderId } })
    else if (message.folderId !== folderId) events.push({ type: 'MessageMoved', data: { messageId, folderId } })
  }
  return { events }
}

function expungeEvents(messageIds: readonly string[], state: Mailbox): readonly MailboxEvent[] {
  const live = [...new Set(messageIds)].filter((id) => state.messages.get(id)?.expunged === false)
  return chunked(live).map((ids) => ({ type: 'MessagesExpunged', data: { messageIds: ids } }))
}

function missingMessage(ids: readonly string[], state: Mailbox, options: { expungedToo?: boolean } = {}) {
  for (const id of ids) {
    const message = state.messages.get(id)
    if (!message || (message.expunged && !options.expungedToo))
      return refuse('no-such-message', 'A message is no longer there.')
  }
  return undefined
}

/** Folder names: 1 to 200 characters, no control characters, no '/'; unique among siblings in any case, so INBOX is the inbox alone. */
function nameRefusal(name: string, parentId: string | null, state: Mailbox, self?: Folder) {
  if (name.length === 0 || name.length > 200) return refuse('bad-name', 'A folder name has 1 to 200 characters.')
  if (/[\u0000-\u001f\u007f/]/.test(name) || !name.isWellFormed())
    return refuse('bad-name', "A folder name holds no '/' and no control characters.")
  if (parentId !== null && !state.folders.has(parentId))
    return refuse('no-such-folder', 'The parent folder does not exist.')
  const key = name.toLowerCase()
  for (const folder of state.folders.values()) {
    if (folder.id !== self?.id && folder.parentId === parentId && folder.name.toLowerCase() === key)
      return refuse('name-taken', `There is a folder ${folder.name} already.`)
  }
  if (depthOf(parentId, state) + (self ? heightOf(self.id, state) : 1) > MAX_FOLDER_DEPTH)
    return refuse('too-many', `Folders nest at most ${MAX_FOLDER_DEPTH} deep.`)
  return undefined
}

/** Folders from the top down to this one; 0 for the top itself. */
function depthOf(folderId: string | null, state: Mailbox): number {
  let depth = 0
  for (let id = folderId; id !== null && depth <= MAX_FOLDERS; id = state.folders.get(id)?.parentId ?? null) depth++
  return depth
}

/** Levels of the tree below and with this folder. */
function heightOf(folderId: string, state: Mailbox): number {
  const above = depthOf(folderId, state)
  let height = 1
  for (const { id } of state.folders.values()) {
    if (isWithin(id, folderId, parentIn(state))) height = Math.max(height, depthOf(id, state) - above + 1)
  }
  return height
}

function normalizeAll(flags: readonly string[]): readonly string[] | undefined {
  const normalized = flags.map(normalizeFlag)
  return normalized.every((flag) => flag !== undefined) ? [...new Set(normalized)].sort() : undefined
}

function chunked(ids: readonly string[]): readonly (readonly string[])[] {
  const chunks: string[][] = []
  for (let i = 0; i < ids.length; i += IDS_PER_EVENT) chunks.push(ids.slice(i, i + IDS_PER_EVENT))
  return chunks
}
