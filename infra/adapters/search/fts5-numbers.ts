// The numbers of accounts and folders in the FTS5 engine's tables. The writer keeps those that it has seen in memory.
import type { AccountId } from '../../../domain/log.ts'
import { SearchIndexError } from '../../../projections/ports/search-index.ts'
import type { Fts5File } from './fts5-file.ts'

/** Kept in memory of each kind. */
const REMEMBERED = 100_000

export class Fts5Numbers {
  readonly #file: Fts5File
  readonly #accounts = new Map<AccountId, number>()
  readonly #folders = new Map<string, number>()

  constructor(file: Fts5File) {
    this.#file = file
  }

  /** The account's number, known to the writer from its first change on. */
  accountNumber(account: AccountId): number | undefined {
    const known = this.#accounts.get(account)
    if (known !== undefined) return known
    const number = this.accountNow(account)
    if (number !== undefined) {
      if (this.#accounts.size >= REMEMBERED) this.#accounts.clear()
      this.#accounts.set(account, number)
    }
    return number
  }

  /** Asked of the file each time: a reader does not see the writer's caches, nor an erasure in them. */
  accountNow(account: AccountId): number | undefined {
    return this.#file.sql('SELECT number FROM account WHERE id = ?').get(account)?.['number'] as number | undefined
  }

  /** As `accountNow`. */
  folderNow(account: number, id: string): number | undefined {
    return this.#file.sql('SELECT key FROM folder WHERE account = ? AND id = ?').get(account, id)?.['key'] as
      | number
      | undefined
  }

  /** Throws when there are as many accounts as rows can tell apart. */
  newAccount(account: AccountId): number {
    const number = Number(this.#file.writing('INSERT INTO account (id) VALUES (?)').run(account).lastInsertRowid)
    // Row numbers must stay exact as JavaScript numbers.
    if (number >= 2 ** 21)
      throw new SearchIndexError('unavailable', 'This search index is full: it holds 2,097,151 accounts.')
    return number
  }

  /** The folder's key, known to the writer once it was asked for. */
  folderKey(account: number, id: string): number | undefined {
    const name = `${account}/${id}`
    const known = this.#folders.get(name)
    if (known !== undefined) return known
    const key = this.folderNow(account, id)
    if (key !== undefined) {
      if (this.#folders.size >= REMEMBERED) this.#folders.clear()
      this.#folders.set(name, key)
    }
    return key
  }

  /** After anything that may have changed what the caches say. */
  forget(): void {
    this.#accounts.clear()
    this.#folders.clear()
  }
}
