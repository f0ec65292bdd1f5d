// The files in a message as streams of decoded bytes, whole or a range of them.
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import { partAt } from '../../domain/mail/sections.ts'
import type { Attachment, MimePart } from '../../domain/mail/structure.ts'
import { decodeTransfer, transferDecoder } from '../../domain/mail/transfer.ts'
import { uuFile } from '../../domain/mail/uuencode.ts'
import type { BlobRef, MessageContent } from '../../domain/mailbox/mailbox.ts'
import type { MessageBodies } from './message-bodies.ts'

export interface MessageFile {
  readonly filename: string
  readonly type: string
  /** Names the bytes: the same tag, the same bytes. */
  readonly tag: string
  size(): Promise<number>
  /** Bytes `from` to `to` (exclusive). */
  stream(from: number, to: number): AsyncIterable<Uint8Array>
}

/** A uuencoded file lies inside a text: it is taken out of the whole, so the text may not be endless. */
const MAX_UU_TEXT = 30 * 1024 * 1024
const KNOWN_SIZES = 10_000

export class MessageFiles {
  readonly #blobs: MessageBlobs
  readonly #bodies: MessageBodies
  /** Decoded sizes by blob and section: counted once, so that ranges of large files need no second pass. */
  readonly #sizes = new Map<string, number>()

  constructor(blobs: MessageBlobs, bodies: MessageBodies) {
    this.#blobs = blobs
    this.#bodies = bodies
  }

  /** The message as it was received. */
  raw(content: MessageContent): MessageFile {
    const { blob } = content
    return {
      filename: `${content.envelope.subject.slice(0, 100) || 'message'}.eml`,
      type: 'message/rfc822',
      tag: blob.id.slice(0, 32),
      size: async () => blob.size,
      stream: (from, to) => this.#blobs.stream(blob, from, to),
    }
  }

  /** The file or text at an IMAP section, or a uuencoded file at `1.uu1`; undefined when there is none. */
  async at(content: MessageContent, section: string): Promise<MessageFile | undefined> {
    if (section.length > 200) return undefined
    const uu = /^(.*)\.uu([1-9]\d{0,3})$/.exec(section)
    const part = partAt(await this.#bodies.root(content), uu?.[1] ?? section)
    if (!part || part.parts || section === '') return undefined
    const listed = (await this.#bodies.attachments(content)).find((each) => each.section === section)
    const tag = `${content.blob.id.slice(0, 32)}-${section}`
    if (uu) return listed && this.#uuencoded(content.blob, part, Number(uu[2]), listed, tag)
    const { blob } = content
    return {
      filename: listed?.filename ?? `part-${section}`,
      type: part.type,
      tag,
      size: () => this.#size(blob, part, tag),
      stream: (from, to) => this.#decoded(blob, part, from, to),
    }
  }

  async #uuencoded(
    blob: BlobRef,
    part: MimePart,
    number: number,
    { filename, type }: Attachment,
    tag: string,
  ): Promise<MessageFile | undefined> {
    if (part.bodyEnd - part.bodyStart > MAX_UU_TEXT) return undefined
    const body = await this.#blobs.read(blob, part.bodyStart, part.bodyEnd)
    const file = uuFile(decodeTransfer(body, part.encoding), number)
    if (!file) return undefined
    const { bytes } = file
    return {
      filename,
      type,
      tag,
      size: async () => bytes.length,
      async *stream(from, to) {
        yield bytes.subarray(from, to)
      },
    }
  }

  async #size(blob: BlobRef, part: MimePart, tag: string): Promise<number> {
    if (isPlain(part)) return part.bodyEnd - part.bodyStart
    let size = this.#sizes.get(tag)
    if (size !== undefined) return size
    size = 0
    for await (const chunk of this.#decode(blob, part)) size += chunk.length
    if (this.#sizes.size >= KNOWN_SIZES) this.#sizes.clear()
    this.#sizes.set(tag, size)
    return size
  }

  async *#decoded(blob: BlobRef, part: MimePart, from: number, to: number): AsyncGenerator<Uint8Array> {
    if (isPlain(part)) {
      yield* this.#blobs.stream(blob, part.bodyStart + from, part.bodyStart + to)
      return
    }
    let at = 0
    for await (const chunk of this.#decode(blob, part)) {
      const piece = chunk.subarray(Math.max(0, from - at), Math.max(0, to - at))
      at += chunk.length
      if (piece.length > 0) yield piece
      if (at >= to) return
    }
  }

  async *#decode(blob: BlobRef, part: MimePart): AsyncGenerator<Uint8Array> {
    const decoder = transferDecoder(part.encoding)
    for await (const chunk of this.#blobs.stream(blob, part.bodyStart, part.bodyEnd)) yield decoder.push(chunk)
    yield decoder.end()
  }
}

const isPlain = (part: MimePart): boolean => !/^(?:base64|quoted-printable|(?:x-)?uu(?:e|encode))$/i.test(part.encoding)
