// The contract of the cache against the memory engine, and that engine's own bounds.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryCache } from '../../infra/adapters/cache/memory.ts'
import { testCache } from './cache.ts'

testCache('memory', async () => {
  let now = 0
  const pass = async (ms: number) => {
    now += ms
  }
  return { cache: new MemoryCache({ now: () => now }), pass }
})

test('memory: stays below its bytes, and what is used stays longest', async () => {
  const cache = new MemoryCache({ maxBytes: 100_000 })
  await cache.put('a', 'kept', 1n, 'x'.repeat(1000))
  for (let i = 0; i < 1000; i++) {
    await cache.put('a', `page ${i}`, 1n, 'x'.repeat(1000))
    assert.ok(cache.bytes <= 100_000)
    assert.notEqual(await cache.get('a', 'kept', 1n), undefined)
  }
  assert.equal(await cache.get('a', 'page 1', 1n), undefined)
  assert.notEqual(await cache.get('a', 'page 999', 1n), undefined)
  await cache.put('a', 'huge', 1n, new Uint8Array(60_000))
  assert.equal(await cache.get('a', 'huge', 1n), undefined)
  await cache.forget('a')
  assert.equal(cache.bytes, 0)
})
