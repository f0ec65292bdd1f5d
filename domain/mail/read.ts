// Reading a message once: envelope, structure, text for search, attachments. Any bytes give an answer; nothing throws.
import { listAttachments, referencedIds } from './attachments.ts'
import { decodePartText, type Excerpt, givenFilename, isBodyText, isCalendar, TextCollector } from './body-text.ts'
import { DEFAULT_LIMITS, type MailLimits } from './limits.ts'
import { MimeScanner } from './mime.ts'
import { protectionOf } from './protection.ts'
import { snippetOf } from './snippet.ts'
import type { MailContent, MimePart } from './structure.ts'
import { uuBlocks } from './uuencode.ts'

export type { MailLimits } from './limits.ts'
export { DEFAULT_LIMITS } from './limits.ts'

/** Reads a whole message held in memory; its bytes are not copied. Never throws. */
export function readMail(raw: Uint8Array, limits?: Partial<MailLimits>): MailContent {
  const scanner = newScanner(limits, true)
  scanner.push(raw)
  return contentOf(scanner, limits)
}

/**
 * Reads a message that arrives in chunks of any size, with the same answer as `readMail` of the whole. Keeps header
 * blocks and the beginnings of text parts (about 3 MiB at most), never attachments. Chunks may be reused after `push`.
 */
export class MailReader {
  readonly #limits: Partial<MailLimits> | undefined
  readonly #scanner: MimeScanner

  constructor(limits?: Partial<MailLimits>) {
    this.#limits = limits
    this.#scanner = newScanner(limits, false)
  }

  push(chunk: Uint8Array): void {
    this.#scanner.push(chunk)
  }

  /** The answer; the reader is used up. */
  end(): MailContent {
    return contentOf(this.#scanner, this.#limits)
  }
}

function newScanner(limits: Partial<MailLimits> | undefined, stable: boolean): MimeScanner {
  const all = { ...DEFAULT_LIMITS, ...limits }
  const plain = Math.max(4096, all.textBytes * 4)
  const html = Math.max(4096, all.textBytes * 16)
  return new MimeScanner(all, stable, (part, type) => {
    // Encoded text is longer than what it says, and markup is mostly not words.
    if (type === 'text/html' || type === 'text/x-html') return part.disposition?.type === 'attachment' ? 0 : html
    if (type === 'application/ics') return plain
    if (!type.startsWith('text/') || part.disposition?.type === 'attachment')
      return type === 'text/calendar' ? plain : 0
    return plain
  })
}

function contentOf(scanner: MimeScanner, limits: Partial<MailLimits> | undefined): MailContent {
  const { textBytes } = { ...DEFAULT_LIMITS, ...limits }
  const { root, envelope, texts, size, defects } = scanner.end()
  const excerpt: Excerpt = (part) => {
    const captured = texts.get(part)
    if (captured === undefined) return undefined
    const bytes = captured.chunks.length === 1 ? (captured.chunks[0] as Buffer) : Buffer.concat(captured.chunks)
    return { bytes, whole: captured.length >= part.bodyEnd - part.bodyStart }
  }
  const collector = new TextCollector(excerpt, textBytes)
  const full = tidy(collector.collect(root))
  const text = firstBytes(full, textBytes)
  const parts = [...ownParts(root)]
  const attachments = listAttachments(root, shownIds(parts, excerpt), (part) => {
    const bytes = isPlain(part) ? excerpt(part)?.bytes : undefined
    if (
      bytes === undefined ||
      part.encoding === 'base64' ||
      !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('begin ')
    )
      return []
    return uuBlocks(decodePartText(bytes, part))
  })
  const protection = protectionOf(root, firstArmor(parts, excerpt))
  const content: MailContent = {
    envelope,
    root,
    text,
    textTruncated: collector.truncated || text.length < full.length,
    snippet: snippetOf(text),
    attachments,
    hasAttachment: attachments.some((each) => !each.inline),
    hasCalendar: parts.some(isCalendar),
    hasTnef: parts.some(isTnef),
    size,
    defects,
  }
  return protection === undefined ? content : { ...content, protection }
}

/** All leaves but those of nested messages. */
function* ownParts(part: MimePart): Generator<MimePart> {
  if (part.parts === undefined) yield part
  else for (const child of part.parts) yield* ownParts(child)
}

function isPlain(part: MimePart): boolean {
  return part.type === 'text/plain'
}

function isTnef(part: MimePart): boolean {
  return (
    part.type === 'application/ms-tnef' ||
    part.type === 'application/vnd.ms-tnef' ||
    /^winmail\.dat$/i.test(givenFilename(part) ?? '')
  )
}

/** Only messages that have parts with a Content-ID need their HTML looked at. */
function shownIds(parts: readonly MimePart[], excerpt: Excerpt): ReadonlySet<string> {
  if (!parts.some((part) => part.id !== undefined)) return new Set()
  const texts: string[] = []
  for (const part of parts) {
    const found = part.type === 'text/html' ? excerpt(part) : undefined
    if (found !== undefined) texts.push(decodePartText(found.bytes, part))
  }
  return referencedIds(texts)
}

const ARMOR = '-----BEGIN PGP '

function firstArmor(parts: readonly MimePart[], excerpt: Excerpt): string {
  for (const part of parts) {
    if (!isPlain(part) || !(isBodyText(part) || parts.length === 1)) continue
    const found = excerpt(part)
    if (found === undefined) continue
    // Base64 hides the armor; anything else shows it as it is.
    if (
      part.encoding !== 'base64' &&
      !Buffer.from(found.bytes.buffer, found.bytes.byteOffset, found.bytes.byteLength).includes(ARMOR)
    )
      continue
    const text = decodePartText(found.bytes, part)
    if (text.includes(ARMOR)) return text
  }
  return ''
}

/** NFC, no control characters, no trailing blanks, at most one empty line in a row. */
function tidy(text: string): string {
  let out = text
  // One pass settles the common case of plain ASCII.
  if (/[^\t\n\x20-\x7e]/.test(text)) out = text.replace(/[\x00-\x08\x0b-\x1f\x7f]+/g, '').normalize('NFC')
  if (/[ \t]\n/.test(out)) {
    out = out
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n')
  }
  return out.includes('\n\n\n') ? trimLines(out.replace(/\n{3,}/g, '\n\n')) : trimLines(out)
}

/** Without empty lines at both ends and without blanks at the end. */
function trimLines(text: string): string {
  let from = 0
  while (text.charCodeAt(from) === 0x0a) from++
  return text.slice(from).trimEnd()
}

/** The longest beginning that fits into `limit` bytes of UTF-8 without cutting a character. */
function firstBytes(text: string, limit: number): string {
  if (text.length * 3 <= limit || Buffer.byteLength(text) <= limit) return text
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(limit))
  return text.slice(0, read)
}
