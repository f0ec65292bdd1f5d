// Text to search tokens, the same for every engine, for queries and for highlights.
//
// - A word is a run of letters and digits, NFKC, case-folded, without accents. Everything else ends a word, so an e-mail
//   address, a host name or a contraction is a run of adjacent words: its parts are found alone and, as a phrase, together.
// - Scripts written without spaces, and Hangul, become one token for every character: the character with its successor, or alone
//   at the end of its run. '검색어' is '검색 색어 어'. Any part of two characters or more is then a phrase of tokens, a single
//   character is a prefix, and positions stay characters, so that phrases across words work too.
// - Tokens hold only lowercase ASCII letters, digits and non-ASCII characters: engines split at the space and nothing else.
//
// No library served: segmenters (Intl.Segmenter, ICU) take about 1 µs a word and cannot find parts of Korean or Chinese words.

/** Longer words are cut here, in documents and queries alike: what remains still finds them. */
export const MAX_TOKEN_LENGTH = 64
/** Tokens of one text; the rest is not searchable. Bounds what one hostile message can cost. */
export const MAX_TOKENS = 20_000

/** One token and the part of the source that it came from (UTF-16 offsets, end exclusive). Spans of bigrams overlap. */
export interface TokenSpan {
  readonly token: string
  readonly start: number
  readonly end: number
}

/** What a part of a query asks for: adjacent tokens, the last one open-ended when `prefix`. */
export interface QueryTokens {
  readonly tokens: readonly string[]
  readonly prefix: boolean
}

/** All tokens of the text with one space between them. */
export function indexText(text: string): string {
  const ascii = scanAscii(text)
  if (ascii >= 0) return bytes.toString('latin1', 0, ascii)
  scan(text, false)
  return outText(0, length)
}

/** The tokens with their places. */
export function tokenSpans(text: string): TokenSpan[] {
  const spans: TokenSpan[] = []
  const tokens = new TokenScan(text)
  for (let i = 0; i < tokens.count; i++) {
    spans.push({ token: tokens.token(i), start: tokens.start(i), end: tokens.end(i) })
  }
  return spans
}

/** The tokens of one text with their places, without a string for each. Valid until the next text is analysed. */
export class TokenScan {
  readonly count: number

  constructor(text: string) {
    scan(text, true)
    this.count = placed / 4
  }

  token(i: number): string {
    return outText(places[4 * i] as number, places[4 * i + 1] as number)
  }

  firstUnit(i: number): number {
    return out[places[4 * i] as number] as number
  }

  /** Whether token i is `text`, or begins with it when `prefix`. */
  is(i: number, text: string, prefix: boolean): boolean {
    const at = places[4 * i] as number
    const size = (places[4 * i + 1] as number) - at
    if (prefix ? size < text.length : size !== text.length) return false
    for (let k = 0; k < text.length; k++) if (out[at + k] !== text.charCodeAt(k)) return false
    return true
  }

  /** UTF-16 offset in the source. */
  start(i: number): number {
    return places[4 * i + 2] as number
  }

  /** Exclusive. */
  end(i: number): number {
    return places[4 * i + 3] as number
  }
}

/**
 * The text folded unit by unit, so that places in it are places in the source: words are as the analyzer writes them, everything
 * else is a space. Undefined where that cannot be (a ligature, an accent of its own): then the tokens must be read.
 */
export function foldInPlace(text: string): string | undefined {
  let exact = true
  const folded = text.replace(NOT_ASCII, (char) => {
    const c = char.charCodeAt(0)
    const kind = (kinds[c] ||= classify(c))
    if (kind === SEPARATOR) return ' '
    // A run's characters are tokens of their own, and end the word before them.
    if (kind === RUN && folds[c] !== 0) return RUN_PLACE
    if (kind !== WORD || folds[c] === 0) exact = false
    return String.fromCharCode(folds[c] as number)
  })
  return exact ? folded.toLowerCase() : undefined
}

const NOT_ASCII = /[^\x00-\x7f]/g
/** Stands for characters of runs: no letter, no digit. */
const RUN_PLACE = '\u0001'

