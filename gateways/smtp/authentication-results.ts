// The Authentication-Results field (RFC 8601): ours is written on top, and whatever pretends to be ours is taken out (§5).
import { eachField, unfold } from '../../domain/mail/header.ts'

const FIELD = 'authentication-results'
/** What is looked at of a header. */
const MAX_HEADER = 256 * 1024
const MAX_LINE = 76

/** A complete field with CRLF. `results` are `method=result …` clauses; none are written as `none` (§2.2). */
export function authenticationResultsField(authservId: string, results: readonly string[]): string {
  const clauses = results.length === 0 ? ['none'] : results
  return `Authentication-Results: ${authservId};\r\n\t${clauses.map(folded).join(';\r\n\t')}\r\n`
}

function folded(clause: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of clause
    .replace(/[^\x20-\x7e]+/g, ' ')
    .split(' ')
    .filter(Boolean)) {
    if (line !== '' && line.length + word.length >= MAX_LINE) {
      lines.push(line)
      line = word.slice(0, 500)
    } else line = line === '' ? word.slice(0, 500) : `${line} ${word.slice(0, 500)}`
  }
  return [...lines, line].join('\r\n\t ')
}

/** Byte ranges of the fields that a stranger wrote under our name; they are left out of what is stored. */
export function forgedResults(
  beginning: Uint8Array,
  authservId: string,
): readonly { readonly start: number; readonly end: number }[] {
  const bytes = Buffer.from(beginning.buffer, beginning.byteOffset, beginning.length)
  const end = headerEnd(bytes)
  const block = bytes.toString('latin1', 0, end)
  const forged: { start: number; end: number }[] = []
  const ours = authservId.toLowerCase()
  eachField(block, Number.POSITIVE_INFINITY, (start, colon, fieldEnd) => {
    if (block.slice(start, colon).trimEnd().toLowerCase() !== FIELD) return
    const value = unfold(block.slice(colon + 1, Math.min(fieldEnd, colon + 2000)))
    // [CFWS] authserv-id [CFWS authres-version]: comments and quotes must not hide the name.
    const named = withoutComments(value).split(';', 1)[0]?.trim().replaceAll('"', '').split(/\s+/, 1)[0]?.toLowerCase()
    if (named === ours) forged.push({ start, end: fieldEnd })
  })
  return forged
}

function withoutComments(value: string): string {
  let depth = 0
  let out = ''
  for (let i = 0; i < value.length; i++) {
    const letter = value[i] as string
    if (letter === '\\') i++
    else if (letter === '(') depth++
    else if (letter === ')' && depth > 0) depth--
    else if (depth === 0) out += letter
  }
  return out
}

export function headerEnd(bytes: Buffer): number {
  const crlf = bytes.indexOf('\r\n\r\n')
  const lf = bytes.indexOf('\n\n')
  const ends = [crlf < 0 ? bytes.length : crlf + 2, lf < 0 ? bytes.length : lf + 1, MAX_HEADER]
  return Math.min(...ends)
}
