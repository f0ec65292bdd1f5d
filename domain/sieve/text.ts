// Texts of a script: characters by number (RFC 5228 §2.4.2.4), and the places where variables go (RFC 5229 §3).
import { type Place, SieveStop } from './limits.ts'
import type { TemplatePiece, Text } from './program.ts'
import { shown } from './tokens.ts'

export interface TextRules {
  readonly encodedCharacters: boolean
  readonly variables: boolean
}

/** Throws `SieveStop` for what the extensions forbid. */
export function readText(written: string, place: Place, rules: TextRules): Text {
  const text = rules.encodedCharacters && written.includes('${') ? withCharacters(written, place) : written
  return rules.variables && text.includes('${') ? withVariables(text, place) : text
}

const ENCODED = /\$\{(hex|unicode):([\s\dA-Fa-f]*)\}/gi

function withCharacters(written: string, place: Place): string {
  // Several ${hex:} may spell one character together, so the bytes are read only when all are there.
  const bytes = Buffer.from(written, 'utf8')
    .toString('latin1')
    .replace(ENCODED, (all: string, kind: string, digits: string) => {
      const numbers = digits.split(/\s+/).filter((each) => each !== '')
      if (numbers.length === 0) return all
      if (kind.toLowerCase() === 'hex') {
        if (numbers.some((each) => each.length > 2)) return all
        return numbers.map((each) => String.fromCharCode(Number.parseInt(each, 16))).join('')
      }
      return numbers
        .map((each) => {
          const code = Number.parseInt(each, 16)
          if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            throw new SieveStop(place, `${each} is not the number of a Unicode character.`)
          return Buffer.from(String.fromCodePoint(code), 'utf8').toString('latin1')
        })
        .join('')
    })
  const decoded = Buffer.from(bytes, 'latin1')
  const text = decoded.toString('utf8')
  if (!Buffer.from(text, 'utf8').equals(decoded))
    throw new SieveStop(place, 'The bytes given by hex: are not UTF-8 text.')
  if (text.includes('\0')) throw new SieveStop(place, 'A text must not hold the character of number 0.')
  return text
}

const VARIABLE = /\$\{(?:(\d+)|([A-Za-z_]\w*)((?:\.\w+)*))\}/g

function withVariables(text: string, place: Place): Text {
  const pieces: TemplatePiece[] = []
  let from = 0
  for (const found of text.matchAll(VARIABLE)) {
    const [all, number, name, rest] = found
    if (rest) throw new SieveStop(place, `There is no variable ${shown(all)}: names have no dots here.`)
    if (found.index > from) pieces.push(text.slice(from, found.index))
    pieces.push(number === undefined ? { variable: (name as string).toLowerCase() } : { match: Number(number) })
    from = found.index + all.length
  }
  if (pieces.length === 0) return text
  if (from < text.length) pieces.push(text.slice(from))
  return { pieces, place }
}
