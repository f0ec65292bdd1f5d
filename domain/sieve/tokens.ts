// Words of a Sieve script with their places (RFC 5228 §8.1). No library: the ones there are know no places, or few extensions.
import { type Place, SieveStop } from './limits.ts'

export type Token =
  | { readonly kind: 'identifier' | 'tag' /** Lowercase. */; readonly text: string; readonly place: Place }
  | { readonly kind: 'string'; readonly text: string; readonly place: Place }
  | { readonly kind: 'number'; readonly value: number; readonly place: Place }
  | { readonly kind: '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';' | 'end'; readonly place: Place }

const UNITS: Readonly<Record<string, number>> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 }
const MARKS = '()[]{},;'

export class Tokens {
  readonly #script: string
  #at = 0
  #line = 1
  /** Index where the present line begins. */
  #lineStart = 0

  constructor(script: string) {
    this.#script = script
    if (script.charCodeAt(0) === 0xfeff) this.#at = this.#lineStart = 1
  }

  /** The next token; 'end' again and again at the end. Throws `SieveStop` for what is no token. */
  next(): Token {
    this.#skipBlanks()
    const script = this.#script
    const place = this.#place()
    const char = script[this.#at]
    if (char === undefined) return { kind: 'end', place }
    if (MARKS.includes(char)) {
      this.#at++
      return { kind: char as '(', place }
    }
    if (char === '"') return { kind: 'string', text: this.#quoted(place), place }
    if (char >= '0' && char <= '9') return { kind: 'number', value: this.#number(place), place }
    if (char === ':') {
      this.#at++
      const text = this.#word()
      if (text === '')
        throw new SieveStop(place, 'A colon begins a tag such as :contains; a name must follow it at once.')
      return { kind: 'tag', text: text.toLowerCase(), place }
    }
    const text = this.#word()
    if (text === '') throw new SieveStop(place, `${shown(char)} has no meaning here. Texts stand in "quotes".`)
    if (text.toLowerCase() === 'text' && script[this.#at] === ':') {
      this.#at++
      return { kind: 'string', text: this.#multiLine(place), place }
    }
    return { kind: 'identifier', text: text.toLowerCase(), place }
  }

  #place(): Place {
    return { line: this.#line, column: this.#at - this.#lineStart + 1 }
  }

  #newLine(): void {
    this.#line++
    this.#lineStart = this.#at
  }

  #skipBlanks(): void {
    const script = this.#script
    for (;;) {
      const char = script[this.#at]
      if (char === '\n') {
        this.#at++
        this.#newLine()
      } else if (char === ' ' || char === '\t' || char === '\r') this.#at++
      else if (char === '#') {
        const end = script.indexOf('\n', this.#at)
        this.#at = end === -1 ? script.length : end
      } else if (char === '/' && script[this.#at + 1] === '*') this.#comment()
      else return
    }
  }

  #comment(): void {
    const place = this.#place()
    const end = this.#script.indexOf('*/', this.#at + 2)
    if (end === -1) throw new SieveStop(place, 'This comment has no end: close it with */.')
    this.#passLines(end + 2)
  }

  /** Moves on to `end`, counting the lines that are passed. */
  #passLines(end: number): void {
    for (
      let at = this.#script.indexOf('\n', this.#at);
      at !== -1 && at < end;
      at = this.#script.indexOf('\n', at + 1)
    ) {
      this.#at = at + 1
      this.#newLine()
    }
    this.#at = end
  }

  #word(): string {
    const word = /[A-Za-z_][A-Za-z0-9_]*/y
    word.lastIndex = this.#at
    const found = word.exec(this.#script)?.[0] ?? ''
    this.#at += found.length
    return found
  }

  #number(place: Place): number {
    const number = /(\d+)([A-Za-z_]\w*)?/y
    number.lastIndex = this.#at
    const [all = '', digits = '', unit] = number.exec(this.#script) ?? []
    this.#at += all.length
    const factor = unit === undefined ? 1 : UNITS[unit.toUpperCase()]
    if (factor === undefined) throw new SieveStop(place, `${shown(all)} is not a number; its unit may be K, M or G.`)
    const value = Number(digits) * factor
    if (!Number.isSafeInteger(value)) throw new SieveStop(place, `The number ${shown(all)} is too large.`)
    return value
  }

  #quoted(place: Place): string {
    const script = this.#script
    let text = ''
    let from = this.#at + 1
    for (let at = from; at < script.length; at++) {
      const char = script[at]
      if (char === '"') {
        text += script.slice(from, at)
        this.#passLines(at + 1)
        return text
      }
      if (char === '\0') break
      if (char === '\\') {
        text += script.slice(from, at)
        from = ++at
      }
    }
    throw new SieveStop(place, 'This text has no end: close it with a quotation mark.')
  }

  /** `text:` up to a line with only a dot; lines end in CRLF, as they do in mail (RFC 5228 §2.4.2). */
  #multiLine(place: Place): string {
    const script = this.#script
    const head = /[ \t]*(?:#[^\n]*)?\r?(?:\n|$)/y
    head.lastIndex = this.#at
    const first = head.exec(script)
    if (!first) throw new SieveStop(place, 'After text: a new line must begin; the text follows on the next lines.')
    this.#passLines(this.#at + first[0].length)
    const lines: string[] = []
    while (this.#at < script.length) {
      const newline = script.indexOf('\n', this.#at)
      const end = newline === -1 ? script.length : newline
      let line = script.slice(this.#at, end)
      if (line.endsWith('\r')) line = line.slice(0, -1)
      this.#passLines(Math.min(end + 1, script.length))
      if (line === '.') return lines.map((each) => `${each}\r\n`).join('')
      lines.push(line.startsWith('.') ? line.slice(1) : line)
    }
    throw new SieveStop(place, 'This text: has no end: close it with a line that holds only a dot.')
  }
}

/** A piece of a script as a message may show it. */
export const shown = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 60).toWellFormed()}…` : text)
