// Reports that come back by mail: each is tied to the submission that it is about, and what it says is put on that submission's record.
// Follows the log with a checkpoint of its own; looking twice changes nothing.
import { contextOf } from '../../commands/context.ts'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { CheckpointStore } from '../../commands/ports/checkpoint-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import { changeSubmission } from '../../commands/submit-message.ts'
import type { IntakeSection } from '../../domain/intake/intake.ts'
import { type AccountId, isRedacted } from '../../domain/log.ts'
import { readDeliveryReport } from '../../domain/mail/delivery-report.ts'
import { readMail } from '../../domain/mail/read.ts'
import { type EventSource, isUnreadable } from '../../projections/ports/event-source.ts'
import type { SubmissionQueries } from '../../projections/queries.ts'
import { fromNowOn, oneAtATime, upToNow } from './following.ts'

export interface ReportDependencies {
  readonly journal: Journal
  readonly source: Pick<EventSource, 'subscribe' | 'head'>
  readonly blobs: MessageBlobs
  readonly submissions: Pick<SubmissionQueries, 'submission' | 'submissionsByMessageId'>
  readonly checkpoints: CheckpointStore
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
}

const NAME = 'delivery-reports'
/** No report is larger; what is, is left to its reader. */
const MAX_REPORT = 4 * 1024 * 1024
const TYPES: ReadonlySet<string> = new Set(['MailAccepted'])

export class IncomingReports {
  readonly #deps: ReportDependencies

  constructor(deps: ReportDependencies) {
    this.#deps = deps
  }

  /** Reads what came since the last time, up to the end of the log; one look at a time. */
  readonly look = oneAtATime((signal) => this.#look(signal))

  async #look(signal: AbortSignal | undefined): Promise<void> {
    const { source, checkpoints, log } = this.#deps
    const after = await fromNowOn(checkpoints, NAME, () => source.head())
    for await (const batch of upToNow(source, { after, prefixes: ['intake-'], types: TYPES, signal })) {
      for (const event of batch.events) {
        if (isRedacted(event) || isUnreadable(event) || event.type !== 'MailAccepted') continue
        // What this system itself says to its people is known already.
        if (event.metadata.via !== 'smtp') continue
        for (const [account, section] of Object.entries(event.data.sections)) {
          if (section.mailFrom !== '') continue
          await this.#take(account, section).catch((error) =>
            log('report not read', { message: section.messageId, error: String(error) }),
          )
        }
      }
      if (batch.position !== undefined) await checkpoints.save(NAME, batch.position)
    }
  }

  async #take(account: AccountId, { blob, messageId }: IntakeSection): Promise<void> {
    const { blobs, submissions, journal } = this.#deps
    if (blob.size > MAX_REPORT) return
    const raw = await blobs.read(blob)
    const report = readDeliveryReport(raw, readMail(raw))
    if (!report) return
    // Only what this very account sent: a report says nothing about the mail of others, whoever wrote it.
    const named = report.envelopeId === undefined ? undefined : await submissions.submission(account, report.envelopeId)
    const found = named ? [named] : await submissions.submissionsByMessageId(account, report.about)
    for (const submission of found) {
      for (const { addresses, action, status, answer, remote } of report.recipients) {
        const recipient = submission.recipients.find(({ address }) => addresses.includes(address.toLowerCase()))
        if (!recipient) continue
        await changeSubmission(journal, contextOf('system', 'system', { correlationId: submission.id }), account, {
          type: 'RecordReport',
          submissionId: submission.id,
          recipient: recipient.address,
          action,
          status,
          answer,
          ...(remote ? { remote } : {}),
          messageId,
        })
      }
    }
  }
}
