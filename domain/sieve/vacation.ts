// Automatic answers: to whom none is ever sent, and what they look like (RFC 5230 §4 and §5, RFC 3834).
import { normalizeAddress, ownAddress, parseAddress, splitTag } from '../mail/address.ts'
import { type ComposeAddress, composeMail } from '../mail/compose.ts'
import { messageIds } from '../mail/envelope.ts'
import type { Header } from './message.ts'
import type { VacationAction } from './run.ts'

export interface VacationFacts {
  /** Reverse-path. */
  readonly mailFrom: string
  /** The address that led here. */
  readonly recipient: string
  /** Every address of the account. */
  readonly ownAddresses: readonly string[]
  /** As the message came. */
  readonly header: Header
}

/** Local parts behind which no person reads (RFC 5230 §4.6, RFC 3834 §2). */
const NO_PERSON =
  /^(?:mailer-daemon|postmaster|listserv|majordomo|owner-.*|.*-(?:request|owner|bounces?)|bounces?[-+].*|(?:no|do-?not)[-_.]?reply.*|.*[-_.](?:no|do-?not)[-_.]?reply)$/i

const LIST_FIELDS = [
  'list-id',
  'list-help',
  'list-subscribe',
  'list-unsubscribe',
  'list-post',
  'list-owner',
  'list-archive',
]
const TO_FIELDS = ['to', 'cc', 'bcc', 'resent-to', 'resent-cc', 'resent-bcc']

/** Why a message must not be answered; undefined when it may be. */
export function whyNoAnswer(action: VacationAction, facts: VacationFacts): string | undefined {
  const { mailFrom, header, ownAddresses, recipient } = facts
  if (mailFrom === '') return 'the sender takes no answers'
  const sign = mailFrom.lastIndexOf('@')
  if (NO_PERSON.test(mailFrom.slice(0, sign < 0 ? undefined : sign))) return 'no person reads at the sender’s address'
  if (LIST_FIELDS.some((name) => header.named(name).length > 0)) return 'it came by a mailing list'
  if (header.named('auto-submitted').some(({ value }) => !/^no\b/i.test(value.text))) return 'a machine sent it'
  if (header.named('precedence').some(({ value }) => /^(?:bulk|list|junk)$/i.test(value.text))) return 'it went to many'
  if (header.named('x-auto-response-suppress').some(({ value }) => /\b(?:all|oof|autoreply)\b/i.test(value.text)))
    return 'the sender wants no automatic answers'
  const own = new Set([...ownAddresses, recipient, ...action.addresses].map(plain))
  if (own.has(plain(mailFrom))) return 'it is one’s own'
  const named = TO_FIELDS.some((name) =>
    header.named(name).some((field) => field.addresses.some((address) => own.has(plain(address)))),
  )
  return named ? undefined : 'it is not addressed to this account by name'
}

/** The account's spelling without the tag, so that kim+news@ is kim@. */
function plain(written: string): string {
  const normal = normalizeAddress(written)
  if (!normal) return written.toLowerCase()
  return ownAddress(`${splitTag(normal.local).user}@${normal.domain}`)
}

/** What makes two answers the same one: an explicit handle, or all that the answer says (RFC 5230 §4.3). */
export function vacationHandle({ handle, subject, from, mime, reason }: VacationAction): string {
  return handle === undefined ? JSON.stringify([subject, from, mime, reason]) : `handle ${handle}`
}

export interface VacationReply extends VacationFacts {
  /** Of the account's person. */
  readonly name: string
  readonly messageId: string
  /** Epoch milliseconds. */
  readonly at: number
}

const MAX_REFERENCES = 30

/** The bytes of the answer. A `:from` that is not the account's own is not used: nobody writes in another's name. */
export function composeVacation(action: VacationAction, reply: VacationReply): Uint8Array {
  const { header, mailFrom, messageId, at } = reply
  const original = messageIds(header.named('message-id')[0]?.value.text ?? '')[0]
  const references = messageIds(header.named('references')[0]?.value.text ?? '').slice(-MAX_REFERENCES)
  const composed = composeMail({
    from: sender(action, reply),
    to: [{ address: mailFrom }],
    subject: action.subject ?? `Auto: ${header.named('subject')[0]?.value.text ?? ''}`,
    ...(action.mime ? {} : { text: action.reason }),
    messageId,
    date: at,
    ...(original === undefined ? {} : { inReplyTo: original, references: [...references, original] }),
    headers: { 'Auto-Submitted': 'auto-replied (vacation)', 'X-Auto-Response-Suppress': 'All', Precedence: 'bulk' },
  })
  return action.mime ? withEntity(composed, action.reason) : composed
}

function sender({ from }: VacationAction, { name, recipient, ownAddresses }: VacationReply): ComposeAddress {
  const wanted = from === undefined ? undefined : parseAddress(from)
  const own = new Set([...ownAddresses, recipient].map(plain))
  if (wanted && own.has(plain(wanted.address)))
    return wanted.name === undefined ? { address: wanted.address } : { name: wanted.name, address: wanted.address }
  return name === '' ? { address: recipient } : { name, address: recipient }
}

/** Puts a MIME entity that the script wrote (RFC 5230 §4.5) in place of the body; of its header only Content fields count. */
function withEntity(composed: Uint8Array, entity: string): Uint8Array {
  const bytes = Buffer.from(composed.buffer, composed.byteOffset, composed.byteLength)
  const head = bytes.toString('utf8', 0, bytes.indexOf('MIME-Version: 1.0'))
  const text = entity.replace(/\r?\n/g, '\r\n')
  const end = /^\r\n|\r\n\r\n/.exec(text)
  const fields = end === null ? '' : text.slice(0, end.index)
  const content = fields
    .split(/\r\n(?![ \t])/)
    .filter((field) => /^content-[\w-]+[ \t]*:/i.test(field))
    .map((field) => `${field}\r\n`)
    .join('')
  const body = end === null ? text : text.slice(end.index + end[0].length)
  return Buffer.from(`${head}MIME-Version: 1.0\r\n${content}\r\n${body}`)
}
