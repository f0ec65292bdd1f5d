// A naive Bayes classifier over hashed features: counts that can be added in any order, in bounded memory.

/** Buckets of the model of an installation: features fall into them by their hash. A power of two. */
export const INSTALLATION_BUCKETS = 1 << 22
/** Buckets of the model of one account. */
export const ACCOUNT_BUCKETS = 1 << 16

/** With fewer examples of a kind a model has no opinion. */
export const MIN_EXAMPLES = 10

export type Label = 'spam' | 'ham'

/** How strongly a feature that was hardly ever met is drawn to `NEUTRAL` (Robinson's s and x). */
const STRENGTH = 0.35
const NEUTRAL = 0.45
/** Features nearer to even than this say nothing. */
const MIN_DISTANCE = 0.3
/** The most telling features decide: a long text must not drown them. */
const MAX_TELLING = 150
/** No training, however one-sided, outweighs everything else. */
export const MAX_EVIDENCE = 15

export class Model {
  readonly #mask: number
  readonly #spam: Uint16Array
  readonly #ham: Uint16Array
  spam = 0
  ham = 0

  constructor(buckets: number) {
    this.#mask = buckets - 1
    this.#spam = new Uint16Array(buckets)
    this.#ham = new Uint16Array(buckets)
  }

  learn(features: Uint32Array, label: Label): void {
    const counts = label === 'spam' ? this.#spam : this.#ham
    for (const feature of features) {
      const bucket = feature & this.#mask
      const count = counts[bucket] as number
      if (count < 0xffff) counts[bucket] = count + 1
    }
    this[label]++
  }

  get ready(): boolean {
    return this.spam >= MIN_EXAMPLES && this.ham >= MIN_EXAMPLES
  }

  /**
   * Evidence for spam, -15 to 15, 0 when the model knows too little: the log odds of the most telling features, divided by the root
   * of their number, because the features of one text are far from independent.
   */
  evidence(features: Uint32Array): number {
    if (!this.ready) return 0
    const odds: number[] = []
    for (const feature of features) {
      const bucket = feature & this.#mask
      const spam = this.#spam[bucket] as number
      const ham = this.#ham[bucket] as number
      const seen = spam + ham
      if (seen === 0) continue
      const bad = spam / this.spam
      const share = bad / (bad + ham / this.ham)
      const p = (STRENGTH * NEUTRAL + seen * share) / (STRENGTH + seen)
      if (Math.abs(p - 0.5) >= MIN_DISTANCE) odds.push(Math.log(p / (1 - p)))
    }
    if (odds.length === 0) return 0
    if (odds.length > MAX_TELLING) {
      odds.sort((a, b) => Math.abs(b) - Math.abs(a))
      odds.length = MAX_TELLING
    }
    const sum = odds.reduce((total, each) => total + each, 0) / Math.sqrt(odds.length)
    return Math.max(-MAX_EVIDENCE, Math.min(MAX_EVIDENCE, sum))
  }
}
