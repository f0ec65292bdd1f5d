// Pack files after every kind of accident: what was acknowledged is there, what was not is cut off, and writing goes on.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { BlobError } from '../../commands/ports/blob-store.ts'
import { PackWriter } from '../../infra/adapters/blobs/pack-writer.ts'
import { PackfileBlobStore } from '../../infra/adapters/blobs/packfile.ts'
import { StorageThread } from '../../infra/adapters/storage/storage-thread.ts'
import { temporaryFolder } from '../support/folders.ts'
import { blobOf } from './compaction-victim.ts'

const addressOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const HEADER = 56
const segments = (dir: string) =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.pack'))
    .sort()

async function open(dir: string, segmentBytes = 400_000) {
  const storage = await StorageThread.start({ blobs: dir, segmentBytes })
  const store = new PackfileBlobStore(storage, dir)
  return {
    store,
    put: async (bytes: Buffer) => {
      const id = addressOf(bytes)
      await store.put(id, bytes)
      return id
    },
    has: async (bytes: Buffer) => {
      const size = await store.size(addressOf(bytes))
      return size !== undefined && bytes.equals(await store.read(addressOf(bytes), 0, size))
    },
    close: async () => {
      await store.close()
      await storage.close()
    },
  }
}

describe('a segment that was cut off', () => {
  it('keeps every record before the cut and drops the torn one, at every byte, with its index or without', async () => {
    const origin = temporaryFolder()
    const bodies = [1, 2, 3].map((n) => Buffer.from(`blob ${n}`))
    const made = await open(origin)
    for (const body of bodies) await made.put(body)
    await made.close()
    const whole = statSync(join(origin, '00000001.pack')).size
    const ends = bodies.map((_, i) => bodies.slice(0, i + 1).reduce((sum, { length }) => sum + HEADER + length, 0))
    assert.equal(ends.at(-1), whole)
    for (const keepIndex of [false, true]) {
      for (let length = ends[0] as number; length <= whole; length += keepIndex ? 7 : 1) {
        const dir = join(temporaryFolder(), 'blobs')
        mkdirSync(dir)
        copyFileSync(join(origin, '00000001.pack'), join(dir, '00000001.pack'))
        if (keepIndex) copyFileSync(join(origin, 'index.sqlite'), join(dir, 'index.sqlite'))
        truncateSync(join(dir, '00000001.pack'), length)
        // In this thread: 250 starts of a worker would take half a minute.
        const writer = new PackWriter(dir)
        for (const [i, body] of bodies.entries())
          assert.equal(
            writer.has(addressOf(body)),
            (ends[i] as number) <= length,
            `blob ${i} of a segment cut to ${length}, index ${keepIndex}`,
          )
        const next = Buffer.from('written afterwards')
        writer.put(addressOf(next), next)
        writer.sync()
        writer.close()
        const again = new PackWriter(dir)
        assert.ok(again.has(addressOf(next)))
        again.close()
        const file = readFileSync(join(dir, '00000001.pack'))
        const kept = ends.filter((end) => end <= length).at(-1) as number
        assert.ok(file.subarray(kept + HEADER).equals(next), 'the next record lies where the torn one began')
      }
    }
  })

  it('drops a last record of the right length whose body is not what it should be', async () => {
    const dir = temporaryFolder()
    const first = await open(dir)
    const kept = Buffer.from('kept')
    await first.put(kept)
    await first.put(Buffer.alloc(5000, 1))
    await first.close()
    const path = join(dir, '00000001.pack')
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.fill(0, bytes.length - 3000))
    rmSync(join(dir, 'index.sqlite'))
    const second = await open(dir)
    assert.ok(await second.has(kept))
    assert.equal(await second.store.size(addressOf(Buffer.alloc(5000, 1))), undefined)
    await second.close()
    assert.equal(statSync(path).size, HEADER + 4)
  })
})

describe('the index', () => {
  const many = Array.from({ length: 60 }, (_, i) => blobOf(i))
  async function filled() {
    const dir = temporaryFolder()
    const made = await open(dir)
    for (const body of many) await made.put(body)
    for (const body of many.slice(0, 10)) await made.store.delete(addressOf(body))
    await made.close()
    return dir
  }
  for (const [name, damage] of [
    ['deleted', (path: string) => rmSync(path)],
    ['emptied', (path: string) => truncateSync(path, 0)],
    ['overwritten', (path: string) => writeFileSync(path, Buffer.alloc(50_000, 0x5a))],
    ['cut in half', (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096)],
  ] as const) {
    it(`is made again when it was ${name}`, async () => {
      const dir = await filled()
      damage(join(dir, 'index.sqlite'))
      const again = await open(dir)
      for (const [i, body] of many.entries()) assert.equal(await again.has(body), i >= 10, `blob ${i}`)
      await again.close()
    })
  }
})

