// Data keys in a SQLite file of their own, each wrapped by a master key. Neither file is part of the log or of its backups.
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Keyring } from '../../../commands/ports/keyring.ts'
import { writeSecretFile } from './secret-file.ts'

const CACHED_KEYS = 100_000
const SYSTEM = 'system'

export class KeyringError extends Error {
  readonly code: 'no-master-key' | 'wrong-master-key' | 'unavailable'
  constructor(code: KeyringError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KeyringError'
    this.code = code
  }
}

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

export class FileKeyring implements Keyring {
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
      this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
        CREATE TABLE IF NOT EXISTS data_key (owner TEXT PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;`)
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
    return createHmac('sha256', this.#system).update(`name:${text}`).digest('hex').slice(0, 40)
  }

  /** A key for one other purpose, such as signing sessions; the same after every start. */
  derive(purpose: string): Uint8Array {
    return createHmac('sha256', this.#system).update(`purpose:${purpose}`).digest()
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

function wrap(master: Uint8Array, owner: string, key: Uint8Array): Uint8Array {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', master, nonce).setAAD(Buffer.from(owner))
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()])
}

function unwrap(master: Uint8Array, owner: string, wrapped: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('aes-256-gcm', master, wrapped.subarray(0, 12)).setAAD(Buffer.from(owner))
  decipher.setAuthTag(wrapped.subarray(44, 60))
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(12, 44)), decipher.final()])
  } catch (cause) {
    throw new KeyringError(
      'wrong-master-key',
      'The master key does not open this keyring: it belongs to another data folder',
      { cause },
    )
  }
}
