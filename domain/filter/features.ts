// What the classifier knows of a message: hashed words and pairs of words, never the words themselves.
import type { Envelope } from '../mail/structure.ts'

/** What every arrival keeps, whichever way it came: so that a message can be learned from its event alone. */
export interface LearnableMail {
  readonly envelope: Envelope
  /** Extracted text, at most 16 KiB. */
  readonly text: string
  /** What only the raw message shows (header shape, markup, links), hashed when it came; see signals.ts. */
  readonly signals: Uint32Array
}

/** Words of a text that are looked at: what a message wants stands at its beginning. */
const MAX_WORDS = 1000
const MAX_SUBJECT_WORDS = 40
const MAX_NAME_WORDS = 8
/** Distinct features of one message. */
export const MAX_FEATURES = 2500

const SUBJECT = 0x9e3779b9
const NAME = 0x85ebca6b
const SENDER = 0xc2b2ae35
const PAIR = 0x27d4eb2f

/** FNV-1a over UTF-16 units, finished with murmur's mixer; `seed` keeps kinds of features apart. */
export function hashFeature(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mix(hash)
}

function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** The distinct features of a message, at most `MAX_FEATURES`; the same for the same message, always. */
export function featuresOf(mail: LearnableMail): Uint32Array {
  const found = new Set<number>()
  const add = (hash: number) => {
    if (found.size < MAX_FEATURES) found.add(hash)
  }
  for (const signal of mail.signals) add(signal)
  const [from] = mail.envelope.from
  if (from !== undefined) {
    const address = from.address.toLowerCase()
    add(hashFeature(address, SENDER))
    for (const domain of parentDomains(address.slice(address.lastIndexOf('@') + 1))) add(hashFeature(domain, SENDER))
    addWords(words(from.name ?? '', MAX_NAME_WORDS), NAME, add)
  }
  addWords(words(plainSubject(mail.envelope.subject), MAX_SUBJECT_WORDS), SUBJECT, add)
  addWords(words(ownText(mail.text), MAX_WORDS), 0, add)
  return Uint32Array.from(found)
}

function addWords(list: readonly string[], seed: number, add: (hash: number) => void): void {
  let previous = 0
  for (const word of list) {
    const hash = hashFeature(word, seed)
    add(hash)
    if (previous !== 0) add(mix(Math.imul(previous, 31) ^ hash ^ PAIR))
    previous = hash
  }
}

/** `a.b.example.org`, `b.example.org`, `example.org`. */
export function parentDomains(domain: string): readonly string[] {
  const labels = domain.split('.')
  const found: string[] = []
  for (let i = Math.max(0, labels.length - 4); i <= labels.length - 2; i++) found.push(labels.slice(i).join('.'))
  return found
}

/** Without `Re:` and the tags that mailing lists put before a subject: they say who distributed it, not what it says. */
function plainSubject(subject: string): string {
  return subject.replace(/^(?:\s*(?:re|fwd?|aw|wg|sv|답장|전달)\s*(?:\[\d+\])?:|\s*\[[^\]]{1,40}\])+/i, '')
}

/** Without the footer that a mailing list hangs below everything. */
function ownText(text: string): string {
  const footer = /\n[_=-]{10,}\n(?=[\s\S]{0,400}(?:mailing list|unsubscribe|listinfo|group))/i.exec(text)
  return footer !== null && footer.index > 0 ? text.slice(0, footer.index) : text
}

const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]{1,40}|[\p{L}\p{N}$€£₩%][\p{L}\p{N}\p{M}'’$€£₩%@._-]{0,60}!*/gu

/** Lowercase words; scripts written without blanks give pairs of characters. Numbers and long words give their shape. */
export function words(text: string, limit: number): string[] {
  const found: string[] = []
  for (const [match] of text.slice(0, limit * 40).matchAll(WORD)) {
    if (found.length >= limit) break
    const first = match.codePointAt(0) as number
    if (first >= 0x3040 && first <= 0x9fff) {
      if (match.length === 1) found.push(match)
      for (let i = 0; i + 1 < match.length && found.length < limit; i++) found.push(match.slice(i, i + 2))
      continue
    }
    const word = match.toLowerCase().replace(/[._'’-]+$/, '')
    if (word === '') continue
    if (word.length > 30) found.push(`long ${Math.min(9, word.length >> 3)}`)
    else if (/^[\d.,]+$/.test(word)) found.push(`number ${word.length}`)
    else if (match.length >= 4 && match === match.toUpperCase() && match !== word) found.push(word, 'shouted')
    else found.push(word)
  }
  return found
}
