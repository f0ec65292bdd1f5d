// One command as it was sent, read word by word (the grammar of RFC 9051 §9).
import { textOf } from '../wire/text.ts'
import { BadCommand } from './errors.ts'
import { parseSet, type SequenceSet } from './sequence-set.ts'

/** A literal of an APPEND that was too large to hold: it is in the blob store already. */
export type Literal<Stored = unknown> =
  | { readonly bytes: Buffer; readonly binary: boolean }
  | { readonly stored: Stored; readonly binary: boolean }

/** `atom-specials` of RFC 9051 §9 but ']', which ends section names and stands in flags of the wild. */
const ATOM = /[^\x00-\x20\x7f-\xff(){%*"\\\]]+/y
const ASTRING = /[^\x00-\x20\x7f-\xff(){%*"\\]+/y
const LIST_MAILBOX = /[^\x00-\x20\x7f-\xff(){"\\]+/y
const ITEM = /[A-Za-z0-9.]+/y
const FLAG = /\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+/y
const NUMBER = /\d{1,20}/y
const SET = /[\d:*,$]+/y
const QUOTED = /"((?:[^"\\\r\n]|\\["\\])*)"/y

export class Arguments<Stored = unknown> {
  /** Fragments of the line, one character a byte; between two of them lies a literal. */
  readonly #lines: readonly string[]
  readonly #literals: readonly Literal<Stored>[]
  readonly #maxDepth: number
  #line = 0
  #at = 0
  #depth = 0

  constructor(lines: readonly string[], literals: readonly Literal<Stored>[], maxDepth: number) {
    this.#lines = lines
    this.#literals = literals
    this.#maxDepth = maxDepth
  }

  get #text(): string {
    return this.#lines[this.#line] ?? ''
  }

  /** The next character, '' at the end. */
  peek(): string {
    return this.#text[this.#at] ?? ''
  }

  atEnd(): boolean {
    return this.#at >= this.#text.length && this.#line === this.#lines.length - 1
  }

  end(): void {
    if (!this.atEnd()) throw new BadCommand('Something follows that does not belong to this command')
  }

  space(): void {
    if (this.peek() !== ' ') throw new BadCommand('A space is missing')
    this.#at++
    // More than one is not allowed, and common.
    while (this.peek() === ' ') this.#at++
  }

  /** Whether `char` came next; then it is taken. */
  taken(char: string): boolean {
    if (this.peek() !== char) return false
    this.#at++
    return true
  }

  expect(char: string): void {
    if (!this.taken(char)) throw new BadCommand(`Expected ${char}`)
  }

  #match(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (!found) throw new BadCommand(`Expected ${what}`)
    this.#at = pattern.lastIndex
    return found[0]
  }

  atom(): string {
    return this.#match(ATOM, 'a word')
  }

  /** Letters, digits and dots: the name of an item, up to its `[`. */
  itemName(): string {
    return this.#match(ITEM, 'the name of an item')
  }

  /** An atom in capitals: names of commands, items, keys. */
  word(): string {
    return this.atom().toUpperCase()
  }

  /** Whether this word, and a space, come next. */
  lookingAt(word: string): boolean {
    return this.#text.slice(this.#at, this.#at + word.length + 1).toUpperCase() === `${word} `
  }

  /** Whether a space comes next, and this character behind it. */
  lookingAtSpaceThen(char: string): boolean {
    return /^ +(.)/.exec(this.#text.slice(this.#at, this.#at + 10))?.[1] === char
  }

  /** What is left of the line, literals not counted: for a command that is not known. */
  rest(): string {
    const rest = this.#text.slice(this.#at)
    this.#at = this.#text.length
    return rest
  }

  number(): number {
    const number = Number(this.#match(NUMBER, 'a number'))
    if (!Number.isSafeInteger(number)) throw new BadCommand('This number is too large')
    return number
  }

  nonZero(): number {
    const number = this.number()
    if (number === 0) throw new BadCommand('Expected a number above 0')
    return number
  }

  /** Bytes of a quoted string or a literal. */
  string(): Buffer {
    if (this.peek() === '"') {
      const quoted = this.#match(QUOTED, 'the end of the quoted string')
      const text = quoted.slice(1, -1)
      return Buffer.from(text.includes('\\') ? text.replace(/\\(["\\])/g, '$1') : text, 'latin1')
    }
    const literal = this.literal()
    if ('stored' in literal) throw new BadCommand('This literal is too large')
    return literal.bytes
  }

  literal(): Literal<Stored> {
    const literal = this.#literals[this.#line]
    if (!/^~?\{\d+\+?\}$/.test(this.#text.slice(this.#at)) || literal === undefined)
      throw new BadCommand('Expected a string')
    this.#line++
    this.#at = 0
    return literal
  }

  get #stringNext(): boolean {
    const char = this.peek()
    return char === '"' || char === '{' || char === '~'
  }

  /** UTF-8 text of an astring; bytes that are none keep their value as Latin-1. */
  astring(): string {
    return this.#stringNext ? textOf(this.string()) : this.#match(ASTRING, 'a string')
  }

  /** The bytes of an astring, for text in another charset. */
  astringBytes(): Buffer {
    return this.#stringNext ? this.string() : Buffer.from(this.#match(ASTRING, 'a string'), 'latin1')
  }

  /** An astring, or a name with wildcards. */
  listMailbox(): string {
    return this.#stringNext ? textOf(this.string()) : this.#match(LIST_MAILBOX, 'a name')
  }

  /** A string, or NIL for null. */
  nstring(): Buffer | null {
    if (this.#stringNext) return this.string()
    if (this.word() !== 'NIL') throw new BadCommand('Expected a string or NIL')
    return null
  }

  flag(): string {
    return this.#match(FLAG, 'a flag')
  }

  set(): SequenceSet {
    return parseSet(this.#match(SET, 'message numbers'))
  }

  /** `(item item …)`; empty when `allowEmpty`. */
  list<T>(item: () => T, allowEmpty = false): T[] {
    this.expect('(')
    return this.nested(() => {
      const items: T[] = []
      if (allowEmpty && this.taken(')')) return items
      for (;;) {
        items.push(item())
        if (this.taken(')')) return items
        this.space()
      }
    })
  }

  /** Counts how deep things are inside one another. */
  nested<T>(read: () => T): T {
    if (++this.#depth > this.#maxDepth) throw new BadCommand('Nested too deep')
    try {
      return read()
    } finally {
      this.#depth--
    }
  }

  /** A quoted or bare date `1-Feb-1994`: the start of that day in UTC. */
  date(): number {
    const text = this.peek() === '"' ? textOf(this.string()) : this.atom()
    const found = /^(\d{1,2})-([A-Za-z]{3})-(\d{4})$/.exec(text)
    const time = found ? utc(found[3], found[2], found[1]) : undefined
    if (time === undefined) throw new BadCommand('A date is written like 1-Feb-1994')
    return time
  }

  /** `"17-Jul-1996 02:44:25 -0700"`: epoch milliseconds. */
  dateTime(): number {
    const found = /^ ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/.exec(
      textOf(this.string()),
    )
    const day = found ? utc(found[3], found[2], found[1]) : undefined
    if (!found || day === undefined) throw new BadCommand('A time is written like "17-Jul-1996 02:44:25 -0700"')
    const zone = (Number(found[8]) * 60 + Number(found[9])) * (found[7] === '-' ? -1 : 1)
    const seconds = Number(found[4]) * 3600 + Number(found[5]) * 60 + Number(found[6])
    return day + (seconds - zone * 60) * 1000
  }
}

export const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

function utc(year: string | undefined, month: string | undefined, day: string | undefined): number | undefined {
  const index = MONTHS.findIndex((name) => name.toLowerCase() === month?.toLowerCase())
  const time = Date.UTC(Number(year), index, Number(day))
  return index < 0 || new Date(time).getUTCDate() !== Number(day) ? undefined : time
}
