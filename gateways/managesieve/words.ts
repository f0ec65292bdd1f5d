// The words of a command (RFC 5804 §4): atoms, numbers, quoted strings, and literals whose bytes follow the line.
import type { ByteReader } from '../wire/byte-reader.ts'
import { Unreadable } from './refused.ts'

export type Word =
  | { readonly kind: 'atom'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly text: string }

export interface WordLimits {
  readonly lineBytes: number
  readonly literalBytes: number
  readonly words: number
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The words of the next command; null when the client is gone. Throws Unreadable, and LineTooLong. */
export async function readWords(reader: ByteReader, limits: WordLimits): Promise<readonly Word[] | null> {
  const words: Word[] = []
  for (;;) {
    const line = await reader.line(limits.lineBytes)
    if (line === null) return null
    const literal = wordsOfLine(text(line), words, limits.words)
    if (literal === undefined) return words
    if (literal > limits.literalBytes)
      throw new Unreadable(`A literal has at most ${limits.literalBytes} bytes here`, true)
    const pieces: Buffer[] = []
    for await (const piece of reader.bytes(literal)) pieces.push(piece)
    const bytes = Buffer.concat(pieces)
    if (bytes.length < literal) return null
    words.push({ kind: 'string', text: text(bytes) })
    if (words.length > limits.words) throw new Unreadable('There are too many words in this command')
  }
}

function text(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new Unreadable('This is not UTF-8')
  }
}

/** Adds the words of a line; answers the length of the literal that it ends with, if it does. */
function wordsOfLine(line: string, words: Word[], most: number): number | undefined {
  // What follows a literal begins with the blank before the next word, or is empty.
  let at = 0
  for (;;) {
    while (line[at] === ' ') at++
    if (at >= line.length) return undefined
    if (words.length >= most) throw new Unreadable('There are too many words in this command')
    const literal = /\{(\d{1,10})(\+?)\}$/y
    literal.lastIndex = at
    const found = literal.exec(line)
    if (found) {
      if (found[2] === '') throw new Unreadable('A literal of a client is written {number+}', true)
      return Number(found[1])
    }
    const word = /"((?:[^"\\\r\n\0]|\\["\\])*)"|(\d{1,10})(?= |$)|([!#-'*-[\]-z|}~-]+)/y
    word.lastIndex = at
    const [all, quoted, number, atom] = word.exec(line) ?? []
    if (all === undefined) throw new Unreadable(`Cannot read this command from character ${at + 1} on`)
    if (quoted !== undefined) words.push({ kind: 'string', text: quoted.replace(/\\(.)/g, '$1') })
    else if (number !== undefined) words.push({ kind: 'number', value: Number(number) })
    else words.push({ kind: 'atom', text: atom ?? '' })
    at += all.length
    if (at < line.length && line[at] !== ' ') throw new Unreadable(`A blank is missing at character ${at + 1}`)
  }
}

/** A string as the server writes it: quoted where that is possible, else a literal. */
export function stringOf(value: string): string {
  const length = Buffer.byteLength(value)
  return length <= 512 && !/[\r\n\0]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `{${length}}\r\n${value}`
}
