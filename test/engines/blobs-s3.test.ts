// The contract of the blob store against S3: versitygw, or the bucket that EVERPOST_TEST_S3 names.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { S3BlobStore, s3Settings } from '../../infra/adapters/blobs/s3.ts'
import { type RunningEngine, startEngine } from '../../infra/deploy/engines/engines.ts'
import { addressOf, blobStoreContract } from '../contract/blob-store.ts'

let engine: RunningEngine | undefined
let address = process.env['EVERPOST_TEST_S3'] ?? ''
before(async () => {
  if (address !== '') return
  engine = await startEngine('s3')
  address = engine.url
})
after(() => engine?.stop())

/** Each under a prefix of its own. */
const open = () => S3BlobStore.open(`${address}/${randomBytes(4).toString('hex')}`)

blobStoreContract('s3', async (t) => {
  const store = await open()
  t.after(() => store.close())
  return store
})

test('s3: a large blob is streamed in parts, and its staging place is empty afterwards', async (t) => {
  const store = await open()
  t.after(() => store.close())
  const bytes = randomBytes(20 * 1024 * 1024 + 7)
  const writer = await store.begin()
  for (let at = 0; at < bytes.length; at += 700_000) await writer.write(bytes.subarray(at, at + 700_000))
  const id = await writer.finish()
  assert.equal(id, addressOf(bytes))
  assert.ok(bytes.equals(await store.read(id, 0, bytes.length)))
  assert.ok(bytes.subarray(9_000_000, 9_000_100).equals(await store.read(id, 9_000_000, 9_000_100)))
  const aborted = await store.begin()
  await aborted.write(bytes)
  await aborted.abort()
  const found = []
  for await (const entry of store.entries()) found.push(entry.id)
  assert.deepEqual(found, [id])
  await store.put(id, bytes)
  assert.equal(await store.size(id), bytes.length)
})

test('s3: bytes that are not what their name says are not stored', async (t) => {
  const store = await open()
  t.after(() => store.close())
  await assert.rejects(store.put(addressOf(Buffer.from('one')), Buffer.from('two')), { code: 'corrupt' })
})

test('s3: a server that is killed is waited for, and what was acknowledged is there when it is back', async (t) => {
  if (engine === undefined) return t.skip('somebody else’s server')
  const store = await open()
  t.after(() => store.close())
  const bytes = randomBytes(1000)
  await store.put(addressOf(bytes), bytes)
  await engine.kill()
  await assert.rejects(store.put(addressOf(Buffer.from('x')), Buffer.from('x')), { code: 'unavailable' })
  await assert.rejects(store.read(addressOf(bytes), 0, 10), { code: 'unavailable' })
  await engine.restart()
  assert.ok(bytes.equals(await store.read(addressOf(bytes), 0, 1000)))
  await store.put(addressOf(Buffer.from('x')), Buffer.from('x'))
})

test('s3: an address that cannot be used is refused with a sentence', async () => {
  assert.throws(() => s3Settings('s3://'), /names no bucket/)
  await assert.rejects(
    S3BlobStore.open('s3://key:secret@127.0.0.1:1/bucket'),
    /bucket at http:\/\/127.0.0.1:1 cannot be used|cannot be used for blobs/,
  )
  assert.deepEqual(s3Settings('s3://a:b%2Fc@127.0.0.1:9000/mail/x?region=eu'), {
    endpoint: 'http://127.0.0.1:9000',
    region: 'eu',
    bucket: 'mail',
    prefix: 'x/',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b/c' },
    timeoutMs: 30_000,
  })
})
