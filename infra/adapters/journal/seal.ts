// How an event's payload becomes bytes that only its owner's data key opens, and back.
//
//   data     = version(1) sealed
//   sealed   = nonce(12) ciphertext tag(16) of  packing(1) body;  the packing is that of ../packing.ts
//   body     = headLength(u32 LE) head text
//   head     = JSON {d: payload without extracted text, m: event metadata}
//   text     = UTF-8, for arrivals only; apart from the JSON, so that views need not parse it
//
// Payloads with `sections` (one per account) carry each section as base64 of the same sealing under that account's key, inside a
// head sealed by the system key. The stream, type and id are authenticated with every part, so no part can be moved elsewhere.
import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto'
import type { EventToAppend, StoredEvent } from '../../../commands/ports/event-store.ts'
import { type Keyring, NoDataKey } from '../../../commands/ports/keyring.ts'
import type { EverpostEvent, RecordedEvent } from '../../../domain/events.ts'
import { accountOfStream, type EventMetadata, type NewEvent, type Redacted } from '../../../domain/log.ts'
import { pack, unpack } from '../packing.ts'
import { NEWEST_SCHEMA, NewerSchema, upcast } from './upcast.ts'

const VERSION = 1
const NONCE = 12
const TAG = 16
/** No honest part is larger once unpacked: an event is at most 64 KiB, its text at most 16 KiB. */
const MAX_UNPACKED = 4 * 1024 * 1024

interface Head {
  readonly d: Record<string, unknown>
  readonly m: EventMetadata
}

export class UnreadableEvent extends Error {
  constructor(event: { readonly stream: string; readonly position: bigint }, cause: unknown) {
    const why = cause instanceof NewerSchema ? cause.message : 'its bytes were changed'
    super(`The event at position ${event.position} of ${event.stream} cannot be opened: ${why}`, { cause })
    this.name = 'UnreadableEvent'
  }
}

/** Seals a new event. Throws when its owner has no key: nothing may be written about an erased account. */
export function sealEvent(stream: string, event: NewEvent<EverpostEvent>, keyring: Keyring): EventToAppend {
  const key = keyOf(keyring, event.owner)
  const place = `${stream}|${event.type}|${event.id}`
  const { payload, text } = takeText(event)
  const sections = (event.data as { sections?: Record<string, object> }).sections
  const d = sections ? { ...payload, sections: sealSections(sections, place, keyring) } : payload
  // Sealed sections look like noise: nothing to gain by packing them.
  const head = JSON.stringify({ d, m: event.metadata })
  const headLength = Buffer.byteLength(head)
  const body = Buffer.allocUnsafe(4 + headLength + (text ? Buffer.byteLength(text) : 0))
  body.writeUInt32LE(headLength)
  body.write(head, 4)
  if (text) body.write(text, 4 + headLength)
  const data = seal(key, place, body, Buffer.from([VERSION]), sections === undefined)
  return { id: event.id, type: event.type, data, metadata: metadataOf(stream, event.owner) }
}

/** Opens a stored event in its newest schema; `Redacted` when its owner's key is gone. */
export function openEvent(stored: StoredEvent, keyring: Keyring, withText: boolean): RecordedEvent | Redacted {
  const { id, stream, revision, position, type } = stored
  const place = `${stream}|${type}|${id}`
  try {
    const { owner, schema } = readMetadata(stored)
    const key = keyring.dataKey(owner)
    if (!key) return { id, stream, revision, position, type, redacted: true }
    const bytes = Buffer.from(stored.data.buffer, stored.data.byteOffset, stored.data.length)
    if (bytes[0] !== VERSION) throw new Error(`Sealing version ${bytes[0]} is not known`)
    const body = open(key, place, bytes.subarray(1))
    const headEnd = 4 + body.readUInt32LE()
    const head = JSON.parse(body.toString('utf8', 4, headEnd)) as Head
    const data = schema === NEWEST_SCHEMA ? head.d : upcast(type, schema, head.d)
    const sections = data['sections'] as Record<string, string> | undefined
    if (sections) data['sections'] = openSections(sections, place, keyring)
    if (data['content']) {
      const text = withText ? body.toString('utf8', headEnd) : ''
      ;(data['content'] as { text: string }).text = text
    }
    return { id, stream, revision, position, type, data, metadata: head.m } as unknown as RecordedEvent
  } catch (cause) {
    throw new UnreadableEvent(stored, cause)
  }
}

function takeText(event: NewEvent<EverpostEvent>): { payload: object; text: string } {
  if (!('content' in event.data)) return { payload: event.data, text: '' }
  const { text, ...content } = event.data.content
  return { payload: { ...event.data, content }, text }
}

function sealSections(sections: Record<string, object>, place: string, keyring: Keyring): Record<string, string> {
  const sealed: Record<string, string> = {}
  for (const [account, section] of Object.entries(sections)) {
    const key = keyOf(keyring, account)
    sealed[account] = seal(key, `${place}|${account}`, Buffer.from(JSON.stringify(section)), EMPTY).toString('base64')
  }
  return sealed
}

function openSections(sections: Record<string, string>, place: string, keyring: Keyring): Record<string, unknown> {
  const opened: Record<string, unknown> = {}
  for (const [account, sealed] of Object.entries(sections)) {
    const key = keyring.dataKey(account)
    if (key) opened[account] = JSON.parse(open(key, `${place}|${account}`, Buffer.from(sealed, 'base64')).toString())
  }
  return opened
}

function keyOf(keyring: Keyring, owner: string): Uint8Array {
  const key = keyring.dataKey(owner)
  if (!key) throw new NoDataKey(owner)
  return key
}

/** 4 KiB of randomness at a time: asking for 12 bytes each costs more than the encryption. */
const noise = Buffer.alloc(4096)
let used = noise.length
function nonce(): Buffer {
  if (used + NONCE > noise.length) {
    randomFillSync(noise)
    used = 0
  }
  return noise.subarray(used, (used += NONCE))
}

const EMPTY = Buffer.alloc(0)

function seal(key: Uint8Array, place: string, plain: Buffer, prefix: Buffer, packable = true): Buffer {
  const { mark, bytes } = packable ? pack(plain) : { mark: 0, bytes: plain }
  const iv = nonce()
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(place))
  const flag = cipher.update(Buffer.from([mark]))
  const body = cipher.update(bytes)
  cipher.final()
  return Buffer.concat([prefix, iv, flag, body, cipher.getAuthTag()])
}

function open(key: Uint8Array, place: string, sealed: Buffer): Buffer {
  const end = sealed.length - TAG
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE)).setAAD(Buffer.from(place))
  decipher.setAuthTag(sealed.subarray(end))
  const plain = decipher.update(sealed.subarray(NONCE, end))
  decipher.final()
  return unpack(plain[0] ?? 0, plain.subarray(1), MAX_UNPACKED)
}

const OWN = Buffer.from(JSON.stringify({ v: NEWEST_SCHEMA }))

/** Readable without a key: the schema, and whose key it is where the stream's name does not say so. */
function metadataOf(stream: string, owner: string): Uint8Array {
  return accountOfStream(stream) === owner ? OWN : Buffer.from(JSON.stringify({ v: NEWEST_SCHEMA, k: owner }))
}

function readMetadata(stored: StoredEvent): { owner: string; schema: number } {
  const { v, k } = JSON.parse(Buffer.from(stored.metadata).toString()) as { v: number; k?: string }
  return { schema: v, owner: k ?? accountOfStream(stored.stream) ?? 'system' }
}
