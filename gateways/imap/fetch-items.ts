// What FETCH may ask for (RFC 9051 §6.4.5 and the extensions that add items), read from the command.
import type { Arguments } from './arguments.ts'
import { BadCommand } from './errors.ts'

export interface Section {
  /** '' for the message itself. */
  readonly part: string
  readonly what: 'ALL' | 'HEADER' | 'HEADER.FIELDS' | 'HEADER.FIELDS.NOT' | 'TEXT' | 'MIME'
  /** Lowercase, for HEADER.FIELDS. */
  readonly fields: readonly string[]
  /** As the answer repeats it, without the partial range. */
  readonly written: string
}

export interface Partial {
  readonly start: number
  readonly length: number
}

export type FetchItem =
  | { readonly kind: 'FLAGS' | 'UID' | 'INTERNALDATE' | 'RFC822.SIZE' | 'MODSEQ' | 'EMAILID' | 'THREADID' | 'PREVIEW' }
  | { readonly kind: 'SAVEDATE' }
  | { readonly kind: 'ENVELOPE' | 'BODY' | 'BODYSTRUCTURE' | 'RFC822' | 'RFC822.HEADER' | 'RFC822.TEXT' }
  | { readonly kind: 'BODY[]'; readonly section: Section; readonly partial?: Partial; readonly peek: boolean }
  | { readonly kind: 'BINARY[]'; readonly part: string; readonly partial?: Partial; readonly peek: boolean }
  | { readonly kind: 'BINARY.SIZE[]'; readonly part: string }

const MACROS: Readonly<Record<string, readonly FetchItem['kind'][]>> = {
  ALL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE'],
  FAST: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE'],
  FULL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY'],
}

const SIMPLE = new Set<string>([
  'FLAGS',
  'UID',
  'INTERNALDATE',
  'RFC822.SIZE',
  'MODSEQ',
  'EMAILID',
  'THREADID',
  'SAVEDATE',
  'ENVELOPE',
  'BODYSTRUCTURE',
  'RFC822',
  'RFC822.HEADER',
  'RFC822.TEXT',
])
const MAX_ITEMS = 200

/** A macro, an item, or a list of items. */
export function readItems(args: Arguments): readonly FetchItem[] {
  if (args.peek() !== '(') {
    const name = readItemName(args)
    const macro = MACROS[name]
    return macro ? macro.map((kind) => ({ kind }) as FetchItem) : [readItem(args, name)]
  }
  const items = args.list(() => readItem(args, readItemName(args)))
  if (items.length > MAX_ITEMS) throw new BadCommand('Too many items in one FETCH')
  return items
}

/** Item names end at '[': `BODY[…]` and `BODY` are told apart there. */
export function readItemName(args: Arguments): string {
  return args.itemName().toUpperCase()
}

export function readItem(args: Arguments, name: string): FetchItem {
  switch (name) {
    case 'BODY':
    case 'BODY.PEEK': {
      if (args.peek() !== '[') {
        if (name === 'BODY') return { kind: 'BODY' }
        throw new BadCommand('BODY.PEEK needs a section')
      }
      const section = readSection(args)
      return { kind: 'BODY[]', section, peek: name === 'BODY.PEEK', ...partialOf(args) }
    }
    case 'BINARY':
    case 'BINARY.PEEK':
      return { kind: 'BINARY[]', part: readPart(args), peek: name === 'BINARY.PEEK', ...partialOf(args) }
    case 'BINARY.SIZE':
      return { kind: 'BINARY.SIZE[]', part: readPart(args) }
    case 'PREVIEW':
      // RFC 8970 §3.2: LAZY allows to say nothing; what costs nothing is said at once.
      if (args.taken(' ')) args.list(() => args.word())
      return { kind: 'PREVIEW' }
    default:
      if (SIMPLE.has(name)) return { kind: name } as FetchItem
      throw new BadCommand(`There is no item ${name.slice(0, 40)} to fetch`)
  }
}

function readPart(args: Arguments): string {
  args.expect('[')
  const part = args.peek() === ']' ? '' : args.itemName()
  args.expect(']')
  if (part !== '' && !/^[1-9]\d*(?:\.[1-9]\d*)*$/.test(part)) throw new BadCommand('This is no part number')
  return part
}

export function readSection(args: Arguments): Section {
  args.expect('[')
  const text = args.peek() === ']' ? '' : args.itemName().toUpperCase()
  const found = /^((?:[1-9]\d*)(?:\.[1-9]\d*)*)?(?:(^|\.)(HEADER|HEADER\.FIELDS|HEADER\.FIELDS\.NOT|TEXT|MIME))?$/.exec(
    text,
  )
  const part = found?.[1] ?? ''
  const what = (found?.[3] ?? 'ALL') as Section['what']
  const joined = found?.[3] === undefined || (part === '') === (found[2] === '')
  if (!found || !joined || (what === 'MIME' && part === '')) throw new BadCommand('This is no section of a message')
  let fields: readonly string[] = []
  let written = text
  if (what === 'HEADER.FIELDS' || what === 'HEADER.FIELDS.NOT') {
    args.space()
    const names = args.list(() => args.astring())
    fields = names.map((name) => name.toLowerCase())
    written = `${text} (${names.map((name) => name.toUpperCase()).join(' ')})`
    if (/[^\x20-\x7e]/.test(written)) throw new BadCommand('A field name is printable ASCII')
  }
  args.expect(']')
  return { part, what, fields, written }
}

function partialOf(args: Arguments): { readonly partial?: Partial } {
  if (!args.taken('<')) return {}
  const start = args.number()
  args.expect('.')
  const length = args.nonZero()
  args.expect('>')
  return { partial: { start, length } }
}

/** Whether fetching it marks the message as read. */
export const marksSeen = (item: FetchItem): boolean =>
  item.kind === 'RFC822' ||
  item.kind === 'RFC822.TEXT' ||
  ((item.kind === 'BODY[]' || item.kind === 'BINARY[]') && !item.peek)

/** Whether it needs more than the row of the list. */
export const needsContent = (item: FetchItem): boolean => {
  switch (item.kind) {
    case 'FLAGS':
    case 'UID':
    case 'INTERNALDATE':
    case 'RFC822.SIZE':
    case 'MODSEQ':
    case 'EMAILID':
    // These two are in lists.
    case 'THREADID':
    case 'PREVIEW':
    // And this is in the log.
    case 'SAVEDATE':
      return false
    default:
      return true
  }
}