/**
 * The tokens that a word or phrase of a query asks for. A run of characters at its end may go on in the text ('검색' is in
 * '검색어'), so the token that would say "the run ends here" is left out, or becomes a prefix when it is all there is.
 */
export function queryTokens(text: string): QueryTokens {
  const spans = tokenSpans(text)
  const last = spans.at(-1)
  if (last === undefined) return { tokens: [], prefix: false }
  const tokens = spans.map((span) => span.token)
  if (!isRunCharacter(last.token)) return { tokens, prefix: false }
  const before = spans.at(-2)
  // The bigram before ends where the last character does: the two belong to one run.
  if (before !== undefined && before.end === last.end) return { tokens: tokens.slice(0, -1), prefix: false }
  return { tokens, prefix: true }
}

/** Whether the token is of a script that is indexed by characters, so that an inner part of a word can be found. */
export function isRunCharacter(token: string): boolean {
  const cp = token.codePointAt(0) ?? 0
  return cp >= 128 && RUN_SCRIPTS.test(String.fromCodePoint(cp))
}

// Classes of characters. Zero is "not looked at yet".
const SEPARATOR = 1
const WORD = 2
const RUN = 3
/** Invisible or an accent: part of the word around it, and not written. */
const DROPPED = 4
/** Joins the character before it where Unicode has a composed form: voiced kana marks, Hangul jamo. */
const JOINING = 5
const SURROGATE = 6

const RUN_SCRIPTS =
  /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Bopomofo}\p{sc=Yi}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\u30fc\u3005-\u3007]/u
const LETTER_OR_NUMBER = /^[\p{L}\p{N}\p{M}]/u
const NOT_TOKEN = /[^\p{L}\p{N}\p{M}]/gu
/** Scripts whose marks are accents or optional vowel points, not letters of their own. */
const MARKS_ARE_ACCENTS = /^[\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}\p{sc=Hebrew}\p{sc=Arabic}]/u
/** Accents, vowel points, variation selectors and the Arabic stretching stroke: first and last of each range. */
const ACCENT_MARKS = [
  [0x0300, 0x036f],
  [0x0483, 0x0487],
  [0x0591, 0x05c7],
  [0x0610, 0x061a],
  [0x0640, 0x0640],
  [0x064b, 0x065f],
  [0x0670, 0x0670],
  [0x06d6, 0x06ed],
  [0x1ab0, 0x1aff],
  [0x1dc0, 0x1dff],
  [0x20d0, 0x20ff],
  [0xfe00, 0xfe0f],
  [0xfe20, 0xfe2f],
] as const
/** Letters that people type without their stroke or as two, and that Unicode does not decompose. */
const PLAIN: Readonly<Record<string, string>> = {
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  ħ: 'h',
  ŧ: 't',
  æ: 'ae',
  œ: 'oe',
  þ: 'th',
}

const SPACE = 32
const ASCII = new Uint8Array(128)
for (let c = 0; c < 128; c++) {
  if ((c >= 48 && c <= 57) || (c >= 97 && c <= 122)) ASCII[c] = c
  else if (c >= 65 && c <= 90) ASCII[c] = c + 32
}

const kinds = new Uint8Array(65536)
/** The folded form of a code unit when it is one unit long, else 0 and `longFolds` has it. */
const folds = new Uint16Array(65536)
const longFolds = new Map<number, string>()
const highKinds = new Map<number, number>()

function classify(cp: number): number {
  const char = String.fromCodePoint(cp)
  if (cp === 0x3099 || cp === 0x309a || cp === 0xff9e || cp === 0xff9f) return JOINING
  if (cp >= 0x1100 && cp <= 0x11ff) return setFold(cp, char, JOINING)
  if (cp >= 0xd800 && cp <= 0xdfff) return SURROGATE
  // A zero-width space separates; other format characters (soft hyphen, joiners, direction marks) are inside words.
  if (cp === 0x200b) return SEPARATOR
  if (ACCENT_MARKS.some(([first, last]) => cp >= first && cp <= last) || /^\p{Cf}/u.test(char)) return DROPPED
  if (!LETTER_OR_NUMBER.test(char)) return SEPARATOR
  let folded = char.normalize('NFKC').toUpperCase().toLowerCase()
  if (MARKS_ARE_ACCENTS.test(folded)) {
    folded = folded.normalize('NFD').replace(/\p{M}/gu, '').normalize('NFC')
    folded = PLAIN[folded] ?? folded
  }
  folded = folded.replace(NOT_TOKEN, '')
  if (folded === '') return DROPPED
  return setFold(cp, folded, RUN_SCRIPTS.test(folded) ? RUN : WORD)
}

