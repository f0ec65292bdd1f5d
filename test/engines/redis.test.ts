// The contract of the cache, and what processes share, against Redis: its own server, or the one that EVERPOST_TEST_REDIS names.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Redis } from 'ioredis'
import { RedisCache } from '../../infra/adapters/cache/redis.ts'
import { RedisSharedState } from '../../infra/adapters/shared-state/redis.ts'
import { type RunningEngine, startEngine } from '../../infra/deploy/engines/engines.ts'
import { testCache } from '../contract/cache.ts'
import { sharedStateContract } from '../contract/shared-state.ts'

let engine: RunningEngine | undefined
let url = process.env['EVERPOST_TEST_REDIS'] ?? ''
let direct: Redis
before(async () => {
  if (url === '') {
    engine = await startEngine('redis')
    url = engine.url
  }
  direct = new Redis(url)
  direct.on('error', () => undefined)
})
after(async () => {
  direct.disconnect()
  await engine?.stop()
})

const fresh = () => `test:${randomBytes(6).toString('hex')}:`

/** Takes time off every key below a prefix, as if it had passed. */
const pass = (prefix: string) => async (ms: number) => {
  for (const key of await direct.keys(`${prefix}*`)) {
    const left = await direct.pttl(key)
    assert.ok(left > 0, `${key} never expires`)
    await direct.pexpire(key, left - ms)
  }
}

testCache('redis', async () => {
  const prefix = fresh()
  return { cache: await RedisCache.open(url, { prefix }), pass: pass(prefix) }
})

sharedStateContract('redis', async () => {
  const prefix = fresh()
  let now = Date.now()
  const open = () => RedisSharedState.open(url, { prefix, now: () => now })
  const later = pass(prefix)
  return {
    states: [await open(), await open()],
    pass: async (ms) => {
      now += ms
      await later(ms)
    },
  }
})

test('redis: forgetting an account leaves no byte of it, and every key has its time', async () => {
  const prefix = fresh()
  const cache = await RedisCache.open(url, { prefix })
  for (let i = 0; i < 50; i++) await cache.put('a*[x]', `key ${i}`, 1n, 'secret')
  await cache.put('b', 'key', 1n, 'kept')
  await cache.forget('a*[x]')
  const left = await direct.keys(`${prefix}*`)
  assert.equal(left.length, 2, 'the generation of one account and the entry of the other')
  for (const key of left) assert.ok((await direct.pttl(key)) > 0)
  await cache.close()
})

test('redis: while it is gone there is no cache and nobody waits for it, and it comes back by itself', async (t) => {
  if (engine === undefined) return t.skip('somebody else’s server')
  const cache = await RedisCache.open(url, { prefix: fresh() })
  const state = await RedisSharedState.open(url, { prefix: fresh() })
  await cache.put('a', 'k', 1n, 'v')
  assert.equal(await cache.get('a', 'k', 1n), 'v')
  await state.count('wrong', 3, 60_000)
  await engine.kill()
  const began = performance.now()
  assert.equal(await cache.get('a', 'k', 1n), undefined)
  await cache.put('a', 'k', 2n, 'v')
  await cache.forget('b')
  assert.equal(await state.count('wrong', 1, 60_000), 4, 'what this process counted itself still holds')
  assert.ok(performance.now() - began < 2000)
  await engine.restart()
  let back: unknown
  while (back === undefined) {
    await new Promise((resolve) => setImmediate(resolve))
    await cache.put('a', 'k', 3n, 'again')
    back = await cache.get('a', 'k', 3n)
  }
  assert.equal(back, 'again')
  await cache.close()
  await state.close()
})

test('redis: a server that is not there is refused with a sentence', async () => {
  await assert.rejects(RedisCache.open('redis://:secret@127.0.0.1:1'), (error: Error) => {
    assert.match(error.message, /^Redis at redis:\/\/127.0.0.1:1 cannot be used/)
    return true
  })
})
