import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  evolve,
  MAX_RECIPIENTS,
  noSubmission,
  type SubmissionCommand,
  type SubmissionEvent,
} from '../../domain/submission/submission.ts'
import { givenSubmission as given } from './spec.ts'

const submissionId = 'sub'
const a = 'a@example.test'
const b = 'b@example.test'
const data = (recipients: readonly string[]) => ({
  submissionId,
  accountId: 'acc',
  messageId: 'm',
  mailFrom: 'me@example.test',
  recipients: recipients.map((address) => ({ address })),
  blob: { id: 'ff', key: 'k', size: 1 },
  subject: 's',
  sendAt: 5,
})
const submitted = (...recipients: string[]): SubmissionEvent => ({ type: 'MessageSubmitted', data: data(recipients) })
const submit = (recipients: readonly string[]): SubmissionCommand => ({
  type: 'SubmitMessage',
  submission: data(recipients),
})
const deliver = (recipient: string): SubmissionCommand => ({
  type: 'RecordDelivery',
  submissionId,
  recipient,
  answer: '250 ok',
})
const delivered = (recipient: string): SubmissionEvent => ({
  type: 'RecipientDelivered',
  data: { submissionId, recipient, answer: '250 ok' },
})
const bounce = (recipient: string): SubmissionCommand => ({
  type: 'RecordBounce',
  submissionId,
  recipient,
  answer: '550 no',
})
const bounced = (recipient: string): SubmissionEvent => ({
  type: 'RecipientBounced',
  data: { submissionId, recipient, answer: '550 no' },
})
const defer: SubmissionCommand = {
  type: 'RecordDeferral',
  submissionId,
  recipient: a,
  answer: '450 later',
  nextAttemptAt: 9,
}
const deferred: SubmissionEvent = {
  type: 'RecipientDeferred',
  data: { submissionId, recipient: a, answer: '450 later', nextAttemptAt: 9 },
}
const completed: SubmissionEvent = { type: 'SubmissionCompleted', data: { submissionId } }
const cancelled: SubmissionEvent = { type: 'SendCancelled', data: { submissionId } }

describe('SubmitMessage', () => {
  it('produces, stays quiet the second time, refuses none and too many recipients', () => {
    given()
      .when(submit([a]))
      .then(submitted(a))
    given(submitted(a))
      .when(submit([a, b]))
      .quiet()
    given().when(submit([])).refused('no-recipients')
    given()
      .when(submit(Array.from({ length: MAX_RECIPIENTS + 1 }, (_, i) => `r${i}@example.test`)))
      .refused('too-many')
    given()
      .when(submit(Array.from({ length: 200 }, (_, i) => `${`${i}`.padStart(200, 'x')}@example.test`)))
      .refused('too-many')
  })
})

describe('the fate of a recipient', () => {
  it('is recorded; the last one completes the submission in the same append', () => {
    given(submitted(a, b)).when(deliver(a)).then(delivered(a))
    given(submitted(a, b), delivered(a)).when(bounce(b)).then(bounced(b), completed)
    given(submitted(a)).when(defer).then(deferred)
    given(submitted(a), deferred).when(deliver(a)).then(delivered(a), completed)
  })
  it('is final: nobody is delivered or bounced twice', () => {
    given(submitted(a, b), delivered(a)).when(deliver(a)).quiet()
    given(submitted(a, b), delivered(a)).when(bounce(a)).quiet()
    given(submitted(a, b), bounced(a))
      .when({ ...defer })
      .quiet()
  })
  it('is refused for strangers and for no submission', () => {
    given(submitted(a)).when(deliver('x@example.test')).refused('no-such-recipient')
    for (const command of [deliver(a), bounce(a), defer]) given().when(command).refused('no-such-submission')
  })
  it('keeps at most 1,000 characters of an answer, and the remote server', () => {
    const { decision } = given(submitted(a, b)).when({
      ...deliver(a),
      answer: 'x'.repeat(5000),
      remote: 'mx.example',
    } as SubmissionCommand)
    assert.ok('events' in decision)
    const [event] = decision.events
    assert.ok(event?.type === 'RecipientDelivered')
    assert.equal(event.data.answer.length, 1000)
    assert.equal(event.data.remote, 'mx.example')
  })
})

