// The one pass over a message's bytes: header blocks, boundaries, exact ranges (RFC 2046 §5.1, RFC 5322 §2.2).
// No library: the ones there are either build every part in memory or lose the byte offsets that IMAP needs.
// Delimiters are looked for with the runtime's native search; no loop of ours runs over the bytes of an attachment.
import { asBuffer } from './charset.ts'
import { readFields } from './envelope.ts'
import type { MailLimits } from './limits.ts'
import { type Delimiter, PartTree } from './part-tree.ts'
import type { Envelope, MimePart } from './structure.ts'

/** Longest line that can be a delimiter or show whether it is a field; more of a line is never waited for. */
const LINE_BYTES = 1200
/** Bytes of all header blocks together that are looked at in full; after that 4 KiB of each. */
const ALL_HEADER_BYTES = 1024 * 1024
const LATER_HEADER_BYTES = 4096
/** Bytes of all text bodies together that are kept. */
const ALL_TEXT_BYTES = 1024 * 1024

const DASHES = Buffer.from('--')
const LINE_DASHES = Buffer.from('\n--')
const EMPTY = Buffer.alloc(0)

/** The beginning of a text part's body, still encoded. */
export interface Captured {
  readonly chunks: Buffer[]
  length: number
  readonly limit: number
}

export interface Scan {
  readonly root: MimePart
  readonly envelope: Envelope
  readonly texts: ReadonlyMap<MimePart, Captured>
  readonly size: number
  readonly defects: readonly string[]
}

export class MimeScanner {
  readonly #limits: MailLimits
  /** Whether chunks stay as they are after push, so that no copy is needed. */
  readonly #stable: boolean
  readonly #tree: PartTree
  readonly #texts = new Map<MimePart, Captured>()
  readonly #textLimit: (part: MimePart, type: string) => number
  #textBytes = 0
  #headerBytes = 0

  #state: 'header' | 'long-line' | 'body' = 'header'
  #pending: Buffer = EMPTY
  /** Offset in the message of the first byte that run() is looking at. */
  #offset = 0
  #stalled = false

  #headerStart = 0
  #block: string[] = []
  #blockBytes = 0
  #blockRoom: number

  /** Offset of the last place known to begin a line, and the length of the line break before it. */
  #lineStart = 0
  #lineBreak = 0
  #dashy = false
  #capture: Captured | undefined

  constructor(limits: MailLimits, stable: boolean, textLimit: (part: MimePart, type: string) => number) {
    this.#limits = limits
    this.#tree = new PartTree(limits)
    this.#stable = stable
    this.#textLimit = textLimit
    this.#blockRoom = limits.headerBytes
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    const data = this.#pending.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#pending, chunk])
    this.#pending = EMPTY
    this.#run(data, false)
  }

