// RFC 2047 encoded words in header values, read as they are found in the wild.
import { charsetName, decodeRawHeader, decodeText } from './charset.ts'

/**
 * Unicode text of a header value held as one character per byte. Adjacent words lose the space between them, and
 * those of one charset are joined as bytes first, so that a character cut in two by the sender is whole again.
 * Words of an unknown charset or a broken form stay as written. Linear in the value's length.
 */
export function decodeHeaderText(value: string, bodyCharset = ''): string {
  if (!value.includes('=?')) return decodeRawHeader(value, bodyCharset)
  let out = ''
  let plainFrom = 0
  let run: { charset: string; pieces: Buffer[] } | undefined
  const endRun = (): void => {
    if (run !== undefined)
      out += decodeText(run.pieces.length === 1 ? (run.pieces[0] as Buffer) : Buffer.concat(run.pieces), run.charset)
    run = undefined
  }
  let close = -1
  for (let at = value.indexOf('=?'); at !== -1; ) {
    const charsetEnd = value.indexOf('?', at + 2)
    if (charsetEnd === -1) break
    const mark = value.charCodeAt(charsetEnd + 1) | 0x20
    const isWord = (mark === 0x62 || mark === 0x71) && value.charCodeAt(charsetEnd + 2) === 0x3f
    const charset = isWord ? wordCharset(value, at + 2, charsetEnd) : undefined
    if (charset === undefined) {
      at = value.indexOf('=?', at + 2)
      continue
    }
    const textFrom = charsetEnd + 3
    if (close < textFrom) close = value.indexOf('?=', textFrom)
    if (close === -1) break
    const inner = value.indexOf('=?', textFrom)
    if (inner !== -1 && inner < close - 1 && inner > textFrom) {
      at = inner
      continue
    }
    const content = value.slice(textFrom, close)
    const between = value.slice(plainFrom, at)
    const adjacent = run !== undefined && between.trim() === ''
    if (!adjacent) {
      endRun()
      out += decodeRawHeader(between, bodyCharset)
    } else if (run?.charset !== charset) endRun()
    const bytes = mark === 0x62 ? Buffer.from(content, 'base64') : decodeQ(content)
    if (run === undefined) run = { charset, pieces: [bytes] }
    else run.pieces.push(bytes)
    plainFrom = close + 2
    at = value.indexOf('=?', plainFrom)
  }
  endRun()
  return out + decodeRawHeader(value.slice(plainFrom), bodyCharset)
}

/** The charset between `=?` and `?`, without the language of RFC 2231 §5; undefined when it is none. */
function wordCharset(value: string, from: number, to: number): string | undefined {
  if (to === from || to - from > 60) return undefined
  let label = value.slice(from, to)
  const star = label.indexOf('*')
  if (star !== -1) label = label.slice(0, star)
  return charsetName(label)
}

function decodeQ(content: string): Buffer {
  const bytes = Buffer.allocUnsafe(content.length)
  let length = 0
  for (let i = 0; i < content.length; i++) {
    const code = content.charCodeAt(i)
    if (code === 0x3d) {
      const value = hexPair(content, i + 1)
      if (value >= 0) {
        bytes[length++] = value
        i += 2
        continue
      }
    }
    bytes[length++] = code === 0x5f ? 0x20 : code
  }
  return bytes.subarray(0, length)
}

/** Value of two hexadecimal digits at `at`, or -1. */
export function hexPair(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at))
  const low = hexDigit(text.charCodeAt(at + 1))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

export function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
