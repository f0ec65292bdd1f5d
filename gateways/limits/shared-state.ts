// What processes tell each other about people at the door: wrong passwords, sessions that ended, who is here. All of it may be lost.

export interface SharedState {
  /** Adds to a count that starts afresh `ttlMs` after its last change, and answers the new count. */
  count(key: string, by: number, ttlMs: number): Promise<number>
  /** Counts as they are, 0 for what nobody counts; in the order asked. */
  counts(keys: readonly string[]): Promise<readonly number[]>
  drop(key: string): Promise<void>
  /** Remembered by every process until `ttlMs` are over. */
  mark(key: string, ttlMs: number): Promise<void>
  marked(key: string): Promise<boolean>
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
  readonly #now: () => number

  /** Epoch milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#now = now
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
  async close(): Promise<void> {
    this.#held.clear()
  }
}
