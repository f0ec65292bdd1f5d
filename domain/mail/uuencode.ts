// uuencode: as a transfer encoding, and the `begin 644 name` blocks that old mailers left in text bodies.
import { asBuffer } from './charset.ts'

const MAX_LINE = 256
const BEGIN = /^begin(?:-base64)? [0-7]{3,4} (\S.*?)\s*$/

/** Decodes the first block; lines before `begin` and after `end` are passed over. */
export class UuDecoder {
  #line: Buffer = Buffer.alloc(0)
  #state: 'before' | 'inside' | 'after' = 'before'

  push(chunk: Uint8Array): Uint8Array {
    const bytes = this.#line.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#line, chunk])
    const out = Buffer.allocUnsafe(bytes.length)
    let length = 0
    let from = 0
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from)) {
      length = this.#decodeLine(bytes, from, end, out, length)
      from = end + 1
    }
    const rest = bytes.subarray(from)
    // A line that is too long to be uuencoded needs no memory beyond what shows that it is too long.
    this.#line = Buffer.from(rest.length > MAX_LINE ? rest.subarray(0, MAX_LINE) : rest)
    return out.subarray(0, length)
  }

  end(): Uint8Array {
    return this.push(Uint8Array.of(10))
  }

  #decodeLine(bytes: Buffer, from: number, to: number, out: Buffer, at: number): number {
    if (this.#state === 'after' || to - from >= MAX_LINE) return at
    if (this.#state === 'before') {
      if (BEGIN.test(bytes.toString('latin1', from, to))) this.#state = 'inside'
      return at
    }
    const count = ((bytes[from] as number) - 32) & 63
    if (to - from >= 3 && bytes.toString('latin1', from, to).trimEnd() === 'end') {
      this.#state = 'after'
      return at
    }
    let length = at
    const limit = at + count
    for (let i = from + 1; length < limit && i < to; i += 4) {
      const a = sextet(bytes, i, to)
      const b = sextet(bytes, i + 1, to)
      const c = sextet(bytes, i + 2, to)
      const d = sextet(bytes, i + 3, to)
      if (length < limit) out[length++] = (a << 2) | (b >> 4)
      if (length < limit) out[length++] = (b << 4) | (c >> 2)
      if (length < limit) out[length++] = (c << 6) | d
    }
    return length
  }
}

function sextet(bytes: Buffer, at: number, end: number): number {
  return at < end ? ((bytes[at] as number) - 32) & 63 : 0
}

/** One file inside a text body; offsets are in the text. */
export interface UuBlock {
  readonly filename: string
  readonly start: number
  /** After the `end` line; the text's length when that is missing. */
  readonly end: number
  /** Decoded size, summed from the line lengths. */
  readonly size: number
}

/** The uuencoded files in a text (one character per byte, or decoded: the coding is ASCII). At most 100. Linear. */
export function uuBlocks(text: string): UuBlock[] {
  const blocks: UuBlock[] = []
  for (let at = nextBegin(text, 0); at !== -1 && blocks.length < 100; ) {
    const firstEnd = text.indexOf('\n', at)
    if (firstEnd === -1) break
    const begin = firstEnd - at > 300 ? null : BEGIN.exec(text.slice(at, firstEnd).replace(/\r$/, ''))
    const first = begin === null ? -1 : uuLine(text, firstEnd + 1)
    if (begin === null || first <= 0) {
      at = nextBegin(text, firstEnd)
      continue
    }
    let size = 0
    let from = firstEnd + 1
    for (let bytes = first; bytes >= 0; bytes = uuLine(text, from)) {
      size += bytes
      const end = text.indexOf('\n', from)
      from = end === -1 ? text.length : end + 1
      if (end === -1) break
    }
    const last = text.indexOf('\n', from)
    const lastLine = text.slice(from, last === -1 ? Math.min(text.length, from + 10) : Math.min(last, from + 10))
    const end = lastLine.trim() === 'end' ? (last === -1 ? text.length : last + 1) : from
    blocks.push({ filename: begin[1] as string, start: at, end, size })
    at = nextBegin(text, end - 1)
  }
  return blocks
}

/** Decoded bytes of the `index`-th (from 1) uuencoded file of a text body, for download. */
export function uuFile(body: Uint8Array, index: number): { filename: string; bytes: Uint8Array } | undefined {
  const text = asBuffer(body).toString('latin1')
  const block = uuBlocks(text)[index - 1]
  if (block === undefined) return undefined
  const decoder = new UuDecoder()
  const bytes = decoder.push(Buffer.from(text.slice(block.start, block.end), 'latin1'))
  const rest = decoder.end()
  return { filename: block.filename, bytes: rest.length === 0 ? bytes : Buffer.concat([bytes, rest]) }
}

function nextBegin(text: string, from: number): number {
  if (from === 0 && text.startsWith('begin ')) return 0
  const at = text.indexOf('\nbegin ', Math.max(from, 0))
  return at === -1 ? -1 : at + 1
}

/** How many bytes the uuencoded line at `from` holds, or -1 when it is none. */
function uuLine(text: string, from: number): number {
  const newline = text.indexOf('\n', from)
  let end = newline === -1 ? text.length : newline
  if (end > from && text.charCodeAt(end - 1) === 0x0d) end--
  if (end <= from || end - from > 90) return -1
  const code = text.charCodeAt(from)
  if (code < 0x20 || code > 0x60) return -1
  const count = (code - 32) & 63
  const groups = Math.ceil(count / 3) * 4
  // Trailing blanks are often lost on the way; a checksum character may follow.
  if (end - from - 1 > groups + 2) return -1
  if (text.slice(from, end) === 'end') return -1
  return count
}
