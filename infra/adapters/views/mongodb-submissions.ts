// The submissions view in MongoDB: one row of JSON for each submission, with what is asked for in fields.
import { type AccountId, accountOfStream, isRedacted, type Position } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import { isUnreadable, type SourceEvent } from '../../../projections/ports/event-source.ts'
import type { SubmissionState, SubmissionsStore, SubmissionsUnit } from '../../../projections/ports/view-store.ts'
import type { SubmissionQueries } from '../../../projections/queries.ts'
import { Table } from '../../../projections/unit-of-work.ts'
import { type MongoDatabase, MongoReader, type Row, type RowWrite } from './mongodb-database.ts'
import { MongoStore, type MongoStoreOptions } from './mongodb-store.ts'
import { submissionRow } from './rows.ts'

const stateOf = (row: Row): SubmissionState => JSON.parse(String(row['body'])) as SubmissionState

export class MongoSubmissions extends MongoStore<SubmissionsUnit> implements SubmissionsStore {
  constructor(database: MongoDatabase, options: MongoStoreOptions) {
    super(database, 'submissions', options)
  }

  async begin(events: readonly SourceEvent[]): Promise<SubmissionsUnit> {
    const ids = new Set<string>()
    const erased = new Set<AccountId>()
    for (const event of events) {
      const account = accountOfStream(event.stream)
      if (event.type === 'AccountErased' && account !== undefined) erased.add(account)
      else if (account === undefined) {
        const id = submissionOf(event)
        if (id !== undefined) ids.add(id)
      }
    }
    const rows = await this.rows('submission', ids)
    const ofErased = new Map<string, Row>()
    for (const a of erased) {
      const own = this.table('submission').find({ a }, { hint: 'submission_account' })
      for await (const row of own) ofErased.set(row._id, row)
    }
    // Whose it is, only the row tells: what is another process's is not there for this one.
    const submissions = new Table<SubmissionState>((id) => {
      const row = rows.get(id) ?? ofErased.get(id)
      return row !== undefined && this.owns(row.a) ? stateOf(row) : undefined
    })
    return {
      submissions,
      idsOf: (account) => {
        const all = new Set<string>()
        for (const row of ofErased.values()) if (row.a === account) all.add(row._id)
        for (const row of submissions.rows()) if (row.accountId === account) all.add(row.id)
        return [...all]
      },
    }
  }

  protected async writes(unit: SubmissionsUnit): Promise<RowWrite[]> {
    const writes: RowWrite[] = []
    const gone = [...unit.submissions.changes()].filter(({ row }) => row === undefined).map(({ key }) => key)
    const owners = gone.length === 0 ? new Map<string, Row>() : await this.rows('submission', gone)
    for (const { key, row, stored } of unit.submissions.changes()) {
      if (row === undefined) {
        const account = owners.get(key)?.a
        if (account !== undefined) writes.push({ op: 'drop', table: 'submission', id: key, account })
        continue
      }
      if (!this.owns(row.accountId)) continue
      const kept = {
        position: row.position,
        message: row.messageId,
        pending: row.state === 'pending',
        due: row.dueAt,
        field: row.messageIdField,
        body: JSON.stringify(row),
      }
      writes.push({ op: 'put', table: 'submission', id: key, account: row.accountId, fresh: !stored, row: kept })
    }
    return writes
  }

  async digest(): Promise<string> {
    const digest = new RowDigest()
    for await (const row of this.table('submission').find({}).sort({ _id: 1 }))
      if (this.owns(row.a)) digest.submission(stateOf(row))
    return digest.finish()
  }
}

/** The submission that an event names. */
export function submissionOf(event: SourceEvent): string | undefined {
  if (isRedacted(event) || isUnreadable(event)) return undefined
  const data = event.data as { readonly submissionId?: string } | null
  return data?.submissionId
}

export class MongoSubmissionQueries extends MongoReader implements SubmissionQueries {
  get #rows() {
    return this.table('submission')
  }

  async submissions(account: AccountId, options: Parameters<SubmissionQueries['submissions']>[1] = {}) {
    const { first = 50, before, pendingOnly = false } = options
    if (first < 1) return []
    const where = {
      a: account,
      ...(pendingOnly ? { pending: true } : {}),
      ...(before === undefined ? {} : { position: { $lt: Number(before) } }),
    }
    const hint = pendingOnly ? 'submission_account_pending' : 'submission_account'
    const rows = await this.#rows.find(where, { sort: { position: -1 }, hint, limit: first }).toArray()
    return rows.map((row) => submissionRow(stateOf(row)))
  }
  async submission(account: AccountId, submissionId: string) {
    const row = await this.#rows.findOne({ _id: submissionId })
    return row === null || row.a !== account ? undefined : submissionRow(stateOf(row))
  }
  async submissionOfMessage(account: AccountId, messageId: string) {
    const options = { sort: { position: 1 }, hint: 'submission_message' } as const
    const row = await this.#rows.findOne({ a: account, message: messageId }, options)
    return row === null ? undefined : submissionRow(stateOf(row))
  }
  async submissionsByMessageId(account: AccountId, ids: readonly string[]) {
    const options = { sort: { position: 1 }, hint: 'submission_field', limit: 10 } as const
    const found = []
    for (const field of ids) found.push(...(await this.#rows.find({ a: account, field }, options).toArray()))
    return found.map((row) => submissionRow(stateOf(row)))
  }
  async pendingSubmissions({ first = 1000, after }: { first?: number | undefined; after?: Position | undefined } = {}) {
    if (first < 1) return []
    const where = { pending: true, position: { $gt: Number(after ?? -1n) } }
    const options = { sort: { position: 1 }, hint: 'submission_pending', limit: first } as const
    const rows = await this.#rows.find(where, options).toArray()
    return rows.map((row) => ({ accountId: row.a, row: submissionRow(stateOf(row)) }))
  }
  async pendingSubmission(submissionId: string) {
    const row = await this.#rows.findOne({ _id: submissionId })
    return row?.['pending'] === true ? { accountId: row.a, row: submissionRow(stateOf(row)) } : undefined
  }
  async dueSubmissions({ until, first, after }: Parameters<SubmissionQueries['dueSubmissions']>[0]) {
    if (first < 1) return []
    const behind =
      after === undefined
        ? {}
        : { $or: [{ due: { $gt: after.dueAt } }, { due: after.dueAt, position: { $gt: Number(after.position) } }] }
    const where = { pending: true, due: { $gte: after?.dueAt ?? 0, $lte: until }, ...behind }
    const options = { sort: { due: 1, position: 1 }, hint: 'submission_due', limit: first, projection: DUE } as const
    return (await this.#rows.find(where, options).toArray()).map(dueRow)
  }
  async newSubmissions({ after, first }: Parameters<SubmissionQueries['newSubmissions']>[0]) {
    if (first < 1) return []
    const where = { pending: true, position: { $gt: Number(after) }, due: { $ne: null } }
    const options = { sort: { position: 1 }, hint: 'submission_pending', limit: first, projection: DUE } as const
    return (await this.#rows.find(where, options).toArray()).map(dueRow)
  }
}

const DUE = { due: 1, position: 1 }
const dueRow = (row: Row) => ({
  id: row._id,
  dueAt: Number(row['due']),
  position: BigInt(Number(row['position'])),
})
