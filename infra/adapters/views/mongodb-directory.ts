// The directory view in MongoDB: few rows, read at every RCPT and login; each account is one text of JSON, whatever its fields.
import { type AccountId, accountOfStream, isRedacted } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import { isUnreadable, type SourceEvent } from '../../../projections/ports/event-source.ts'
import {
  type AddressState,
  type DirectoryState,
  type DirectoryStore,
  type DirectoryUnit,
  type DomainState,
  type ShareState,
  shareKey,
} from '../../../projections/ports/view-store.ts'
import type { DirectoryQueries } from '../../../projections/queries.ts'
import { Table } from '../../../projections/unit-of-work.ts'
import { type MongoDatabase, MongoReader, type Row, type RowWrite } from './mongodb-database.ts'
import { MongoStore, type MongoStoreOptions } from './mongodb-store.ts'
import { directoryRow, lookUpAddress } from './rows.ts'

/** Fields that may be missing have no place in JSON: they are put back. */
function accountOf(row: Row): DirectoryState {
  const account = JSON.parse(String(row['body'])) as DirectoryState
  account.passwordHash ??= undefined
  account.passwordRevision ??= undefined
  return account
}

/** What `shareKey` joined. */
function shareOf(key: string): ShareState {
  const at = key.lastIndexOf('/')
  return { with: key.slice(0, at), owner: key.slice(at + 1) }
}

const addressOf = (row: Row): AddressState => ({ accountId: row['account'], kind: row['kind'] })

/**
 * Who claimed an address first is decided across accounts, so this view is not split: its partition 0 holds all of it, and rows
 * have no account in front.
 */
export class MongoDirectory extends MongoStore<DirectoryUnit> implements DirectoryStore {
  constructor(database: MongoDatabase, options: MongoStoreOptions) {
    super(database, 'directory', { ...options, partitions: [0], of: 1 })
  }

  async begin(events: readonly SourceEvent[]): Promise<DirectoryUnit> {
    const ids = new Set<AccountId>()
    const addresses = new Set<string>()
    const domains = new Set<string>()
    const shared = new Set<string>()
    for (const event of events) {
      const account = accountOfStream(event.stream)
      if (account !== undefined) ids.add(account)
      if (isRedacted(event) || isUnreadable(event)) continue
      if (event.type === 'DomainAdded') domains.add(event.data?.name)
      else if (event.type === 'AccountOpened' || event.type === 'AddressAdded') addresses.add(event.data?.address)
      else if (event.type === 'FolderShared' && account !== undefined) shared.add(shareKey(event.data?.with, account))
    }
    const [accounts, known] = await Promise.all([this.rows('account', ids), this.rows('domain', domains)])
    // An erasure frees the addresses that the account holds, and what it shares.
    if (events.some((event) => event.type === 'AccountErased'))
      for (const account of [...accounts.values()].map(accountOf)) {
        for (const { address } of account.addresses) addresses.add(address)
        for (const grant of account.grants) shared.add(shareKey(grant.with, account.id))
      }
    const [claims, shares] = await Promise.all([this.rows('address', addresses), this.rows('share', shared)])
    const load = <State>(rows: ReadonlyMap<string, Row>, read: (row: Row) => State) =>
      function one(key: string): State | undefined {
        const row = rows.get(key)
        return row === undefined ? undefined : read(row)
      }
    return {
      accounts: new Table<DirectoryState>(load(accounts, accountOf)),
      addresses: new Table<AddressState>(load(claims, addressOf)),
      domains: new Table<DomainState>(load(known, (row) => ({ name: row._id }))),
      shares: new Table<ShareState>(load(shares, (row) => shareOf(row._id))),
    }
  }

  protected writes(unit: DirectoryUnit): RowWrite[] {
    const writes: RowWrite[] = []
    const account = ''
    for (const { key, row, stored } of unit.accounts.changes()) {
      if (row === undefined) continue
      const kept = { opened: row.opened, erased: row.erased, body: JSON.stringify(row) }
      writes.push({ op: 'put', table: 'account', id: key, account, fresh: !stored, row: kept })
    }
    for (const { key, row, stored } of unit.addresses.changes()) {
      if (row === undefined) writes.push({ op: 'drop', table: 'address', id: key, account })
      else {
        const kept = { account: row.accountId, kind: row.kind }
        writes.push({ op: 'put', table: 'address', id: key, account, fresh: !stored, row: kept })
      }
    }
    for (const { key, stored } of unit.domains.changes())
      writes.push({ op: 'put', table: 'domain', id: key, account, fresh: !stored, row: {} })
    for (const { key, row, stored } of unit.shares.changes()) {
      if (row === undefined) writes.push({ op: 'drop', table: 'share', id: key, account })
      else {
        const kept = { grantee: row.with, owner: row.owner }
        writes.push({ op: 'put', table: 'share', id: key, account, fresh: !stored, row: kept })
      }
    }
    return writes
  }

  async digest(): Promise<string> {
    const digest = new RowDigest()
    for (const row of await this.#all('account')) digest.account(accountOf(row))
    for (const row of await this.#all('address')) digest.address(row._id, addressOf(row))
    for (const row of await this.#all('domain')) digest.domain({ name: row._id })
    for (const row of await this.#all('share')) digest.share(row._id)
    return digest.finish()
  }

  /** In the order that every engine's digest has, which is not the server's for every script. */
  async #all(table: 'account' | 'address' | 'domain' | 'share'): Promise<Row[]> {
    return (await this.table(table).find({}).toArray()).sort((a, b) => (a._id < b._id ? -1 : 1))
  }
}

export class MongoDirectoryQueries extends MongoReader implements DirectoryQueries {
  /** Three questions at most: the exact address, without its tag, the domain's catch-all. */
  async resolve(address: string) {
    const asked: string[] = []
    lookUpAddress(address, (each) => {
      asked.push(each)
      return undefined
    })
    const rows = await this.rows('address', asked)
    return lookUpAddress(address, (each) => {
      const row = rows.get(each)
      return row === undefined ? undefined : addressOf(row)
    })
  }
  async account(id: AccountId) {
    const row = await this.table('account').findOne({ _id: id })
    return row === null ? undefined : directoryRow(accountOf(row))
  }
  async accounts() {
    const options = { sort: { opened: 1 }, hint: 'account_opened' } as const
    const rows = await this.table('account').find({ erased: false }, options).toArray()
    return rows.map((row) => directoryRow(accountOf(row)))
  }
  async erasedAccounts() {
    const options = { hint: 'account_opened', projection: { _id: 1 } }
    return (await this.table('account').find({ erased: true }, options).toArray()).map(({ _id }) => _id)
  }
  async ownersSharingWith(grantees: readonly string[]) {
    const options = { hint: 'share_grantee', projection: { owner: 1 } }
    const rows = await this.table('share')
      .find({ grantee: { $in: [...grantees] } }, options)
      .toArray()
    return [...new Set(rows.map((row) => String(row['owner'])))].sort()
  }
  async hasDomain(name: string) {
    return (await this.table('domain').findOne({ _id: name })) !== null
  }
  async domains() {
    const rows = await this.table('domain')
      .find({ _id: { $gte: '' } }, { projection: { _id: 1 } })
      .toArray()
    return rows.map(({ _id }) => _id).sort()
  }
}
