// The cache in Redis, shared by every process. Losing Redis costs speed and nothing else.
import type { Redis } from 'ioredis'
import type { AccountId, Revision } from '../../../domain/log.ts'
import { type Cache, FOREVER } from '../../../projections/ports/cache.ts'
import { connectRedis, type RedisOptions } from './redis-connection.ts'

export interface RedisCacheOptions extends RedisOptions {
  /** Ten minutes by default. */
  readonly ttlMs?: number
  /** Larger values are not kept. */
  readonly maxBytes?: number
}

/** Nothing is kept longer than this, so that an account's generation may be forgotten after it. */
const LONGEST_TTL_MS = 40 * 86_400_000
const GENERATION_TTL_MS = LONGEST_TTL_MS + 86_400_000

/** KEYS: the account's generation. ARGV: the key without it. An entry of another generation is not found. */
const GET = `
local generation = redis.call('GET', KEYS[1]) or '0'
return redis.call('GET', KEYS[1] .. '/' .. generation .. '/' .. ARGV[1])`

/** ARGV: key, revision ('f' is for ever), value, TTL. An older revision never replaces a newer one: longer digits are larger. */
const PUT = `
local generation = redis.call('GET', KEYS[1]) or '0'
local key = KEYS[1] .. '/' .. generation .. '/' .. ARGV[1]
if ARGV[2] ~= 'f' then
  local held = redis.call('GET', key)
  if held then
    local revision = string.match(held, '^[tb](%d+) ')
    if revision and (#revision > #ARGV[2] or (#revision == #ARGV[2] and revision > ARGV[2])) then return 0 end
  end
end
redis.call('SET', key, ARGV[3], 'PX', ARGV[4])
return 1`

const FORGET = `
local generation = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return generation`

interface Scripts {
  cacheGet(generation: string, key: string): Promise<Buffer | null>
  cacheGetBuffer(generation: string, key: string): Promise<Buffer | null>
  cachePut(generation: string, key: string, revision: string, value: Buffer, ttl: number): Promise<number>
  cacheForget(generation: string, ttl: number): Promise<number>
}

export class RedisCache implements Cache {
  readonly #redis: Redis & Scripts
  readonly #ttlMs: number
  readonly #maxBytes: number
  readonly #prefix: string

  private constructor(redis: Redis, options: RedisCacheOptions) {
    redis.defineCommand('cacheGet', { numberOfKeys: 1, lua: GET, readOnly: true })
    redis.defineCommand('cachePut', { numberOfKeys: 1, lua: PUT })
    redis.defineCommand('cacheForget', { numberOfKeys: 1, lua: FORGET })
    this.#redis = redis as Redis & Scripts
    this.#ttlMs = options.ttlMs ?? 600_000
    this.#maxBytes = options.maxBytes ?? 8 * 1024 * 1024
    this.#prefix = options.prefix ?? 'everpost:1:'
  }

  /** Rejects with a sentence when Redis cannot be reached at the start. */
  static async open(url: string, options: RedisCacheOptions = {}): Promise<RedisCache> {
    return new RedisCache(await connectRedis(url, options), options)
  }

  async get(account: AccountId, key: string, revision: Revision | typeof FOREVER) {
    const held = await this.#soon(() => this.#redis.cacheGetBuffer(generationOf(account), key))
    if (held == null) return undefined
    const end = held.indexOf(32)
    if (held.toString('latin1', 1, end) !== nameOf(revision)) return undefined
    const value = held.subarray(end + 1)
    return held[0] === 116 ? value.toString('utf8') : new Uint8Array(value)
  }

  async put(
    account: AccountId,
    key: string,
    revision: Revision | typeof FOREVER,
    value: Uint8Array | string,
    options: { readonly ttlMs?: number } = {},
  ): Promise<void> {
    const bytes = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value)
    if (bytes.length > this.#maxBytes) return
    const marked = Buffer.concat([
      Buffer.from(`${typeof value === 'string' ? 't' : 'b'}${nameOf(revision)} `, 'latin1'),
      bytes,
    ])
    const ttl = Math.max(1, Math.min(Math.ceil(options.ttlMs ?? this.#ttlMs), LONGEST_TTL_MS))
    await this.#soon(() => this.#redis.cachePut(generationOf(account), key, nameOf(revision), marked, ttl))
  }

  /** Not found from here on at once; the bytes go right after. Without Redis they go with their time. */
  async forget(account: AccountId): Promise<void> {
    const generation = generationOf(account)
    await this.#soon(() => this.#redis.cacheForget(generation, GENERATION_TTL_MS))
    const match = `${escaped(this.#prefix + generation)}/*`
    await this.#soon(async () => {
      const found = this.#redis.scanStream({ match, count: 1000 })
      for await (const keys of found as AsyncIterable<string[]>)
        if (keys.length > 0) await this.#redis.unlink(...keys.map((each) => each.slice(this.#prefix.length)))
    })
  }

  async close(): Promise<void> {
    this.#redis.disconnect()
  }

  /** Undefined when Redis is away or slow. */
  async #soon<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#redis.status !== 'ready') return undefined
    return work().catch(() => undefined)
  }
}

/** In braces, because all keys of an account belong on one node of a cluster. */
const generationOf = (account: AccountId): string => `c:{${encodeURIComponent(account)}}`
const nameOf = (revision: Revision | typeof FOREVER): string => (revision === FOREVER ? 'f' : String(revision))
const escaped = (text: string): string => text.replace(/[\\*?[\]]/g, '\\$&')
