// The criteria of SEARCH as a tree (RFC 9051 §6.4.4, RFC 5032 WITHIN, RFC 7162 MODSEQ, RFC 8474).
import { charsetName, decodeText } from '../../../domain/mail/charset.ts'
import { normalizeFlag } from '../../../domain/mail/flags.ts'
import { textOf } from '../../wire/text.ts'
import type { Arguments } from '../arguments.ts'
import { BadCommand, Refused } from '../errors.ts'
import type { SequenceSet } from '../sequence-set.ts'

export type Criterion =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | { readonly kind: 'and'; readonly of: readonly Criterion[] }
  | { readonly kind: 'or'; readonly of: readonly [Criterion, Criterion] }
  | { readonly kind: 'not'; readonly of: Criterion }
  | { readonly kind: 'flag'; readonly flag: string }
  | { readonly kind: 'numbers'; readonly set: SequenceSet; readonly byUid: boolean }
  /** INTERNALDATE, epoch milliseconds: from inclusive, before exclusive. */
  | { readonly kind: 'received'; readonly from: number; readonly before: number }
  /** When it came into this mailbox (RFC 8514), epoch milliseconds: from inclusive, before exclusive. */
  | { readonly kind: 'saved'; readonly from: number; readonly before: number }
  /** The Date field, by its own day. */
  | { readonly kind: 'sent'; readonly from: number; readonly before: number }
  /** Bytes, both exclusive. */
  | { readonly kind: 'size'; readonly above: number; readonly below: number }
  | { readonly kind: 'modseq'; readonly atLeast: number }
  | { readonly kind: 'email-id'; readonly id: string }
  | { readonly kind: 'thread-id'; readonly id: string }
  /** `text` is folded; '' asks for the field alone. */
  | { readonly kind: 'header'; readonly name: string; readonly text: string }
  | { readonly kind: 'body'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }

const MAX_KEYS = 2_000
const DAY = 86_400_000

/** Case and composed characters do not matter (RFC 9051 §6.4.4 leaves it to the server; i;unicode-casemap in spirit). */
export const fold = (text: string): string => text.normalize('NFC').toLowerCase()

export class CriteriaReader {
  readonly #args: Arguments
  readonly #now: number
  #charset = 'utf-8'
  #keys = 0

  constructor(args: Arguments, now: number) {
    this.#args = args
    this.#now = now
  }

  /** `CHARSET name` before the keys. */
  charset(name: string): void {
    if (charsetName(name) === undefined) throw new Refused('This charset is not known', 'BADCHARSET (UTF-8 US-ASCII)')
    this.#charset = name
  }

