// Which parts of a message are its words, and those words as plain Unicode text.
import { calendarTexts } from './calendar.ts'
import { asBuffer, charsetName, decodeText, decodeUtf8 } from './charset.ts'
import { unflow } from './format-flowed.ts'
import { htmlToText } from './html-text.ts'
import type { Envelope, MimePart } from './structure.ts'
import { decodeTransfer } from './transfer.ts'
import { uuBlocks } from './uuencode.ts'

/** The file name that a part was given, as written by the sender; undefined when there is none. */
export function givenFilename(part: MimePart): string | undefined {
  return part.disposition?.params['filename'] || part.params['name'] || part.params['filename'] || undefined
}

/** Whether a leaf is words to read in the message rather than a file that came with it. */
export function isBodyText(part: MimePart): boolean {
  if (!part.type.startsWith('text/') || part.type === 'text/rfc822-headers') return false
  if (part.disposition?.type === 'attachment') return false
  return part.disposition?.type === 'inline'
    ? part.disposition.params['filename'] === undefined
    : givenFilename(part) === undefined
}

export function isCalendar(part: MimePart): boolean {
  return part.type === 'text/calendar' || part.type === 'application/ics'
}

/** A part to show and the section number to fetch it by. */
export interface Body {
  readonly section: string
  readonly part: MimePart
}

/** The parts that a reader shows: the words as plain text, as HTML, or both, and an invitation. Nested messages are not looked into. */
export interface Bodies {
  readonly text?: Body
  readonly html?: Body
  readonly calendar?: Body
}

export function selectBodies(root: MimePart): Bodies {
  const found: { text?: Body; html?: Body; calendar?: Body } = {}
  const visit = (part: MimePart, section: string, isRoot: boolean): void => {
    if (part.parts !== undefined) {
      if (part.type === 'multipart/encrypted') return
      const prefix = section === '' ? '' : `${section}.`
      const related = part.type === 'multipart/related' || part.type === 'multipart/signed'
      const chosen = related ? relatedRoot(part) : undefined
      for (const [i, child] of part.parts.entries()) {
        if (chosen === undefined || child === chosen) visit(child, `${prefix}${i + 1}`, false)
      }
      return
    }
    const body = { section: section === '' ? '1' : section, part }
    if (isCalendar(part)) found.calendar ??= body
    else if (isRoot ? part.type.startsWith('text/') : isBodyText(part)) {
      if (part.type === 'text/html' || part.type === 'text/x-html') found.html ??= body
      else found.text ??= body
    }
  }
  visit(root, '', true)
  return found
}

/** The part of a multipart/related (or signed) that the others belong to (RFC 2387 §3.2). */
export function relatedRoot(part: MimePart): MimePart | undefined {
  const start = part.params['start']?.replace(/[<>\s]/g, '')
  return (start ? part.parts?.find((child) => child.id === start) : undefined) ?? part.parts?.[0]
}

