// The models in memory: made from the examples that the filter view keeps, and made again when those have changed.
import { setImmediate } from 'node:timers/promises'
import { ACCOUNT_BUCKETS, INSTALLATION_BUCKETS, Model } from '../../../domain/filter/model.ts'
import type { AccountId } from '../../../domain/log.ts'
import type { FilterQueries } from '../../../projections/queries.ts'

/** Examples that the model of the installation is made of: the newest. */
const MAX_EXAMPLES = 20_000
/** Read and learned before others get their turn. */
const CHUNK = 100
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
  #installation: Held | undefined
  #making: Promise<void> | undefined
  /** In the order of use. */
  readonly #accounts = new Map<AccountId, Held>()

  constructor(queries: FilterQueries) {
    this.#queries = queries
  }

  /** Undefined while nobody has taught anything. */
  async installation(): Promise<Model | undefined> {
    const version = await this.#queries.trainingVersion()
    if (this.#installation?.version !== version) {
      this.#making ??= this.#make(version).finally(() => {
        this.#making = undefined
      })
      const held = this.#installation
      if (held === undefined || held.model.spam + held.model.ham < WAIT_BELOW) await this.#making
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
    const model = new Model(buckets)
    let before: number | undefined
    for (let seen = 0; seen < MAX_EXAMPLES; ) {
      const examples = await this.#queries.examples({ account, first: CHUNK, before })
      for (const { features, label } of examples) model.learn(features, label)
      seen += examples.length
      before = examples.at(-1)?.position
      if (examples.length < CHUNK) break
      await setImmediate()
    }
    return model
  }
}
