// The filter view in SQLite: held mail, and the examples that people gave.
import type { Label } from '../../../domain/filter/model.ts'
import type { AccountId, Position } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import { filterProjector, MAX_EXAMPLES } from '../../../projections/filter.ts'
import { accountOfKey, idOfKey, StoredFilterUnit } from '../../../projections/filter-unit.ts'
import type { FilterStore, ParkedEvent, QuarantineState } from '../../../projections/ports/view-store.ts'
import type { FilterQueries } from '../../../projections/queries.ts'
import { quarantineRow } from './rows.ts'
import { packId, type Queries, SqliteStore, unpackId, type ViewSchema } from './sqlite-file.ts'

export const filterSchema: ViewSchema = {
  name: filterProjector.name,
  version: filterProjector.version,
  tables: `
    CREATE TABLE folders (account PRIMARY KEY, junk NOT NULL, trash NOT NULL) WITHOUT ROWID;
    CREATE TABLE judged (account, message, junk INTEGER NOT NULL, label INTEGER NOT NULL,
      PRIMARY KEY (account, message)) WITHOUT ROWID;
    CREATE TABLE example (account, message, position INTEGER NOT NULL, label INTEGER NOT NULL,
      PRIMARY KEY (account, message)) WITHOUT ROWID;
    CREATE INDEX example_account ON example (account, position);
    CREATE INDEX example_position ON example (position);
    CREATE TABLE quarantine (account, intake, position INTEGER NOT NULL, held INTEGER NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (account, intake)) WITHOUT ROWID;`,
  indexes: `
    CREATE INDEX quarantine_account ON quarantine (account, position) WHERE held = 1;
    CREATE INDEX quarantine_position ON quarantine (position) WHERE held = 1;`,
}

const LABELS = [undefined, 'spam', 'ham'] as const
const numberOf = (label: Label | undefined): number => LABELS.indexOf(label)

const both = (key: string): [Uint8Array | string, Uint8Array | string] => [
  packId(accountOfKey(key)),
  packId(idOfKey(key)),
]
const quarantineOf = (body: unknown): QuarantineState => JSON.parse(String(body)) as QuarantineState

export class SqliteFilter extends SqliteStore implements FilterStore {
  constructor(path: string, mode: 'live' | 'fill') {
    super(path, filterSchema, mode)
  }
  digest(): string {
    return filterDigest(this.queries)
  }

  begin(): StoredFilterUnit {
    const judged = this.queries.prepare('SELECT junk, label FROM judged WHERE account = ? AND message = ?')
    const folders = this.queries.prepare('SELECT junk, trash FROM folders WHERE account = ?')
    const quarantine = this.queries.prepare('SELECT body FROM quarantine WHERE account = ? AND intake = ?')
    return new StoredFilterUnit({
      folders: (account) => {
        const row = folders.get(packId(account))
        return row && { account, junk: unpackId(row[0]), trash: unpackId(row[1]) }
      },
      judged: (key) => {
        const row = judged.get(...both(key))
        return row && { junk: row[0] === 1, label: LABELS[Number(row[1])] }
      },
      quarantine: (key) => {
        const row = quarantine.get(...both(key))
        return row && quarantineOf(row[0])
      },
    })
  }

  commit(unit: StoredFilterUnit, checkpoint: Position, parked: readonly ParkedEvent[]) {
    this.file.commit(() => this.#write(unit), checkpoint, parked)
  }

  #write({ folders, judged, examples, quarantine, erased }: StoredFilterUnit): void {
    const run = (sql: string, ...values: Parameters<ReturnType<Queries['prepare']>['get']>) =>
      this.queries.prepare(sql).get(...values)
    for (const account of erased) {
      for (const table of ['folders', 'judged', 'example', 'quarantine'])
        run(`DELETE FROM ${table} WHERE account = ?`, packId(account))
    }
    for (const { key, row } of folders.changes()) {
      if (row) run('INSERT OR REPLACE INTO folders VALUES (?, ?, ?)', packId(key), packId(row.junk), packId(row.trash))
    }
    for (const { key, row } of judged.changes()) {
      if (row)
        run('INSERT OR REPLACE INTO judged VALUES (?, ?, ?, ?)', ...both(key), row.junk ? 1 : 0, numberOf(row.label))
    }
    const taught = new Set<AccountId>()
    for (const { key, row } of examples.changes()) {
      if (row === undefined) continue
      taught.add(row.account)
      run('INSERT OR REPLACE INTO example VALUES (?, ?, ?, ?)', ...both(key), row.position, numberOf(row.label))
    }
    for (const account of taught)
      run(
        `DELETE FROM example WHERE account = ?1 AND position <
          (SELECT position FROM example WHERE account = ?1 ORDER BY position DESC LIMIT 1 OFFSET ${MAX_EXAMPLES - 1})`,
        packId(account),
      )
    for (const { key, row } of quarantine.changes()) {
      if (row === undefined) continue
      const held = row.state === 'held' ? 1 : 0
      run(
        'INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?)',
        ...both(key),
        row.position,
        held,
        JSON.stringify(row),
      )
    }
  }
}