describe('a deleted blob', () => {
  it('stays deleted after a start, after losing the index, and after compaction; its bytes go', async () => {
    const dir = temporaryFolder()
    let store = await open(dir, 100_000)
    const bodies = Array.from({ length: 40 }, (_, i) => blobOf(i))
    for (const body of bodies) await store.put(body)
    const doomed = bodies.slice(0, 25)
    for (const body of doomed) await store.store.delete(addressOf(body))
    const check = async (when: string) => {
      for (const [i, body] of bodies.entries()) assert.equal(await store.has(body), i >= 25, `blob ${i} ${when}`)
    }
    await check('at once')
    await store.close()
    store = await open(dir, 100_000)
    await check('after a start')
    const sizeBefore = segments(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
    const { segments: rewritten, bytesFreed } = await store.store.compact(0.1)
    assert.ok(rewritten > 0 && bytesFreed > 0)
    await check('after compaction')
    await store.close()
    const left = Buffer.concat(segments(dir).map((name) => readFileSync(join(dir, name))))
    assert.ok(left.length < sizeBefore)
    assert.ok(!left.includes(doomed[0]?.subarray(0, 200) ?? ''), 'its bytes are gone from the disk')
    rmSync(join(dir, 'index.sqlite'))
    store = await open(dir, 100_000)
    await check('with an index made anew')
    await store.close()
  })

  it('can be put again', async () => {
    const dir = temporaryFolder()
    let store = await open(dir)
    const body = blobOf(1)
    await store.put(body)
    await store.store.delete(addressOf(body))
    await store.put(body)
    await store.close()
    rmSync(join(dir, 'index.sqlite'))
    store = await open(dir)
    assert.ok(await store.has(body))
    await store.close()
  })
})

describe('compaction', () => {
  it('lets readers read on, whatever they had open', async (t) => {
    const dir = temporaryFolder()
    const store = await open(dir, 60_000)
    t.after(store.close)
    const bodies = Array.from({ length: 60 }, (_, i) => blobOf(i))
    for (const body of bodies) await store.put(body)
    for (const [i, body] of bodies.entries()) if (i % 2 === 0) await store.store.delete(addressOf(body))
    const alive = bodies.filter((_, i) => i % 2 === 1)
    let compacting = true
    const readers = Array.from({ length: 4 }, async (_, reader) => {
      let reads = 0
      for (let i = reader; compacting || reads < 30; i++) {
        const body = alive[i % alive.length] as Buffer
        const start = (i * 37) % body.length
        const part = await store.store.read(addressOf(body), start, body.length)
        assert.ok(body.subarray(start).equals(part))
        reads++
      }
    })
    await store.store.compact(0.1)
    compacting = false
    await Promise.all(readers)
    const names = new Set(segments(dir))
    const held = existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd') : []
    for (const fd of held) {
      let target = ''
      try {
        target = (await import('node:fs')).readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        continue
      }
      assert.ok(!(target.startsWith(dir) && target.endsWith('(deleted)')), `${target} keeps its space`)
    }
    assert.ok(names.size > 0)
  })

  it('survives kill -9 at any instant: what lives is readable, what was deleted stays away and can be reclaimed', async () => {
    const dir = temporaryFolder()
    let killed = 0
    for (let round = 0; round < 8; round++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'compaction-victim.ts'), dir, `${round}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_, signal) => resolve(signal)))
      const acknowledged = new Set<string>()
      const deleted = new Set<string>()
      let asked = false
      for await (const line of createInterface({ input: child.stdout })) {
        const [what = '', id = ''] = line.split(' ')
        if (what === 'put') acknowledged.add(id)
        if (what === 'deleted') deleted.add(id)
        // The victim says 'compacting' before each compaction; it dies a different number of milliseconds later each round.
        if (what === 'compacting' && !asked) {
          asked = true
          setTimeout(() => child.kill('SIGKILL'), (round * 7) % 60)
        }
      }
      if ((await ended) === 'SIGKILL') killed++
      for (const lostIndex of [false, true]) {
        if (lostIndex) for (const name of readdirSync(dir)) if (name.startsWith('index.sqlite')) rmSync(join(dir, name))
        const store = await open(dir, 60_000)
        for (const id of acknowledged) {
          const size = await store.store.size(id)
          if (deleted.has(id)) assert.equal(size, undefined, `round ${round}: ${id} came back, index lost ${lostIndex}`)
          else {
            assert.ok(size !== undefined, `round ${round}: ${id} is lost, index lost ${lostIndex}`)
            await store.store.read(id, 0, size)
          }
        }
        await store.store.compact(0)
        await store.close()
      }
      const live = [...acknowledged].filter((id) => !deleted.has(id)).length
      assert.ok(live > 0)
      for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true })
    }
    assert.ok(killed >= 5, `${killed} of 8 rounds were killed in the middle`)
  })
})

describe('a round of puts', () => {
  it('acknowledges nothing when one of its steps failed', (t) => {
    const dir = temporaryFolder()
    const writer = new PackWriter(dir, { segmentBytes: 1000 })
    t.after(() => writer.close())
    const kept = Buffer.alloc(600, 1)
    writer.put(addressOf(kept), kept)
    writer.sync()
    const first = Buffer.alloc(200, 2)
    writer.put(addressOf(first), first)
    // The next segment cannot be opened: its name is taken by a folder.
    mkdirSync(join(dir, '00000002.pack'))
    const second = Buffer.alloc(600, 3)
    assert.throws(() => writer.put(addressOf(second), second), BlobError)
    assert.throws(() => writer.put(addressOf(first), first), BlobError, 'the round is over')
    assert.throws(() => writer.sync(), BlobError)
    assert.deepEqual(
      [kept, first, second].map((body) => writer.has(addressOf(body))),
      [true, false, false],
    )
    rmSync(join(dir, '00000002.pack'), { recursive: true })
    writer.put(addressOf(first), first)
    writer.put(addressOf(second), second)
    writer.sync()
    assert.deepEqual(
      [kept, first, second].map((body) => writer.has(addressOf(body))),
      [true, true, true],
    )
  })
})

describe('leftovers', () => {
  it('of uploads that were killed are removed at the start; other files are left alone', async () => {
    const dir = temporaryFolder()
    appendFileSync(join(dir, '3.incoming'), 'half an upload')
    appendFileSync(join(dir, 'notes.txt'), 'mine')
    const store = await open(dir)
    await store.close()
    assert.deepEqual(
      readdirSync(dir)
        .filter((name) => !name.startsWith('index'))
        .sort(),
      ['00000001.pack', 'notes.txt'],
    )
  })
})
