// The filter view in MongoDB: held mail, and the examples that people gave.
import type { Label } from '../../../domain/filter/model.ts'
import { type AccountId, accountOfStream, isRedacted, type Position } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import { MAX_EXAMPLES } from '../../../projections/filter.ts'
import { accountOfKey, idOfKey, StoredFilterUnit } from '../../../projections/filter-unit.ts'
import { isUnreadable, type SourceEvent } from '../../../projections/ports/event-source.ts'
import type {
  Example,
  FilterFolders,
  FilterStore,
  JudgedMessage,
  QuarantineState,
} from '../../../projections/ports/view-store.ts'
import type { FilterQueries } from '../../../projections/queries.ts'
import { type MongoDatabase, MongoReader, type Row, type RowWrite } from './mongodb-database.ts'
import { messagesOf } from './mongodb-mailbox.ts'
import { MongoStore, type MongoStoreOptions } from './mongodb-store.ts'
import { quarantineRow } from './rows.ts'

const foldersOf = (row: Row): FilterFolders => ({ account: row._id, junk: row['junk'], trash: row['trash'] })
const quarantineOf = (row: Row): QuarantineState => JSON.parse(String(row['body'])) as QuarantineState
const judgedOf = (row: Row): JudgedMessage => ({ junk: row['junk'], label: row['label'] ?? undefined })

export class MongoFilter extends MongoStore<StoredFilterUnit> implements FilterStore {
  constructor(database: MongoDatabase, options: MongoStoreOptions) {
    super(database, 'filter', options)
  }

  async begin(events: readonly SourceEvent[]): Promise<StoredFilterUnit> {
    const accounts = new Set<AccountId>()
    const messages = new Set<string>()
    const held = new Set<string>()
    for (const event of events) {
      if (isRedacted(event) || isUnreadable(event)) continue
      const account = accountOfStream(event.stream)
      if (account !== undefined) {
        if (!this.owns(account)) continue
        accounts.add(account)
        for (const id of messagesOf(event)) messages.add(`${account}/${id}`)
      } else if (
        event.type === 'MailQuarantined' ||
        event.type === 'MailReleased' ||
        event.type === 'QuarantineDropped'
      ) {
        for (const section of Object.keys(event.data?.sections ?? {}))
          if (this.owns(section)) held.add(`${section}/${event.data.intakeId}`)
      }
    }
    const [folders, judged, quarantine] = await Promise.all([
      this.rows('folders', accounts),
      this.rows('judged', messages),
      this.rows('quarantine', held),
    ])
    return new StoredFilterUnit({
      folders: (account) => {
        const row = folders.get(account)
        return row && foldersOf(row)
      },
      judged: (key) => {
        const row = judged.get(key)
        return row && judgedOf(row)
      },
      quarantine: (key) => {
        const row = quarantine.get(key)
        return row && quarantineOf(row)
      },
    })
  }

