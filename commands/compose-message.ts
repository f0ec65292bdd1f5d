// A message that a person wrote becomes bytes in the blob store, read back as every other message is.
import { type ComposeInput, composeMail } from '../domain/mail/compose.ts'
import { htmlToText } from '../domain/mail/html-text.ts'
import { readMail } from '../domain/mail/read.ts'
import type { MailContent } from '../domain/mail/structure.ts'
import type { BlobRef } from '../domain/mailbox/mailbox.ts'
import type { MessageBlobs } from './ports/blob-store.ts'

export interface ComposedMessage {
  readonly blob: BlobRef
  readonly mail: MailContent
}

/** HTML without text gets a text of its own, for readers that show no HTML (RFC 2046 §5.1.4). Durable when it resolves. */
export async function composeMessage(blobs: MessageBlobs, input: ComposeInput): Promise<ComposedMessage> {
  const text = input.text ?? (input.html === undefined ? '' : htmlToText(input.html, 200_000))
  return storeMessage(blobs, composeMail({ ...input, text }))
}

/** The same for bytes that are a message already. */
export async function storeMessage(blobs: MessageBlobs, raw: Uint8Array): Promise<ComposedMessage> {
  return { blob: await blobs.put(raw), mail: readMail(raw) }
}
