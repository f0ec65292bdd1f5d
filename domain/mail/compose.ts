// Writing a message: correct MIME (RFC 2045–2049, 2231, 5322) from plain values.
// No library: nothing that a caller passes can reach the header block as more than the field it is for, and Bcc is never written.

export interface ComposeAddress {
  readonly name?: string
  readonly address: string
}

export interface ComposeInput {
  readonly from: ComposeAddress | readonly ComposeAddress[]
  readonly to?: readonly ComposeAddress[]
  readonly cc?: readonly ComposeAddress[]
  readonly replyTo?: readonly ComposeAddress[]
  readonly subject: string
  /** Line ends of any kind; written as CRLF. */
  readonly text?: string
  readonly html?: string
  readonly attachments?: readonly ComposeAttachment[]
  /** Without angle brackets. */
  readonly messageId: string
  readonly date: Date | number
  readonly inReplyTo?: string
  readonly references?: readonly string[]
  /** Further fields by name; structural ones and Bcc are ignored. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface ComposeAttachment {
  readonly filename: string
  readonly type: string
  readonly bytes: Uint8Array
  /** Makes the attachment an inline image of the HTML body, which refers to it by `cid:`. */
  readonly contentId?: string
}

const RESERVED =
  /^(?:from|to|cc|bcc|resent-bcc|reply-to|subject|message-id|date|in-reply-to|references|mime-version|content-.*)$/i
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** The bytes of a message. Deterministic: the same input gives the same bytes. Line breaks in header values become blanks. */
export function composeMail(input: ComposeInput): Uint8Array {
  const from = Array.isArray(input.from) ? (input.from as readonly ComposeAddress[]) : [input.from as ComposeAddress]
  const fields = [
    `Date: ${formatDate(input.date)}`,
    addressField('From', from),
    addressField('To', input.to ?? []),
    addressField('Cc', input.cc ?? []),
    addressField('Reply-To', input.replyTo ?? []),
    textField('Subject', input.subject),
    `Message-ID: <${idText(input.messageId)}>`,
    input.inReplyTo === undefined ? '' : `In-Reply-To: <${idText(input.inReplyTo)}>`,
    references(input.references ?? []),
    ...Object.entries(input.headers ?? {}).map(([name, value]) => extraField(name, value)),
    'MIME-Version: 1.0',
  ].filter((field) => field !== '')
  const body = bodyOf(input)
  return Buffer.concat([Buffer.from([...fields, ...body.fields].join('\r\n')), Buffer.from('\r\n\r\n'), body.bytes])
}

/** A MIME entity: its Content-* fields and its body. */
interface Entity {
  readonly fields: readonly string[]
  readonly bytes: Buffer
}

function bodyOf(input: ComposeInput): Entity {
  const attachments = input.attachments ?? []
  const shown = input.html === undefined ? [] : attachments.filter((each) => each.contentId !== undefined)
  const files = attachments.filter((each) => !shown.includes(each))
  let words: Entity | undefined
  if (input.html !== undefined) {
    const html = textEntity('text/html', input.html)
    words =
      shown.length === 0
        ? html
        : multipart('related', [html, ...shown.map(attachmentEntity)], input.messageId, '; type="text/html"')
  }
  if (input.text !== undefined || words === undefined) {
    const plain = textEntity('text/plain', input.text ?? '')
    words = words === undefined ? plain : multipart('alternative', [plain, words], input.messageId)
  }
  return files.length === 0 ? words : multipart('mixed', [words, ...files.map(attachmentEntity)], input.messageId)
}

function multipart(kind: string, parts: readonly Entity[], seed: string, more = ''): Entity {
  const contents = parts.map((part) => Buffer.concat([Buffer.from(`${part.fields.join('\r\n')}\r\n\r\n`), part.bytes]))
  const boundary = boundaryFor(kind, seed, contents)
  const pieces: Buffer[] = []
  for (const content of contents) pieces.push(Buffer.from(`--${boundary}\r\n`), content, Buffer.from('\r\n'))
  pieces.push(Buffer.from(`--${boundary}--\r\n`))
  return {
    fields: [`Content-Type: multipart/${kind}${more};\r\n boundary="${boundary}"`],
    bytes: Buffer.concat(pieces),
  }
}

