// What of a message is searchable, in the analyzer's words.
import type { Attachment, Envelope, MailAddress } from '../../domain/mail/structure.ts'
import type { SearchWords } from '../ports/search-index.ts'
import { indexText } from './analyzer.ts'

/** Addresses of one field that are searchable. */
const MAX_ADDRESSES = 500

/** `to:` finds every recipient but the open copies; `cc:` and `bcc` of one's own sent mail are found by `cc:`. */
export function wordsOf(
  content: { readonly envelope: Envelope; readonly attachments: readonly Attachment[] },
  text: string,
): SearchWords {
  const { envelope } = content
  const sender = envelope.sender.filter(
    (each) => !envelope.from.some((from) => from.address === each.address && from.name === each.name),
  )
  return {
    subject: indexText(envelope.subject),
    from: addressWords([...envelope.from, ...sender]),
    to: addressWords(envelope.to),
    cc: addressWords([...envelope.cc, ...envelope.bcc]),
    filename: indexText(content.attachments.map((attachment) => attachment.filename).join('\n')),
    body: indexText(text),
  }
}

function addressWords(addresses: readonly MailAddress[]): string {
  if (addresses.length === 0) return ''
  return indexText(
    addresses
      .slice(0, MAX_ADDRESSES)
      .map(({ name, address, group }) => [name, address, group].filter(Boolean).join(' '))
      .join('\n'),
  )
}
