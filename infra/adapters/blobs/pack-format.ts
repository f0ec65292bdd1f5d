// Layout of pack segments: self-describing records, so that the index beside them can always be made again.
//
//   record  = header (56 bytes) body
//   header  = 'EPB1' kind(1) reserved(3) id(32) length(u64 LE) crc32(u32 LE of the 48 bytes before) zero(4)
//
// `kind` 1 is a blob, its body `length` bytes whose SHA-256 is `id`; kind 2 says that blob `id` was deleted and has no body.
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { crc32 } from 'node:zlib'

export const HEADER_BYTES = 56
export const BLOB = 1
export const TOMBSTONE = 2
const MAGIC = 0x31425045

export interface PackRecord {
  readonly kind: number
  /** The blob's content address. */
  readonly id: Buffer
  /** Where the body starts in its segment. */
  readonly offset: number
  readonly length: number
}

export function encodeHeader(kind: number, id: Uint8Array, length: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(MAGIC, 0)
  header[4] = kind
  header.set(id, 8)
  header.writeBigUInt64LE(BigInt(length), 40)
  header.writeUInt32LE(crc32(header.subarray(0, 48)), 48)
  return header
}

export function decodeHeader(header: Buffer, at: number): PackRecord | undefined {
  if (header.readUInt32LE(0) !== MAGIC || header.readUInt32LE(48) !== crc32(header.subarray(0, 48))) return undefined
  const length = Number(header.readBigUInt64LE(40))
  return { kind: header[4] as number, id: Buffer.from(header.subarray(8, 40)), offset: at + HEADER_BYTES, length }
}

/**
 * The whole records of a segment from an offset on. Stops at the first record that is not whole: what a crash left of a write
 * that nobody was told about. With `verify` a body must also have its hash, which finds a torn body of the right length.
 */
export function* scanSegment(path: string, from: number, verify: boolean): Generator<PackRecord> {
  const fd = openSync(path, 'r')
  try {
    const size = fstatSync(fd).size
    const header = Buffer.alloc(HEADER_BYTES)
    let at = from
    while (at + HEADER_BYTES <= size) {
      readSync(fd, header, 0, HEADER_BYTES, at)
      const record = decodeHeader(header, at)
      if (!record || record.offset + record.length > size) return
      if (verify && record.kind === BLOB && !hashMatches(fd, record)) return
      yield record
      at = record.offset + record.length
    }
  } finally {
    closeSync(fd)
  }
}

function hashMatches(fd: number, record: PackRecord): boolean {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(Math.min(record.length, 1 << 20))
  for (let done = 0; done < record.length; ) {
    const read = readSync(fd, chunk, 0, Math.min(chunk.length, record.length - done), record.offset + done)
    if (read === 0) return false
    hash.update(chunk.subarray(0, read))
    done += read
  }
  return hash.digest().equals(record.id)
}

export const segmentName = (segment: number): string => `${String(segment).padStart(8, '0')}.pack`
