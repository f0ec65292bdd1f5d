// How long a change took to reach a client: from the moment this process learned that the view shows it to the moment it was sent.
import type { WebDependencies } from '../web/dependencies.ts'
import type { MailboxChange } from './follow-mailbox.ts'

/** Answers what to call once the change has been sent. Changes of the past, given to a client that resumes, are not measured. */
export function pushing(
  { tracer, pushed, clock = Date.now }: Pick<WebDependencies, 'tracer' | 'pushed' | 'clock'>,
  { type, at, correlationId, heardAt }: MailboxChange,
): () => void {
  if (heardAt === undefined) return () => undefined
  const span = tracer?.step('push', correlationId, { type }, heardAt)
  return () => {
    span?.end()
    pushed?.observe(Math.max(0, clock() - at) / 1000)
  }
}
