// The mailbox view in MongoDB: one document an account with its folders and counters, one a message, a thread key, a vanished UID.
import type { Document } from 'mongodb'
import { type AccountId, accountOfStream, isRedacted } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import { factsOf } from '../../../projections/mailbox/projector.ts'
import { emptyMailbox, MailboxUnit, settle } from '../../../projections/mailbox/unit.ts'
import { isUnreadable, type SourceEvent } from '../../../projections/ports/event-source.ts'
import {
  type FolderState,
  FRESH,
  type MailboxRows,
  type MailboxState,
  type MailboxStore,
  type MessageState,
  type MessageSummary,
  STORED,
} from '../../../projections/ports/view-store.ts'
import type { MongoDatabase, Row, RowWrite } from './mongodb-database.ts'
import { MongoStore, type MongoStoreOptions } from './mongodb-store.ts'

/** Mailboxes kept between units, because only this process writes them; the newest used stay. */
const KEPT_MAILBOXES = 4096
const KEPT_FOLDERS = 50_000

export const messageKey = (account: AccountId, id: string): string => `${account}/${id}`
const threadKey = (account: AccountId, key: number): string => `${account}/${key}`

/** What is stored of what the unit may write: new rows are inserted, others replaced. */
class MongoMailboxUnit extends MailboxUnit {
  readonly heads: ReadonlySet<AccountId>
  readonly threads: ReadonlyMap<string, Row>
  constructor(rows: MailboxRows, heads: ReadonlySet<AccountId>, threads: ReadonlyMap<string, Row>) {
    super(rows)
    this.heads = heads
    this.threads = threads
  }
}

export class MongoMailbox extends MongoStore<MongoMailboxUnit> implements MailboxStore {
  protected override readonly late = new Set(['head'] as const)
  readonly #kept = new Map<AccountId, MailboxState>()
  #keptFolders = 0

  constructor(database: MongoDatabase, options: MongoStoreOptions) {
    super(database, 'mailbox', options)
  }

  protected override forgetKept(): void {
    this.#kept.clear()
    this.#keptFolders = 0
  }

  /** Asks for every mailbox, message and thread key that the events name: three questions, whatever their number. */
  async begin(events: readonly SourceEvent[]): Promise<MongoMailboxUnit> {
    const accounts = new Set<AccountId>()
    const messageIds = new Set<string>()
    const threadIds = new Set<string>()
    for (const event of events) {
      const account = accountOfStream(event.stream)
      if (account === undefined || !this.owns(account) || isRedacted(event) || isUnreadable(event)) continue
      accounts.add(account)
      for (const id of messagesOf(event)) messageIds.add(messageKey(account, id))
      for (const key of threadsOf(event)) threadIds.add(threadKey(account, key))
    }
    const states = new Map<AccountId, MailboxState>()
    for (const account of accounts) {
      const kept = this.#kept.get(account)
      if (kept === undefined) continue
      // A unit may be dropped half applied: what it took is then read again.
      this.#kept.delete(account)
      this.#keptFolders -= kept.folders.size
      states.set(account, kept)
    }
    const heads = await this.rows(
      'head',
      [...accounts].filter((account) => !states.has(account)),
    )
    for (const [account, head] of heads) states.set(account, mailboxState(head))
    const stored = (id: string) => states.has(id.slice(0, id.indexOf('/')))
    const [messages, threads] = await Promise.all([
      this.rows('message', [...messageIds].filter(stored)),
      this.rows('thread', [...threadIds].filter(stored)),
    ])
    const rows: MailboxRows = {
      mailbox: (account) => states.get(account),
      message: (account, id) => {
        const row = messages.get(messageKey(account, id))
        return row === undefined ? undefined : messageState(row)
      },
      summary: (_account, message) => {
        if (message.summary === undefined) throw new Error('A message that was loaded has no summary.')
        return message.summary
      },
      thread: (account, key) => threads.get(threadKey(account, key))?.['thread'] as number | undefined,
    }
    return new MongoMailboxUnit(rows, new Set(states.keys()), threads)
  }

  protected writes(unit: MongoMailboxUnit): RowWrite[] {
    const writes: RowWrite[] = []
    for (const account of unit.erased) {
      if (!this.owns(account)) continue
      this.#drop(account)
      for (const table of ['message', 'thread', 'vanished'] as const) writes.push({ op: 'wipe', table, account })
      if (!unit.accounts.has(account)) writes.push({ op: 'drop', table: 'head', id: account, account })
    }
    for (const [account, changed] of unit.accounts) {
      if (!this.owns(account)) continue
      const reborn = unit.erased.has(account)
      for (const message of changed.changes()) {
        const row = messageRowOf(message, changed.summary(message))
        const fresh = message.change === FRESH
        writes.push({ op: 'put', table: 'message', id: messageKey(account, message.id), account, fresh, row })
      }
      for (const [key, thread] of changed.threads) {
        const id = threadKey(account, key)
        const fresh = reborn || !unit.threads.has(id)
        writes.push({ op: 'put', table: 'thread', id, account, fresh, row: { key, thread } })
      }
      for (const { folder: f, uid, modseq } of changed.vanished) {
        const id = `${account}/${f}/${uid}/${modseq}`
        writes.push({ op: 'put', table: 'vanished', id, account, fresh: true, row: { f, uid, modseq } })
      }
      // An erased account's document is replaced: its new life has the same id.
      const fresh = !unit.heads.has(account)
      writes.push({ op: 'put', table: 'head', id: account, account, fresh, row: headOf(changed.state) })
      this.#keep(account, changed.state)
    }
    return writes
  }

