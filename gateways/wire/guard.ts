// What all connections of a listener share: how many there are of whom, and, with every other process, who guesses passwords.
import { Counter } from '../limits/rate-limiter.ts'
import { MemorySharedState, type SharedRate, type SharedState } from '../limits/shared-state.ts'

export interface GuardLimits {
  readonly connections: number
  readonly sessionsPerAccount: number
  readonly connectionsPerAddress: number
}

/** Ten wrong guesses at once, then one every half a minute. */
const GUESSES = { burst: 10, perSecond: 1 / 30 }

/** Wrong guesses by address, of every protocol that has a line. */
export const guessesOf = (state: SharedState): SharedRate => state.rate('guesses', GUESSES)

export class Guard {
  readonly #limits: GuardLimits
  readonly #byAddress = new Counter()
  readonly #byAccount = new Counter()
  readonly #guesses: SharedRate
  #connections = 0

  constructor(limits: GuardLimits, state: SharedState = new MemorySharedState()) {
    this.#limits = limits
    this.#guesses = guessesOf(state)
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

  /** Seconds until another guess of this address is heard. */
  guessing(address: string): Promise<number> {
    return this.#guesses.wait(address)
  }

  async guessedWrong(address: string): Promise<void> {
    await this.#guesses.take(address)
  }
}
