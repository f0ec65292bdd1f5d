// A histogram in the Prometheus text format.

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

/** Counts of one set of labels. */
export class Buckets {
  readonly #counts: number[] = SECONDS.map(() => 0)
  #count = 0
  #sum = 0

  observe(seconds: number): void {
    this.#count++
    this.#sum += seconds
    for (let i = SECONDS.length - 1; i >= 0 && seconds <= (SECONDS[i] as number); i--)
      this.#counts[i] = (this.#counts[i] as number) + 1
  }

  /** `labels` as they stand between the braces; '' for none. */
  lines(name: string, labels: string): readonly string[] {
    const bucket = (le: string | number, count: number) =>
      `${name}_bucket{${labels === '' ? '' : `${labels},`}le="${le}"} ${count}`
    const braces = labels === '' ? '' : `{${labels}}`
    return [
      ...this.#counts.map((count, i) => bucket(SECONDS[i] as number, count)),
      bucket('+Inf', this.#count),
      `${name}_sum${braces} ${this.#sum.toFixed(6)}`,
      `${name}_count${braces} ${this.#count}`,
    ]
  }
}

/** One without labels. */
export class Histogram {
  readonly #name: string
  readonly #help: string
  readonly #buckets = new Buckets()

  /** `name` is the Prometheus name; what is observed are seconds. */
  constructor(name: string, help: string) {
    this.#name = name
    this.#help = help
  }

  observe(seconds: number): void {
    this.#buckets.observe(seconds)
  }

  lines(): readonly string[] {
    const name = this.#name
    return [`# HELP ${name} ${this.#help}`, `# TYPE ${name} histogram`, ...this.#buckets.lines(name, '')]
  }
}
