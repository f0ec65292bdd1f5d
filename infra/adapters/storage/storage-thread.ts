// The main thread's end of the storage thread.
import { Worker } from 'node:worker_threads'
import { BlobError } from '../../../commands/ports/blob-store.ts'
import type { AppendResult } from '../../../commands/ports/event-store.ts'
import { EventStoreError, type EventStoreErrorCode } from '../../../commands/ports/event-store.ts'
import type { StorageConfig, StorageReply, StorageRequest, StorageRound } from './protocol.ts'

type WithoutSeq<T> = T extends { readonly seq: number } ? Omit<T, 'seq'> : never
export type StorageCall = WithoutSeq<StorageRequest>

export class StorageThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve: (reply: StorageReply) => void; reject: (error: Error) => void }>()
  readonly #committed = new Set<(head: bigint) => void>()
  #outbox: StorageRequest[] = []
  #transfers: ArrayBuffer[] = []
  #seq = 1
  #head = 0
  #ended: Error | undefined

  private constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (round: StorageRound) => this.#settle(round))
    worker.on('error', (error) => this.#end(error instanceof Error ? error : new Error(String(error))))
    worker.on('exit', () => this.#end(new EventStoreError('closed', 'The storage thread has stopped')))
  }

  /** Opens the files, which is also recovery. Rejects with the engine's own error when it cannot. */
  static async start(config: StorageConfig): Promise<StorageThread> {
    const thread = new StorageThread(new Worker(new URL('./worker.ts', import.meta.url), { workerData: config }))
    try {
      await new Promise<StorageReply>((resolve, reject) => thread.#waiting.set(0, { resolve, reject }))
      return thread
    } catch (error) {
      // Its hold on the files ends with it.
      await thread.#worker.terminate()
      throw error
    }
  }

  /** Position of the newest committed event, 0 for an empty log. */
  get head(): number {
    return this.#head
  }

  /** Called after every commit that moved the log's head. */
  onCommit(listener: (head: bigint) => void): () => void {
    this.#committed.add(listener)
    return () => this.#committed.delete(listener)
  }

  async append(call: Extract<StorageCall, { op: 'append' }>): Promise<readonly AppendResult[]> {
    const reply = await this.#call(call, call.bytes)
    return 'results' in reply ? reply.results : []
  }

  async call(call: Exclude<StorageCall, { op: 'append' }>): Promise<unknown> {
    const reply = await this.#call(call, 'bytes' in call ? call.bytes : undefined)
    return 'value' in reply ? reply.value : undefined
  }

  async close(): Promise<void> {
    if (this.#ended) return
    try {
      await this.#call({ op: 'close' }, undefined)
    } finally {
      this.#ended ??= new EventStoreError('closed', 'The storage was closed')
      await this.#worker.terminate()
    }
  }

  #call(call: StorageCall, bytes: Uint8Array | undefined): Promise<StorageReply> {
    if (this.#ended) return Promise.reject(this.#ended)
    const seq = this.#seq++
    return new Promise((resolve, reject) => {
      this.#waiting.set(seq, { resolve, reject })
      // One post for all that this turn of the event loop asks: waking the other thread costs more than the message.
      if (this.#outbox.length === 0) setImmediate(() => this.#post())
      this.#outbox.push({ ...call, seq } as StorageRequest)
      if (bytes && bytes.length > 0) this.#transfers.push(bytes.buffer as ArrayBuffer)
    })
  }

  #post(): void {
    const requests = this.#outbox
    const transfers = this.#transfers
    this.#outbox = []
    this.#transfers = []
    this.#worker.postMessage(requests, transfers)
  }

  #settle(round: StorageRound): void {
    const moved = round.head !== undefined && round.head > this.#head
    if (moved) this.#head = round.head as number
    for (const reply of round.replies) {
      const waiter = this.#waiting.get(reply.seq)
      this.#waiting.delete(reply.seq)
      if ('error' in reply) waiter?.reject(toError(reply.error))
      else waiter?.resolve(reply)
    }
    if (moved) for (const listener of this.#committed) listener(BigInt(this.#head))
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }
}

function toError(error: { kind: 'event-store' | 'blob'; code: string; message: string }): Error {
  return error.kind === 'blob'
    ? new BlobError(error.code as BlobError['code'], error.message)
    : new EventStoreError(error.code as EventStoreErrorCode, error.message)
}

/** A copy whose buffer belongs to it alone, so that it can be handed to another thread without copying it again. */
export function transferable(length: number, fill: (into: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(length))
  fill(bytes)
  return bytes
}
