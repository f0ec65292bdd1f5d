// Guessing passwords gets slower with every wrong one: per address and place, and per place for those who try many addresses.

interface Failures {
  count: number
  /** No further attempt before this instant. */
  until: number
}

const FREE = 5
const FREE_FROM_ONE_PLACE = 50
const LONGEST = 15 * 60_000
const KEYS = 20_000

export class BackOff {
  readonly #failures = new Map<string, Failures>()
  readonly #now: () => number
  constructor(now: () => number) {
    this.#now = now
  }

  /** Milliseconds until this place may try the address again; 0 for now. */
  wait(address: string, place: string): number {
    const now = this.#now()
    const until = Math.max(this.#failures.get(pair(address, place))?.until ?? 0, this.#failures.get(place)?.until ?? 0)
    return Math.max(0, until - now)
  }

  failed(address: string, place: string): void {
    this.#count(pair(address, place), FREE)
    this.#count(place, FREE_FROM_ONE_PLACE)
  }

  succeeded(address: string, place: string): void {
    this.#failures.delete(pair(address, place))
  }

  #count(key: string, free: number): void {
    const now = this.#now()
    const held = this.#failures.get(key)
    // A quiet hour after the last delay starts afresh.
    const count = held && held.until > now - 3_600_000 ? held.count + 1 : 1
    const delay = count < free ? 0 : Math.min(LONGEST, 1000 * 2 ** (count - free))
    this.#failures.delete(key)
    this.#failures.set(key, { count, until: now + delay })
    if (this.#failures.size <= KEYS) return
    const oldest = this.#failures.keys().next().value
    if (oldest !== undefined) this.#failures.delete(oldest)
  }
}

const pair = (address: string, place: string): string => `${place} ${address.trim().toLowerCase().slice(0, 320)}`
