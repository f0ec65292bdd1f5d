// Outgoing messages and the fate of each of their recipients, as rows.
import { accountOfStream, isRedacted } from '../domain/log.ts'
import { SUBMISSION_EVENT_TYPES, type SubmissionEvent } from '../domain/submission/submission.ts'
import type { SourceEvent } from './ports/event-source.ts'
import type { Projector, RecipientFate, SubmissionState, SubmissionsUnit } from './ports/view-store.ts'
import type { RecipientState } from './queries.ts'

export const submissionsProjector: Projector<SubmissionsUnit> = {
  name: 'submissions',
  version: 2,
  prefixes: ['submission-', 'account-'],
  types: new Set<string>([...SUBMISSION_EVENT_TYPES, 'AccountErased']),
  apply,
}

function apply(unit: SubmissionsUnit, event: SourceEvent): void {
  if (event.type === 'AccountErased') {
    const account = accountOfStream(event.stream)
    if (account !== undefined) for (const id of unit.idsOf(account)) unit.submissions.delete(id)
    return
  }
  if (isRedacted(event)) return
  const { at } = event.metadata
  switch (event.type) {
    case 'MessageSubmitted': {
      const { submissionId, accountId, messageId, mailFrom, subject, sendAt, recipients, messageIdField } = event.data
      if (unit.submissions.get(submissionId) !== undefined) return
      unit.submissions.put(submissionId, {
        id: submissionId,
        accountId,
        messageId,
        mailFrom,
        subject,
        messageIdField: messageIdField ?? null,
        submittedAt: at,
        sendAt,
        state: 'pending',
        dueAt: sendAt,
        revision: Number(event.revision),
        position: Number(event.position),
        recipients: recipients.map(
          (recipient): RecipientFate => ({
            address: recipient.address,
            accountId: recipient.accountId ?? null,
            state: 'pending',
            answer: '',
            remote: null,
            attempts: 0,
            at: null,
            nextAttemptAt: null,
            status: null,
            report: null,
          }),
        ),
      })
      return
    }
    case 'SendCancelled':
    case 'SubmissionCompleted': {
      const submission = unit.submissions.get(event.data.submissionId)
      if (submission === undefined) return
      if (submission.state === 'pending') {
        submission.state = event.type === 'SendCancelled' ? 'cancelled' : 'completed'
        if (event.type === 'SendCancelled') {
          for (const recipient of submission.recipients) {
            if (recipient.state === 'pending' || recipient.state === 'deferred') {
              recipient.state = 'cancelled'
              recipient.nextAttemptAt = null
            }
          }
        }
      }
      submission.dueAt = null
      submission.revision = Number(event.revision)
      unit.submissions.put(submission.id, submission)
      return
    }
    case 'SendingStarted':
    case 'SenderNotified':
      touch(unit, event.data.submissionId, Number(event.revision))
      return
    case 'RetryRequested': {
      const submission = touch(unit, event.data.submissionId, Number(event.revision))
      for (const recipient of submission?.recipients ?? [])
        if (recipient.state === 'deferred') recipient.nextAttemptAt = Math.min(recipient.nextAttemptAt ?? at, at)
      if (submission) due(submission)
      return
    }
    case 'RecipientReported': {
      const { submissionId, recipient, action, status, answer, remote } = event.data
      const submission = touch(unit, submissionId, Number(event.revision))
      const fate = submission?.recipients.find((each) => each.address === recipient)
      if (fate === undefined) return
      // A failure is never taken back by a later, gentler report.
      if (fate.report?.action !== 'failed') fate.report = { action, status, answer, remote: remote ?? null }
      return
    }
    case 'RecipientDelivered':
      attempt(unit, event.data, 'delivered', null, at, Number(event.revision))
      return
    case 'RecipientBounced':
      attempt(unit, event.data, 'bounced', null, at, Number(event.revision))
      return
    case 'RecipientDeferred':
      attempt(unit, event.data, 'deferred', event.data.nextAttemptAt, at, Number(event.revision))
      return
    default:
      return
  }
}

type Attempt = Extract<
  SubmissionEvent,
  { type: 'RecipientDelivered' | 'RecipientDeferred' | 'RecipientBounced' }
>['data']

function attempt(
  unit: SubmissionsUnit,
  { submissionId, recipient, answer, remote, status }: Attempt,
  state: RecipientState,
  nextAttemptAt: number | null,
  at: number,
  revision: number,
): void {
  const submission = touch(unit, submissionId, revision)
  const fate = submission?.recipients.find((each) => each.address === recipient)
  // A recipient that got it, or never will, keeps that fate.
  if (submission === undefined || fate === undefined || fate.state === 'delivered' || fate.state === 'bounced') return
  fate.state = state
  fate.answer = answer
  fate.remote = remote ?? null
  fate.status = status ?? null
  fate.attempts++
  fate.at = at
  fate.nextAttemptAt = nextAttemptAt
  due(submission)
}

function touch(unit: SubmissionsUnit, submissionId: string, revision: number): SubmissionState | undefined {
  const submission = unit.submissions.get(submissionId)
  if (submission === undefined) return undefined
  submission.revision = revision
  unit.submissions.put(submissionId, submission)
  return submission
}

function due(submission: SubmissionState): void {
  let first: number | null = null
  for (const { state, nextAttemptAt } of submission.recipients) {
    if (state !== 'pending' && state !== 'deferred') continue
    const at = Math.max(nextAttemptAt ?? 0, submission.sendAt)
    if (first === null || at < first) first = at
  }
  submission.dueAt = submission.state === 'pending' ? first : null
}
