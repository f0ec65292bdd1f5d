// One SMTP transaction becomes durable: an intake event for the installation, an arrival for every mailbox that it is for.
import { type FilterVerdict, shortVerdict } from '../domain/filter/verdict.ts'
import type { IntakeEvent, IntakeSection, RulesOutcome } from '../domain/intake/intake.ts'
import type { AccountId } from '../domain/log.ts'
import { intakeStream, mailboxStream } from '../domain/log.ts'
import type { MailContent } from '../domain/mail/structure.ts'
import type { BlobRef, MailboxEvent } from '../domain/mailbox/mailbox.ts'
import { type CommandContext, toNewEvents } from './context.ts'
import { derivedId } from './identity.ts'
import { toMessageContent } from './message-content.ts'
import { folderIdFor } from './open-account.ts'
import type { Journal, JournalAppend } from './ports/journal.ts'

export interface IncomingMail {
  /** Names the transaction: a repeat of it is the same mail. */
  readonly intakeId: string
  /** Reverse-path; '' for a bounce. */
  readonly mailFrom: string
  /** One for each account; when several addresses lead to one account, the first of them. */
  readonly recipients: readonly IncomingRecipient[]
  readonly blob: BlobRef
  /** Resolves once the blob is durable; absent when it is already. */
  readonly stored?: Promise<void>
  readonly mail: MailContent
  readonly remoteAddress?: string
  readonly helo?: string
  /** When the transaction began, epoch milliseconds; by default now. A repeat on a later day must name the first time. */
  readonly begunAt?: number
  /** What the arrival keeps for the classifier, see domain/filter/assess.ts. */
  readonly signals?: string
}

export interface IncomingRecipient {
  readonly accountId: AccountId
  readonly address: string
  /** What the account's filter rules decided; without it the message goes where mail goes. */
  readonly plan?: DeliveryPlan
  /** What the filters said; 'junk' makes Junk the folder where mail goes that no rule files. */
  readonly verdict?: FilterVerdict
}

/** What becomes of a message for one recipient. */
export interface DeliveryPlan {
  /** None: it was refused, discarded or only redirected. */
  readonly deliveries: readonly PlannedDelivery[]
  readonly outcome: RulesOutcome
  /** What else belongs to the same commit: redirected mail, answers, what the rules remember. */
  readonly appends: readonly JournalAppend[]
}

export interface PlannedDelivery {
  /** Undefined: where mail goes that no rule files. */
  readonly folderId?: string
  /** Normalised. */
  readonly flags: readonly string[]
  readonly filedBy?: { readonly script: string; readonly line: number }
  /** Where the rules changed the header: the message that this recipient gets. Durable already. */
  readonly edited?: { readonly blob: BlobRef; readonly mail: MailContent }
}

/** Accounts in one MailAccepted: each has a section of at most 2.4 KiB with its verdict, and an event is at most 64 KiB. */
const SECTIONS_PER_EVENT = 24
/** What rules did takes up to 2.9 KiB more, and sealing makes four bytes of three. */
const RULED_SECTIONS_PER_EVENT = 8

/** Streams of one day's intake: enough that no stream is a bottleneck of an engine that appends stream by stream. */
const SHARDS = 16

/**
 * Appends MailAccepted, then MessageReceived to each mailbox, in one commit where the engine can. Resolves when durable: only then may
 * SMTP say 250. Every id comes from the intake's, so repeating an interrupted delivery adds nothing twice.
 */
export async function receiveMail(journal: Journal, context: CommandContext, incoming: IncomingMail): Promise<void> {
  const { blob: ref, stored: durable } = incoming
  const after = durable ? { after: [{ ref, durable }] } : {}
  await journal.appendAll(appendsOf(context, incoming), { ...after, promised: true })
}

/** What receiving appends, for whoever has more to say in the same commit. */
export const appendsOf = (context: CommandContext, incoming: IncomingMail): readonly JournalAppend[] => [
  acceptance(context, incoming),
  ...promisedAppends(context, incoming),
]

