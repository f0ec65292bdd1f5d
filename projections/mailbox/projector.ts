// Folders, messages, threads and usage of every account: the fold over mailbox streams as rows.
import { accountOfStream, isRedacted, uidOf } from '../../domain/log.ts'
import { isWithin, MAILBOX_EVENT_TYPES, type MessageContent } from '../../domain/mailbox/mailbox.ts'
import type { ArrivalFacts, SourceEvent } from '../ports/event-source.ts'
import { type FolderState, FRESH, type MessageState, type MessageSummary, type Projector } from '../ports/view-store.ts'
import { MAX_ROW_ADDRESSES } from '../queries.ts'
import { joinThread, threadKeysOf } from './threads.ts'
import { type AccountUnit, type MailboxUnit, settle, touch } from './unit.ts'

export const mailboxProjector: Projector<MailboxUnit> = {
  name: 'mailbox',
  version: 1,
  prefixes: ['mailbox-', 'account-'],
  types: new Set<string>([...MAILBOX_EVENT_TYPES, 'AccountErased']),
  apply(unit, event) {
    // Rows keep what the content says: one that cannot be opened must be known before anything is changed.
    if (!isRedacted(event) && (event.type === 'MessageReceived' || event.type === 'MessageAppended')) event.data.content
    applyMailboxEvent(unit, event)
  },
}

/** Total: an event about what is gone changes nothing but the mailbox's revision. Opens no content. */
export function applyMailboxEvent(unit: MailboxUnit, event: SourceEvent): void {
  const account = accountOfStream(event.stream)
  if (account === undefined) return
  if (event.type === 'AccountErased') {
    unit.erase(account)
    return
  }
  if (isRedacted(event)) return
  const mailbox = unit.account(account)
  const revision = Number(event.revision)
  const modseq = uidOf(event.revision)

  switch (event.type) {
    case 'FolderCreated': {
      const { folderId, name, parentId, role } = event.data
      if (mailbox.state.byId.has(folderId)) break
      const folder: FolderState = {
        created: revision,
        id: folderId,
        name,
        parentId,
        role,
        subscribed: true,
        total: 0,
        unread: 0,
        bytes: 0,
        modseq,
        uidNext: 1,
        deleted: 0,
        deletedAt: 0,
        changed: true,
      }
      mailbox.state.folders.set(revision, folder)
      mailbox.state.byId.set(folderId, folder)
      break
    }
    case 'FolderRenamed': {
      const folder = mailbox.state.byId.get(event.data.folderId)
      if (folder === undefined) break
      folder.name = event.data.name
      folder.changed = true
      break
    }
    case 'FolderMoved': {
      const { folderId, parentId } = event.data
      const folder = mailbox.state.byId.get(folderId)
      if (folder === undefined || isWithin(parentId, folderId, (id) => mailbox.state.byId.get(id)?.parentId)) break
      folder.parentId = parentId
      folder.changed = true
      break
    }
    case 'FolderDeleted': {
      const folder = mailbox.state.byId.get(event.data.folderId)
      if (folder === undefined || folder.role === 'inbox' || hasChildren(mailbox, folder.id)) break
      mailbox.state.messages -= folder.total
      mailbox.state.bytes -= folder.bytes
      folder.total = 0
      folder.unread = 0
      folder.bytes = 0
      folder.deleted = modseq
      folder.deletedAt = event.metadata.at
      folder.changed = true
      mailbox.state.byId.delete(folder.id)
      // Rows that are not loaded are settled when they are read.
      for (const message of mailbox.loaded()) settle(mailbox.state, message)
      break
    }
    case 'FolderSubscribed': {
      const folder = mailbox.state.byId.get(event.data.folderId)
      if (folder === undefined) break
      folder.subscribed = event.data.subscribed
      folder.changed = true
      break
    }
    case 'MessageReceived':
    case 'MessageAppended': {
      const { messageId, folderId, flags, receivedAt } = event.data
      const folder = mailbox.state.byId.get(folderId) ?? mailbox.inbox()
      if (folder === undefined || mailbox.message(messageId) !== undefined) break
      const position = Number(event.position)
      const { size, threadKeys } = event.facts ?? factsOf(event.data.content)
      const message: MessageState = {
        id: messageId,
        order: position,
        folder: folder.created,
        uid: modseq,
        modseq,
        thread: joinThread(mailbox, threadKeys, revision),
        flags: sortedFlags(flags),
        size,
        receivedAt,
        expunged: 0,
        expungedAt: 0,
        summary: new ArrivalSummary(event.data, position),
        change: FRESH,
      }
      mailbox.insert(message)
      enter(mailbox, folder, message)
      break
    }
    case 'FlagsChanged': {
      const { messageIds, add, remove } = event.data
      for (const id of messageIds) {
        const message = mailbox.message(id)
        if (message === undefined || message.expunged !== 0) continue
        const flags = changedFlags(message.flags, add, remove)
        if (flags === undefined) continue
        const wasUnread = isUnread(message)
        message.flags = flags
        message.modseq = modseq
        touch(message)
        const folder = mailbox.state.folders.get(message.folder)
        if (folder === undefined) continue
        folder.unread += Number(isUnread(message)) - Number(wasUnread)
        folder.modseq = modseq
        folder.changed = true
      }
      break
    }
    case 'MessageMoved': {
      const { messageId, folderId } = event.data
      const message = mailbox.message(messageId)
      const folder = mailbox.state.byId.get(folderId)
      if (message === undefined || message.expunged !== 0 || folder === undefined) break
      if (message.folder === folder.created) break
      leave(mailbox, message, modseq)
      message.folder = folder.created
      message.uid = modseq
      message.modseq = modseq
      touch(message)
      enter(mailbox, folder, message)
      break
    }
    case 'MessageCopied': {
      const { messageId, copyId, folderId } = event.data
      const source = mailbox.message(messageId)
      const folder = mailbox.state.byId.get(folderId) ?? mailbox.inbox()
      if (source === undefined || source.expunged !== 0 || folder === undefined) break
      if (mailbox.message(copyId) !== undefined) break
      const copy: MessageState = {
        id: copyId,
        order: Number(event.position),
        folder: folder.created,
        uid: modseq,
        modseq,
        thread: source.thread,
        flags: source.flags,
        size: source.size,
        receivedAt: source.receivedAt,
        expunged: 0,
        expungedAt: 0,
        summary: mailbox.summary(source),
        change: FRESH,
      }
      mailbox.insert(copy)
      enter(mailbox, folder, copy)
      break
    }
    case 'MessagesExpunged':
      for (const id of event.data.messageIds) {
        const message = mailbox.message(id)
        if (message === undefined || message.expunged !== 0) continue
        leave(mailbox, message, modseq)
        message.expunged = modseq
        message.expungedAt = event.metadata.at
        message.modseq = modseq
        touch(message)
      }
      break
    case 'MessageRestored': {
      const { messageId, folderId } = event.data
      const message = mailbox.message(messageId)
      const folder = mailbox.state.byId.get(folderId) ?? mailbox.inbox()
      if (message === undefined || message.expunged === 0 || folder === undefined) break
      message.expunged = 0
      message.expungedAt = 0
      message.folder = folder.created
      message.uid = modseq
      message.modseq = modseq
      if (message.flags.includes('\\deleted')) message.flags = message.flags.filter((flag) => flag !== '\\deleted')
      touch(message)
      enter(mailbox, folder, message)
      break
    }
    default:
      // Account events other than the erasure.
      return
  }
  mailbox.state.revision = revision
}

