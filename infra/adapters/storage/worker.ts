// The storage thread: the only writer of the log and of the pack files.
//
// A round takes every request that has come in, writes blobs first with one fdatasync, then commits all appends with one fsync, then
// answers. While the disk works, the next round's requests gather: that is the whole of group commit.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { BlobError } from '../../../commands/ports/blob-store.ts'
import type { Append } from '../../../commands/ports/event-store.ts'
import { EventStoreError } from '../../../commands/ports/event-store.ts'
import { PackWriter } from '../blobs/pack-writer.ts'
import { SqliteLogWriter } from '../event-store/sqlite-writer.ts'
import type { PackedAppend, StorageConfig, StorageReply, StorageRequest, StorageRound } from './protocol.ts'

const port = parentPort
if (!port) throw new Error('worker.ts runs as a worker thread')
const config = workerData as StorageConfig
/** A round is cut here so that the first waiter of a flood is not kept waiting for the last. */
const ROUND_REQUESTS = 2_000

let log: SqliteLogWriter | undefined
let packs: PackWriter | undefined
try {
  if (config.log) {
    mkdirSync(dirname(config.log), { recursive: true })
    log = new SqliteLogWriter(config.log)
  }
  if (config.blobs)
    packs = new PackWriter(config.blobs, config.segmentBytes ? { segmentBytes: config.segmentBytes } : {})
  port.postMessage({ replies: [{ seq: 0 }], head: log?.head ?? 0 } satisfies StorageRound)
} catch (error) {
  log?.close()
  port.postMessage({ replies: [failure(0, error)] } satisfies StorageRound)
  port.close()
}

port.on('message', (first: StorageRequest[]) => {
  const requests = [...first]
  while (requests.length < ROUND_REQUESTS) {
    const more = receiveMessageOnPort(port)
    if (!more) break
    requests.push(...(more.message as StorageRequest[]))
  }
  const replies: StorageReply[] = []
  storeBlobs(requests, replies)
  const appends = requests.filter((request) => request.op === 'append').filter((request) => hasBlobs(request, replies))
  if (appends.length > 0 && log) {
    const outcomes = log.commit(appends.map((request) => unpack(request.appends, request.bytes)))
    outcomes.forEach((outcome, i) => {
      const seq = (appends[i] as { seq: number }).seq
      replies.push('error' in outcome ? failure(seq, outcome.error) : { seq, results: outcome.results })
    })
  }
  const closing = requests.find((request) => request.op === 'close')
  if (closing) replies.push(close(closing.seq))
  port.postMessage({ replies, head: log?.head ?? 0 } satisfies StorageRound)
  if (closing) port.close()
})

/** An append that names blobs happens only when they are stored; otherwise it is answered here. */
function hasBlobs(request: Extract<StorageRequest, { op: 'append' }>, replies: StorageReply[]): boolean {
  const missing = request.blobs?.find((id) => !packs?.has(id))
  if (missing === undefined) return true
  replies.push(
    failure(request.seq, new EventStoreError('unavailable', `Blob ${missing} of this append was not stored`)),
  )
  return false
}

/** Everything but appends; what became durable only by the shared sync is answered after it. */
function storeBlobs(requests: readonly StorageRequest[], replies: StorageReply[]): void {
  const waiting: StorageReply[] = []
  for (const request of requests) {
    if (request.op === 'append' || request.op === 'close') continue
    try {
      waiting.push({ seq: request.seq, value: perform(request) })
    } catch (error) {
      replies.push(failure(request.seq, error))
    }
  }
  if (waiting.length === 0) return
  try {
    packs?.sync()
    replies.push(...waiting)
  } catch (error) {
    for (const { seq } of waiting) replies.push(failure(seq, error))
  }
}

function perform(request: Exclude<StorageRequest, { op: 'append' | 'close' }>): unknown {
  if (!packs) throw new BlobError('unavailable', 'This process keeps no pack files')
  switch (request.op) {
    case 'put':
      return packs.put(request.id, request.bytes)
    case 'delete':
      return packs.delete(request.id)
    case 'begin':
      return packs.begin(request.handle)
    case 'write':
      return packs.write(request.handle, request.bytes)
    case 'finish':
      return packs.finish(request.handle)
    case 'abort':
      return packs.abort(request.handle)
    case 'compact':
      return packs.compact(request.share)
    default: {
      const _: never = request
      return _
    }
  }
}

function unpack(appends: readonly PackedAppend[], bytes: Uint8Array): readonly Append[] {
  let at = 0
  const take = (length: number) => bytes.subarray(at, (at += length))
  return appends.map(({ stream, expected, events }) => ({
    stream,
    expected,
    events: events.map(({ id, type, metadata, data }) => ({ id, type, metadata: take(metadata), data: take(data) })),
  }))
}

function close(seq: number): StorageReply {
  try {
    packs?.close()
    log?.close()
    return { seq }
  } catch (error) {
    return failure(seq, error)
  }
}

function failure(seq: number, error: unknown): StorageReply {
  if (error instanceof EventStoreError)
    return { seq, error: { kind: 'event-store', code: error.code, message: error.message } }
  if (error instanceof BlobError) return { seq, error: { kind: 'blob', code: error.code, message: error.message } }
  return {
    seq,
    error: { kind: 'blob', code: 'unavailable', message: error instanceof Error ? error.message : String(error) },
  }
}