/** What MailAccepted promises. An arrival comes last: where it is, the rules of its account are done. */
export const promisedAppends = (context: CommandContext, incoming: IncomingMail): readonly JournalAppend[] => [
  ...incoming.recipients.flatMap(({ plan }) => plan?.appends ?? []),
  ...arrivals(context, incoming),
]

/** The command that an account's arrivals are events of. */
export const arrivalCommand = (commandId: string, accountId: AccountId): string => `${commandId}/${accountId}`

/** The mailbox message that a transaction makes for an account; rules may file several, which `index` counts. */
export const messageIdFor = (intakeId: string, accountId: AccountId, index = 0): string =>
  derivedId('message', intakeId, accountId, ...(index === 0 ? [] : [String(index)]))

function acceptance(context: CommandContext, incoming: IncomingMail): JournalAppend {
  const { intakeId, mailFrom, blob, remoteAddress, helo } = incoming
  const accepted: IntakeEvent[] = []
  const ruled = incoming.recipients.some(({ plan }) => plan !== undefined)
  const perEvent = ruled ? RULED_SECTIONS_PER_EVENT : SECTIONS_PER_EVENT
  for (let from = 0; from < incoming.recipients.length; from += perEvent) {
    const sections: Record<AccountId, IntakeSection> = {}
    for (const { accountId, address, plan, verdict } of incoming.recipients.slice(from, from + perEvent)) {
      sections[accountId] = {
        messageId: messageIdFor(intakeId, accountId),
        mailFrom,
        recipient: address,
        blob,
        ...(remoteAddress === undefined ? {} : { remoteAddress }),
        ...(helo === undefined ? {} : { helo: helo.slice(0, 255) }),
        ...(plan === undefined ? {} : { rules: plan.outcome }),
        ...(verdict === undefined ? {} : { verdict: shortVerdict(verdict) }),
      }
    }
    accepted.push({ type: 'MailAccepted', data: { intakeId, receivedAt: context.at, size: blob.size, sections } })
  }
  const { client: _, ...anonymous } = context
  return {
    stream: intakeStream(dayOf(incoming.begunAt ?? context.at), shardOf(intakeId)),
    expected: 'any',
    events: toNewEvents(accepted, 'system', anonymous),
  }
}

function arrivals(context: CommandContext, incoming: IncomingMail): readonly JournalAppend[] {
  const content = toMessageContent(incoming.mail, incoming.blob, incoming.signals)
  return incoming.recipients.flatMap(({ accountId, address, plan, verdict }) => {
    const judged = verdict === undefined ? {} : { verdict }
    const deliveries = plan?.deliveries ?? [{ flags: [] }]
    if (deliveries.length === 0) return []
    const events = deliveries.map(
      ({ folderId, flags, filedBy, edited }: PlannedDelivery, index): MailboxEvent => ({
        type: 'MessageReceived',
        data: {
          messageId: messageIdFor(incoming.intakeId, accountId, index),
          folderId: folderId ?? defaultFolder({ accountId, ...judged }),
          flags,
          receivedAt: context.at,
          content: {
            ...(edited ? toMessageContent(edited.mail, edited.blob, incoming.signals) : content),
            ...judged,
          },
          mailFrom: incoming.mailFrom,
          recipient: address,
          intakeId: incoming.intakeId,
          ...(filedBy ? { filedBy } : {}),
        },
      }),
    )
    const own = { ...context, commandId: arrivalCommand(context.commandId, accountId) }
    return [{ stream: mailboxStream(accountId), expected: 'any', events: toNewEvents(events, accountId, own) }]
  })
}

/** Where mail goes that no rule files. */
export const defaultFolder = ({ accountId, verdict }: Pick<IncomingRecipient, 'accountId' | 'verdict'>): string =>
  folderIdFor(accountId, verdict?.action === 'junk' ? 'junk' : 'inbox')

export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10).replaceAll('-', '')

export function shardOf(intakeId: string): number {
  let sum = 0
  for (let i = 0; i < intakeId.length; i++) sum = (sum * 31 + intakeId.charCodeAt(i)) >>> 0
  return sum % SHARDS
}
