// The aggregates under one shape, with the events that specs begin from.
import * as accounts from '../../domain/account/account.ts'
import type { MailboxEvent, MessageContent } from '../../domain/mailbox/mailbox.ts'
import * as mailboxes from '../../domain/mailbox/mailbox.ts'
import * as submissions from '../../domain/submission/submission.ts'

export const mailbox = { initial: mailboxes.emptyMailbox, evolve: mailboxes.evolve, decide: mailboxes.decide }
export const account = { initial: accounts.noAccount, evolve: accounts.evolve, decide: accounts.decide }
export const submission = { initial: submissions.noSubmission, evolve: submissions.evolve, decide: submissions.decide }

export const content: MessageContent = {
  blob: { id: 'ab'.repeat(32), key: 'a2V5', size: 10 },
  envelope: {
    subject: 'Hello',
    from: [],
    sender: [],
    replyTo: [],
    to: [],
    cc: [],
    bcc: [],
    inReplyTo: [],
    references: [],
  },
  root: { type: 'text/plain', params: {}, encoding: '7bit', headerStart: 0, bodyStart: 5, bodyEnd: 10 },
  snippet: 'Hello',
  attachments: [],
  hasAttachment: false,
  text: '',
}

export const folder = (
  folderId: string,
  role: mailboxes.FolderRole | null = null,
  parentId: string | null = null,
): MailboxEvent => ({ type: 'FolderCreated', data: { folderId, name: folderId, parentId, role } })

export const received = (messageId: string, folderId = 'inbox', flags: readonly string[] = []): MailboxEvent => ({
  type: 'MessageReceived',
  data: {
    messageId,
    folderId,
    flags,
    receivedAt: 1,
    content,
    mailFrom: 'a@example.test',
    recipient: 'b@example.test',
    intakeId: `intake-${messageId}`,
  },
})

export const moved = (messageId: string, folderId: string): MailboxEvent => ({
  type: 'MessageMoved',
  data: { messageId, folderId },
})
export const expunged = (...messageIds: string[]): MailboxEvent => ({ type: 'MessagesExpunged', data: { messageIds } })

/** A mailbox as it is opened: revisions 0 to 2. */
export const opened = [folder('inbox', 'inbox'), folder('archive', 'archive'), folder('trash', 'trash')]
