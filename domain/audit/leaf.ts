// What a leaf of the log's hash tree is: every byte that the log stores for an event, but not where in the log it lies.
//
//   leaf  = SHA-256(0x00 || entry)                                                              (RFC 9162 §2.1.1)
//   entry = 0x01 || text(stream) || u64(revision) || text(id) || text(type) || bytes(metadata) || bytes(data)
//
// text and bytes are a length (u32) and as many bytes; texts are UTF-8, ids lowercase; numbers are big-endian. `data` is sealed, so an
// auditor recomputes a leaf without any key. The index of a leaf is the number of events before it in log order.
import type { Revision } from '../log.ts'
import type { Sha256 } from './merkle.ts'

export const LEAF_VERSION = 1

/** An event as the log stores it. */
export interface StoredEntry {
  readonly stream: string
  readonly revision: Revision
  readonly id: string
  readonly type: string
  readonly metadata: Uint8Array
  /** Sealed. */
  readonly data: Uint8Array
}

export function leafOf(sha256: Sha256, entry: StoredEntry): Uint8Array {
  const stream = Buffer.from(entry.stream)
  const id = Buffer.from(entry.id.toLowerCase())
  const type = Buffer.from(entry.type)
  const { metadata, data } = entry
  const length = 2 + 8 + 5 * 4 + stream.length + id.length + type.length + metadata.length + data.length
  const bytes = Buffer.allocUnsafe(length)
  bytes[0] = 0
  bytes[1] = LEAF_VERSION
  let at = put(bytes, 2, stream)
  at = bytes.writeBigUInt64BE(entry.revision, at)
  at = put(bytes, at, id)
  at = put(bytes, at, type)
  at = put(bytes, at, metadata)
  put(bytes, at, data)
  return sha256(bytes)
}

function put(into: Buffer, at: number, part: Uint8Array): number {
  into.writeUInt32BE(part.length, at)
  into.set(part, at + 4)
  return at + 4 + part.length
}
