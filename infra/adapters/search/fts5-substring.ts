// Substrings by a word index (SEARCH of IMAP): the needle is looked for in the dictionary of terms, and the messages that have those
// terms are the answer, or hold it. The dictionary stays in memory, with the position of the log that it was read at.
import type { DatabaseSync } from 'node:sqlite'
import type { HeaderField } from '../../../projections/ports/search-index.ts'
import { isRunCharacter, MAX_TOKEN_LENGTH, tokenSpans } from '../../../projections/search/analyzer.ts'
import { FIELD_MARKS } from './fts5-query.ts'
import { messageOfKey, rangeOf } from './fts5-rows.ts'

export interface SubstringMatch {
  /** Messages that have it; all that are indexed when `sure`, else those that it may be in. */
  readonly messageIds: readonly string[]
  /** Nothing is left to look at in them. */
  readonly sure: boolean
  /** Revision of the newest arrival of the account that was asked; -1 for none. Later ones must be looked into. */
  readonly upTo: number
}

/** Terms in one query; FTS5 takes more, and slowly. */
const TERMS_A_QUERY = 400
/** A needle in more terms than this is no help. */
const MAX_TERMS = 20_000
/** The dictionary is read anew when so many messages came since. */
const STALE_AFTER = 1_000
/** A needle that is a word by itself: what has it in a term has it in its text. */
const ONE_WORD = /^[a-z0-9]+$/
const MARKED = new RegExp(`^[${Object.values(FIELD_MARKS).join('')}]`)

export class Substrings {
  readonly #db: DatabaseSync
  /** Every term between line feeds. */
  #terms = ''
  #checkpoint = -1

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  /** Undefined when the index cannot tell: a needle without letters and digits, or in too many terms. */
  find(account: number | undefined, needle: string, field: HeaderField | null): SubstringMatch | undefined {
    const pieces = piecesOf(needle)
    if (pieces.length === 0) return undefined
    if (account === undefined) return { messageIds: [], sure: true, upTo: -1 }
    this.#refresh()
    const [first, last] = rangeOf(account)
    const upTo = this.#newest(first, last)
    const mark = field === null ? '' : FIELD_MARKS[field]
    const terms: (readonly string[])[] = []
    for (const piece of pieces) {
      const some = piece.exact ? [mark + piece.text] : this.#termsWith(piece, mark)
      if (some === undefined) return undefined
      terms.push(some)
    }
    const [only] = pieces
    const sure = field === null && pieces.length === 1 && only?.text === needle && ONE_WORD.test(needle)
    return { messageIds: this.#messages(terms, first, last), sure, upTo }
  }

  #refresh(): void {
    const row = this.#db.prepare("SELECT value FROM state WHERE name = 'checkpoint'").get()
    const checkpoint = Number(row?.['value'] ?? 0)
    if (checkpoint === this.#checkpoint) return
    if (this.#checkpoint >= 0 && checkpoint - this.#checkpoint < STALE_AFTER) return
    this.#db.exec('CREATE VIRTUAL TABLE IF NOT EXISTS temp.dictionary USING fts5vocab(main, words, row)')
    const select = this.#db.prepare('SELECT term FROM temp.dictionary')
    select.setReturnArrays(true)
    const terms: string[] = ['']
    for (const row of select.iterate() as unknown as Iterable<[string]>) terms.push(row[0])
    terms.push('')
    this.#terms = terms.join('\n')
    this.#checkpoint = checkpoint
  }

  #newest(first: number, last: number): number {
    const row = this.#db
      .prepare('SELECT doc FROM docs WHERE doc BETWEEN ? AND ? AND position <= ? ORDER BY doc DESC LIMIT 1')
      .get(first, last, this.#checkpoint)
    return row === undefined ? -1 : Number(row['doc']) - first
  }

  #termsWith({ text, starts, ends }: Piece, mark: string): readonly string[] | undefined {
    const terms: string[] = []
    const all = this.#terms
    const wanted = `${starts ? `\n${mark}` : ''}${text}${ends ? '\n' : ''}`
    for (let at = all.indexOf(wanted); at >= 0; ) {
      const from = all.lastIndexOf('\n', at) + (starts ? 0 : 1)
      const start = starts ? at + 1 : from
      const end = all.indexOf('\n', start)
      const term = all.slice(start, end)
      if (mark === '' ? !MARKED.test(term) : term.startsWith(mark)) terms.push(term)
      if (terms.length > MAX_TERMS) return undefined
      at = all.indexOf(wanted, end)
    }
    return terms
  }

  /** Messages that have a term of each list. */
  #messages(lists: readonly (readonly string[])[], first: number, last: number): readonly string[] {
    if (lists.some((terms) => terms.length === 0)) return []
    // The shortest list is walked in the index; the others are part of the same question as long as that stays short.
    const [most = [], ...others] = lists.toSorted((a, b) => b.length - a.length)
    const required = others.map((terms) => ` AND (${anyOf(terms.slice(0, TERMS_A_QUERY))})`)
    const select = this.#db.prepare(
      `SELECT d.message FROM words CROSS JOIN docs d ON d.doc = words.rowid
       WHERE words MATCH ? AND words.rowid BETWEEN ? AND ?`,
    )
    select.setReturnArrays(true)
    const fits = others.every((terms) => terms.length <= TERMS_A_QUERY)
    const found = new Set<string>()
    for (let from = 0; from < most.length; from += TERMS_A_QUERY) {
      const query = `(${anyOf(most.slice(from, from + TERMS_A_QUERY))})${fits ? required.join('') : ''}`
      for (const [message] of select.iterate(query, first, last) as unknown as Iterable<[unknown]>)
        found.add(messageOfKey(message))
    }
    return [...found]
  }
}

const anyOf = (terms: readonly string[]): string => terms.map((term) => `"${term}"`).join(' OR ')

interface Piece {
  readonly text: string
  /** A term itself. */
  readonly exact: boolean
  /** Whether the term must begin, or end, with it. */
  readonly starts: boolean
  readonly ends: boolean
}

/** 'foo bar' is in a text that has a word ending in foo and one beginning with bar; characters of runs are terms by twos. */
function piecesOf(needle: string): readonly Piece[] {
  const spans = tokenSpans(needle)
  const runs = spans.some(({ token }) => isRunCharacter(token))
  return spans.flatMap(({ token, start, end }, i): readonly Piece[] => {
    if (token.length >= MAX_TOKEN_LENGTH)
      return [{ text: token.slice(0, 32), exact: false, starts: false, ends: false }]
    if (runs && isRunCharacter(token)) {
      // The last one may go on in the text: what it begins with is asked by the one before, or by itself.
      if ([...token].length > 1) return [{ text: token, exact: true, starts: true, ends: true }]
      return spans.length === 1 ? [{ text: token, exact: false, starts: true, ends: false }] : []
    }
    const starts = i > 0 || start > 0
    const ends = i < spans.length - 1 || end < needle.length
    return [{ text: token, exact: starts && ends, starts, ends }]
  })
}
