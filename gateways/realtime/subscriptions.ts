// Open subscriptions, counted by session: so many, and none after the session's end.
import { ProblemError } from '../web/problem.ts'

export const MAX_SUBSCRIPTIONS = 20

export class Subscriptions {
  readonly #open = new Map<string, number>()

  /** Answers the way to close it; rejects the one too many. */
  open(session: string): () => void {
    const count = (this.#open.get(session) ?? 0) + 1
    if (count > MAX_SUBSCRIPTIONS)
      throw new ProblemError(
        429,
        'too-many-subscriptions',
        `A session takes at most ${MAX_SUBSCRIPTIONS} subscriptions.`,
      )
    this.#open.set(session, count)
    let closed = false
    return () => {
      if (closed) return
      closed = true
      const left = (this.#open.get(session) ?? 1) - 1
      if (left > 0) this.#open.set(session, left)
      else this.#open.delete(session)
    }
  }

  get size(): number {
    let size = 0
    for (const count of this.#open.values()) size += count
    return size
  }
}
