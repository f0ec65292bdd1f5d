// Those who wait until queries see the log up to a position.
import type { Position } from '../../../domain/log.ts'
import { SearchIndexError } from '../../../projections/ports/search-index.ts'

export class PositionWaiters {
  readonly #waiters = new Set<{ readonly position: Position; readonly resolve: () => void }>()

  /** Rejects with 'unavailable' when it takes longer than `timeoutMs`. */
  wait(position: Position, timeoutMs: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const waiter = {
        position,
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
      }
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(notInTime(position))
      }, timeoutMs)
      this.#waiters.add(waiter)
    })
  }

  reached(position: Position): void {
    for (const waiter of this.#waiters) {
      if (waiter.position > position) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }
}

export const notInTime = (position: Position): SearchIndexError =>
  new SearchIndexError('unavailable', `Search has not reached position ${position} in time.`)
