// What IMAP asks of every message of a folder, in columns in memory: FETCH FLAGS, SEARCH by flags and dates, SORT by date of a long
// folder touch no disk. live-mailbox.ts loads it, and folds events into it.
import type { UidRow } from '../../projections/queries.ts'

/** A row whose rarer fields are made when somebody looks: a search over a long folder makes hundreds of thousands. */
class IndexedRow implements UidRow {
  readonly id: string
  readonly uid: number
  readonly modseq: number
  readonly flags: readonly string[]
  readonly receivedAt: number
  readonly size: number
  readonly sent: number
  readonly at: number

  constructor(
    id: string,
    uid: number,
    modseq: number,
    flags: readonly string[],
    receivedAt: number,
    size: number,
    sent: number,
    at: number,
  ) {
    this.id = id
    this.uid = uid
    this.modseq = modseq
    this.flags = flags
    this.receivedAt = receivedAt
    this.size = size
    this.sent = sent
    this.at = at
  }
  get date(): number | null {
    return Number.isNaN(this.sent) ? null : this.sent
  }
  get position(): bigint {
    return BigInt(this.at)
  }
}

/** A row with some fields changed. */
export const changedRow = (row: UidRow, changes: Partial<UidRow>): UidRow => {
  const { id, uid, modseq, flags, receivedAt, date, size, position } = row
  return { id, uid, modseq, flags, receivedAt, date, size, position, ...changes }
}

/** The same few lists of flags come again and again: one array for each. */
const lists = new Map<string, readonly string[]>()
const MAX_LISTS = 10_000
function sameList(flags: readonly string[]): readonly string[] {
  const key = flags.join(' ')
  const known = lists.get(key)
  if (known !== undefined) return known
  if (lists.size >= MAX_LISTS) lists.clear()
  lists.set(key, flags)
  return flags
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
  /** Raised by every change. */
  version = 0
  /** Raised whenever a UID goes. */
  departures = 0
  /** The highest MODSEQ of its rows, those that have gone included. */
  modseq = 0
  /** UIDs by message id; made when the first event asks for it. */
  #byId: Map<string, number> | undefined
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
    return new IndexedRow(
      this.#ids[place] as string,
      this.uids[place] as number,
      this.#modseqs[place] as number,
      this.#flags[place] as readonly string[],
      this.#received[place] as number,
      this.#sizes[place] as number,
      this.#dates[place] as number,
      this.#positions[place] as number,
    )
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

  /** 0 for a message that is not here. */
  uidOf(messageId: string): number {
    if (this.#byId === undefined) {
      this.#byId = new Map()
      for (let place = 0; place < this.count; place++)
        this.#byId.set(this.#ids[place] as string, this.uids[place] as number)
    }
    return this.#byId.get(messageId) ?? 0
  }

  /** Rows with a greater MODSEQ, ascending by UID. */
  changedSince(modseq: number): readonly UidRow[] {
    if (this.modseq <= modseq) return []
    const rows: UidRow[] = []
    for (let place = 0; place < this.count; place++)
      if ((this.#modseqs[place] as number) > modseq) rows.push(this.row(place))
    return rows
  }

  /** Messages that carry a flag, in lowercase. */
  countFlagged(flag: string): number {
    let found = 0
    for (let place = 0; place < this.count; place++) if (this.#flags[place]?.includes(flag)) found++
    return found
  }

  /** The lowest UID without a flag, 0 when there is none. */
  firstWithout(flag: string): number {
    for (let place = 0; place < this.count; place++)
      if (!this.#flags[place]?.includes(flag)) return this.uids[place] as number
    return 0
  }

  /** Adds rows, or changes those that are there. */
  put(rows: readonly UidRow[]): void {
    if (rows.length > 0) this.version++
    for (const row of rows) {
      this.modseq = Math.max(this.modseq, row.modseq)
      const place = this.place(row.uid)
      if (place < this.count && this.uids[place] === row.uid) {
        this.#set(place, row)
        continue
      }
      // UIDs ascend: what is new belongs behind the others.
      if (place < this.count) continue
      if (this.count === this.uids.length) this.#grow(Math.max(64, this.count * 2))
      this.#set(this.count++, row)
      this.#byId?.set(row.id, row.uid)
      this.#byDate = undefined
    }
  }

  remove(uids: readonly number[]): void {
    const gone = new Set(uids.filter((uid) => this.has(uid)))
    if (gone.size === 0) return
    this.version++
    this.departures++
    let to = 0
    for (let from = 0; from < this.count; from++) {
      if (gone.has(this.uids[from] as number)) {
        this.#byId?.delete(this.#ids[from] as string)
        continue
      }
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
    this.#flags[place] = sameList(row.flags)
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
