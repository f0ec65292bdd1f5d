// Answers about messages that never change, kept as they were written: what a client lists once it lists again.

/** Characters of all answers together. */
const MAX_CHARACTERS = 32 * 1024 * 1024

export class Rendered {
  readonly #kept = new Map<string, string>()
  #characters = 0

  /** `position` is that of the event that holds the message: no other message ever has it. */
  get(position: bigint, item: string): string | undefined {
    const key = `${position} ${item}`
    const found = this.#kept.get(key)
    if (found === undefined) return undefined
    // Used last, dropped last.
    this.#kept.delete(key)
    this.#kept.set(key, found)
    return found
  }

  set(position: bigint, item: string, text: string): void {
    const key = `${position} ${item}`
    if (text.length > MAX_CHARACTERS / 100 || this.#kept.has(key)) return
    this.#kept.set(key, text)
    this.#characters += text.length
    for (const [oldest, { length }] of this.#kept) {
      if (this.#characters <= MAX_CHARACTERS) break
      this.#kept.delete(oldest)
      this.#characters -= length
    }
  }
}
