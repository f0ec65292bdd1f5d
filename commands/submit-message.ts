// A person sends: the submission and the Sent copy become durable, local recipients get their mail, others wait for delivery.
import type { AccountId, NewEvent, Revision } from '../domain/log.ts'
import { mailboxStream, submissionStream } from '../domain/log.ts'
import { normalizeAddress } from '../domain/mail/address.ts'
import type { MailContent } from '../domain/mail/structure.ts'
import type { BlobRef, MailboxEvent } from '../domain/mailbox/mailbox.ts'
import {
  decide,
  type EnvelopeOptions,
  evolve,
  noSubmission,
  type Submission,
  type SubmissionCommand,
  type SubmissionEvent,
  type SubmissionRecipient,
  type SubmissionRefusal,
} from '../domain/submission/submission.ts'
import { appendedEvent } from './append-message.ts'
import { type CommandContext, contextOf, type Outcome, refused, toNewEvents } from './context.ts'
import { planDeliveries, type RulesPorts } from './deliver-by-rules.ts'
import { derivedId } from './identity.ts'
import { folderIdFor } from './open-account.ts'
import type { Journal } from './ports/journal.ts'
import { NoDataKey } from './ports/keyring.ts'
import type { SendingGuard } from './ports/sending-guard.ts'
import type { Directory } from './ports/views.ts'
import { appendsOf, type IncomingMail } from './receive-mail.ts'

const ATTEMPTS = 10

export interface SubmissionPorts {
  readonly journal: Journal
  readonly directory: Directory
  /** Sending limits; none when absent. */
  readonly guard?: SendingGuard | undefined
  /** Filter rules of recipients who live here; without them their mail goes to the inbox. */
  readonly rules?: RulesPorts | undefined
}

export interface MessageToSubmit {
  readonly accountId: AccountId
  readonly mailFrom: string
  /** Every recipient, Bcc included; normalised or not. With what its reports should be, where the client said so (RFC 3461). */
  readonly recipients: readonly (string | RecipientToSubmit)[]
  readonly envelope?: EnvelopeOptions
  readonly blob: BlobRef
  /** Resolves once the blob is durable; absent when it is already. */
  readonly stored?: Promise<void>
  readonly mail: MailContent
  /** Epoch milliseconds; the past sends now. */
  readonly sendAt?: number
  /** False for clients that keep their own Sent copy by IMAP. */
  readonly keepSentCopy?: boolean
  /** Marked answered, and the draft that this was expunged, in the same commit. Both must be messages of the account. */
  readonly answers?: string
  readonly forwards?: string
  readonly draftId?: string
}

export type RecipientToSubmit = Pick<SubmissionRecipient, 'address' | 'notify' | 'originalRecipient'>

export type SubmitOutcome = Outcome<
  { readonly submissionId: string; readonly messageId: string; readonly revision: Revision },
  SubmissionRefusal['code'] | 'bad-address' | 'sending-limit'
>

export async function submitMessage(
  ports: SubmissionPorts,
  context: CommandContext,
  input: MessageToSubmit,
): Promise<SubmitOutcome> {
  const resolved = await resolveRecipients(ports.directory, input.recipients)
  if (!resolved.ok) return resolved
  const submissionId = derivedId('submission', input.accountId, context.commandId)
  const messageId = derivedId('sent', submissionId)
  const decision = decide(
    {
      type: 'SubmitMessage',
      submission: {
        submissionId,
        accountId: input.accountId,
        messageId,
        mailFrom: input.mailFrom,
        recipients: resolved.recipients,
        blob: input.blob,
        subject: input.mail.envelope.subject.slice(0, 500),
        sendAt: input.sendAt ?? context.at,
        ...messageIdField(input.mail),
        ...(input.envelope && Object.keys(input.envelope).length > 0 ? { envelope: input.envelope } : {}),
      },
    },
    noSubmission,
  )
  if ('refused' in decision) return { ok: false, refusal: decision.refused }
  // A retry of what is there already is no second message.
  if (ports.guard && (await ports.journal.lastRevision(submissionStream(submissionId))) === undefined) {
    const addresses = resolved.recipients.map(({ address }) => address)
    const refusal = await ports.guard.admit(input.accountId, input.mailFrom, addresses, context.at)
    if (refusal) return { ok: false, refusal }
  }
  const events = sentCopy(input, messageId, context.at)
  const after = input.stored ? { after: [{ ref: input.blob, durable: input.stored }] } : {}
  const [, mailbox] = await ports.journal.appendAll(
    [
      {
        stream: submissionStream(submissionId),
        expected: 'no-stream',
        events: toNewEvents(decision.events, input.accountId, {
          ...context,
          commandId: `${context.commandId}/submission`,
        }),
      },
      ...(events.length > 0
        ? [
            {
              stream: mailboxStream(input.accountId),
              expected: 'any' as const,
              events: toNewEvents(events, input.accountId, context),
            },
          ]
        : []),
    ],
    after,
  )
  if ((input.sendAt ?? 0) <= context.at) await deliverLocally(ports, submissionId, input.mail)
  const revision = mailbox?.ok ? mailbox.revision : await ports.journal.lastRevision(mailboxStream(input.accountId))
  return { ok: true, submissionId, messageId, revision: revision ?? 0n }
}

