// Header blocks: fields, their exact byte ranges, unfolding (RFC 5322 §2.2 with the obsolete forms of §4.5).
import { asBuffer } from './charset.ts'
import { decodeHeaderText } from './encoded-word.ts'

/** One field of a header block; all offsets are in the bytes that were given. */
export interface HeaderField {
  /** As written. */
  readonly name: string
  readonly start: number
  /** Just after the colon. */
  readonly valueStart: number
  /** Just after the last line break of the field. */
  readonly end: number
}

/** Longest raw value that is looked at; the rest of a field is ignored. */
export const VALUE_BYTES = 64 * 1024

/**
 * Where the field name that starts at `start` ends (the index of its colon), or -1 when the line is no field.
 * Printable ASCII without colon; white space before the colon is the obsolete form.
 */
export function colonOf(block: string, start: number, end: number): number {
  let at = start
  for (; at < end; at++) {
    const code = block.charCodeAt(at)
    if (code === 0x3a) return at > start ? at : -1
    if (code <= 0x20 || code >= 0x7f) break
  }
  if (at === start) return -1
  for (; at < end; at++) {
    const code = block.charCodeAt(at)
    if (code === 0x3a) return at
    if (code !== 0x20 && code !== 0x09) return -1
  }
  return -1
}

/** Calls `visit` for each field of a block held as one character per byte. Lines that are no field are passed over. */
export function eachField(
  block: string,
  limit: number,
  visit: (start: number, colon: number, end: number) => void,
): void {
  let start = 0
  for (let count = 0; start < block.length && count < limit; ) {
    const firstEnd = lineEnd(block, start)
    let end = firstEnd
    while (end < block.length && isSpace(block.charCodeAt(end))) end = lineEnd(block, end)
    // A field that is the first line of a block may be indented by mistake.
    let name = start
    while (start === 0 && name < firstEnd && isSpace(block.charCodeAt(name))) name++
    const colon = colonOf(block, name, firstEnd)
    if (colon !== -1) {
      visit(name, colon, end)
      count++
    }
    start = end
  }
}

function lineEnd(block: string, from: number): number {
  const at = block.indexOf('\n', from)
  return at === -1 ? block.length : at + 1
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** A raw value without its folds, outer white space and stray control characters; still one character per byte. */
export function unfold(value: string): string {
  const text = value.includes('\n') ? value.replace(/\r?\n(?=[ \t])/g, '') : value
  return (/[\r\n\0]/.test(text) ? text.replace(/[\r\n\0]+/g, ' ') : text).trim()
}

/** The fields of a header block with their exact bytes, as IMAP's HEADER.FIELDS needs them (RFC 9051 §6.4.5.1). */
export function headerFields(
  raw: Uint8Array,
  part: { readonly headerStart: number; readonly bodyStart: number } = { headerStart: 0, bodyStart: raw.length },
): HeaderField[] {
  const block = asBuffer(raw).toString('latin1', part.headerStart, part.bodyStart)
  const fields: HeaderField[] = []
  const base = part.headerStart
  eachField(block, Number.POSITIVE_INFINITY, (start, colon, end) => {
    fields.push({
      name: block.slice(start, colon).trimEnd(),
      start: base + start,
      valueStart: base + colon + 1,
      end: base + end,
    })
  })
  return fields
}

/** The decoded value of the first field called `name` (any case), or undefined. */
export function findHeader(
  raw: Uint8Array,
  part: { readonly headerStart: number; readonly bodyStart: number },
  name: string,
): string | undefined {
  const wanted = name.toLowerCase()
  const field = headerFields(raw, part).find((each) => each.name.toLowerCase() === wanted)
  if (field === undefined) return undefined
  const end = Math.min(field.end, field.valueStart + VALUE_BYTES)
  return decodeHeaderText(unfold(asBuffer(raw).toString('latin1', field.valueStart, end)))
}
