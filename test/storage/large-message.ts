// Run by message-blobs.test.ts in a process of its own: streams 50 MB in and out and tells the most that its buffers took.
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { SealedMessageBlobs } from '../../infra/adapters/blobs/message-blobs.ts'
import { PackfileBlobStore } from '../../infra/adapters/blobs/packfile.ts'
import { StorageThread } from '../../infra/adapters/storage/storage-thread.ts'

const dir = join(process.argv[2] ?? '', 'blobs')
const storage = await StorageThread.start({ blobs: dir })
const store = new PackfileBlobStore(storage, dir)
const blobs = new SealedMessageBlobs(store)
const chunk = randomBytes(65_536)
/** What is alive: garbage that was not collected yet says nothing. */
const buffers = () => {
  globalThis.gc?.()
  return process.memoryUsage().arrayBuffers
}
const base = buffers()
let peak = base
const writer = await blobs.begin()
const sent = createHash('sha256')
for (let i = 0; i < 800; i++) {
  chunk.writeUInt32LE(i)
  sent.update(chunk)
  await writer.write(chunk)
  if (i % 40 === 0) peak = Math.max(peak, buffers())
}
const ref = await writer.finish()
const read = createHash('sha256')
let seen = 0
for await (const part of blobs.stream(ref)) {
  read.update(part)
  if (seen++ % 20 === 0) peak = Math.max(peak, buffers())
}
process.stdout.write(JSON.stringify({ base, peak, exact: sent.digest('hex') === read.digest('hex') }))
await store.close()
await storage.close()
