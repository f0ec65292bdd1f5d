// What filter rules send: redirected mail, automatic answers, refusals. Each is a submission of the account in the arrival's own commit.

import { submissionStream } from '../domain/log.ts'
import { normalizeAddress, ownAddress } from '../domain/mail/address.ts'
import { messageIds } from '../domain/mail/envelope.ts'
import type { MailContent } from '../domain/mail/structure.ts'
import type { BlobRef } from '../domain/mailbox/mailbox.ts'
import { headerBytes, withField, withoutFields } from '../domain/sieve/header-edit.ts'
import type { FilterMemoryEvent } from '../domain/sieve/memory.ts'
import type { Header } from '../domain/sieve/message.ts'
import { composeRefusal } from '../domain/sieve/refusal.ts'
import type { DuplicateId, SieveAction, VacationAction } from '../domain/sieve/run.ts'
import { composeVacation, vacationHandle, whyNoAnswer } from '../domain/sieve/vacation.ts'
import type { SubmissionEvent } from '../domain/submission/submission.ts'
import { storeMessage } from './compose-message.ts'
import { type CommandContext, toNewEvents } from './context.ts'
import { derivedId } from './identity.ts'
import type { MessageBlobs } from './ports/blob-store.ts'
import type { Journal, JournalAppend } from './ports/journal.ts'
import type { Keyring } from './ports/keyring.ts'
import type { Directory, DirectoryAccount } from './ports/views.ts'
import { type IncomingMail, messageIdFor } from './receive-mail.ts'
import { rewriteMessage } from './rewrite-message.ts'
import { duplicateKey, type Remembered, remembered, vacationKey } from './run-rules.ts'

/** One message for one account, whose rules want to write to somebody. */
export interface Answering {
  readonly ports: {
    readonly journal: Journal
    readonly blobs: MessageBlobs
    readonly directory: Directory
    readonly keyring: Pick<Keyring, 'nameHash'>
    readonly hostname: string
  }
  readonly context: CommandContext
  readonly incoming: IncomingMail & { readonly beginning: () => Promise<Uint8Array> }
  readonly account: DirectoryAccount
  readonly recipient: string
  /** As the message came. */
  readonly header: Header
  /** The filters took it for junk: its sender is somebody else, who gets no answers from us. */
  readonly junk: boolean
}

/** Why nothing is sent. */
type NotSent = { readonly note: string }

const ownAddresses = ({ account, recipient }: Answering): readonly string[] => [
  recipient,
  account.address,
  ...(account.addresses ?? []).map(({ address }) => address),
]

/**
 * Passes a message on with its reverse-path as it came. The Delivered-To field that is put before it tells us, when it comes round
 * again, that it was here.
 */
export async function redirectMail(
  answering: Answering,
  { address, header: edited }: Extract<SieveAction, { type: 'redirect' }>,
): Promise<{ readonly append: JournalAppend } | NotSent> {
  const { ports, incoming, account, recipient, header } = answering
  const own = new Set(ownAddresses(answering).map(ownAddress))
  if ((await ports.directory.resolve(address))?.accountId === account.id) return { note: 'the address is one’s own' }
  const passed = header.named('delivered-to').flatMap((field) => field.addresses)
  if (passed.some((each) => own.has(ownAddress(each)))) return { note: 'the message came round already' }
  const now = edited ?? header
  const traced = withField(withoutFields(now, new Set(now.named('return-path'))), 'Delivered-To', recipient, false)
  const { blob, mail } = await rewriteMessage(ports.blobs, incoming, traced)
  const submissionId = derivedId('redirect', incoming.intakeId, account.id, address)
  return { append: await submission(answering, submissionId, incoming.mailFrom, address, blob, mail) }
}

