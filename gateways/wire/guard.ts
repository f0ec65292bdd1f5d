// What all connections of a listener share: how many there are of whom, and who guesses passwords.
import { Counter, RateLimiter } from '../limits/rate-limiter.ts'

export interface GuardLimits {
  readonly connections: number
  readonly sessionsPerAccount: number
  readonly connectionsPerAddress: number
}

/** Ten wrong guesses at once, then one every half a minute. */
const GUESSES = { burst: 10, perSecond: 1 / 30 }

export class Guard {
  readonly #limits: GuardLimits
  readonly #byAddress = new Counter()
  readonly #byAccount = new Counter()
  readonly #guesses = new RateLimiter(GUESSES)
  #connections = 0

  constructor(limits: GuardLimits) {
    this.#limits = limits
  }

  /** Whether one more connection of this address is let in. */
  connect(address: string): boolean {
    if (this.#connections >= this.#limits.connections) return false
    if (this.#byAddress.up(address) > this.#limits.connectionsPerAddress) {
      this.#byAddress.down(address)
      return false
    }
    this.#connections++
    return true
  }

  disconnect(address: string): void {
    this.#connections--
    this.#byAddress.down(address)
  }

  enter(account: string): boolean {
    if (this.#byAccount.up(account) <= this.#limits.sessionsPerAccount) return true
    this.#byAccount.down(account)
    return false
  }

  leave(account: string): void {
    this.#byAccount.down(account)
  }

  guessing(address: string): number {
    return this.#guesses.wait(address)
  }

  guessedWrong(address: string): void {
    this.#guesses.take(address)
  }
}
