// What processes tell each other about people at the door: wrong passwords, how much came from where, sessions that ended. All of it
// may be lost.
import { type RateLimit, RateLimiter } from './rate-limiter.ts'

/** Permits that all processes spend together. */
export interface SharedRate {
  /** Spends `cost` permits and answers true, or answers false and spends none. */
  take(key: string, cost?: number): Promise<boolean>
  /** Seconds until `cost` permits are there. */
  wait(key: string, cost?: number): Promise<number>
}

export interface SharedState {
  /** Adds to a count that starts afresh `ttlMs` after its last change, and answers the new count. */
  count(key: string, by: number, ttlMs: number): Promise<number>
  /** Counts as they are, 0 for what nobody counts; in the order asked. */
  counts(keys: readonly string[]): Promise<readonly number[]>
  drop(key: string): Promise<void>
  /** Remembered by every process until `ttlMs` are over. */
  mark(key: string, ttlMs: number): Promise<void>
  marked(key: string): Promise<boolean>
  /** The rate of this name; whoever asks for it again gets the same permits. */
  rate(name: string, limit: RateLimit): SharedRate
  close(): Promise<void>
}

const MOST = 100_000

interface Held {
  count: number
  until: number
}

/** Of one process; also what a process falls back to while it cannot ask the others. */
export class MemorySharedState implements SharedState {
  readonly #held = new Map<string, Held>()
  readonly #rates = new Map<string, RateLimiter>()
  readonly #now: () => number
  readonly #rateClock: { readonly now?: () => number }

  /** Epoch milliseconds. Without it rates go by a clock that cannot be set. */
  constructor(now?: () => number) {
    this.#now = now ?? Date.now
    this.#rateClock = now === undefined ? {} : { now }
  }

  async count(key: string, by: number, ttlMs: number): Promise<number> {
    const now = this.#now()
    const held = this.#held.get(key)
    const count = (held !== undefined && held.until > now ? held.count : 0) + by
    this.#put(key, { count, until: now + ttlMs })
    return count
  }

  #put(key: string, held: Held): void {
    this.#held.delete(key)
    this.#held.set(key, held)
    if (this.#held.size <= MOST) return
    const oldest = this.#held.keys().next()
    if (!oldest.done) this.#held.delete(oldest.value)
  }

  async counts(keys: readonly string[]): Promise<readonly number[]> {
    const now = this.#now()
    return keys.map((key) => {
      const held = this.#held.get(key)
      return held !== undefined && held.until > now ? held.count : 0
    })
  }

  async drop(key: string): Promise<void> {
    this.#held.delete(key)
  }
  async mark(key: string, ttlMs: number): Promise<void> {
    this.#put(key, { count: 1, until: this.#now() + ttlMs })
  }
  async marked(key: string): Promise<boolean> {
    return (await this.counts([key]))[0] !== 0
  }
  rate(name: string, limit: RateLimit): SharedRate {
    const limiter = this.#rates.get(name) ?? new RateLimiter(limit, this.#rateClock)
    this.#rates.set(name, limiter)
    return {
      take: async (key, cost) => limiter.take(key, cost),
      wait: async (key, cost) => limiter.wait(key, cost),
    }
  }
  async close(): Promise<void> {
    this.#held.clear()
  }
}
