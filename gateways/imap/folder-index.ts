// What IMAP asks of every message of a folder, in columns in memory: FETCH FLAGS, SEARCH by flags and dates, SORT by date of a long
// folder touch no disk. Loaded from the view, kept up with it event by event, shared by all sessions, dropped when others need the room.
import { type AccountId, isRedacted, mailboxStream, type Revision } from '../../domain/log.ts'
import type { MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import type { MailboxQueries, UidRow } from '../../projections/queries.ts'

/** Rows of all folders together: about 100 bytes each. */
const MAX_ROWS = 1_000_000
/** Rows read from the view at once. */
const PAGE = 2_000
/** More events than this are not looked at one by one: the view is asked what changed. */
const TAIL = 500

export interface FolderIndexPorts {
  readonly source: Pick<EventSource, 'readStream'>
  readonly mailbox: MailboxQueries
}

export class FolderIndex {
  /** Ascending. */
  uids = new Uint32Array(0)
  #modseqs = new Float64Array(0)
  #received = new Float64Array(0)
  #dates = new Float64Array(0)
  #sizes = new Float64Array(0)
  #positions = new Float64Array(0)
  #flags: (readonly string[])[] = []
  #ids: string[] = []
  count = 0
  /** Positions in the columns by the Date field; undefined until asked for, and after a change. */
  #byDate: Uint32Array | undefined

  /** Place of a UID, or of the first greater one. */
  place(uid: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.uids[middle] as number) < uid) low = middle + 1
      else high = middle
    }
    return low
  }

  has(uid: number): boolean {
    return this.uids[this.place(uid)] === uid && this.place(uid) < this.count
  }

  /** Undefined for a UID that is not here. */
  rowOf(uid: number): UidRow | undefined {
    const place = this.place(uid)
    return place < this.count && this.uids[place] === uid ? this.row(place) : undefined
  }

  row(place: number): UidRow {
    const date = this.#dates[place] as number
    return {
      id: this.#ids[place] as string,
      uid: this.uids[place] as number,
      modseq: this.#modseqs[place] as number,
      flags: this.#flags[place] as readonly string[],
      receivedAt: this.#received[place] as number,
      date: Number.isNaN(date) ? null : date,
      size: this.#sizes[place] as number,
      position: BigInt(this.#positions[place] as number),
    }
  }

  /** UIDs by the Date field, INTERNALDATE where it is missing, equal ones ascending (RFC 5256 §2.2). */
  byDate(): readonly number[] {
    this.#byDate ??= Uint32Array.from({ length: this.count }, (_, i) => i).sort(
      (a, b) => this.#sent(a) - this.#sent(b) || a - b,
    )
    return Array.from(this.#byDate, (place) => this.uids[place] as number)
  }

  #sent(place: number): number {
    const date = this.#dates[place] as number
    return Number.isNaN(date) ? (this.#received[place] as number) : date
  }

  /** Adds rows, or changes those that are there. */
  put(rows: readonly UidRow[]): void {
    for (const row of rows) {
      const place = this.place(row.uid)
      if (place < this.count && this.uids[place] === row.uid) {
        this.#set(place, row)
        continue
      }
      // UIDs ascend: what is new belongs behind the others.
      if (place < this.count) continue
      if (this.count === this.uids.length) this.#grow(Math.max(64, this.count * 2))
      this.#set(this.count++, row)
      this.#byDate = undefined
    }
  }

  remove(uids: readonly number[]): void {
    const gone = new Set(uids.filter((uid) => this.has(uid)))
    if (gone.size === 0) return
    let to = 0
    for (let from = 0; from < this.count; from++) {
      if (gone.has(this.uids[from] as number)) continue
      if (to !== from) this.#set(to, this.row(from))
      to++
    }
    this.count = to
    this.#ids.length = to
    this.#flags.length = to
    this.#byDate = undefined
  }

  #set(place: number, row: UidRow): void {
    this.uids[place] = row.uid
    this.#modseqs[place] = row.modseq
    this.#received[place] = row.receivedAt
    this.#dates[place] = row.date ?? Number.NaN
    this.#sizes[place] = row.size
    this.#positions[place] = Number(row.position)
    this.#flags[place] = row.flags
    this.#ids[place] = row.id
  }

  #grow(length: number): void {
    const grown = new Uint32Array(length)
    grown.set(this.uids)
    this.uids = grown
    const longer = (column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const next = new Float64Array(length)
      next.set(column)
      return next
    }
    this.#modseqs = longer(this.#modseqs)
    this.#received = longer(this.#received)
    this.#dates = longer(this.#dates)
    this.#sizes = longer(this.#sizes)
    this.#positions = longer(this.#positions)
  }
}

