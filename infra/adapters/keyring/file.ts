// Data keys in a SQLite file of their own, each wrapped by a master key. Neither file is part of the log or of its backups.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { writeSecretFile } from './secret-file.ts'
import { derivedKey, hashOfName, KeyringError, type OpenKeyring, unwrap, wrap } from './wrapping.ts'

const CACHED_KEYS = 100_000
export const KEY_TABLE = `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
  CREATE TABLE IF NOT EXISTS data_key (owner TEXT PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;`
const SYSTEM = 'system'

export { KeyringError } from './wrapping.ts'

/** Reads the 32-byte master key, making it on the first start of a fresh data folder. Mode 0600. */
export function masterKeyFromFile(path: string, mayCreate: boolean): Uint8Array {
  if (!existsSync(path)) {
    if (!mayCreate) {
      throw new KeyringError(
        'no-master-key',
        `The master key ${path} is missing: put it back, nothing can be read without it`,
      )
    }
    writeSecretFile(path, `${randomBytes(32).toString('base64')}\n`)
  }
  const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64')
  if (key.length !== 32) throw new KeyringError('wrong-master-key', `The master key ${path} is not 32 bytes of base64`)
  return key
}

export class FileKeyring implements OpenKeyring {
  readonly #db: DatabaseSync
  readonly #master: Uint8Array
  readonly #cache = new Map<string, Uint8Array>()
  readonly #find: StatementSync
  readonly #system: Uint8Array

  /** Every thread opens its own. `writable` makes the file and the system key when they are missing. */
  constructor(path: string, master: Uint8Array, options: { readonly writable: boolean }) {
    this.#master = master
    if (options.writable) mkdirSync(dirname(path), { recursive: true })
    this.#db = new DatabaseSync(path, { timeout: 5000, readOnly: !options.writable })
    if (options.writable) {
      this.#db.exec(KEY_TABLE)
    }
    this.#find = this.#db.prepare('SELECT wrapped FROM data_key WHERE owner = ?')
    if (options.writable) this.#make(SYSTEM)
    const system = this.dataKey(SYSTEM)
    if (!system)
      throw new KeyringError(
        'unavailable',
        `The keyring ${path} holds no system key: it is not the keyring of this log`,
      )
    this.#system = system
  }

  async create(account: string): Promise<void> {
    this.#make(account)
  }

  dataKey(account: string): Uint8Array | undefined {
    const cached = this.#cache.get(account)
    if (cached) return cached
    const row = this.#find.get(account)
    if (!row) return undefined
    const key = unwrap(this.#master, account, row['wrapped'] as Uint8Array)
    if (this.#cache.size >= CACHED_KEYS) this.#cache.clear()
    this.#cache.set(account, key)
    return key
  }

  async destroy(account: string): Promise<void> {
    this.#db.prepare('DELETE FROM data_key WHERE owner = ?').run(account)
    // The wrapped key must not live on in the write-ahead log.
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    this.forget(account)
  }

  /** Drops a key from this thread's memory, after another thread destroyed it. */
  forget(account: string): void {
    this.#cache.get(account)?.fill(0)
    this.#cache.delete(account)
  }

  nameHash(text: string): string {
    return hashOfName(this.#system, text)
  }

  /** A key for one other purpose, such as signing sessions; the same after every start. */
  derive(purpose: string): Uint8Array {
    return derivedKey(this.#system, purpose)
  }

  close(): void {
    this.#db.close()
  }

  #make(owner: string): void {
    if (this.#find.get(owner)) return
    const wrapped = wrap(this.#master, owner, randomBytes(32))
    this.#db.prepare('INSERT INTO data_key (owner, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING').run(owner, wrapped)
  }
}
