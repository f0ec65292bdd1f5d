// The submissions view in SQLite: one row of JSON for each submission, with what is asked for in columns.
import type { AccountId, Position } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import type {
  ParkedEvent,
  SubmissionState,
  SubmissionsStore,
  SubmissionsUnit,
} from '../../../projections/ports/view-store.ts'
import type { SubmissionQueries } from '../../../projections/queries.ts'
import { submissionsProjector } from '../../../projections/submissions.ts'
import { Table } from '../../../projections/unit-of-work.ts'
import { submissionRow } from './rows.ts'
import { type Queries, SqliteStore, type ViewSchema } from './sqlite-file.ts'

export const submissionsSchema: ViewSchema = {
  name: submissionsProjector.name,
  version: submissionsProjector.version,
  tables: `
    CREATE TABLE submission (
      position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, message TEXT NOT NULL,
      pending INTEGER NOT NULL, due INTEGER, field TEXT, body TEXT NOT NULL);
    CREATE INDEX submission_account ON submission (account);`,
  indexes: `
    CREATE INDEX submission_field ON submission (field) WHERE field IS NOT NULL;
    CREATE INDEX submission_message ON submission (message);
    CREATE INDEX submission_pending ON submission (position) WHERE pending = 1;
    CREATE INDEX submission_due ON submission (due, position) WHERE due IS NOT NULL;`,
}

const read = (body: unknown): SubmissionState => JSON.parse(String(body)) as SubmissionState

export class SqliteSubmissions extends SqliteStore implements SubmissionsStore {
  constructor(path: string, mode: 'live' | 'fill') {
    super(path, submissionsSchema, mode)
  }
  digest(): string {
    return submissionsDigest(this.queries)
  }

  begin(): SubmissionsUnit {
    const one = this.queries.prepare('SELECT body FROM submission WHERE id = ?')
    const submissions = new Table<SubmissionState>((id) => {
      const row = one.get(id)
      return row === undefined ? undefined : read(row[0])
    })
    return {
      submissions,
      idsOf: (account) => {
        const ids = new Set<string>()
        for (const row of this.queries.prepare('SELECT id FROM submission WHERE account = ?').all(account))
          ids.add(String(row[0]))
        for (const row of submissions.rows()) if (row.accountId === account) ids.add(row.id)
        return [...ids]
      },
    }
  }

  commit(unit: SubmissionsUnit, checkpoint: Position, parked: readonly ParkedEvent[]): void {
    const { db } = this.file
    const write = () => {
      const put = db.prepare('INSERT OR REPLACE INTO submission VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
      const remove = db.prepare('DELETE FROM submission WHERE id = ?')
      for (const { key, row } of unit.submissions.changes()) {
        if (row === undefined) remove.run(key)
        else {
          const pending = Number(row.state === 'pending')
          put.run(
            row.position,
            row.id,
            row.accountId,
            row.messageId,
            pending,
            row.dueAt,
            row.messageIdField,
            JSON.stringify(row),
          )
        }
      }
    }
    this.file.commit(write, checkpoint, parked)
  }
}

export class SqliteSubmissionQueries implements SubmissionQueries {
  readonly #queries: Queries
  constructor(queries: Queries) {
    this.#queries = queries
  }
  async submissions(account: AccountId, options: Parameters<SubmissionQueries['submissions']>[1] = {}) {
    const { first = 50, before, pendingOnly = false } = options
    const rows = this.#queries
      .prepare(
        `SELECT body FROM submission INDEXED BY submission_account
         WHERE account = ? AND position < ? AND pending >= ? ORDER BY position DESC LIMIT ?`,
      )
      .all(account, before === undefined ? Number.MAX_SAFE_INTEGER : Number(before), Number(pendingOnly), first)
    return rows.map(([body]) => submissionRow(read(body)))
  }
  async submission(account: AccountId, submissionId: string) {
    const row = this.#queries
      .prepare('SELECT body FROM submission WHERE id = ? AND account = ?')
      .get(submissionId, account)
    return row && submissionRow(read(row[0]))
  }
  async submissionOfMessage(account: AccountId, messageId: string) {
    const row = this.#queries
      .prepare('SELECT body FROM submission WHERE message = ? AND account = ? ORDER BY position LIMIT 1')
      .get(messageId, account)
    return row && submissionRow(read(row[0]))
  }
  async submissionsByMessageId(account: AccountId, ids: readonly string[]) {
    const find = this.#queries.prepare('SELECT body FROM submission WHERE field = ? AND account = ? LIMIT 10')
    return ids.flatMap((id) => find.all(id, account).map(([body]) => submissionRow(read(body))))
  }
  async pendingSubmissions({ first = 1000, after }: { first?: number | undefined; after?: Position | undefined } = {}) {
    const rows = this.#queries
      .prepare('SELECT body FROM submission WHERE pending = 1 AND position > ? ORDER BY position LIMIT ?')
      .all(Number(after ?? -1n), first)
    return rows.map(([body]) => {
      const row = read(body)
      return { accountId: row.accountId, row: submissionRow(row) }
    })
  }
  async pendingSubmission(submissionId: string) {
    const found = this.#queries.prepare('SELECT body FROM submission WHERE id = ? AND pending = 1').get(submissionId)
    if (found === undefined) return undefined
    const row = read(found[0])
    return { accountId: row.accountId, row: submissionRow(row) }
  }
  async dueSubmissions({ until, first, after }: Parameters<SubmissionQueries['dueSubmissions']>[0]) {
    const rows = this.#queries
      .prepare(
        `SELECT id, due, position FROM submission INDEXED BY submission_due
         WHERE due IS NOT NULL AND due <= ? AND (due, position) > (?, ?) ORDER BY due, position LIMIT ?`,
      )
      .all(until, after?.dueAt ?? -1, Number(after?.position ?? -1n), first)
    return rows.map(dueRow)
  }
  async newSubmissions({ after, first }: Parameters<SubmissionQueries['newSubmissions']>[0]) {
    const rows = this.#queries
      .prepare(
        'SELECT id, due, position FROM submission WHERE position > ? AND due IS NOT NULL ORDER BY position LIMIT ?',
      )
      .all(Number(after), first)
    return rows.map(dueRow)
  }
}

const dueRow = ([id, due, position]: readonly unknown[]) => ({
  id: String(id),
  dueAt: Number(due),
  position: BigInt(Number(position)),
})

export function submissionsDigest(queries: Queries): string {
  const digest = new RowDigest()
  const rows = queries.prepare('SELECT body FROM submission').all()
  for (const row of rows.map(([body]) => read(body)).sort((a, b) => (a.id < b.id ? -1 : 1))) digest.submission(row)
  return digest.finish()
}
