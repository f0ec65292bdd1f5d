// The events of a `submission-<id>` stream: one outgoing message and the fate of each of its recipients.
import type { BlobRef } from '../mailbox/mailbox.ts'

export type SubmissionEvent =
  | {
      type: 'MessageSubmitted'
      data: {
        submissionId: string
        /** The sender, or 'system' for what the mail system itself sends. */
        accountId: string
        /** The Sent copy in the sender's mailbox. */
        messageId: string
        /** '' is the null sender: nothing comes back. */
        mailFrom: string
        recipients: readonly SubmissionRecipient[]
        blob: BlobRef
        subject: string
        /** Not before this instant, epoch milliseconds: scheduled sending and undo. */
        sendAt: number
        /** Of the message, without angle brackets; receivers know a repeat by it, and reports name it. */
        messageIdField?: string
        envelope?: EnvelopeOptions
      }
    }
  | { type: 'SendCancelled'; data: { submissionId: string } }
  | { type: 'SendingStarted'; data: { submissionId: string; recipients?: readonly string[] } }
  | { type: 'RetryRequested'; data: { submissionId: string } }
  | { type: 'RecipientDelivered'; data: AttemptFacts }
  | { type: 'RecipientDeferred'; data: AttemptFacts & { nextAttemptAt: number } }
  | { type: 'RecipientBounced'; data: AttemptFacts }
  | { type: 'SubmissionCompleted'; data: { submissionId: string } }
  | {
      type: 'SenderNotified'
      data: { submissionId: string; notice: Notice; recipients: readonly string[]; reportId: string }
    }
  | {
      type: 'RecipientReported'
      data: {
        submissionId: string
        recipient: string
        action: ReportedAction
        status: string
        answer: string
        remote?: string
        messageId: string
      }
    }

export interface SubmissionRecipient {
  readonly address: string
  /** Set when the recipient is an account of this installation. */
  readonly accountId?: string
  /** NOTIFY of RFC 3461 §4.1; absent is failure and delay. */
  readonly notify?: readonly NotifyWhen[]
  /** ORCPT of RFC 3461 §4.2, decoded: `rfc822;address`. */
  readonly originalRecipient?: string
}

export type NotifyWhen = 'never' | 'success' | 'failure' | 'delay'

export interface EnvelopeOptions {
  /** ENVID of RFC 3461 §4.4. */
  readonly envelopeId?: string
  /** RET of RFC 3461 §4.3: what a failure report returns. */
  readonly returns?: 'full' | 'headers'
  /** REQUIRETLS (RFC 8689): rather not at all than in the clear. */
  readonly requireTls?: boolean
}

/** One attempt for one recipient. */
export interface AttemptFacts {
  submissionId: string
  recipient: string
  /** The other side's words, or ours where there were none. */
  answer: string
  /** The host that spoke. */
  remote?: string
  /** Enhanced status code (RFC 3463) that the answer carried or means. */
  status?: string
  /** Counted from 1. */
  attempt?: number
  tls?: TlsFacts
  /** The next server speaks DSN: it reports deliveries by itself (RFC 3461 §5.2.2). */
  reportsItself?: true
}

/** How the session was protected, and by which policy. */
export interface TlsFacts {
  policy: 'none' | 'sts' | 'dane'
  /** The domain whose policy it is, for its TLS report (RFC 8460). */
  policyDomain?: string
  /** Such as `TLSv1.3 TLS_AES_256_GCM_SHA384`; absent in the clear. */
  protocol?: string
  /** What went wrong, in the words of RFC 8460 §4.3. */
  failure?: string
}

export type Notice = 'failed' | 'delayed' | 'delivered'
export type ReportedAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

export const SUBMISSION_EVENT_TYPES = [
  'MessageSubmitted',
  'SendCancelled',
  'SendingStarted',
  'RetryRequested',
  'RecipientDelivered',
  'RecipientDeferred',
  'RecipientBounced',
  'SubmissionCompleted',
  'SenderNotified',
  'RecipientReported',
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
  /** Recipients whose transaction has begun and has not ended on the log: they may have the message already. */
  readonly sending: ReadonlySet<string>
  /** Attempts that ended, and when the next is due, of recipients that were deferred. */
  readonly deferrals: ReadonlyMap<string, { readonly attempts: number; readonly nextAttemptAt: number }>
  readonly notified: ReadonlySet<string>
  readonly reported: ReadonlySet<string>
}

