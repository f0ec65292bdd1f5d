// Mail that was accepted and not yet delivered, because its process died or its engine failed between the two: the deliveries that
// MailAccepted promised are made from the log. Every id follows from the intake's, so that what was there already is the same event.
import type { IntakeSection } from '../domain/intake/intake.ts'
import { type AccountId, type EventMetadata, mailboxStream, type Position } from '../domain/log.ts'
import type { MailContent } from '../domain/mail/structure.ts'
import type { BlobRef } from '../domain/mailbox/mailbox.ts'
import type { CommandContext } from './context.ts'
import { planDeliveries, type RulesPorts } from './deliver-by-rules.ts'
import { eventId } from './identity.ts'
import type { Journal } from './ports/journal.ts'
import { NoDataKey } from './ports/keyring.ts'
import { arrivalCommand, type IncomingMail, promisedAppends } from './receive-mail.ts'

/** One account's share of an accepted mail. */
export interface Promised {
  readonly intakeId: string
  readonly accountId: AccountId
  readonly section: IntakeSection
  readonly receivedAt: number
  /** Of MailAccepted: its deliveries lie behind it. */
  readonly position: Position
  readonly metadata: EventMetadata
  /** Id of the first event that delivers it. */
  readonly arrivalId: string
  /** Whether there is an arrival to be seen at all: rules may have sent it elsewhere, and nowhere. */
  readonly arrives: boolean
}

/** What one MailAccepted promises, by account. Accounts that were erased since have no section any more. */
export function promisesOf(event: {
  readonly data: {
    readonly intakeId: string
    readonly receivedAt: number
    readonly sections: Readonly<Record<string, IntakeSection>>
  }
  readonly metadata: EventMetadata
  readonly position: Position
}): readonly Promised[] {
  const { intakeId, receivedAt, sections } = event.data
  const { metadata, position } = event
  return Object.entries(sections).map(([accountId, section]) => ({
    ...{ intakeId, accountId, section, receivedAt, position, metadata },
    arrivalId: eventId(arrivalCommand(metadata.causationId, accountId), 0),
    arrives: stores(section),
  }))
}

/** Rules that only discarded, refused or redirected leave no arrival; where they are unclear there may be one. */
function stores({ rules }: IntakeSection): boolean {
  if (rules === undefined || rules.actions.length === 0) return true
  return rules.actions.some(({ action, note }) => action === 'keep' || action === 'fileinto' || note !== undefined)
}

export interface PromisePorts {
  readonly journal: Journal
  readonly readMail: (blob: BlobRef) => Promise<MailContent>
  /** Without them mail goes where no rule files it. */
  readonly rules?: RulesPorts
}

const BEGINNING = 1024 * 1024

/** Makes the delivery, unless it is there. False when the account is gone. */
export async function keepPromise(ports: PromisePorts, promised: Promised): Promise<boolean> {
  const { section, accountId, metadata, intakeId } = promised
  if (promised.arrives && (await arrived(ports.journal, promised))) return true
  const context: CommandContext = {
    commandId: metadata.causationId,
    actor: metadata.actor,
    via: metadata.via,
    at: metadata.at,
    correlationId: metadata.correlationId,
  }
  const { blob, mailFrom, recipient: address, verdict, remoteAddress, helo } = section
  const incoming: IncomingMail = {
    intakeId,
    mailFrom,
    recipients: [{ accountId, address, ...(verdict === undefined ? {} : { verdict }) }],
    blob,
    mail: await ports.readMail(blob),
    begunAt: promised.receivedAt,
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
    ...(helo === undefined ? {} : { helo }),
  }
  try {
    const planned =
      section.rules === undefined || !ports.rules ? incoming : await byRules(ports.rules, context, incoming)
    await ports.journal.appendAll(promisedAppends(context, planned))
    return true
  } catch (error) {
    if (error instanceof NoDataKey) return false
    throw error
  }
}

async function byRules(rules: RulesPorts, context: CommandContext, incoming: IncomingMail): Promise<IncomingMail> {
  const { blob } = incoming
  const beginning = () => rules.blobs.read(blob, 0, Math.min(blob.size, BEGINNING))
  const planned = await planDeliveries(rules, context, { ...incoming, beginning, inSession: false })
  return 'recipients' in planned ? { ...incoming, recipients: planned.recipients } : incoming
}

/** Looks from the newest event of the mailbox back to where the mail was accepted. */
async function arrived(journal: Journal, { accountId, arrivalId, position }: Promised): Promise<boolean> {
  for await (const event of journal.readStream(mailboxStream(accountId), { direction: 'backwards' })) {
    if (event.id === arrivalId) return true
    if (event.position < position) return false
  }
  return false
}
