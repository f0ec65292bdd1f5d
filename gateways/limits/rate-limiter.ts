// How often a key (an address, an account) may do something: a token bucket each, in bounded memory.

export interface RateLimit {
  /** Permits that may be spent at once. */
  readonly burst: number
  /** Permits that come back a second. */
  readonly perSecond: number
}

interface Bucket {
  tokens: number
  at: number
}

export class RateLimiter {
  readonly #limit: RateLimit
  readonly #maxKeys: number
  readonly #now: () => number
  readonly #buckets = new Map<string, Bucket>()

  /** `now` is a monotonic clock in milliseconds, so that a stepped wall clock neither blocks nor frees anyone. */
  constructor(limit: RateLimit, options: { readonly maxKeys?: number; readonly now?: () => number } = {}) {
    this.#limit = limit
    this.#maxKeys = options.maxKeys ?? 50_000
    this.#now = options.now ?? (() => performance.now())
  }

  /** Spends `cost` permits and answers true, or answers false and spends none. */
  take(key: string, cost = 1): boolean {
    const bucket = this.#bucket(key)
    if (bucket.tokens < cost) return false
    bucket.tokens -= cost
    return true
  }

  /** Seconds until `cost` permits are there. */
  wait(key: string, cost = 1): number {
    const { tokens } = this.#bucket(key)
    return tokens >= cost ? 0 : Math.ceil((cost - tokens) / this.#limit.perSecond)
  }

  #bucket(key: string): Bucket {
    const now = this.#now()
    const known = this.#buckets.get(key)
    if (known) {
      known.tokens = Math.min(this.#limit.burst, known.tokens + ((now - known.at) / 1000) * this.#limit.perSecond)
      known.at = now
      return known
    }
    if (this.#buckets.size >= this.#maxKeys) this.#forgetOldest()
    const fresh = { tokens: this.#limit.burst, at: now }
    this.#buckets.set(key, fresh)
    return fresh
  }

  #forgetOldest(): void {
    let left = Math.ceil(this.#maxKeys / 10)
    for (const key of this.#buckets.keys()) {
      if (left-- === 0) return
      this.#buckets.delete(key)
    }
  }
}

/** How many a key has open at once, such as connections of one address. */
export class Counter {
  readonly #counts = new Map<string, number>()

  /** Counts one more and answers the new count. */
  up(key: string): number {
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    return count
  }

  down(key: string): void {
    const count = (this.#counts.get(key) ?? 0) - 1
    if (count > 0) this.#counts.set(key, count)
    else this.#counts.delete(key)
  }
}
