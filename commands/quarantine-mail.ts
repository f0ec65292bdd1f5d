// Mail that is kept aside: nobody's mailbox has it until it is released, and it is gone from the list once dropped.
import { decodeSignals } from '../domain/filter/assess.ts'
import { type FilterVerdict, mainReason } from '../domain/filter/verdict.ts'
import type { IntakeEvent, QuarantineSection } from '../domain/intake/intake.ts'
import { type AccountId, intakeStream, mailboxStream } from '../domain/log.ts'
import type { MailContent } from '../domain/mail/structure.ts'
import type { BlobRef, MailboxEvent } from '../domain/mailbox/mailbox.ts'
import { type CommandContext, type Outcome, refused, toNewEvents } from './context.ts'
import { toMessageContent } from './message-content.ts'
import { folderIdFor } from './open-account.ts'
import type { Journal } from './ports/journal.ts'
import { dayOf, type IncomingMail, type IncomingRecipient, messageIdFor, shardOf } from './receive-mail.ts'

const SECTIONS_PER_EVENT = 16

/** Appends MailQuarantined. Durable when it resolves: SMTP may then say 250. */
export async function quarantineMail(
  journal: Journal,
  context: CommandContext,
  incoming: Omit<IncomingMail, 'recipients'> & {
    readonly recipients: readonly (IncomingRecipient & { readonly verdict: FilterVerdict })[]
  },
): Promise<void> {
  const { intakeId, mailFrom, blob, stored, mail, remoteAddress, helo, signals } = incoming
  const [from] = mail.envelope.from
  const events: IntakeEvent[] = []
  for (let start = 0; start < incoming.recipients.length; start += SECTIONS_PER_EVENT) {
    const sections: Record<AccountId, QuarantineSection> = {}
    for (const { accountId, address, verdict } of incoming.recipients.slice(start, start + SECTIONS_PER_EVENT)) {
      sections[accountId] = {
        messageId: messageIdFor(intakeId, accountId),
        mailFrom,
        recipient: address,
        blob,
        ...(remoteAddress === undefined ? {} : { remoteAddress }),
        ...(helo === undefined ? {} : { helo: helo.slice(0, 255) }),
        verdict: { ...verdict, reasons: verdict.reasons.slice(0, 5) },
        from: (from?.address ?? '').slice(0, 320),
        subject: mail.envelope.subject.slice(0, 200).toWellFormed(),
        ...(signals === undefined ? {} : { signals }),
      }
    }
    // Seen by the installation: which kind of thing it was, and nothing of the message.
    const [first] = Object.values(sections)
    const reason = (first === undefined ? '' : mainReason(first.verdict)).slice(0, 200)
    const receivedAt = context.at
    events.push({ type: 'MailQuarantined', data: { intakeId, receivedAt, size: blob.size, reason, sections } })
  }
  const { client: _, ...anonymous } = context
  const append = {
    stream: intakeStream(dayOf(incoming.begunAt ?? context.at), shardOf(intakeId)),
    expected: 'any',
    events: toNewEvents(events, 'system', anonymous),
  } as const
  await journal.appendAll([append], stored ? { after: [{ ref: blob, durable: stored }] } : {})
}

/** Quarantined mail of one account, as the view keeps it. */
export interface QuarantinedMail {
  readonly intakeId: string
  readonly accountId: AccountId
  /** When it came, epoch milliseconds. */
  readonly receivedAt: number
  readonly state: 'held' | 'released' | 'dropped'
  readonly section: QuarantineSection
}

export interface QuarantinePorts {
  readonly journal: Journal
  /** The raw bytes, read as mail. */
  readonly readMail: (blob: BlobRef) => Promise<MailContent>
}

export type QuarantineRefusal = 'not-held' | 'malware'

/**
 * MailReleased and MessageReceived in one commit where the engine can. Ids come from the intake's, so doing it twice adds nothing.
 * Malware is released by administrators only.
 */
export async function releaseQuarantined(
  ports: QuarantinePorts,
  context: CommandContext,
  held: QuarantinedMail,
  options: { readonly administrator: boolean },
): Promise<Outcome<{ readonly messageId: string }, QuarantineRefusal>> {
  const { intakeId, accountId, section } = held
  if (held.state === 'dropped') return refused('not-held', 'This message is no longer in quarantine.')
  if (held.state === 'released') return { ok: true, messageId: section.messageId }
  if (section.verdict.malware && !options.administrator)
    return refused('malware', 'Malware was found in this message: only an administrator can release it.')
  const mail = await ports.readMail(section.blob)
  const signals =
    section.signals === undefined || decodeSignals(section.signals).length === 0 ? undefined : section.signals
  const arrival: MailboxEvent = {
    type: 'MessageReceived',
    data: {
      messageId: section.messageId,
      folderId: folderIdFor(accountId, 'inbox'),
      flags: [],
      receivedAt: context.at,
      content: { ...toMessageContent(mail, section.blob, signals), verdict: section.verdict },
      mailFrom: section.mailFrom,
      recipient: section.recipient,
      intakeId,
    },
  }
  const end = endOf(held, { ...context, commandId: `release/${intakeId}/${accountId}` }, 'MailReleased')
  const own = { ...context, commandId: `${intakeId}/${accountId}` }
  // The arrival first: an engine that stops between the two leaves it on the list, and releasing it again adds nothing twice.
  await ports.journal.appendAll([
    { stream: mailboxStream(accountId), expected: 'any', events: toNewEvents([arrival], accountId, own) },
    end,
  ])
  return { ok: true, messageId: section.messageId }
}

/** Takes it off the list for good; compaction frees its bytes. */
export async function dropQuarantined(
  journal: Journal,
  context: CommandContext,
  held: QuarantinedMail,
): Promise<Outcome<object, QuarantineRefusal>> {
  if (held.state === 'released') return refused('not-held', 'This message was released already.')
  if (held.state === 'held') {
    const { intakeId, accountId } = held
    await journal.appendAll([
      endOf(held, { ...context, commandId: `drop/${intakeId}/${accountId}` }, 'QuarantineDropped'),
    ])
  }
  return { ok: true }
}

function endOf(held: QuarantinedMail, context: CommandContext, type: 'MailReleased' | 'QuarantineDropped') {
  const { intakeId, accountId, section } = held
  const event: IntakeEvent = { type, data: { intakeId, sections: { [accountId]: { messageId: section.messageId } } } }
  const { client: _, ...anonymous } = context
  return {
    stream: intakeStream(dayOf(held.receivedAt), shardOf(intakeId)),
    expected: 'any',
    events: toNewEvents([event], 'system', anonymous),
  } as const
}
