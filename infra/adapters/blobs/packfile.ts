// The embedded blob store: pack segments written by the storage thread, read from here.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { BlobError, type BlobStore, type BlobWriter } from '../../../commands/ports/blob-store.ts'
import { type StorageThread, transferable } from '../storage/storage-thread.ts'
import { OpenSegment, SegmentEnded } from './open-segment.ts'
import { segmentName } from './pack-format.ts'
import type { CompactionResult } from './pack-writer.ts'

interface Location {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

const OPEN_SEGMENTS = 64

export class PackfileBlobStore implements BlobStore {
  readonly #storage: StorageThread
  readonly #dir: string
  readonly #index: DatabaseSync
  readonly #find: StatementSync
  readonly #segments = new Map<number, Promise<OpenSegment>>()
  #handles = 0
  #closed = false

  constructor(storage: StorageThread, dir: string) {
    this.#storage = storage
    this.#dir = dir
    this.#index = new DatabaseSync(join(dir, 'index.sqlite'), { readOnly: true, timeout: 5000 })
    this.#find = this.#index.prepare('SELECT segment, offset, length FROM blob WHERE id = ?')
  }

  async put(id: string, bytes: Uint8Array): Promise<void> {
    await this.#storage.call({ op: 'put', id, bytes: transferable(bytes.length, (into) => into.set(bytes)) })
  }

  async begin(): Promise<BlobWriter> {
    const handle = this.#handles++
    await this.#storage.call({ op: 'begin', handle })
    return {
      write: async (chunk) => {
        await this.#storage.call({ op: 'write', handle, bytes: transferable(chunk.length, (into) => into.set(chunk)) })
      },
      finish: async () => (await this.#storage.call({ op: 'finish', handle })) as string,
      abort: async () => {
        await this.#storage.call({ op: 'abort', handle })
      },
    }
  }

  async read(id: string, start: number, end: number): Promise<Uint8Array> {
    const location = this.#locate(id)
    if (!location) throw new BlobError('not-found', `Blob ${id} is not here`)
    if (start < 0 || end > location.length || start > end) {
      throw new BlobError('unavailable', `Bytes ${start} to ${end} are outside blob ${id} of ${location.length} bytes`)
    }
    const bytes = await this.#readAt(id, location, start, end)
    if (start === 0 && end === location.length && createHash('sha256').update(bytes).digest('hex') !== id) {
      throw new BlobError('corrupt', `Blob ${id} does not have its own hash: restore it from a backup`)
    }
    return bytes
  }

  async size(id: string): Promise<number | undefined> {
    return this.#locate(id)?.length
  }

  async delete(id: string): Promise<void> {
    await this.#storage.call({ op: 'delete', id })
  }

  /** Every blob, with the time of the last write to its segment (epoch milliseconds): a blob is at least not younger than that. */
  async *entries(): AsyncGenerator<{ readonly id: string; readonly writtenAt: number }> {
    const times = new Map<number, number>()
    const page = this.#index.prepare('SELECT id, segment FROM blob WHERE id > ? ORDER BY id LIMIT 1000')
    for (let after = Buffer.alloc(0); !this.#closed; ) {
      const rows = page.all(after)
      if (rows.length === 0) return
      for (const row of rows) {
        const segment = Number(row['segment'])
        const writtenAt = times.get(segment) ?? (await stat(join(this.#dir, segmentName(segment)))).mtimeMs
        times.set(segment, writtenAt)
        after = Buffer.from(row['id'] as Uint8Array)
        yield { id: after.toString('hex'), writtenAt }
      }
    }
  }

  /** Frees the bytes of deleted blobs in segments of which `share` or more is dead. */
  async compact(share?: number): Promise<CompactionResult> {
    const result = await this.#storage.call({ op: 'compact', ...(share === undefined ? {} : { share }) })
    await this.#closeVanished()
    return result as CompactionResult
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#index.close()
    for (const segment of this.#segments.values()) await (await segment).end()
    this.#segments.clear()
  }

  /** An open file keeps its space on the disk even when its name is gone. */
  async #closeVanished(): Promise<void> {
    for (const [segment, handle] of [...this.#segments]) {
      if (existsSync(join(this.#dir, segmentName(segment)))) continue
      this.#segments.delete(segment)
      await handle.then((file) => file.end()).catch(() => undefined)
    }
  }

  #locate(id: string): Location | undefined {
    if (this.#closed) throw new BlobError('closed', 'The blob store is closed')
    const row = this.#find.get(Buffer.from(id, 'hex'))
    return row && { segment: Number(row['segment']), offset: Number(row['offset']), length: Number(row['length']) }
  }

  /** Compaction may have moved the blob between looking it up and opening its segment: look again once. */
  async #readAt(id: string, location: Location, start: number, end: number): Promise<Uint8Array> {
    const bytes = Buffer.alloc(end - start)
    try {
      const file = await this.#open(location.segment)
      const bytesRead = await file.read(bytes, location.offset + start)
      if (bytesRead === bytes.length) return bytes
      throw new BlobError('corrupt', `Blob ${id} is cut short in segment ${location.segment}: restore it from a backup`)
    } catch (error) {
      if (error instanceof SegmentEnded && !this.#closed) return this.#readAt(id, location, start, end)
      const moved = this.#locate(id)
      if ((error as { code?: string }).code === 'ENOENT' && moved && moved.segment !== location.segment) {
        return this.#readAt(id, moved, start, end)
      }
      throw error
    }
  }

  #open(segment: number): Promise<OpenSegment> {
    const known = this.#segments.get(segment)
    if (known) return known
    if (this.#segments.size >= OPEN_SEGMENTS) {
      const [oldest, handle] = this.#segments.entries().next().value as [number, Promise<OpenSegment>]
      this.#segments.delete(oldest)
      void handle.then((file) => file.end()).catch(() => undefined)
    }
    const opened = OpenSegment.open(join(this.#dir, segmentName(segment)))
    this.#segments.set(segment, opened)
    opened.catch(() => this.#segments.delete(segment))
    return opened
  }
}
