// How an event's payload becomes bytes that only its owner's data key opens, and back.
//
//   data     = version(1) coreLength(u32 LE) core content
//   core     = sealed; what every reader needs. The content of arrivals lies behind it, so that replaying folders and flags opens none
//   content  = sealed; for arrivals only, and never missing there
//   sealed   = nonce(12) ciphertext tag(16) of  packing(1) body;  the packing is that of ../packing.ts
//
//   body of core    = count(1) facts(count * 6, LE) JSON {d: payload without content, m: event metadata}
//   facts           = of arrivals, else none: size of the raw message, then its thread keys (projections/mailbox/threads.ts)
//   body of content = length(u32 LE) JSON(length) of the content without extracted text, then that text as UTF-8
//
// Payloads with `sections` (one per account) carry each section as base64 of the same sealing under that account's key, inside a
// core sealed by the system key. The stream, type and id are authenticated with every part, so no part can be moved elsewhere.
import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto'
import type { EventToAppend, StoredEvent } from '../../../commands/ports/event-store.ts'
import { type Keyring, KeysNotLoaded, NoDataKey } from '../../../commands/ports/keyring.ts'
import type { EverpostEvent, RecordedEvent } from '../../../domain/events.ts'
import { accountOfStream, type EventMetadata, isRedacted, type NewEvent, type Redacted } from '../../../domain/log.ts'
import type { MessageContent } from '../../../domain/mailbox/mailbox.ts'
import { threadKeysOf } from '../../../projections/mailbox/threads.ts'
import type { ArrivalFacts } from '../../../projections/ports/event-source.ts'
import { packEventPart, unpack } from '../packing.ts'
import { NEWEST_SCHEMA, NewerSchema, upcast } from './upcast.ts'

const VERSION = 1
const NONCE = 12
const TAG = 16
/** Version and length of the core. */
const START = 5
/** Bytes of one fact: sizes and keys are below 2^48. */
const FACT = 6
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
  const { payload, content } = takeContent(event)
  const sections = (event.data as { sections?: Record<string, object> }).sections
  const d = sections ? { ...payload, sections: sealSections(sections, place, keyring) } : payload
  const facts = content === undefined ? [] : [content.blob.size, ...threadKeysOf(content.envelope)]
  const json = JSON.stringify({ d, m: event.metadata })
  const at = 1 + facts.length * FACT
  const body = Buffer.allocUnsafe(at + Buffer.byteLength(json))
  body[0] = facts.length
  for (const [i, fact] of facts.entries()) body.writeUIntLE(fact, 1 + i * FACT, FACT)
  body.write(json, at)
  // Sealed sections look like noise: nothing to gain by packing them.
  const core = seal(key, place, body, sections === undefined)
  const start = Buffer.allocUnsafe(START)
  start[0] = VERSION
  start.writeUInt32LE(core.length, 1)
  const parts = content === undefined ? [start, core] : [start, core, sealContent(key, place, content)]
  const data = Buffer.concat(parts)
  return { id: event.id, type: event.type, data, metadata: metadataOf(stream, event.owner) }
}

/** Opens all of a stored event in its newest schema; `Redacted` when its owner's key is gone. Without `withText` the text is ''. */
export function openEvent(
  stored: StoredEvent,
  keyring: Pick<Keyring, 'dataKey'>,
  withText: boolean,
): RecordedEvent | Redacted {
  const event = openLazily(stored, keyring, withText)
  if (event.type === 'MessageReceived' || event.type === 'MessageAppended') {
    // Opens it: what is damaged must be known before anyone relies on the rest.
    if (!isRedacted(event)) event.data.content
  }
  return event
}

/**
 * As `openEvent`, but the content of an arrival is opened when somebody first asks for it: `data.content` throws `UnreadableEvent`
 * then, should it be damaged. `facts` are there without it.
 */
export function openLazily(
  stored: StoredEvent,
  keyring: Pick<Keyring, 'dataKey'>,
  withText: boolean,
): (RecordedEvent & { readonly facts?: ArrivalFacts }) | Redacted {
  const { id, stream, revision, position, type } = stored
  const place = `${stream}|${type}|${id}`
  try {
    const { owner, schema } = readMetadata(stored)
    const key = keyring.dataKey(owner)
    if (!key) return { id, stream, revision, position, type, redacted: true }
    const bytes = Buffer.from(stored.data.buffer, stored.data.byteOffset, stored.data.length)
    if (bytes[0] !== VERSION) throw new Error(`Sealing version ${bytes[0]} is not known`)
    const coreEnd = START + bytes.readUInt32LE(1)
    if (coreEnd > bytes.length) throw new Error('It is cut')
    const body = open(key, place, bytes.subarray(START, coreEnd))
    const count = body[0] ?? 0
    const { d, m } = JSON.parse(body.toString('utf8', 1 + count * FACT)) as Head
    if (count === 0) {
      if (coreEnd !== bytes.length) throw new Error('Something was added to it')
      const data = schema === NEWEST_SCHEMA ? d : upcast(type, schema, d)
      const sections = data['sections'] as Record<string, string> | undefined
      if (sections) data['sections'] = openSections(sections, place, keyring)
      return { id, stream, revision, position, type, data, metadata: m } as unknown as RecordedEvent
    }
    const threadKeys: number[] = []
    for (let i = 1; i < count; i++) threadKeys.push(body.readUIntLE(1 + i * FACT, FACT))
    const facts: ArrivalFacts = { size: body.readUIntLE(1, FACT), threadKeys }
    const sealed: SealedContent = { stored, key, place, bytes: bytes.subarray(coreEnd), withText }
    let data = d
    if (schema === NEWEST_SCHEMA) lazyContent(data, sealed)
    else data = upcast(type, schema, { ...d, content: openContent(sealed) })
    return { id, stream, revision, position, type, data, metadata: m, facts } as unknown as RecordedEvent
  } catch (cause) {
    if (cause instanceof UnreadableEvent || cause instanceof KeysNotLoaded) throw cause
    throw new UnreadableEvent(stored, cause)
  }
}