  end(): Scan {
    const data = this.#pending
    this.#pending = EMPTY
    this.#run(data, true)
    const size = this.#offset
    if (this.#state !== 'body') {
      this.#tree.defects.add('no-header-end')
      this.#endHeader(size)
      // A message part at the very end opens another, empty header block.
      while ((this.#state as string) !== 'body') this.#endHeader(size)
    }
    return { ...this.#tree.finish(size), texts: this.#texts, size, defects: [...this.#tree.defects] }
  }

  #run(data: Buffer, final: boolean): void {
    let at = 0
    this.#stalled = false
    while (at < data.length && !this.#stalled) {
      if (this.#state === 'header') at = this.#readHeader(data, at, final)
      else if (this.#state === 'long-line') at = this.#readLongLine(data, at)
      else at = this.#readBody(data, at, final)
    }
    this.#offset += at
    if (at < data.length) this.#pending = this.#stable ? data.subarray(at) : Buffer.from(data.subarray(at))
  }

  // Header blocks

  #readHeader(data: Buffer, from: number, final: boolean): number {
    let line = from
    while (line < data.length) {
      const newline = data.indexOf(10, line)
      const complete = newline !== -1
      const end = complete ? newline + 1 : data.length
      if (!complete && !final && end - line <= LINE_BYTES) {
        this.#keepHeader(data, from, line)
        this.#stalled = true
        return line
      }
      switch (this.#lineKind(data, line, end)) {
        case 'empty':
          this.#keepHeader(data, from, line)
          this.#tree.count(data, line, end)
          this.#endHeader(this.#offset + end)
          return end
        case 'delimiter':
        case 'other':
          this.#keepHeader(data, from, line)
          this.#tree.defects.add('no-header-end')
          this.#endHeader(this.#offset + line)
          return line
        case 'field':
          if (!complete) {
            this.#keepHeader(data, from, end)
            if (!final) this.#state = 'long-line'
            return end
          }
          line = end
      }
    }
    this.#keepHeader(data, from, line)
    return line
  }

  #readLongLine(data: Buffer, from: number): number {
    const newline = data.indexOf(10, from)
    const end = newline === -1 ? data.length : newline + 1
    this.#keepHeader(data, from, end)
    if (newline !== -1) this.#state = 'header'
    return end
  }

  #lineKind(data: Buffer, line: number, end: number): 'empty' | 'field' | 'delimiter' | 'other' {
    const first = data[line] as number
    if (
      first === 10 ||
      (first === 13 && (end - line === 1 || data[line + 1] === 10 || (data[line + 1] === 13 && data[line + 2] === 10)))
    )
      return 'empty'
    const atStart = this.#offset + line === this.#headerStart
    const length = Math.min(end - line, LINE_BYTES)
    if (first === 0x20 || first === 0x09) {
      // A first line that is indented: at the top of a message it is stray, in a part it is rather the body.
      if (!atStart || this.#tree.innermost !== 'multipart') return 'field'
      return end - line <= LINE_BYTES && data.toString('latin1', line, end).trim() === '' ? 'empty' : 'other'
    }
    if (
      first === 0x2d &&
      this.#tree.openBoundaries > 0 &&
      data[line + 1] === 0x2d &&
      matchLine(this.#tree, data, line, end) !== undefined
    )
      return 'delimiter'
    if (nameEndsWithColon(data, line, line + length)) return 'field'
    // The line that mbox files put before a message, also quoted.
    if (atStart && (first === 0x46 || first === 0x3e) && this.#tree.innermost !== 'multipart') {
      if (/^>?From [^:]/.test(data.toString('latin1', line, line + Math.min(length, 10)))) return 'field'
    }
    return 'other'
  }

  #keepHeader(data: Buffer, from: number, to: number): void {
    if (to <= from) return
    this.#tree.count(data, from, to)
    const room = this.#blockRoom - this.#blockBytes
    if (room <= 0) return
    const end = Math.min(to, from + room)
    this.#block.push(data.toString('latin1', from, end))
    this.#blockBytes += end - from
    if (end < to) this.#tree.defects.add('header-limit')
  }

  /** Opens the part whose header block ended; its body begins at `bodyStart`. */
  #endHeader(bodyStart: number): void {
    const fields = readFields(
      this.#block.length === 1 ? (this.#block[0] as string) : this.#block.join(''),
      this.#limits.headerFields,
    )
    this.#headerBytes += this.#blockBytes
    const { part, kind } = this.#tree.open(fields, this.#headerStart, bodyStart)
    this.#lineStart = bodyStart
    this.#lineBreak = 0
    this.#state = 'body'
    if (kind === 'message') this.#beginHeader(bodyStart)
    else this.#beginCapture(part, kind === 'multipart' ? 'text/plain' : part.type)
  }

  #beginHeader(start: number): void {
    this.#state = 'header'
    this.#headerStart = start
    this.#block = []
    this.#blockBytes = 0
    this.#blockRoom =
      this.#headerBytes < ALL_HEADER_BYTES
        ? this.#limits.headerBytes
        : Math.min(LATER_HEADER_BYTES, this.#limits.headerBytes)
    this.#capture = undefined
  }

  // Bodies

  #readBody(data: Buffer, from: number, final: boolean): number {
    if (this.#tree.openBoundaries === 0) {
      this.#consume(data, from, data.length)
      return data.length
    }
    let search = from
    for (let at = this.#nextDashes(data, search); at !== -1; at = this.#nextDashes(data, search)) {
      const newline = data.indexOf(10, at)
      if (newline === -1 && !final && data.length - at <= LINE_BYTES) return this.#hold(data, from, at)
      const end = newline === -1 ? data.length : newline + 1
      const match = matchLine(this.#tree, data, at, end)
      if (match !== undefined) {
        this.#delimiter(data, from, at, end, match)
        return end
      }
      search = at + 2
    }
    if (final) {
      this.#consume(data, from, data.length)
      return data.length
    }
    // The last bytes may be the beginning of a delimiter and of the line break that belongs to it.
    let end = data.length
    if (end > from && data[end - 1] === 0x2d && (this.#offset + end - 1 === this.#lineStart || data[end - 2] === 10))
      end--
    return this.#hold(data, from, end)
  }

  #hold(data: Buffer, from: number, at: number): number {
    let end = at
    if (end > from && data[end - 1] === 10) end--
    if (end > from && data[end - 1] === 13) end--
    this.#consume(data, from, end)
    this.#stalled = end < data.length
    return end
  }

  /** The next `--` that begins a line. Plain search for dashes is the fastest until a text shows that it has many. */
  #nextDashes(data: Buffer, from: number): number {
    const start = this.#lineStart - this.#offset
    if (from === start && data[from] === 0x2d && data[from + 1] === 0x2d) return from
    if (!this.#dashy) {
      const at = data.indexOf(DASHES, from)
      if (at === -1) return -1
      if (at > 0 && data[at - 1] === 10) return at
      this.#dashy = true
    }
    const at = data.indexOf(LINE_DASHES, Math.max(from - 1, 0))
    return at === -1 ? -1 : at + 1
  }

  #delimiter(data: Buffer, from: number, at: number, end: number, match: Delimiter): void {
    let bodyEnd = at
    if (bodyEnd > from && data[bodyEnd - 1] === 10) bodyEnd--
    if (bodyEnd > from && bodyEnd < at && data[bodyEnd - 1] === 13) bodyEnd--
    this.#consume(data, from, bodyEnd)
    const before = bodyEnd === at ? this.#lineBreak : at - bodyEnd
    this.#tree.closeInside(match.index, this.#offset + at - before)
    if (match.part.parts?.length === 0) this.#forget(match.part)
    this.#capture = undefined
    this.#tree.count(data, bodyEnd, end)
    const next = this.#offset + end
    if (match.close) this.#tree.closeBoundary(match.index)
    else if (this.#tree.takesPart(match.index)) {
      this.#beginHeader(next)
      return
    }
    this.#state = 'body'
    this.#lineStart = next
    this.#lineBreak = data[end - 1] === 10 ? (data[end - 2] === 13 ? 2 : 1) : 0
  }