/** The whole text of a text part from its raw (still encoded) body bytes: Unicode, line ends LF; HTML stays HTML. */
export function decodePartText(rawPartBytes: Uint8Array, part: MimePart): string {
  const bytes = decodeTransfer(rawPartBytes, part.encoding)
  const declared = part.params['charset'] ?? ''
  let text: string | undefined
  if (part.type.endsWith('html') && (charsetName(declared) ?? 'guess') === 'guess') {
    const head = asBuffer(bytes).toString('latin1', 0, 1024)
    const meta = /<meta[^>]{0,200}charset\s*=\s*["']?([\w:.-]{1,40})/i.exec(head)?.[1]
    text = decodeUtf8(bytes) ?? decodeText(bytes, meta)
  }
  text ??= decodeText(bytes, declared)
  if (text.charCodeAt(0) === 0xfeff) text = text.slice(1)
  return text.includes('\r') ? text.replace(/\r{1,3}\n|\r/g, '\n') : text
}

/** Gives the kept beginning of a text part's raw body, and whether that is all of it. */
export type Excerpt = (part: MimePart) => { readonly bytes: Uint8Array; readonly whole: boolean } | undefined

const PLACEHOLDER =
  /(?:does(?: not|n't)|can(?:not|'t)|unable to|not) (?:support|display|view|read|show)[^.]{0,40}html|html[- ](?:capable|enabled|compatible|format|version|e-?mail|message|mail|only)|view (?:this|the) (?:e-?mail|message|newsletter) (?:in|with|online)|view(?:ing)? it in (?:a|your) browser|to view this (?:message|e-?mail)/i

/** Text for search and reading, at most about `limit` characters; not normalized yet. */
export class TextCollector {
  truncated = false
  readonly #excerpt: Excerpt
  readonly #limit: number
  /** Rendered parts, so that a choice between alternatives renders each once. */
  readonly #rendered = new Map<MimePart, string>()

  constructor(excerpt: Excerpt, limit: number) {
    this.#excerpt = excerpt
    this.#limit = limit
  }

  collect(root: MimePart): string {
    const pieces: string[] = []
    this.#visit(root, pieces, true)
    return pieces.join('\n\n')
  }

  #visit(part: MimePart, pieces: string[], isRoot: boolean): void {
    let length = 0
    for (const piece of pieces) length += piece.length
    if (length > this.#limit) {
      if (part.parts !== undefined || part.message !== undefined || isBodyText(part)) this.truncated = true
      return
    }
    if (part.message !== undefined) this.#visitMessage(part.message, pieces)
    else if (part.parts === undefined) {
      if (isCalendar(part)) add(pieces, this.#calendar(part))
      else if (isRoot ? part.type.startsWith('text/') : isBodyText(part)) add(pieces, this.#render(part))
    } else if (part.type === 'multipart/alternative') this.#visitAlternative(part.parts, pieces)
    else if (part.type === 'multipart/related' || part.type === 'multipart/signed') {
      const root = relatedRoot(part)
      if (root !== undefined) this.#visit(root, pieces, false)
    } else if (part.type !== 'multipart/encrypted') for (const child of part.parts) this.#visit(child, pieces, false)
  }

  #visitMessage(message: { readonly envelope: Envelope; readonly root: MimePart }, pieces: string[]): void {
    if (message.envelope.subject !== '') pieces.push(message.envelope.subject)
    this.#visit(message.root, pieces, true)
  }

  /** Plain text when it says something, else the richest alternative that does. */
  #visitAlternative(parts: readonly MimePart[], pieces: string[]): void {
    const plain = parts.find((part) => part.type === 'text/plain' && isBodyText(part))
    const others = parts.filter((part) => part !== plain && !isCalendar(part))
    let words = plain === undefined ? '' : this.#render(plain)
    if (words.trim() === '' || (words.length < 400 && PLACEHOLDER.test(words))) {
      for (let i = others.length - 1; i >= 0; i--) {
        const found: string[] = []
        this.#visit(others[i] as MimePart, found, false)
        const text = found.join('\n\n')
        if (text.trim() !== '') {
          words = text
          break
        }
      }
    }
    if (words.trim() !== '') pieces.push(words)
    for (const part of parts) {
      if (!isCalendar(part)) continue
      const extra = calendarTexts(this.#decode(part)).filter((text) => !words.includes(text))
      if (extra.length > 0) pieces.push(extra.join('\n'))
    }
  }

  #calendar(part: MimePart): string {
    return calendarTexts(this.#decode(part)).join('\n')
  }

  #render(part: MimePart): string {
    let text = this.#rendered.get(part)
    if (text === undefined) {
      text = this.#renderNew(part)
      this.#rendered.set(part, text)
    }
    return text
  }

  #renderNew(part: MimePart): string {
    const text = this.#decode(part)
    if (part.type === 'text/html' || part.type === 'text/x-html') return this.#cutHtml(text)
    if (part.type === 'text/enriched' || part.type === 'text/richtext') return enrichedToText(text)
    const flowed = part.params['format']?.toLowerCase() === 'flowed'
    const plain = withoutArmor(withoutUuBlocks(text))
    return flowed ? unflow(plain, part.params['delsp']?.toLowerCase() === 'yes') : plain
  }

  #cutHtml(html: string): string {
    const text = htmlToText(html, this.#limit * 2)
    if (text.length > this.#limit) this.truncated = true
    return text
  }

  #decode(part: MimePart): string {
    const excerpt = this.#excerpt(part)
    if (excerpt === undefined) {
      if (part.bodyEnd > part.bodyStart) this.truncated = true
      return ''
    }
    if (!excerpt.whole) this.truncated = true
    const text = decodePartText(excerpt.bytes, part)
    return excerpt.whole ? text : text.replace(/\ufffd{1,3}$/, '')
  }
}

function add(pieces: string[], text: string): void {
  if (text.trim() !== '') pieces.push(text)
}

/** text/enriched (RFC 1896) and text/richtext (RFC 1341): commands in angle brackets, `<<` is a bracket, `<nl>` a line end. */
function enrichedToText(text: string): string {
  return text
    .replace(/<param>[^<]*<\/param>/gi, '')
    .replace(/<<|<(\/?)([a-z][\w-]{0,40})>/gi, (all, _slash, name: string | undefined) =>
      name === undefined
        ? '<'
        : /^(?:nl|np|paragraph)$/i.test(name)
          ? '\n'
          : /^lt$/i.test(name)
            ? '<'
            : all === ''
              ? all
              : '',
    )
}

function withoutUuBlocks(text: string): string {
  if (!text.includes('begin ')) return text
  let out = ''
  let from = 0
  for (const block of uuBlocks(text)) {
    out += text.slice(from, block.start)
    from = block.end
  }
  return out + text.slice(from)
}

/** Text without OpenPGP armor (RFC 9580 §6.2): signatures and ciphertext go, signed words stay. */
function withoutArmor(text: string): string {
  if (!text.includes('-----BEGIN PGP ')) return text
  let out = text.replace(/^-----BEGIN PGP SIGNED MESSAGE-----\n(?:[A-Za-z-]+: .*\n)*\n?/gm, '')
  for (const kind of ['SIGNATURE', 'MESSAGE', 'PUBLIC KEY BLOCK']) {
    const begin = `-----BEGIN PGP ${kind}-----`
    const end = `-----END PGP ${kind}-----`
    let kept = ''
    let from = 0
    for (let at = out.indexOf(begin); at !== -1; at = out.indexOf(begin, from)) {
      kept += out.slice(from, at)
      const close = out.indexOf(end, at)
      from = close === -1 ? out.length : close + end.length
    }
    out = kept + out.slice(from)
  }
  return out
}
