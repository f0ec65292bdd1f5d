// The timeline view in MongoDB: positions as runs of small differences; the last run of a list has the list's own id.
import { type AccountId, accountOfStream } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import type { SourceEvent } from '../../../projections/ports/event-source.ts'
import type { SentMessage, TimelineStore, TimelineUnit } from '../../../projections/ports/view-store.ts'
import type { TimelineQueries } from '../../../projections/queries.ts'
import { Table } from '../../../projections/unit-of-work.ts'
import { type MongoDatabase, MongoReader, type Row, type RowWrite } from './mongodb-database.ts'
import { MongoStore, type MongoStoreOptions } from './mongodb-store.ts'
import { submissionOf } from './mongodb-submissions.ts'
import { extend, type Run, unpack } from './position-runs.ts'

/** The account's own list has no name. */
const OWN = ''
const listKey = (account: AccountId, list: string): string => `${account}/${list}`
const sentOf = (row: Row): SentMessage => ({ accountId: row.a, messageId: row['message'] })
const runOf = (row: Row): Run => ({ first: Number(row['first']), rest: bytesOf(row['rest']) })
const positionsOf = (row: Row): number[] => {
  const { first, rest } = runOf(row)
  return unpack(first, rest)
}

function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value
  const held = (value as { readonly buffer?: unknown } | null)?.buffer
  return held instanceof Uint8Array ? held : null
}

export class MongoTimeline extends MongoStore<TimelineUnit> implements TimelineStore {
  constructor(database: MongoDatabase, options: MongoStoreOptions) {
    super(database, 'timeline', options)
  }

  async begin(events: readonly SourceEvent[]): Promise<TimelineUnit> {
    const ids = new Set<string>()
    for (const event of events) {
      const id = accountOfStream(event.stream) === undefined ? submissionOf(event) : undefined
      if (id !== undefined) ids.add(id)
    }
    const rows = await this.rows('sent', ids)
    const erased = new Set<AccountId>()
    const sent = new Table<SentMessage>((id) => {
      const row = rows.get(id)
      return row === undefined || erased.has(row.a) ? undefined : sentOf(row)
    })
    return { sent, ofAccount: new Map(), ofMessage: new Map(), erased }
  }

  protected async writes(unit: TimelineUnit): Promise<RowWrite[]> {
    const writes: RowWrite[] = []
    for (const account of unit.erased) {
      if (!this.owns(account)) continue
      for (const table of ['sent', 'history'] as const) writes.push({ op: 'wipe', table, account })
    }
    for (const { key, row, stored } of unit.sent.changes()) {
      if (row === undefined || !this.owns(row.accountId)) continue
      const fresh = !stored || unit.erased.has(row.accountId)
      const kept = { message: row.messageId }
      writes.push({ op: 'put', table: 'sent', id: key, account: row.accountId, fresh, row: kept })
    }
    const lists: { readonly account: AccountId; readonly list: string; readonly positions: readonly number[] }[] = []
    for (const [account, positions] of unit.ofAccount)
      if (this.owns(account)) lists.push({ account, list: OWN, positions })
    for (const [account, messages] of unit.ofMessage)
      if (this.owns(account)) for (const [list, positions] of messages) lists.push({ account, list, positions })
    const tails = await this.rows(
      'history',
      lists.filter(({ account }) => !unit.erased.has(account)).map(({ account, list }) => listKey(account, list)),
    )
    for (const { account, list, positions } of lists) {
      const id = listKey(account, list)
      const tail = tails.get(id)
      const runs = extend(tail && runOf(tail), positions)
      for (const [i, { first, rest }] of runs.entries()) {
        const last = i === runs.length - 1
        const row = { list, first, rest: rest === null ? null : Uint8Array.from(rest) }
        // A run that is full moves to an id of its own.
        const own = last ? id : `${id}/${first}`
        writes.push({ op: 'put', table: 'history', id: own, account, fresh: !last || tail === undefined, row })
      }
    }
    return writes
  }

  async digest(): Promise<string> {
    const digest = new RowDigest()
    for await (const row of this.table('sent').find({}).sort({ _id: 1 }))
      if (this.owns(row.a)) digest.sent(row._id, sentOf(row))
    const history = () => this.table('history').find({}).sort({ a: 1, list: 1, first: 1 }).allowDiskUse()
    for (const own of [true, false]) {
      let held: { readonly a: AccountId; readonly list: string; readonly positions: number[] } | undefined
      const tell = () => {
        if (held === undefined) return
        if (own) digest.accountHistory(held.a, held.positions)
        else digest.messageHistory(held.a, held.list, held.positions)
      }
      for await (const row of history()) {
        const list = String(row['list'])
        if ((list === OWN) !== own || !this.owns(row.a)) continue
        if (held?.a !== row.a || held.list !== list) {
          tell()
          held = { a: row.a, list, positions: [] }
        }
        for (const position of positionsOf(row)) held.positions.push(position)
      }
      tell()
    }
    return digest.finish()
  }
}

export class MongoTimelineQueries extends MongoReader implements TimelineQueries {
  get #history() {
    return this.table('history')
  }

  async messageHistory(account: AccountId, messageId: string) {
    const options = { sort: { first: 1 }, hint: 'history_list' } as const
    const rows = await this.#history.find({ a: account, list: messageId }, options).toArray()
    return rows.flatMap(positionsOf).map(BigInt)
  }

  async accountHistory(account: AccountId, options: Parameters<TimelineQueries['accountHistory']>[1] = {}) {
    const { first = 1000, after, before, newest = false } = options
    const low = after === undefined ? -1 : Number(after)
    const high = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before)
    const own = { a: account, list: OWN }
    // A run may begin before `after` and go on behind it: start with the one that holds it.
    const start = await this.#history.findOne(
      { ...own, first: { $lte: low } },
      { sort: { first: -1 }, hint: 'history_list', projection: { first: 1 } },
    )
    const rows = this.#history.find(
      { ...own, first: { $gte: Number(start?.['first'] ?? -1), $lt: high } },
      { sort: { first: newest ? -1 : 1 }, hint: 'history_list' },
    )
    const found: number[] = []
    for await (const row of rows) {
      const run = positionsOf(row)
      for (const position of newest ? run.reverse() : run)
        if (position > low && position < high && found.length < first) found.push(position)
      if (found.length >= first) break
    }
    return found.map(BigInt)
  }
}
