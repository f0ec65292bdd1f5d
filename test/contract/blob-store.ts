// What every engine of the blob store must do. Run by one line per engine in blob-store.test.ts.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { BlobError, type BlobStore } from '../../commands/ports/blob-store.ts'

export const addressOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const refusedWith = (code: string) => (error: unknown) => error instanceof BlobError && error.code === code

export function blobStoreContract(engine: string, open: (t: TestContext) => Promise<BlobStore>): void {
  describe(`BlobStore contract: ${engine}`, () => {
    it('gives back what was put, whole and by range', async (t) => {
      const store = await open(t)
      const bytes = randomBytes(100_000)
      const id = addressOf(bytes)
      await store.put(id, bytes)
      assert.equal(await store.size(id), bytes.length)
      assert.ok(bytes.equals(await store.read(id, 0, bytes.length)))
      assert.ok(bytes.subarray(777, 5000).equals(await store.read(id, 777, 5000)))
      assert.equal((await store.read(id, 5, 5)).length, 0)
    })

    it('stores many at once and the same bytes once', async (t) => {
      const store = await open(t)
      const blobs = Array.from({ length: 200 }, (_, i) => randomBytes(i * 37))
      await Promise.all([...blobs, ...blobs].map((bytes) => store.put(addressOf(bytes), bytes)))
      for (const bytes of blobs) assert.ok(bytes.equals(await store.read(addressOf(bytes), 0, bytes.length)))
    })

    it('takes a blob in chunks and names it by its content', async (t) => {
      const store = await open(t)
      for (const size of [0, 10, 300_000, 3_000_000]) {
        const bytes = randomBytes(size)
        const writer = await store.begin()
        for (let at = 0; at < size; at += 65_536) await writer.write(bytes.subarray(at, at + 65_536))
        const id = await writer.finish()
        assert.equal(id, addressOf(bytes))
        assert.ok(bytes.equals(await store.read(id, 0, size)))
      }
    })

    it('forgets an aborted blob', async (t) => {
      const store = await open(t)
      const writer = await store.begin()
      await writer.write(Buffer.from('gone'))
      await writer.abort()
      assert.equal(await store.size(addressOf(Buffer.from('gone'))), undefined)
    })

    it('says so when a blob is not there, was deleted, or a range lies outside', async (t) => {
      const store = await open(t)
      const bytes = Buffer.from('here')
      const id = addressOf(bytes)
      await assert.rejects(store.read(id, 0, 4), refusedWith('not-found'))
      await store.put(id, bytes)
      await assert.rejects(store.read(id, 0, 5), BlobError)
      await store.delete(id)
      await store.delete(id)
      assert.equal(await store.size(id), undefined)
      await assert.rejects(store.read(id, 0, 4), refusedWith('not-found'))
    })
  })
}
