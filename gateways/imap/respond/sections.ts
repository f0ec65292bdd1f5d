// BODY[section]<partial>: exact bytes of the stored message (RFC 9051 §6.4.5.1).
import { headerFields } from '../../../domain/mail/header.ts'
import { partAt } from '../../../domain/mail/sections.ts'
import type { MimePart } from '../../../domain/mail/structure.ts'
import type { Section } from '../fetch-items.ts'
import type { OpenMessage } from '../message.ts'

/** Bytes from `start` to `end` of the raw message, or bytes made of it. */
export type SectionBytes = { readonly start: number; readonly end: number } | { readonly made: Buffer }

/** Undefined for a part that the message does not have. */
export async function sectionOf(message: OpenMessage, section: Section): Promise<SectionBytes | undefined> {
  const part = partAt(message.root, section.part)
  if (!part) return undefined
  const isMessage = section.part === ''
  switch (section.what) {
    case 'ALL':
      return isMessage ? { start: 0, end: message.size } : { start: part.bodyStart, end: part.bodyEnd }
    case 'MIME':
      return { start: part.headerStart, end: part.bodyStart }
    case 'HEADER': {
      const inner = messageIn(part, isMessage)
      return inner && { start: inner.headerStart, end: inner.bodyStart }
    }
    case 'TEXT': {
      const inner = messageIn(part, isMessage)
      return inner && { start: inner.bodyStart, end: isMessage ? message.size : part.bodyEnd }
    }
    case 'HEADER.FIELDS':
    case 'HEADER.FIELDS.NOT': {
      const inner = messageIn(part, isMessage)
      return inner && { made: await selectFields(message, inner, section) }
    }
    default: {
      const _: never = section.what
      return _
    }
  }
}

/** HEADER and TEXT are of the message itself or of one inside it. */
const messageIn = (part: MimePart, isMessage: boolean): MimePart | undefined => (isMessage ? part : part.message?.root)

async function selectFields(message: OpenMessage, part: MimePart, section: Section): Promise<Buffer> {
  const header = await message.bytes(part.headerStart, part.bodyStart)
  const wanted = new Set(section.fields)
  const keep = section.what === 'HEADER.FIELDS'
  const pieces: Buffer[] = []
  let before = 0
  for (const field of headerFields(header)) {
    // What is no field, an mbox's From line for one, is not among those to be left out.
    if (!keep) pieces.push(header.subarray(before, field.start))
    if (wanted.has(field.name.toLowerCase()) === keep) pieces.push(header.subarray(field.start, field.end))
    before = field.end
  }
  // The empty line that ends a header belongs to the answer.
  pieces.push(Buffer.from('\r\n'))
  return Buffer.concat(pieces)
}
