// Bytes to Unicode for every charset label that mail has been seen with.
// TextDecoder covers the WHATWG encodings; the three older mail encodings it refuses are in legacy-charset.ts.
import { guessCharset } from './charset-guess.ts'
import { decodeUhc } from './korean-charset.ts'
import { decodeHz, decodeIso2022Kr, decodeUtf7 } from './legacy-charset.ts'

/** Labels that WHATWG does not know, mapped to one that it does; `guess` means that the label says nothing. */
const ALIASES: Readonly<Record<string, string>> = {
  '': 'guess',
  '_iso-2022-jp': 'iso-2022-jp',
  'ansi_x3.110': 'guess',
  'ansi_x3.110-1983': 'guess',
  'ansi_x3.4-1986': 'guess',
  'us-ascii': 'guess',
  us_ascii: 'guess',
  'us-askey': 'guess',
  usascii: 'guess',
  ascii: 'guess',
  cp367: 'guess',
  ibm367: 'guess',
  '7bit': 'guess',
  '8bit': 'guess',
  none: 'guess',
  default: 'guess',
  default_charset: 'guess',
  unknown: 'guess',
  'unknown-8bit': 'guess',
  'x-unknown': 'guess',
  'x-user-defined': 'guess',
  'x-roman8': 'windows-1252',
  cp949: 'euc-kr',
  ms949: 'euc-kr',
  uhc: 'euc-kr',
  'x-windows-949': 'euc-kr',
  ks_c_5601: 'euc-kr',
  ksc5601: 'euc-kr',
  'ks-c-5601-1987': 'euc-kr',
  cp932: 'shift_jis',
  'x-ms-cp932': 'shift_jis',
  'shift-jis': 'shift_jis',
  'iso-2022-jp-1': 'iso-2022-jp',
  'iso-2022-jp-2': 'iso-2022-jp',
  'iso-2022-jp-3': 'iso-2022-jp',
  'iso-2022-jp-ms': 'iso-2022-jp',
  cp50220: 'iso-2022-jp',
  cp50221: 'iso-2022-jp',
  cp51932: 'euc-jp',
  eucjp: 'euc-jp',
  'eucjp-ms': 'euc-jp',
  cp936: 'gb18030',
  gb2312: 'gb18030',
  'gb_2312-80': 'gb18030',
  gbk: 'gb18030',
  'x-gbk': 'gb18030',
  cp950: 'big5',
  koi8_r: 'koi8-r',
  koi8r: 'koi8-r',
  cp874: 'windows-874',
  utf8mb4: 'utf-8',
  'uft-8': 'utf-8',
  utf: 'utf-8',
  'unicode-1-1-utf-8': 'utf-8',
  unicode: 'utf-16',
  'ucs-2': 'utf-16',
  'utf-7': 'utf-7',
  utf7: 'utf-7',
  'unicode-1-1-utf-7': 'utf-7',
  'x-unicode-2-0-utf-7': 'utf-7',
  'iso-2022-kr': 'iso-2022-kr',
  csiso2022kr: 'iso-2022-kr',
  'hz-gb-2312': 'hz',
  hz: 'hz',
  'iso-8859-8-e': 'iso-8859-8',
  'cp-850': 'windows-1252',
}

const decoders = new Map<string, TextDecoder | undefined>()
const lenientUtf8 = new TextDecoder('utf-8')
const strictUtf8 = new TextDecoder('utf-8', { fatal: true })
const NOT_ASCII = /[^\x00-\x7f]/

function decoderOf(name: string): TextDecoder | undefined {
  if (decoders.has(name)) return decoders.get(name)
  let decoder: TextDecoder | undefined
  try {
    decoder = new TextDecoder(name)
  } catch {
    decoder = undefined
  }
  // Labels come from the network: the cache must not grow with them.
  if (decoder !== undefined && decoders.size < 200) decoders.set(name, decoder)
  return decoder
}