describe('CancelSend', () => {
  const cancel: SubmissionCommand = { type: 'CancelSend', submissionId }
  it('produces while nothing was handed over', () => {
    given(submitted(a, b)).when(cancel).then(cancelled, completed)
    given(submitted(a, b), deferred).when(cancel).then(cancelled, completed)
  })
  it('of the rest leaves alone who has it', () => {
    given(submitted(a, b), delivered(a))
      .when({ type: 'CancelSend', submissionId, rest: true })
      .then(cancelled, completed)
    given(submitted(a), delivered(a), completed)
      .when({ type: 'CancelSend', submissionId, rest: true })
      .refused('already-handed-over')
  })
  it('refuses while a transaction runs, and not after it ended without success', () => {
    const begun: SubmissionEvent = { type: 'SendingStarted', data: { submissionId } }
    given(submitted(a), begun).when(cancel).refused('already-handed-over')
    given(submitted(a), begun, deferred).when(cancel).then(cancelled, completed)
  })
  it('refuses once anything was, and where nothing is', () => {
    given(submitted(a, b), delivered(a)).when(cancel).refused('already-handed-over')
    given(submitted(a), bounced(a), completed).when(cancel).refused('already-handed-over')
    given().when(cancel).refused('no-such-submission')
  })
  it('stays quiet the second time', () => {
    given(submitted(a), cancelled, completed).when(cancel).quiet()
  })
})

describe('StartSending', () => {
  const start = (...recipients: readonly string[]): SubmissionCommand => ({
    type: 'StartSending',
    submissionId,
    recipients,
  })
  it('produces, naming the recipients when they are not all that wait', () => {
    given(submitted(a, b)).when(start(a, b)).then({ type: 'SendingStarted', data: { submissionId } })
    given(submitted(a, b))
      .when(start(a))
      .then({ type: 'SendingStarted', data: { submissionId, recipients: [a] } })
    given(submitted(a, b), delivered(a)).when(start(a, b)).then({ type: 'SendingStarted', data: { submissionId } })
  })
  it('stays quiet for what had begun before a crash', () => {
    given(submitted(a), { type: 'SendingStarted', data: { submissionId } }).when(start(a)).quiet()
  })
  it('refuses what was taken back, and who has it', () => {
    given(submitted(a), cancelled, completed).when(start(a)).refused('cancelled')
    given(submitted(a), delivered(a), completed).when(start(a)).refused('nothing-waits')
  })
})

describe('RequestRetry', () => {
  const retry: SubmissionCommand = { type: 'RequestRetry', submissionId }
  it('produces, and makes every deferral due', () => {
    const { state, when } = given(submitted(a), deferred, { type: 'RetryRequested', data: { submissionId } })
    assert.deepEqual(state.deferrals.get(a), { attempts: 1, nextAttemptAt: 0 })
    when(retry).then({ type: 'RetryRequested', data: { submissionId } })
  })
  it('refuses when nothing waits', () => {
    given(submitted(a), cancelled, completed).when(retry).refused('nothing-waits')
    given().when(retry).refused('no-such-submission')
  })
})

describe('what the sender is told, and what others report', () => {
  const notice = (...recipients: readonly string[]): SubmissionCommand => ({
    type: 'RecordNotice',
    submissionId,
    notice: 'failed',
    recipients,
    reportId: 'r',
  })
  const notified: SubmissionEvent = {
    type: 'SenderNotified',
    data: { submissionId, notice: 'failed', recipients: [a], reportId: 'r' },
  }
  const { type: _, ...report } = {
    type: 'RecordReport',
    submissionId,
    recipient: a,
    action: 'failed',
    status: '5.2.2',
    answer: 'full',
    messageId: 'm9',
  } as const
  it('is recorded once for each recipient', () => {
    given(submitted(a, b), bounced(a)).when(notice(a)).then(notified)
    given(submitted(a, b), bounced(a), notified).when(notice(a)).quiet()
    given(submitted(a, b), notified)
      .when(notice(a, b))
      .then({ ...notified, data: { ...notified.data, recipients: [b] } } as SubmissionEvent)
  })
  it('is taken once of each report, and only about recipients', () => {
    const reported: SubmissionEvent = { type: 'RecipientReported', data: report }
    given(submitted(a), delivered(a), completed)
      .when({ type: 'RecordReport', ...report })
      .then(reported)
    given(submitted(a), reported)
      .when({ type: 'RecordReport', ...report })
      .quiet()
    given(submitted(b))
      .when({ type: 'RecordReport', ...report })
      .refused('no-such-recipient')
  })
})

describe('the fold', () => {
  const event = fc.oneof(
    fc.constantFrom<SubmissionEvent>(submitted(a, b), submitted(b), cancelled, completed, deferred),
    fc.constantFrom(a, b, 'x@example.test').map(delivered),
    fc.constantFrom(a, b, 'x@example.test').map(bounced),
  )
  it('is total, and a final fate never changes', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        let state = noSubmission
        for (const each of events) {
          const before = state
          state = evolve(state, each)
          for (const [recipient, fate] of before.fates)
            if (fate === 'delivered' || fate === 'bounced') assert.equal(state.fates.get(recipient), fate)
        }
      }),
      { seed: 20260301, numRuns: 500 },
    )
  })
})
