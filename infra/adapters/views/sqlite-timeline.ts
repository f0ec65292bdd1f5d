// The timeline view in SQLite: positions as runs of small differences, a few hundred in a row.
import type { AccountId, Position } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import type { ParkedEvent, SentMessage, TimelineStore, TimelineUnit } from '../../../projections/ports/view-store.ts'
import type { TimelineQueries } from '../../../projections/queries.ts'
import { timelineProjector } from '../../../projections/timeline.ts'
import { Table } from '../../../projections/unit-of-work.ts'
import { extend, type Run, unpack } from './position-runs.ts'
import { packId, type Queries, SqliteStore, unpackId, type ViewFile, type ViewSchema } from './sqlite-file.ts'

export const timelineSchema: ViewSchema = {
  name: timelineProjector.name,
  version: timelineProjector.version,
  // A row is `first` and the differences that follow it; a later row of the same list begins where it was full.
  tables: `
    CREATE TABLE account (number INTEGER PRIMARY KEY, id NOT NULL UNIQUE);
    CREATE TABLE account_history (
      account INTEGER NOT NULL, first INTEGER NOT NULL, rest BLOB, PRIMARY KEY (account, first)) WITHOUT ROWID;
    CREATE TABLE message_history (
      account INTEGER NOT NULL, id NOT NULL, first INTEGER NOT NULL, rest BLOB, PRIMARY KEY (account, id, first)) WITHOUT ROWID;
    CREATE TABLE sent (id NOT NULL PRIMARY KEY, account INTEGER NOT NULL, message NOT NULL) WITHOUT ROWID;`,
  indexes: '',
}

const RECENT_MESSAGES = 20_000

export class SqliteTimeline extends SqliteStore implements TimelineStore {
  readonly #numbers = new Map<AccountId, number>()
  /** Last runs of messages touched lately, as the file holds them. */
  readonly #tails = new Map<string, Run>()
  #nextNumber: number
  readonly #write: ReturnType<typeof prepareWrites>

  constructor(path: string, mode: 'live' | 'fill') {
    super(path, timelineSchema, mode)
    this.#nextNumber = 1 + Number(this.queries.prepare('SELECT max(number) FROM account').get()?.[0] ?? 0)
    this.#write = prepareWrites(this.file)
  }
  digest(): string {
    return timelineDigest(this.queries)
  }

  begin(): TimelineUnit {
    const read = this.queries.prepare(
      'SELECT account.id, message FROM sent JOIN account ON number = account WHERE sent.id = ?',
    )
    const erased = new Set<AccountId>()
    const sent = new Table<SentMessage>((id) => {
      const row = read.get(packId(id))
      const accountId = unpackId(row?.[0])
      return row === undefined || erased.has(accountId) ? undefined : { accountId, messageId: unpackId(row[1]) }
    })
    return { sent, ofAccount: new Map(), ofMessage: new Map(), erased }
  }

  commit(unit: TimelineUnit, checkpoint: Position, parked: readonly ParkedEvent[]): void {
    try {
      this.file.commit(() => this.#store(unit), checkpoint, parked)
    } catch (error) {
      this.#numbers.clear()
      this.#tails.clear()
      throw error
    }
    for (const key of this.#tails.keys()) {
      if (this.#tails.size <= RECENT_MESSAGES) break
      this.#tails.delete(key)
    }
  }

  #store(unit: TimelineUnit): void {
    const write = this.#write
    for (const account of unit.erased) this.#erase(account)
    for (const { key, row } of unit.sent.changes()) {
      if (row !== undefined) write.sent.run(packId(key), this.#number(row.accountId), packId(row.messageId))
    }
    const lastOfAccount = this.queries.prepare(
      'SELECT first, rest FROM account_history WHERE account = ? ORDER BY first DESC LIMIT 1',
    )
    const lastOfMessage = this.queries.prepare(
      'SELECT first, rest FROM message_history WHERE account = ? AND id = ? ORDER BY first DESC LIMIT 1',
    )
    for (const [account, positions] of unit.ofAccount) {
      const number = this.#number(account)
      const last = lastOfAccount.get(number)
      for (const run of extend(last && { first: Number(last[0]), rest: bytesOf(last[1]) }, positions))
        write.account.run(number, run.first, run.rest)
    }
    for (const [account, messages] of unit.ofMessage) {
      const number = this.#number(account)
      for (const [id, positions] of messages) {
        const packed = packId(id)
        const key = `${number} ${id}`
        let tail = this.#tails.get(key)
        if (tail === undefined) {
          const last = lastOfMessage.get(number, packed)
          tail = last && { first: Number(last[0]), rest: bytesOf(last[1]) }
        } else this.#tails.delete(key)
        for (const run of extend(tail, positions)) {
          write.message.run(number, packed, run.first, run.rest)
          tail = run
        }
        if (tail !== undefined) this.#tails.set(key, tail)
      }
    }
  }

  #number(account: AccountId): number {
    let number = this.#numbers.get(account)
    if (number === undefined) {
      const packed = packId(account)
      const row = this.queries.prepare('SELECT number FROM account WHERE id = ?').get(packed)
      number = row === undefined ? this.#nextNumber++ : Number(row[0])
      if (row === undefined) this.file.db.prepare('INSERT INTO account VALUES (?, ?)').run(number, packed)
      this.#numbers.set(account, number)
    }
    return number
  }

  #erase(account: AccountId): void {
    const row = this.queries.prepare('SELECT number FROM account WHERE id = ?').get(packId(account))
    this.#numbers.delete(account)
    this.#tails.clear()
    if (row === undefined) return
    const number = Number(row[0])
    for (const table of ['account_history', 'message_history', 'sent'])
      this.file.db.prepare(`DELETE FROM ${table} WHERE account = ?`).run(number)
    this.file.db.prepare('DELETE FROM account WHERE number = ?').run(number)
  }
}

