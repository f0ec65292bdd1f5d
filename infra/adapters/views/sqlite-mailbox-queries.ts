// Answers about mailboxes from a SQLite view: short reads through a read-only connection, each at one moment of the database.
import { setImmediate } from 'node:timers/promises'
import type { AccountId } from '../../../domain/log.ts'
import {
  cutPage,
  dateCursor,
  folderRow,
  messageRow,
  NO_SNAPSHOT,
  packFlags,
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
import type { FolderState, MailboxState, MessageState, MessageSummary } from '../../../projections/ports/view-store.ts'
import type {
  MailboxQueries,
  MessageFilter,
  MessagePage,
  MessagePageOptions,
  MessageRow,
  UidRow,
} from '../../../projections/queries.ts'
import { type Cells, packId, type Queries } from './sqlite-file.ts'
import {
  loadMailbox,
  MAILBOX,
  messageState,
  messageSummary,
  STATE,
  SUMMARY,
  unpackAddresses,
} from './sqlite-mailbox.ts'

const ROW = `${STATE}, ${SUMMARY}`
const SUMMARY_AT = 12
const UNREAD = 'flags & 1 = 0'
/** Senders looked at in one go: a few milliseconds. */
const SLICE = 1000

interface Mailbox {
  readonly number: number
  readonly state: MailboxState
}

interface Found {
  readonly message: MessageState
  readonly summary: MessageSummary
}

export class SqliteMailboxQueries implements MailboxQueries {
  readonly #queries: Queries

  constructor(queries: Queries) {
    this.#queries = queries
  }

  /** Runs `read` at one moment, with the account's folders; `missing` when the account has no mailbox. */
  #within<T>(account: AccountId, missing: T, read: (mailbox: Mailbox) => T): T {
    return this.#queries.snapshot(() => {
      const row = this.#queries.prepare(MAILBOX).get(packId(account))
      return row === undefined ? missing : read({ number: Number(row[0]), state: loadMailbox(this.#queries, row) })
    })
  }

  async folders(account: AccountId) {
    return this.#within(account, [], ({ state }) => [...state.byId.values()].map(folderRow))
  }

  async folder(account: AccountId, folderId: string) {
    return this.#within(account, undefined, ({ state }) => {
      const folder = state.byId.get(folderId)
      return folder === undefined ? undefined : folderRow(folder)
    })
  }

  async messages(account: AccountId, folderId: string, options: MessagePageOptions = {}): Promise<MessagePage> {
    const byUid = options.order === 'uid'
    const conditions = conditionsOf(options, byUid)
    const first = pageSize(options.first)
    const offset = pageOffset(options)
    const from = options.filter?.from
    let sent: number[] | undefined
    if (from !== undefined) {
      sent = []
      for await (const slice of this.#sentBy(account, folderId, conditions, byUid, from)) {
        sent.push(...slice)
        if (sent.length > offset + first) break
      }
      sent = sent.slice(offset, offset + first + 1)
    }
    const nothing = { rows: [], cursors: [], next: null, revision: undefined }
    return this.#within<MessagePage>(account, nothing, (mailbox) => {
      const revision = BigInt(mailbox.state.revision)
      const folder = mailbox.state.byId.get(folderId)
      if (folder === undefined) return { ...nothing, revision }
      const positions = sent ?? this.#positions(mailbox, folder, options, conditions, first + 1, offset)
      const read = this.#queries.prepare(`SELECT ${ROW} FROM message WHERE position = ?`)
      const rows = positions.flatMap((position) => {
        const row = read.get(position)
        return row === undefined ? [] : [found(row)]
      })
      // What was found in slices may have left meanwhile.
      const here = rows.filter(({ message }) => message.folder === folder.created && message.expunged === 0)
      const { page, cursors, next } = cutPage(here, first, ({ message }) =>
        byUid ? uidCursor(message.uid) : dateCursor(message.receivedAt, message.order),
      )
      return { rows: page.map((each) => rowOf(mailbox.state, each)), cursors, next, revision }
    })
  }

  /** How many messages of the folder a filter lets through. */
  async count(account: AccountId, folderId: string, filter: MessageFilter): Promise<number> {
    const conditions = conditionsOf({ filter }, false)
    if (filter.from !== undefined) {
      let sum = 0
      for await (const slice of this.#sentBy(account, folderId, conditions, false, filter.from)) sum += slice.length
      return sum
    }
    return this.#within(account, 0, ({ number, state }) => {
      const folder = state.byId.get(folderId)
      if (folder === undefined) return 0
      const { where, values, index } = conditions
      if (where === '') return folder.total
      if (where === `AND ${UNREAD}`) return folder.unread
      const row = this.#queries
        .prepare(
          `SELECT count(*) FROM message INDEXED BY ${index} WHERE mailbox = ? AND folder = ? AND expunged = 0 ${where}`,
        )
        .get(number, folder.created, ...values)
      return Number(row?.[0] ?? 0)
    })
  }

  /** Positions first, out of the index alone where the filter allows it: rows are read for the page only. */
  #positions(
    { number }: Mailbox,
    folder: FolderState,
    options: MessagePageOptions,
    { where, values, index }: Conditions,
    limit: number,
    offset: number,
  ): number[] {
    const byUid = options.order === 'uid'
    const select = (order: string, count: number, skip: number) =>
      this.#queries
        .prepare(
          `SELECT position FROM message INDEXED BY ${index} WHERE mailbox = ? AND folder = ? AND expunged = 0 ${where}
           ORDER BY ${order} LIMIT ? OFFSET ?`,
        )
        .all(number, folder.created, ...values, count, skip)
        .map(([position]) => Number(position))
    // The far half of a long list is nearer from its other end.
    const total = where === '' ? folder.total : where === `AND ${UNREAD}` ? folder.unread : 0
    if (offset > total / 2 && offset < total) {
      const count = Math.min(limit, total - offset)
      return select(byUid ? 'uid DESC' : 'received, position', count, total - offset - count).reverse()
    }
    return select(byUid ? 'uid' : 'received DESC, position DESC', limit, offset)
  }

  /**
   * Positions of the messages whose sender holds `part`, in the order of pages and some at a time. No index finds parts of names, so
   * all senders are looked at: in slices, between which this thread does other work.
   */
  async *#sentBy(
    account: AccountId,
    folderId: string,
    { where, values, index }: Conditions,
    byUid: boolean,
    part: string,
  ): AsyncGenerator<readonly number[]> {
    const wanted = part.toLowerCase()
    const read = this.#queries.prepare(
      `SELECT position, ${byUid ? 'uid' : 'received'}, sender FROM message INDEXED BY ${index}
       WHERE mailbox = ? AND folder = ? AND expunged = 0 ${where}
       ${byUid ? 'AND uid > ? ORDER BY uid' : 'AND received <= ? AND (received < ? OR position < ?) ORDER BY received DESC, position DESC'}
       LIMIT ${SLICE}`,
    )
    let at: readonly number[] = byUid ? [-1] : [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 0]
    for (;;) {
      const rows = this.#within<Cells[]>(account, [], ({ number, state }) => {
        const folder = state.byId.get(folderId)
        return folder === undefined ? [] : read.all(number, folder.created, ...values, ...at)
      })
      yield rows
        .filter(([, , sender]) => senderText(unpackAddresses(sender as string | null)).includes(wanted))
        .map(([position]) => Number(position))
      const last = rows.at(-1)
      if (last === undefined || rows.length < SLICE) return
      at = byUid ? [Number(last[1])] : [Number(last[1]), Number(last[1]), Number(last[0])]
      await setImmediate()
    }
  }

  async message(account: AccountId, messageId: string) {
    return (await this.messagesById(account, [messageId]))[0]
  }

  async messagesById(account: AccountId, messageIds: readonly string[]): Promise<readonly MessageRow[]> {
    const read = this.#queries.prepare(`SELECT ${ROW} FROM message WHERE mailbox = ? AND id = ?`)
    return this.#within<readonly MessageRow[]>(account, [], ({ number, state }) =>
      messageIds.flatMap((id) => {
        const row = read.get(number, packId(id))
        return row === undefined ? [] : [rowOf(state, found(row))]
      }),
    )
  }

  async thread(account: AccountId, id: string) {
    const asked = threadNumber(id)
    if (asked === undefined) return undefined
    const read = this.#queries.prepare(
      `SELECT ${ROW} FROM message INDEXED BY message_thread WHERE mailbox = ? AND thread = ?`,
    )
    return this.#within(account, undefined, ({ number, state }) => {
      const all = threadNumbers(state, asked).flatMap((member) => read.all(number, member).map(found))
      for (const { message } of all) settle(state, message)
      const messages = all
        .filter(({ message }) => message.expunged === 0)
        .sort((a, b) => a.message.receivedAt - b.message.receivedAt || a.message.order - b.message.order)
        .map((each) => rowOf(state, each))
      return threadRow(resolveThread(state, asked), messages)
    })
  }

  async snapshot(account: AccountId, messageIds: readonly string[]) {
    const read = this.#queries.prepare(`SELECT ${STATE} FROM message WHERE mailbox = ? AND id = ?`)
    return this.#within(account, NO_SNAPSHOT, ({ number, state }) => {
      const messages = messageIds.flatMap((id) => {
        const row = read.get(number, packId(id))
        return row === undefined ? [] : [messageState(row)]
      })
      for (const message of messages) settle(state, message)
      return snapshotOf(state, messages)
    })
  }

  async usage(account: AccountId) {
    const row = this.#queries.prepare(MAILBOX).get(packId(account))
    return { messages: Number(row?.[2] ?? 0), bytes: Number(row?.[3] ?? 0) }
  }

  async accountRevision(account: AccountId) {
    const row = this.#queries.prepare(MAILBOX).get(packId(account))
    return row === undefined ? undefined : BigInt(Number(row[1]))
  }

  async uidRange(
    account: AccountId,
    folderId: string,
    options: NonNullable<Parameters<MailboxQueries['uidRange']>[2]> = {},
  ): Promise<readonly UidRow[]> {
    const { from = 0, to = Number.MAX_SAFE_INTEGER, changedSince = 0, limit = 1000 } = options
    const read = this.#queries.prepare(
      `SELECT ${STATE}, content, date FROM message INDEXED BY message_uid
       WHERE mailbox = ? AND folder = ? AND expunged = 0 AND uid >= ? AND uid <= ? AND modseq > ? ORDER BY uid LIMIT ?`,
    )
    return this.#within<readonly UidRow[]>(account, [], ({ number, state }) => {
      const folder = state.byId.get(folderId)
      if (folder === undefined) return []
      return read
        .all(number, folder.created, from, Math.min(to, Number.MAX_SAFE_INTEGER), changedSince, limit)
        .map((row) => {
          const { id, uid, modseq, flags, receivedAt, size, order } = messageState(row)
          const date = row[13] as number | null
          return {
            id,
            uid,
            modseq,
            flags,
            receivedAt,
            date,
            size,
            position: BigInt((row[12] as number | null) ?? order),
          }
        })
    })
  }

  async firstUnseen(account: AccountId, folderId: string): Promise<number | undefined> {
    const read = this.#queries.prepare(
      `SELECT uid FROM message INDEXED BY message_uid
       WHERE mailbox = ? AND folder = ? AND expunged = 0 AND flags & 1 = 0 ORDER BY uid LIMIT 1`,
    )
    return this.#within<number | undefined>(account, undefined, ({ number, state }) => {
      const folder = state.byId.get(folderId)
      const uid = folder === undefined ? undefined : read.get(number, folder.created)?.[0]
      return uid === undefined ? undefined : Number(uid)
    })
  }

  async countFlagged(account: AccountId, folderId: string, flag: string): Promise<number> {
    const read = this.#queries.prepare(
      `SELECT count(*) FROM message INDEXED BY message_uid
       WHERE mailbox = ? AND folder = ? AND expunged = 0 AND flags & ? != 0`,
    )
    return this.#within<number>(account, 0, ({ number, state }) => {
      const folder = state.byId.get(folderId)
      return folder === undefined ? 0 : Number(read.get(number, folder.created, packFlags([flag]).bits)?.[0] ?? 0)
    })
  }

  async vanishedSince(account: AccountId, folderId: string, modseq: number): Promise<readonly number[]> {
    const read = this.#queries.prepare('SELECT uid FROM vanished WHERE mailbox = ? AND folder = ? AND modseq > ?')
    return this.#within<readonly number[]>(account, [], ({ number, state }) => {
      const folder = state.byId.get(folderId)
      if (folder === undefined) return []
      return read
        .all(number, folder.created, modseq)
        .map(([uid]) => Number(uid))
        .sort((a, b) => a - b)
    })
  }

  async expunged(account: AccountId, { first = 50 }: { readonly first?: number | undefined } = {}) {
    return this.#within<readonly MessageRow[]>(account, [], ({ number, state }) => {
      const rows = this.#queries
        .prepare(
          `SELECT ${ROW} FROM message INDEXED BY message_expunged WHERE mailbox = ? AND expunged > 0
           ORDER BY expunged DESC, position DESC LIMIT ?`,
        )
        .all(number, first)
      for (const folder of state.folders.values()) {
        if (folder.deleted === 0) continue
        const left = this.#queries.prepare(
          `SELECT ${ROW} FROM message INDEXED BY message_uid WHERE mailbox = ? AND folder = ? AND expunged = 0
           ORDER BY position DESC LIMIT ?`,
        )
        rows.push(...left.all(number, folder.created, first))
      }
      const all = rows.map(found)
      for (const { message } of all) settle(state, message)
      return all
        .sort((a, b) => b.message.expunged - a.message.expunged || b.message.order - a.message.order)
        .slice(0, first)
        .map((each) => rowOf(state, each))
    })
  }
}

