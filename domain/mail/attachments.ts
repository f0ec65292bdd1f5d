// The files that came with a message, as a person would count them.
import { givenFilename, isBodyText, isCalendar } from './body-text.ts'
import { decodeEntities } from './html-entities.ts'
import type { Attachment, MimePart } from './structure.ts'
import type { UuBlock } from './uuencode.ts'

/** Parts of a protocol, not files: the second part of a signed message, the first of an encrypted one. */
const MACHINERY: ReadonlySet<string> = new Set([
  'application/pgp-signature',
  'application/pkcs7-signature',
  'application/x-pkcs7-signature',
  'application/pgp-encrypted',
])
const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'application/zip': 'zip',
  'application/msword': 'doc',
  'application/json': 'json',
  'application/xml': 'xml',
  'application/ms-tnef': 'dat',
  'application/postscript': 'ps',
  'application/rtf': 'rtf',
  'application/pkcs7-mime': 'p7m',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'pptx',
  'image/jpeg': 'jpg',
  'image/pjpeg': 'jpg',
  'image/png': 'png',
  'image/gif': 'gif',
  'image/webp': 'webp',
  'image/svg+xml': 'svg',
  'image/tiff': 'tiff',
  'image/bmp': 'bmp',
  'audio/mpeg': 'mp3',
  'audio/wav': 'wav',
  'audio/basic': 'au',
  'video/mp4': 'mp4',
  'video/mpeg': 'mpg',
  'text/plain': 'txt',
  'text/html': 'html',
  'text/csv': 'csv',
  'text/calendar': 'ics',
  'text/vcard': 'vcf',
  'text/x-vcard': 'vcf',
  'message/rfc822': 'eml',
  'message/global': 'eml',
  'message/delivery-status': 'txt',
  'text/rfc822-headers': 'txt',
}

/** The Content-IDs that HTML bodies refer to by `cid:`, from the given texts. */
export function referencedIds(htmlTexts: Iterable<string>): Set<string> {
  const ids = new Set<string>()
  for (const html of htmlTexts) {
    for (const [, id = ''] of html.matchAll(/\bcid:([^"'\s<>)]{1,998})/gi)) {
      const plain = decodeEntities(id)
      ids.add(plain)
      try {
        ids.add(decodeURIComponent(plain))
      } catch {
        // Not percent-encoded after all.
      }
    }
  }
  return ids
}

/**
 * Attachments in the message's order. `uuFiles` gives the uuencoded files of a text body, which are listed under the
 * part's section and `.uu1`, `.uu2` …; `shown` are the Content-IDs that an HTML body displays.
 */
export function listAttachments(
  root: MimePart,
  shown: ReadonlySet<string>,
  uuFiles: (part: MimePart) => readonly UuBlock[],
): Attachment[] {
  const found: Attachment[] = []
  const visit = (part: MimePart, section: string, parent: MimePart | undefined, index: number): void => {
    if (part.parts !== undefined) {
      const prefix = section === '' ? '' : `${section}.`
      for (const [i, child] of part.parts.entries()) visit(child, `${prefix}${i + 1}`, part, i)
      return
    }
    const own = section === '' ? '1' : section
    if (
      parent === undefined ? part.type.startsWith('text/') && part.disposition?.type !== 'attachment' : isBodyText(part)
    ) {
      if (!isCalendar(part)) {
        for (const [i, file] of uuFiles(part).entries()) {
          const filename = cleanFilename(file.filename) || `attachment-${i + 1}`
          found.push({
            section: `${own}.uu${i + 1}`,
            filename,
            type: 'application/octet-stream',
            size: file.size,
            inline: false,
          })
        }
      }
      return
    }
    if (isMachinery(part, parent, index)) return
    const inline = isInline(part, parent, index, shown)
    const attachment: Attachment = {
      section: own,
      filename: filenameOf(part),
      type: part.type,
      size: decodedSize(part),
      inline,
    }
    found.push(part.id === undefined ? attachment : { ...attachment, contentId: part.id })
  }
  visit(root, '', undefined, 0)
  return found
}

function isMachinery(part: MimePart, parent: MimePart | undefined, index: number): boolean {
  if (MACHINERY.has(part.type)) return true
  if (parent?.type === 'multipart/encrypted') return true
  if (parent?.type === 'multipart/report')
    return (
      part.type === 'message/delivery-status' ||
      part.type === 'message/disposition-notification' ||
      part.type === 'message/feedback-report' ||
      part.type === 'text/rfc822-headers'
    )
  return (
    parent?.type === 'multipart/alternative' &&
    part.disposition === undefined &&
    index > 0 &&
    part.type === 'text/calendar'
  )
}

function isInline(part: MimePart, parent: MimePart | undefined, index: number, shown: ReadonlySet<string>): boolean {
  if (part.id !== undefined && shown.has(part.id)) return true
  if (part.disposition?.type === 'attachment' || parent?.type !== 'multipart/related' || index === 0) return false
  return (part.id !== undefined || part.location !== undefined) && part.type.startsWith('image/')
}

/** Decoded size from the encoded one: base64 comes in lines of 76 and a line end, quoted-printable is mostly plain. */
export function decodedSize(part: MimePart): number {
  const length = part.bodyEnd - part.bodyStart
  if (part.encoding === 'base64') return Math.floor((length * 76) / 78 / 4) * 3
  return part.encoding === 'uuencode' ? Math.floor((length * 45) / 62) : length
}

function filenameOf(part: MimePart): string {
  const given = cleanFilename(givenFilename(part) ?? '')
  if (given !== '') return given
  const subject = part.message?.envelope.subject
  const extension = Object.hasOwn(EXTENSIONS, part.type) ? EXTENSIONS[part.type] : undefined
  const base = cleanFilename(subject ?? part.description ?? '').slice(0, 100) || 'attachment'
  return extension === undefined || base.toLowerCase().endsWith(`.${extension}`) ? base : `${base}.${extension}`
}

/** The last name of a path, without control and direction characters, at most 255 characters: safe to show and to save. */
export function cleanFilename(name: string): string {
  const cleaned = name
    .toWellFormed()
    .replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .normalize('NFC')
  const last = /^[a-z]:\\|^\\\\/i.test(cleaned) ? (cleaned.split('\\').at(-1) ?? '') : cleaned
  const safe = last
    .replace(/[/\\:*?"<>|]+/g, '_')
    .replace(/^\.+$/, '')
    .trim()
  if (safe.length <= 255) return safe
  const dot = safe.lastIndexOf('.')
  const extension = dot > safe.length - 20 ? safe.slice(dot) : ''
  return (safe.slice(0, 255 - extension.length) + extension).toWellFormed()
}
