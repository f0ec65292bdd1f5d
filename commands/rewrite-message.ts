// A message with another header before the same body becomes a blob of its own.
import { readMail } from '../domain/mail/read.ts'
import type { MailContent } from '../domain/mail/structure.ts'
import type { BlobRef } from '../domain/mailbox/mailbox.ts'
import { headerBytes } from '../domain/sieve/header-edit.ts'
import type { Header } from '../domain/sieve/message.ts'
import type { MessageBlobs } from './ports/blob-store.ts'
import { type StoredMail, storeMail } from './store-mail.ts'

export interface MessageToRewrite {
  readonly blob: BlobRef
  readonly mail: MailContent
  readonly beginning: () => Promise<Uint8Array>
}

/** Durable when it resolves. A large message is never whole in memory. */
export async function rewriteMessage(
  blobs: MessageBlobs,
  { blob, mail, beginning }: MessageToRewrite,
  header: Header,
): Promise<StoredMail> {
  const head = headerBytes(header)
  const { bodyStart } = mail.root
  const known = await beginning()
  if (known.length >= blob.size) {
    const raw = Buffer.concat([head, known.subarray(bodyStart)])
    return { blob: await blobs.put(raw), mail: readMail(raw) }
  }
  const rewritten = async function* () {
    yield head
    yield* blobs.stream(blob, bodyStart)
  }
  return storeMail(blobs, rewritten())
}
