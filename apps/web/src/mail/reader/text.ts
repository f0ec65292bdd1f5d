// Reading plain text: where the quote of an earlier message begins, and what is a link.

export interface Piece {
  readonly text: string
  readonly href: string | undefined
}

const LINK = /\b(?:https?:\/\/|www\.)[^\s<>"'`]+|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b/giu

/** Addresses become links; punctuation that ends a sentence is not part of them. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  for (const match of text.matchAll(LINK)) {
    let found = match[0].replace(/[.,;:!?]+$/, '')
    while (/[)\]]$/.test(found) && !balanced(found)) found = found.slice(0, -1)
    if (found === '') continue
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), href: undefined })
    pieces.push({ text: found, href: hrefOf(found) })
    at = match.index + found.length
  }
  if (at < text.length) pieces.push({ text: text.slice(at), href: undefined })
  return pieces
}

function hrefOf(found: string): string {
  if (/^https?:/i.test(found)) return found
  return /^www\./i.test(found) ? `https://${found}` : `mailto:${found}`
}

const count = (text: string, char: string) => text.split(char).length
const balanced = (text: string) => count(text, '(') === count(text, ')') && count(text, '[') === count(text, ']')

const ATTRIBUTION =
  /^(?:on .{4,200} wrote:|.{4,200}작성:|.{4,120}님이 .{0,40}(?:씀|작성):|-{2,}\s*(?:original message|원본 메시지|forwarded message|전달된 메일)\s*-{2,})\s*$/iu

/** The text, and the quote of earlier messages at its end; no quote when it is all quote or answers stand between the lines. */
export function splitQuote(text: string): { body: string; quote: string } {
  const lines = text.replace(/\r\n?/g, '\n').split('\n')
  let start = -1
  for (let index = 0; index < lines.length && start < 0; index++) {
    const line = lines[index] ?? ''
    // Mail programs break the line before "wrote:".
    if (ATTRIBUTION.test(line) || ATTRIBUTION.test(`${line} ${lines[index + 1] ?? ''}`.trim())) start = index
    else if (line.startsWith('>') && lines.slice(index).every((each) => each.startsWith('>') || each.trim() === '')) {
      start = index
    }
  }
  const whole = { body: lines.join('\n').trimEnd(), quote: '' }
  if (start < 0) return whole
  const body = lines.slice(0, start).join('\n').trimEnd()
  const rest = lines.slice(start)
  const quoted = rest.some((line) => line.startsWith('>'))
  const answers = quoted && rest.slice(2).some((line) => line.trim() !== '' && !line.startsWith('>'))
  if (body === '' || answers) return whole
  return { body, quote: rest.join('\n').trimEnd() }
}