/** Answers a sender once in the time that the script says, which the log remembers. */
export async function answerAutomatically(
  answering: Answering,
  action: VacationAction,
): Promise<{ readonly appends: readonly JournalAppend[] } | NotSent> {
  const { ports, context, incoming, account, recipient, header } = answering
  if (answering.junk) return { note: 'it was taken for junk' }
  const facts = { mailFrom: incoming.mailFrom, recipient, ownAddresses: ownAddresses(answering), header }
  const why = whyNoAnswer(action, facts)
  if (why !== undefined) return { note: why }
  const to = normalizeAddress(incoming.mailFrom)?.address
  if (to === undefined) return { note: 'the sender’s address is none' }
  const memory = await remembered(ports, vacationKey(account.id, vacationHandle(action), to))
  if (memory.until > context.at) return { note: 'the sender was answered already' }
  const submissionId = derivedId('vacation', incoming.intakeId, account.id)
  const messageId = `${submissionId}@${recipient.slice(recipient.lastIndexOf('@') + 1)}`
  const raw = composeVacation(action, { ...facts, name: account.name, messageId, at: context.at })
  const { blob, mail } = await storeMessage(ports.blobs, raw)
  const until = context.at + action.seconds * 1000
  const data = { accountId: account.id, intakeId: incoming.intakeId, submissionId, until }
  return {
    appends: [
      await submission(answering, submissionId, '', to, blob, mail),
      remember(answering, memory, { type: 'AutomaticReplySent', data }),
    ],
  }
}

/** Tells the sender by mail, because the client that sent it is gone or others took the message. */
export async function sendRefusal(
  answering: Answering,
  { extended, reason }: Extract<SieveAction, { type: 'reject' }>,
): Promise<{ readonly append: JournalAppend } | NotSent> {
  const { ports, context, incoming, account, recipient, header } = answering
  if (answering.junk) return { note: 'it was taken for junk' }
  const to = normalizeAddress(incoming.mailFrom)?.address
  if (to === undefined) return { note: 'the sender takes no answers' }
  const submissionId = derivedId('refusal', incoming.intakeId, account.id)
  const originalMessageId = messageIds(header.named('message-id')[0]?.value.text ?? '')[0]
  const raw = composeRefusal({
    extended,
    reason,
    mailFrom: to,
    recipient,
    subject: incoming.mail.envelope.subject,
    ...(originalMessageId === undefined ? {} : { originalMessageId }),
    header: headerBytes(header).subarray(0, -2),
    hostname: ports.hostname,
    messageId: `${submissionId}@${recipient.slice(recipient.lastIndexOf('@') + 1)}`,
    at: context.at,
  })
  const { blob, mail } = await storeMessage(ports.blobs, raw)
  return { append: await submission(answering, submissionId, '', to, blob, mail) }
}

/** Notes ids for the test duplicate. */
export function noteDuplicates(answering: Answering, ids: readonly DuplicateId[]): Promise<readonly JournalAppend[]> {
  const { ports, context, incoming, account } = answering
  return Promise.all(
    ids.map(async (id) => {
      const memory = await remembered(ports, duplicateKey(account.id, id))
      const data = { accountId: account.id, intakeId: incoming.intakeId, until: context.at + id.seconds * 1000 }
      return remember(answering, memory, { type: 'DuplicateNoted', data })
    }),
  )
}

function remember(
  { context, account }: Answering,
  { stream, expected }: Remembered,
  event: FilterMemoryEvent,
): JournalAppend {
  const own = { ...context, commandId: `${context.commandId}/${stream}` }
  return { stream, expected, events: toNewEvents([event], account.id, own) }
}

async function submission(
  { ports, context, incoming, account }: Answering,
  submissionId: string,
  mailFrom: string,
  to: string,
  blob: BlobRef,
  mail: MailContent,
): Promise<JournalAppend> {
  const local = await ports.directory.resolve(to)
  const event: SubmissionEvent = {
    type: 'MessageSubmitted',
    data: {
      submissionId,
      accountId: account.id,
      // There is no Sent copy: its history is that of the message that caused it.
      messageId: messageIdFor(incoming.intakeId, account.id),
      mailFrom,
      recipients: [{ address: to, ...(local ? { accountId: local.accountId } : {}) }],
      blob,
      subject: mail.envelope.subject.slice(0, 500),
      sendAt: context.at,
    },
  }
  const own = { ...context, commandId: `${context.commandId}/${submissionId}` }
  return {
    stream: submissionStream(submissionId),
    expected: 'no-stream',
    events: toNewEvents([event], account.id, own),
  }
}
