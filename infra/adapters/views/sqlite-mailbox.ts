// The mailbox view in SQLite. Rows are kept small: accounts are numbers, ids and hashes bytes, flags bits; no bodies, no structure.
import type { AccountId, Position } from '../../../domain/log.ts'
import type { MailAddress } from '../../../domain/mail/structure.ts'
import type { FolderRole } from '../../../domain/mailbox/mailbox.ts'
import { RowDigest } from '../../../projections/digest.ts'
import { packFlags, unpackFlags } from '../../../projections/mailbox/pages.ts'
import { mailboxProjector } from '../../../projections/mailbox/projector.ts'
import { type AccountUnit, emptyMailbox, MailboxUnit, settle } from '../../../projections/mailbox/unit.ts'
import {
  CHANGED,
  type FolderState,
  FRESH,
  type MailboxRows,
  type MailboxState,
  type MailboxStore,
  type MessageState,
  type MessageSummary,
  type ParkedEvent,
  STORED,
} from '../../../projections/ports/view-store.ts'
import {
  type Cells,
  packId,
  type Queries,
  Query,
  SqliteStore,
  unpackId,
  type ViewFile,
  type ViewSchema,
} from './sqlite-file.ts'

export const mailboxSchema: ViewSchema = {
  name: mailboxProjector.name,
  version: mailboxProjector.version,
  tables: `
    CREATE TABLE mailbox (
      number INTEGER PRIMARY KEY, account NOT NULL UNIQUE,
      revision INTEGER NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL);
    CREATE TABLE folder (
      mailbox INTEGER NOT NULL, created INTEGER NOT NULL, id NOT NULL, name TEXT NOT NULL, parent, role TEXT,
      subscribed INTEGER NOT NULL, total INTEGER NOT NULL, unread INTEGER NOT NULL, bytes INTEGER NOT NULL,
      modseq INTEGER NOT NULL, uid_next INTEGER NOT NULL, deleted INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
      PRIMARY KEY (mailbox, created)) WITHOUT ROWID;
    CREATE TABLE thread_alias (
      mailbox INTEGER NOT NULL, thread INTEGER NOT NULL, into_thread INTEGER NOT NULL,
      PRIMARY KEY (mailbox, thread)) WITHOUT ROWID;
    CREATE TABLE thread_key (
      mailbox INTEGER NOT NULL, hash INTEGER NOT NULL, thread INTEGER NOT NULL,
      PRIMARY KEY (mailbox, hash)) WITHOUT ROWID;
    CREATE TABLE message (
      position INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, id NOT NULL, folder INTEGER NOT NULL, uid INTEGER NOT NULL,
      modseq INTEGER NOT NULL, flags INTEGER NOT NULL, keywords TEXT, expunged INTEGER NOT NULL, expunged_at INTEGER NOT NULL,
      thread INTEGER NOT NULL, received INTEGER NOT NULL, size INTEGER NOT NULL, attachment INTEGER NOT NULL,
      date INTEGER, content INTEGER, header_id TEXT, subject TEXT, sender TEXT, recipients TEXT, snippet TEXT);
    CREATE UNIQUE INDEX message_id ON message (mailbox, id);
    CREATE TABLE vanished (
      mailbox INTEGER NOT NULL, folder INTEGER NOT NULL, modseq INTEGER NOT NULL, uid INTEGER NOT NULL,
      PRIMARY KEY (mailbox, folder, modseq, uid)) WITHOUT ROWID;`,
  // The position follows the last column of each of these, so date order needs no column for its ties.
  indexes: `
    CREATE INDEX message_date ON message (mailbox, folder, received) WHERE expunged = 0;
    CREATE INDEX message_unread ON message (mailbox, folder, received) WHERE expunged = 0 AND flags & 1 = 0;
    CREATE INDEX message_flagged ON message (mailbox, folder, received) WHERE expunged = 0 AND flags & 4 = 4;
    CREATE INDEX message_attachment ON message (mailbox, folder, received) WHERE expunged = 0 AND attachment = 1;
    CREATE INDEX message_uid ON message (mailbox, folder, uid) WHERE expunged = 0;
    CREATE INDEX message_thread ON message (mailbox, thread);
    CREATE INDEX message_expunged ON message (mailbox, expunged) WHERE expunged > 0;`,
}

/** Mailboxes kept between units; the newest used stay. */
const KEPT_MAILBOXES = 4096
const KEPT_FOLDERS = 50_000
const RECENT_MESSAGES = 20_000

