// The bytes after DATA before anything is decided: small messages in memory, large ones sealed on disk, read as often as needed.
import type { Readable } from 'node:stream'
import type { MessageBlobs, MessageBlobWriter } from '../../commands/ports/blob-store.ts'
import { MailReader, readMail } from '../../domain/mail/read.ts'
import { IN_MEMORY_BYTES, IntakeRefusal, MAX_HOPS, type TakenMessage } from './message-intake.ts'
import { countHops } from './trace.ts'

/** A message as it was sent. */
export interface Spooled {
  /** All of a small message, the first MiB of a large one. */
  readonly beginning: Buffer
  readonly size: number
  read(): AsyncIterable<Uint8Array>
}

/** Reads a message to its end. Beyond `maxBytes` the rest is drained, nothing is kept, and the answer is 552. */
export async function spool(source: Readable, blobs: MessageBlobs, maxBytes: number): Promise<Spooled> {
  let chunks: Buffer[] = []
  let beginning: Buffer | undefined
  let writer: MessageBlobWriter | undefined
  let total = 0
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      total += chunk.length
      if (total > maxBytes) {
        await writer?.abort()
        writer = undefined
        chunks = []
        source.resume()
        continue
      }
      if (writer) {
        await writer.write(chunk)
        continue
      }
      chunks.push(chunk)
      if (total > IN_MEMORY_BYTES) {
        beginning = checked(Buffer.concat(chunks))
        chunks = []
        writer = await blobs.begin()
        await writer.write(beginning)
      }
    }
    if (total > maxBytes) throw new IntakeRefusal(552, `5.3.4 The message is larger than ${maxBytes} bytes`)
    if (writer && beginning) {
      const ref = await writer.finish()
      return { beginning, size: total, read: () => blobs.stream(ref) }
    }
  } catch (error) {
    await writer?.abort().catch(() => undefined)
    throw error
  }
  const raw = checked(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))
  return { beginning: raw, size: total, read: () => once(raw) }
}

function checked(beginning: Buffer): Buffer {
  if (countHops(beginning) >= MAX_HOPS)
    throw new IntakeRefusal(554, `5.4.6 Too many hops: this message goes round in circles`)
  return beginning
}

async function* once(raw: Uint8Array): AsyncGenerator<Uint8Array> {
  yield raw
}

/** What a message becomes: fields before it, byte ranges of its header left out. */
export interface Dress {
  readonly prefix: string
  /** Ascending, within the first MiB. */
  readonly without: readonly { readonly start: number; readonly end: number }[]
}

export interface DressedMessage {
  readonly beginning: Buffer
  readonly size: number
  readonly mail: TakenMessage['mail']
  read(): AsyncIterable<Uint8Array>
  /** Starts to store it. Whoever calls waits for `stored` before acknowledging. */
  store(): Promise<Pick<TakenMessage, 'blob' | 'stored'>>
}

/** The message as it will be stored, read but not stored yet. */
export async function dress(message: Spooled, how: Dress, blobs: MessageBlobs): Promise<DressedMessage> {
  const beginning = Buffer.concat([Buffer.from(how.prefix), ...kept(message.beginning, how.without)])
  const size = message.size + beginning.length - message.beginning.length
  if (message.size === message.beginning.length) {
    return {
      beginning,
      size,
      mail: readMail(beginning),
      read: () => once(beginning),
      store: async () => {
        const { ref, durable } = blobs.stage(beginning)
        // Awaited by the taker; a failure in between must not count as unhandled.
        durable.catch(() => undefined)
        return { blob: ref, stored: durable }
      },
    }
  }
  const read = () => rewritten(message, beginning)
  const reader = new MailReader()
  for await (const chunk of read()) reader.push(chunk)
  return {
    beginning,
    size,
    mail: reader.end(),
    read,
    // The fields on top need what stands at the end, so a large message is written twice; compaction takes the first copy.
    store: async () => {
      const writer = await blobs.begin()
      try {
        for await (const chunk of read()) await writer.write(chunk)
        return { blob: await writer.finish(), stored: Promise.resolve() }
      } catch (error) {
        await writer.abort().catch(() => undefined)
        throw error
      }
    },
  }
}

function kept(beginning: Buffer, without: Dress['without']): Buffer[] {
  const pieces: Buffer[] = []
  let at = 0
  for (const { start, end } of without) {
    pieces.push(beginning.subarray(at, start))
    at = end
  }
  pieces.push(beginning.subarray(at))
  return pieces
}

async function* rewritten(message: Spooled, beginning: Buffer): AsyncGenerator<Uint8Array> {
  yield beginning
  let passed = 0
  for await (const chunk of message.read()) {
    const skip = Math.max(0, message.beginning.length - passed)
    passed += chunk.length
    if (skip < chunk.length) yield chunk.subarray(skip)
  }
}
