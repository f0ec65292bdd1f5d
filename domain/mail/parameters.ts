// Structured values of Content-Type and Content-Disposition: `value; name=value`, with RFC 2231 and what mailers wrote instead.
import { decodeText } from './charset.ts'
import { decodeHeaderText, hexPair } from './encoded-word.ts'

const MAX_PARAMETERS = 100

export interface Structured {
  /** The part before the first semicolon, without comments and white space, lowercase. */
  readonly value: string
  /** Decoded; names lowercase. */
  readonly params: Record<string, string>
  /** The `boundary` parameter as its bytes were, one character per byte. */
  readonly boundary?: string
}

interface Piece {
  readonly index: number
  readonly encoded: boolean
  readonly value: string
}

/** Reads an unfolded raw value (one character per byte). Never throws; what cannot be read is left out. */
export function parseStructured(raw: string, bodyCharset = ''): Structured {
  const head = untilSemicolon(raw)
  const params: Record<string, string> = {}
  const pieces = new Map<string, Piece[]>()
  let boundary: string | undefined
  const text = head.text
    .trim()
    .slice(0, 300)
    .replace(/\s*\/\s*/, '/')
  const value = (/^\S*/.exec(text)?.[0] ?? '').toLowerCase()
  // `application/pdf name="a.pdf"`: the semicolon was forgotten.
  const forgotten = /^\s*[^\s;"(]+\s+(?=[\w*-]+=)/.exec(raw)
  let at = forgotten === null ? head.end + 1 : forgotten[0].length
  for (let count = 0; at < raw.length && count < MAX_PARAMETERS; count++) {
    const parameter = readParameter(raw, at)
    at = parameter.end + 1
    if (parameter.name === '' || parameter.name === '__proto__') continue
    const star = parameter.name.indexOf('*')
    if (star === -1) {
      if (Object.hasOwn(params, parameter.name)) continue
      params[parameter.name] = decodeHeaderText(parameter.value, bodyCharset)
      if (parameter.name === 'boundary') boundary = parameter.value
      continue
    }
    const base = parameter.name.slice(0, star)
    const rest = parameter.name.slice(star + 1)
    const digits = /^(\d{1,4})(\*?)$/.exec(rest)
    const piece: Piece | undefined =
      rest === ''
        ? { index: 0, encoded: true, value: parameter.value }
        : digits === null
          ? undefined
          : { index: Number(digits[1]), encoded: digits[2] === '*', value: parameter.value }
    if (piece === undefined || base === '' || base === '__proto__') continue
    const known = pieces.get(base)
    if (known === undefined) pieces.set(base, [piece])
    else known.push(piece)
  }
  for (const [name, list] of pieces) {
    list.sort((a, b) => a.index - b.index)
    // RFC 2231 forms win over a plain parameter of the same name, which is there for old readers.
    params[name] = joinPieces(list)
    if (name === 'boundary') boundary = list.map((piece) => piece.value).join('')
  }
  return boundary === undefined ? { value, params } : { value, params, boundary }
}

function joinPieces(pieces: readonly Piece[]): string {
  let charset = ''
  const parts: Buffer[] = []
  let plain = true
  let expected = 0
  for (const piece of pieces) {
    if (piece.index < expected) continue
    if (piece.index > expected) break
    expected++
    let value = piece.value
    if (piece.encoded) {
      plain = false
      if (piece.index === 0) {
        const first = value.indexOf("'")
        const second = first === -1 ? -1 : value.indexOf("'", first + 1)
        if (second !== -1) {
          charset = value.slice(0, first)
          value = value.slice(second + 1)
        }
      }
      parts.push(percentBytes(value))
    } else parts.push(Buffer.from(value, 'latin1'))
  }
  const bytes = Buffer.concat(parts)
  return plain ? decodeHeaderText(bytes.toString('latin1')) : decodeText(bytes, charset)
}

function percentBytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const value = text.charCodeAt(i) === 0x25 ? hexPair(text, i + 1) : -1
    if (value >= 0) i += 2
    bytes[length++] = value >= 0 ? value : text.charCodeAt(i)
  }
  return bytes.subarray(0, length)
}