/** A boundary that occurs in none of the parts: `=_` never occurs in quoted-printable or base64, the loop is for nested ones. */
function boundaryFor(kind: string, seed: string, contents: readonly Buffer[]): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193) >>> 0
  for (let n = 0; ; n++) {
    const boundary = `=_${kind.slice(0, 3)}_${hash.toString(36)}_${n}`
    if (!contents.some((content) => content.includes(`--${boundary}`))) return boundary
  }
}

function textEntity(type: string, text: string): Entity {
  const bytes = Buffer.from(text.toWellFormed().replace(/\r\n|\r|\n/g, '\r\n'))
  const ascii = !bytes.some((byte) => byte >= 0x80 || byte === 0)
  const shortLines = !/[^\r\n]{77}/.test(bytes.toString('latin1'))
  // `From ` at a line's start would be changed by old relays, blanks at a line's end too.
  const plain = ascii && shortLines && !/^From |[ \t]\r?$|^\.|^--|^=_/m.test(text)
  const charset = ascii ? 'us-ascii' : 'utf-8'
  const head = `Content-Type: ${type}; charset=${charset}`
  if (plain) return { fields: [head, 'Content-Transfer-Encoding: 7bit'], bytes }
  let high = 0
  for (const byte of bytes) if (byte >= 0x80 || byte === 0x3d) high++
  if (high * 6 > bytes.length) return { fields: [head, 'Content-Transfer-Encoding: base64'], bytes: base64Lines(bytes) }
  return { fields: [head, 'Content-Transfer-Encoding: quoted-printable'], bytes: quotedPrintable(bytes) }
}

