// How much a script may ask for. A script is short and a message is large, so what is counted is what multiplies the two.

export interface SieveLimits {
  /** Blocks within blocks, and tests within tests. */
  readonly nesting: number
  /** Commands and tests of a script together. */
  readonly nodes: number
  /** Actions that one message may cause (RFC 5228 §10). */
  readonly actions: number
  readonly redirects: number
  /** Characters of a variable or of a text made from variables (RFC 5229 §6 asks for 4,000). */
  readonly textLength: number
  readonly variables: number
  /** Characters looked at for one message, in units of about ten nanoseconds. */
  readonly steps: number
  /** Fields that addheader may add. */
  readonly addedFields: number
}

export const SIEVE_LIMITS: SieveLimits = {
  nesting: 32,
  nodes: 4_000,
  actions: 32,
  redirects: 4,
  textLength: 16_384,
  variables: 128,
  steps: 5_000_000,
  addedFields: 50,
}

/** Where something stands in a script, both counted from 1; the column counts characters. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** What is wrong with a script, in a sentence that its author can act on. */
export interface Problem extends Place {
  readonly message: string
}

/** Leaves a parser or a running script; caught where that was started and answered as a value. */
export class SieveStop extends Error {
  readonly place: Place
  constructor(place: Place, message: string) {
    super(message)
    this.place = place
  }
  get problem(): Problem {
    return { line: this.place.line, column: this.place.column, message: this.message }
  }
}
