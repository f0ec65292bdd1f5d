// What an event keeps of a message, cut so that the event stays below its cap however strange the message is.
import type { Envelope, MailAddress, MailContent, MimePart } from '../domain/mail/structure.ts'
import type { BlobRef, MessageContent } from '../domain/mailbox/mailbox.ts'

/** Characters of JSON that the head of an arrival may take; its text takes 16 KiB more, sealing little. */
const HEAD_BUDGET = 38_000
/** Everything that the event takes from a header of this many bytes stays within the budget, however it is escaped. */
const PLAIN_HEADER = 2048

/** Defect that tells readers to read the structure from the blob. */
export const STRUCTURE_CUT = 'structure-cut'
export const ADDRESSES_CUT = 'addresses-cut'

/** `signals` is what the built-in filter found out (domain/filter/signals.ts). */
export function toMessageContent(mail: MailContent, blob: BlobRef, signals?: string): MessageContent {
  const content: MessageContent = {
    blob,
    envelope: mail.envelope,
    root: mail.root,
    snippet: mail.snippet,
    attachments: mail.attachments,
    hasAttachment: mail.hasAttachment,
    ...(mail.hasCalendar ? { hasCalendar: true } : {}),
    ...(mail.hasTnef ? { hasTnef: true } : {}),
    ...(mail.protection ? { protection: mail.protection } : {}),
    ...(mail.defects.length > 0 ? { defects: mail.defects.slice(0, 20) } : {}),
    text: mail.text,
    ...(mail.textTruncated ? { textTruncated: true } : {}),
    ...(signals === undefined ? {} : { signals }),
  }
  return isPlain(mail) || fits(content) ? content : cut(content)
}

/** Most mail is far from the budget: one part behind a short header needs no measuring. */
function isPlain({ root, envelope, attachments }: MailContent): boolean {
  const { to, cc, bcc, references } = envelope
  const few = to.length + cc.length + bcc.length + references.length <= 40 && attachments.length <= 1
  return root.bodyStart <= PLAIN_HEADER && few && !root.parts && !root.message
}

const fits = (content: MessageContent) => sizeOf({ ...content, text: '' }) <= HEAD_BUDGET

/** What is kept of the strange parts of a message. */
interface Cut {
  readonly addresses: number
  readonly attachments: number
  readonly ids: number
  readonly subject: number
  /** Characters of a name, a description, a file name. */
  readonly text: number
  readonly structure: boolean
}

/** From the gentlest to one that fits whatever the message holds. */
const CUTS: readonly Cut[] = [
  { addresses: 100, attachments: 100, ids: 20, subject: 2000, text: 200, structure: true },
  { addresses: 100, attachments: 100, ids: 20, subject: 2000, text: 200, structure: false },
  { addresses: 20, attachments: 20, ids: 20, subject: 1000, text: 100, structure: false },
  { addresses: 3, attachments: 3, ids: 5, subject: 500, text: 50, structure: false },
]

function cut(content: MessageContent): MessageContent {
  let shorter = content
  for (const how of CUTS) {
    shorter = {
      ...content,
      envelope: shortenEnvelope(content.envelope, how),
      ...(how.structure ? {} : { root: bareRoot(content.root, how) }),
      attachments: content.attachments.slice(0, how.attachments).map((attachment) => ({
        ...attachment,
        filename: short(attachment.filename, how.text),
        type: short(attachment.type, how.text),
        ...(attachment.contentId === undefined ? {} : { contentId: short(attachment.contentId, how.text) }),
      })),
      defects: [...(content.defects ?? []), ADDRESSES_CUT, ...(how.structure ? [] : [STRUCTURE_CUT])],
    }
    if (fits(shorter)) break
  }
  return shorter
}

function shortenEnvelope(envelope: Envelope, how: Cut): Envelope {
  const few = (addresses: readonly MailAddress[]) =>
    addresses.slice(0, how.addresses).map(({ name, address, group }) => ({
      address: short(address, 320),
      ...(name === undefined ? {} : { name: short(name, how.text) }),
      ...(group === undefined ? {} : { group: short(group, how.text) }),
    }))
  return {
    ...envelope,
    subject: short(envelope.subject, how.subject),
    from: few(envelope.from),
    sender: few(envelope.sender),
    replyTo: few(envelope.replyTo),
    to: few(envelope.to),
    cc: few(envelope.cc),
    bcc: few(envelope.bcc),
    ...(envelope.messageId === undefined ? {} : { messageId: short(envelope.messageId, 998) }),
    inReplyTo: envelope.inReplyTo.slice(0, how.ids / 2).map((id) => short(id, 500)),
    references: envelope.references.slice(-how.ids).map((id) => short(id, 500)),
  }
}

/** The root alone, without children: its ranges still hold. */
function bareRoot({ parts: _, message: __, ...root }: MimePart, how: Cut): MimePart {
  return {
    ...root,
    type: short(root.type, how.text),
    encoding: short(root.encoding, how.text),
    params: {},
    ...(root.disposition ? { disposition: { type: short(root.disposition.type, how.text), params: {} } } : {}),
    ...(root.id === undefined ? {} : { id: short(root.id, how.text) }),
    ...(root.description === undefined ? {} : { description: short(root.description, how.text) }),
    ...(root.location === undefined ? {} : { location: short(root.location, how.text) }),
    ...(root.language === undefined ? {} : { language: root.language.slice(0, 3).map((tag) => short(tag, how.text)) }),
    ...(root.md5 === undefined ? {} : { md5: short(root.md5, how.text) }),
  }
}

const short = (text: string, characters: number): string =>
  text.length <= characters ? text : text.slice(0, characters).toWellFormed()

const sizeOf = (content: MessageContent): number => Buffer.byteLength(JSON.stringify(content))
