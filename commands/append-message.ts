// A message that did not come by SMTP goes into a mailbox: an import, IMAP's APPEND, a draft, the Sent copy.
import { hash } from 'node:crypto'
import type { AccountId, Revision } from '../domain/log.ts'
import { mailboxStream } from '../domain/log.ts'
import type { MailContent } from '../domain/mail/structure.ts'
import type { BlobRef, MailboxEvent } from '../domain/mailbox/mailbox.ts'
import { type CommandContext, toNewEvents } from './context.ts'
import { derivedId } from './identity.ts'
import { toMessageContent } from './message-content.ts'
import type { Journal, JournalAppend } from './ports/journal.ts'

export interface MessageToAppend {
  readonly messageId: string
  readonly folderId: string
  readonly flags: readonly string[]
  readonly receivedAt: number
  readonly source: 'append' | 'draft' | 'sent' | 'import'
  readonly mail: MailContent
  readonly blob: BlobRef
  /** Where storing it goes on: nothing is appended before it has ended. */
  readonly durable?: Promise<void>
}

/** Appends several messages to one mailbox in as few commits as the engine allows; the revision of the last. */
export async function appendMessages(
  journal: Journal,
  context: CommandContext,
  account: AccountId,
  messages: readonly MessageToAppend[],
): Promise<Revision> {
  const events = messages.flatMap((message) =>
    toNewEvents([appendedEvent(message)], account, { ...context, commandId: `append/${message.messageId}` }),
  )
  return appendAfter(journal, account, events, messages)
}

/** One append, in the same round on the disk as the blobs that are still being stored where the engine can. */
async function appendAfter(
  journal: Journal,
  account: AccountId,
  events: JournalAppend['events'],
  messages: readonly MessageToAppend[],
): Promise<Revision> {
  const after = messages.flatMap(({ blob, durable }) => (durable ? [{ ref: blob, durable }] : []))
  const [result] = await journal.appendAll([{ stream: mailboxStream(account), expected: 'any', events }], { after })
  if (!result?.ok) throw new Error('An append at any revision was refused')
  return result.revision
}

/** A message comes in and another of the same mailbox is expunged, both or neither; the revision of the last. */
export async function replaceMessage(
  journal: Journal,
  context: CommandContext,
  account: AccountId,
  { message, oldId }: { readonly message: MessageToAppend; readonly oldId: string },
): Promise<Revision> {
  const events: readonly MailboxEvent[] = [
    appendedEvent(message),
    { type: 'MessagesExpunged', data: { messageIds: [oldId] } },
  ]
  const all = toNewEvents(events, account, { ...context, commandId: `append/${message.messageId}` })
  return appendAfter(journal, account, all, [message])
}

export function appendedEvent({ mail, blob, durable: _, ...arrival }: MessageToAppend): MailboxEvent {
  return { type: 'MessageAppended', data: { ...arrival, content: toMessageContent(mail, blob) } }
}

/** The id of an imported message follows from its bytes and its folder: importing it again is the same arrival. */
export function importedMessageId(account: AccountId, folderId: string, raw: Uint8Array): string {
  return derivedId('import', account, folderId, hash('sha256', raw, 'hex'))
}
