// Reads a stored message as mail, in chunks: what a release from quarantine needs for the arrival.
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import { MailReader } from '../../domain/mail/read.ts'
import type { MailContent } from '../../domain/mail/structure.ts'
import type { BlobRef } from '../../domain/mailbox/mailbox.ts'

export const readStored =
  (blobs: Pick<MessageBlobs, 'stream'>) =>
  async (blob: BlobRef): Promise<MailContent> => {
    const reader = new MailReader()
    for await (const chunk of blobs.stream(blob)) reader.push(chunk)
    return reader.end()
  }
