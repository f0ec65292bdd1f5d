// One account's mailbox as mail programs see it, in memory and as new as the log: rows of the views with the tail of the stream folded
// onto them. A write is answered from the event that it appended, without waiting for any view.
import type { MailboxSnapshot, MailboxSnapshots } from '../../commands/ports/views.ts'
import { type AccountId, isRedacted, mailboxStream, type Revision } from '../../domain/log.ts'
import type { Arrival, MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import { changedFlags, sortedFlags } from '../../projections/mailbox/projector.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import type { FolderRow, MailboxQueries, UidRow } from '../../projections/queries.ts'
import { changedRow, FolderIndex } from './folder-index.ts'

/** Rows of all folders of all accounts together: about 100 bytes each. */
const MAX_ROWS = 1_000_000
/** Rows read from the view at once. */
const PAGE = 2_000
/** More events than this are not folded one by one: the view is asked what changed. */
const TAIL = 500
/** Events kept for whoever looks next. */
const MAX_ANNOUNCED = 32
/** Mailboxes kept, however few messages they have. */
const MAX_MAILBOXES = 20_000
/** Views that are further behind than this are asked again later. */
const VIEWS_MS = 10_000

/** An event that this process has just appended: it need not be read again. */
export interface Announced {
  readonly revision: Revision
  readonly event: MailboxEvent
  /** Undefined where the append did not tell: an arrival is then read from the log. */
  readonly position: bigint | undefined
}

export interface LivePorts {
  readonly source: Pick<EventSource, 'readStream'>
  readonly mailbox: MailboxQueries
  readonly snapshots: MailboxSnapshots
  waitForRevision(account: AccountId, revision: Revision, options?: { readonly timeoutMs?: number }): Promise<void>
  /** No other process writes to the log: what this one appends is announced before anybody hears of it. */
  readonly alone?: boolean
}

type Folder = { -readonly [Key in keyof FolderRow]: FolderRow[Key] }
interface Found {
  readonly folderId: string
  readonly row: UidRow
}
interface Loaded {
  readonly uidValidity: number
  readonly index: FolderIndex
}

export class LiveMailbox {
  readonly account: AccountId
  readonly #ports: LivePorts
  #folders = new Map<string, Folder>()
  readonly #loaded = new Map<string, Loaded>()
  /** Folded up to here. */
  #revision: Revision = -1n
  /** Known to be on the log. */
  #newest: Revision = -1n
  readonly #announced = new Map<Revision, Announced>()
  /** One catching up or loading at a time; the others wait for it. */
  #busy: Promise<void> = Promise.resolve()
  #opened = false

  constructor(account: AccountId, ports: LivePorts) {
    this.account = account
    this.#ports = ports
  }

  get revision(): Revision {
    return this.#revision
  }

  /** In the order of their creation. */
  get folders(): readonly FolderRow[] {
    return [...this.#folders.values()]
  }

  folder(id: string): FolderRow | undefined {
    return this.#folders.get(id)
  }

  /** Bytes of all messages. */
  get bytes(): number {
    let bytes = 0
    for (const folder of this.#folders.values()) bytes += folder.bytes
    return bytes
  }

  get rows(): number {
    let rows = 0
    for (const { index } of this.#loaded.values()) rows += index.count
    return rows
  }

  /** A folder that is loaded, as it is now; undefined when it is not, or gone. */
  indexOf(folderId: string): FolderIndex | undefined {
    const loaded = this.#loaded.get(folderId)
    return loaded && loaded.uidValidity === this.#folders.get(folderId)?.uidValidity ? loaded.index : undefined
  }

  /** A living message of a loaded folder. */
  find(messageId: string): Found | undefined {
    return this.#found(messageId)[0]
  }

  /** Where it came last stands first. More than one place, when rows of two folders were read while it moved. */
  #found(messageId: string): readonly Found[] {
    const found: Found[] = []
    for (const [folderId, { index }] of this.#loaded) {
      const uid = index.uidOf(messageId)
      if (uid > 0) found.push({ folderId, row: index.row(index.place(uid)) })
    }
    return found.length < 2 ? found : found.sort((a, b) => b.row.uid - a.row.uid)
  }

  /** There is something newer on the log. */
  announce(revision: Revision, events: readonly Announced[] = []): void {
    if (revision > this.#newest) this.#newest = revision
    for (const event of events) if (event.revision > this.#revision) this.#announced.set(event.revision, event)
    // Nobody looks: whoever does reads them from the log.
    if (this.#announced.size > MAX_ANNOUNCED) this.#announced.clear()
  }

  /** Resolves once all that was announced is folded in. */
  async catchUp(): Promise<void> {
    if (this.#opened && this.#newest <= this.#revision) return
    await this.#inTurn(() => this.#fold())
  }

  /** The columns of a folder, as new as what was announced; undefined when there is no such folder. */
  async index(folderId: string): Promise<FolderIndex | undefined> {
    await this.catchUp()
    const ready = this.indexOf(folderId)
    if (ready !== undefined || !this.#folders.has(folderId)) return ready
    await this.#inTurn(async () => {
      await this.#fold()
      if (this.indexOf(folderId) === undefined && this.#folders.has(folderId)) await this.#load(folderId)
    })
    return this.indexOf(folderId)
  }

  /** Resolves once the views show what this mailbox shows. */
  async viewed(): Promise<void> {
    await this.catchUp()
    await this.#ports.waitForRevision(this.account, this.#revision, { timeoutMs: VIEWS_MS })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#busy.then(work)
    this.#busy = turn.catch(() => undefined)
    return turn
  }

  async #fold(): Promise<void> {
    if (!this.#opened) {
      await this.#refresh()
      this.#opened = true
    }
    while (this.#newest > this.#revision) {
      const next = this.#announced.get(this.#revision + 1n)
      if (next !== undefined && (next.position !== undefined || !isArrival(next.event))) {
        this.#announced.delete(next.revision)
        if (this.#apply(next.event, next.revision, next.position ?? 0n)) this.#revision = next.revision
        else await this.#refresh()
      } else await this.#readTail()
    }
  }

  async #readTail(): Promise<void> {
    const missed = Number(this.#newest - this.#revision)
    if (missed > TAIL) return this.#refresh()
    const range = { from: this.#revision + 1n, limit: missed }
    let folded = false
    try {
      for await (const event of this.#ports.source.readStream(mailboxStream(this.account), range)) {
        this.#announced.delete(event.revision)
        if (!isRedacted(event) && !this.#apply(event as MailboxEvent, event.revision, event.position)) break
        this.#revision = event.revision
        folded = true
      }
    } catch {
      // An event that cannot be opened: the views have parked it and gone on, and are asked below.
      folded = false
    }
    if (!folded || this.#newest > this.#revision) await this.#refresh()
  }

  /** Asks the views, once they have come as far as the log is known to go. */
  async #refresh(): Promise<void> {
    const { mailbox, waitForRevision } = this.#ports
    if (this.#newest >= 0n) await waitForRevision(this.account, this.#newest, { timeoutMs: VIEWS_MS })
    // Before the rows: what comes in between is folded once more, onto rows that know it already.
    const shown = (await mailbox.accountRevision(this.account)) ?? -1n
    const since = Number(this.#revision) + 1
    for (const [folderId, { index }] of this.#loaded) {
      await this.#loadRows(folderId, index, since)
      index.remove(await mailbox.vanishedSince(this.account, folderId, since))
    }
    await this.#loadFolders()
    if (shown > this.#revision) this.#revision = shown
    if (shown > this.#newest) this.#newest = shown
    for (const revision of this.#announced.keys()) if (revision <= this.#revision) this.#announced.delete(revision)
  }

  async #load(folderId: string): Promise<void> {
    const { mailbox, waitForRevision } = this.#ports
    const uidValidity = this.#folders.get(folderId)?.uidValidity ?? 0
    await waitForRevision(this.account, this.#revision, { timeoutMs: VIEWS_MS })
    const index = new FolderIndex()
    await this.#loadRows(folderId, index, 0)
    // What left while the pages were read.
    index.remove(await mailbox.vanishedSince(this.account, folderId, Number(this.#revision) + 1))
    this.#loaded.set(folderId, { uidValidity, index })
    await this.#loadFolders()
  }

  /** After the rows, never before: what a row has in it its folder then has too. */
  async #loadFolders(): Promise<void> {
    const folders = await this.#ports.mailbox.folders(this.account)
    this.#folders = new Map(folders.map((row) => [row.id, { ...row }]))
    for (const [folderId, { uidValidity }] of this.#loaded)
      if (this.#folders.get(folderId)?.uidValidity !== uidValidity) this.#loaded.delete(folderId)
  }

  async #loadRows(folderId: string, index: FolderIndex, changedSince: number): Promise<void> {
    for (let from = 0; ; ) {
      const rows = await this.#ports.mailbox.uidRange(this.account, folderId, { from, changedSince, limit: PAGE })
      index.put(rows)
      const last = rows.at(-1)
      if (!last || rows.length < PAGE) return
      from = last.uid + 1
      // Two hundred thousand rows are a third of a second: others have their turn in between.
      await new Promise((next) => setImmediate(next))
    }
  }

  // ── Fold ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
  // As projections/mailbox/projector.ts. A row or folder whose MODSEQ is as high already has the event in it.

  /** False when the views must be asked: what the event is about is not all in memory. */
  #apply(event: MailboxEvent, revision: Revision, position: bigint): boolean {
    const modseq = Number(revision) + 1
    switch (event.type) {
      case 'MessageReceived':
      case 'MessageAppended': {
        const { data } = event
        const row = arrived(data, modseq, position)
        return this.#enter(data.folderId, row, modseq)
      }
      case 'FlagsChanged':
        return this.#changeFlags(event.data, modseq)
      case 'MessageCopied': {
        const { messageId, copyId, folderId } = event.data
        const source = this.find(messageId)
        // A source that has changed since is not what was copied.
        if (source === undefined || source.row.modseq > modseq) return this.indexOf(folderId)?.has(modseq) ?? false
        return this.#enter(folderId, changedRow(source.row, { id: copyId, uid: modseq, modseq }), modseq)
      }
      case 'MessageMoved': {
        const { messageId, folderId } = event.data
        const places = this.#found(messageId)
        const [last] = places
        if (last === undefined || !this.#folders.has(folderId)) return false
        if (last.row.uid < modseq && last.folderId === folderId) return true
        for (const { folderId: from, row } of places) if (row.uid < modseq) this.#leave(from, [row], modseq)
        return last.row.uid >= modseq || this.#enter(folderId, changedRow(last.row, { uid: modseq, modseq }), modseq)
      }
      case 'MessagesExpunged': {
        const gone = new Map<string, UidRow[]>()
        for (const id of event.data.messageIds) {
          const places = this.#found(id)
          if (places.length === 0) return false
          for (const { folderId, row } of places) {
            if (row.uid >= modseq) continue
            const rows = gone.get(folderId)
            if (rows === undefined) gone.set(folderId, [row])
            else rows.push(row)
          }
        }
        for (const [folderId, rows] of gone) this.#leave(folderId, rows, modseq)
        return true
      }
      default:
        return false
    }
  }

  #enter(folderId: string, row: UidRow, modseq: number): boolean {
    const folder = this.#folders.get(folderId)
    if (folder === undefined) return false
    if (folder.modseq < modseq) {
      folder.total++
      if (!row.flags.includes('\\seen')) folder.unread++
      folder.bytes += row.size
      folder.modseq = modseq
      folder.uidNext = modseq + 1
    }
    const index = this.indexOf(folderId)
    if (index !== undefined && !index.has(modseq) && !this.#hasMovedOn(row.id, modseq)) index.put([row])
    return true
  }

  /** Rows were read while the view went on: the message that enters has left again. */
  #hasMovedOn(messageId: string, modseq: number): boolean {
    for (const { index } of this.#loaded.values())
      if (index.modseq > modseq && index.uidOf(messageId) > modseq) return true
    return false
  }

  #leave(folderId: string, rows: readonly UidRow[], modseq: number): void {
    const folder = this.#folders.get(folderId)
    if (folder !== undefined && folder.modseq < modseq) {
      for (const { flags, size } of rows) {
        folder.total--
        if (!flags.includes('\\seen')) folder.unread--
        folder.bytes -= size
      }
      folder.modseq = modseq
    }
    this.#loaded.get(folderId)?.index.remove(rows.map(({ uid }) => uid))
  }

  #changeFlags(
    { messageIds, add, remove }: Extract<MailboxEvent, { type: 'FlagsChanged' }>['data'],
    modseq: number,
  ): boolean {
    const found = messageIds.map((id) => this.find(id))
    if (found.includes(undefined)) return false
    const counted = new Set<Folder>()
    for (const each of found) {
      if (each === undefined || each.row.modseq >= modseq) continue
      const flags = changedFlags(each.row.flags, add, remove)
      if (flags === undefined) continue
      const folder = this.#folders.get(each.folderId)
      if (folder !== undefined && (folder.modseq < modseq || counted.has(folder))) {
        folder.unread += Number(!flags.includes('\\seen')) - Number(!each.row.flags.includes('\\seen'))
        folder.modseq = modseq
        counted.add(folder)
      }
      this.#loaded.get(each.folderId)?.index.put([changedRow(each.row, { flags, modseq })])
    }
    return true
  }
}

const isArrival = ({ type }: MailboxEvent): boolean =>
  type === 'MessageReceived' || type === 'MessageAppended' || type === 'MessageCopied'

function arrived({ messageId, flags, receivedAt, content }: Arrival, modseq: number, position: bigint): UidRow {
  return {
    id: messageId,
    uid: modseq,
    modseq,
    flags: sortedFlags(flags),
    receivedAt,
    date: content.envelope.date ?? null,
    size: content.blob.size,
    position,
  }
}

/** The mailboxes that sessions use, shared by all listeners of the process; dropped when others need the room. */
export class LiveMailboxes implements MailboxSnapshots {
  readonly #ports: LivePorts
  /** Used last stands last. */
  readonly #mailboxes = new Map<AccountId, LiveMailbox>()
  readonly #watchers = new Map<AccountId, Set<() => void>>()

  constructor(ports: LivePorts) {
    this.#ports = ports
  }

  of(account: AccountId): LiveMailbox {
    let mailbox = this.#mailboxes.get(account)
    if (mailbox === undefined) {
      mailbox = new LiveMailbox(account, this.#ports)
      this.#makeRoom()
    } else this.#mailboxes.delete(account)
    this.#mailboxes.set(account, mailbox)
    return mailbox
  }

  /** Something was appended to the account's stream, here or elsewhere. */
  announce(account: AccountId, revision: Revision, events?: readonly Announced[]): void {
    this.#mailboxes.get(account)?.announce(revision, events)
    for (const watcher of this.#watchers.get(account) ?? []) watcher()
  }

  /** Calls back after every announcement; answers the way to stop. */
  watch(account: AccountId, watcher: () => void): () => void {
    const watchers = this.#watchers.get(account) ?? new Set()
    this.#watchers.set(account, watchers)
    watchers.add(watcher)
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0) this.#watchers.delete(account)
    }
  }

  forget(account: AccountId): void {
    this.#mailboxes.delete(account)
  }

  #makeRoom(): void {
    let rows = 0
    for (const mailbox of this.#mailboxes.values()) rows += mailbox.rows
    for (const [account, mailbox] of this.#mailboxes) {
      if (rows <= MAX_ROWS && this.#mailboxes.size <= MAX_MAILBOXES) return
      this.#mailboxes.delete(account)
      rows -= mailbox.rows
    }
  }

  // ── What a command asks before it decides ──────────────────────────────────────────────────────────────────────────────

  async snapshot(account: AccountId, messageIds: readonly string[]): Promise<MailboxSnapshot> {
    const mailbox = this.of(account)
    await mailbox.catchUp()
    const messages: MailboxSnapshot['messages'][number][] = []
    const unknown: string[] = []
    for (const id of messageIds) {
      const found = mailbox.find(id)
      if (found === undefined) unknown.push(id)
      else {
        const { folderId, row } = found
        const [arrivedAt, changedAt] = [BigInt(row.uid - 1), BigInt(row.modseq - 1)]
        messages.push({ id, folderId, arrivedAt, changedAt, flags: row.flags, expunged: false })
      }
    }
    const folders = mailbox.folders.map(({ id, name, parentId, role, subscribed, uidValidity }) => {
      return { id, name, parentId, role, subscribed, createdAt: BigInt(uidValidity - 1) }
    })
    const revision = mailbox.revision < 0n ? undefined : mailbox.revision
    const current = this.#ports.alone === true
    if (unknown.length === 0) return { revision, folders, messages, current }
    // Of another age: the tail is folded from the older of the two, which leaves the newer as it is.
    const viewed = await this.#ports.snapshots.snapshot(account, unknown)
    const older = viewed.revision === undefined || (revision ?? -1n) < viewed.revision ? revision : viewed.revision
    return { revision: older, folders, messages: [...messages, ...viewed.messages] }
  }

  async usage(account: AccountId): Promise<{ readonly messages: number; readonly bytes: number }> {
    const mailbox = this.of(account)
    await mailbox.catchUp()
    return { messages: mailbox.folders.reduce((sum, { total }) => sum + total, 0), bytes: mailbox.bytes }
  }
}
