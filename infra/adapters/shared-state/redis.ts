// What processes tell each other, in Redis. Every process also keeps what it said itself, and goes by that while Redis is away.
import type { Redis } from 'ioredis'
import { MemorySharedState, type SharedState } from '../../../gateways/limits/shared-state.ts'
import { connectRedis, type RedisOptions } from '../cache/redis-connection.ts'

export class RedisSharedState implements SharedState {
  readonly #redis: Redis
  readonly #own: MemorySharedState

  private constructor(redis: Redis, now: () => number) {
    this.#redis = redis
    this.#own = new MemorySharedState(now)
  }

  /** Rejects with a sentence when Redis cannot be reached at the start. */
  static async open(
    url: string,
    options: RedisOptions & { readonly now?: () => number } = {},
  ): Promise<RedisSharedState> {
    return new RedisSharedState(await connectRedis(url, options), options.now ?? Date.now)
  }

  async count(key: string, by: number, ttlMs: number): Promise<number> {
    const own = await this.#own.count(key, by, ttlMs)
    const shared = await this.#soon(async () => {
      const answers = await this.#redis.multi().incrby(nameOf(key), by).pexpire(nameOf(key), ttlMs).exec()
      return Number(answers?.[0]?.[1] ?? 0)
    })
    return shared ?? own
  }

  async counts(keys: readonly string[]): Promise<readonly number[]> {
    const own = await this.#own.counts(keys)
    const shared = keys.length === 0 ? [] : await this.#soon(() => this.#redis.mget(...keys.map(nameOf)))
    return shared === undefined ? own : shared.map((count) => Number(count ?? 0))
  }

  async drop(key: string): Promise<void> {
    await this.#own.drop(key)
    await this.#soon(() => this.#redis.del(nameOf(key)))
  }

  async mark(key: string, ttlMs: number): Promise<void> {
    await this.#own.mark(key, ttlMs)
    await this.#soon(() => this.#redis.set(nameOf(key), '1', 'PX', Math.max(1, Math.ceil(ttlMs))))
  }

  async marked(key: string): Promise<boolean> {
    return (await this.counts([key]))[0] !== 0
  }

  async close(): Promise<void> {
    this.#redis.disconnect()
    await this.#own.close()
  }

  async #soon<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#redis.status !== 'ready') return undefined
    return work().catch(() => undefined)
  }
}

const nameOf = (key: string): string => `s:${key}`
