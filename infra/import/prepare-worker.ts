// Reads, packs and seals a batch of an import: the same code as in one thread, over stores that only gather what is to be stored.
import { parentPort, workerData } from 'node:worker_threads'
import type { BlobStore } from '../../commands/ports/blob-store.ts'
import type { Append, EventStore } from '../../commands/ports/event-store.ts'
import { directWriter } from '../../gateways/import/import-writer.ts'
import { SealedMessageBlobs } from '../adapters/blobs/message-blobs.ts'
import { openKeyring } from '../adapters/journal/open-source.ts'
import { SealedJournal } from '../adapters/journal/sealed-journal.ts'
import type { ImportBatch, PrepareConfig, Prepared } from './messages.ts'

const port = parentPort
if (!port) throw new Error('prepare-worker.ts runs as a worker thread')
const { keyring: place, masterKey } = workerData as PrepareConfig
const keyring = await openKeyring(place, masterKey)

const unused = (): never => {
  throw new Error('An import reads nothing back')
}

async function prepare({ seq, account, messages, bytes }: ImportBatch): Promise<Prepared> {
  const blobs: { id: string; bytes: Uint8Array }[] = []
  const appends: Append[] = []
  const gather: BlobStore = {
    put: async (id, stored) => void blobs.push({ id, bytes: stored }),
    begin: unused,
    read: unused,
    size: unused,
    delete: unused,
    close: async () => undefined,
  }
  const events: EventStore = {
    append: async (append) => {
      appends.push(append)
      return { ok: true, revision: 0n, position: 0n, repeated: false }
    },
    readStream: unused,
    lastRevision: unused,
    subscribe: unused,
    readPositions: unused,
    head: unused,
    close: async () => undefined,
  }
  const raw = Buffer.from(bytes)
  let at = 0
  const writer = directWriter({
    journal: new SealedJournal(events, keyring),
    blobs: new SealedMessageBlobs(gather),
  })
  await writer.write(
    account,
    messages.map(({ length, ...message }) => ({ ...message, raw: raw.subarray(at, (at += length)) })),
  )
  return { seq, blobs, appends }
}

port.on('message', (batch: ImportBatch) => {
  prepare(batch).then(
    (prepared) => port.postMessage(prepared),
    (error: unknown) =>
      port.postMessage({ seq: batch.seq, failed: error instanceof Error ? error.message : String(error) }),
  )
})
