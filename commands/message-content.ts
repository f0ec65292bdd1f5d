// What an event keeps of a message, cut so that the event stays below its cap however strange the message is.
import type { Envelope, MailAddress, MailContent, MimePart } from '../domain/mail/structure.ts'
import type { BlobRef, MessageContent } from '../domain/mailbox/mailbox.ts'

/** Characters of JSON that the head of an arrival may take; its text takes 16 KiB more, sealing little. */
const HEAD_BUDGET = 40_000
const MANY_ADDRESSES = 100
const MANY_PARTS = 100

/** Defect that tells readers to read the structure from the blob. */
export const STRUCTURE_CUT = 'structure-cut'
export const ADDRESSES_CUT = 'addresses-cut'

export function toMessageContent(mail: MailContent, blob: BlobRef): MessageContent {
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
  }
  return fits(content) ? content : cut(content)
}

const fits = (content: MessageContent) => sizeOf({ ...content, text: '' }) <= HEAD_BUDGET

function cut(content: MessageContent): MessageContent {
  const shorter: MessageContent = {
    ...content,
    envelope: shortenEnvelope(content.envelope),
    attachments: content.attachments
      .slice(0, MANY_PARTS)
      .map((attachment) => ({ ...attachment, filename: attachment.filename.slice(0, 200) })),
    defects: [...(content.defects ?? []), ADDRESSES_CUT],
  }
  if (fits(shorter)) return shorter
  const bare = { ...shorter, root: bareRoot(shorter.root), defects: [...(shorter.defects ?? []), STRUCTURE_CUT] }
  if (fits(bare)) return bare
  return { ...bare, attachments: bare.attachments.slice(0, 20), envelope: shortenEnvelope(bare.envelope, 20) }
}

function shortenEnvelope(envelope: Envelope, many = MANY_ADDRESSES): Envelope {
  const few = (addresses: readonly MailAddress[]) =>
    addresses.slice(0, many).map((address) => ({
      ...address,
      ...(address.name === undefined ? {} : { name: address.name.slice(0, 200) }),
      address: address.address.slice(0, 320),
    }))
  return {
    ...envelope,
    subject: envelope.subject.slice(0, 2000),
    from: few(envelope.from),
    sender: few(envelope.sender),
    replyTo: few(envelope.replyTo),
    to: few(envelope.to),
    cc: few(envelope.cc),
    bcc: few(envelope.bcc),
    ...(envelope.messageId === undefined ? {} : { messageId: envelope.messageId.slice(0, 998) }),
    inReplyTo: envelope.inReplyTo.slice(0, 10).map((id) => id.slice(0, 500)),
    references: envelope.references.slice(-20).map((id) => id.slice(0, 500)),
  }
}

/** The root alone, without children: its ranges still hold. */
function bareRoot({ parts: _, message: __, ...root }: MimePart): MimePart {
  return {
    ...root,
    params: {},
    ...(root.disposition ? { disposition: { type: root.disposition.type, params: {} } } : {}),
  }
}

const sizeOf = (content: MessageContent): number => Buffer.byteLength(JSON.stringify(content))
