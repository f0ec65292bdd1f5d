// A submission's message as it leaves: signed, and in pieces where it is too large to be held.
import { isAscii } from 'node:buffer'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { SubmissionInWork } from '../../commands/submission-in-work.ts'
import { asBuffer } from '../../domain/mail/charset.ts'
import type { SubmissionRecipient } from '../../domain/submission/submission.ts'
import type { OutgoingMail } from './smtp-session.ts'

/** Up to here a message is held in memory while it is sent. */
const IN_MEMORY_BYTES = 1024 * 1024

/** Signature fields to put before the message, each with CRLF; '' for none. `head` begins with the whole header block. */
export type Sign = (
  mailFrom: string,
  head: Buffer,
  message: Buffer | (() => AsyncIterable<Uint8Array>),
) => Promise<string>

export async function outgoingMail(
  { blobs, sign }: { readonly blobs: MessageBlobs; readonly sign?: Sign },
  work: SubmissionInWork,
  recipients: readonly SubmissionRecipient[],
): Promise<OutgoingMail> {
  const { blob, mailFrom, envelope = {} } = work.submitted
  const small = blob.size <= IN_MEMORY_BYTES
  const raw = small ? asBuffer(await blobs.read(blob)) : undefined
  const pieces = () => blobs.stream(blob)
  const head = asBuffer(raw ?? (await blobs.read(blob, 0, Math.min(blob.size, 64 * 1024))))
  const headerEnd = head.indexOf('\r\n\r\n')
  const signature = Buffer.from((await sign?.(mailFrom, head, raw ?? pieces)) ?? '')
  return {
    mailFrom,
    recipients,
    // Without one of the sender's own, reports name the submission itself.
    envelope: { envelopeId: work.id, ...envelope },
    size: blob.size + signature.length,
    eightBit: raw ? !isAscii(raw) : true,
    utf8Header: !isAscii(headerEnd < 0 ? head : head.subarray(0, headerEnd)),
    message: raw
      ? signature.length > 0
        ? Buffer.concat([signature, raw])
        : raw
      : async function* () {
          yield signature
          yield* pieces()
        },
  }
}