export class SqliteMailbox extends SqliteStore implements MailboxStore {
  readonly #numbers = new Map<AccountId, number>()
  /** As the file holds them. Loading takes one out and a commit puts it back, so a dropped unit leaves none changed. */
  readonly #kept = new Map<AccountId, MailboxState>()
  #keptFolders = 0
  /** The same for messages: what was touched lately is what is touched next. */
  readonly #recent = new Map<string, MessageState>()
  #nextNumber: number
  readonly #mailbox: Query
  readonly #message: Query
  readonly #summary: Query
  readonly #thread: Query

  constructor(path: string, mode: 'live' | 'fill') {
    super(path, mailboxSchema, mode)
    const { db } = this.file
    this.#mailbox = new Query(db, MAILBOX)
    this.#message = new Query(db, `SELECT ${STATE} FROM message WHERE mailbox = ? AND id = ?`)
    this.#summary = new Query(db, `SELECT ${SUMMARY} FROM message WHERE position = ?`)
    this.#thread = new Query(db, 'SELECT thread FROM thread_key WHERE mailbox = ? AND hash = ?')
    this.#nextNumber = 1 + Number(db.prepare('SELECT max(number) AS n FROM mailbox').get()?.['n'] ?? 0)
    this.#write = prepareWrites(this.file)
  }

  readonly #rows: MailboxRows = {
    mailbox: (account) => {
      const kept = this.#kept.get(account)
      if (kept !== undefined) {
        this.#kept.delete(account)
        this.#keptFolders -= kept.folders.size
        return kept
      }
      const row = this.#mailbox.get(packId(account))
      if (row === undefined) return undefined
      this.#numbers.set(account, Number(row[0]))
      return loadMailbox(this.queries, row)
    },
    message: (account, id) => {
      const number = this.#number(account)
      const key = `${number} ${id}`
      const recent = this.#recent.get(key)
      if (recent !== undefined) {
        this.#recent.delete(key)
        return recent
      }
      const row = this.#message.get(number, packId(id))
      return row === undefined ? undefined : messageState(row)
    },
    summary: (_account, message) => {
      const row = this.#summary.get(message.order)
      if (row === undefined) throw new Error('A message that was loaded is gone.')
      return messageSummary(row, message.order)
    },
    thread: (account, key) => {
      const row = this.#thread.get(this.#number(account), key)
      return row === undefined ? undefined : Number(row[0])
    },
  }

  #number(account: AccountId): number {
    let number = this.#numbers.get(account)
    if (number === undefined) {
      number = Number(this.#mailbox.get(packId(account))?.[0] ?? -1)
      if (number > 0) this.#numbers.set(account, number)
    }
    return number
  }

  begin(): MailboxUnit {
    return new MailboxUnit(this.#rows)
  }
  digest(): string {
    return mailboxDigest(this.queries)
  }

  commit(unit: MailboxUnit, checkpoint: Position, parked: readonly ParkedEvent[]): void {
    try {
      this.file.commit(
        () => {
          for (const account of unit.erased) this.#erase(account)
          for (const [account, changed] of unit.accounts) this.#store(account, changed)
        },
        checkpoint,
        parked,
      )
    } catch (error) {
      this.#numbers.clear()
      this.#kept.clear()
      this.#keptFolders = 0
      this.#recent.clear()
      throw error
    }
    if (unit.erased.size > 0) this.#recent.clear()
    // Only what is on file may be marked so: a failed commit is tried again from the log.
    for (const [account, changed] of unit.accounts) {
      for (const folder of changed.state.folders.values()) folder.changed = false
      this.#kept.set(account, changed.state)
      this.#keptFolders += changed.state.folders.size
      const number = this.#number(account)
      for (const message of changed.loaded()) {
        message.change = STORED
        message.summary = undefined
        this.#recent.set(`${number} ${message.id}`, message)
      }
    }
    for (const key of this.#recent.keys()) {
      if (this.#recent.size <= RECENT_MESSAGES) break
      this.#recent.delete(key)
    }
    for (const [account, state] of this.#kept) {
      if (this.#kept.size <= KEPT_MAILBOXES && this.#keptFolders <= KEPT_FOLDERS) break
      this.#kept.delete(account)
      this.#keptFolders -= state.folders.size
    }
  }

  readonly #write: ReturnType<typeof prepareWrites>

  #erase(account: AccountId): void {
    const number = this.#number(account)
    this.#keptFolders -= this.#kept.get(account)?.folders.size ?? 0
    this.#kept.delete(account)
    this.#numbers.delete(account)
    if (number < 0) return
    for (const table of ['message', 'folder', 'thread_alias', 'thread_key', 'vanished'])
      this.file.db.prepare(`DELETE FROM ${table} WHERE mailbox = ?`).run(number)
    this.file.db.prepare('DELETE FROM mailbox WHERE number = ?').run(number)
  }

  #store(account: AccountId, changed: AccountUnit): void {
    const write = this.#write
    const { state } = changed
    let number = this.#number(account)
    if (number < 0) {
      number = this.#nextNumber++
      this.#numbers.set(account, number)
      write.addMailbox.run(number, packId(account), state.revision, state.messages, state.bytes)
    } else {
      write.setMailbox.run(state.revision, state.messages, state.bytes, number)
    }
    for (const folder of state.folders.values()) {
      if (!folder.changed) continue
      write.putFolder.run(
        ...[number, folder.created, packId(folder.id), folder.name],
        ...[folder.parentId === null ? null : packId(folder.parentId), folder.role, Number(folder.subscribed)],
        ...[folder.total, folder.unread, folder.bytes, folder.modseq, folder.uidNext, folder.deleted, folder.deletedAt],
      )
    }
    for (const [from, to] of changed.merged) write.putAlias.run(number, from, to)
    for (const [key, thread] of changed.threads) write.putThread.run(number, key, thread)
    for (const { folder, uid, modseq } of changed.vanished) write.addVanished.run(number, folder, modseq, uid)
    for (const message of changed.changes()) {
      const { bits, keywords } = packFlags(message.flags)
      if (message.change === CHANGED) {
        write.setMessage.run(
          message.folder,
          message.uid,
          message.modseq,
          bits,
          keywords,
          message.expunged,
          message.expungedAt,
          message.order,
        )
      } else if (message.change === FRESH) {
        const summary = changed.summary(message)
        write.addMessage.run(
          message.order,
          number,
          packId(message.id),
          message.folder,
          message.uid,
          message.modseq,
          bits,
          keywords,
          message.expunged,
          message.expungedAt,
          message.thread,
          message.receivedAt,
          message.size,
          summary.hasAttachment ? 1 : 0,
          summary.date,
          summary.position === message.order ? null : summary.position,
          summary.messageIdHeader || null,
          summary.subject || null,
          packAddresses(summary.from),
          packAddresses(summary.to),
          summary.snippet || null,
        )
      }
    }
  }
}