  /** All keys to the end of the command, or of the parentheses. */
  keys(until = ''): Criterion {
    const all: Criterion[] = []
    for (;;) {
      all.push(this.#key())
      if (until === '' ? this.#args.atEnd() : this.#args.taken(until)) break
      this.#args.space()
      if (this.#args.atEnd()) break
    }
    return all.length === 1 ? (all[0] as Criterion) : { kind: 'and', of: all }
  }

  #text(): string {
    this.#args.space()
    const text = this.#args.astringBytes()
    return fold(/^utf-?8$|^us-ascii$/i.test(this.#charset) ? textOf(text) : decodeText(text, this.#charset))
  }

  #number(): number {
    this.#args.space()
    return this.#args.number()
  }

  #date(): number {
    this.#args.space()
    return this.#args.date()
  }

  /** Of BEFORE, ON and SINCE a date, whatever date of the message is compared with it. */
  #days(which: string): { readonly from: number; readonly before: number } {
    const day = this.#date()
    if (which === 'BEFORE') return { from: Number.NEGATIVE_INFINITY, before: day }
    return { from: day, before: which === 'ON' ? day + DAY : Number.POSITIVE_INFINITY }
  }

  #key(): Criterion {
    if (++this.#keys > MAX_KEYS) throw new BadCommand('Too many search keys')
    return this.#args.nested(() => this.#readKey())
  }

  #readKey(): Criterion {
    const args = this.#args
    if (args.taken('(')) return this.keys(')')
    const next = args.peek()
    if ((next >= '0' && next <= '9') || next === '*' || next === '$')
      return { kind: 'numbers', set: args.set(), byUid: false }
    const key = args.word()
    const header = (name: string): Criterion => ({ kind: 'header', name, text: this.#text() })
    const flag = (name: string): Criterion => ({ kind: 'flag', flag: name })
    const not = (of: Criterion): Criterion => ({ kind: 'not', of })
    switch (key) {
      case 'ALL':
      // No message is ever recent: arrivals are told to every client alike.
      case 'OLD':
        return { kind: 'all' }
      case 'RECENT':
      case 'NEW':
        return { kind: 'none' }
      case 'ANSWERED':
      case 'DELETED':
      case 'DRAFT':
      case 'FLAGGED':
      case 'SEEN':
        return flag(`\\${key.toLowerCase()}`)
      case 'UNANSWERED':
      case 'UNDELETED':
      case 'UNDRAFT':
      case 'UNFLAGGED':
      case 'UNSEEN':
        return not(flag(`\\${key.slice(2).toLowerCase()}`))
      case 'KEYWORD':
      case 'UNKEYWORD': {
        args.space()
        const written = args.flag()
        const keyword = normalizeFlag(written)
        if (keyword === undefined) throw new BadCommand(`${written.slice(0, 40)} is no keyword`)
        return key === 'KEYWORD' ? flag(keyword) : not(flag(keyword))
      }
      case 'BCC':
      case 'CC':
      case 'FROM':
      case 'SUBJECT':
      case 'TO':
        return header(key.toLowerCase())
      case 'HEADER': {
        args.space()
        return header(args.astring().toLowerCase())
      }
      case 'BODY':
        return { kind: 'body', text: this.#text() }
      case 'TEXT':
        return { kind: 'text', text: this.#text() }
      case 'BEFORE':
      case 'ON':
      case 'SINCE':
        return { kind: 'received', ...this.#days(key) }
      case 'SAVEDATESUPPORTED':
        return { kind: 'all' }
      case 'SAVEDBEFORE':
      case 'SAVEDON':
      case 'SAVEDSINCE':
        return { kind: 'saved', ...this.#days(key.slice(5)) }
      case 'SENTBEFORE':
      case 'SENTON':
      case 'SENTSINCE':
        return { kind: 'sent', ...this.#days(key.slice(4)) }
      case 'YOUNGER':
        return { kind: 'received', from: this.#now - this.#seconds() * 1000, before: Number.POSITIVE_INFINITY }
      case 'OLDER':
        return { kind: 'received', from: Number.NEGATIVE_INFINITY, before: this.#now - this.#seconds() * 1000 + 1 }
      case 'LARGER':
        return { kind: 'size', above: this.#number(), below: Number.POSITIVE_INFINITY }
      case 'SMALLER':
        return { kind: 'size', above: -1, below: this.#number() }
      case 'MODSEQ': {
        args.space()
        // `"/flags/\Seen" all`: metadata of one flag is not kept apart, and the message's own is never lower (RFC 7162 §3.1.5).
        if (args.peek() === '"') {
          args.string()
          args.space()
          args.word()
          args.space()
        }
        return { kind: 'modseq', atLeast: args.number() }
      }
      case 'EMAILID':
        args.space()
        return { kind: 'email-id', id: args.astring() }
      case 'THREADID':
        args.space()
        return { kind: 'thread-id', id: args.astring() }
      case 'UID':
        args.space()
        return { kind: 'numbers', set: args.set(), byUid: true }
      case 'NOT':
        args.space()
        return not(this.#key())
      case 'OR': {
        args.space()
        const first = this.#key()
        args.space()
        return { kind: 'or', of: [first, this.#key()] }
      }
      default:
        throw new BadCommand(`There is no search key ${key.slice(0, 40)}`)
    }
  }

  #seconds(): number {
    this.#args.space()
    return this.#args.nonZero()
  }
}