function setFold(cp: number, folded: string, kind: number): number {
  if (cp < 65536 && folded.length === 1) folds[cp] = folded.charCodeAt(0)
  else longFolds.set(cp, folded)
  return kind
}

// One buffer for all calls: scanning is synchronous, and a rebuild scans gigabytes.
let bytes = Buffer.allocUnsafe(64 * 1024)
let out = new Uint16Array(64 * 1024)
let length = 0
/** Four numbers a token: its place in `out` and in the source. */
let places = new Int32Array(16 * 1024)
let placed = 0

/** Tokens of a pure ASCII text into `bytes`: their length, or -1 at the first other character. */
function scanAscii(text: string): number {
  const size = text.length
  if (bytes.length < size + 1) bytes = Buffer.allocUnsafe(size * 2)
  const target = bytes
  let o = 0
  let inToken = 0
  let count = 0
  for (let i = 0; i < size; i++) {
    const c = text.charCodeAt(i)
    if (c > 127) return -1
    const folded = ASCII[c] as number
    if (folded === 0) {
      inToken = 0
      continue
    }
    if (inToken === 0) {
      if (++count > MAX_TOKENS) break
      if (o > 0) target[o++] = SPACE
    }
    if (++inToken <= MAX_TOKEN_LENGTH) target[o++] = folded
  }
  return o
}

function place(at: number, to: number, start: number, end: number): void {
  if (placed + 4 > places.length) {
    const larger = new Int32Array(places.length * 2)
    larger.set(places)
    places = larger
  }
  places[placed] = at
  places[placed + 1] = to
  places[placed + 2] = start
  places[placed + 3] = end
  placed += 4
}

/**
 * Tokens of any text into `out`, and into `places` when asked. No closures and no strings on the path of ordinary words: this
 * runs over every byte of mail that is indexed and over every text that is shown.
 */
