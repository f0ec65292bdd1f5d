// Addresses: the lists of header fields (RFC 5322 §3.4 with obsolete forms), and single addresses as SMTP and logins use them.
import { decodeRawHeader } from './charset.ts'
import { decodeHeaderText } from './encoded-word.ts'
import { readQuoted, skipComment, withoutComments } from './parameters.ts'
import type { MailAddress } from './structure.ts'

/** Most addresses that are read of one field. */
export const MAX_ADDRESSES = 1000

/** The addresses of a header value given as Unicode text. Never throws; text that is no address comes back as a name. */
export function parseAddressList(text: string): MailAddress[] {
  return readAddressList(Buffer.from(text, 'utf8').toString('latin1'))
}

/** The first address of `text`, or undefined when there is none. */
export function parseAddress(text: string): MailAddress | undefined {
  return parseAddressList(text).find((each) => each.address !== '')
}

/** One run of text of an address: quoted strings keep their quotes apart, so that a local part is as written. */
interface Word {
  readonly text: string
  readonly quoted: boolean
  readonly spaceBefore: boolean
}

/** The addresses of an unfolded raw value (one character per byte). Linear in its length. */
export function readAddressList(raw: string, bodyCharset = '', limit = MAX_ADDRESSES): MailAddress[] {
  return readAddresses(raw, { decode: (text) => decodeHeaderText(text, bodyCharset), foldDomain: true }, limit)
}

/** The same with nothing decoded and domains as they were written: what IMAP's ENVELOPE shows (RFC 9051 §7.5.2). */
export function readRawAddressList(raw: string, limit = MAX_ADDRESSES): MailAddress[] {
  return readAddresses(raw, { decode: (text) => text, foldDomain: false }, limit)
}

interface Spelling {
  /** What becomes of display names. */
  readonly decode: (text: string) => string
  readonly foldDomain: boolean
}

function readAddresses(raw: string, spelling: Spelling, limit: number): MailAddress[] {
  const value = raw.includes('\x1b$') ? Buffer.from(decodeRawHeader(raw), 'utf8').toString('latin1') : raw
  const found: MailAddress[] = []
  let words: Word[] = []
  let comments: string[] = []
  let angle: string | undefined
  let group: string | undefined
  let membersBefore = 0
  let space = false
  // Whether an unquoted word of the current address holds an @: then a colon does not end a group's name.
  let sign = false

  const flush = (): void => {
    if (words.length > 0 || angle !== undefined || comments.length > 0) {
      const address = makeAddress(words, comments, angle, group, spelling)
      if (address !== undefined) found.push(address)
    }
    words = []
    comments = []
    angle = undefined
    space = false
    sign = false
  }
  const endGroup = (): void => {
    if (group !== undefined && found.length === membersBefore) found.push({ address: '', group })
    group = undefined
  }

  let at = 0
  while (at < value.length && found.length < limit) {
    const code = value.charCodeAt(at)
    if (code <= 0x20) {
      space = true
      at++
    } else if (code === 0x22) {
      const quoted = readQuoted(value, at)
      words.push({ text: quoted.text, quoted: true, spaceBefore: space })
      space = false
      at = quoted.end
    } else if (code === 0x28) {
      const end = skipComment(value, at)
      comments.push(value.slice(at + 1, value.charCodeAt(end - 1) === 0x29 ? end - 1 : end))
      space = true
      at = end
    } else if (code === 0x3c) {
      const end = angleEnd(value, at)
      const content = value.slice(at + 1, end)
      // `<a@b> <c@d>`: the comma was forgotten.
      if (angle !== undefined) flush()
      angle = content
      at = value.charCodeAt(end) === 0x3e ? end + 1 : end
    } else if (code === 0x2c) {
      flush()
      at++
    } else if (code === 0x3b) {
      flush()
      endGroup()
      at++
    } else if (code === 0x3a) {
      if (angle === undefined && group === undefined && words.length > 0 && !sign) {
        const name = phrase(words, spelling)
        if (name.toLowerCase() !== 'mailto') {
          group = name
          membersBefore = found.length
        }
        words = []
        comments = []
      }
      space = true
      at++
    } else {
      const end = wordEnd(value, at)
      const text = value.slice(at, end)
      words.push({ text, quoted: false, spaceBefore: space })
      sign ||= text.includes('@')
      space = false
      at = end
    }
  }
  if (found.length < limit) flush()
  if (found.length < limit) endGroup()
  return found
}

