// What conversations are built from: message ids and the base subject (RFC 5256 §2.1, with the reply marks of more languages).
import type { Envelope } from './structure.ts'

export interface ThreadKey {
  /** Ids of the messages this one answers, oldest first, ending with the direct parent. */
  readonly references: string[]
  /** Base subject: no reply and forward marks, one blank between words, NFKC, lowercase. List tags in brackets stay. */
  readonly subject: string
  /** Whether the subject or the fields say that this answers or forwards another message. */
  readonly isReply: boolean
}

/** Longest subject that is looked at. */
const MAX_SUBJECT = 2000
/** Reply and forward marks: English, German, Scandinavian, Dutch, Romance, Slavic, Finnish, Hungarian, Turkish, Korean, Chinese, Japanese. */
const MARK =
  /(?:re|res|rv|rif|r|fwd?|fw|aw|antw(?:ort)?|wg|sv|vs|vb|vl|doorst|tr|enc|i|ynt|ilt|odp|pd|továbbítás|vá|ref|답장|회신|전달|답글|回复|回覆|答复|转发|轉寄|返信|転送|ответ|пересл)\s*(?:\[\d{1,4}\]|\(\d{1,4}\)|\*\d{1,4}|\^\d{1,4})?\s*[:：]\s*/uy
const BRACKETED = /\[(?:답장|회신|전달|re|fwd?|fw)\]\s*/uy
const TRAILER = /\s*\(fwd\)$/u

export function threadKey(envelope: Envelope): ThreadKey {
  const { subject, marked } = baseSubject(envelope.subject)
  const references = [...envelope.references]
  // In-Reply-To names the parent when References is missing (RFC 5256 §3, step 1).
  const parent = envelope.inReplyTo[0]
  if (parent !== undefined && !references.includes(parent)) references.push(parent)
  return { references, subject, isReply: marked || references.length > 0 }
}

/** The base subject and whether anything was taken off. Linear in the subject's length. */
export function baseSubject(written: string): { subject: string; marked: boolean } {
  const text = written.slice(0, MAX_SUBJECT).toWellFormed().normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim()
  let from = 0
  let to = text.length
  let marked = false
  let tag = ''
  for (;;) {
    const after = skipMark(text, from)
    if (after > from) {
      marked = true
      from = after
    } else if (text.startsWith('[fwd: ', from) && text.charCodeAt(to - 1) === 0x5d) {
      marked = true
      from += 6
      to--
    } else if (text.charCodeAt(from) === 0x5b && tag === '') {
      // `[list] Re: words` and `Re: [list] words` are one conversation, so a mark after one tag goes too.
      const close = text.indexOf(']', from)
      const next = close === -1 ? -1 : skipBlank(text, close + 1)
      if (next === -1 || skipMark(text, next) === next) break
      tag = `${text.slice(from, close + 1)} `
      from = next
    } else break
  }
  let rest = text.slice(from, Math.max(from, to)).trim()
  while (TRAILER.test(rest)) {
    rest = rest.replace(TRAILER, '')
    marked = true
  }
  // A second copy of the list's tag behind the marks is the same tag.
  if (tag !== '' && rest.startsWith(tag)) tag = ''
  return { subject: (tag + rest).trim(), marked }
}

function skipMark(text: string, from: number): number {
  for (const pattern of [MARK, BRACKETED]) {
    pattern.lastIndex = from
    if (pattern.test(text)) return pattern.lastIndex
  }
  return from
}

function skipBlank(text: string, from: number): number {
  return text.charCodeAt(from) === 0x20 ? from + 1 : from
}
