// A message as a script sees it: header fields that may be edited on the way (RFC 5293), addresses, and the texts of its body.
import { readAddressList } from '../mail/address.ts'
import { decodePartText } from '../mail/body-text.ts'
import { asBuffer } from '../mail/charset.ts'
import { decodeHeaderText } from '../mail/encoded-word.ts'
import { headerFields, unfold, VALUE_BYTES } from '../mail/header.ts'
import { htmlToText } from '../mail/html-text.ts'
import { walkParts } from '../mail/sections.ts'
import type { MimePart } from '../mail/structure.ts'
import { decodeTransfer } from '../mail/transfer.ts'
import type { Subject } from './match.ts'
import type { FieldIndex } from './program.ts'

export interface SieveInput {
  /** The message, or as much of its beginning as the rules may look into; the whole header in any case. */
  readonly raw: Uint8Array
  /** Bytes of the whole message. */
  readonly size: number
  /** Its part tree, with ranges in `raw`. */
  readonly root: MimePart
}

/** One header field with everything up to the next. */
export class Field {
  /** Lowercase. */
  readonly name: string
  /** One character per byte, the line break at its end included. */
  readonly raw: string
  readonly #valueStart: number
  #value: Subject | undefined
  #addresses: readonly string[] | undefined

  constructor(name: string, raw: string, valueStart: number) {
    this.name = name
    this.raw = raw
    this.#valueStart = valueStart
  }

  /** Decoded, unfolded, without white space at its ends (RFC 5228 §2.4.2.2). */
  get value(): Subject {
    return (this.#value ??= { text: decodeHeaderText(this.#unfolded).trim() })
  }

  /** `local@domain`, or a bare word as old systems write the people of their own. What is no address is left out. */
  get addresses(): readonly string[] {
    return (this.#addresses ??= readAddressList(this.#unfolded)
      .map(({ address, name = '' }) => address || (/^[\w.+-]+$/.test(name) ? name : ''))
      .filter((address) => address !== ''))
  }

  get #unfolded(): string {
    return unfold(this.raw.slice(this.#valueStart, this.#valueStart + VALUE_BYTES))
  }
}

/** The header at one moment of a script. Unchangeable: an edit makes another. */
export class Header {
  readonly fields: readonly Field[]
  readonly #byName = new Map<string, Field[]>()

  constructor(fields: readonly Field[]) {
    this.fields = fields
    for (const field of fields) {
      const same = this.#byName.get(field.name)
      if (same) same.push(field)
      else this.#byName.set(field.name, [field])
    }
  }

  /** The fields of a name in any case, from the top. */
  named(name: string): readonly Field[] {
    return this.#byName.get(name.toLowerCase()) ?? []
  }
}

/** The n-th of the fields, or all of them. */
export function pickFields(fields: readonly Field[], index: FieldIndex | undefined): readonly Field[] {
  if (index === undefined) return fields
  const field = index.last ? fields[fields.length - index.number] : fields[index.number - 1]
  return field === undefined ? [] : [field]
}

/** Texts of one message that one script may look at, in characters. */
const MAX_BODY_TEXT = 2 * 1024 * 1024

export class SieveMessage {
  readonly size: number
  readonly #raw: Buffer
  readonly #root: MimePart
  #header: Header | undefined
  #rawBody: readonly Subject[] | undefined
  #texts: readonly Subject[] | undefined
  readonly #contents = new Map<MimePart, Subject>()

  constructor({ raw, size, root }: SieveInput) {
    this.size = size
    this.#raw = asBuffer(raw)
    this.#root = root
  }

  /** The header as it came. */
  get header(): Header {
    if (this.#header) return this.#header
    const end = Math.min(this.#root.bodyStart, this.#raw.length)
    const found = headerFields(this.#raw, { headerStart: 0, bodyStart: end })
    const fields = found.map(({ name, start, valueStart }, i) => {
      const next = found[i + 1]?.start ?? this.#headerEnd(end)
      return new Field(name.toLowerCase(), this.#raw.toString('latin1', start, next), valueStart - start)
    })
    this.#header = new Header(fields)
    return this.#header
  }

  /** The raw body (RFC 5173 §5.1). */
  get rawBody(): readonly Subject[] {
    return (this.#rawBody ??= [{ text: this.#raw.toString('utf8', this.#root.bodyStart) }])
  }

  /** The texts to read, HTML without its marks (RFC 5173 §5.3). */
  get texts(): readonly Subject[] {
    if (this.#texts) return this.#texts
    const texts: Subject[] = []
    let room = MAX_BODY_TEXT
    for (const { part } of walkParts(this.#root)) {
      if (part.parts !== undefined || part.message !== undefined || !part.type.startsWith('text/') || room <= 0)
        continue
      const text = decodePartText(this.#bytes(part), part)
      const plain = part.type === 'text/html' ? htmlToText(text, room) : text.slice(0, room)
      room -= plain.length
      texts.push({ text: plain })
    }
    this.#texts = texts
    return texts
  }

  /** Decoded parts of the given content types (RFC 5173 §5.2): '' is any, 'text' a whole family, 'text/html' one type. */
  contents(types: readonly string[]): readonly Subject[] {
    const wanted = types.map((type) => type.toLowerCase())
    const found: Subject[] = []
    for (const { part } of walkParts(this.#root)) {
      const family = part.type.slice(0, part.type.indexOf('/'))
      if (wanted.some((type) => type === '' || type === part.type || type === family)) found.push(this.#contentOf(part))
    }
    return found
  }

  #contentOf(part: MimePart): Subject {
    const known = this.#contents.get(part)
    if (known) return known
    const content = { text: this.#read(part) }
    this.#contents.set(part, content)
    return content
  }

  #read(part: MimePart): string {
    if (part.parts !== undefined) {
      // What stands before the first part and behind the last belongs to no part.
      const first = part.parts[0]?.headerStart ?? part.bodyEnd
      const last = part.parts.at(-1)?.bodyEnd ?? part.bodyEnd
      return this.#raw.toString('utf8', part.bodyStart, first) + this.#raw.toString('utf8', last, part.bodyEnd)
    }
    if (part.message !== undefined) {
      const { headerStart, bodyStart } = part.message.root
      return headerFields(this.#raw, { headerStart, bodyStart: Math.min(bodyStart, this.#raw.length) })
        .map(({ start, end }) =>
          decodeHeaderText(unfold(this.#raw.toString('latin1', start, Math.min(end, start + VALUE_BYTES)))),
        )
        .join('\n')
    }
    const bytes = this.#bytes(part)
    return part.type.startsWith('text/')
      ? decodePartText(bytes, part)
      : asBuffer(decodeTransfer(bytes, part.encoding)).toString('utf8')
  }

  #bytes({ bodyStart, bodyEnd }: MimePart): Buffer {
    return this.#raw.subarray(Math.min(bodyStart, this.#raw.length), Math.min(bodyEnd, this.#raw.length))
  }

  /** Where the empty line between header and body begins. */
  #headerEnd(end: number): number {
    if (this.#raw[end - 1] !== 0x0a) return end
    if (end >= 2 && this.#raw[end - 2] === 0x0a) return end - 1
    if (end >= 3 && this.#raw[end - 2] === 0x0d && this.#raw[end - 3] === 0x0a) return end - 2
    // A body without header begins with the empty line.
    return end <= 2 ? 0 : end
  }
}
