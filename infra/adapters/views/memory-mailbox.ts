// The mailbox view in memory. Applying is what must be fast: pages are sorted when they are asked for, and kept until the next commit.
import type { AccountId } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import {
  cutPage,
  dateCursor,
  folderRow,
  matches,
  messageRow,
  NO_SNAPSHOT,
  pageOffset,
  pageSize,
  readDateCursor,
  readUidCursor,
  snapshotOf,
  threadRow,
  uidCursor,
} from '../../../projections/mailbox/pages.ts'
import { threadNumber } from '../../../projections/mailbox/threads.ts'
import { MailboxUnit, resolveThread, settle } from '../../../projections/mailbox/unit.ts'
import {
  type MailboxRows,
  type MailboxState,
  type MailboxStore,
  type MessageState,
  type MessageSummary,
  STORED,
  type VanishedUid,
} from '../../../projections/ports/view-store.ts'
import type { MailboxQueries, MessageRow } from '../../../projections/queries.ts'
import { MemoryStore } from './memory.ts'

interface Held {
  state: MailboxState
  readonly messages: Map<string, MessageState>
  readonly threads: Map<number, number>
  readonly vanished: VanishedUid[]
  /** Unexpunged messages of a folder, newest first; dropped by every commit that touches the account. */
  readonly pages: Map<number, readonly MessageState[]>
}

export class MemoryMailbox extends MemoryStore<MailboxUnit> implements MailboxStore {
  readonly #accounts = new Map<AccountId, Held>()

