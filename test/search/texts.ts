// As many messages of real text as wanted: sentences of the corpus shuffled anew, with the lengths, subjects and people of real
// mail, and in every message some words that no other has (numbers, names of files), as real mail has.

import { readMail } from '../../domain/mail/read.ts'
import type { MailContent } from '../../domain/mail/structure.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import { corpus } from '../mime/corpus.ts'
import { fractionsFrom } from '../support/random.ts'

export interface TextSource {
  /** Message number n: the same for the same n. */
  content(n: number): MessageContent
  /** The text of message number n alone. */
  text(n: number): string
}

/** Real mail is 2.4 KB of text on average here; longer ones than this are rare. */
const LONGEST = 16_000

export function textSource(): TextSource {
  const mails: MailContent[] = []
  const sentences: string[] = []
  for (const { raw } of corpus()) {
    const mail = readMail(raw)
    mails.push(mail)
    for (const sentence of mail.text.split(/(?<=[.!?。])\s+|\n\n+/)) {
      if (sentence.length > 15 && sentence.length < 800) sentences.push(sentence)
    }
  }
  if (mails.length === 0) throw new Error('no corpus: set EVERPOST_MAIL to a folder of .eml files')
  const lengths = mails.map((mail) => Math.min(LONGEST, mail.text.length)).filter((length) => length > 0)

  const text = (n: number): string => {
    const random = generator(n)
    const length = lengths[Math.floor(random() * lengths.length)] ?? 1000
    const parts: string[] = []
    for (let size = 0; size < length; ) {
      const part = sentences[Math.floor(random() * sentences.length)] ?? ''
      parts.push(part)
      size += part.length + 1
    }
    parts.push(`Ref ${Math.floor(random() * 1e12).toString(36)} / ${Math.floor(random() * 1e6)}`)
    return parts.join('\n')
  }
  return {
    text,
    content(n) {
      const random = generator(n ^ 0x5bd1e995)
      const mail = mails[Math.floor(random() * mails.length)] as MailContent
      const other = mails[Math.floor(random() * mails.length)] as MailContent
      const { root, attachments, hasAttachment, snippet, size } = mail
      return {
        blob: { id: `${n}`.padStart(64, '0'), key: 'A'.repeat(43), size },
        envelope: { ...mail.envelope, subject: other.envelope.subject },
        root,
        attachments,
        hasAttachment,
        snippet,
        text: text(n),
      }
    },
  }
}

/** Fractions of a seed; neighbouring seeds give unlike ones. */
export const generator = (seed: number): (() => number) => fractionsFrom((seed + 0x9e3779b9) | 0)

/** Words of a text as a person would pick them for a query: as frequent as they are, three letters or more. */
export function pickWords(text: string, count: number, random: () => number): string[] {
  const words = text.match(/[\p{L}\p{N}]{3,20}/gu) ?? []
  const picked = new Set<string>()
  for (let i = 0; i < 50 && picked.size < count; i++) {
    const word = words[Math.floor(random() * words.length)]
    if (word !== undefined) picked.add(word)
  }
  return [...picked]
}