  #consume(data: Buffer, from: number, to: number): void {
    if (to <= from) return
    this.#tree.count(data, from, to)
    const capture = this.#capture
    if (capture === undefined) return
    const end = Math.min(to, from + Math.min(capture.limit - capture.length, ALL_TEXT_BYTES - this.#textBytes))
    if (end > from) {
      capture.chunks.push(this.#stable ? data.subarray(from, end) : Buffer.from(data.subarray(from, end)))
      capture.length += end - from
      this.#textBytes += end - from
    }
    if (end < to) this.#capture = undefined
  }

  #beginCapture(part: MimePart, type: string): void {
    this.#dashy = false
    const limit = this.#textLimit(part, type)
    this.#capture = limit === 0 ? undefined : { chunks: [], length: 0, limit }
    if (this.#capture !== undefined) this.#texts.set(part, this.#capture)
  }

  #forget(part: MimePart): void {
    const captured = this.#texts.get(part)
    if (captured === undefined) return
    this.#textBytes -= captured.length
    this.#texts.delete(part)
  }
}

/** Whether the line begins with a field name and its colon. */
function nameEndsWithColon(data: Buffer, from: number, end: number): boolean {
  let at = from
  while (at < end && (data[at] as number) > 0x20 && (data[at] as number) < 0x7f && data[at] !== 0x3a) at++
  if (at === from) return false
  while (at < end && (data[at] === 0x20 || data[at] === 0x09)) at++
  return data[at] === 0x3a && at < end
}

function matchLine(tree: PartTree, data: Buffer, line: number, end: number): Delimiter | undefined {
  return end - line > LINE_BYTES ? undefined : tree.match(data.toString('latin1', line + 2, end).trimEnd())
}
