// Messages that a client gives: as literals, or put together from texts and parts of what is here (RFC 4469 CATENATE).
import type { MessageToAppend } from '../../commands/append-message.ts'
import { storeMail } from '../../commands/store-mail.ts'
import { mailboxStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { Arguments } from './arguments.ts'
import type { CommandArguments, StoredMessage } from './commands/command.ts'
import { readFlags } from './commands/store.ts'
import { BadCommand, Refused } from './errors.ts'
import { readSection, type Section } from './fetch-items.ts'
import { OpenMessage } from './message.ts'
import { type Place, permitted } from './places.ts'
import { sectionOf } from './respond/sections.ts'
import { quoted } from './respond/strings.ts'
import type { Session } from './session.ts'

type Part = Buffer | StoredMessage | { readonly url: string }

export interface Given {
  readonly flags: readonly string[]
  /** INTERNALDATE, epoch milliseconds. */
  readonly at: number | undefined
  readonly parts: readonly Part[]
}

const MAX_PARTS = 1_000

/** ` (flags) "date" literal`, where flags and date may be missing and CATENATE may stand for the literal. */
export function readGiven(session: Session, args: CommandArguments): Given {
  args.space()
  let flags: readonly string[] = []
  if (args.peek() === '(') {
    flags = readFlags(args)
    args.space()
  }
  let at: number | undefined
  if (args.peek() === '"') {
    at = args.dateTime()
    args.space()
  }
  if (args.lookingAt('CATENATE')) {
    args.word()
    args.space()
    const parts = args.list(() => readPart(args))
    if (parts.length > MAX_PARTS)
      throw new Refused(`A message is put together from at most ${MAX_PARTS} parts`, 'LIMIT')
    return { flags, at, parts }
  }
  // RFC 6855 §4: `UTF8 (~{…}`.
  const wrapped = session.utf8 && args.peek().toUpperCase() === 'U'
  if (wrapped) {
    args.word()
    args.space()
    args.expect('(')
  }
  const message = literalOf(args)
  if (wrapped) args.expect(')')
  if (Buffer.isBuffer(message) && message.length === 0) throw new Refused('An empty message is none', 'CANNOT')
  return { flags, at, parts: [message] }
}

function readPart(args: CommandArguments): Part {
  const kind = args.word()
  args.space()
  if (kind === 'TEXT') return literalOf(args)
  if (kind === 'URL') return { url: args.astring() }
  throw new BadCommand('CATENATE takes TEXT and URL')
}

function literalOf(args: CommandArguments): Buffer | StoredMessage {
  const literal = args.literal()
  return 'stored' in literal ? literal.stored : literal.bytes
}

/** The messages in the blob store, read. Refuses what would not fit into the account. */
export async function storeGiven(
  session: Session,
  { account, rights }: Place,
  given: readonly Given[],
): Promise<readonly Stored[]> {
  const { services, limits } = session
  const quota = (await services.directory.account(account))?.quota ?? null
  let left = quota === null ? Number.POSITIVE_INFINITY : quota - (await services.snapshots.usage(account)).bytes
  const stored: Stored[] = []
  for (const { flags, at, parts } of given) {
    const pieces: Piece[] = []
    let size = 0
    for (const part of parts) {
      const piece = await pieceOf(session, part)
      pieces.push(piece)
      size += piece.size
    }
    if (size > limits.messageBytes)
      throw new Refused(`The message is larger than ${limits.messageBytes} bytes`, 'TOOBIG')
    if (size === 0) throw new Refused('An empty message is none', 'CANNOT')
    left -= size
    if (left < 0) throw new Refused('The mailbox is full', 'OVERQUOTA')
    const [only] = parts
    const message = parts.length === 1 && only && 'mail' in only ? only : await put(session, pieces)
    stored.push({
      ...message,
      flags: permitted(rights, flags),
      receivedAt: at ?? services.now(),
      source: flags.includes('\\draft') ? 'draft' : 'append',
    })
    session.progress.step(stored.length, given.length)
  }
  return stored
}

/** All but its id and its folder. */
export type Stored = Omit<MessageToAppend, 'messageId' | 'folderId'>

interface Piece {
  readonly size: number
  readonly bytes: AsyncIterable<Uint8Array> | readonly Uint8Array[]
}

async function pieceOf(session: Session, part: Part): Promise<Piece> {
  if (Buffer.isBuffer(part)) return { size: part.length, bytes: [part] }
  if ('url' in part) return pieceAt(session, part.url)
  return { size: part.blob.size, bytes: session.services.blobs.stream(part.blob) }
}

async function put({ services: { blobs } }: Session, pieces: readonly Piece[]): Promise<StoredMessage> {
  const [only] = pieces
  if (pieces.length === 1 && only && Array.isArray(only.bytes)) {
    const bytes: Uint8Array = only.bytes[0]
    const { ref, durable } = blobs.stage(bytes)
    // Should the command end before it is waited for.
    durable.catch(() => undefined)
    return { mail: readMail(bytes), blob: ref, durable }
  }
  const all = async function* () {
    for (const { bytes } of pieces) yield* bytes
  }
  return storeMail(blobs, all())
}

interface PartUrl {
  /** '' for the selected mailbox. */
  readonly mailbox: string
  readonly uidValidity: number | undefined
  readonly uid: number
  readonly section: Section | undefined
  readonly offset: number
  readonly length: number
}

/** What an IMAP URL of this account stands for (RFC 5092 §5, RFC 4469 §3). */
async function pieceAt(session: Session, url: string): Promise<Piece> {
  const bad = new Refused(
    'This URL leads to nothing here',
    `BADURL ${quoted(url.replace(/[^\x20-\x7e]/g, '?').slice(0, 500))}`,
  )
  const asked = readUrl(url)
  if (!asked) throw bad
  const { services } = session
  const { selected } = session
  const here = asked.mailbox === '' && selected ? { account: selected.account, folderId: selected.folderId } : undefined
  const place = here ?? (asked.mailbox === '' ? undefined : await placeOf(session, asked.mailbox))
  const live = place && services.live.of(place.account)
  const index = await live?.index(place?.folderId ?? '')
  const folder = live?.folder(place?.folderId ?? '')
  const at = index?.place(asked.uid) ?? 0
  if (!place || !index?.has(asked.uid)) throw bad
  if (asked.uidValidity !== undefined && asked.uidValidity !== folder?.uidValidity) throw bad
  const opened = await OpenMessage.openAll(services, mailboxStream(place.account), [index.row(at)])
  const message = opened.get(asked.uid)
  const section = asked.section
  const found = message && (section ? await sectionOf(message, section) : { start: 0, end: message.size })
  if (!message || !found) throw bad
  if ('made' in found) {
    const bytes = found.made.subarray(asked.offset, asked.offset + asked.length)
    return { size: bytes.length, bytes: [bytes] }
  }
  const start = Math.min(found.end, found.start + asked.offset)
  const end = Math.min(found.end, start + asked.length)
  return { size: end - start, bytes: end > start ? message.stream(start, end) : [] }
}

async function placeOf(session: Session, mailbox: string) {
  const place = await session.place(mailbox)
  return place?.rights.includes('r') ? { account: place.account, folderId: place.folder.id } : undefined
}

const URL_OF_PART =
  /^\/?([^;/]*(?:\/[^;/]+)*)(?:;UIDVALIDITY=(\d{1,10}))?\/;UID=(\d{1,10})(?:\/;SECTION=([^;/]*))?(?:\/;PARTIAL=(\d{1,15})(?:\.(\d{1,15}))?)?$/i

/** `/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2`; undefined for what is no URL of a message here. */
function readUrl(url: string): PartUrl | undefined {
  const found = URL_OF_PART.exec(url.startsWith(';') ? `/${url}` : url)
  if (!found) return undefined
  const [, mailbox = '', uidValidity, uid = '', section, offset, length] = found
  try {
    const written = section === undefined ? undefined : decodeURIComponent(section)
    return {
      mailbox: decodeURIComponent(mailbox),
      uidValidity: uidValidity === undefined ? undefined : Number(uidValidity),
      uid: Number(uid),
      section: written === undefined ? undefined : readSection(new Arguments([`[${written}]`], [], 5)),
      offset: Number(offset ?? 0),
      length: length === undefined ? Number.POSITIVE_INFINITY : Number(length),
    }
  } catch {
    // Neither percent-encoded nor a section.
    return undefined
  }
}
