// The one writer of pack segments and of their index. Synchronous: it lives in the storage thread and shares its fsync rhythm.

import { createHash, type Hash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { BlobError } from '../../../commands/ports/blob-store.ts'
import { BLOB, encodeHeader, HEADER_BYTES, scanSegment, segmentName, TOMBSTONE } from './pack-format.ts'

const SEGMENT_BYTES = 256 * 1024 * 1024
/**
 * The current segment is lengthened with zeros in steps of this: writing into bytes that the file already has costs no change of the
 * file's size, so that fdatasync need not wait for the file system's journal.
 */
const AHEAD_BYTES = 4 * 1024 * 1024
/** Beyond this a streamed blob becomes a segment of its own instead of being copied into the current one. */
export const OWN_SEGMENT_BYTES = 1024 * 1024

interface Incoming {
  readonly path: string
  readonly fd: number
  readonly hash: Hash
  length: number
}

export interface CompactionResult {
  readonly segments: number
  readonly bytesFreed: number
}

export class PackWriter {
  readonly #dir: string
  readonly #index: DatabaseSync
  readonly #insert: StatementSync
  readonly #find: StatementSync
  readonly #remove: StatementSync
  readonly #mark: StatementSync
  readonly #segmentBytes: number
  readonly #incoming = new Map<number, Incoming>()
  #segment = 0
  #fd = -1
  /** End of the last record; beyond it the file holds zeros up to `#allocated`. */
  #size = 0
  #written = 0
  #allocated = 0
  /** Bytes of the current segment that are on disk for certain. */
  #synced = 0
  #batch: Uint8Array[] = []
  #indexed = false
  /** The first error of a round. What came before it was undone with it, so nothing of the round may be acknowledged. */
  #failed: BlobError | undefined

  constructor(dir: string, options: { readonly segmentBytes?: number } = {}) {
    this.#dir = dir
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    try {
      mkdirSync(dir, { recursive: true })
      for (const name of readdirSync(dir)) if (name.endsWith('.incoming')) rmSync(join(dir, name))
      this.#index = openIndex(join(dir, 'index.sqlite'), this.#segments())
      this.#insert = this.#index.prepare(
        'INSERT INTO blob (id, segment, offset, length) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET segment = excluded.segment, offset = excluded.offset',
      )
      this.#find = this.#index.prepare('SELECT segment, offset, length FROM blob WHERE id = ?')
      this.#remove = this.#index.prepare('DELETE FROM blob WHERE id = ?')
      this.#mark = this.#index.prepare(
        'INSERT INTO segment (id, indexed) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET indexed = excluded.indexed',
      )
      this.#recover()
    } catch (error) {
      throw toBlobError(error, dir)
    }
  }

  /** Adds a blob to the current segment; durable after `sync`. */
  put(id: string, bytes: Uint8Array): void {
    this.#step(() => this.#put(id, bytes))
  }

  delete(id: string): void {
    this.#step(() => {
      const key = Buffer.from(id, 'hex')
      if (!this.#find.get(key)) return
      this.#begin()
      this.#rotate(0)
      this.#batch.push(encodeHeader(TOMBSTONE, key, 0))
      this.#remove.run(key)
      this.#size += HEADER_BYTES
    })
  }

  has(id: string): boolean {
    return this.#find.get(Buffer.from(id, 'hex')) !== undefined
  }

  /** Ends a round: makes everything put since the last call durable and findable. On an error none of it is. */
  sync(): void {
    const failed = this.#failed
    this.#failed = undefined
    if (failed) throw failed
    this.#commit()
  }

  #commit(): void {
    if (!this.#indexed) return
    try {
      this.#flush()
      fdatasyncSync(this.#fd)
      this.#synced = this.#size
      this.#mark.run(this.#segment, this.#size)
      this.#index.exec('COMMIT')
      this.#indexed = false
    } catch (error) {
      this.#undo()
      throw toBlobError(error, this.#dir)
    }
  }

  begin(handle: number): void {
    const path = join(this.#dir, `${handle}.incoming`)
    try {
      const fd = openSync(path, 'w+')
      writeSync(fd, Buffer.alloc(HEADER_BYTES))
      this.#incoming.set(handle, { path, fd, hash: createHash('sha256'), length: 0 })
    } catch (error) {
      throw toBlobError(error, this.#dir)
    }
  }

  write(handle: number, chunk: Uint8Array): void {
    const incoming = this.#need(handle)
    try {
      writeAll(incoming.fd, chunk, HEADER_BYTES + incoming.length)
    } catch (error) {
      this.abort(handle)
      throw toBlobError(error, this.#dir)
    }
    incoming.hash.update(chunk)
    incoming.length += chunk.length
  }

  /** Turns what was written into a blob; durable after `sync`, or at once when it became a segment of its own. */
  finish(handle: number): string {
    const incoming = this.#need(handle)
    return this.#step(() => this.#finish(handle, incoming))
  }

  #finish(handle: number, incoming: Incoming): string {
    try {
      const id = incoming.hash.digest()
      if (incoming.length < OWN_SEGMENT_BYTES) {
        const bytes = Buffer.alloc(incoming.length)
        readSync(incoming.fd, bytes, 0, bytes.length, HEADER_BYTES)
        this.#put(id.toString('hex'), bytes)
        this.abort(handle)
        return id.toString('hex')
      }
      writeAll(incoming.fd, encodeHeader(BLOB, id, incoming.length), 0)
      fsyncSync(incoming.fd)
      this.#begin()
      this.#closeSegment()
      const segment = this.#segment + 1
      renameSync(incoming.path, join(this.#dir, segmentName(segment)))
      closeSync(incoming.fd)
      this.#incoming.delete(handle)
      this.#insert.run(id, segment, HEADER_BYTES, incoming.length)
      this.#mark.run(segment, HEADER_BYTES + incoming.length)
      this.#openSegment(segment + 1)
      return id.toString('hex')
    } catch (error) {
      this.abort(handle)
      throw error
    }
  }

  abort(handle: number): void {
    const incoming = this.#incoming.get(handle)
    if (!incoming) return
    this.#incoming.delete(handle)
    closeSync(incoming.fd)
    rmSync(incoming.path, { force: true })
  }

  /**
   * Rewrites segments of which `share` or more is dead, then removes them. Live blobs are durable in the new place before the old one
   * goes, so a kill at any instant leaves at worst two copies, which the next compaction clears.
   */
  compact(share = 0.3): CompactionResult {
    return this.#step(() => this.#compact(share))
  }

  #compact(share: number): CompactionResult {
    let segments = 0
    let bytesFreed = 0
    this.#commit()
    for (const segment of this.#segments()) {
      if (segment === this.#segment) continue
      const path = join(this.#dir, segmentName(segment))
      const size = statSync(path).size
      const live = Number(
        this.#index
          .prepare('SELECT coalesce(sum(length + ?), 0) AS bytes FROM blob WHERE segment = ?')
          .get(HEADER_BYTES, segment)?.['bytes'],
      )
      if (size > 0 && (size - live) / size < share) continue
      this.#moveLive(segment, path)
      // The file goes first: were it indexed anew after a kill, what was deleted since would come back.
      rmSync(path)
      this.#index.prepare('DELETE FROM segment WHERE id = ?').run(segment)
      segments++
      bytesFreed += size - live
    }
    return { segments, bytesFreed }
  }

  close(): void {
    for (const handle of [...this.#incoming.keys()]) this.abort(handle)
    try {
      this.sync()
      this.#cut(this.#size)
    } finally {
      closeSync(this.#fd)
      this.#index.close()
    }
  }

  #put(id: string, bytes: Uint8Array): void {
    this.#begin()
    this.#rotate(bytes.length)
    const key = Buffer.from(id, 'hex')
    this.#batch.push(encodeHeader(BLOB, key, bytes.length), bytes)
    this.#insert.run(key, this.#segment, this.#size + HEADER_BYTES, bytes.length)
    this.#size += HEADER_BYTES + bytes.length
  }

  #step<T>(work: () => T): T {
    if (this.#failed) throw this.#failed
    try {
      return work()
    } catch (error) {
      this.#undo()
      this.#failed = toBlobError(error, this.#dir)
      throw this.#failed
    }
  }

  /** Live blobs and the tombstones of blobs that an older segment may still hold. */
  #moveLive(segment: number, path: string): void {
    const fd = openSync(path, 'r')
    try {
      for (const record of scanSegment(path, 0, false)) {
        const id = record.id.toString('hex')
        if (record.kind === TOMBSTONE) {
          if (this.#find.get(record.id) || !this.#olderThan(segment)) continue
          this.#begin()
          this.#rotate(0)
          this.#batch.push(encodeHeader(TOMBSTONE, record.id, 0))
          this.#size += HEADER_BYTES
          continue
        }
        const found = this.#find.get(record.id)
        if (!found || Number(found['segment']) !== segment || Number(found['offset']) !== record.offset) continue
        const bytes = Buffer.alloc(record.length)
        readSync(fd, bytes, 0, bytes.length, record.offset)
        this.#put(id, bytes)
        if (this.#batch.length > 256) this.#flush()
      }
      this.#commit()
    } finally {
      closeSync(fd)
    }
  }

  #olderThan(segment: number): boolean {
    return this.#segments().some((other) => other < segment)
  }

  #segments(): number[] {
    return readdirSync(this.#dir)
      .filter((name) => name.endsWith('.pack'))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b)
  }

  /** Start-up is recovery: index what was written since the index was last saved, cut a torn tail. */
  #recover(): void {
    const segments = this.#segments()
    this.#index.exec('BEGIN')
    for (const segment of segments) {
      const path = join(this.#dir, segmentName(segment))
      const size = statSync(path).size
      let indexed = Number(
        this.#index.prepare('SELECT indexed FROM segment WHERE id = ?').get(segment)?.['indexed'] ?? 0,
      )
      const last = segment === segments.at(-1)
      if (size < indexed) {
        // The disk lost the end of what it had said was safe: what is whole stays, the rest answers as not there.
        this.#index.prepare('DELETE FROM blob WHERE segment = ? AND offset + length > ?').run(segment, size)
        this.#mark.run(segment, last ? 0 : size)
        indexed = last ? 0 : size
      }
      if (size <= indexed) continue
      let end = indexed
      for (const record of scanSegment(path, indexed, last)) {
        if (record.kind === BLOB) this.#insert.run(record.id, segment, record.offset, record.length)
        else this.#remove.run(record.id)
        end = record.offset + record.length
      }
      this.#mark.run(segment, end)
    }
    this.#index.exec('COMMIT')
    this.#openSegment((segments.at(-1) ?? 0) + (segments.length === 0 ? 1 : 0))
  }

  #openSegment(segment: number): void {
    const path = join(this.#dir, segmentName(segment))
    const fd = openSync(path, existsSync(path) ? 'r+' : 'w+')
    let indexed = 0
    try {
      indexed = Number(this.#index.prepare('SELECT indexed FROM segment WHERE id = ?').get(segment)?.['indexed'] ?? 0)
      if (statSync(path).size > indexed) ftruncateSync(fd, indexed)
      const folder = openSync(this.#dir, 'r')
      fsyncSync(folder)
      closeSync(folder)
    } catch (error) {
      closeSync(fd)
      throw error
    }
    // Only now: a segment that cannot be opened must leave the one before usable.
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#segment = segment
    this.#fd = fd
    this.#size = indexed
    this.#synced = indexed
    this.#written = indexed
    this.#allocated = indexed
  }

  #rotate(length: number): void {
    if (this.#size === 0 || this.#size + HEADER_BYTES + length <= this.#segmentBytes) return
    this.#closeSegment()
    this.#openSegment(this.#segment + 1)
  }

  #closeSegment(): void {
    this.#flush()
    this.#cut(this.#size)
    fdatasyncSync(this.#fd)
    this.#mark.run(this.#segment, this.#size)
  }

  /** Ends the file here: no zeros, or nothing of a round that failed. */
  #cut(size: number): void {
    ftruncateSync(this.#fd, size)
    this.#written = size
    this.#allocated = size
  }

  #begin(): void {
    if (this.#indexed) return
    this.#index.exec('BEGIN')
    this.#indexed = true
  }

  #flush(): void {
    if (this.#batch.length === 0) return
    const bytes = this.#batch.length === 1 ? (this.#batch[0] as Uint8Array) : Buffer.concat(this.#batch)
    this.#batch = []
    while (this.#written + bytes.length > this.#allocated) {
      writeAll(this.#fd, Buffer.alloc(AHEAD_BYTES), this.#allocated)
      this.#allocated += AHEAD_BYTES
    }
    writeAll(this.#fd, bytes, this.#written)
    this.#written += bytes.length
  }

  #undo(): void {
    this.#batch = []
    this.#indexed = false
    this.#size = this.#synced
    this.#written = this.#synced
    this.#allocated = this.#synced
    try {
      if (this.#index.isTransaction) this.#index.exec('ROLLBACK')
    } catch {
      // SQLite has rolled back by itself.
    }
    try {
      ftruncateSync(this.#fd, this.#synced)
    } catch {
      // What comes next is written over it, or the next start cuts the tail.
    }
  }

  #need(handle: number): Incoming {
    const incoming = this.#incoming.get(handle)
    if (!incoming) throw new BlobError('unavailable', 'This upload was ended by an earlier error')
    return incoming
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}

/** The index is derived from the segments: nothing in it needs an fsync, and a damaged one is made again. */
function openIndex(path: string, segments: readonly number[]): DatabaseSync {
  try {
    const index = tryOpenIndex(path)
    try {
      // Touches the root of both tables and their last entries, where damage shows first.
      for (const segment of segments) index.prepare('SELECT indexed FROM segment WHERE id = ?').get(segment)
      index.prepare('SELECT id FROM blob ORDER BY id DESC LIMIT 1').get()
      return index
    } catch (error) {
      index.close()
      throw error
    }
  } catch (error) {
    const { errcode = 0 } = error as { errcode?: number }
    if (![SQLITE_CORRUPT, SQLITE_NOTADB].includes(errcode & 0xff)) throw error
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    return tryOpenIndex(path)
  }
}

function tryOpenIndex(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5000 })
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192;
    CREATE TABLE IF NOT EXISTS blob (id BLOB PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS segment (id INTEGER PRIMARY KEY, indexed INTEGER NOT NULL);`)
  return db
}

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

export function toBlobError(error: unknown, dir: string): BlobError {
  if (error instanceof BlobError) return error
  const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string }
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG' || (errcode ?? 0) % 256 === 13) {
    return new BlobError('disk-full', `No space left for messages in ${dir}: free some, mail is refused until then`, {
      cause: error,
    })
  }
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM' || [8, 14].includes((errcode ?? 0) % 256)) {
    return new BlobError('read-only', `The message folder ${dir} cannot be written: ${message}`, { cause: error })
  }
  return new BlobError('unavailable', `The message folder ${dir} failed: ${message}`, { cause: error })
}