interface Kept {
  readonly uidValidity: number
  readonly index: FolderIndex
  revision: Revision
  vanishedUpTo: number
  /** One loading or catching up at a time; the others wait for it. */
  busy: Promise<void>
}

export class FolderIndexes {
  readonly #ports: FolderIndexPorts
  /** Used last stands last. */
  readonly #kept = new Map<string, Kept>()

  constructor(ports: FolderIndexPorts) {
    this.#ports = ports
  }

  /** The index of a folder, as new as the view; undefined when there is no such folder. */
  async get(account: AccountId, folderId: string): Promise<FolderIndex | undefined> {
    const { mailbox } = this.#ports
    const folder = await mailbox.folder(account, folderId)
    const key = `${account} ${folderId}`
    if (!folder) {
      this.#kept.delete(key)
      return undefined
    }
    let kept = this.#kept.get(key)
    if (kept?.uidValidity !== folder.uidValidity) {
      const index = new FolderIndex()
      kept = { uidValidity: folder.uidValidity, index, revision: -1n, vanishedUpTo: 0, busy: Promise.resolve() }
    }
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    const own = kept
    own.busy = own.busy.catch(() => undefined).then(() => this.#catchUp(own, account, folderId))
    await own.busy
    this.#makeRoom(key)
    return own.index
  }

  #makeRoom(used: string): void {
    let rows = 0
    for (const { index } of this.#kept.values()) rows += index.count
    for (const [key, { index }] of this.#kept) {
      if (rows <= MAX_ROWS) return
      if (key === used) continue
      this.#kept.delete(key)
      rows -= index.count
    }
  }

  async #catchUp(kept: Kept, account: AccountId, folderId: string): Promise<void> {
    const { mailbox } = this.#ports
    const shown = (await mailbox.accountRevision(account)) ?? -1n
    if (shown <= kept.revision) return
    const missed = Number(shown - kept.revision)
    if (kept.revision < 0n || missed > TAIL) await this.#load(kept, account, folderId, Number(kept.revision) + 1)
    else await this.#follow(kept, account, folderId, missed)
    const gone = await mailbox.vanishedSince(account, folderId, kept.vanishedUpTo)
    kept.index.remove(gone)
    // What changed while this was read is read again next time.
    kept.revision = shown
    kept.vanishedUpTo = Number(shown) + 1
  }

  async #load(kept: Kept, account: AccountId, folderId: string, changedSince: number): Promise<void> {
    for (let from = 0; ; ) {
      const rows = await this.#ports.mailbox.uidRange(account, folderId, { from, changedSince, limit: PAGE })
      kept.index.put(rows)
      const last = rows.at(-1)
      if (!last || rows.length < PAGE) return
      from = last.uid + 1
      // Two hundred thousand rows are a third of a second: others have their turn in between.
      await new Promise((next) => setImmediate(next))
    }
  }

  async #follow(kept: Kept, account: AccountId, folderId: string, missed: number): Promise<void> {
    const { source, mailbox } = this.#ports
    const ids = new Set<string>()
    for await (const event of source.readStream(mailboxStream(account), { from: kept.revision + 1n, limit: missed })) {
      if (!isRedacted(event)) for (const id of messagesOf(event as MailboxEvent)) ids.add(id)
    }
    if (ids.size === 0) return
    const rows = (await mailbox.messagesById(account, [...ids])).filter(
      (row) => row.folderId === folderId && !row.expunged,
    )
    kept.index.put(rows.sort((a, b) => a.uid - b.uid))
  }
}

/** Messages that an event puts into a folder, or changes there. */
export function messagesOf(event: MailboxEvent): readonly string[] {
  switch (event.type) {
    case 'MessageReceived':
    case 'MessageAppended':
    case 'MessageMoved':
    case 'MessageRestored':
      return [event.data.messageId]
    case 'MessageCopied':
      return [event.data.copyId]
    case 'FlagsChanged':
      return event.data.messageIds
    default:
      return []
  }
}
