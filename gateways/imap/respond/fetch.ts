// FETCH answers: one for each message, items in the order asked, large bodies passed through in pieces.
import { decodedSize } from '../../../domain/mail/attachments.ts'
import { partAt } from '../../../domain/mail/sections.ts'
import { decodeTransfer } from '../../../domain/mail/transfer.ts'
import type { MessageRow, UidRow } from '../../../projections/queries.ts'
import { Refused } from '../errors.ts'
import type { FetchItem, Partial } from '../fetch-items.ts'
import type { OpenMessage } from '../message.ts'
import type { Session } from '../session.ts'
import { bodyStructure } from './body-structure.ts'
import { envelope } from './envelope.ts'
import { dateTime, flagList } from './flags.ts'
import { type SectionBytes, sectionOf } from './sections.ts'
import { utf8String } from './strings.ts'

/** Larger ones are not held in memory on their way from the store to the client. */
const HELD = 1024 * 1024
/** A decoded part above this is refused: BINARY of it would have to be whole in memory. */
const MAX_DECODED = 64 * 1024 * 1024
const MAX_HEADER = 1024 * 1024

export interface Fetched {
  readonly row: UidRow
  /** Present when an item needs it. */
  readonly message: OpenMessage | undefined
  /** Present when SAVEDATE is asked for; epoch milliseconds. */
  readonly savedAt?: number | undefined
  /** Present when THREADID or PREVIEW is asked for. */
  readonly listed: MessageRow | undefined
}

/** Text of one character a byte, bytes, or bytes that come in pieces. */
type Piece = string | Buffer | AsyncIterable<Uint8Array>

/**
 * Writes one FETCH answer. Everything but large bodies is at hand before the first byte goes out, so that what cannot be answered
 * is refused and not cut off.
 */
export async function writeFetch(session: Session, items: readonly FetchItem[], fetched: Fetched): Promise<void> {
  const { out } = session
  const pieces: Piece[] = []
  for (const item of items) {
    pieces.push(pieces.length === 0 ? headOf(session, fetched.row) : ' ')
    pieces.push(...(await answerItem(session, item, fetched)))
  }
  pieces.push(')\r\n')
  for (const piece of pieces) {
    if (typeof piece === 'string') out.text(piece)
    else if (Buffer.isBuffer(piece)) out.bytes(piece)
    else
      for await (const bytes of piece) {
        out.bytes(bytes)
        await out.drained()
      }
  }
}

const headOf = (session: Session, row: UidRow): string =>
  session.enabled.has('UIDONLY') ? `* ${row.uid} UIDFETCH (` : `* ${session.mailbox.sequenceOf(row.uid)} FETCH (`

/** The same when the rows say everything: nothing is waited for, so that a hundred thousand flags go out in one go. */
export function writeRow(session: Session, items: readonly FetchItem[], row: UidRow): void {
  let text = headOf(session, row)
  for (const [i, item] of items.entries()) text += `${i === 0 ? '' : ' '}${rowItem(item, row)}`
  session.out.text(`${text})\r\n`)
}

/** Undefined for what the row does not hold. */
function rowItem({ kind }: FetchItem, row: UidRow): string | undefined {
  switch (kind) {
    case 'UID':
      return `UID ${row.uid}`
    case 'FLAGS':
      return `FLAGS ${flagList(row.flags)}`
    case 'INTERNALDATE':
      return `INTERNALDATE ${dateTime(row.receivedAt)}`
    case 'RFC822.SIZE':
      return `RFC822.SIZE ${row.size}`
    case 'MODSEQ':
      return `MODSEQ (${row.modseq})`
    case 'EMAILID':
      return `EMAILID (${row.id})`
    default:
      return undefined
  }
}

/** Whether the folder's index knows it. */
export const isOfRow = ({ kind }: FetchItem): boolean => ROW_ITEMS.has(kind)
const ROW_ITEMS: ReadonlySet<FetchItem['kind']> = new Set<FetchItem['kind']>([
  'UID',
  'FLAGS',
  'INTERNALDATE',
  'RFC822.SIZE',
  'MODSEQ',
  'EMAILID',
])