const isUnread = (message: MessageState): boolean => !message.flags.includes('\\seen')

function enter(mailbox: AccountUnit, folder: FolderState, message: MessageState): void {
  folder.total++
  if (isUnread(message)) folder.unread++
  folder.bytes += message.size
  folder.modseq = message.modseq
  folder.uidNext = message.uid + 1
  folder.changed = true
  mailbox.state.messages++
  mailbox.state.bytes += message.size
}

function leave(mailbox: AccountUnit, message: MessageState, modseq: number): void {
  mailbox.vanished.push({ folder: message.folder, uid: message.uid, modseq })
  mailbox.state.messages--
  mailbox.state.bytes -= message.size
  const folder = mailbox.state.folders.get(message.folder)
  if (folder === undefined) return
  folder.total--
  if (isUnread(message)) folder.unread--
  folder.bytes -= message.size
  folder.modseq = modseq
  folder.changed = true
}

function hasChildren(mailbox: AccountUnit, folderId: string): boolean {
  for (const folder of mailbox.state.byId.values()) if (folder.parentId === folderId) return true
  return false
}

const NO_FLAGS: readonly string[] = []

export function sortedFlags(flags: readonly string[]): readonly string[] {
  if (flags.length === 0) return NO_FLAGS
  if (flags.length === 1) return [(flags[0] as string).toLowerCase()]
  return [...new Set(flags.map((flag) => flag.toLowerCase()))].sort()
}

/** Removes, then adds; undefined when that leaves the flags as they were. */
export function changedFlags(
  flags: readonly string[],
  add: readonly string[],
  remove: readonly string[],
): readonly string[] | undefined {
  const removed = remove.map((flag) => flag.toLowerCase())
  const next = sortedFlags([...flags.filter((flag) => !removed.includes(flag)), ...add])
  return next.length === flags.length && next.every((flag, i) => flag === flags[i]) ? undefined : next
}

export const factsOf = ({ blob, envelope }: MessageContent): ArrivalFacts => {
  return { size: blob.size, threadKeys: threadKeysOf(envelope) }
}

/** Made when somebody looks: a replay that nobody lists opens no content. */
class ArrivalSummary implements MessageSummary {
  readonly position: number
  #arrival: { readonly content: MessageContent } | undefined
  #summary: Omit<MessageSummary, 'position'> | undefined

  constructor(arrival: { readonly content: MessageContent }, position: number) {
    this.position = position
    this.#arrival = arrival
  }
  get #made(): Omit<MessageSummary, 'position'> {
    if (this.#summary === undefined) {
      const { content } = this.#arrival as { readonly content: MessageContent }
      this.#summary = summarize(content)
      this.#arrival = undefined
    }
    return this.#summary
  }
  get subject() {
    return this.#made.subject
  }
  get from() {
    return this.#made.from
  }
  get to() {
    return this.#made.to
  }
  get date() {
    return this.#made.date
  }
  get snippet() {
    return this.#made.snippet
  }
  get hasAttachment() {
    return this.#made.hasAttachment
  }
  get messageIdHeader() {
    return this.#made.messageIdHeader
  }
}

function summarize(content: MessageContent): Omit<MessageSummary, 'position'> {
  const { envelope } = content
  return {
    subject: envelope.subject,
    from: shortened(envelope.from),
    to: shortened(envelope.to),
    date: envelope.date ?? null,
    snippet: content.snippet,
    hasAttachment: content.hasAttachment,
    messageIdHeader: envelope.messageId ?? '',
  }
}

const shortened = <T>(list: readonly T[]): readonly T[] =>
  list.length <= MAX_ROW_ADDRESSES ? list : list.slice(0, MAX_ROW_ADDRESSES)
