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

// ── State ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Fate = 'waiting' | 'deferred' | 'delivered' | 'bounced'

export interface Submission {
  /** Undefined before MessageSubmitted. */
  readonly id?: string
  readonly sendAt: number
  readonly cancelled: boolean
  readonly completed: boolean
  readonly fates: ReadonlyMap<string, Fate>
}

export const noSubmission: Submission = { sendAt: 0, cancelled: false, completed: false, fates: new Map() }

// ── Evolve ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function evolve(state: Submission, event: SubmissionEvent): Submission {
  switch (event.type) {
    case 'MessageSubmitted': {
      if (state.id !== undefined) return state
      const fates = new Map<string, Fate>(event.data.recipients.map(({ address }) => [address, 'waiting']))
      return { ...state, id: event.data.submissionId, sendAt: event.data.sendAt, fates }
    }
    case 'SendCancelled':
      return { ...state, cancelled: true }
    case 'RecipientDelivered':
      return meet(state, event.data.recipient, 'delivered')
    case 'RecipientDeferred':
      return meet(state, event.data.recipient, 'deferred')
    case 'RecipientBounced':
      return meet(state, event.data.recipient, 'bounced')
    case 'SubmissionCompleted':
      return { ...state, completed: true }
    default: {
      const _: never = event
      return _
    }
  }
}

/** A fate that is final stays: a recipient is delivered or bounced once. */
function meet(state: Submission, recipient: string, fate: Fate): Submission {
  const now = state.fates.get(recipient)
  if (now === undefined || now === 'delivered' || now === 'bounced') return state
  return { ...state, fates: new Map(state.fates).set(recipient, fate) }
}

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type SubmissionCommand =
  | { type: 'SubmitMessage'; submission: Extract<SubmissionEvent, { type: 'MessageSubmitted' }>['data'] }
  | { type: 'CancelSend'; submissionId: string }
  | { type: 'RecordDelivery'; submissionId: string; recipient: string; answer: string; remote?: string }
  | {
      type: 'RecordDeferral'
      submissionId: string
      recipient: string
      answer: string
      remote?: string
      nextAttemptAt: number
    }
  | { type: 'RecordBounce'; submissionId: string; recipient: string; answer: string; remote?: string }

export interface SubmissionRefusal {
  readonly code: 'no-such-submission' | 'no-such-recipient' | 'already-handed-over' | 'no-recipients' | 'too-many'
  readonly message: string
}

export type SubmissionDecision =
  | { readonly events: readonly SubmissionEvent[] }
  | { readonly refused: SubmissionRefusal }

export const MAX_RECIPIENTS = 500
/** Bytes of all recipients' addresses: one event holds them, and an event is at most 64 KiB. */
export const MAX_RECIPIENT_BYTES = 24_000

// ── Decide ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Pure. The last recipient's fate completes the submission in the same append. */
export function decide(command: SubmissionCommand, state: Submission): SubmissionDecision {
  if (command.type === 'SubmitMessage') {
    if (state.id !== undefined) return { events: [] }
    const { recipients } = command.submission
    if (recipients.length === 0) return refuse('no-recipients', 'A message needs at least one recipient.')
    if (recipients.length > MAX_RECIPIENTS)
      return refuse('too-many', `A message goes to at most ${MAX_RECIPIENTS} recipients.`)
    if (new TextEncoder().encode(recipients.map(({ address }) => address).join('')).length > MAX_RECIPIENT_BYTES)
      return refuse(
        'too-many',
        'The addresses of the recipients are too long in all: send the message in several parts.',
      )
    return { events: [{ type: 'MessageSubmitted', data: command.submission }] }
  }
  if (state.id === undefined) return refuse('no-such-submission', 'There is no such submission.')
  switch (command.type) {
    case 'CancelSend': {
      if (state.cancelled) return { events: [] }
      const untouched = [...state.fates.values()].every((fate) => fate === 'waiting' || fate === 'deferred')
      if (!untouched || state.completed)
        return refuse('already-handed-over', 'Too late: the message was handed over already.')
      const { submissionId } = command
      return {
        events: [
          { type: 'SendCancelled', data: { submissionId } },
          { type: 'SubmissionCompleted', data: { submissionId } },
        ],
      }
    }
    case 'RecordDelivery':
      return settle(state, command, 'delivered', { type: 'RecipientDelivered', data: fateData(command) })
    case 'RecordBounce':
      return settle(state, command, 'bounced', { type: 'RecipientBounced', data: fateData(command) })
    case 'RecordDeferral':
      return settle(state, command, 'deferred', {
        type: 'RecipientDeferred',
        data: { ...fateData(command), nextAttemptAt: command.nextAttemptAt },
      })
    default: {
      const _: never = command
      return _
    }
  }
}

interface FateCommand {
  readonly submissionId: string
  readonly recipient: string
  readonly answer: string
  readonly remote?: string
}

const fateData = ({ submissionId, recipient, answer, remote }: FateCommand) => ({
  submissionId,
  recipient,
  answer: answer.slice(0, 1000),
  ...(remote === undefined ? {} : { remote }),
})

function settle(state: Submission, command: FateCommand, fate: Fate, event: SubmissionEvent): SubmissionDecision {
  const now = state.fates.get(command.recipient)
  if (now === undefined) return refuse('no-such-recipient', 'The submission has no such recipient.')
  if (now === 'delivered' || now === 'bounced') return { events: [] }
  const after = evolve(state, event)
  const over = [...after.fates.values()].every((value) => value === 'delivered' || value === 'bounced')
  if (fate === 'deferred' || !over) return { events: [event] }
  return { events: [event, { type: 'SubmissionCompleted', data: { submissionId: command.submissionId } }] }
}

const refuse = (code: SubmissionRefusal['code'], message: string) => ({ refused: { code, message } })
