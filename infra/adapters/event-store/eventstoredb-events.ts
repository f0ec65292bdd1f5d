// Between the port's events and those of the EventStoreDB client.
import type { BinaryEventData } from '@eventstore/db-client'
import type { EventToAppend, StoredEvent } from '../../../commands/ports/event-store.ts'

/** What the client hands out of a recorded event, as far as it matters here. */
export interface Recorded {
  readonly streamId: string
  readonly id: string
  readonly revision: bigint
  readonly type: string
  readonly data: unknown
  readonly metadata: unknown
  readonly position?: { readonly commit: bigint } | undefined
}

/**
 * The client parses metadata that is JSON, and would give back other bytes than it got when the text is not as JSON.stringify
 * writes it. Such a text goes behind a zero byte: then it is no JSON to the client.
 */
const RAW = 0

export function toEventData({ id, type, data, metadata }: EventToAppend): BinaryEventData {
  return { id, type, contentType: 'application/octet-stream', data: plain(data), metadata: keepable(metadata) }
}

/** Undefined for an event of another log on the same server, or of the server itself. */
export function toStored(event: Recorded | undefined, namespace: string, position?: bigint): StoredEvent | undefined {
  if (event === undefined || event.streamId.startsWith('$') || !event.streamId.startsWith(namespace)) return undefined
  return {
    stream: event.streamId.slice(namespace.length),
    id: event.id,
    type: event.type,
    revision: event.revision,
    position: event.position?.commit ?? position ?? 0n,
    data: event.data instanceof Uint8Array ? event.data : Buffer.from(JSON.stringify(event.data)),
    metadata: restored(event.metadata),
  }
}

/** The client tells plain byte arrays from everything else by their constructor. */
const plain = (bytes: Uint8Array): Uint8Array =>
  bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)

/** Nearly all events have one of very few metadata. */
const checked = new Map<string, boolean>()

function keepable(metadata: Uint8Array): Uint8Array {
  const text = Buffer.from(metadata.buffer, metadata.byteOffset, metadata.length).toString('latin1')
  let same = checked.get(text)
  if (same === undefined) {
    same = comesBack(metadata)
    if (text.length < 200) {
      if (checked.size > 1_000) checked.clear()
      checked.set(text, same)
    }
  }
  if (same) return plain(metadata)
  const raw = new Uint8Array(metadata.length + 1)
  raw[0] = RAW
  raw.set(metadata, 1)
  return raw
}

function comesBack(metadata: Uint8Array): boolean {
  if (metadata.length === 0) return true
  try {
    const value: unknown = JSON.parse(Buffer.from(metadata).toString())
    // Only objects: the client drops what is falsy.
    return typeof value === 'object' && value !== null && Buffer.from(JSON.stringify(value)).equals(metadata)
  } catch {
    return false
  }
}

function restored(metadata: unknown): Uint8Array {
  if (metadata === undefined) return new Uint8Array()
  if (metadata instanceof Uint8Array) return metadata[0] === RAW ? metadata.subarray(1) : metadata
  return Buffer.from(JSON.stringify(metadata))
}
