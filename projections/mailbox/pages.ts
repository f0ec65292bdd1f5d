// What every engine's answers have in common: cursors, limits, and the row that a person sees.
import { SYSTEM_FLAGS } from '../../domain/mail/flags.ts'
import type { FolderState, MailboxState, MessageState, MessageSummary } from '../ports/view-store.ts'
import {
  BadCursor,
  type FolderRow,
  type MessageFilter,
  type MessagePage,
  type MessagePageOptions,
  type MessageRow,
  type Snapshot,
  type ThreadRow,
} from '../queries.ts'
import { threadId } from './threads.ts'
import { resolveThread } from './unit.ts'

export const MAX_PAGE = 500
const DEFAULT_PAGE = 50

export function pageSize(first: number | undefined): number {
  if (first === undefined) return DEFAULT_PAGE
  return Math.max(1, Math.min(MAX_PAGE, Math.floor(first)))
}

/** Rows to skip; `after` says it already where both are given. */
export function pageOffset({ after, offset = 0 }: MessagePageOptions): number {
  return after === undefined ? Math.max(0, Math.floor(offset)) : 0
}

/** The page out of what an engine found, which is one more than `first` where there is a next page. */
export function cutPage<Found>(
  found: readonly Found[],
  first: number,
  cursorOf: (each: Found) => string,
): { readonly page: readonly Found[] } & Pick<MessagePage, 'cursors' | 'next'> {
  const page = found.slice(0, first)
  const cursors = page.map(cursorOf)
  return { page, cursors, next: found.length > first ? (cursors.at(-1) ?? null) : null }
}

/** Where a date page goes on: behind this pair, newest first. */
export interface DateCursor {
  readonly receivedAt: number
  readonly order: number
}

export const dateCursor = (receivedAt: number, order: number): string =>
  `d${receivedAt.toString(36)}.${order.toString(36)}`
export const uidCursor = (uid: number): string => `u${uid.toString(36)}`

export function readDateCursor(cursor: string): DateCursor {
  const match = /^d(-?[0-9a-z]{1,11})\.([0-9a-z]{1,11})$/.exec(cursor)
  const receivedAt = Number.parseInt(match?.[1] ?? '', 36)
  const order = Number.parseInt(match?.[2] ?? '', 36)
  if (!Number.isSafeInteger(receivedAt) || !Number.isSafeInteger(order)) throw new BadCursor()
  return { receivedAt, order }
}

export function readUidCursor(cursor: string): number {
  const uid = Number.parseInt(/^u([0-9a-z]{1,7})$/.exec(cursor)?.[1] ?? '', 36)
  if (!Number.isSafeInteger(uid)) throw new BadCursor()
  return uid
}

export function folderRow(folder: FolderState): FolderRow {
  const { id, name, parentId, role, subscribed, created, total, unread, bytes, modseq, uidNext } = folder
  return { id, name, parentId, role, subscribed, uidValidity: created + 1, total, unread, bytes, modseq, uidNext }
}

export function messageRow(
  message: MessageState,
  summary: MessageSummary,
  folderId: string,
  mailbox: Pick<MailboxState, 'aliases'>,
): MessageRow {
  return {
    id: message.id,
    folderId,
    uid: message.uid,
    modseq: message.modseq,
    threadId: threadId(resolveThread(mailbox, message.thread)),
    subject: summary.subject,
    from: summary.from,
    to: summary.to,
    date: summary.date,
    receivedAt: message.receivedAt,
    size: message.size,
    flags: message.flags,
    snippet: summary.snippet,
    hasAttachment: summary.hasAttachment,
    position: BigInt(summary.position),
    messageIdHeader: summary.messageIdHeader,
    expunged: message.expunged !== 0,
    expungedAt: message.expunged === 0 ? null : message.expungedAt,
  }
}

/** Of the thread's rows, oldest first; undefined when none is left. */
export function threadRow(thread: number, messages: readonly MessageRow[]): ThreadRow | undefined {
  return messages[0] && { id: threadId(thread), subject: messages[0].subject, messages }
}

/** What commands fold the newest events onto, where the views hold nothing of the account. */
export const NO_SNAPSHOT: Snapshot = { revision: undefined, folders: [], messages: [] }

/** The same with a mailbox; the messages are settled. */
export function snapshotOf(mailbox: MailboxState, messages: readonly MessageState[]): Snapshot {
  return {
    revision: BigInt(mailbox.revision),
    folders: [...mailbox.byId.values()].map(({ id, name, parentId, role, subscribed, created }) => {
      return { id, name, parentId, role, subscribed, createdAt: BigInt(created) }
    }),
    messages: messages.map(({ id, folder, uid, modseq, flags, expunged }) => ({
      id,
      folderId: mailbox.folders.get(folder)?.id ?? '',
      arrivedAt: BigInt(uid - 1),
      changedAt: BigInt(modseq - 1),
      flags,
      expunged: expunged !== 0,
    })),
  }
}

/** What a filter on the sender looks into. */
export function senderText(from: MessageSummary['from']): string {
  return from
    .map((each) => `${each.name ?? ''} ${each.address}`)
    .join('\n')
    .toLowerCase()
}

/** Asks for the summary only when the filter is about it. */
export function matches(filter: MessageFilter, message: MessageState, summary: () => MessageSummary): boolean {
  const { unread, flagged, hasAttachment, from, since, before } = filter
  if (unread !== undefined && unread === message.flags.includes('\\seen')) return false
  if (flagged !== undefined && flagged !== message.flags.includes('\\flagged')) return false
  if (since !== undefined && message.receivedAt < since) return false
  if (before !== undefined && message.receivedAt >= before) return false
  if (hasAttachment !== undefined && hasAttachment !== summary().hasAttachment) return false
  return from === undefined || senderText(summary().from).includes(from.toLowerCase())
}

/** System flags as bits, keywords apart: how engines keep flags small. */
export const SEEN = 1
export const FLAGGED = 4
const BITS = new Map(SYSTEM_FLAGS.map((flag, i) => [flag as string, 1 << i]))
const SETS: readonly (readonly string[])[] = Array.from({ length: 1 << SYSTEM_FLAGS.length }, (_, bits) =>
  SYSTEM_FLAGS.filter((_flag, i) => (bits & (1 << i)) !== 0).sort(),
)

export function packFlags(flags: readonly string[]): { readonly bits: number; readonly keywords: string | null } {
  let bits = 0
  let keywords: string | null = null
  for (const flag of flags) {
    const bit = BITS.get(flag)
    if (bit !== undefined) bits |= bit
    else keywords = keywords === null ? flag : `${keywords} ${flag}`
  }
  return { bits, keywords }
}

export function unpackFlags(bits: number, keywords: string | null): readonly string[] {
  const system = SETS[bits] ?? []
  return keywords === null ? system : [...system, ...keywords.split(' ')].sort()
}