/** End of the atom that starts at `from`. An encoded word is one atom, though some senders leave commas in it. */
function wordEnd(value: string, from: number): number {
  if (value.charCodeAt(from) === 0x3d && value.charCodeAt(from + 1) === 0x3f) {
    const word = /=\?[^?\s]{1,60}\?[bq]\?[^?\s]*\?=/iy
    word.lastIndex = from
    if (word.test(value)) return word.lastIndex
  }
  let at = from
  for (; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code === 0x5b) {
      const close = value.indexOf(']', at)
      if (close !== -1 && close - at < 300) at = close
    } else if (at > from && code === 0x3d && value.charCodeAt(at + 1) === 0x3f) break
    else if (code <= 0x20 || code === 0x22 || code === 0x28 || code === 0x2c || (code >= 0x3a && code <= 0x3c)) break
  }
  return at
}

/** Index of the `>` that closes the `<` at `from`; without one, where the next address or the value ends. */
function angleEnd(value: string, from: number): number {
  for (let at = from + 1; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code === 0x3e) return at
    if (code === 0x22) at = readQuoted(value, at).end - 1
    else if (code === 0x3c || code === 0x3b) return at
    // A comma is part of an obsolete route (`<@a,@b:c@d>`), else the sign of a forgotten `>`.
    else if (code === 0x2c && value.charCodeAt(from + 1) !== 0x40) return at
  }
  return value.length
}

function makeAddress(
  words: readonly Word[],
  comments: readonly string[],
  angle: string | undefined,
  group: string | undefined,
  spelling: Spelling,
): MailAddress | undefined {
  let address: string
  let name: string
  if (angle !== undefined) {
    address = cleanAddress(angle, spelling)
    name = phrase(words, spelling)
  } else {
    const split = bareAddress(words, spelling)
    address = split.address
    name = phrase(split.rest, spelling)
  }
  if (name === '' && comments.length > 0) name = spelling.decode(comments.join(' ').trim()).replace(/\\(.)/g, '$1')
  if (address === '' && name === '') return undefined
  const found: { -readonly [key in keyof MailAddress]: MailAddress[key] } = {
    address: spelling.foldDomain ? decodeRawHeader(address) : address,
  }
  if (name !== '') found.name = name
  if (group !== undefined) found.group = group
  return found
}

/** The name that words spell, with encoded words decoded inside quotes too, as senders put them there. */
function phrase(words: readonly Word[], { decode }: Spelling): string {
  let raw = ''
  for (const word of words) raw += word.spaceBefore && raw !== '' ? ` ${word.text}` : word.text
  return decode(raw.trim()).trim()
}

/** The address among bare words (`a . b @ c`, `John Doe a@b`), and the other words. */
function bareAddress(words: readonly Word[], spelling: Spelling): { address: string; rest: readonly Word[] } {
  let sign = -1
  for (let i = words.length - 1; i >= 0 && sign === -1; i--) {
    const word = words[i] as Word
    if (!word.quoted && word.text.includes('@') && !word.text.startsWith('=?')) sign = i
  }
  if (sign === -1) return { address: '', rest: words }
  let from = sign
  let to = sign
  const joins = (left: Word, right: Word): boolean =>
    !right.spaceBefore || /[.@]$/.test(left.text) || /^[.@]/.test(right.text)
  while (from > 0 && joins(words[from - 1] as Word, words[from] as Word)) from--
  while (to + 1 < words.length && joins(words[to] as Word, words[to + 1] as Word)) to++
  const address = words
    .slice(from, to + 1)
    .map((word) => (word.quoted ? `"${word.text.replace(/["\\]/g, '\\$&')}"` : word.text))
    .join('')
  const rest = [...words.slice(0, from), ...words.slice(to + 1)]
  return { address: cleanAddress(address, spelling), rest }
}

