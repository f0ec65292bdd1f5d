// The fields of a header block that reading needs: the envelope (RFC 9051 §7.5.2) and the part's own MIME fields.
import { readAddressList } from './address.ts'
import { parseDate } from './date.ts'
import { decodeHeaderText } from './encoded-word.ts'
import { eachField, unfold, VALUE_BYTES } from './header.ts'
import type { MailLimits } from './limits.ts'
import { parseStructured, type Structured } from './parameters.ts'
import type { Envelope, MimePart } from './structure.ts'

const MAX_REFERENCES = 100

const WANTED: ReadonlySet<string> = new Set([
  'date',
  'subject',
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'message-id',
  'in-reply-to',
  'references',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
  'content-id',
  'content-description',
  'content-location',
  'content-language',
  'content-md5',
])

/** Fields that RFC 5322 allows once but senders repeat; their values are joined. */
const JOINED: ReadonlySet<string> = new Set(['to', 'cc', 'bcc', 'reply-to', 'references'])

/** Wanted fields by lowercase name: raw unfolded values, one character per byte. */
export type RawFields = ReadonlyMap<string, string>

/** Picks the wanted fields of a header block held as one character per byte; the first of a name wins. */
export function readFields(block: string, limit: number): RawFields {
  const fields = new Map<string, string>()
  eachField(block, limit, (start, colon, end) => {
    if (colon - start > 40) return
    const name = block.slice(start, colon).trimEnd().toLowerCase()
    if (!WANTED.has(name)) return
    const known = fields.get(name)
    if (known !== undefined && !JOINED.has(name)) return
    const value = unfold(block.slice(colon + 1, Math.min(end, colon + 1 + VALUE_BYTES)))
    if (known === undefined) fields.set(name, value)
    else if (known.length < VALUE_BYTES) fields.set(name, `${known}${name === 'references' ? ' ' : ', '}${value}`)
  })
  return fields
}

/** The envelope, with raw 8-bit values read in `bodyCharset` when they are not UTF-8. */
export function readEnvelope(fields: RawFields, limits: MailLimits, bodyCharset = ''): Envelope {
  const list = (name: string) => {
    const value = fields.get(name)
    return value === undefined || value === '' ? [] : readAddressList(value, bodyCharset, limits.addresses)
  }
  const envelope: { -readonly [key in keyof Envelope]: Envelope[key] } = {
    subject: clean(decodeHeaderText(fields.get('subject') ?? '', bodyCharset)),
    from: list('from'),
    sender: list('sender'),
    replyTo: list('reply-to'),
    to: list('to'),
    cc: list('cc'),
    bcc: list('bcc'),
    inReplyTo: messageIds(fields.get('in-reply-to') ?? ''),
    references: firstAndNewest(messageIds(fields.get('references') ?? '')),
  }
  const date = parseDate(fields.get('date') ?? '')
  if (date !== undefined) envelope.date = date
  const messageId = messageIds(fields.get('message-id') ?? '')[0]
  if (messageId !== undefined) envelope.messageId = messageId
  return envelope
}

/** Message ids of a value, without angle brackets; bare words with an @ when nothing is in brackets. */
export function messageIds(value: string): string[] {
  const ids: string[] = []
  if (value.includes('<')) {
    for (let at = value.indexOf('<'); at !== -1; ) {
      const close = value.indexOf('>', at)
      if (close === -1) break
      const open = value.lastIndexOf('<', close)
      const id = value.slice(open + 1, close).replace(/\s+/g, '')
      if (id !== '' && id.length <= 998) ids.push(id)
      at = value.indexOf('<', close)
    }
    if (ids.length > 0) return ids
  }
  for (const word of value.split(/[\s,<>]+/))
    if (word.length > 2 && word.length <= 998 && word.includes('@')) ids.push(word)
  return ids
}

function firstAndNewest(ids: string[]): string[] {
  const unique = [...new Set(ids)]
  return unique.length <= MAX_REFERENCES ? unique : [unique[0] as string, ...unique.slice(-(MAX_REFERENCES - 1))]
}

/** No control characters in what people see; tabs become spaces. */
function clean(text: string): string {
  return /[\x00-\x1f\x7f]/.test(text) ? text.replace(/[\x00-\x1f\x7f]+/g, ' ').trim() : text
}

/** The MIME attributes of a part, without its offsets. */
export interface PartFields {
  readonly boundary?: string
  readonly attributes: Omit<MimePart, 'headerStart' | 'bodyStart' | 'bodyEnd' | 'lines' | 'parts' | 'message'>
}

const TYPE = /^[\w!#$%&'*+.^`{|}~-]+\/[\w!#$%&'*+.^`{|}~-]+$/
const NO_TYPE: Structured = { value: '', params: {} }

/** Reads the Content-* fields (RFC 2045, 2183, 2557, 3282); unreadable types become `fallback`. */
export function readPartFields(fields: RawFields, fallback: string): PartFields {
  const rawType = fields.get('content-type')
  const contentType = rawType === undefined ? NO_TYPE : parseStructured(rawType)
  let type = contentType.value
  if (type === 'text') type = 'text/plain'
  else if (type === 'multipart/') type = 'multipart/mixed'
  else if (!TYPE.test(type) || type.length > 200) type = fallback
  const attributes: { -readonly [key in keyof PartFields['attributes']]: PartFields['attributes'][key] } = {
    type,
    params: contentType.params,
    encoding: readEncoding(fields.get('content-transfer-encoding')),
  }
  const disposition = fields.get('content-disposition')
  if (disposition !== undefined) {
    const parsed = parseStructured(disposition, contentType.params['charset'])
    const kind = /^[\w!#$%&'*+.^`{|}~-]+/.exec(parsed.value)?.[0]
    if (kind !== undefined) attributes.disposition = { type: kind, params: parsed.params }
  }
  const id = fields.get('content-id')
  if (id !== undefined) {
    const bare = messageIds(id)[0] ?? id.replace(/[<>\s]+/g, '')
    if (bare !== '') attributes.id = bare
  }
  const description = fields.get('content-description')
  if (description) attributes.description = clean(decodeHeaderText(description, contentType.params['charset']))
  const location = fields.get('content-location')
  if (location) attributes.location = decodeHeaderText(location).replace(/\s+/g, '')
  const languages = fields
    .get('content-language')
    ?.split(/[\s,]+/)
    .filter((tag) => /^[\w-]{1,40}$/.test(tag))
    .slice(0, 50)
  if (languages !== undefined && languages.length > 0) attributes.language = languages
  const md5 = fields.get('content-md5')
  if (md5 && md5.length <= 100) attributes.md5 = decodeHeaderText(md5)
  return contentType.boundary === undefined ? { attributes } : { boundary: contentType.boundary.trimEnd(), attributes }
}

/** Lowercase, without comments; absent, empty and unreadable mean 7bit (RFC 2045 §6.1). */
function readEncoding(value: string | undefined): string {
  if (value === undefined) return '7bit'
  const name = parseStructured(value).value.replace(/^"|"$/g, '')
  if (name === '' || name.length > 40 || !/^[\w.-]+$/.test(name)) return '7bit'
  if (name === 'x-uuencode' || name === 'x-uue' || name === 'uue') return 'uuencode'
  if (name === 'quotedprintable' || name === 'quoted_printable') return 'quoted-printable'
  return name
}
