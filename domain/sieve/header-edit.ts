// Adding header fields (RFC 5293 §4): what a script gives becomes one well-formed field and never more.
import { textField } from '../mail/compose.ts'
import { Field, Header } from './message.ts'

/** Fields that no script may remove: loops and automatic mail are recognised by them (RFC 5293 §6). */
export const PROTECTED_FIELDS: ReadonlySet<string> = new Set(['received', 'auto-submitted'])

/** The header with one more field, at its top or at its bottom. Line breaks in the value become blanks. */
export function withField(header: Header, name: string, value: string, last: boolean): Header {
  const raw = `${Buffer.from(textField(name, value), 'utf8').toString('latin1')}\r\n`
  const field = new Field(name.toLowerCase(), raw, name.length + 1)
  return new Header(last ? [...header.fields, field] : [field, ...header.fields])
}

export function withoutFields(header: Header, removed: ReadonlySet<Field>): Header {
  return removed.size === 0 ? header : new Header(header.fields.filter((field) => !removed.has(field)))
}

/** The bytes of a header block with the empty line behind it. */
export function headerBytes(header: Header): Buffer {
  const text = header.fields.map(({ raw }) => (raw.endsWith('\n') ? raw : `${raw}\r\n`)).join('')
  return Buffer.from(`${text}\r\n`, 'latin1')
}
