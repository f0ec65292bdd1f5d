// Data keys of accounts, wrapped by a master key, kept outside the log so that destroying one erases an account everywhere.
import type { AccountId } from '../../domain/log.ts'

/** Thrown when something is to be written about an account that has no key: it was erased, or never opened. */
export class NoDataKey extends Error {
  readonly account: AccountId
  constructor(account: AccountId) {
    super(`Account ${account} has no data key: it was erased or never opened`)
    this.name = 'NoDataKey'
    this.account = account
  }
}

/** Thrown by an engine that keeps keys elsewhere when one is asked for that it has not looked up lately: `load`, and ask again. */
export class KeysNotLoaded extends Error {
  readonly accounts: readonly AccountId[]
  constructor(accounts: readonly AccountId[]) {
    super(`The data keys of ${accounts.length} accounts are not in memory`)
    this.name = 'KeysNotLoaded'
    this.accounts = accounts
  }
}

export interface Keyring {
  /** Makes the account's data key; durable when it resolves. Repeating it changes nothing. */
  create(account: AccountId): Promise<void>
  /**
   * Brings keys into memory, for `dataKey` to answer at once for some seconds. Absent in an engine that always can. One key destroyed
   * elsewhere is gone here too after those seconds.
   */
  load?(accounts: Iterable<AccountId | 'system'>): Promise<void>
  /** The 32-byte data key, or undefined once destroyed. 'system' always has one. Throws KeysNotLoaded. No I/O on a hot path. */
  dataKey(account: AccountId | 'system'): Uint8Array | undefined
  /** Makes everything sealed under the key unreadable, here and in every backup of the log. Durable when it resolves. */
  destroy(account: AccountId): Promise<void>
  /** Keyed hash for stream names of addresses and domains: lowercase hex, 40 characters; not guessable from the address. */
  nameHash(text: string): string
}