/** Whose keys open a stored event, as far as can be told from outside. */
export const ownerOfStored = (stored: StoredEvent): string => readMetadata(stored).owner

/** Whose keys seal an event. */
export const ownersOf = (event: NewEvent<EverpostEvent>): readonly string[] => [
  event.owner,
  ...Object.keys((event.data as { sections?: Record<string, object> }).sections ?? {}),
]

function takeContent(event: NewEvent<EverpostEvent>): { payload: object; content?: MessageContent } {
  if (!('content' in event.data)) return { payload: event.data }
  const { content, ...payload } = event.data
  return { payload, content }
}

function sealContent(key: Uint8Array, place: string, { text, ...content }: MessageContent): Buffer {
  const json = JSON.stringify(content)
  const length = Buffer.byteLength(json)
  const body = Buffer.allocUnsafe(4 + length + Buffer.byteLength(text))
  body.writeUInt32LE(length)
  body.write(json, 4)
  body.write(text, 4 + length)
  return seal(key, `${place}|content`, body)
}

interface SealedContent {
  readonly stored: StoredEvent
  readonly key: Uint8Array
  readonly place: string
  readonly bytes: Buffer
  readonly withText: boolean
}

function openContent({ stored, key, place, bytes, withText }: SealedContent): MessageContent {
  try {
    const body = open(key, `${place}|content`, bytes)
    const end = 4 + body.readUInt32LE()
    const content = JSON.parse(body.toString('utf8', 4, end)) as Omit<MessageContent, 'text'> & { text: string }
    content.text = withText ? body.toString('utf8', end) : ''
    return content
  } catch (cause) {
    throw new UnreadableEvent(stored, cause)
  }
}

const SEALED = Symbol('sealed content')
type Lazy = { [SEALED]: SealedContent }

/** One descriptor for all, so that all payloads keep one shape. */
const CONTENT: PropertyDescriptor & ThisType<Lazy> = {
  configurable: true,
  enumerable: true,
  get() {
    const value = openContent(this[SEALED])
    Object.defineProperty(this, 'content', { value, enumerable: true, configurable: true, writable: false })
    return value
  },
}

function lazyContent(data: object, sealed: SealedContent): void {
  Object.defineProperty(data, SEALED, { value: sealed })
  Object.defineProperty(data, 'content', CONTENT)
}

function sealSections(sections: Record<string, object>, place: string, keyring: Keyring): Record<string, string> {
  const sealed: Record<string, string> = {}
  for (const [account, section] of Object.entries(sections)) {
    const key = keyOf(keyring, account)
    sealed[account] = seal(key, `${place}|${account}`, Buffer.from(JSON.stringify(section)), false).toString('base64')
  }
  return sealed
}

function openSections(
  sections: Record<string, string>,
  place: string,
  keyring: Pick<Keyring, 'dataKey'>,
): Record<string, unknown> {
  const opened: Record<string, unknown> = {}
  const keys = keysOf(keyring, Object.keys(sections))
  for (const [account, sealed] of Object.entries(sections)) {
    const key = keys.get(account)
    if (key) opened[account] = JSON.parse(open(key, `${place}|${account}`, Buffer.from(sealed, 'base64')).toString())
  }
  return opened
}

function keysOf(
  keyring: Pick<Keyring, 'dataKey'>,
  accounts: readonly string[],
): ReadonlyMap<string, Uint8Array | undefined> {
  const missing: string[] = []
  const keys = new Map<string, Uint8Array | undefined>()
  for (const account of accounts) {
    try {
      keys.set(account, keyring.dataKey(account))
    } catch (error) {
      if (!(error instanceof KeysNotLoaded)) throw error
      missing.push(account)
    }
  }
  if (missing.length > 0) throw new KeysNotLoaded(missing)
  return keys
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

function seal(key: Uint8Array, place: string, plain: Buffer, packable = true): Buffer {
  const { mark, bytes } = packable ? packEventPart(plain) : { mark: 0, bytes: plain }
  const iv = nonce()
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(place))
  const flag = cipher.update(Buffer.from([mark]))
  const body = cipher.update(bytes)
  cipher.final()
  return Buffer.concat([iv, flag, body, cipher.getAuthTag()])
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
  const { metadata } = stored
  if (metadata.length === OWN.length && OWN.equals(metadata))
    return { schema: NEWEST_SCHEMA, owner: accountOfStream(stored.stream) ?? 'system' }
  const { v, k } = JSON.parse(Buffer.from(metadata).toString()) as { v: number; k?: string }
  return { schema: v, owner: k ?? accountOfStream(stored.stream) ?? 'system' }
}
