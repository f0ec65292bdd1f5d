// What the server says while it runs: one JSON object a line on stderr, never the content or subject of mail.

export type Facts = Readonly<Record<string, unknown>>

export function logLine(event: string, facts: Facts = {}): void {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), event, ...facts })}\n`)
}

/** Counters for /metrics. */
export class Counters {
  readonly #values = new Map<string, number>()

  readonly count = (name: string): void => {
    this.#values.set(name, (this.#values.get(name) ?? 0) + 1)
  }

  /** A number that is asked for when somebody looks. */
  readonly gauges = new Map<string, { readonly help: string; readonly read: () => number }>()

  entries(): readonly (readonly [string, number])[] {
    return [...this.#values]
  }
}
