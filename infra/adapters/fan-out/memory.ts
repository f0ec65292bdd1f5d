// The fan-out of one machine: several parts of one process, or tests, joined by a hub. Nothing is ever missed.
import type { Applied, FanOut } from '../../../projections/ports/fan-out.ts'

export class FanOutHub {
  readonly #members = new Set<(applied: Applied) => void>()

  join(): FanOut {
    const listeners = new Set<(applied: Applied) => void>()
    const hear = (applied: Applied) => {
      for (const listener of listeners) listener(applied)
    }
    this.#members.add(hear)
    return {
      publish: (applied) => {
        for (const member of this.#members) if (member !== hear) member(applied)
      },
      subscribe(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      onMissed: () => () => undefined,
      close: async () => {
        this.#members.delete(hear)
        listeners.clear()
      },
    }
  }
}