  protected async writes(unit: StoredFilterUnit): Promise<RowWrite[]> {
    const { erased } = unit
    const writes: RowWrite[] = []
    for (const account of erased) {
      if (!this.owns(account)) continue
      for (const table of ['judged', 'example', 'quarantine', 'folders'] as const)
        writes.push({ op: 'wipe', table, account })
    }
    const put = (table: 'folders' | 'judged' | 'quarantine', id: string, stored: boolean, row: object) => {
      const account = table === 'folders' ? id : accountOfKey(id)
      if (!this.owns(account)) return
      writes.push({ op: 'put', table, id, account, fresh: !stored || erased.has(account), row })
    }
    for (const { key, row, stored } of unit.folders.changes())
      if (row) put('folders', key, stored, { junk: row.junk, trash: row.trash })
    for (const { key, row, stored } of unit.judged.changes())
      if (row) put('judged', key, stored, { junk: row.junk, label: row.label ?? null })
    for (const { key, row, stored } of unit.quarantine.changes())
      if (row)
        put('quarantine', key, stored, {
          position: row.position,
          held: row.state === 'held',
          body: JSON.stringify(row),
        })
    writes.push(...(await this.#examples(unit)))
    return writes
  }

  /** The newest thousand of an account stay. */
  async #examples(unit: StoredFilterUnit): Promise<RowWrite[]> {
    const taught = Map.groupBy(
      [...unit.examples.changes()].filter(({ row }) => row !== undefined && this.owns(row.account)),
      ({ row }) => (row as Example).account,
    )
    const writes: RowWrite[] = []
    for (const [account, changes] of taught) {
      const positions = new Map<string, number>()
      if (!unit.erased.has(account)) {
        const options = { hint: 'example_account', projection: { position: 1 } }
        for await (const row of this.table('example').find({ a: account }, options))
          positions.set(row._id, Number(row['position']))
      }
      const stored = new Set(positions.keys())
      for (const { key, row } of changes) {
        const { label, position } = row as Example
        positions.set(key, position)
        const kept = { position, label }
        writes.push({ op: 'put', table: 'example', id: key, account, fresh: !stored.has(key), row: kept })
      }
      if (positions.size <= MAX_EXAMPLES) continue
      const least = [...positions.values()].sort((a, b) => b - a)[MAX_EXAMPLES - 1] ?? 0
      const gone = new Set([...positions].filter(([, position]) => position < least).map(([key]) => key))
      const kept = writes.filter((each) => each.op === 'wipe' || !gone.has(each.id))
      writes.splice(0, writes.length, ...kept)
      for (const id of gone) if (stored.has(id)) writes.push({ op: 'drop', table: 'example', id, account })
    }
    return writes
  }

  async digest(): Promise<string> {
    const digest = new RowDigest()
    for await (const row of this.#own('folders', { _id: 1 })) digest.filterFolders(foldersOf(row))
    for await (const row of this.#own('judged', { _id: 1 })) digest.judged(row.a, idOfKey(row._id), judgedOf(row))
    for await (const row of this.#own('example', { position: 1, _id: 1 }))
      digest.example(idOfKey(row._id), {
        account: row.a,
        position: row['position'],
        label: row['label'],
      })
    for await (const row of this.#own('quarantine', { _id: 1 })) digest.quarantined(quarantineOf(row))
    return digest.finish()
  }

  async *#own(table: 'folders' | 'judged' | 'example' | 'quarantine', sort: Record<string, 1>): AsyncGenerator<Row> {
    for await (const row of this.table(table).find({}).sort(sort).allowDiskUse()) if (this.owns(row.a)) yield row
  }
}

export class MongoFilterQueries extends MongoReader implements FilterQueries {
  async quarantine(
    account: AccountId,
    { first = 50, before }: { first?: number | undefined; before?: Position | undefined } = {},
  ) {
    if (first < 1) return []
    const where = { a: account, held: true, position: { $lt: Number(before ?? Number.MAX_SAFE_INTEGER) } }
    const options = { sort: { position: -1 }, hint: 'quarantine_account', limit: first } as const
    return (await this.table('quarantine').find(where, options).toArray()).map((row) =>
      quarantineRow(quarantineOf(row)),
    )
  }
  async quarantined(account: AccountId, intakeId: string) {
    const row = await this.table('quarantine').findOne({ _id: `${account}/${intakeId}` })
    return row === null ? undefined : quarantineRow(quarantineOf(row))
  }
  async allQuarantined({ first = 50, before }: { first?: number | undefined; before?: Position | undefined } = {}) {
    if (first < 1) return []
    const where = { held: true, position: { $lt: Number(before ?? Number.MAX_SAFE_INTEGER) } }
    const options = { sort: { position: -1, a: 1 }, hint: 'quarantine_position', limit: first } as const
    return (await this.table('quarantine').find(where, options).toArray()).map((row) =>
      quarantineRow(quarantineOf(row)),
    )
  }
  async trainingVersion(account?: AccountId) {
    const hint = account === undefined ? 'example_position' : 'example_account'
    const where = account === undefined ? { position: { $gte: 0 } } : { a: account }
    const options = { sort: { position: -1 }, hint, projection: { position: 1 } } as const
    const newest = await this.table('example').findOne(where, options)
    const count = await this.table('example').countDocuments(where, { hint })
    return `${newest === null ? null : newest['position']}:${count}`
  }
  async examples({
    account,
    first,
    before = Number.MAX_SAFE_INTEGER,
  }: {
    account?: AccountId | undefined
    first: number
    before?: number | undefined
  }) {
    if (first < 1) return []
    const where = { ...(account === undefined ? {} : { a: account }), position: { $lt: before } }
    const hint = account === undefined ? 'example_position' : 'example_account'
    const rows = await this.table('example')
      .find(where, { sort: { position: -1 }, hint, limit: first })
      .toArray()
    return rows.map((row) => ({
      accountId: row.a,
      messageId: idOfKey(row._id),
      position: Number(row['position']),
      label: row['label'] as Label,
    }))
  }
}