  readonly #rows: MailboxRows = {
    mailbox: (account) => {
      const held = this.#accounts.get(account)
      return held === undefined ? undefined : copyState(held.state)
    },
    message: (account, id) => {
      const message = this.#accounts.get(account)?.messages.get(id)
      return message === undefined ? undefined : { ...message }
    },
    summary: (_account, message) => summaryOf(message),
    thread: (account, key) => this.#accounts.get(account)?.threads.get(key),
  }

  begin(): MailboxUnit {
    return new MailboxUnit(this.#rows)
  }

  protected write(unit: MailboxUnit): void {
    for (const account of unit.erased) this.#accounts.delete(account)
    for (const [account, changed] of unit.accounts) {
      let held = this.#accounts.get(account)
      if (held === undefined) {
        held = { state: changed.state, messages: new Map(), threads: new Map(), vanished: [], pages: new Map() }
        this.#accounts.set(account, held)
      }
      held.state = changed.state
      held.pages.clear()
      for (const folder of changed.state.folders.values()) folder.changed = false
      for (const message of changed.changes()) {
        message.change = STORED
        held.messages.set(message.id, message)
      }
      for (const [key, thread] of changed.threads) held.threads.set(key, thread)
      for (const vanished of changed.vanished) held.vanished.push(vanished)
    }
  }

  digest(): string {
    const digest = new RowDigest()
    const ids = [...this.#accounts.keys()].sort()
    const all: { account: string; message: MessageState }[] = []
    for (const account of ids) {
      const held = this.#accounts.get(account)
      if (held === undefined) continue
      digest.mailbox(account, held.state)
      for (const folder of held.state.folders.values()) digest.folder(folder)
      for (const [from, to] of [...held.state.aliases].sort(([a], [b]) => a - b)) digest.alias(from, to)
      for (const message of held.messages.values()) all.push({ account, message: settled(held.state, message) })
    }
    all.sort((a, b) => a.message.order - b.message.order)
    for (const { account, message } of all) digest.message(account, message, summaryOf(message))
    for (const account of ids) {
      const vanished = this.#accounts.get(account)?.vanished ?? []
      for (const one of vanished.toSorted((a, b) => a.folder - b.folder || a.uid - b.uid || a.modseq - b.modseq))
        digest.vanished(account, one)
    }
    return digest.finish()
  }

  #page(held: Held, folder: number): readonly MessageState[] {
    let page = held.pages.get(folder)
    if (page === undefined) {
      const found: MessageState[] = []
      for (const message of held.messages.values())
        if (message.folder === folder && message.expunged === 0) found.push(message)
      page = found.sort((a, b) => b.receivedAt - a.receivedAt || b.order - a.order)
      held.pages.set(folder, page)
    }
    return page
  }

  readonly queries: MailboxQueries = {
    folders: async (account) => [...(this.#accounts.get(account)?.state.byId.values() ?? [])].map(folderRow),
    folder: async (account, folderId) => {
      const folder = this.#accounts.get(account)?.state.byId.get(folderId)
      return folder === undefined ? undefined : folderRow(folder)
    },
    messages: async (account, folderId, options = {}) => {
      const held = this.#accounts.get(account)
      const folder = held?.state.byId.get(folderId)
      const revision = held === undefined ? undefined : BigInt(held.state.revision)
      const byUid = options.order === 'uid'
      const date = byUid || options.after === undefined ? undefined : readDateCursor(options.after)
      const uid = byUid && options.after !== undefined ? readUidCursor(options.after) : undefined
      if (held === undefined || folder === undefined) return { rows: [], cursors: [], next: null, revision }
      const first = pageSize(options.first)
      const all = this.#page(held, folder.created)
      const filter = options.filter ?? {}
      const found: MessageState[] = []
      let skip = pageOffset(options)
      for (const message of byUid ? all.toSorted((a, b) => a.uid - b.uid) : all) {
        if (uid !== undefined && message.uid <= uid) continue
        if (date !== undefined) {
          const { receivedAt, order } = message
          if (receivedAt > date.receivedAt || (receivedAt === date.receivedAt && order >= date.order)) continue
        }
        if (!matches(filter, message, () => summaryOf(message))) continue
        if (skip-- > 0) continue
        found.push(message)
        if (found.length > first) break
      }
      const { page, cursors, next } = cutPage(found, first, (each) =>
        byUid ? uidCursor(each.uid) : dateCursor(each.receivedAt, each.order),
      )
      return { rows: page.map((each) => rowOf(held, each)), cursors, next, revision }
    },
    message: async (account, messageId) => this.#row(account, messageId),
    count: async (account, folderId, filter) => {
      const held = this.#accounts.get(account)
      const folder = held?.state.byId.get(folderId)
      if (held === undefined || folder === undefined) return 0
      return this.#page(held, folder.created).filter((each) => matches(filter, each, () => summaryOf(each))).length
    },
    messagesById: async (account, messageIds) =>
      messageIds.map((id) => this.#row(account, id)).filter((row) => row !== undefined),
    thread: async (account, id) => {
      const held = this.#accounts.get(account)
      const number = threadNumber(id)
      if (held === undefined || number === undefined) return undefined
      const thread = resolveThread(held.state, number)
      const found: MessageState[] = []
      for (const message of held.messages.values()) {
        if (resolveThread(held.state, message.thread) === thread && settled(held.state, message).expunged === 0)
          found.push(message)
      }
      found.sort((a, b) => a.receivedAt - b.receivedAt || a.order - b.order)
      return threadRow(
        thread,
        found.map((each) => rowOf(held, each)),
      )
    },
    snapshot: async (account, messageIds) => {
      const held = this.#accounts.get(account)
      if (held === undefined) return NO_SNAPSHOT
      const messages = messageIds.flatMap((id) => {
        const message = held.messages.get(id)
        return message === undefined ? [] : [settled(held.state, message)]
      })
      return snapshotOf(held.state, messages)
    },
    usage: async (account) => {
      const state = this.#accounts.get(account)?.state
      return { messages: state?.messages ?? 0, bytes: state?.bytes ?? 0 }
    },
    accountRevision: async (account) => {
      const state = this.#accounts.get(account)?.state
      return state === undefined ? undefined : BigInt(state.revision)
    },
    uidRange: async (account, folderId, { from = 0, to = Infinity, changedSince = 0, limit = 1000 } = {}) => {
      const held = this.#accounts.get(account)
      const folder = held?.state.byId.get(folderId)
      if (held === undefined || folder === undefined) return []
      return this.#page(held, folder.created)
        .filter((each) => each.uid >= from && each.uid <= to && each.modseq > changedSince)
        .sort((a, b) => a.uid - b.uid)
        .slice(0, limit)
        .map((each) => {
          const { id, uid, modseq, flags, receivedAt, size } = each
          const date = each.summary?.date ?? null
          return {
            id,
            uid,
            modseq,
            flags,
            receivedAt,
            date,
            size,
            position: BigInt(each.summary?.position ?? each.order),
          }
        })
    },
    firstUnseen: async (account, folderId) => {
      const held = this.#accounts.get(account)
      const folder = held?.state.byId.get(folderId)
      if (held === undefined || folder === undefined) return undefined
      const unseen = this.#page(held, folder.created).filter(({ flags }) => !flags.includes('\\seen'))
      return unseen.length === 0 ? undefined : Math.min(...unseen.map(({ uid }) => uid))
    },
    countFlagged: async (account, folderId, flag) => {
      const held = this.#accounts.get(account)
      const folder = held?.state.byId.get(folderId)
      if (held === undefined || folder === undefined) return 0
      return this.#page(held, folder.created).filter(({ flags }) => flags.includes(flag)).length
    },
    vanishedSince: async (account, folderId, modseq) => {
      const held = this.#accounts.get(account)
      const folder = held?.state.byId.get(folderId)
      if (held === undefined || folder === undefined) return []
      const uids = held.vanished.filter((each) => each.folder === folder.created && each.modseq > modseq)
      return uids.map((each) => each.uid).sort((a, b) => a - b)
    },
    expunged: async (account, { first = 50 } = {}) => {
      const held = this.#accounts.get(account)
      if (held === undefined) return []
      return [...held.messages.values()]
        .map((message) => settled(held.state, message))
        .filter((message) => message.expunged !== 0)
        .sort((a, b) => b.expunged - a.expunged || b.order - a.order)
        .slice(0, first)
        .map((message) => rowOf(held, message))
    },
  }

  #row(account: AccountId, id: string): MessageRow | undefined {
    const held = this.#accounts.get(account)
    const message = held?.messages.get(id)
    return held === undefined || message === undefined ? undefined : rowOf(held, message)
  }
}

/** Contents are opened here, for the rows that somebody asked for: one that is damaged must not take its page with it. */
function summaryOf(message: MessageState): MessageSummary {
  const { summary } = message
  if (summary === undefined) throw new Error('A message in memory has no summary.')
  try {
    summary.subject
    return summary
  } catch (error) {
    const snippet = `The content of this message cannot be read. ${error instanceof Error ? error.message : ''}`
    return { ...NO_SUMMARY, snippet, position: summary.position }
  }
}

const NO_SUMMARY = { subject: '', from: [], to: [], date: null, hasAttachment: false, messageIdHeader: '' }

function settled(state: MailboxState, message: MessageState): MessageState {
  if (message.expunged !== 0 || state.folders.get(message.folder)?.deleted === 0) return message
  const copy = { ...message }
  settle(state, copy)
  return copy
}

function rowOf(held: Held, message: MessageState): MessageRow {
  const folderId = held.state.folders.get(message.folder)?.id ?? ''
  return messageRow(settled(held.state, message), summaryOf(message), folderId, held.state)
}

function copyState(state: MailboxState): MailboxState {
  const folders = new Map<number, MailboxState['folders'] extends Map<number, infer F> ? F : never>()
  const byId: MailboxState['byId'] = new Map()
  for (const folder of state.folders.values()) folders.set(folder.created, { ...folder })
  for (const folder of state.byId.values()) {
    const copy = folders.get(folder.created)
    if (copy !== undefined) byId.set(copy.id, copy)
  }
  return { ...state, folders, byId, aliases: new Map(state.aliases) }
}