function prepareWrites({ db }: ViewFile) {
  return {
    sent: db.prepare('INSERT OR REPLACE INTO sent VALUES (?, ?, ?)'),
    account: db.prepare('INSERT OR REPLACE INTO account_history VALUES (?, ?, ?)'),
    message: db.prepare('INSERT OR REPLACE INTO message_history VALUES (?, ?, ?, ?)'),
  }
}

export class SqliteTimelineQueries implements TimelineQueries {
  readonly #queries: Queries
  constructor(queries: Queries) {
    this.#queries = queries
  }

  async messageHistory(account: AccountId, messageId: string) {
    return this.#queries.snapshot(() => {
      const number = this.#number(account)
      const rows = this.#queries
        .prepare('SELECT first, rest FROM message_history WHERE account = ? AND id = ? ORDER BY first')
        .all(number, packId(messageId))
      return rows.flatMap(([first, rest]) => unpack(Number(first), bytesOf(rest))).map(BigInt)
    })
  }

  async accountHistory(account: AccountId, options: Parameters<TimelineQueries['accountHistory']>[1] = {}) {
    const { first = 1000, after, before, newest = false } = options
    const low = after === undefined ? -1 : Number(after)
    const high = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before)
    return this.#queries.snapshot(() => {
      const number = this.#number(account)
      // A list may begin before `after` and go on behind it: start with the run that holds it.
      const start = this.#queries
        .prepare('SELECT max(first) FROM account_history WHERE account = ? AND first <= ?')
        .get(number, low)
      const rows = this.#queries
        .prepare(
          `SELECT first, rest FROM account_history WHERE account = ? AND first >= ? AND first < ?
           ORDER BY first ${newest ? 'DESC' : ''}`,
        )
        .iterate(number, Number(start?.[0] ?? -1), high)
      const found: number[] = []
      for (const [runFirst, rest] of rows) {
        const run = unpack(Number(runFirst), bytesOf(rest))
        for (const position of newest ? run.reverse() : run)
          if (position > low && position < high && found.length < first) found.push(position)
        if (found.length >= first) break
      }
      return found.map(BigInt)
    })
  }

  #number(account: AccountId): number {
    return Number(this.#queries.prepare('SELECT number FROM account WHERE id = ?').get(packId(account))?.[0] ?? -1)
  }
}

const bytesOf = (cell: unknown): Uint8Array | null => (cell instanceof Uint8Array ? cell : null)

export function timelineDigest(queries: Queries): string {
  const digest = new RowDigest()
  const accounts = queries
    .prepare('SELECT number, id FROM account')
    .all()
    .map(([number, id]) => ({ number: Number(number), id: unpackId(id) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  const names = new Map(accounts.map(({ number, id }) => [number, id]))
  const sent = queries
    .prepare('SELECT id, account, message FROM sent')
    .all()
    .map(([id, account, message]) => ({ id: unpackId(id), account: Number(account), message: unpackId(message) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  for (const { id, account, message } of sent)
    digest.sent(id, { accountId: names.get(account) ?? '', messageId: message })
  for (const { number, id } of accounts) {
    const runs = queries.prepare('SELECT first, rest FROM account_history WHERE account = ? ORDER BY first').all(number)
    if (runs.length > 0)
      digest.accountHistory(
        id,
        runs.flatMap(([first, rest]) => unpack(Number(first), bytesOf(rest))),
      )
  }
  for (const { number, id: account } of accounts) {
    const histories = new Map<string, number[]>()
    const runs = queries
      .prepare('SELECT id, first, rest FROM message_history WHERE account = ? ORDER BY id, first')
      .iterate(number)
    for (const [id, first, rest] of runs) {
      const message = unpackId(id)
      const list = histories.get(message)
      const run = unpack(Number(first), bytesOf(rest))
      if (list === undefined) histories.set(message, run)
      else for (const position of run) list.push(position)
    }
    for (const id of [...histories.keys()].sort()) digest.messageHistory(account, id, histories.get(id) ?? [])
  }
  return digest.finish()
}
