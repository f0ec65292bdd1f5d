// What SMTP says of our errors (RFC 5321 §4.2, RFC 3463): temporary when it is our trouble, final when it is the message's.
import { BlobError } from '../../commands/ports/blob-store.ts'
import { EventStoreError } from '../../commands/ports/event-store.ts'
import { IntakeRefusal } from './message-intake.ts'

export interface SmtpAnswer extends Error {
  responseCode?: number
}

/** Those that were meant for the client: any other error is ours to hide. */
const ANSWERS = new WeakSet<object>()

export function answer(code: number, text: string): SmtpAnswer {
  const made = Object.assign(new Error(text), { responseCode: code })
  ANSWERS.add(made)
  return made
}

/** Never a 5xx for our own failure: the sender must try again later. */
export function answerFor(error: unknown): SmtpAnswer {
  if (error instanceof IntakeRefusal || ANSWERS.has(error as object)) return error as SmtpAnswer
  if (error instanceof EventStoreError || error instanceof BlobError) {
    if (error.code === 'disk-full') return answer(452, '4.3.1 No space left here just now, try again later')
    if (error.code === 'closed') return answer(421, '4.3.2 Shutting down, try again later')
  }
  return answer(451, '4.3.0 Could not store the message just now, try again later')
}
