// The bytes after DATA: small messages in memory, large ones straight to the blob store, read as they pass.
import type { Readable } from 'node:stream'
import type { MessageBlobs, MessageBlobWriter } from '../../commands/ports/blob-store.ts'
import { MailReader, readMail } from '../../domain/mail/read.ts'
import type { MailContent } from '../../domain/mail/structure.ts'
import type { BlobRef } from '../../domain/mailbox/mailbox.ts'
import { countHops } from './trace.ts'

/** Up to here a message is held in memory. */
export const IN_MEMORY_BYTES = 1024 * 1024
export const MAX_HOPS = 50

export interface TakenMessage {
  readonly blob: BlobRef
  /** Resolves once the raw bytes are durable. Whoever takes the message waits for it before acknowledging. */
  readonly stored: Promise<void>
  readonly mail: MailContent
  /** All of a message that is held in memory, the first `IN_MEMORY_BYTES` of any other. */
  readonly beginning: () => Promise<Uint8Array>
}

export class IntakeRefusal extends Error {
  readonly responseCode: number
  constructor(responseCode: number, message: string) {
    super(message)
    this.responseCode = responseCode
  }
}

/**
 * Reads a message to its end, puts `prefix` (which may depend on the first bytes) before it, starts to store it and reads it. Beyond `maxBytes` the rest is drained, nothing is kept, and the answer is 552.
 */
export async function takeMessage(
  source: Readable,
  blobs: MessageBlobs,
  prefix: (beginning: Uint8Array) => string,
  maxBytes: number,
): Promise<TakenMessage> {
  let chunks: Buffer[] = []
  let held = 0
  let total = 0
  let large: { writer: MessageBlobWriter; reader: MailReader } | undefined
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      total += chunk.length
      if (total > maxBytes) {
        await large?.writer.abort()
        large = undefined
        chunks = []
        source.resume()
        continue
      }
      if (large) {
        large.reader.push(chunk)
        await large.writer.write(chunk)
        continue
      }
      chunks.push(chunk)
      held += chunk.length
      if (held > IN_MEMORY_BYTES) {
        large = { writer: await blobs.begin(), reader: new MailReader() }
        const beginning = prefixed(chunks, prefix)
        chunks = []
        large.reader.push(beginning)
        await large.writer.write(beginning)
      }
    }
    if (total > maxBytes) throw new IntakeRefusal(552, `5.3.4 The message is larger than ${maxBytes} bytes`)
    if (large) {
      const blob = await large.writer.finish()
      const beginning = () => blobs.read(blob, 0, IN_MEMORY_BYTES)
      return { mail: large.reader.end(), blob, stored: Promise.resolve(), beginning }
    }
  } catch (error) {
    await large?.writer.abort().catch(() => undefined)
    throw error
  }
  const raw = prefixed(chunks, prefix)
  const { ref, durable } = blobs.stage(raw)
  // Awaited by the taker; a failure in between must not count as unhandled.
  durable.catch(() => undefined)
  return { mail: readMail(raw), blob: ref, stored: durable, beginning: async () => raw }
}

function prefixed(chunks: readonly Buffer[], prefix: (beginning: Uint8Array) => string): Buffer {
  const beginning = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
  if (countHops(beginning) >= MAX_HOPS)
    throw new IntakeRefusal(554, `5.4.6 Too many hops: this message goes round in circles`)
  return Buffer.concat([Buffer.from(prefix(beginning)), beginning])
}