export const noSubmission: Submission = {
  sendAt: 0,
  cancelled: false,
  completed: false,
  fates: new Map(),
  sending: new Set(),
  deferrals: new Map(),
  notified: new Set(),
  reported: new Set(),
}

export const isOver = (fate: Fate | undefined): boolean => fate === 'delivered' || fate === 'bounced'

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
    case 'SendingStarted': {
      const begun = event.data.recipients ?? state.fates.keys()
      const open = [...begun].filter((address) => state.fates.has(address) && !isOver(state.fates.get(address)))
      return { ...state, sending: new Set([...state.sending, ...open]) }
    }
    case 'RetryRequested':
      return {
        ...state,
        deferrals: new Map(
          [...state.deferrals].map(([address, { attempts }]) => [address, { attempts, nextAttemptAt: 0 }]),
        ),
      }
    case 'RecipientDelivered':
      return meet(state, event.data.recipient, 'delivered')
    case 'RecipientDeferred': {
      const { recipient, nextAttemptAt } = event.data
      const after = meet(state, recipient, 'deferred')
      if (after === state) return state
      const attempts = event.data.attempt ?? (state.deferrals.get(recipient)?.attempts ?? 0) + 1
      return { ...after, deferrals: new Map(state.deferrals).set(recipient, { attempts, nextAttemptAt }) }
    }
    case 'RecipientBounced':
      return meet(state, event.data.recipient, 'bounced')
    case 'SubmissionCompleted':
      return { ...state, completed: true }
    case 'SenderNotified': {
      const { notice, recipients } = event.data
      return { ...state, notified: new Set([...state.notified, ...recipients.map((each) => `${notice} ${each}`)]) }
    }
    case 'RecipientReported':
      return { ...state, reported: new Set(state.reported).add(reportKey(event.data)) }
    default: {
      const _: never = event
      return _
    }
  }
}

/** A fate that is final stays: a recipient is delivered or bounced once. */
function meet(state: Submission, recipient: string, fate: Fate): Submission {
  const now = state.fates.get(recipient)
  if (now === undefined || isOver(now)) return state
  const sending = new Set(state.sending)
  sending.delete(recipient)
  const deferrals = new Map(state.deferrals)
  deferrals.delete(recipient)
  return { ...state, sending, deferrals, fates: new Map(state.fates).set(recipient, fate) }
}

const reportKey = ({ recipient, messageId }: { recipient: string; messageId: string }) => `${messageId} ${recipient}`

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Data<T extends SubmissionEvent['type']> = Extract<SubmissionEvent, { type: T }>['data']

export type SubmissionCommand =
  | { type: 'SubmitMessage'; submission: Data<'MessageSubmitted'> }
  /** `rest` leaves alone who has it and takes the message back from the others: an administrator's. */
  | { type: 'CancelSend'; submissionId: string; rest?: boolean }
  | { type: 'StartSending'; submissionId: string; recipients: readonly string[] }
  | { type: 'RequestRetry'; submissionId: string }
  | ({ type: 'RecordDelivery' } & AttemptFacts)
  | ({ type: 'RecordDeferral' } & Data<'RecipientDeferred'>)
  | ({ type: 'RecordBounce' } & AttemptFacts)
  | ({ type: 'RecordNotice' } & Data<'SenderNotified'>)
  | ({ type: 'RecordReport' } & Data<'RecipientReported'>)

export interface SubmissionRefusal {
  readonly code:
    | 'no-such-submission'
    | 'no-such-recipient'
    | 'already-handed-over'
    | 'no-recipients'
    | 'too-many'
    | 'cancelled'
    | 'nothing-waits'
  readonly message: string
}

export type SubmissionDecision =
  | { readonly events: readonly SubmissionEvent[] }
  | { readonly refused: SubmissionRefusal }

export const MAX_RECIPIENTS = 500
/** Bytes of all recipients' addresses: one event holds them, and an event is at most 64 KiB. */
export const MAX_RECIPIENT_BYTES = 24_000
/** Characters of an answer that are kept. */
const MAX_ANSWER = 1_000

