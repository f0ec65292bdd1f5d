// Run by pack-files.test.ts in a process that is killed: puts, deletes and compacts for ever, telling what was acknowledged.
import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { PackfileBlobStore } from '../../infra/adapters/blobs/packfile.ts'
import { StorageThread } from '../../infra/adapters/storage/storage-thread.ts'

/** A blob of its own for each number, 4 to 12 KB that do not repeat. */
export function blobOf(number: number): Buffer {
  const blocks = Array.from({ length: 128 + ((number * 53) % 256) }, (_, i) =>
    createHash('sha256').update(`${number}/${i}`).digest(),
  )
  return Buffer.concat(blocks)
}

if (import.meta.main) {
  const [, , dir = '', round = '0'] = process.argv
  const storage = await StorageThread.start({ blobs: dir, segmentBytes: 60_000 })
  const store = new PackfileBlobStore(storage, dir)
  const say = (line: string) => writeSync(1, `${line}\n`)
  for (let number = Number(round) * 100_000; ; number += 40) {
    const ids: string[] = []
    for (let i = 0; i < 40; i++) {
      const body = blobOf(number + i)
      const id = createHash('sha256').update(body).digest('hex')
      ids.push(id)
      await store.put(id, body)
      say(`put ${id}`)
    }
    for (const [i, id] of ids.entries()) {
      if (i % 3 === 0) continue
      await store.delete(id)
      say(`deleted ${id}`)
    }
    say('compacting')
    await store.compact(0.2)
  }
}
