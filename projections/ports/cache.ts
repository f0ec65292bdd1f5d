// What may be kept at hand between questions. Everything in it can be lost at any instant and is never wrong.
import type { AccountId, Revision } from '../../domain/log.ts'

/**
 * Answers that were true of an account at a revision. An entry is given back only for exactly the revision that it was stored
 * under, so nothing stale ever comes out: who asks must first know the account's revision. What does not change with the mailbox
 * (parsed bodies) is stored under `FOREVER`.
 */
export interface Cache {
  get(account: AccountId, key: string, revision: Revision | typeof FOREVER): Promise<Uint8Array | string | undefined>
  /** Kept as long as there is room and for at most `ttlMs` (engine's default when absent). An older revision never replaces a newer one. */
  put(
    account: AccountId,
    key: string,
    revision: Revision | typeof FOREVER,
    value: Uint8Array | string,
    options?: { readonly ttlMs?: number },
  ): Promise<void>
  /** Drops everything of the account: it was erased. */
  forget(account: AccountId): Promise<void>
  close(): Promise<void>
}

export const FOREVER = 'forever'
