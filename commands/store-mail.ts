// A message that is too large to sit whole in memory: read while it is stored.
import { MailReader } from '../domain/mail/read.ts'
import type { MailContent } from '../domain/mail/structure.ts'
import type { BlobRef } from '../domain/mailbox/mailbox.ts'
import type { MessageBlobs } from './ports/blob-store.ts'

export interface StoredMail {
  readonly mail: MailContent
  readonly blob: BlobRef
}

/** Durable when it resolves. When `chunks` or the store fails nothing remains, and that error is thrown. */
export async function storeMail(
  blobs: Pick<MessageBlobs, 'begin'>,
  chunks: AsyncIterable<Uint8Array>,
): Promise<StoredMail> {
  const writer = await blobs.begin()
  try {
    const reader = new MailReader()
    for await (const chunk of chunks) {
      reader.push(chunk)
      await writer.write(chunk)
    }
    return { mail: reader.end(), blob: await writer.finish() }
  } catch (error) {
    await writer.abort().catch(() => undefined)
    throw error
  }
}