function scan(text: string, withPlaces: boolean): void {
  const size = text.length
  const ascii = ASCII
  let target = out
  length = 0
  placed = 0
  let o = 0
  let count = 0
  // The word being read: where it began in the source (-1: none) and in `out`.
  let wordStart = -1
  let wordAt = 0
  let wordEnd = 0
  // The last character of a run, waiting for its successor.
  let held = ''
  let heldStart = 0
  let heldEnd = 0

  let i = 0
  while (i < size) {
    let c = text.charCodeAt(i)
    let kind: number
    let units = 1
    if (c < 128) {
      if (ascii[c] === 0) kind = SEPARATOR
      else {
        if (held !== '') {
          if (count++ < MAX_TOKENS) o = emit(o, held, heldStart, heldEnd, withPlaces)
          target = out
          held = ''
        }
        if (wordStart < 0) {
          if (count >= MAX_TOKENS) break
          count++
          if (o + SLACK > target.length) target = grow()
          if (o > 0) target[o++] = SPACE
          wordAt = o
          wordStart = i
        }
        const limit = wordAt + MAX_TOKEN_LENGTH
        let folded = ascii[c] as number
        do {
          if (o < limit) target[o++] = folded
          if (++i >= size) break
          c = text.charCodeAt(i)
          folded = c < 128 ? (ascii[c] as number) : 0
        } while (folded !== 0)
        wordEnd = i
        continue
      }
    } else {
      kind = kinds[c] as number
      if (kind === 0) kind = kinds[c] = classify(c)
      if (kind === SURROGATE) {
        const cp = text.codePointAt(i) ?? 0
        if (cp < 65536) kind = SEPARATOR
        else {
          units = 2
          c = cp
          const known = highKinds.get(cp)
          if (known === undefined) {
            kind = classify(cp)
            highKinds.set(cp, kind)
          } else kind = known
        }
      }
    }

    if (kind === SEPARATOR) {
      if (wordStart >= 0) {
        if (withPlaces) place(wordAt, o, wordStart, wordEnd)
        wordStart = -1
      } else if (held !== '') {
        if (count++ < MAX_TOKENS) o = emit(o, held, heldStart, heldEnd, withPlaces)
        target = out
        held = ''
      }
      i += units
      continue
    }

    if (kind === WORD) {
      if (held !== '') {
        if (count++ < MAX_TOKENS) o = emit(o, held, heldStart, heldEnd, withPlaces)
        target = out
        held = ''
      }
      if (wordStart < 0) {
        if (count >= MAX_TOKENS) break
        count++
        if (o + SLACK > target.length) target = grow()
        if (o > 0) target[o++] = SPACE
        wordAt = o
        wordStart = i
      }
      const unit = c < 65536 ? (folds[c] as number) : 0
      if (unit !== 0) {
        if (o - wordAt < MAX_TOKEN_LENGTH) target[o++] = unit
      } else {
        const folded = longFolds.get(c) ?? ''
        if (o - wordAt + folded.length <= MAX_TOKEN_LENGTH) {
          for (let k = 0; k < folded.length; k++) target[o++] = folded.charCodeAt(k)
        }
      }
      i += units
      wordEnd = i
      continue
    }

    // An accent, or a voicing mark that joined nothing; a jamo that joined nothing is a character of its own.
    if (kind === DROPPED || (kind === JOINING && (c < 0x1100 || c > 0x11ff))) {
      i += units
      if (wordStart >= 0) wordEnd = i
      else if (held !== '') heldEnd = i
      continue
    }

    if (wordStart >= 0) {
      if (withPlaces) place(wordAt, o, wordStart, wordEnd)
      wordStart = -1
    }
    let folded = c < 65536 && folds[c] !== 0 ? String.fromCharCode(folds[c] as number) : (longFolds.get(c) ?? '')
    let end = i + units
    for (let joined = join(folded, text.charCodeAt(end)); joined !== ''; joined = join(folded, text.charCodeAt(end))) {
      folded = joined
      end++
    }
    if (held !== '') {
      if (count >= MAX_TOKENS) break
      o = emit(o, held + folded, heldStart, end, withPlaces)
      target = out
      count++
    }
    held = folded
    heldStart = i
    heldEnd = end
    i = end
  }
  if (wordStart >= 0 && withPlaces) place(wordAt, o, wordStart, wordEnd)
  if (held !== '' && count < MAX_TOKENS) o = emit(o, held, heldStart, heldEnd, withPlaces)
  length = o
}

/** Room that a word needs at most. */
const SLACK = MAX_TOKEN_LENGTH + 40

/** Writes one whole token at `o`; answers where the next begins. */
function emit(o: number, token: string, start: number, end: number, withPlaces: boolean): number {
  if (o + SLACK > out.length) grow()
  if (o > 0) out[o++] = SPACE
  const at = o
  for (let k = 0; k < token.length; k++) out[o++] = token.charCodeAt(k)
  if (withPlaces) place(at, o, start, end)
  return o
}

/** The composed form of a character and a mark or jamo that joins it, '' where there is none. */
function join(base: string, c: number): string {
  // Not a number at the end of the text.
  if (!(c === 0x3099 || c === 0x309a || c === 0xff9e || c === 0xff9f || (c >= 0x1100 && c <= 0x11ff))) return ''
  const mark = c === 0xff9e ? 0x3099 : c === 0xff9f ? 0x309a : c
  const joined = (base + String.fromCharCode(mark)).normalize('NFC')
  return joined.length === 1 ? joined : ''
}

function grow(): Uint16Array<ArrayBuffer> {
  const larger = new Uint16Array(out.length * 2)
  larger.set(out)
  out = larger
  return larger
}

function outText(from: number, to: number): string {
  return Buffer.from(out.buffer, from * 2, (to - from) * 2).toString('utf16le')
}
