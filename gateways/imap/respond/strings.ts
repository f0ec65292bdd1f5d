// Strings in answers (RFC 9051 §4.3): quoted where that is allowed, literals otherwise. One character a byte.

const QUOTABLE = /^[\x20-\x7e]*$/
/** Longer ones are literals, which clients read without looking at each byte. */
const MAX_QUOTED = 1000

/** Of text that holds one character a byte. */
export function string(latin1: string): string {
  if (latin1.length <= MAX_QUOTED && QUOTABLE.test(latin1)) return quoted(latin1)
  return `{${latin1.length}}\r\n${latin1}`
}

export const nstring = (latin1: string | undefined | null): string =>
  latin1 === undefined || latin1 === null ? 'NIL' : string(latin1)

export const quoted = (text: string): string =>
  `"${text.includes('"') || text.includes('\\') ? text.replace(/["\\]/g, '\\$&') : text}"`

const ATOM = /^[^\x00-\x20\x7f-\xff(){%*"\\\]]+$/
/** An atom where the text is one. */
export const astring = (latin1: string): string =>
  latin1 !== '' && ATOM.test(latin1) && latin1.toUpperCase() !== 'NIL' ? latin1 : string(latin1)

/** Unicode as UTF-8, one character a byte. */
export const utf8 = (text: string): string =>
  QUOTABLE.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')

/** UTF-8 in quotes: RFC 9051 §4.3 once IMAP4rev2 or UTF8=ACCEPT is enabled; a literal otherwise. */
export function utf8String(text: string, enabled: boolean): string {
  const bytes = utf8(text)
  return enabled && bytes.length <= MAX_QUOTED && !/[\x00\r\n]/.test(bytes) ? quoted(bytes) : string(bytes)
}
