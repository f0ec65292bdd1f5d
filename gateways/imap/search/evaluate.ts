// Which messages of the selected mailbox meet the criteria: by their rows where those can tell, else by looking into them.
import { mailboxStream } from '../../../domain/log.ts'
import { decodePartText } from '../../../domain/mail/body-text.ts'
import { decodeHeaderText } from '../../../domain/mail/encoded-word.ts'
import { eachField, unfold } from '../../../domain/mail/header.ts'
import type { MimePart } from '../../../domain/mail/structure.ts'
import type { HeaderField } from '../../../projections/ports/search-index.ts'
import type { UidRow } from '../../../projections/queries.ts'
import { OpenMessage } from '../message.ts'
import { savedDates } from '../saved-dates.ts'
import { parseSet, writeSet } from '../sequence-set.ts'
import type { Session } from '../session.ts'
import { type Criterion, fold } from './criteria.ts'

/** Messages looked into at once. */
const OPENED = 50
const DAY = 86_400_000
/** Bytes of one part that are searched. */
const MAX_PART = 4 * 1024 * 1024

/** What a criterion says of a row by what was found out beforehand; undefined where the message must be looked into. */
type Verdict = (row: UidRow) => boolean | undefined
type Known = ReadonlyMap<Criterion, Verdict>

const among =
  (uids: ReadonlySet<number>): Verdict =>
  ({ uid }) =>
    uids.has(uid)

/** Rows that match, ascending by UID; of those `among` alone where given. */
export async function searchMailbox(
  session: Session,
  criterion: Criterion,
  among?: readonly number[],
): Promise<readonly UidRow[]> {
  const { mailbox: selected, services } = session
  const known = new Map<Criterion, Verdict>()
  resolveNumbers(session, criterion, known)
  const found: UidRow[] = []
  const stream = mailboxStream(selected.account)
  const uids = among ?? bounded(session, criterion) ?? selected.uids
  if (asksFor(criterion, 'saved')) await resolveSaved(session, criterion, uids, known)
  if (uids.length > session.limits.readAllBelow) await resolveTexts(session, criterion, known)
  let looked = 0
  for await (const rows of selected.rows(uids)) {
    session.progress.step(looked, uids.length)
    looked += rows.length
    const verdicts = rows.map((row) => byRow(criterion, row, known))
    const unsure = rows.filter((_, i) => verdicts[i] === undefined)
    const matching = new Set<number>()
    for (let i = 0; i < unsure.length; i += OPENED) {
      const some = unsure.slice(i, i + OPENED)
      const opened = await OpenMessage.openAll(services, stream, some, { text: true })
      session.progress.step(looked - rows.length + i, uids.length)
      const threads = await threadsOf(session, criterion, some)
      for (const row of some) {
        const message = opened.get(row.uid)
        if (message && (await matches(criterion, new Looked(message, known, threads.get(row.id)))))
          matching.add(row.uid)
      }
    }
    rows.forEach((row, i) => {
      if (verdicts[i] === true || matching.has(row.uid)) found.push(row)
    })
  }
  return found
}

/** Message numbers that every match must be among, so that the rest is not read. */
function bounded(session: Session, criterion: Criterion): readonly number[] | undefined {
  const parts = criterion.kind === 'and' ? criterion.of : [criterion]
  const numbers = parts.find((part) => part.kind === 'numbers')
  return numbers?.kind === 'numbers' ? tolerant(session, numbers) : undefined
}

/** In a search a number that no message has matches nothing. */
function tolerant(session: Session, { set, byUid }: Extract<Criterion, { kind: 'numbers' }>): readonly number[] {
  const { mailbox: selected } = session
  if (set === '$' || byUid) return selected.resolve(set, byUid)
  const last = selected.uids.length
  return selected.resolve(
    set.flatMap(([from, to]) =>
      from > last && from !== Number.POSITIVE_INFINITY
        ? []
        : [[from, to === Number.POSITIVE_INFINITY ? to : Math.min(to, last)] as const],
    ),
    false,
  )
}

/** The same criteria with message numbers as the UIDs that they stand for now: they mean no other messages later. */
export function frozen(session: Session, criterion: Criterion): Criterion {
  switch (criterion.kind) {
    case 'and':
      return { kind: 'and', of: criterion.of.map((part) => frozen(session, part)) }
    case 'or':
      return { kind: 'or', of: [frozen(session, criterion.of[0]), frozen(session, criterion.of[1])] }
    case 'not':
      return { kind: 'not', of: frozen(session, criterion.of) }
    case 'numbers': {
      if (criterion.byUid && criterion.set !== '$') return criterion
      const uids = tolerant(session, criterion)
      return uids.length === 0 ? { kind: 'none' } : { kind: 'numbers', set: parseSet(writeSet(uids)), byUid: true }
    }
    default:
      return criterion
  }
}

