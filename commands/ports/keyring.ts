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

export interface Keyring {
  /** Makes the account's data key; durable when it resolves. Repeating it changes nothing. */
  create(account: AccountId): Promise<void>
  /** The 32-byte data key, or undefined once destroyed. 'system' always has one. Cached: no I/O on a hot path. */
  dataKey(account: AccountId | 'system'): Uint8Array | undefined
  /** Makes everything sealed under the key unreadable, here and in every backup of the log. Durable when it resolves. */
  destroy(account: AccountId): Promise<void>
  /** Keyed hash for stream names of addresses and domains: lowercase hex, 40 characters; not guessable from the address. */
  nameHash(text: string): string
}
