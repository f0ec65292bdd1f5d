// The models in memory: made from what the filter view says was taught, and made again when that has changed.
import { setImmediate } from 'node:timers/promises'
import { ACCOUNT_BUCKETS, INSTALLATION_BUCKETS, Model } from '../../../domain/filter/model.ts'
import type { AccountId } from '../../../domain/log.ts'
import type { ExampleRow, FilterQueries } from '../../../projections/queries.ts'
import type { FeatureReader } from './feature-reader.ts'

/** Examples that the model of the installation is made of: the newest. */
const MAX_EXAMPLES = 20_000
/** Rows of the view asked for at once. */
const PAGE = 1000
/** Messages read and learned before others get their turn. */
const CHUNK = 25
/** Up to here a change is waited for; a larger model changes behind the next message. */
const WAIT_BELOW = 2000
/** Models of accounts kept, of a megabyte at most each. */
const MAX_ACCOUNTS = 32

interface Held {
  readonly version: string
  readonly model: Model
}

export class Models {
  readonly #queries: FilterQueries
  readonly #features: FeatureReader
  #installation: Held | undefined
  #making: Promise<void> | undefined
  /** In the order of use. */
  readonly #accounts = new Map<AccountId, Held>()

  constructor(queries: FilterQueries, features: FeatureReader) {
    this.#queries = queries
    this.#features = features
  }

  /** Undefined while nobody has taught anything, and while a large model is made for the first time. */
  async installation(): Promise<Model | undefined> {
    const version = await this.#queries.trainingVersion()
    if (this.#installation?.version !== version) {
      this.#making ??= this.#make(version).finally(() => {
        this.#making = undefined
      })
      const examples = Number(version.slice(version.indexOf(':') + 1))
      if (examples < WAIT_BELOW) await this.#making
      else this.#making.catch(() => undefined)
    }
    const model = this.#installation?.model
    return model !== undefined && model.spam + model.ham > 0 ? model : undefined
  }

  async account(account: AccountId): Promise<Model | undefined> {
    const version = await this.#queries.trainingVersion(account)
    let held = this.#accounts.get(account)
    this.#accounts.delete(account)
    if (version.endsWith(':0')) return undefined
    if (held?.version !== version) held = { version, model: await this.#learn(ACCOUNT_BUCKETS, account) }
    this.#accounts.set(account, held)
    for (const oldest of this.#accounts.keys()) {
      if (this.#accounts.size <= MAX_ACCOUNTS) break
      this.#accounts.delete(oldest)
    }
    return held.model
  }

  async #make(version: string): Promise<void> {
    const model = version.endsWith(':0') ? new Model(1) : await this.#learn(INSTALLATION_BUCKETS, undefined)
    this.#installation = { version, model }
  }

  async #learn(buckets: number, account: AccountId | undefined): Promise<Model> {
    const examples = await this.#examples(account)
    const model = new Model(buckets)
    for (let from = 0; from < examples.length; from += CHUNK) {
      const chunk = examples.slice(from, from + CHUNK)
      const features = await this.#features.read(chunk)
      for (const [i, example] of chunk.entries()) {
        const known = features[i]
        if (known !== undefined) model.learn(known, example.label)
      }
      await setImmediate()
    }
    return model
  }

  async #examples(account: AccountId | undefined): Promise<readonly ExampleRow[]> {
    const examples: ExampleRow[] = []
    while (examples.length < MAX_EXAMPLES) {
      const page = await this.#queries.examples({ account, first: PAGE, before: examples.at(-1)?.position })
      examples.push(...page)
      if (page.length < PAGE) break
    }
    return examples
  }
}