function attachmentEntity(file: ComposeAttachment): Entity {
  const given = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(file.type) ? file.type.toLowerCase() : 'application/octet-stream'
  // A multipart or message type must not be encoded (RFC 2045 §6.4), so such a file travels as plain bytes.
  const type = /^(?:multipart|message)\//.test(given) ? 'application/octet-stream' : given
  const fields = [
    `Content-Type: ${type}`,
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: ${file.contentId === undefined ? 'attachment' : 'inline'}${parameter('filename', oneLine(file.filename))}`,
  ]
  if (file.contentId !== undefined) fields.push(`Content-ID: <${idText(file.contentId)}>`)
  return { fields, bytes: base64Lines(file.bytes) }
}

/** RFC 2231: a quoted string when that is safe, else percent-encoded pieces of at most 60 characters. */
function parameter(name: string, value: string): string {
  if (
    /^[\x20-\x7e]*$/.test(value) &&
    value.length <= 60 &&
    !value.includes('=?') &&
    !/["\\]/.test(value) &&
    value.trim() === value
  )
    return `;\r\n ${name}="${value}"`
  let pieces = ''
  let current = ''
  let index = 0
  const put = (): void => {
    pieces += `;\r\n ${name}*${index}*=${index === 0 ? "utf-8''" : ''}${current}`
    current = ''
    index++
  }
  for (const byte of Buffer.from(value)) {
    const char = String.fromCharCode(byte)
    const encoded = /[A-Za-z0-9._-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    if (current.length + encoded.length > 50) put()
    current += encoded
  }
  put()
  return pieces
}

function base64Lines(bytes: Uint8Array): Buffer {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  const lines: string[] = []
  for (let at = 0; at < text.length; at += 76) lines.push(text.slice(at, at + 76))
  return Buffer.from(lines.join('\r\n'))
}

/** RFC 2045 §6.7: lines of at most 76, CRLF kept as line breaks, blanks encoded at line ends. */
function quotedPrintable(bytes: Buffer): Buffer {
  const out: string[] = []
  let line = ''
  const end = bytes.length
  for (let i = 0; i < end; i++) {
    const byte = bytes[i] as number
    if (byte === 0x0d && bytes[i + 1] === 0x0a) {
      out.push(line)
      line = ''
      i++
      continue
    }
    const atEnd = i + 1 === end || bytes[i + 1] === 0x0d
    const literal = (byte >= 0x21 && byte <= 0x7e && byte !== 0x3d) || ((byte === 0x20 || byte === 0x09) && !atEnd)
    const first = line === '' && (byte === 0x46 || byte === 0x2e || byte === 0x2d)
    const piece = literal && !first ? String.fromCharCode(byte) : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
    if (line.length + piece.length > 75) {
      out.push(`${line}=`)
      line = ''
    }
    line += piece
  }
  out.push(line)
  return Buffer.from(out.join('\r\n'), 'latin1')
}

function oneLine(text: string): string {
  return text.toWellFormed().replace(/[\x00-\x1f\x7f\u0085\u2028\u2029]+/g, ' ')
}

function idText(id: string): string {
  return oneLine(id).replace(/[\s<>]+/g, '')
}

/** A field of unstructured text: one, folded and encoded, whatever the value holds. Without a line break at its end. */
export function textField(name: string, value: string): string {
  return `${name}: ${fold(encodeText(oneLine(value).trim(), name.length + 2), name.length + 2)}`
}

function extraField(name: string, value: string): string {
  return /^[\x21-\x39\x3b-\x7e]{1,70}$/.test(name) && !RESERVED.test(name) ? textField(name, value) : ''
}

function references(ids: readonly string[]): string {
  const list = ids.map(idText).filter((id) => id !== '')
  return list.length === 0 ? '' : `References: ${list.map((id) => `<${id}>`).join('\r\n ')}`
}

function addressField(name: string, addresses: readonly ComposeAddress[]): string {
  const list = addresses.map(formatAddress).filter((each) => each !== '')
  return list.length === 0 ? '' : `${name}: ${list.join(',\r\n ')}`
}

function formatAddress({ name, address }: ComposeAddress): string {
  const bare = oneLine(address).replace(/[<>]/g, '').trim()
  if (bare === '') return ''
  // A comma or blank outside a quoted local part would make two addresses of one.
  if (!bare.startsWith('"') && /[\s,;:()"]/.test(bare.replace(/@\[[^\]]*\]$/, ''))) return ''
  const shown = oneLine(name ?? '').trim()
  if (shown === '') return `<${bare}>`
  if (needsEncoding(shown) || shown.length > 60) return `${encodedWords(shown, 12).join('\r\n ')}\r\n <${bare}>`
  return `${/^[\w !#$%&'*+/=?^`{|}~-]+$/.test(shown) && !/ {2}/.test(shown) ? shown : `"${shown.replace(/["\\]/g, '\\$&')}"`} <${bare}>`
}

function needsEncoding(text: string): boolean {
  return !/^[\x20-\x7e]*$/.test(text) || text.includes('=?')
}

/** Unstructured text: as it is when it is plain words that fold, else encoded words. */
function encodeText(text: string, column: number): string {
  if (!needsEncoding(text) && !/ {2}/.test(text) && !/[^ ]{70}/.test(text)) return text
  return encodedWords(text, column).join('\r\n ')
}

/** RFC 2047 words of at most 75 characters that cut no character, B or Q by what is shorter. */
function encodedWords(text: string, column: number): string[] {
  const words: string[] = []
  const bytes = Buffer.from(text)
  let special = 0
  for (const byte of bytes) if (!/[A-Za-z0-9 ]/.test(String.fromCharCode(byte))) special++
  const q = special * 3 < bytes.length
  const put = (part: string): void => {
    words.push(q ? `=?utf-8?Q?${part}?=` : `=?utf-8?B?${Buffer.from(part).toString('base64')}?=`)
  }
  let current = ''
  let size = 0
  let room = Math.max(20, 76 - column) - 12
  for (const char of text) {
    const length = Buffer.byteLength(char)
    const piece = q ? encodeQ(char) : char
    const next = q ? size + piece.length : Math.ceil((size + length) / 3) * 4
    if (current !== '' && next > room) {
      put(current)
      current = ''
      size = 0
      room = 62
    }
    current += piece
    size += q ? piece.length : length
  }
  put(current)
  return words
}

function encodeQ(char: string): string {
  if (char === ' ') return '_'
  if (/^[A-Za-z0-9]$/.test(char)) return char
  return [...Buffer.from(char)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}

/** Breaks a line of words at blanks so that none is longer than 78; encoded text comes folded. */
function fold(text: string, column: number): string {
  if (text.includes('\r\n') || text.length + column <= 78) return text
  const lines: string[] = []
  let line = ''
  let room = 78 - column
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line)
      line = word
      room = 77
    } else line = line === '' ? word : `${line} ${word}`
  }
  lines.push(line)
  return lines.join('\r\n ')
}

/** An RFC 5322 §3.3 date-time in UTC. */
export function formatDate(date: Date | number): string {
  const at = new Date(date)
  const two = (n: number): string => String(n).padStart(2, '0')
  return `${DAYS[at.getUTCDay()]}, ${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`
}