/** The append that begins a submission of the mail system itself, or for somebody: no Sent copy, nobody to refuse it to. */
export function newSubmission({
  mail,
  ...data
}: Omit<Extract<SubmissionEvent, { type: 'MessageSubmitted' }>['data'], 'subject'> & { readonly mail: MailContent }) {
  const subject = mail.envelope.subject.slice(0, 500)
  const submission = { ...data, subject, ...messageIdField(mail) }
  const decision = decide({ type: 'SubmitMessage', submission }, noSubmission)
  const events = 'events' in decision ? decision.events : []
  return { stream: submissionStream(data.submissionId), expected: 'no-stream' as const, events }
}

const messageIdField = ({ envelope: { messageId } }: MailContent) =>
  messageId === undefined ? {} : { messageIdField: messageId.slice(0, 998) }

function sentCopy(input: MessageToSubmit, messageId: string, at: number): readonly MailboxEvent[] {
  const events: MailboxEvent[] = []
  if (input.keepSentCopy ?? true) {
    const folderId = folderIdFor(input.accountId, 'sent')
    const { mail, blob } = input
    events.push(appendedEvent({ messageId, folderId, flags: ['\\seen'], receivedAt: at, source: 'sent', mail, blob }))
  }
  const mark = (id: string, flag: string) =>
    events.push({ type: 'FlagsChanged', data: { messageIds: [id], add: [flag], remove: [] } })
  if (input.answers) mark(input.answers, '\\answered')
  if (input.forwards) mark(input.forwards, '$forwarded')
  if (input.draftId) events.push({ type: 'MessagesExpunged', data: { messageIds: [input.draftId] } })
  return events
}

async function resolveRecipients(directory: Directory, given: readonly (string | RecipientToSubmit)[]) {
  const recipients = new Map<string, SubmissionRecipient>()
  for (const each of given) {
    const {
      address: text,
      notify,
      originalRecipient,
    }: RecipientToSubmit = typeof each === 'string' ? { address: each } : each
    const normal = normalizeAddress(text)
    if (!normal) return refused('bad-address', `${text.slice(0, 100)} is not an e-mail address.`)
    const local = await directory.resolve(normal.address)
    recipients.set(normal.address, {
      address: normal.address,
      ...(local ? { accountId: local.accountId } : {}),
      ...(notify ? { notify } : {}),
      ...(originalRecipient ? { originalRecipient } : {}),
    })
  }
  return { ok: true as const, recipients: [...recipients.values()] }
}

/**
 * Delivers to the recipients that live here and records it, in one commit where the engine can: then nobody can take back what is
 * being delivered. All ids follow from the submission's, so that doing it again after a crash adds nothing twice. A recipient whose
 * account was erased meanwhile bounces. `mail` is what the raw message holds.
 */
