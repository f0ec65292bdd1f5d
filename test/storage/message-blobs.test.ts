// Messages of any size: exact, by any range, tamper-evident, and never whole in memory.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BlobError, type BlobStore } from '../../commands/ports/blob-store.ts'
import { FRAME_BYTES, SealedMessageBlobs } from '../../infra/adapters/blobs/message-blobs.ts'
import { temporaryFolder } from '../support/folders.ts'
import { openJournal } from '../support/journal.ts'

const failsWith = (code: string) => (error: unknown) => error instanceof BlobError && error.code === code
const SIZES = [0, 1, 600, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 1024 * 1024, 5_000_000]
const mail = (size: number) => {
  const text = Buffer.from('The quick brown fox jumps over the lazy dog.\r\n'.repeat(Math.ceil(size / 92)))
  return Buffer.concat([text.subarray(0, Math.ceil(size / 2)), randomBytes(Math.floor(size / 2))])
}

/** Blobs in memory, which a test may change. */
class OpenStore implements BlobStore {
  readonly blobs = new Map<string, Buffer>()
  async put(id: string, bytes: Uint8Array) {
    this.blobs.set(id, Buffer.from(bytes))
  }
  async begin() {
    const chunks: Uint8Array[] = []
    return {
      write: async (chunk: Uint8Array) => void chunks.push(Buffer.from(chunk)),
      finish: async () => {
        const bytes = Buffer.concat(chunks)
        const id = createHash('sha256').update(bytes).digest('hex')
        this.blobs.set(id, bytes)
        return id
      },
      abort: async () => undefined,
    }
  }
  async read(id: string, start: number, end: number) {
    return (this.blobs.get(id) ?? Buffer.alloc(0)).subarray(start, end)
  }
  async size(id: string) {
    return this.blobs.get(id)?.length
  }
  async delete(id: string) {
    this.blobs.delete(id)
  }
  async close() {}
}

async function stream(blobs: SealedMessageBlobs, raw: Buffer, chunk: number) {
  const writer = await blobs.begin()
  for (let at = 0; at < raw.length; at += chunk) await writer.write(raw.subarray(at, at + chunk))
  return writer.finish()
}

describe('messages in blobs', () => {
  it('come back exactly, put whole or streamed in chunks of any size', async (t) => {
    const { blobs } = await openJournal(t)
    for (const size of SIZES) {
      const raw = mail(size)
      const refs = [await blobs.put(raw), await stream(blobs, raw, 65_536), await stream(blobs, raw, 300_001)]
      for (const ref of refs) {
        assert.equal(ref.size, size)
        assert.ok(raw.equals(await blobs.read(ref)), `${size} bytes`)
      }
      assert.equal(new Set(refs.map(({ id }) => id)).size, 3, 'the same mail twice looks different on the disk')
    }
  })

  it('give any range', async () => {
    const blobs = new SealedMessageBlobs(new OpenStore())
    const raw = mail(3 * FRAME_BYTES + 777)
    const large = await blobs.put(raw)
    const small = await blobs.put(raw.subarray(0, 1000))
    const offset = fc.oneof(
      fc.integer({ min: 0, max: raw.length + 10 }),
      fc.constantFrom(...[1, 2, 3].flatMap((n) => [n * FRAME_BYTES - 1, n * FRAME_BYTES, n * FRAME_BYTES + 1])),
    )
    await fc.assert(
      fc.asyncProperty(offset, offset, async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)]
        assert.ok(raw.subarray(start, end).equals(await blobs.read(large, start, end)), `${start} to ${end}`)
        const parts: Uint8Array[] = []
        for await (const part of blobs.stream(large, start, end)) parts.push(part)
        assert.ok(raw.subarray(start, end).equals(Buffer.concat(parts)))
        assert.ok(
          raw
            .subarray(0, 1000)
            .subarray(start % 1100, end % 1100)
            .equals(await blobs.read(small, start % 1100, Math.max(start % 1100, end % 1100))),
        )
      }),
      { seed: 3, numRuns: 60 },
    )
  })

  it('say corrupt, and give nothing, when a byte was changed, frames were swapped or the end is gone', async () => {
    const store = new OpenStore()
    const blobs = new SealedMessageBlobs(store)
    for (const size of [10, 3 * FRAME_BYTES + 5]) {
      const ref = await blobs.put(randomBytes(size))
      const honest = store.blobs.get(ref.id) as Buffer
      const places =
        size === 10
          ? honest.map((_, i) => i)
          : [
              1,
              2,
              100,
              FRAME_BYTES,
              FRAME_BYTES + 20,
              2 * FRAME_BYTES,
              honest.length - 17,
              honest.length - 5,
              honest.length - 1,
            ]
      for (const place of places) {
        if (place === 0) continue
        const changed = Buffer.from(honest)
        changed[place] = (changed[place] as number) ^ 0x10
        store.blobs.set(ref.id, changed)
        await assert.rejects(blobs.read(ref), failsWith('corrupt'), `${size} bytes, byte ${place}`)
      }
      for (const length of [0, 1, 10, honest.length - 1]) {
        store.blobs.set(ref.id, honest.subarray(0, length))
        await assert.rejects(
          blobs.read(ref),
          (error) => error instanceof BlobError || error instanceof RangeError,
          `cut to ${length}`,
        )
      }
      store.blobs.set(ref.id, honest)
      await assert.rejects(blobs.read({ ...ref, key: randomBytes(32).toString('base64') }), failsWith('corrupt'))
    }
  })

  it('say not-found for what is not kept any more', async (t) => {
    const { blobs, blobStore } = await openJournal(t)
    const ref = await blobs.put(Buffer.from('x'))
    await blobStore.delete(ref.id)
    await assert.rejects(blobs.read(ref), failsWith('not-found'))
  })

  it('leave nothing behind when a stream is aborted', async (t) => {
    const { blobs, blobStore } = await openJournal(t)
    const writer = await blobs.begin()
    await writer.write(randomBytes(2_000_000))
    await writer.abort()
    const left: unknown[] = []
    for await (const entry of blobStore.entries()) left.push(entry)
    assert.deepEqual(left, [])
  })

  it('never hold a message of 50 MB whole: reading and writing keep frames, and the garbage of the storage thread', async () => {
    const dir = temporaryFolder()
    const child = spawnSync(
      process.execPath,
      ['--expose-gc', new URL('./large-message.ts', import.meta.url).pathname, dir],
      {
        encoding: 'utf8',
        timeout: 60_000,
      },
    )
    assert.equal(child.status, 0, child.stderr)
    const { base, peak, exact } = JSON.parse(child.stdout) as { base: number; peak: number; exact: boolean }
    assert.equal(exact, true)
    assert.ok(
      peak > base && peak - base < 45_000_000,
      `${Math.round((peak - base) / 1e6)} MB of buffers for a message of 50 MB`,
    )
  })
})
