// BODYSTRUCTURE and BODY (RFC 9051 §7.5.2): the tree as it was read, its values as they were written.
import { eachField, unfold } from '../../../domain/mail/header.ts'
import { readQuoted, skipComment } from '../../../domain/mail/parameters.ts'
import type { MimePart } from '../../../domain/mail/structure.ts'
import { envelope } from './envelope.ts'
import { nstring, quoted, string } from './strings.ts'

/** The bytes of the message as one character each. */
export type Slice = (start: number, end: number) => string

const WANTED = new Set([
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
  'content-id',
  'content-description',
  'content-location',
  'content-language',
  'content-md5',
])
const MAX_HEADER = 256 * 1024
const MAX_PARAMETERS = 100

/** `extensible` is BODYSTRUCTURE; without the extension data it is BODY. */
export function bodyStructure(part: MimePart, slice: Slice, extensible: boolean): string {
  const fields = read(slice(part.headerStart, Math.min(part.bodyStart, part.headerStart + MAX_HEADER)))
  const written = structured(fields.get('content-type'))
  // As written where that is what it was read as: `Text/PLAIN` stays, nonsense becomes the default.
  const type = written.value.toLowerCase() === part.type ? written.value : part.type
  const slash = type.indexOf('/')
  const subtype = type.slice(slash + 1)
  const parameters = parametersOf(part, written)
  const disposition = structured(fields.get('content-disposition'))
  const extension = [
    disposition.value === '' ? 'NIL' : `(${string(disposition.value)} ${parameterList(disposition.parameters)})`,
    languages(fields.get('content-language')),
    nstring(fields.get('content-location')),
  ].join(' ')
  if (part.parts) {
    const children = part.parts.map((child) => bodyStructure(child, slice, extensible)).join('')
    const own = `${children === '' ? emptyPart() : children} ${string(subtype)}`
    return extensible ? `(${own} ${parameterList(parameters)} ${extension})` : `(${own})`
  }
  const fieldsOfPart = [
    string(type.slice(0, slash)),
    string(subtype),
    parameterList(parameters),
    nstring(fields.get('content-id')),
    nstring(fields.get('content-description')),
    quoted((fields.get('content-transfer-encoding') ?? '7bit').replace(/[^\x21-\x7e]/g, '') || '7bit'),
    `${part.bodyEnd - part.bodyStart}`,
  ]
  if (part.message) {
    const { root } = part.message
    fieldsOfPart.push(envelope(slice(root.headerStart, Math.min(root.bodyStart, root.headerStart + MAX_HEADER))))
    fieldsOfPart.push(bodyStructure(root, slice, extensible))
    fieldsOfPart.push(`${linesOf(part, slice)}`)
  } else if (part.type.startsWith('text/')) fieldsOfPart.push(`${linesOf(part, slice)}`)
  if (extensible) fieldsOfPart.push(nstring(fields.get('content-md5')), extension)
  return `(${fieldsOfPart.join(' ')})`
}

/** Line ends, as servers count: what follows the last one is no line (RFC 9051 §7.5.2 leaves it open). */
function linesOf({ lines = 0, bodyStart, bodyEnd }: MimePart, slice: Slice): number {
  const whole = bodyEnd === bodyStart || slice(bodyEnd - 1, bodyEnd) === '\n'
  return whole ? lines : Math.max(0, lines - 1)
}

/** A multipart without parts must still show one (the grammar has `1*body`). */
const emptyPart = () => '("text" "plain" NIL NIL NIL "7bit" 0 0)'

/** Text without a charset is in US-ASCII (RFC 2046 §4.1.2), and is said to be. */
function parametersOf(part: MimePart, { value, parameters }: Written): Written['parameters'] {
  const own = value.toLowerCase() === part.type ? parameters : []
  const named = own.some(([name]) => /^charset\*?/i.test(name))
  return part.type.startsWith('text/') && !named ? [...own, ['charset', 'us-ascii']] : own
}

function read(header: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  eachField(header, 10_000, (start, colon, end) => {
    const name = header.slice(start, colon).trimEnd().toLowerCase()
    if (WANTED.has(name) && !fields.has(name)) fields.set(name, unfold(header.slice(colon + 1, end)))
  })
  return fields
}

interface Written {
  readonly value: string
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

/** `value; name=value` with nothing decoded or joined: `filename*0*=` stays what it is. */
function structured(raw: string | undefined): Written {
  if (raw === undefined) return { value: '', parameters: [] }
  const parameters: [string, string][] = []
  const head = token(raw, 0, ';')
  let at = head.end
  while (at < raw.length && parameters.length < MAX_PARAMETERS) {
    const name = token(raw, at + 1, '=;')
    at = name.end
    if (raw[at] !== '=') continue
    const value = token(raw, at + 1, ';')
    at = value.end
    if (name.text !== '') parameters.push([name.text, value.text])
  }
  return { value: head.text.replace(/\s*\/\s*/, '/').split(/\s/, 1)[0] ?? '', parameters }
}

/** Up to one of `stops` outside quotes, without comments and outer white space, quotes taken off. */
function token(raw: string, from: number, stops: string): { readonly text: string; readonly end: number } {
  let text = ''
  let at = from
  while (at < raw.length && !stops.includes(raw[at] as string)) {
    if (raw[at] === '(') at = skipComment(raw, at)
    else if (raw[at] === '"') {
      const { text: inner, end } = readQuoted(raw, at)
      text += inner
      at = end
    } else text += raw[at++]
  }
  return { text: text.trim(), end: at }
}

const parameterList = (parameters: Written['parameters']): string =>
  parameters.length === 0
    ? 'NIL'
    : `(${parameters.map(([name, value]) => `${string(name)} ${string(value)}`).join(' ')})`

function languages(value: string | undefined): string {
  const tags = (value ?? '')
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
  return tags.length === 0 ? 'NIL' : `(${tags.map(string).join(' ')})`
}