  #keep(account: AccountId, state: MailboxState): void {
    for (const folder of state.folders.values()) folder.changed = false
    this.#kept.set(account, state)
    this.#keptFolders += state.folders.size
    for (const [oldest, held] of this.#kept) {
      if (this.#kept.size <= KEPT_MAILBOXES && this.#keptFolders <= KEPT_FOLDERS) break
      this.#kept.delete(oldest)
      this.#keptFolders -= held.folders.size
    }
  }

  #drop(account: AccountId): void {
    this.#keptFolders -= this.#kept.get(account)?.folders.size ?? 0
    this.#kept.delete(account)
  }

  /** Of the rows of this store's partitions, read in slices. */
  async digest(): Promise<string> {
    const digest = new RowDigest()
    const states = new Map<AccountId, MailboxState>()
    for await (const head of this.table('head').find({}).sort({ _id: 1 }))
      if (this.owns(head._id)) states.set(head._id, mailboxState(head))
    for (const [account, state] of [...states].sort(([a], [b]) => (a < b ? -1 : 1))) {
      digest.mailbox(account, state)
      for (const folder of state.folders.values()) digest.folder(folder)
      for (const [from, to] of [...state.aliases].sort(([a], [b]) => a - b)) digest.alias(from, to)
    }
    for await (const row of this.table('message').find({}).sort({ order: 1 }).allowDiskUse()) {
      const state = states.get(row.a)
      if (state === undefined) continue
      const message = messageState(row)
      settle(state, message)
      digest.message(row.a, message, message.summary as MessageSummary)
    }
    const vanished = this.table('vanished').find({}).sort({ a: 1, f: 1, uid: 1, modseq: 1 }).allowDiskUse()
    for await (const { a, f, uid, modseq } of vanished)
      if (states.has(a)) digest.vanished(a, { folder: Number(f), uid: Number(uid), modseq: Number(modseq) })
    return digest.finish()
  }
}

/** Messages of which an event says something: their rows must be at hand when it is applied. */
export function messagesOf(event: SourceEvent): readonly string[] {
  if (isRedacted(event)) return []
  switch (event.type) {
    case 'MessageReceived':
    case 'MessageAppended':
    case 'MessageMoved':
    case 'MessageRestored':
      return [event.data?.messageId]
    case 'MessageCopied':
      return [event.data?.messageId, event.data?.copyId]
    case 'FlagsChanged':
    case 'MessagesExpunged':
      return event.data?.messageIds ?? []
    default:
      return []
  }
}

function threadsOf(event: SourceEvent): readonly number[] {
  if (isRedacted(event) || (event.type !== 'MessageReceived' && event.type !== 'MessageAppended')) return []
  const keys = event.facts?.threadKeys ?? factsOf(event.data.content).threadKeys
  // The lowest bit of the second says that it is a reply.
  return keys.map((key, i) => (i === 1 ? key - (key % 2) : key)).filter((key) => key !== 0)
}

const headOf = (state: MailboxState): Document => ({
  revision: state.revision,
  messages: state.messages,
  bytes: state.bytes,
  folders: [...state.folders.values()].map(({ changed: _, ...folder }) => folder),
  aliases: [...state.aliases].flat(),
})

export function mailboxState(head: Row): MailboxState {
  const state = emptyMailbox()
  state.revision = Number(head['revision'])
  state.messages = Number(head['messages'])
  state.bytes = Number(head['bytes'])
  for (const stored of head['folders'] as Omit<FolderState, 'changed'>[]) {
    const folder: FolderState = { ...stored, changed: false }
    state.folders.set(folder.created, folder)
    if (folder.deleted === 0) state.byId.set(folder.id, folder)
  }
  const aliases = head['aliases'] as number[]
  for (let i = 0; i + 1 < aliases.length; i += 2) state.aliases.set(aliases[i] as number, aliases[i + 1] as number)
  return state
}

function messageRowOf(message: MessageState, summary: MessageSummary): Document {
  return {
    id: message.id,
    order: message.order,
    f: message.folder,
    x: message.expunged,
    xAt: message.expungedAt,
    uid: message.uid,
    modseq: message.modseq,
    thread: message.thread,
    flags: message.flags,
    seen: message.flags.includes('\\seen'),
    flagged: message.flags.includes('\\flagged'),
    attachment: summary.hasAttachment,
    size: message.size,
    received: message.receivedAt,
    subject: summary.subject,
    from: summary.from.map(({ name, address, group }) => ({ name, address, group })),
    to: summary.to.map(({ name, address, group }) => ({ name, address, group })),
    date: summary.date,
    snippet: summary.snippet,
    header: summary.messageIdHeader,
    content: summary.position,
  }
}

export function messageState(row: Document): MessageState {
  return {
    id: row['id'],
    order: row['order'],
    folder: row['f'],
    uid: row['uid'],
    modseq: row['modseq'],
    thread: row['thread'],
    flags: row['flags'],
    size: row['size'],
    receivedAt: row['received'],
    expunged: row['x'],
    expungedAt: row['xAt'],
    summary: {
      subject: row['subject'],
      from: row['from'],
      to: row['to'],
      date: row['date'],
      snippet: row['snippet'],
      hasAttachment: row['attachment'],
      messageIdHeader: row['header'],
      position: row['content'],
    },
    change: STORED,
  }
}
