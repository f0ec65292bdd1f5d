// One unit of work of the filter view over what an engine holds. Keys are `account/id`.
import type { AccountId } from '../domain/log.ts'
import type { Example, FilterFolders, FilterUnit, JudgedMessage, QuarantineState } from './ports/view-store.ts'
import { Table } from './unit-of-work.ts'

export const accountOfKey = (key: string): AccountId => key.slice(0, key.indexOf('/'))
export const idOfKey = (key: string): string => key.slice(key.indexOf('/') + 1)

/** How the engine finds its rows. */
export interface StoredFilterRows {
  folders(account: AccountId): FilterFolders | undefined
  judged(key: string): JudgedMessage | undefined
  quarantine(key: string): QuarantineState | undefined
}

export class StoredFilterUnit implements FilterUnit {
  /** Accounts whose stored rows go before anything of the unit is written. */
  readonly erased = new Set<AccountId>()
  readonly folders: Table<FilterFolders>
  readonly judged: Table<JudgedMessage>
  /** Never read, only written, so that the oldest may go at any time. */
  readonly examples = new Table<Example>(() => undefined)
  readonly quarantine: Table<QuarantineState>

  constructor(stored: StoredFilterRows) {
    this.folders = new Table((account) => (this.erased.has(account) ? undefined : stored.folders(account)))
    this.judged = new Table((key) => (this.erased.has(accountOfKey(key)) ? undefined : stored.judged(key)))
    this.quarantine = new Table((key) => (this.erased.has(accountOfKey(key)) ? undefined : stored.quarantine(key)))
  }

  erase(account: AccountId): void {
    this.erased.add(account)
    for (const table of [this.judged, this.examples, this.quarantine] as Table<object>[])
      for (const [key] of [...table.entries()]) if (accountOfKey(key) === account) table.delete(key)
    this.folders.delete(account)
  }
}
