// The tree of parts while it grows: which parts are open, what their delimiters are, where they end, how many lines they have.
import { type RawFields, readEnvelope, readPartFields } from './envelope.ts'
import type { MailLimits } from './limits.ts'
import type { Envelope, MimePart } from './structure.ts'

/** Longest boundary that is honoured; RFC 2046 allows 70. */
const BOUNDARY_BYTES = 998

type Draft = { -readonly [key in keyof MimePart]: MimePart[key] } & { parts?: MimePart[] }

interface OpenPart {
  readonly part: Draft
  readonly kind: 'leaf' | 'multipart' | 'message'
  readonly fields: RawFields
  /** Delimiter text without the dashes; multiparts only. */
  readonly boundary: string
  /** No more parts are taken: what follows is passed over. */
  done: boolean
  /** The close-delimiter was seen. */
  closed: boolean
  /** Line breaks counted before this body, -1 when its lines are not wanted. */
  readonly linesBefore: number
  /** The inner root of a message. */
  inner?: { part: MimePart; fields: RawFields }
}

/** A line that is a delimiter of the open multipart at `index`. */
export interface Delimiter {
  readonly index: number
  readonly part: MimePart
  readonly close: boolean
}

export class PartTree {
  readonly defects = new Set<string>()
  /** Multiparts whose delimiters still count. */
  openBoundaries = 0
  readonly #limits: MailLimits
  readonly #stack: OpenPart[] = []
  #root: OpenPart | undefined
  #parts = 0
  #messages = 0
  #countLines = false
  #lines = 0
  #last = 10

  constructor(limits: MailLimits) {
    this.#limits = limits
  }

  /** What the innermost open part is. */
  get innermost(): OpenPart['kind'] | undefined {
    return this.#stack.at(-1)?.kind
  }

  /** Adds a part to the innermost open one and opens it. */
  open(
    fields: RawFields,
    headerStart: number,
    bodyStart: number,
  ): { readonly part: MimePart; readonly kind: OpenPart['kind'] } {
    const parent = this.#stack.at(-1)
    const fallback = parent?.part.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
    const { boundary, attributes } = readPartFields(fields, fallback)
    const part: Draft = { ...attributes, headerStart, bodyStart, bodyEnd: bodyStart }
    const kind = this.#kindOf(part, boundary)
    if (kind === 'multipart') {
      part.parts = []
      this.openBoundaries++
    } else if (kind === 'message') this.#messages++
    if (parent?.kind === 'multipart') parent.part.parts?.push(part)
    else if (parent !== undefined) parent.inner = { part, fields }
    // A multipart's lines are wanted only if it turns out to have no parts, which its preamble shows.
    const wantsLines =
      kind !== 'leaf' ||
      part.type.startsWith('text/') ||
      part.type === 'message/rfc822' ||
      part.type === 'message/global'
    const open: OpenPart = {
      part,
      kind,
      fields,
      boundary: boundary ?? '',
      done: false,
      closed: false,
      linesBefore: wantsLines ? this.#lines : -1,
    }
    this.#root ??= open
    this.#stack.push(open)
    this.#last = 10
    this.#countLines = this.#messages > 0 || wantsLines
    return { part, kind }
  }

