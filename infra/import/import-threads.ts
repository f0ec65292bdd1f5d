// An import over several cores: threads prepare batches, this one stores them in order.
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { BlobStore } from '../../commands/ports/blob-store.ts'
import { type EventStore, EventStoreError } from '../../commands/ports/event-store.ts'
import type { ImportWriter, MessageToImport } from '../../gateways/import/import-writer.ts'
import type { ImportBatch, PrepareConfig, Prepared, PrepareReply } from './messages.ts'

/** Each holds a batch or two; more than a few wait for the one thread that writes the disk. */
const MAX_THREADS = 4
/** What dies young here is large: without a bound V8 lets it pile up. */
const SMALL_HEAP = { maxYoungGenerationSizeMb: 32, maxOldGenerationSizeMb: 256 }

export class ImportThreads implements ImportWriter {
  readonly #events: EventStore
  readonly #blobs: BlobStore
  /** For what a thread cannot do: a batch of which a part is there already. */
  readonly #direct: ImportWriter
  readonly #workers: readonly Worker[]
  readonly #waiting = new Map<number, { resolve: (prepared: Prepared) => void; reject: (error: Error) => void }>()
  #seq = 0
  #stored: Promise<unknown> = Promise.resolve()

  constructor(events: EventStore, blobs: BlobStore, direct: ImportWriter, config: PrepareConfig) {
    this.#events = events
    this.#blobs = blobs
    this.#direct = direct
    this.#workers = Array.from({ length: Math.max(1, Math.min(MAX_THREADS, availableParallelism())) }, () => {
      const worker = new Worker(new URL('./prepare-worker.ts', import.meta.url), {
        workerData: config,
        resourceLimits: SMALL_HEAP,
      })
      worker.on('message', (reply: PrepareReply) => this.#answer(reply))
      worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))))
      return worker
    })
  }

  write(account: string, messages: readonly MessageToImport[]): Promise<void> {
    const prepared = this.#prepare(account, messages)
    const before = this.#stored
    const stored = (async () => {
      const batch = await prepared
      await before.catch(() => undefined)
      await this.#store(batch, account, messages)
    })()
    stored.catch(() => undefined)
    this.#stored = stored
    return stored
  }

  async close(): Promise<void> {
    await this.#stored.catch(() => undefined)
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }

  #prepare(account: string, messages: readonly MessageToImport[]): Promise<Prepared> {
    const seq = this.#seq++
    const bytes = new ArrayBuffer(messages.reduce((sum, { raw }) => sum + raw.length, 0))
    const into = new Uint8Array(bytes)
    let at = 0
    const heads = messages.map(({ raw, ...message }) => {
      into.set(raw, at)
      at += raw.length
      return { ...message, length: raw.length }
    })
    return new Promise((resolve, reject) => {
      this.#waiting.set(seq, { resolve, reject })
      const batch: ImportBatch = { seq, account, messages: heads, bytes }
      this.#workers[seq % this.#workers.length]?.postMessage(batch, [bytes])
    })
  }

  /** Events name blobs, so blobs come first; both share the storage's rounds of fsync. */
  async #store({ blobs, appends }: Prepared, account: string, messages: readonly MessageToImport[]): Promise<void> {
    await Promise.all(blobs.map(({ id, bytes }) => this.#blobs.put(id, bytes)))
    try {
      for (const append of appends) await this.#events.append(append)
    } catch (error) {
      if (!(error instanceof EventStoreError) || error.code !== 'id-reused') throw error
      await this.#direct.write(account, messages)
    }
  }

  #answer(reply: PrepareReply): void {
    const waiter = this.#waiting.get(reply.seq)
    this.#waiting.delete(reply.seq)
    if ('failed' in reply) waiter?.reject(new Error(reply.failed))
    else waiter?.resolve(reply)
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
