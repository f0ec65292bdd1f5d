// Ids that commands make: fresh ones, and ones derived from what they name, so that a retry makes the same again.
import { hash, randomFillSync } from 'node:crypto'
import { encodeId } from '../domain/ids.ts'

/** A fresh id: UUIDv7 bits (RFC 9562 §5.7), so that the bytes of ids made later sort later in an index. */
export function newId(): string {
  return encodeId(uuid7Bytes())
}

/** A fresh command id: UUIDv7 text. */
export function newCommandId(): string {
  return uuidText(uuid7Bytes())
}

/** The same id for the same parts, always. */
export function derivedId(...parts: readonly string[]): string {
  return encodeId(hash('sha256', parts.join('\u0000'), 'buffer').subarray(0, 16))
}

/** UUIDv5 (RFC 9562 §5.5) of a command and the index of an event in it: a retried command appends the same events. */
export function eventId(commandId: string, index: number): string {
  const bytes = hash('sha1', `${EVENT_NAMESPACE}${commandId}#${index}`, 'buffer').subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return uuidText(bytes)
}

const EVENT_NAMESPACE = Buffer.from('5b6b7f0e9d1f4c0c8f3f2f6f0c1e7a55', 'hex').toString('latin1')

const noise = Buffer.alloc(4096)
let used = noise.length

function uuid7Bytes(): Uint8Array {
  if (used + 10 > noise.length) {
    randomFillSync(noise)
    used = 0
  }
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(Date.now(), 0, 6)
  noise.copy(bytes, 6, used, (used += 10))
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return bytes
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
