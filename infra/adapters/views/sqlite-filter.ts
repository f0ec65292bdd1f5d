// The filter view in SQLite: held mail, where each message's content is, and the examples that people gave.
import { decodeSignals } from '../../../domain/filter/assess.ts'
import type { Label } from '../../../domain/filter/model.ts'
import { type AccountId, accountOfStream, isRedacted, type Position } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import { featuresOfArrival, filterProjector, MAX_EXAMPLES, taughtBy } from '../../../projections/filter.ts'
import { type EventSource, isUnreadable, type SourceEvent } from '../../../projections/ports/event-source.ts'
import type {
  ArrivedMessage,
  Example,
  FilterFolders,
  FilterStore,
  FilterUnit,
  ParkedEvent,
  QuarantineState,
} from '../../../projections/ports/view-store.ts'
import type { FilterQueries, QuarantineRow } from '../../../projections/queries.ts'
import { type RowChange, Table } from '../../../projections/unit-of-work.ts'
import { type Cells, packId, Queries, unpackId, ViewFile, type ViewSchema } from './sqlite-file.ts'

export const filterSchema: ViewSchema = {
  name: filterProjector.name,
  version: filterProjector.version,
  tables: `
    CREATE TABLE folders (account PRIMARY KEY, junk NOT NULL, trash NOT NULL) WITHOUT ROWID;
    CREATE TABLE arrival (account, message, position INTEGER NOT NULL, junk INTEGER NOT NULL, label INTEGER NOT NULL,
      PRIMARY KEY (account, message)) WITHOUT ROWID;
    CREATE TABLE example (account, message, position INTEGER NOT NULL, label INTEGER NOT NULL, features BLOB NOT NULL,
      PRIMARY KEY (account, message));
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

/** Messages read from the log at once. */
const LOAD_CHUNK = 50

const both = (key: string): [Uint8Array | string, Uint8Array | string] => {
  const at = key.indexOf('/')
  return [packId(key.slice(0, at)), packId(key.slice(at + 1))]
}

export class SqliteFilter implements FilterStore {
  readonly file: ViewFile
  readonly #queries: Queries
  readonly #source: Pick<EventSource, 'readPositions'>

  constructor(path: string, mode: 'live' | 'fill', source: Pick<EventSource, 'readPositions'>) {
    this.file = new ViewFile(path, filterSchema, mode)
    this.#queries = new Queries(this.file.db)
    this.#source = source
  }
  checkpoint(): Position | undefined {
    return this.file.checkpoint
  }
  parked(): { newest: readonly ParkedEvent[]; count: number } {
    return this.file.parked()
  }
  close(): void {
    this.file.close()
  }
  digest(): string {
    return filterDigest(this.#queries)
  }

  async begin(events: readonly SourceEvent[]): Promise<FilterUnit & { readonly erased: Set<AccountId> }> {
    const arrival = this.#queries.prepare('SELECT position, junk, label FROM arrival WHERE account = ? AND message = ?')
    const folders = this.#queries.prepare('SELECT junk, trash FROM folders WHERE account = ?')
    const quarantine = this.#queries.prepare('SELECT body FROM quarantine WHERE account = ? AND intake = ?')
    const erased = new Set<AccountId>()
    const unit = {
      erased,
      folders: new Table<FilterFolders>((account) => {
        const row = erased.has(account) ? undefined : folders.get(packId(account))
        return row && { account, junk: unpackId(row[0]), trash: unpackId(row[1]) }
      }),
      arrivals: new Table<ArrivedMessage>((key) => {
        const row = erased.has(accountOf(key)) ? undefined : arrival.get(...both(key))
        return row && { position: Number(row[0]), junk: row[1] === 1, label: LABELS[Number(row[2])] }
      }),
      // Never read, only written: whether one is there is known by the label of its arrival.
      examples: new Table<Example>(() => undefined),
      quarantine: new Table<QuarantineState>((key) => {
        const row = erased.has(accountOf(key)) ? undefined : quarantine.get(...both(key))
        return row && (JSON.parse(String(row[0])) as QuarantineState)
      }),
      features: await this.#load(events),
      erase(account: AccountId) {
        erased.add(account)
        for (const table of [unit.arrivals, unit.examples, unit.quarantine] as Table<object>[])
          for (const [key] of [...table.entries()]) if (accountOf(key) === account) table.delete(key)
        unit.folders.delete(account)
      },
    }
    return unit
  }

  /** The features of every message that the events may teach: its arrival is in this batch or in the log behind it. */
  async #load(events: readonly SourceEvent[]): Promise<ReadonlyMap<string, Uint32Array>> {
    const wanted = new Set<string>()
    const found = new Map<string, bigint>()
    for (const event of events) {
      const account = accountOfStream(event.stream)
      if (account === undefined || isRedacted(event) || isUnreadable(event)) continue
      for (const id of taughtBy(event)) wanted.add(`${account}/${id}`)
      if (event.type === 'MessageReceived' || event.type === 'MessageAppended')
        found.set(`${account}/${event.data.messageId}`, event.position)
      else if (event.type === 'MessageCopied') {
        const source = found.get(`${account}/${event.data.messageId}`)
        if (source !== undefined) found.set(`${account}/${event.data.copyId}`, source)
      }
    }
    const features = new Map<string, Uint32Array>()
    if (wanted.size === 0) return features
    const stored = this.#queries.prepare('SELECT position FROM arrival WHERE account = ? AND message = ?')
    const positions = new Map<string, bigint>()
    for (const key of wanted) {
      const row = stored.get(...both(key))
      const position = row === undefined ? found.get(key) : BigInt(Number(row[0]))
      if (position !== undefined) positions.set(key, position)
    }
    const keys = [...positions.keys()]
    for (let from = 0; from < keys.length; from += LOAD_CHUNK) {
      const chunk = keys.slice(from, from + LOAD_CHUNK)
      const asked = [...new Set(chunk.map((key) => positions.get(key) as bigint))]
      const arrivals = new Map<bigint, Uint32Array>()
      for (const event of await this.#source.readPositions(asked, { text: true })) {
        if (isRedacted(event) || isUnreadable(event)) continue
        if (event.type === 'MessageReceived' || event.type === 'MessageAppended')
          arrivals.set(event.position, featuresOfArrival(event.data.content))
      }
      for (const key of chunk) {
        const own = arrivals.get(positions.get(key) as bigint)
        if (own !== undefined) features.set(key, own)
      }
    }
    return features
  }

  commit(unit: FilterUnit & { readonly erased: Set<AccountId> }, checkpoint: Position, parked: readonly ParkedEvent[]) {
    this.file.commit(() => this.#write(unit), checkpoint, parked)
  }

  #write({ folders, arrivals, examples, quarantine, erased }: FilterUnit & { readonly erased: Set<AccountId> }): void {
    const run = (sql: string, ...values: Parameters<ReturnType<Queries['prepare']>['get']>) =>
      this.#queries.prepare(sql).get(...values)
    for (const account of erased) {
      for (const table of ['folders', 'arrival', 'example', 'quarantine'])
        run(`DELETE FROM ${table} WHERE account = ?`, packId(account))
    }
    for (const { key, row } of folders.changes()) {
      if (row) run('INSERT OR REPLACE INTO folders VALUES (?, ?, ?)', packId(key), packId(row.junk), packId(row.trash))
    }
    const insert = 'INSERT OR REPLACE INTO arrival VALUES (?, ?, ?, ?, ?)'
    for (const { key, row } of arrivals.changes()) {
      if (row) run(insert, ...both(key), row.position, row.junk ? 1 : 0, numberOf(row.label))
    }
    const taught = new Set<AccountId>()
    for (const { key, row } of examples.changes() as Iterable<RowChange<Example>>) {
      if (row === undefined) continue
      taught.add(row.account)
      const bytes = new Uint8Array(row.features.buffer, row.features.byteOffset, row.features.byteLength)
      run(
        'INSERT OR REPLACE INTO example VALUES (?, ?, ?, ?, ?)',
        ...both(key),
        row.position,
        numberOf(row.label),
        bytes,
      )
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

const accountOf = (key: string): AccountId => key.slice(0, key.indexOf('/'))

function quarantineRow(cells: Cells): QuarantineRow {
  const { position, ...row } = JSON.parse(String(cells[0])) as QuarantineState
  return { ...row, position: BigInt(position) }
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
      .map(quarantineRow)
  }
  async quarantined(account: AccountId, intakeId: string) {
    const row = this.#queries
      .prepare('SELECT body FROM quarantine WHERE account = ? AND intake = ?')
      .get(packId(account), packId(intakeId))
    return row && quarantineRow(row)
  }
  async allQuarantined({ first = 50, before }: { first?: number | undefined; before?: Position | undefined } = {}) {
    return this.#queries
      .prepare('SELECT body FROM quarantine WHERE held = 1 AND position < ? ORDER BY position DESC, account LIMIT ?')
      .all(Number(before ?? MAX_POSITION), first)
      .map(quarantineRow)
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
    const rows =
      account === undefined
        ? this.#queries
            .prepare('SELECT position, label, features FROM example WHERE position < ? ORDER BY position DESC LIMIT ?')
            .all(before, first)
        : this.#queries
            .prepare(
              'SELECT position, label, features FROM example WHERE account = ? AND position < ? ORDER BY position DESC LIMIT ?',
            )
            .all(packId(account), before, first)
    return rows.map(([position, label, features]) => ({
      position: Number(position),
      label: LABELS[Number(label)] as Label,
      features: featuresIn(features as Uint8Array),
    }))
  }
}

function featuresIn(bytes: Uint8Array): Uint32Array {
  return decodeSignals(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'))
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
  for (const [account, message, position, junk, label] of queries
    .prepare('SELECT account, message, position, junk, label FROM arrival ORDER BY account, message')
    .iterate())
    digest.arrived(unpackId(account), unpackId(message), {
      position: Number(position),
      junk: junk === 1,
      label: LABELS[Number(label)],
    })
  for (const [account, message, position, label, features] of queries
    .prepare('SELECT account, message, position, label, features FROM example ORDER BY position, account, message')
    .iterate())
    digest.example(unpackId(message), {
      account: unpackId(account),
      position: Number(position),
      label: LABELS[Number(label)] as Label,
      features: featuresIn(features as Uint8Array),
    })
  for (const row of queries.prepare('SELECT body FROM quarantine ORDER BY account, intake').iterate())
    digest.quarantined(JSON.parse(String(row[0])) as QuarantineState)
  return digest.finish()
}