  #kindOf(part: Draft, boundary: string | undefined): OpenPart['kind'] {
    const deep = this.#stack.length >= this.#limits.depth
    if (part.type.startsWith('multipart/')) {
      if (boundary === undefined || boundary === '' || boundary.length > BOUNDARY_BYTES) {
        this.defects.add('boundary-missing')
        part.type = 'text/plain'
        return 'leaf'
      }
      if (!deep) return 'multipart'
      this.defects.add('depth-limit')
      part.type = 'application/octet-stream'
      return 'leaf'
    }
    if (part.type === 'message/rfc822' || part.type === 'message/global') {
      if (part.encoding !== '7bit' && part.encoding !== '8bit' && part.encoding !== 'binary')
        this.defects.add('encoded-message')
      else if (deep) this.defects.add('depth-limit')
      else return 'message'
    }
    return 'leaf'
  }

  /** Which open multipart a line (without its first dashes and last blanks) delimits, innermost first; exact lines win over a close-delimiter with text after it. */
  match(text: string): Delimiter | undefined {
    let loose: Delimiter | undefined
    for (let index = this.#stack.length - 1; index >= 0; index--) {
      const open = this.#stack[index] as OpenPart
      if (open.kind !== 'multipart' || open.closed) continue
      const { boundary } = open
      if (text.length < boundary.length || !text.startsWith(boundary)) continue
      if (text.length === boundary.length) return { index, part: open.part, close: false }
      if (text.startsWith('--', boundary.length)) {
        if (text.length === boundary.length + 2) return { index, part: open.part, close: true }
        loose ??= { index, part: open.part, close: true }
      }
    }
    return loose
  }

  /** Closes everything inside the open part at `index`. */
  closeInside(index: number, end: number): void {
    if (this.#stack.length > index + 1) this.#closeDownTo(index + 1, end)
    this.#countLines = this.#messages > 0
  }

  /** Notes the close-delimiter of the open part at `index`. */
  closeBoundary(index: number): void {
    const open = this.#stack[index] as OpenPart
    open.closed = true
    this.openBoundaries--
  }

  /** Whether one more part may be added to the open part at `index`. */
  takesPart(index: number): boolean {
    const open = this.#stack[index] as OpenPart
    if (!open.done && this.#parts < this.#limits.parts) {
      this.#parts++
      return true
    }
    open.done = true
    this.defects.add('part-limit')
    return false
  }

  /** Counts the line breaks of bytes that belong to what is open, if any of it wants them. */
  count(data: Buffer, from: number, to: number): void {
    if (!this.#countLines || to <= from) return
    let lines = 0
    for (let i = from; i < to; i++) if (data[i] === 10) lines++
    this.#lines += lines
    this.#last = data[to - 1] as number
  }

  /** Closes all at the message's end. */
  finish(size: number): { readonly root: MimePart; readonly envelope: Envelope } {
    this.#closeDownTo(0, size)
    const { part, fields } = this.#root as OpenPart
    return { root: part, envelope: readEnvelope(fields, this.#limits, charsetOf(part)) }
  }

  /** Closes the open parts from the innermost up to the one at `index`; none of their ranges goes beyond `end`. */
  #closeDownTo(index: number, end: number): void {
    const outer = Math.max(end, (this.#stack[index] as OpenPart).part.bodyStart)
    for (let i = this.#stack.length - 1; i >= index; i--) {
      const { part, kind, closed, linesBefore, inner } = this.#stack[i] as OpenPart
      part.headerStart = Math.min(part.headerStart, outer)
      part.bodyStart = Math.min(part.bodyStart, outer)
      part.bodyEnd = outer
      if (kind === 'multipart' && !closed) this.openBoundaries--
      if (kind === 'multipart' && part.parts?.length === 0) {
        // No delimiter at all: what should have been the preamble is all there is to read.
        this.defects.add('boundary-missing')
        part.type = 'text/plain'
        delete part.parts
      } else if (kind === 'multipart' && !closed) this.defects.add('boundary-not-closed')
      if (kind === 'message') {
        this.#messages--
        if (inner !== undefined)
          part.message = { envelope: readEnvelope(inner.fields, this.#limits, charsetOf(inner.part)), root: inner.part }
      }
      if (linesBefore !== -1 && part.parts === undefined) {
        part.lines = part.bodyEnd > part.bodyStart ? this.#lines - linesBefore + (this.#last === 10 ? 0 : 1) : 0
      }
    }
    this.#stack.length = index
  }
}

/** The charset that a message's own text declares: of its root, else of its first text part. */
function charsetOf(part: MimePart): string {
  for (let at: MimePart | undefined = part, depth = 0; at !== undefined && depth < 40; depth++) {
    const charset: string | undefined = at.params['charset']
    if (charset !== undefined) return charset
    at = at.parts?.[0]
  }
  return ''
}
