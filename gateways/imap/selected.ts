// A selected mailbox as one client sees it: which UIDs it knows at which sequence numbers, and how it learns what changed.
import type { Rights } from '../../domain/account/sharing.ts'
import type { AccountId } from '../../domain/log.ts'
import type { UidRow } from '../../projections/queries.ts'
import { Refused } from './errors.ts'
import type { FolderIndex } from './folder-index.ts'
import type { Place } from './places.ts'
import { SearchContexts } from './search/contexts.ts'
import { resolveSet, type SequenceSet } from './sequence-set.ts'
import type { ImapServices } from './services.ts'

/** Rows read at once, so that a long list never holds up others for long. */
export const ROWS = 1000

export interface Changes {
  /** Sequence numbers in the order in which they are to be told: each as it is after the ones before. */
  readonly expunged: readonly { readonly sequence: number; readonly uid: number }[]
  /** Known messages whose flags changed, ascending. */
  readonly changed: readonly UidRow[]
  /** How many messages are new. */
  readonly arrived: number
  /** The folder itself is gone. */
  readonly deleted: boolean
}

const NOTHING: Changes = { expunged: [], changed: [], arrived: 0, deleted: false }

export class Selected {
  readonly account: AccountId
  readonly folderId: string
  readonly uidValidity: number
  readonly readOnly: boolean
  /** As of the last look; all of them in a person's own mailbox (RFC 4314). */
  rights: Rights
  /** Ascending; the place of a UID plus one is its sequence number. */
  uids: number[] = []
  /** UIDs of the last SEARCH RETURN (SAVE) (RFC 5182). */
  saved: readonly number[] = []
  /** Searches whose results are kept up to date for the client (RFC 5267). */
  readonly contexts = new SearchContexts()
  readonly #services: ImapServices
  /** What was told: which state of which index, flags and arrivals up to a MODSEQ, departures up to their count. */
  #index: FolderIndex | undefined
  #version = 0
  #departures = 0
  #modseq = 0

  private constructor(services: ImapServices, { account, folder, rights }: Place, readOnly: boolean) {
    this.#services = services
    this.account = account
    this.folderId = folder.id
    this.uidValidity = folder.uidValidity
    this.readOnly = readOnly
    this.rights = rights
  }

  static async open(services: ImapServices, place: Place, readOnly: boolean): Promise<Selected> {
    const { account, folder } = place
    const selected = new Selected(services, place, readOnly)
    const index = await services.live.of(account).index(folder.id)
    if (index === undefined) return selected
    selected.#index = index
    selected.#version = index.version
    selected.#departures = index.departures
    selected.#modseq = index.modseq
    selected.uids = Array.from(index.uids.subarray(0, index.count))
    return selected
  }

  get highest(): number {
    return this.uids.at(-1) ?? 0
  }

  /** Place of a UID, or of the first greater one. */
  place(uid: number): number {
    let low = 0
    let high = this.uids.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.uids[middle] as number) < uid) low = middle + 1
      else high = middle
    }
    return low
  }

  /** 0 for a UID that this client does not know. */
  sequenceOf(uid: number): number {
    const place = this.place(uid)
    return this.uids[place] === uid ? place + 1 : 0
  }

  /** Of rows that ascend by UID. */
  sequencesOf(rows: readonly { readonly uid: number }[]): readonly number[] {
    const sequences: number[] = []
    let place = 0
    for (const { uid } of rows) {
      // Mostly the next one; else it is looked for.
      if (this.uids[place] !== uid) place = this.place(uid)
      sequences.push(this.uids[place] === uid ? place + 1 : 0)
      place++
    }
    return sequences
  }

  /** UIDs that a set names, ascending. A sequence number that no message has is BAD in the making: here it is NO. */
  resolve(set: SequenceSet, byUid: boolean): readonly number[] {
    if (set === '$') return this.saved.filter((uid) => this.sequenceOf(uid) > 0)
    const found: number[] = []
    for (const [from, to] of resolveSet(set, byUid ? this.highest : this.uids.length)) {
      if (!byUid && to > this.uids.length) throw new Refused('There is no message with this number', 'CLIENTBUG')
      const start = byUid ? this.place(from) : from - 1
      for (let i = start; i < this.uids.length; i++) {
        const uid = this.uids[i] as number
        if (byUid ? uid > to : i >= to) break
        found.push(uid)
      }
    }
    return found
  }

  /** The columns of the folder as they are now; undefined once it is gone. */
  index(): Promise<FolderIndex | undefined> {
    return this.#services.live.of(this.account).index(this.folderId)
  }

  /** Rows of some UIDs, ascending, in pages. Those expunged meanwhile are left out. */
  async *rows(uids: readonly number[]): AsyncGenerator<readonly UidRow[], void, void> {
    for (let i = 0; i < uids.length; i += ROWS) {
      const index = await this.index()
      if (!index) return
      const rows: UidRow[] = []
      let place = index.place(uids[i] as number)
      for (const uid of uids.slice(i, i + ROWS)) {
        // Neighbours mostly are neighbours: the next one is looked at before it is looked for.
        if (index.uids[place] !== uid) place = index.place(uid)
        if (place < index.count && index.uids[place] === uid) rows.push(index.row(place++))
      }
      yield rows
    }
  }

  /**
   * Brings what this client knows up to the log. Without `expunge` departures wait, since numbers must not shift under a command
   * that uses them (RFC 9051 §7.5.1).
   */
  async sync(expunge: boolean): Promise<Changes> {
    const live = this.#services.live.of(this.account)
    await live.catchUp()
    const index = live.indexOf(this.folderId) ?? (await live.index(this.folderId))
    if (index === undefined || live.folder(this.folderId)?.uidValidity !== this.uidValidity) {
      const expunged = this.uids.map((uid) => ({ sequence: 1, uid }))
      this.uids = []
      return { expunged, changed: [], arrived: 0, deleted: true }
    }
    // Another index is the same folder read anew.
    const other = index !== this.#index
    if (!other && index.version === this.#version && !(expunge && index.departures !== this.#departures)) return NOTHING
    this.#index = index
    this.#version = index.version
    const expunged: { sequence: number; uid: number }[] = []
    if (expunge && (other || index.departures !== this.#departures)) {
      this.#departures = index.departures
      const kept: number[] = []
      for (const [place, uid] of this.uids.entries()) {
        if (index.has(uid)) kept.push(uid)
        // Those before it are gone by the time that it is told.
        else expunged.push({ sequence: place + 1 - expunged.length, uid })
      }
      if (expunged.length > 0) this.uids = kept
    }
    const changed: UidRow[] = []
    let arrived = 0
    for (const row of index.changedSince(this.#modseq)) {
      if (this.sequenceOf(row.uid) > 0) changed.push(row)
      else if (row.uid > this.highest) {
        this.uids.push(row.uid)
        arrived++
      }
    }
    this.#modseq = index.modseq
    return { expunged, changed, arrived, deleted: false }
  }
}