const MAX_POSITION = Number.MAX_SAFE_INTEGER

export class SqliteFilterQueries implements FilterQueries {
  readonly #queries: Queries
  constructor(queries: Queries) {
    this.#queries = queries
  }
  async quarantine(
    account: AccountId,
    { first = 50, before }: { first?: number | undefined; before?: Position | undefined } = {},
  ) {
    return this.#queries
      .prepare(
        'SELECT body FROM quarantine WHERE held = 1 AND account = ? AND position < ? ORDER BY position DESC LIMIT ?',
      )
      .all(packId(account), Number(before ?? MAX_POSITION), first)
      .map(([body]) => quarantineRow(quarantineOf(body)))
  }
  async quarantined(account: AccountId, intakeId: string) {
    const row = this.#queries
      .prepare('SELECT body FROM quarantine WHERE account = ? AND intake = ?')
      .get(packId(account), packId(intakeId))
    return row && quarantineRow(quarantineOf(row[0]))
  }
  async allQuarantined({ first = 50, before }: { first?: number | undefined; before?: Position | undefined } = {}) {
    return this.#queries
      .prepare('SELECT body FROM quarantine WHERE held = 1 AND position < ? ORDER BY position DESC, account LIMIT ?')
      .all(Number(before ?? MAX_POSITION), first)
      .map(([body]) => quarantineRow(quarantineOf(body)))
  }
  async trainingVersion(account?: AccountId) {
    const [newest, count] =
      (account === undefined
        ? this.#queries.prepare('SELECT max(position), count(*) FROM example').get()
        : this.#queries
            .prepare('SELECT max(position), count(*) FROM example WHERE account = ?')
            .get(packId(account))) ?? []
    return `${newest}:${count}`
  }
  async examples({
    account,
    first,
    before = MAX_POSITION,
  }: {
    account?: AccountId | undefined
    first: number
    before?: number | undefined
  }) {
    const select = 'SELECT account, message, position, label FROM example WHERE'
    const rows =
      account === undefined
        ? this.#queries.prepare(`${select} position < ? ORDER BY position DESC LIMIT ?`).all(before, first)
        : this.#queries
            .prepare(`${select} account = ? AND position < ? ORDER BY position DESC LIMIT ?`)
            .all(packId(account), before, first)
    return rows.map(([accountId, message, position, label]) => ({
      accountId: unpackId(accountId),
      messageId: unpackId(message),
      position: Number(position),
      label: LABELS[Number(label)] as Label,
    }))
  }
}

export function filterDigest(queries: Queries): string {
  const digest = new RowDigest()
  const ascending = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  for (const row of queries
    .prepare('SELECT account, junk, trash FROM folders')
    .all()
    .map((cells) => cells.map(unpackId))
    .sort((a, b) => ascending(String(a[0]), String(b[0]))))
    digest.filterFolders({ account: String(row[0]), junk: String(row[1]), trash: String(row[2]) })
  // In the order of the primary key, which packed ids keep for one engine.
  for (const [account, message, junk, label] of queries
    .prepare('SELECT account, message, junk, label FROM judged ORDER BY account, message')
    .iterate())
    digest.judged(unpackId(account), unpackId(message), { junk: junk === 1, label: LABELS[Number(label)] })
  for (const [account, message, position, label] of queries
    .prepare('SELECT account, message, position, label FROM example ORDER BY position, account, message')
    .iterate())
    digest.example(unpackId(message), {
      account: unpackId(account),
      position: Number(position),
      label: LABELS[Number(label)] as Label,
    })
  for (const row of queries.prepare('SELECT body FROM quarantine ORDER BY account, intake').iterate())
    digest.quarantined(quarantineOf(row[0]))
  return digest.finish()
}