const found = (row: Cells): Found => {
  const message = messageState(row)
  return { message, summary: messageSummary(row, message.order, SUMMARY_AT) }
}

function rowOf(state: MailboxState, { message, summary }: Found): MessageRow {
  settle(state, message)
  return messageRow(message, summary, state.folders.get(message.folder)?.id ?? '', state)
}

interface Conditions {
  readonly where: string
  readonly values: readonly (string | number)[]
  readonly index: string
}

/** The narrowest index that a filter allows, and what is left to ask of each row. */
function conditionsOf(options: MessagePageOptions, byUid: boolean): Conditions {
  const filter: MessageFilter = options.filter ?? {}
  const where: string[] = []
  const values: (string | number)[] = []
  let index = byUid ? 'message_uid' : 'message_date'
  if (filter.hasAttachment !== undefined) {
    where.push(filter.hasAttachment ? 'attachment = 1' : 'attachment = 0')
    if (filter.hasAttachment && !byUid) index = 'message_attachment'
  }
  if (filter.flagged !== undefined) {
    where.push(filter.flagged ? 'flags & 4 = 4' : 'flags & 4 = 0')
    if (filter.flagged && !byUid) index = 'message_flagged'
  }
  if (filter.unread !== undefined) {
    where.push(filter.unread ? UNREAD : 'flags & 1 = 1')
    if (filter.unread && !byUid) index = 'message_unread'
  }
  if (filter.since !== undefined) {
    where.push('received >= ?')
    values.push(filter.since)
  }
  if (filter.before !== undefined) {
    where.push('received < ?')
    values.push(filter.before)
  }
  if (options.after !== undefined) {
    if (byUid) {
      where.push('uid > ?')
      values.push(readUidCursor(options.after))
    } else {
      const { receivedAt, order } = readDateCursor(options.after)
      // The first half bounds the index; the second leaves out what came before the cursor within one millisecond.
      where.push('received <= ? AND (received < ? OR position < ?)')
      values.push(receivedAt, receivedAt, order)
    }
  }
  return { where: where.map((each) => `AND ${each}`).join(' '), values, index }
}