function resolveNumbers(session: Session, criterion: Criterion, into: Map<Criterion, Verdict>): void {
  if (criterion.kind === 'numbers') into.set(criterion, among(new Set(tolerant(session, criterion))))
  else if (criterion.kind === 'and' || criterion.kind === 'or')
    for (const part of criterion.of) resolveNumbers(session, part, into)
  else if (criterion.kind === 'not') resolveNumbers(session, criterion.of, into)
}

/** RFC 8514: the day counts, in UTC as it is for INTERNALDATE. */
async function resolveSaved(
  session: Session,
  criterion: Criterion,
  uids: readonly number[],
  into: Map<Criterion, Verdict>,
): Promise<void> {
  const dates = await savedDates(session.services, session.mailbox.account, uids, (done) =>
    session.progress.step(done, uids.length),
  )
  const visit = (part: Criterion): void => {
    if (part.kind === 'and' || part.kind === 'or') part.of.forEach(visit)
    else if (part.kind === 'not') visit(part.of)
    else if (part.kind === 'saved') {
      const within = [...dates].filter(([, at]) => at >= part.from && at < part.before)
      into.set(part, among(new Set(within.map(([uid]) => uid))))
    }
  }
  visit(criterion)
}

const INDEXED_FIELDS: Readonly<Record<string, HeaderField>> = {
  subject: 'subject',
  from: 'from',
  to: 'to',
  cc: 'cc',
  bcc: 'cc',
}

/**
 * Texts by the search index. What it has not seen yet, and what it finds without being sure, is looked into. Of the header it holds
 * From, To, Cc, Bcc, Subject and names of files: in a large mailbox TEXT finds other fields no more (RFC 9051 §6.4.4 lets a server match
 * flexibly), HEADER does.
 */
async function resolveTexts(session: Session, criterion: Criterion, into: Map<Criterion, Verdict>): Promise<void> {
  switch (criterion.kind) {
    case 'and':
    case 'or':
      for (const part of criterion.of) await resolveTexts(session, part, into)
      return
    case 'not':
      return resolveTexts(session, criterion.of, into)
    case 'text':
    case 'body':
    case 'header': {
      const field = criterion.kind === 'header' ? INDEXED_FIELDS[criterion.name] : null
      if (field === undefined || criterion.text === '') return
      const { account } = session.mailbox
      const match = await session.services.substring(account, criterion.text, field).catch((error: unknown) => {
        session.services.log('search index', { via: 'imap', error: String(error) })
        return undefined
      })
      const index = match && (await session.mailbox.index())
      if (!match || !index) return
      const uids = new Set(match.messageIds.map((id) => index.uidOf(id)))
      const sure = match.sure && criterion.kind === 'text'
      into.set(criterion, ({ uid }) => {
        if (uids.has(uid)) return sure ? true : undefined
        return uid - 1 > match.upTo ? undefined : false
      })
      return
    }
    default:
      return
  }
}

/** Undefined where the row alone cannot tell. */
function byRow(criterion: Criterion, row: UidRow, known: Known): boolean | undefined {
  switch (criterion.kind) {
    case 'all':
      return true
    case 'none':
      return false
    case 'and': {
      let sure = true
      for (const part of criterion.of) {
        const verdict = byRow(part, row, known)
        if (verdict === false) return false
        if (verdict === undefined) sure = false
      }
      return sure ? true : undefined
    }
    case 'or': {
      const [a, b] = criterion.of.map((part) => byRow(part, row, known))
      if (a === true || b === true) return true
      return a === false && b === false ? false : undefined
    }
    case 'not': {
      const verdict = byRow(criterion.of, row, known)
      return verdict === undefined ? undefined : !verdict
    }
    case 'flag':
      return row.flags.includes(criterion.flag)
    case 'saved':
    case 'numbers':
      return known.get(criterion)?.(row) ?? false
    case 'received': {
      return row.receivedAt >= criterion.from && row.receivedAt < criterion.before
    }
    case 'size':
      return row.size > criterion.above && row.size < criterion.below
    case 'modseq':
      return row.modseq >= criterion.atLeast
    case 'email-id':
      return row.id === criterion.id
    case 'header':
    case 'body':
    case 'text':
      return known.get(criterion)?.(row)
    case 'sent':
    case 'thread-id':
      return undefined
    default: {
      const _: never = criterion
      return _
    }
  }
}