export async function deliverLocally(
  { journal, rules }: Pick<SubmissionPorts, 'journal' | 'rules'>,
  submissionId: string,
  mail: MailContent,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { state, submitted, revision, correlationId } = await loadSubmission(journal, submissionId)
    if (!submitted || revision === undefined || state.cancelled || state.completed) return
    const local = submitted.recipients.filter(
      (recipient): recipient is Required<SubmissionRecipient> =>
        recipient.accountId !== undefined && state.fates.get(recipient.address) === 'waiting',
    )
    if (local.length === 0) return
    const context = contextOf(submitted.accountId, 'system', {
      commandId: `deliver/${submissionId}`,
      correlationId,
    })
    const incoming = {
      intakeId: submissionId,
      mailFrom: submitted.mailFrom,
      recipients: [...new Map(local.map((recipient) => [recipient.accountId, recipient])).values()],
      blob: submitted.blob,
      mail,
      begunAt: submitted.sendAt,
    }
    const record = {
      stream: submissionStream(submissionId),
      expected: revision,
      events: recorded(state, local, context),
    }
    try {
      const planned = rules ? await byRules(rules, context, incoming) : incoming
      const results = await journal.appendAll([...appendsOf(context, planned), record])
      if (results.every(({ ok }) => ok)) return
    } catch (error) {
      const gone = error instanceof NoDataKey && local.find(({ accountId }) => accountId === error.account)
      if (!gone) throw error
      await changeSubmission(journal, context, submitted.accountId, {
        type: 'RecordBounce',
        submissionId,
        recipient: gone.address,
        answer: '550 5.1.1 No such mailbox here',
      })
    }
  }
}

/** Bytes that rules look into, as when mail comes by SMTP. */
const BEGINNING = 1024 * 1024

async function byRules(rules: RulesPorts, context: CommandContext, incoming: IncomingMail): Promise<IncomingMail> {
  const { blob } = incoming
  const beginning = () => rules.blobs.read(blob, 0, Math.min(blob.size, BEGINNING))
  const planned = await planDeliveries(rules, context, { ...incoming, beginning, inSession: false })
  return 'recipients' in planned ? { ...incoming, recipients: planned.recipients } : incoming
}

/** The deliveries, and the end of the submission when these were the last: ids by recipient, so that a repeat is the same. */
function recorded(state: Submission, local: readonly SubmissionRecipient[], context: CommandContext) {
  const events: NewEvent<SubmissionEvent>[] = []
  const submissionId = state.id ?? ''
  let after = state
  for (const { address: recipient } of local) {
    const delivery = { type: 'RecordDelivery', submissionId, recipient, answer: '250 2.0.0 Delivered here' } as const
    const decision = decide(delivery, after)
    if ('refused' in decision) continue
    const commandId = `${context.commandId}/RecordDelivery/${recipient}`
    events.push(...toNewEvents(decision.events, context.actor, { ...context, commandId }))
    after = decision.events.reduce(evolve, after)
  }
  return events
}

/** One change of a submission at its exact revision; what loses a race decides again. */
export async function changeSubmission(
  journal: Journal,
  context: CommandContext,
  owner: AccountId,
  command: Exclude<SubmissionCommand, { type: 'SubmitMessage' }>,
): Promise<Outcome<{ readonly revision: Revision | undefined }, SubmissionRefusal['code'] | 'busy'>> {
  const { submissionId } = command
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { state, submitted, revision } = await loadSubmission(journal, submissionId)
    // Another account's submission answers like none.
    const decision = decide(command, submitted?.accountId === owner ? state : noSubmission)
    if ('refused' in decision) return { ok: false, refusal: decision.refused }
    if (decision.events.length === 0) return { ok: true, revision }
    const about = 'recipient' in command ? `/${command.type}/${command.recipient}` : `/${command.type}`
    const result = await journal.append({
      stream: submissionStream(submissionId),
      expected: revision ?? 'no-stream',
      events: toNewEvents(decision.events, owner, { ...context, commandId: context.commandId + about }),
    })
    if (result.ok) return { ok: true, revision: result.revision }
  }
  return refused('busy', 'The submission is being changed just now: try again.')
}

type Submitted = Extract<SubmissionEvent, { type: 'MessageSubmitted' }>['data']

/** The fold of a submission, and how it began. */
export async function loadSubmission(
  journal: Journal,
  submissionId: string,
): Promise<{
  state: Submission
  submitted: Submitted | undefined
  revision: Revision | undefined
  /** Of the command that submitted it. */
  correlationId: string
}> {
  let state = noSubmission
  let submitted: Submitted | undefined
  let revision: Revision | undefined
  let correlationId = submissionId
  for await (const event of journal.readStream(submissionStream(submissionId))) {
    revision = event.revision
    if ('redacted' in event) continue
    if (event.type === 'MessageSubmitted' && submitted === undefined) {
      submitted = event.data
      correlationId = event.metadata.correlationId
    }
    state = evolve(state, event as SubmissionEvent)
  }
  return { state, submitted, revision, correlationId }
}
