// What processes tell each other, in Redis. Every process also keeps what it said itself, and goes by that while Redis is away.
import type { Redis } from 'ioredis'
import type { RateLimit } from '../../../gateways/limits/rate-limiter.ts'
import { MemorySharedState, type SharedRate, type SharedState } from '../../../gateways/limits/shared-state.ts'
import { connectRedis, type RedisOptions } from '../cache/redis-connection.ts'

/**
 * A token bucket. KEYS: the bucket; ARGV: burst, permits a second, cost, now (epoch milliseconds), whether to spend. Answers the seconds
 * until the permits are there: 0 when they are, and then they may be spent. A clock behind that of another process adds nothing.
 */
const BUCKET = `
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local burst, rate, cost, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local at = math.max(tonumber(held[2]) or now, now)
local tokens = math.min(burst, (tonumber(held[1]) or burst) + (at - (tonumber(held[2]) or at)) / 1000 * rate)
if tokens < cost then return math.ceil((cost - tokens) / rate) end
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[1], 'tokens', tostring(tokens - cost), 'at', tostring(at))
  redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens + cost) / rate * 1000) + 1000)
end
return 0`

export class RedisSharedState implements SharedState {
  readonly #redis: Redis
  readonly #own: MemorySharedState
  readonly #now: () => number

  private constructor(redis: Redis, now: (() => number) | undefined) {
    this.#redis = redis
    this.#now = now ?? Date.now
    this.#own = new MemorySharedState(now)
  }

  /** Rejects with a sentence when Redis cannot be reached at the start. */
  static async open(
    url: string,
    options: RedisOptions & { readonly now?: () => number } = {},
  ): Promise<RedisSharedState> {
    return new RedisSharedState(await connectRedis(url, options), options.now)
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

  rate(name: string, limit: RateLimit): SharedRate {
    const own = this.#own.rate(name, limit)
    const ask = async (key: string, cost: number, spend: boolean) => {
      const args = [limit.burst, limit.perSecond, cost, this.#now(), spend ? 1 : 0]
      const wait = await this.#soon(() => this.#redis.eval(BUCKET, 1, nameOf(`${name} ${key}`), ...args))
      return wait === undefined ? undefined : Number(wait)
    }
    return {
      take: async (key, cost = 1) => {
        const mine = await own.take(key, cost)
        const wait = await ask(key, cost, true)
        return wait === undefined ? mine : wait === 0
      },
      wait: async (key, cost = 1) => (await ask(key, cost, false)) ?? own.wait(key, cost),
    }
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
