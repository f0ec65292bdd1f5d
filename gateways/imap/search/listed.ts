// What SORT and THREAD compare messages by, read for many at once and kept small.
import { mailboxStream } from '../../../domain/log.ts'
import { baseSubject } from '../../../domain/mail/thread.ts'
import type { UidRow } from '../../../projections/queries.ts'
import { OpenMessage } from '../message.ts'
import type { Session } from '../session.ts'
import { fold } from './criteria.ts'

export interface Listed {
  readonly uid: number
  readonly receivedAt: number
  /** The Date field in UTC; INTERNALDATE where it is missing (RFC 5256 §2.2). */
  readonly sentAt: number
  readonly size: number
  /** Base subject (RFC 5256 §2.1), folded. */
  readonly subject: string
  /** Whether the subject was one of a reply or forward. */
  readonly isReply: boolean
  /** Mailbox of the first address, folded; RFC 5957's display names beside. */
  readonly from: string
  readonly to: string
  readonly fromShown: string
  readonly toShown: string
}

const AT_ONCE = 500

/** What the row alone can say. */
export const fromRow = ({ uid, receivedAt, date, size }: UidRow): Listed => ({
  uid,
  receivedAt,
  sentAt: date ?? receivedAt,
  size,
  ...NO_TEXT,
})

const NO_TEXT = { subject: '', isReply: false, from: '', to: '', fromShown: '', toShown: '' }

export async function listedOf(session: Session, rows: readonly UidRow[]): Promise<readonly Listed[]> {
  const found: Listed[] = []
  for (let i = 0; i < rows.length; i += AT_ONCE) {
    session.progress.step(i, rows.length)
    const some = rows.slice(i, i + AT_ONCE)
    const ids = some.map(({ id }) => id)
    const { account } = session.mailbox
    const listed = await (await session.viewed(account)).messagesById(account, ids)
    const byId = new Map(listed.map((row) => [row.id, row]))
    for (const row of some) {
      const message = byId.get(row.id)
      const { subject, marked } = baseSubject(message?.subject ?? '')
      const [from] = message?.from ?? []
      const [to] = message?.to ?? []
      found.push({
        uid: row.uid,
        receivedAt: row.receivedAt,
        sentAt: message?.date ?? row.receivedAt,
        size: row.size,
        subject: fold(subject),
        isReply: marked,
        from: mailboxOf(from?.address),
        to: mailboxOf(to?.address),
        fromShown: fold(from?.name ?? from?.address ?? ''),
        toShown: fold(to?.name ?? to?.address ?? ''),
      })
    }
  }
  return found
}

const mailboxOf = (address: string | undefined): string => fold((address ?? '').replace(/@[^@]*$/, ''))

/** First mailbox of Cc, which lists do not keep. */
export async function ccOf(session: Session, rows: readonly UidRow[]): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>()
  for (let i = 0; i < rows.length; i += AT_ONCE) {
    session.progress.step(i, rows.length)
    const some = rows.slice(i, i + AT_ONCE)
    const opened = await OpenMessage.openAll(session.services, mailboxStream(session.mailbox.account), some)
    for (const [uid, { content }] of opened) found.set(uid, mailboxOf(content.envelope.cc[0]?.address))
  }
  return found
}

export interface Ids {
  /** '' when the message has none. */
  readonly id: string
  /** Oldest first, In-Reply-To last where there are no References. */
  readonly references: readonly string[]
}

export async function idsOf(session: Session, rows: readonly UidRow[]): Promise<ReadonlyMap<number, Ids>> {
  const found = new Map<number, Ids>()
  for (let i = 0; i < rows.length; i += AT_ONCE) {
    session.progress.step(i, rows.length)
    const some = rows.slice(i, i + AT_ONCE)
    const opened = await OpenMessage.openAll(session.services, mailboxStream(session.mailbox.account), some)
    for (const [uid, { content }] of opened) {
      const { messageId = '', references, inReplyTo } = content.envelope
      found.set(uid, { id: messageId, references: references.length > 0 ? references : inReplyTo.slice(0, 1) })
    }
  }
  return found
}