/** Without route, comments and white space, the domain lowercase if it is to be. */
function cleanAddress(text: string, { foldDomain }: Spelling): string {
  let out = text.trim()
  if (out.startsWith('@')) out = out.slice(out.indexOf(':') + 1)
  if (/^mailto:/i.test(out)) out = out.slice(7)
  if (!out.startsWith('"')) {
    out = withoutComments(out)
    out = out.replace(/\s+/g, '')
  }
  const sign = out.lastIndexOf('@')
  if (sign <= 0) return out
  const domain = out.slice(sign + 1).trim()
  if (!foldDomain) return `${out.slice(0, sign)}@${domain}`
  return `${out.slice(0, sign)}@${domain.replace(/[A-Z]+/g, (upper) => upper.toLowerCase()).replace(/\.$/, '')}`
}

/** One address in the form that lookups and SMTP use. */
export interface NormalAddress {
  readonly local: string
  /** Lowercase; A-labels for international names (`xn--…`), `[literal]` as written. */
  readonly domain: string
  readonly address: string
}

/**
 * Reads one address as SMTP and logins give it (RFC 5321 §4.1.2, UTF-8 local parts of RFC 6531): no name, no comment.
 * The local part keeps its case (quotes dropped where they are not needed, NFC), the domain becomes lowercase ASCII.
 * Undefined when it is none or too long (64 bytes of local part, 255 of domain).
 */
export function normalizeAddress(text: string): NormalAddress | undefined {
  const trimmed = text.trim()
  if (trimmed.length > 700) return undefined
  const sign = trimmed.lastIndexOf('@')
  if (sign <= 0 || sign === trimmed.length - 1) return undefined
  const local = normalLocal(trimmed.slice(0, sign))
  const domain = normalDomain(trimmed.slice(sign + 1))
  if (local === undefined || domain === undefined) return undefined
  return { local, domain, address: `${local}@${domain}` }
}

/**
 * The spelling under which an address of this installation is known. RFC 5321 §2.4 leaves the case of local parts to the receiving
 * system, and people write Kim@ and kim@ for one mailbox; addresses elsewhere keep theirs.
 */
export const ownAddress = (address: string): string => address.toLowerCase()

const ATOM = /^[\w!#$%&'*+/=?^`{|}~\u{80}-\u{10ffff}-]+(?:\.[\w!#$%&'*+/=?^`{|}~\u{80}-\u{10ffff}-]+)*$/u

function normalLocal(written: string): string | undefined {
  let local = written.normalize('NFC')
  if (local.startsWith('"')) {
    if (!/^"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"$/.test(local)) return undefined
    const plain = local.slice(1, -1).replace(/\\(.)/g, '$1')
    local = ATOM.test(plain) ? plain : `"${plain.replace(/["\\]/g, '\\$&')}"`
  } else if (!ATOM.test(local)) return undefined
  if (/[\u0080-\u009f\u2028\u2029\ufffe\uffff\s]/u.test(local) && !local.startsWith('"')) return undefined
  return local.isWellFormed() && Buffer.byteLength(local) <= 64 ? local : undefined
}

function normalDomain(written: string): string | undefined {
  if (written.startsWith('['))
    return /^\[(?:ipv6:[0-9a-f:.]+|[0-9.]+)\]$/i.test(written) ? written.toLowerCase() : undefined
  const name = written.replace(/\.$/, '')
  if (name === '' || /[\s/?#@:\\%[\]<>^|]/u.test(name)) return undefined
  let ascii = name.toLowerCase()
  if (/[^\x00-\x7f]/.test(ascii)) {
    const url = URL.parse(`http://x.${name}.y/`)
    if (url === null) return undefined
    ascii = url.hostname.slice(2, -2)
  }
  if (ascii.length > 255) return undefined
  return ascii.split('.').every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)) ? ascii : undefined
}

/** `user+tag` into user and tag (RFC 5233): the tag begins after the first separator; undefined when there is none. */
export function splitTag(local: string, separator = '+'): { user: string; tag: string | undefined } {
  const at = local.startsWith('"') ? -1 : local.indexOf(separator)
  return at <= 0
    ? { user: local, tag: undefined }
    : { user: local.slice(0, at), tag: local.slice(at + separator.length) }
}