async function answerItem(session: Session, item: FetchItem, fetched: Fetched): Promise<readonly Piece[]> {
  const { row, message, listed } = fetched
  const simple = rowItem(item, row)
  if (simple !== undefined) return [simple]
  switch (item.kind) {
    case 'UID':
    case 'FLAGS':
    case 'INTERNALDATE':
    case 'RFC822.SIZE':
    case 'MODSEQ':
    case 'EMAILID':
      return []
    case 'SAVEDATE':
      return [`SAVEDATE ${fetched.savedAt === undefined ? 'NIL' : dateTime(fetched.savedAt)}`]
    case 'THREADID':
      return [listed ? `THREADID (${listed.threadId})` : 'THREADID NIL']
    case 'PREVIEW':
      return [`PREVIEW ${listed ? utf8String(listed.snippet, session.utf8) : 'NIL'}`]
    case 'ENVELOPE':
    case 'BODY':
    case 'BODYSTRUCTURE':
      return [`${item.kind} ${await described(session, item.kind, fetched)}`]
    case 'RFC822':
      return bytesOf('RFC822', message, message && { start: 0, end: message.size })
    case 'RFC822.HEADER':
      return bytesOf('RFC822.HEADER', message, message && { start: 0, end: message.root.bodyStart })
    case 'RFC822.TEXT':
      return bytesOf('RFC822.TEXT', message, message && { start: message.root.bodyStart, end: message.size })
    case 'BODY[]': {
      const name = `BODY[${item.section.written}]${from(item.partial)}`
      return bytesOf(name, message, message && (await sectionOf(message, item.section)), item.partial)
    }
    case 'BINARY[]': {
      const name = `BINARY[${item.part}]${from(item.partial)}`
      return bytesOf(name, message, message && { made: await decoded(message, item.part) }, item.partial)
    }
    case 'BINARY.SIZE[]':
      return [`BINARY.SIZE[${item.part}] ${message ? (await decoded(message, item.part)).length : 0}`]
    default: {
      const _: never = item
      return _
    }
  }
}

/** What these items say of a message never changes, so it is made once. */
export const isDescription = (item: FetchItem): boolean =>
  item.kind === 'ENVELOPE' || item.kind === 'BODY' || item.kind === 'BODYSTRUCTURE'

async function described(
  { services: { rendered } }: Session,
  kind: 'ENVELOPE' | 'BODY' | 'BODYSTRUCTURE',
  { row, message }: Fetched,
): Promise<string> {
  const known = rendered.get(row.position, kind)
  if (known !== undefined) return known
  const text =
    kind === 'ENVELOPE' ? envelope(await headerOf(message)) : await structureOf(message, kind === 'BODYSTRUCTURE')
  if (message) rendered.set(row.position, kind, text)
  return text
}

async function structureOf(message: OpenMessage | undefined, extensible: boolean): Promise<string> {
  if (!message) return '("text" "plain" NIL NIL NIL "7bit" 0 0)'
  const raw = message.size <= HELD ? await message.whole() : await headers(message)
  return bodyStructure(message.root, (start, end) => raw.toString('latin1', start, end), extensible)
}

const from = (partial: Partial | undefined): string => (partial ? `<${partial.start}>` : '')

async function headerOf(message: OpenMessage | undefined): Promise<string> {
  if (!message) return ''
  return (await message.bytes(0, Math.min(message.root.bodyStart, MAX_HEADER))).toString('latin1')
}

/** A buffer that is right where headers are and where parts end, and empty elsewhere: the structure of a large message needs no more. */
async function headers(message: OpenMessage): Promise<Buffer> {
  const bytes = Buffer.alloc(message.size)
  const fill = async (part: OpenMessage['root']): Promise<void> => {
    const end = Math.min(part.bodyStart, part.headerStart + MAX_HEADER)
    ;(await message.bytes(part.headerStart, end)).copy(bytes, part.headerStart)
    const last = Math.max(part.bodyStart, part.bodyEnd - 1)
    ;(await message.bytes(last, part.bodyEnd)).copy(bytes, last)
    for (const child of part.parts ?? []) await fill(child)
    if (part.message) await fill(part.message.root)
  }
  await fill(message.root)
  return bytes
}

async function bytesOf(
  name: string,
  message: OpenMessage | undefined,
  section: SectionBytes | undefined,
  partial?: Partial,
): Promise<readonly Piece[]> {
  if (!message || !section) return [`${name} NIL`]
  if ('made' in section) {
    const bytes = partial ? section.made.subarray(partial.start, partial.start + partial.length) : section.made
    // literal8, for bytes that may hold NUL (RFC 3516 §4.2).
    const sign = name.startsWith('BINARY') && bytes.includes(0) ? '~' : ''
    return [`${name} ${sign}{${bytes.length}}\r\n`, bytes]
  }
  const start = Math.min(section.end, section.start + (partial?.start ?? 0))
  const end = partial ? Math.min(section.end, start + partial.length) : section.end
  if (end - start > HELD) return [`${name} {${end - start}}\r\n`, message.stream(start, end)]
  const bytes = await message.bytes(start, end)
  return [`${name} {${bytes.length}}\r\n`, bytes]
}

/** A part without its transfer encoding; of a multipart or the whole message nothing is taken off (RFC 3516 §4.2). */
async function decoded(message: OpenMessage, number: string): Promise<Buffer> {
  if (number === '') return message.whole()
  const part = partAt(message.root, number)
  if (!part) return Buffer.alloc(0)
  if (!['7bit', '8bit', 'binary', 'base64', 'quoted-printable', 'uuencode'].includes(part.encoding))
    throw new Refused('This transfer encoding is not known', 'UNKNOWN-CTE')
  if (decodedSize(part) > MAX_DECODED)
    throw new Refused('This part is too large to decode: fetch BODY instead', 'LIMIT')
  const bytes = await message.bytes(part.bodyStart, part.bodyEnd)
  if (part.parts || part.message) return bytes
  const plain = decodeTransfer(bytes, part.encoding)
  return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength)
}
