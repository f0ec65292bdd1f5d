// What every engine of the cache must keep: what comes out is exactly what was put in under the same revision, or nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Cache, FOREVER } from '../../projections/ports/cache.ts'

export interface OpenedCache {
  readonly cache: Cache
  /** Moves the engine's clock on. */
  pass(ms: number): Promise<void>
}

export function testCache(engine: string, open: () => Promise<OpenedCache>): void {
  const withCache = (name: string, body: (opened: OpenedCache) => Promise<void>) =>
    test(`${engine}: ${name}`, async () => {
      const opened = await open()
      try {
        await body(opened)
      } finally {
        await opened.cache.close()
      }
    })

  withCache('gives back text and bytes', async ({ cache }) => {
    await cache.put('a', 'text', 1n, 'grüße')
    await cache.put('a', 'bytes', FOREVER, Uint8Array.of(0, 255, 10))
    assert.equal(await cache.get('a', 'text', 1n), 'grüße')
    assert.deepEqual([...((await cache.get('a', 'bytes', FOREVER)) as Uint8Array)], [0, 255, 10])
    assert.equal(await cache.get('a', 'nothing', 1n), undefined)
  })

  withCache('is never stale: another revision finds nothing', async ({ cache }) => {
    await cache.put('a', 'page', 5n, 'five')
    assert.equal(await cache.get('a', 'page', 6n), undefined)
    assert.equal(await cache.get('a', 'page', 4n), undefined)
    assert.equal(await cache.get('a', 'page', FOREVER), undefined)
    await cache.put('a', 'page', 6n, 'six')
    await cache.put('a', 'page', 5n, 'a slow reader of five')
    assert.equal(await cache.get('a', 'page', 5n), undefined)
    assert.equal(await cache.get('a', 'page', 6n), 'six')
  })

  withCache('keeps accounts apart and forgets one of them', async ({ cache }) => {
    await cache.put('a', 'b c', 1n, 'of a')
    await cache.put('a b', 'c', 1n, 'of a b')
    await cache.put('b', 'b c', 1n, 'of b')
    assert.equal(await cache.get('a', 'b c', 1n), 'of a')
    await cache.forget('a')
    assert.equal(await cache.get('a', 'b c', 1n), undefined)
    assert.equal(await cache.get('b', 'b c', 1n), 'of b')
    assert.equal(await cache.get('a b', 'c', 1n), 'of a b')
  })

  withCache('lets entries go with time', async ({ cache, pass }) => {
    await cache.put('a', 'short', 1n, 'x', { ttlMs: 1000 })
    await cache.put('a', 'long', 1n, 'y', { ttlMs: 100_000 })
    await pass(5000)
    assert.equal(await cache.get('a', 'short', 1n), undefined)
    assert.equal(await cache.get('a', 'long', 1n), 'y')
  })
}
