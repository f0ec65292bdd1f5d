// What the sender of a message must be told, worked out from the log alone: failures, delays, deliveries that were asked to be told.
import { composeReport, type ReportedRecipient } from '../domain/delivery/report.ts'
import { readMail } from '../domain/mail/read.ts'
import type { Notice, NotifyWhen, SubmissionCommand, SubmissionRecipient } from '../domain/submission/submission.ts'
import { contextOf, toNewEvents } from './context.ts'
import { derivedId } from './identity.ts'
import type { MessageBlobs } from './ports/blob-store.ts'
import type { Directory } from './ports/views.ts'
import { appendsOf } from './receive-mail.ts'
import type { Alongside, SubmissionInWork } from './submission-in-work.ts'
import { newSubmission } from './submit-message.ts'

export interface NoticePorts {
  readonly blobs: MessageBlobs
  readonly directory: Directory
  /** Our name, and the domain that reports come from. */
  readonly host: string
  readonly domain: string
}

export interface NoticeTimes {
  /** Epoch milliseconds. */
  readonly now: number
  readonly warnMs: number
  readonly giveUpMs: number
}

/** Bytes of the original that a report returns at most when the whole of it was asked for; else its header block. */
const MAX_RETURNED = 1024 * 1024
const MAX_HEADER = 64 * 1024

/** The reports that are due and not made yet, each with the recipients that it is about. */
export function dueNotices(
  work: SubmissionInWork,
  { now, warnMs }: NoticeTimes,
): readonly { readonly notice: Notice; readonly recipients: readonly SubmissionRecipient[] }[] {
  const { submitted, state } = work
  // A report for a report would go round for ever (RFC 5321 §4.5.5).
  if (submitted.mailFrom === '' || state.cancelled) return []
  const about = (notice: Notice, when: NotifyWhen, holds: (recipient: SubmissionRecipient) => boolean) => ({
    notice,
    recipients: submitted.recipients.filter(
      (each) => wants(each, when) && holds(each) && !state.notified.has(`${notice} ${each.address}`),
    ),
  })
  const fate = ({ address }: SubmissionRecipient) => state.fates.get(address)
  return [
    about('failed', 'failure', (each) => fate(each) === 'bounced'),
    about('delayed', 'delay', (each) => fate(each) === 'deferred' && now >= submitted.sendAt + warnMs),
    about(
      'delivered',
      'success',
      (each) => fate(each) === 'delivered' && !work.lastAttempt(each.address)?.reportsItself,
    ),
  ].filter(({ recipients }) => recipients.length > 0)
}

/** RFC 3461 §4.1: without NOTIFY, failures and delays are told. */
const wants = ({ notify }: SubmissionRecipient, when: NotifyWhen): boolean =>
  notify ? notify.includes(when) : when !== 'success'

/** The reports that are due, as what goes into the commit of what made them due; undefined when there are none. */
export async function noticesOf(
  ports: NoticePorts,
  work: SubmissionInWork,
  times: NoticeTimes,
): Promise<{ also: Alongside; commands: readonly SubmissionCommand[] } | undefined> {
  const due = dueNotices(work, times)
  if (due.length === 0) return undefined
  const { mailFrom, accountId } = work.submitted
  const local = await ports.directory.resolve(mailFrom)
  const appends: Alongside['appends'][number][] = []
  const blobs: NonNullable<Alongside['blobs']>[number][] = []
  const commands: SubmissionCommand[] = []
  for (const { notice, recipients } of due) {
    const addresses = recipients.map(({ address }) => address)
    const reportId = derivedId('report', work.id, notice, ...addresses)
    const raw = await reportFor(ports, work, times, notice, recipients, reportId)
    const mail = readMail(raw)
    const blob = ports.blobs.stage(raw)
    blob.durable.catch(() => undefined)
    const context = contextOf('system', 'system', {
      commandId: reportId,
      correlationId: work.correlationId,
      at: times.now,
    })
    if (local) {
      const incoming = {
        intakeId: reportId,
        mailFrom: '',
        recipients: [{ accountId: local.accountId, address: mailFrom }],
        blob: blob.ref,
        mail,
        begunAt: times.now,
      }
      appends.push(...appendsOf(context, incoming))
    } else {
      // The sender is elsewhere, as after a redirect: the report travels, and nothing comes back for it.
      const submission = newSubmission({
        submissionId: derivedId('submission', reportId),
        accountId,
        messageId: derivedId('sent', reportId),
        mailFrom: '',
        recipients: [{ address: mailFrom }],
        blob: blob.ref,
        mail,
        sendAt: times.now,
      })
      appends.push({ ...submission, events: toNewEvents(submission.events, accountId, context) })
    }
    blobs.push(blob)
    commands.push({ type: 'RecordNotice', submissionId: work.id, notice, recipients: addresses, reportId })
  }
  return { also: { appends, blobs }, commands }
}

async function reportFor(
  ports: NoticePorts,
  work: SubmissionInWork,
  times: NoticeTimes,
  notice: Notice,
  recipients: readonly SubmissionRecipient[],
  reportId: string,
): Promise<Uint8Array> {
  const { submitted } = work
  const whole = notice === 'failed' && submitted.envelope?.returns === 'full' && submitted.blob.size <= MAX_RETURNED
  const original = whole
    ? await ports.blobs.read(submitted.blob)
    : headerOf(await ports.blobs.read(submitted.blob, 0, Math.min(MAX_HEADER, submitted.blob.size)))
  return composeReport({
    notice,
    messageId: `${reportId}@${ports.domain}`,
    host: ports.host,
    from: `mailer-daemon@${ports.domain}`,
    to: submitted.mailFrom,
    at: times.now,
    submittedAt: submitted.sendAt,
    retryUntil: submitted.sendAt + times.giveUpMs,
    subject: submitted.subject,
    ...(submitted.messageIdField ? { about: submitted.messageIdField } : {}),
    ...(submitted.envelope?.envelopeId ? { envelopeId: submitted.envelope.envelopeId } : {}),
    recipients: recipients.map((each) => reported(each, notice, work)),
    original,
    whole,
  })
}

function reported(recipient: SubmissionRecipient, notice: Notice, work: SubmissionInWork): ReportedRecipient {
  const { address, originalRecipient, accountId } = recipient
  const last = work.lastAttempt(address)
  const action = notice === 'delivered' ? (accountId === undefined ? 'relayed' : 'delivered') : notice
  const standard = { failed: '5.0.0', delayed: '4.0.0', delivered: '2.0.0' }[notice]
  // Given up after temporary failures: its last answer is a 4, its end is a 5 (RFC 3463 §2).
  const status = notice === 'failed' ? (last?.status ?? standard).replace(/^4/, '5') : (last?.status ?? standard)
  return {
    address,
    ...(originalRecipient ? { originalRecipient } : {}),
    action,
    status,
    answer: last?.answer ?? '',
    ...(last?.remote ? { remote: last.remote } : {}),
  }
}

function headerOf(bytes: Uint8Array): Uint8Array {
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('\r\n\r\n')
  return end < 0 ? bytes : bytes.subarray(0, end + 2)
}
