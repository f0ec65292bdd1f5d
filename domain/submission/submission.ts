// The events of a `submission-<id>` stream: one outgoing message and the fate of each of its recipients.
import type { BlobRef } from '../mailbox/mailbox.ts'

export type SubmissionEvent =
  | {
      type: 'MessageSubmitted'
      data: {
        submissionId: string
        accountId: string
        /** The Sent copy in the sender's mailbox. */
        messageId: string
        mailFrom: string
        recipients: readonly SubmissionRecipient[]
        blob: BlobRef
        subject: string
        /** Not before this instant, epoch milliseconds: scheduled sending and undo. */
        sendAt: number
      }
    }
  | { type: 'SendCancelled'; data: { submissionId: string } }
  | { type: 'RecipientDelivered'; data: { submissionId: string; recipient: string; answer: string; remote?: string } }
  | {
      type: 'RecipientDeferred'
      data: { submissionId: string; recipient: string; answer: string; remote?: string; nextAttemptAt: number }
    }
  | { type: 'RecipientBounced'; data: { submissionId: string; recipient: string; answer: string; remote?: string } }
  | { type: 'SubmissionCompleted'; data: { submissionId: string } }

export interface SubmissionRecipient {
  readonly address: string
  /** Set when the recipient is an account of this installation. */
  readonly accountId?: string
}

export const SUBMISSION_EVENT_TYPES = [
  'MessageSubmitted',
  'SendCancelled',
  'RecipientDelivered',
  'RecipientDeferred',
  'RecipientBounced',
  'SubmissionCompleted',
] as const satisfies readonly SubmissionEvent['type'][]
