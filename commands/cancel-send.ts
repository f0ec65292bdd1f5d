// A person takes back what has not left yet: the send is cancelled, and the copy in Sent becomes a draft again, in one commit.
import type { AccountId, Revision } from '../domain/log.ts'
import { mailboxStream, submissionStream } from '../domain/log.ts'
import type { MailboxEvent } from '../domain/mailbox/mailbox.ts'
import { decide, noSubmission, type SubmissionRefusal } from '../domain/submission/submission.ts'
import { loadMailbox, type MailboxPorts } from './change-mailbox.ts'
import { type CommandContext, type Outcome, refused, toNewEvents } from './context.ts'
import { folderIdFor } from './open-account.ts'
import type { JournalAppend } from './ports/journal.ts'
import { loadSubmission } from './submit-message.ts'

const ATTEMPTS = 10

/** `messageId` is the draft that the Sent copy has become; `revision` the mailbox's that includes it, absent when nothing moved. */
export type CancelOutcome = Outcome<
  { readonly messageId: string; readonly revision?: Revision },
  SubmissionRefusal['code'] | 'busy'
>

/** Repeated, it changes nothing more. A copy that its owner has moved out of Sent or expunged stays where it is. */
export async function cancelSend(
  ports: MailboxPorts,
  context: CommandContext,
  owner: AccountId,
  submissionId: string,
): Promise<CancelOutcome> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { state, submitted, revision } = await loadSubmission(ports.journal, submissionId)
    const own = submitted?.accountId === owner ? submitted : undefined
    // Another account's submission answers like none.
    const decision = decide({ type: 'CancelSend', submissionId }, own ? state : noSubmission)
    if ('refused' in decision) return { ok: false, refusal: decision.refused }
    const messageId = own?.messageId ?? ''
    const appends: JournalAppend[] = []
    // The cancel first: where an engine cannot do both at once, a race that is lost moves nothing, and a repeat finishes the rest.
    if (decision.events.length > 0)
      appends.push({
        stream: submissionStream(submissionId),
        expected: revision ?? 'no-stream',
        events: toNewEvents(decision.events, owner, { ...context, commandId: `${context.commandId}/CancelSend` }),
      })
    const moved = await backToDrafts(ports, owner, messageId)
    if (moved.length > 0)
      appends.push({
        stream: mailboxStream(owner),
        expected: 'any',
        events: toNewEvents(moved, owner, context),
      })
    if (appends.length === 0) return { ok: true, messageId }
    const results = await ports.journal.appendAll(appends)
    const last = results.at(-1)
    if (results.every(({ ok }) => ok))
      return { ok: true, messageId, ...(moved.length > 0 && last?.ok ? { revision: last.revision } : {}) }
  }
  return refused('busy', 'The submission is being changed just now: try again.')
}

async function backToDrafts(
  ports: MailboxPorts,
  owner: AccountId,
  messageId: string,
): Promise<readonly MailboxEvent[]> {
  const { state } = await loadMailbox(ports, owner, [messageId])
  const message = state.messages.get(messageId)
  const folderId = folderIdFor(owner, 'drafts')
  if (!message || message.expunged || message.folderId !== folderIdFor(owner, 'sent') || !state.folders.has(folderId))
    return []
  return [
    { type: 'MessageMoved', data: { messageId, folderId } },
    { type: 'FlagsChanged', data: { messageIds: [messageId], add: ['\\draft'], remove: [] } },
  ]
}
