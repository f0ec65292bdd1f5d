// Guessing passwords gets slower with every wrong one: per address and place, and per place for those who try many addresses.
import { hash } from 'node:crypto'
import type { SharedState } from '../limits/shared-state.ts'

const FREE = 5
const FREE_FROM_ONE_PLACE = 50
const LONGEST = 15 * 60_000
/** A quiet hour after the last delay starts afresh. */
const QUIET = 3_600_000

/** Counted by every process together, where they share a state. */
export class BackOff {
  readonly #state: SharedState
  readonly #now: () => number

  constructor(state: SharedState, now: () => number) {
    this.#state = state
    this.#now = now
  }

  /** Milliseconds until this place may try the address again; 0 for now. */
  async wait(address: string, place: string): Promise<number> {
    const [ofPair = 0, ofPlace = 0] = await this.#state.counts([until(pair(address, place)), until(placeKey(place))])
    return Math.max(0, Math.max(ofPair, ofPlace) - this.#now())
  }

  async failed(address: string, place: string): Promise<void> {
    await this.#count(pair(address, place), FREE)
    await this.#count(placeKey(place), FREE_FROM_ONE_PLACE)
  }

  async succeeded(address: string, place: string): Promise<void> {
    await this.#state.drop(pair(address, place))
    await this.#state.drop(until(pair(address, place)))
  }

  async #count(key: string, free: number): Promise<void> {
    const count = await this.#state.count(key, 1, QUIET)
    if (count < free) return
    const delay = Math.min(LONGEST, 1000 * 2 ** (count - free))
    const [held = 0] = await this.#state.counts([until(key)])
    // The instant as a count: what is added makes it later.
    const instant = this.#now() + delay
    if (instant > held) await this.#state.count(until(key), instant - held, delay)
    // The quiet time begins when the delay is over.
    await this.#state.count(key, 0, delay + QUIET)
  }
}

const until = (key: string): string => `${key} until`
const placeKey = (place: string): string => `guesses ${place}`
/** No address stands in a store that processes share. */
const pair = (address: string, place: string): string =>
  `guesses ${place} ${hash('sha256', address.trim().toLowerCase().slice(0, 320), 'base64url').slice(0, 22)}`