/** The name this module decodes by, `guess` for labels that say nothing, undefined for labels nobody knows. */
export function charsetName(label: string): string | undefined {
  if (label.length > 60) return undefined
  const lower = label
    .trim()
    .replace(/^["']+|["']+$/g, '')
    .toLowerCase()
  const alias = Object.hasOwn(ALIASES, lower) ? ALIASES[lower] : undefined
  if (alias !== undefined) return alias
  // TextDecoder's refusal is an exception, which is dear: no need to ask it about what cannot be a label.
  if (lower.length > 40 || !/^[a-z0-9][\w.:+()-]*$/.test(lower)) return undefined
  const direct = decoderOf(lower)
  if (direct !== undefined) return direct.encoding
  const plain = lower
    .replace(/^x-/, '')
    .replace(/_/g, '-')
    .replace(/^(?:cp|win|windows)-?(125\d)$/, 'windows-$1')
    .replace(/^iso-?8859-?(\d+).*$/, 'iso-8859-$1')
  if (plain === lower) return undefined
  return (Object.hasOwn(ALIASES, plain) ? ALIASES[plain] : undefined) ?? decoderOf(plain)?.encoding
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** UTF-8 text, or undefined when the bytes are not valid UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** Text of bytes that are UTF-8 but for a character that the sender cut in two; undefined when more than that is wrong. */
function decodeCutUtf8(bytes: Uint8Array): string | undefined {
  const text = lenientUtf8.decode(bytes)
  const bad = text.split('\ufffd').length - 1
  return bad <= 2 && [...text.slice(0, 1000)].filter((char) => char >= '\u0080').length >= 4 * (bad + 1)
    ? text
    : undefined
}

/**
 * Text of `bytes` in `charset`; never throws. Unknown labels and 8-bit bytes under us-ascii are read as UTF-8
 * when valid, else as the East Asian encoding that they strongly look like, else as windows-1252.
 */
export function decodeText(bytes: Uint8Array, charset = ''): string {
  const name = charset === 'utf-8' || charset === 'UTF-8' ? 'utf-8' : (charsetName(charset) ?? 'guess')
  switch (name) {
    case 'utf-7':
      return decodeUtf7(bytes)
    case 'iso-2022-kr':
      return decodeIso2022Kr(bytes)
    case 'hz':
      return decodeHz(bytes)
    case 'utf-16':
    case 'utf-16le':
    case 'utf-16be':
      return decodeUtf16(bytes, name)
    case 'iso-2022-jp':
      return decodeIso2022Jp(bytes)
    default:
  }
  const latin1 = asBuffer(bytes).toString('latin1')
  if (!NOT_ASCII.test(latin1))
    return name === 'guess' && latin1.includes('\x1b$') ? decodeText(bytes, 'iso-2022-jp') : latin1
  if (name === 'guess') return decodeUtf8(bytes) ?? decodeText(bytes, guessCharset(bytes))
  return name === 'euc-kr' ? decodeUhc(bytes) : (decoderOf(name)?.decode(bytes) ?? latin1)
}

/** Joined encoded words leave shifts that shift nothing, which TextDecoder takes for an attack and marks. */
function decodeIso2022Jp(bytes: Uint8Array): string {
  const latin1 = asBuffer(bytes).toString('latin1')
  const joined = latin1.replace(/\x1b[($][@BJI](?=\x1b[($][@BJI])/g, '')
  return (decoderOf('iso-2022-jp') as TextDecoder).decode(joined === latin1 ? bytes : Buffer.from(joined, 'latin1'))
}

function decodeUtf16(bytes: Uint8Array, name: string): string {
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return (decoderOf('utf-16be') as TextDecoder).decode(bytes)
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return (decoderOf('utf-16le') as TextDecoder).decode(bytes)
  // Mislabelled 8-bit text is common: real UTF-16 of any script has zero bytes or is not valid UTF-8.
  if (!bytes.includes(0)) {
    const text = decodeUtf8(bytes)
    if (text !== undefined) return text
  }
  return (decoderOf(name === 'utf-16be' ? 'utf-16be' : 'utf-16le') as TextDecoder).decode(bytes)
}

/**
 * A raw header value held as one character per byte, made Unicode: UTF-8 when it is that (RFC 6532),
 * else the charset of the body, else a guess. 7-bit values come back as they are.
 */
export function decodeRawHeader(value: string, bodyCharset = ''): string {
  if (!NOT_ASCII.test(value))
    return value.includes('\x1b$') ? decodeText(Buffer.from(value, 'latin1'), 'iso-2022-jp') : value
  const bytes = Buffer.from(value, 'latin1')
  return decodeUtf8(bytes) ?? decodeCutUtf8(bytes) ?? decodeText(bytes, bodyCharset)
}