/** Text up to the next semicolon outside quotes, comments dropped, quotes removed. */
function untilSemicolon(raw: string): { text: string; end: number } {
  const plainEnd = raw.indexOf(';')
  const plain = plainEnd === -1 ? raw : raw.slice(0, plainEnd)
  if (!plain.includes('(') && !plain.includes('"')) return { text: plain, end: plainEnd === -1 ? raw.length : plainEnd }
  let text = ''
  let at = 0
  for (; at < raw.length && raw[at] !== ';'; at++) {
    if (raw[at] === '(') at = skipComment(raw, at) - 1
    else if (raw[at] === '"') {
      const quoted = readQuoted(raw, at)
      text += quoted.text
      at = quoted.end - 1
    } else text += raw[at]
  }
  return { text, end: at }
}

function readParameter(raw: string, from: number): { name: string; value: string; end: number } {
  let at = skipBlank(raw, from)
  const nameFrom = at
  while (at < raw.length && raw[at] !== '=' && raw[at] !== ';') at++
  const written = at - nameFrom > 200 ? '' : raw.slice(nameFrom, at)
  const name = written
    .replace(/\([^)]*\)/g, '')
    .trim()
    .toLowerCase()
  if (raw[at] !== '=') return { name: '', value: '', end: at }
  at = skipBlank(raw, at + 1)
  if (raw[at] === '"') {
    const quoted = readQuoted(raw, at)
    at = skipBlank(raw, quoted.end)
    // No semicolon but something else: the sender forgot it, so the next parameter starts here.
    return { name, value: quoted.text, end: at >= raw.length || raw[at] === ';' ? at : at - 1 }
  }
  const valueFrom = at
  let end = raw.indexOf(';', at)
  if (end === -1) end = raw.length
  let value = raw.slice(valueFrom, end)
  const comment = value.search(/\s\(/)
  if (comment !== -1) value = value.slice(0, comment)
  return { name, value: value.trim(), end }
}

function skipBlank(raw: string, from: number): number {
  let at = from
  for (; at < raw.length; at++) {
    const code = raw.charCodeAt(at)
    if (code === 0x28) at = skipComment(raw, at) - 1
    else if (code > 0x20) break
  }
  return at
}

/** Index after the comment that opens at `from`; an unclosed one runs to the end (RFC 5322 §3.2.2). */
export function skipComment(raw: string, from: number): number {
  let depth = 0
  for (let at = from; at < raw.length; at++) {
    const code = raw.charCodeAt(at)
    if (code === 0x5c) at++
    else if (code === 0x28) depth++
    else if (code === 0x29 && --depth === 0) return at + 1
  }
  return raw.length
}

/** Text with each comment replaced; quoted strings are not looked at. */
export function withoutComments(value: string, replacement = ''): string {
  let out = ''
  let from = 0
  for (let at = value.indexOf('('); at !== -1; at = value.indexOf('(', from)) {
    out += value.slice(from, at) + replacement
    from = skipComment(value, at)
  }
  return out + value.slice(from)
}

/** The quoted string that opens at `from`, unescaped; an unclosed one runs to the end. */
export function readQuoted(raw: string, from: number): { text: string; end: number } {
  const close = raw.indexOf('"', from + 1)
  const slash = raw.indexOf('\\', from + 1)
  if (close !== -1 && (slash === -1 || slash > close)) return { text: raw.slice(from + 1, close), end: close + 1 }
  const pieces: string[] = []
  let plainFrom = from + 1
  for (let at = from + 1; at < raw.length; at++) {
    const code = raw.charCodeAt(at)
    if (code === 0x22) {
      pieces.push(raw.slice(plainFrom, at))
      return { text: pieces.join(''), end: at + 1 }
    }
    if (code === 0x5c && at + 1 < raw.length) {
      const next = raw.charCodeAt(at + 1)
      // `C:\dir\file` unescaped is commoner in file names than an escape of a letter.
      if (next === 0x22 || next === 0x5c) {
        pieces.push(raw.slice(plainFrom, at))
        plainFrom = at + 1
      }
      at++
    }
  }
  pieces.push(raw.slice(plainFrom))
  return { text: pieces.join(''), end: raw.length }
}
