// The cache in memory: least recently used first out, bounded by bytes and by age.
import type { AccountId, Revision } from '../../../domain/log.ts'
import { type Cache, FOREVER } from '../../../projections/ports/cache.ts'

interface Entry {
  readonly account: AccountId
  readonly key: string
  readonly revision: Revision | typeof FOREVER
  readonly value: Uint8Array | string
  readonly bytes: number
  readonly expires: number
}

/** What an entry costs beside its value: maps, keys, the object. */
const OVERHEAD = 200

export interface MemoryCacheOptions {
  /** 32 MiB by default. */
  readonly maxBytes?: number
  /** Ten minutes by default. */
  readonly ttlMs?: number
  readonly now?: () => number
}

export class MemoryCache implements Cache {
  readonly #maxBytes: number
  readonly #ttlMs: number
  readonly #now: () => number
  /** In the order of use, the least recent first. */
  readonly #entries = new Map<string, Entry>()
  readonly #ofAccount = new Map<AccountId, Set<string>>()
  #bytes = 0

  constructor(options: MemoryCacheOptions = {}) {
    this.#maxBytes = options.maxBytes ?? 32 * 1024 * 1024
    this.#ttlMs = options.ttlMs ?? 600_000
    this.#now = options.now ?? Date.now
  }

  get bytes(): number {
    return this.#bytes
  }

  async get(account: AccountId, key: string, revision: Revision | typeof FOREVER) {
    const id = `${account}\n${key}`
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    if (entry.expires <= this.#now()) {
      this.#drop(id, entry)
      return undefined
    }
    if (entry.revision !== revision) return undefined
    this.#entries.delete(id)
    this.#entries.set(id, entry)
    return entry.value
  }

  async put(
    account: AccountId,
    key: string,
    revision: Revision | typeof FOREVER,
    value: Uint8Array | string,
    options: { readonly ttlMs?: number } = {},
  ): Promise<void> {
    const id = `${account}\n${key}`
    const held = this.#entries.get(id)
    if (held !== undefined) {
      const newer = held.revision !== FOREVER && revision !== FOREVER && held.revision > revision
      if (newer && held.expires > this.#now()) return
      this.#drop(id, held)
    }
    const size = typeof value === 'string' ? value.length * 2 : value.byteLength
    const bytes = size + id.length * 2 + OVERHEAD
    // One value may not push out most of the others.
    if (bytes > this.#maxBytes / 4) return
    this.#entries.set(id, {
      account,
      key,
      revision,
      value,
      bytes,
      expires: this.#now() + (options.ttlMs ?? this.#ttlMs),
    })
    this.#bytes += bytes
    let ids = this.#ofAccount.get(account)
    if (ids === undefined) {
      ids = new Set()
      this.#ofAccount.set(account, ids)
    }
    ids.add(id)
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) break
      this.#drop(oldest, entry)
    }
  }

  async forget(account: AccountId): Promise<void> {
    for (const id of [...(this.#ofAccount.get(account) ?? [])]) {
      const entry = this.#entries.get(id)
      if (entry !== undefined) this.#drop(id, entry)
    }
  }

  async close(): Promise<void> {
    this.#entries.clear()
    this.#ofAccount.clear()
    this.#bytes = 0
  }

  #drop(id: string, entry: Entry): void {
    this.#entries.delete(id)
    this.#bytes -= entry.bytes
    const ids = this.#ofAccount.get(entry.account)
    ids?.delete(id)
    if (ids?.size === 0) this.#ofAccount.delete(entry.account)
  }
}