// ── Decide ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Pure. The last recipient's fate completes the submission in the same append. */
export function decide(command: SubmissionCommand, state: Submission): SubmissionDecision {
  if (command.type === 'SubmitMessage') {
    if (state.id !== undefined) return { events: [] }
    const { recipients } = command.submission
    if (recipients.length === 0) return refuse('no-recipients', 'A message needs at least one recipient.')
    if (recipients.length > MAX_RECIPIENTS)
      return refuse('too-many', `A message goes to at most ${MAX_RECIPIENTS} recipients.`)
    const bytes = recipients.map(({ address, originalRecipient }) => address + (originalRecipient ?? '')).join('')
    if (new TextEncoder().encode(bytes).length > MAX_RECIPIENT_BYTES)
      return refuse(
        'too-many',
        'The addresses of the recipients are too long in all: send the message in several parts.',
      )
    return { events: [{ type: 'MessageSubmitted', data: command.submission }] }
  }
  if (state.id === undefined) return refuse('no-such-submission', 'There is no such submission.')
  const { submissionId } = command
  switch (command.type) {
    case 'CancelSend': {
      if (state.cancelled) return { events: [] }
      const untouched = [...state.fates.values()].every((fate) => !isOver(fate))
      if ((!untouched && !command.rest) || state.completed)
        return refuse('already-handed-over', 'Too late: the message was handed over already.')
      if (state.sending.size > 0)
        return refuse('already-handed-over', 'Too late: the message is being handed over just now.')
      return {
        events: [
          { type: 'SendCancelled', data: { submissionId } },
          { type: 'SubmissionCompleted', data: { submissionId } },
        ],
      }
    }
    case 'StartSending': {
      if (state.cancelled) return refuse('cancelled', 'The message was taken back.')
      const open = command.recipients.filter((each) => state.fates.has(each) && !isOver(state.fates.get(each)))
      if (open.length === 0) return refuse('nothing-waits', 'No recipient of the message waits any more.')
      // Begun before and not ended: a crash came in between, and the log says so already.
      if (open.every((each) => state.sending.has(each))) return { events: [] }
      const every = open.length === [...state.fates.values()].filter((fate) => !isOver(fate)).length
      return { events: [{ type: 'SendingStarted', data: { submissionId, ...(every ? {} : { recipients: open }) } }] }
    }
    case 'RequestRetry':
      if (state.cancelled || state.completed) return refuse('nothing-waits', 'Nothing of the message waits any more.')
      return { events: [{ type: 'RetryRequested', data: { submissionId } }] }
    case 'RecordDelivery':
      return settle(state, command, { type: 'RecipientDelivered', data: attemptFacts(command) })
    case 'RecordBounce':
      return settle(state, command, { type: 'RecipientBounced', data: attemptFacts(command) })
    case 'RecordDeferral':
      return settle(state, command, {
        type: 'RecipientDeferred',
        data: { ...attemptFacts(command), nextAttemptAt: command.nextAttemptAt },
      })
    case 'RecordNotice': {
      const { notice, reportId } = command
      const recipients = command.recipients.filter((each) => !state.notified.has(`${notice} ${each}`))
      if (recipients.length === 0) return { events: [] }
      return { events: [{ type: 'SenderNotified', data: { submissionId, notice, recipients, reportId } }] }
    }
    case 'RecordReport': {
      if (!state.fates.has(command.recipient)) return noSuchRecipient
      if (state.reported.has(reportKey(command))) return { events: [] }
      const { type: _, ...data } = command
      return { events: [{ type: 'RecipientReported', data: { ...data, answer: data.answer.slice(0, MAX_ANSWER) } }] }
    }
    default: {
      const _: never = command
      return _
    }
  }
}

const attemptFacts = ({
  submissionId,
  recipient,
  answer,
  remote,
  status,
  attempt,
  tls,
  reportsItself,
}: AttemptFacts): AttemptFacts => ({
  submissionId,
  recipient,
  answer: answer.slice(0, MAX_ANSWER),
  ...(remote === undefined ? {} : { remote }),
  ...(status === undefined ? {} : { status }),
  ...(attempt === undefined ? {} : { attempt }),
  ...(tls === undefined ? {} : { tls }),
  ...(reportsItself ? { reportsItself } : {}),
})

function settle(
  state: Submission,
  { submissionId, recipient }: AttemptFacts,
  event: Extract<SubmissionEvent, { type: 'RecipientDelivered' | 'RecipientDeferred' | 'RecipientBounced' }>,
): SubmissionDecision {
  const now = state.fates.get(recipient)
  if (now === undefined) return noSuchRecipient
  if (isOver(now)) return { events: [] }
  const over = [...evolve(state, event).fates.values()].every(isOver)
  if (event.type === 'RecipientDeferred' || !over) return { events: [event] }
  return { events: [event, { type: 'SubmissionCompleted', data: { submissionId } }] }
}

const refuse = (code: SubmissionRefusal['code'], message: string) => ({ refused: { code, message } })
const noSuchRecipient = refuse('no-such-recipient', 'The submission has no such recipient.')
