// The directory view in SQLite: few rows, read at every RCPT and login, so each account is one row of JSON.
import type { AddressKind } from '../../../domain/account/account.ts'
import type { AccountId, Position } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import { directoryProjector } from '../../../projections/directory.ts'
import {
  type AddressState,
  type DirectoryState,
  type DirectoryStore,
  type DirectoryUnit,
  type ParkedEvent,
  shareKey,
} from '../../../projections/ports/view-store.ts'
import type { DirectoryQueries } from '../../../projections/queries.ts'
import { Table } from '../../../projections/unit-of-work.ts'
import { directoryRow, lookUpAddress } from './rows.ts'
import { type Queries, SqliteStore, type ViewSchema } from './sqlite-file.ts'

export const directorySchema: ViewSchema = {
  name: directoryProjector.name,
  version: directoryProjector.version,
  tables: `
    CREATE TABLE account (id TEXT PRIMARY KEY, opened INTEGER NOT NULL, erased INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE address (address TEXT PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE domain (name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE share (grantee TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (grantee, owner)) WITHOUT ROWID;`,
  indexes: 'CREATE INDEX account_opened ON account (opened) WHERE erased = 0;',
}

/** `undefined` has no place in JSON: fields that may be missing are put back. */
function readAccount(body: unknown): DirectoryState {
  const account = JSON.parse(String(body)) as DirectoryState
  account.passwordHash ??= undefined
  account.passwordRevision ??= undefined
  return account
}

export class SqliteDirectory extends SqliteStore implements DirectoryStore {
  constructor(path: string, mode: 'live' | 'fill') {
    super(path, directorySchema, mode)
  }
  digest(): string {
    return directoryDigest(this.queries)
  }

  begin(): DirectoryUnit {
    const account = this.queries.prepare('SELECT body FROM account WHERE id = ?')
    const domain = this.queries.prepare('SELECT name FROM domain WHERE name = ?')
    const share = this.queries.prepare('SELECT 1 FROM share WHERE grantee = ? AND owner = ?')
    return {
      accounts: new Table((id) => {
        const row = account.get(id)
        return row === undefined ? undefined : readAccount(row[0])
      }),
      addresses: new Table((address) => findAddress(this.queries, address)),
      domains: new Table((name) => (domain.get(name) === undefined ? undefined : { name })),
      shares: new Table((key) => {
        const [grantee, owner] = partsOf(key)
        return share.get(grantee, owner) === undefined ? undefined : { with: grantee, owner }
      }),
    }
  }

  commit(unit: DirectoryUnit, checkpoint: Position, parked: readonly ParkedEvent[]): void {
    const { db } = this.file
    const write = () => {
      const putAccount = db.prepare('INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?)')
      for (const { row } of unit.accounts.changes())
        if (row !== undefined) putAccount.run(row.id, row.opened, Number(row.erased), JSON.stringify(row))
      for (const { key, row } of unit.addresses.changes()) {
        if (row === undefined) db.prepare('DELETE FROM address WHERE address = ?').run(key)
        else db.prepare('INSERT OR REPLACE INTO address VALUES (?, ?, ?)').run(key, row.accountId, row.kind)
      }
      for (const { key, row } of unit.shares.changes()) {
        const drop = 'DELETE FROM share WHERE grantee = ? AND owner = ?'
        db.prepare(row === undefined ? drop : 'INSERT OR REPLACE INTO share VALUES (?, ?)').run(...partsOf(key))
      }
      for (const { key } of unit.domains.changes()) db.prepare('INSERT OR REPLACE INTO domain VALUES (?)').run(key)
    }
    this.file.commit(write, checkpoint, parked)
  }
}

/** Account ids and domains hold no slash. */
function partsOf(key: string): [grantee: string, owner: string] {
  const at = key.indexOf('/')
  return [key.slice(0, at), key.slice(at + 1)]
}

function findAddress(queries: Queries, address: string): AddressState | undefined {
  const row = queries.prepare('SELECT account, kind FROM address WHERE address = ?').get(address)
  return row && { accountId: String(row[0]), kind: row[1] as AddressKind }
}

export class SqliteDirectoryQueries implements DirectoryQueries {
  readonly #queries: Queries
  constructor(queries: Queries) {
    this.#queries = queries
  }
  async resolve(address: string) {
    return lookUpAddress(address, (each) => findAddress(this.#queries, each))
  }
  async account(id: AccountId) {
    const row = this.#queries.prepare('SELECT body FROM account WHERE id = ?').get(id)
    return row === undefined ? undefined : directoryRow(readAccount(row[0]))
  }
  async accounts() {
    const rows = this.#queries.prepare('SELECT body FROM account WHERE erased = 0 ORDER BY opened').all()
    return rows.map(([body]) => directoryRow(readAccount(body)))
  }
  async erasedAccounts() {
    return this.#queries
      .prepare('SELECT id FROM account WHERE erased = 1')
      .all()
      .map(([id]) => String(id))
  }
  async ownersSharingWith(grantees: readonly string[]) {
    const query = this.#queries.prepare('SELECT owner FROM share WHERE grantee = ?')
    const owners = grantees.flatMap((grantee) => query.all(grantee).map(([owner]) => String(owner)))
    return [...new Set(owners)].sort()
  }
  async hasDomain(name: string) {
    return this.#queries.prepare('SELECT 1 FROM domain WHERE name = ?').get(name) !== undefined
  }
  async domains() {
    const rows = this.#queries.prepare('SELECT name FROM domain').all()
    return rows.map(([name]) => String(name)).sort()
  }
}

export function directoryDigest(queries: Queries): string {
  const digest = new RowDigest()
  const rows = queries.prepare('SELECT body FROM account').all()
  const accounts = rows.map(([body]) => readAccount(body)).sort((a, b) => (a.id < b.id ? -1 : 1))
  for (const account of accounts) digest.account(account)
  const addresses = queries.prepare('SELECT address, account, kind FROM address').all()
  for (const [address, accountId, kind] of addresses.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)))
    digest.address(String(address), { accountId: String(accountId), kind: kind as AddressKind })
  const domains = queries.prepare('SELECT name FROM domain').all()
  for (const name of domains.map(([each]) => String(each)).sort()) digest.domain({ name })
  const shares = queries.prepare('SELECT grantee, owner FROM share').all()
  for (const key of shares.map(([grantee, owner]) => shareKey(String(grantee), String(owner))).sort()) digest.share(key)
  return digest.finish()
}
