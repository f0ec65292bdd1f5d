// Rows as REST shows them.

import type { MailAddress } from '../../domain/mail/structure.ts'
import type { FolderRow, MessageRow } from '../../projections/queries.ts'
import { isoTime } from '../graphql/builder.ts'

export const addresses = (list: readonly MailAddress[]) =>
  list.map(({ name, address }) => ({ name: name ?? null, address }))

export const folderItem = ({
  id,
  name,
  parentId,
  role,
  total,
  unread,
  uidValidity,
  uidNext,
  subscribed,
}: FolderRow) => ({
  id,
  name,
  parentId,
  role,
  total,
  unread,
  uidValidity,
  uidNext,
  subscribed,
})

export const messageItem = (row: MessageRow) => ({
  id: row.id,
  folderId: row.folderId,
  uid: row.uid,
  threadId: row.threadId,
  subject: row.subject,
  from: addresses(row.from),
  to: addresses(row.to),
  date: row.date === null ? null : isoTime(row.date),
  receivedAt: isoTime(row.receivedAt),
  size: row.size,
  flags: row.flags,
  unread: !row.flags.includes('\\seen'),
  flagged: row.flags.includes('\\flagged'),
  snippet: row.snippet,
  hasAttachment: row.hasAttachment,
  messageIdHeader: row.messageIdHeader || null,
})
