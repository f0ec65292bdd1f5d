// Answers about mailboxes from MongoDB. The account's document is read first and written last: rows are never older than it says.
import type { Document, Filter, FindOptions } from 'mongodb'
import type { AccountId } from '../../../domain/log.ts'
import {
  cutPage,
  dateCursor,
  folderRow,
  messageRow,
  NO_SNAPSHOT,
  pageOffset,
  pageSize,
  readDateCursor,
  readUidCursor,
  senderText,
  snapshotOf,
  threadRow,
  uidCursor,
} from '../../../projections/mailbox/pages.ts'
import { threadNumber } from '../../../projections/mailbox/threads.ts'
import { resolveThread, settle, threadNumbers } from '../../../projections/mailbox/unit.ts'
import type { MailboxState, MessageSummary } from '../../../projections/ports/view-store.ts'
import type {
  MailboxQueries,
  MessageFilter,
  MessagePage,
  MessagePageOptions,
  MessageRow,
  UidRow,
} from '../../../projections/queries.ts'
import { MongoReader, type Row } from './mongodb-database.ts'
import { mailboxState, messageKey, messageState } from './mongodb-mailbox.ts'

export class MongoMailboxQueries extends MongoReader implements MailboxQueries {
  async #state(account: AccountId): Promise<MailboxState | undefined> {
    const head = await this.table('head').findOne({ _id: account })
    return head === null ? undefined : mailboxState(head)
  }

  async #messages(filter: Filter<Row>, options: FindOptions & { readonly hint: string }): Promise<Document[]> {
    return this.table('message').find(filter, options).toArray()
  }

  async folders(account: AccountId) {
    return [...((await this.#state(account))?.byId.values() ?? [])].map(folderRow)
  }

  async folder(account: AccountId, folderId: string) {
    const folder = (await this.#state(account))?.byId.get(folderId)
    return folder === undefined ? undefined : folderRow(folder)
  }

  async messages(account: AccountId, folderId: string, options: MessagePageOptions = {}): Promise<MessagePage> {
    const byUid = options.order === 'uid'
    const conditions = conditionsOf(options, byUid)
    const state = await this.#state(account)
    const revision = state === undefined ? undefined : BigInt(state.revision)
    const folder = state?.byId.get(folderId)
    if (state === undefined || folder === undefined) return { rows: [], cursors: [], next: null, revision }
    const first = pageSize(options.first)
    const offset = pageOffset(options)
    const where = { a: account, f: folder.created, x: 0, ...conditions.where } as Filter<Row>
    const sort: Record<string, 1 | -1> = byUid ? { uid: 1 } : { received: -1, order: -1 }
    const from = options.filter?.from
    const found =
      from === undefined
        ? await this.#messages(where, { sort, hint: conditions.index, skip: offset, limit: first + 1 })
        : await this.#sentBy(where, { sort, hint: conditions.index }, from, offset, first + 1)
    const { page, cursors, next } = cutPage(found, first, (row) =>
      byUid ? uidCursor(row['uid']) : dateCursor(row['received'], row['order']),
    )
    return { rows: await this.#rows(account, state, page), cursors, next, revision }
  }

  /** No index finds parts of names: the folder's senders are looked through in the order of the page, until it is full. */
  async #sentBy(
    where: Filter<Row>,
    options: FindOptions & { readonly hint: string },
    part: string,
    skip: number,
    limit: number,
  ): Promise<Document[]> {
    const wanted = part.toLowerCase()
    const ids: string[] = []
    let left = skip
    const senders = this.table('message').find(where, { ...options, projection: { from: 1 } })
    for await (const { _id, from } of senders) {
      if (!senderText(from as MessageSummary['from']).includes(wanted)) continue
      if (left-- > 0) continue
      ids.push(_id)
      if (ids.length >= limit) break
    }
    const rows = await this.rows('message', ids)
    return ids.flatMap((id) => rows.get(id) ?? [])
  }

  async count(account: AccountId, folderId: string, filter: MessageFilter): Promise<number> {
    const { where, index } = conditionsOf({ filter }, false)
    const folder = (await this.#state(account))?.byId.get(folderId)
    if (folder === undefined) return 0
    if (filter.from !== undefined) {
      const options = { sort: { received: -1, order: -1 }, hint: index } as const
      const all = { a: account, f: folder.created, x: 0, ...where } as Filter<Row>
      return (await this.#sentBy(all, options, filter.from, 0, Number.POSITIVE_INFINITY)).length
    }
    const asked = Object.keys(where)
    if (asked.length === 0) return folder.total
    if (asked.length === 1 && where['seen'] === false) return folder.unread
    return this.#count({ a: account, f: folder.created, x: 0, ...where } as Filter<Row>, index)
  }

  #count(where: Filter<Row>, hint: string): Promise<number> {
    return this.table('message').countDocuments(where, { hint })
  }

  async message(account: AccountId, messageId: string) {
    return (await this.messagesById(account, [messageId]))[0]
  }

  async messagesById(account: AccountId, messageIds: readonly string[]): Promise<readonly MessageRow[]> {
    const state = await this.#state(account)
    if (state === undefined) return []
    const rows = await this.#byId(account, messageIds)
    return this.#rows(
      account,
      state,
      messageIds.flatMap((id) => rows.get(messageKey(account, id)) ?? []),
    )
  }

  #byId(account: AccountId, messageIds: readonly string[]): Promise<Map<string, Row>> {
    return this.rows(
      'message',
      messageIds.map((id) => messageKey(account, id)),
    )
  }

  async thread(account: AccountId, id: string) {
    const asked = threadNumber(id)
    const state = asked === undefined ? undefined : await this.#state(account)
    if (asked === undefined || state === undefined) return undefined
    const members = threadNumbers(state, asked)
    const found = await this.#messages({ a: account, thread: { $in: members } }, { hint: 'message_thread' })
    const rows = await this.#rows(account, state, found)
    const order = new Map(found.map((row) => [row['id'], Number(row['order'])]))
    const messages = rows
      .filter((row) => !row.expunged)
      .sort((a, b) => a.receivedAt - b.receivedAt || (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0))
    return threadRow(resolveThread(state, asked), messages)
  }

  /** Asked by commands: the revision is read first, so that what they fold onto the answer is never too little. */
  async snapshot(account: AccountId, messageIds: readonly string[]) {
    const state = await this.#state(account)
    if (state === undefined) return NO_SNAPSHOT
    const rows = await this.#byId(account, messageIds)
    const messages = messageIds.flatMap((id) => {
      const row = rows.get(messageKey(account, id))
      return row === undefined ? [] : [messageState(row)]
    })
    for (const message of messages) settle(state, message)
    return snapshotOf(state, messages)
  }

  async #numbers(account: AccountId): Promise<Document | null> {
    const projection = { revision: 1, messages: 1, bytes: 1 }
    return this.table('head').findOne({ _id: account }, { projection })
  }

  async usage(account: AccountId) {
    const head = await this.#numbers(account)
    return { messages: Number(head?.['messages'] ?? 0), bytes: Number(head?.['bytes'] ?? 0) }
  }

  async accountRevision(account: AccountId) {
    const head = await this.#numbers(account)
    return head === null ? undefined : BigInt(Number(head['revision']))
  }

  async uidRange(
    account: AccountId,
    folderId: string,
    options: NonNullable<Parameters<MailboxQueries['uidRange']>[2]> = {},
  ): Promise<readonly UidRow[]> {
    const { from = 0, to = Number.MAX_SAFE_INTEGER, changedSince = 0, limit = 1000 } = options
    const folder = (await this.#state(account))?.byId.get(folderId)
    if (folder === undefined || limit < 1) return []
    const uid = { $gte: from, $lte: Math.min(to, Number.MAX_SAFE_INTEGER) }
    const where = { a: account, f: folder.created, x: 0, uid, modseq: { $gt: changedSince } }
    const projection = { id: 1, uid: 1, modseq: 1, flags: 1, received: 1, date: 1, size: 1, content: 1 }
    const rows = await this.#messages(where, { sort: { uid: 1 }, hint: 'message_uid', limit, projection })
    return rows.map((row) => ({
      id: row['id'],
      uid: row['uid'],
      modseq: row['modseq'],
      flags: row['flags'],
      receivedAt: row['received'],
      date: row['date'],
      size: row['size'],
      position: BigInt(row['content']),
    }))
  }

  async firstUnseen(account: AccountId, folderId: string): Promise<number | undefined> {
    const folder = (await this.#state(account))?.byId.get(folderId)
    if (folder === undefined) return undefined
    const where = { a: account, f: folder.created, x: 0, seen: false }
    const options = { sort: { uid: 1 }, hint: 'message_uid', limit: 1, projection: { uid: 1 } } as const
    const [row] = await this.#messages(where, options)
    return row?.['uid'] as number | undefined
  }

  async countFlagged(account: AccountId, folderId: string, flag: string): Promise<number> {
    const folder = (await this.#state(account))?.byId.get(folderId)
    if (folder === undefined) return 0
    return this.#count({ a: account, f: folder.created, x: 0, flags: flag } as Filter<Row>, 'message_uid')
  }

  async vanishedSince(account: AccountId, folderId: string, modseq: number): Promise<readonly number[]> {
    const folder = (await this.#state(account))?.byId.get(folderId)
    if (folder === undefined) return []
    const where = { a: account, f: folder.created, modseq: { $gt: modseq } }
    const rows = this.table('vanished').find(where, { hint: 'vanished_since', projection: { uid: 1 } })
    return (await rows.toArray()).map((row) => Number(row['uid'])).sort((a, b) => a - b)
  }

  async expunged(account: AccountId, { first = 50 }: { readonly first?: number | undefined } = {}) {
    const state = await this.#state(account)
    if (state === undefined || first < 1) return []
    const found = await this.#messages(
      { a: account, x: { $gt: 0 } },
      { sort: { x: -1, order: -1 }, hint: 'message_expunged', limit: first },
    )
    for (const folder of state.folders.values()) {
      if (folder.deleted === 0) continue
      const left = { a: account, f: folder.created, x: 0 }
      found.push(...(await this.#messages(left, { hint: 'message_uid', sort: { order: -1 }, limit: first })))
    }
    const all = found.map((row) => ({ row, message: messageState(row) }))
    for (const { message } of all) settle(state, message)
    const newest = all
      .sort((a, b) => b.message.expunged - a.message.expunged || b.message.order - a.message.order)
      .slice(0, first)
    return this.#rows(
      account,
      state,
      newest.map(({ row }) => row),
    )
  }

  /** A row may be newer than the account's document that was read before it: one in a folder that is not known asks again. */
  async #rows(account: AccountId, state: MailboxState, rows: readonly Document[]): Promise<MessageRow[]> {
    const newer = rows.some((row) => !state.folders.has(row['f']))
    const known = newer ? ((await this.#state(account)) ?? state) : state
    return rows.map((row) => {
      const message = messageState(row)
      settle(known, message)
      return messageRow(message, message.summary as MessageSummary, known.folders.get(message.folder)?.id ?? '', known)
    })
  }
}

interface Conditions {
  readonly where: Document
  readonly index: string
}

/** The narrowest index that a filter allows, and what is left to ask of each row. */
function conditionsOf(options: MessagePageOptions, byUid: boolean): Conditions {
  const filter: MessageFilter = options.filter ?? {}
  const where: Document = {}
  let index = byUid ? 'message_uid' : 'message_date'
  if (filter.hasAttachment !== undefined) {
    where['attachment'] = filter.hasAttachment
    if (!byUid) index = 'message_attachment'
  }
  if (filter.flagged !== undefined) {
    where['flagged'] = filter.flagged
    if (!byUid) index = 'message_flagged'
  }
  if (filter.unread !== undefined) {
    where['seen'] = !filter.unread
    if (!byUid) index = 'message_unread'
  }
  const received: Document = {}
  if (filter.since !== undefined) received['$gte'] = filter.since
  if (filter.before !== undefined) received['$lt'] = filter.before
  if (options.after !== undefined) {
    if (byUid) where['uid'] = { $gt: readUidCursor(options.after) }
    else {
      const { receivedAt, order } = readDateCursor(options.after)
      // The first half bounds the index; the second leaves out what came before the cursor within one millisecond.
      received['$lte'] = receivedAt
      where['$or'] = [{ received: { $lt: receivedAt } }, { order: { $lt: order } }]
    }
  }
  if (Object.keys(received).length > 0) where['received'] = received
  return { where, index }
}