function prepareWrites({ db }: ViewFile) {
  return {
    addMailbox: db.prepare('INSERT INTO mailbox VALUES (?, ?, ?, ?, ?)'),
    setMailbox: db.prepare('UPDATE mailbox SET revision = ?, messages = ?, bytes = ? WHERE number = ?'),
    putFolder: db.prepare('INSERT OR REPLACE INTO folder VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    putAlias: db.prepare('INSERT OR REPLACE INTO thread_alias VALUES (?, ?, ?)'),
    putThread: db.prepare('INSERT OR REPLACE INTO thread_key VALUES (?, ?, ?)'),
    addVanished: db.prepare('INSERT INTO vanished VALUES (?, ?, ?, ?)'),
    addMessage: db.prepare(
      'INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    setMessage: db.prepare(
      `UPDATE message SET folder = ?, uid = ?, modseq = ?, flags = ?, keywords = ?, expunged = ?, expunged_at = ?
       WHERE position = ?`,
    ),
  }
}

export const MAILBOX = 'SELECT number, revision, messages, bytes FROM mailbox WHERE account = ?'
export const STATE = 'position, id, folder, uid, modseq, flags, keywords, expunged, expunged_at, thread, received, size'
export const SUMMARY = 'subject, sender, recipients, date, snippet, attachment, header_id, content'

/** Folders and aliases of the mailbox in `row`, the answer to `MAILBOX`. */
export function loadMailbox(queries: Queries, row: Cells): MailboxState {
  const state = emptyMailbox()
  state.revision = Number(row[1])
  state.messages = Number(row[2])
  state.bytes = Number(row[3])
  const number = Number(row[0])
  for (const folder of queries.prepare('SELECT * FROM folder WHERE mailbox = ? ORDER BY created').all(number)) {
    const loaded = folderState(folder)
    state.folders.set(loaded.created, loaded)
    if (loaded.deleted === 0) state.byId.set(loaded.id, loaded)
  }
  for (const [from, to] of queries
    .prepare('SELECT thread, into_thread FROM thread_alias WHERE mailbox = ? ORDER BY thread')
    .all(number))
    state.aliases.set(Number(from), Number(to))
  return state
}

function folderState(row: Cells): FolderState {
  return {
    created: Number(row[1]),
    id: unpackId(row[2]),
    name: String(row[3]),
    parentId: row[4] === null ? null : unpackId(row[4]),
    role: row[5] as FolderRole | null,
    subscribed: row[6] === 1,
    total: Number(row[7]),
    unread: Number(row[8]),
    bytes: Number(row[9]),
    modseq: Number(row[10]),
    uidNext: Number(row[11]),
    deleted: Number(row[12]),
    deletedAt: Number(row[13]),
    changed: false,
  }
}

/** Of the columns in `STATE`. */
export function messageState(row: Cells): MessageState {
  return {
    order: row[0] as number,
    id: unpackId(row[1]),
    folder: row[2] as number,
    uid: row[3] as number,
    modseq: row[4] as number,
    flags: unpackFlags(row[5] as number, row[6] as string | null),
    expunged: row[7] as number,
    expungedAt: row[8] as number,
    thread: row[9] as number,
    receivedAt: row[10] as number,
    size: row[11] as number,
    summary: undefined,
    change: STORED,
  }
}

/** Of the columns in `SUMMARY`, from `at` on. */
export function messageSummary(row: Cells, order: number, at = 0): MessageSummary {
  return {
    subject: (row[at] as string | null) ?? '',
    from: unpackAddresses(row[at + 1] as string | null),
    to: unpackAddresses(row[at + 2] as string | null),
    date: row[at + 3] as number | null,
    snippet: (row[at + 4] as string | null) ?? '',
    hasAttachment: row[at + 5] === 1,
    messageIdHeader: (row[at + 6] as string | null) ?? '',
    position: (row[at + 7] as number | null) ?? order,
  }
}

/** `name US address [US group]` joined by RS; JSON behind GS for text that holds those characters. */
function packAddresses(list: readonly MailAddress[]): string | null {
  if (list.length === 0) return null
  const packed = list
    .map(({ name, address, group }) => {
      const text = name === undefined ? address : `${address}\x1f${name}`
      return group === undefined ? text : `${address}\x1f${name ?? ''}\x1f${group}`
    })
    .join('\x1e')
  const plain =
    packed.split('\x1e').length === list.length &&
    list.every(
      (each) =>
        !`${each.name}${each.address}${each.group}`.includes('\x1f') &&
        !each.address.startsWith('\x1d') &&
        (each.name !== undefined || each.group === undefined),
    )
  return plain ? packed : `\x1d${JSON.stringify(list)}`
}

export function unpackAddresses(packed: string | null): readonly MailAddress[] {
  if (packed === null) return []
  if (packed.startsWith('\x1d')) return JSON.parse(packed.slice(1)) as MailAddress[]
  return packed.split('\x1e').map((each) => {
    const [address = '', name, group] = each.split('\x1f')
    if (name === undefined) return { address }
    return group === undefined ? { name, address } : { name, address, group }
  })
}

/** In the order that `RowDigest` wants; reads one snapshot if the caller holds one. */
export function mailboxDigest(queries: Queries): string {
  const digest = new RowDigest()
  const accounts = queries
    .prepare('SELECT number, revision, messages, bytes, account FROM mailbox')
    .all()
    .map((row) => ({ number: Number(row[0]), account: unpackId(row[4]), state: loadMailbox(queries, row) }))
    .sort((a, b) => (a.account < b.account ? -1 : 1))
  const byNumber = new Map(accounts.map((each) => [each.number, each]))
  for (const { account, state } of accounts) {
    digest.mailbox(account, state)
    for (const folder of state.folders.values()) digest.folder(folder)
    for (const [from, to] of state.aliases) digest.alias(from, to)
  }
  const messages = queries.prepare(`SELECT ${STATE}, ${SUMMARY}, mailbox FROM message ORDER BY position`)
  for (const row of messages.iterate()) {
    const mailbox = byNumber.get(Number(row[20]))
    if (mailbox === undefined) continue
    const message = messageState(row)
    settle(mailbox.state, message)
    digest.message(mailbox.account, message, messageSummary(row, message.order, 12))
  }
  const vanished = queries.prepare(
    'SELECT folder, uid, modseq FROM vanished WHERE mailbox = ? ORDER BY folder, uid, modseq',
  )
  for (const { account, number } of accounts)
    for (const row of vanished.iterate(number))
      digest.vanished(account, { folder: Number(row[0]), uid: Number(row[1]), modseq: Number(row[2]) })
  return digest.finish()
}