async function threadsOf(
  session: Session,
  criterion: Criterion,
  rows: readonly UidRow[],
): Promise<ReadonlyMap<string, string>> {
  if (!asksFor(criterion, 'thread-id')) return new Map()
  const ids = rows.map(({ id }) => id)
  const { account } = session.mailbox
  const listed = await (await session.viewed(account)).messagesById(account, ids)
  return new Map(listed.map(({ id, threadId }) => [id, threadId]))
}

/** Whether a criterion of this kind is in it. */
export function asksFor(criterion: Criterion, kind: Criterion['kind']): boolean {
  if (criterion.kind === 'and' || criterion.kind === 'or') return criterion.of.some((part) => asksFor(part, kind))
  return criterion.kind === 'not' ? asksFor(criterion.of, kind) : criterion.kind === kind
}

/** One message while it is looked into: header and body are decoded once, and only if asked for. */
class Looked {
  readonly message: OpenMessage
  readonly known: Known
  readonly threadId: string | undefined
  #fields: Promise<readonly { readonly name: string; readonly value: string }[]> | undefined
  #body: Promise<string> | undefined
  #excerpt: string | undefined

  constructor(message: OpenMessage, known: Known, threadId: string | undefined) {
    this.message = message
    this.known = known
    this.threadId = threadId
  }

  /** The text that the log keeps, folded: what is in it need not be looked for in the raw message. */
  get excerpt(): string {
    this.#excerpt ??= fold(this.message.content.text)
    return this.#excerpt
  }

  fields(): Promise<readonly { readonly name: string; readonly value: string }[]> {
    this.#fields ??= this.message.bytes(0, this.message.root.bodyStart).then((bytes) => {
      const header = bytes.toString('latin1')
      const fields: { name: string; value: string }[] = []
      eachField(header, 10_000, (start, colon, end) => {
        const name = header.slice(start, colon).trimEnd().toLowerCase()
        fields.push({ name, value: fold(decodeHeaderText(unfold(header.slice(colon + 1, end)))) })
      })
      return fields
    })
    return this.#fields
  }

  /** Decoded text of every text part, those of messages inside it too. */
  body(): Promise<string> {
    this.#body ??= this.#readBody()
    return this.#body
  }

  async #readBody(): Promise<string> {
    const texts: string[] = []
    const visit = async (part: MimePart): Promise<void> => {
      for (const child of part.parts ?? []) await visit(child)
      if (part.message) await visit(part.message.root)
      if (part.parts || part.message || !part.type.startsWith('text/')) return
      const end = Math.min(part.bodyEnd, part.bodyStart + MAX_PART)
      texts.push(decodePartText(await this.message.bytes(part.bodyStart, end), part))
    }
    await visit(this.message.root)
    return fold(texts.join('\n'))
  }

  /** Whether the log's text says everything: one plain part, all of it kept. */
  get excerptIsAll(): boolean {
    const { root, content } = this.message
    return root.type === 'text/plain' && !root.parts && content.textTruncated !== true
  }
}

async function matches(criterion: Criterion, looked: Looked): Promise<boolean> {
  const known = byRow(criterion, looked.message.row, looked.known)
  if (known !== undefined) return known
  switch (criterion.kind) {
    case 'and':
      for (const part of criterion.of) if (!(await matches(part, looked))) return false
      return true
    case 'or':
      return (await matches(criterion.of[0], looked)) || (await matches(criterion.of[1], looked))
    case 'not':
      return !(await matches(criterion.of, looked))
    case 'sent': {
      const { date } = looked.message.content.envelope
      if (date === undefined) return false
      const day = Math.floor(date / DAY) * DAY
      return day >= criterion.from && day < criterion.before
    }
    case 'thread-id':
      return looked.threadId === criterion.id
    case 'header':
      return (await looked.fields()).some(
        ({ name, value }) => name === criterion.name && value.includes(criterion.text),
      )
    case 'body':
      return inBody(criterion.text, looked)
    case 'text':
      if (await inBody(criterion.text, looked)) return true
      return (await looked.fields()).some(({ name, value }) => `${name}: ${value}`.includes(criterion.text))
    default:
      return false
  }
}

async function inBody(text: string, looked: Looked): Promise<boolean> {
  if (looked.excerpt.includes(text)) return true
  // The log's text has single spaces only where the message has more.
  if (looked.excerptIsAll && !/\s/.test(text)) return false
  return (await looked.body()).includes(text)
}
