// What the answers of an attempt mean for its recipients: delivered, bounced, or tried again and when.
import type { SpanFacts } from '../../commands/ports/tracer.ts'
import type { Reply } from '../../domain/delivery/reply.ts'
import { afterFailure, type RetrySchedule } from '../../domain/delivery/schedule.ts'
import type { Submission, SubmissionCommand } from '../../domain/submission/submission.ts'
import type { JobOutcome } from './destinations.ts'

/** None for a recipient who got no answer. `now` is in epoch milliseconds. */
export function verdictOn(
  address: string,
  submissionId: string,
  state: Submission,
  { replies, remote, tls, reportsItself }: JobOutcome,
  { schedule, now }: { readonly schedule: RetrySchedule; readonly now: number },
): readonly SubmissionCommand[] {
  const reply = replies.get(address)
  if (!reply) return []
  const attempt = (state.deferrals.get(address)?.attempts ?? 0) + 1
  const facts = {
    submissionId,
    recipient: address,
    answer: reply.text,
    status: reply.status,
    attempt,
    ...(remote === undefined ? {} : { remote }),
    ...(tls === undefined ? {} : { tls }),
  }
  if (reply.meaning === 'accepted')
    return [{ type: 'RecordDelivery', ...facts, ...(reportsItself ? { reportsItself } : {}) }]
  if (reply.meaning === 'permanent') return [{ type: 'RecordBounce', ...facts }]
  const next = afterFailure(schedule, {
    attempts: attempt,
    sendAt: state.sendAt,
    now,
    greylisted: reply.greylisted,
    seed: `${submissionId} ${address}`,
    warned: state.notified.has(`delayed ${address}`),
  })
  if (next.kind === 'retry') return [{ type: 'RecordDeferral', ...facts, nextAttemptAt: next.at }]
  return [{ type: 'RecordBounce', ...facts }]
}

/** Under which name each verdict is counted. */
export const COUNTED = {
  RecordDelivery: 'delivery_delivered',
  RecordDeferral: 'delivery_deferred',
  RecordBounce: 'delivery_bounced',
} as const

/** How an attempt ended: how many recipients were answered how. */
export function fatesOf({ replies, tls }: JobOutcome): SpanFacts {
  const of = (wanted: Reply['meaning']) => [...replies.values()].filter(({ meaning }) => meaning === wanted).length
  return { accepted: of('accepted'), deferred: of('temporary'), bounced: of('permanent'), tls: tls !== undefined }
}
