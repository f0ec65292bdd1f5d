// INPROGRESS (RFC 9585): a command that takes long says how far it is, so that nobody takes the line for dead.
import type { Output } from '../wire/output.ts'
import { quoted } from './respond/strings.ts'

export class Progress {
  readonly #out: Output
  readonly #everyMs: number
  #tag = ''
  #told = 0

  constructor(out: Output, everyMs: number) {
    this.#out = out
    this.#everyMs = everyMs
  }

  begin(tag: string): void {
    this.#tag = tag
    this.#told = performance.now()
  }

  /** To be called between two answers, never within one. Says nothing before it is time. */
  step(done: number, goal: number): void {
    const now = performance.now()
    if (now - this.#told < this.#everyMs) return
    this.#told = now
    // RFC 9585 §4: the goal is above 0, and reached only at the end.
    const far = goal > 0 && done < goal ? ` ${done} ${goal}` : ' NIL NIL'
    this.#out.line(`* OK [INPROGRESS (${quoted(this.#tag)}${far})] Still at it`)
    this.#out.flush()
  }
}
