// What a file is by its first bytes, and what is wrong with its name. Pure; an answer for any bytes.

export type FileKind =
  | 'windows-program'
  | 'elf-program'
  | 'mach-o-program'
  | 'script'
  | 'shortcut'
  | 'disk-image'
  | 'ole2'
  | 'zip'
  | 'gzip'
  | 'tar'
  | '7z'
  | 'rar'
  | 'cab'
  | 'other'

/** So many bytes decide: an ISO 9660 volume descriptor begins at 32,768. */
export const HEAD_BYTES = 40 * 1024

const EICAR = 'X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'

/** The harmless file by which virus scanners are tested: 68 bytes, perhaps with white space around. */
export function isEicar(head: Uint8Array): boolean {
  const text = latin1(head, 0, 256).trimStart()
  return text.startsWith(EICAR) && text.slice(EICAR.length, EICAR.length + 60).trim() === ''
}

export function kindOf(head: Uint8Array): FileKind {
  const at = (offset: number, ...bytes: readonly number[]) => bytes.every((byte, i) => head[offset + i] === byte)
  if (at(0, 0x4d, 0x5a) && head.length >= 64) return 'windows-program'
  if (at(0, 0x7f, 0x45, 0x4c, 0x46)) return 'elf-program'
  // Java classes share the magic of universal binaries, which have few architectures.
  if (at(0, 0xca, 0xfe, 0xba, 0xbe)) return (head[7] ?? 0) < 20 ? 'mach-o-program' : 'other'
  if (at(0, 0xfe, 0xed, 0xfa, 0xce) || at(0, 0xfe, 0xed, 0xfa, 0xcf)) return 'mach-o-program'
  if (at(0, 0xce, 0xfa, 0xed, 0xfe) || at(0, 0xcf, 0xfa, 0xed, 0xfe)) return 'mach-o-program'
  if (at(0, 0x23, 0x21) && /^#! ?\/\S/.test(latin1(head, 0, 80))) return 'script'
  if (at(0, 0x4c, 0, 0, 0, 1, 0x14, 2, 0)) return 'shortcut'
  if (latin1(head, 0x8001, 5) === 'CD001') return 'disk-image'
  if (latin1(head, 0, 8) === 'conectix' || latin1(head, 0, 8) === 'vhdxfile') return 'disk-image'
  if (at(0, 0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1)) return 'ole2'
  if (at(0, 0x50, 0x4b, 3, 4) || at(0, 0x50, 0x4b, 5, 6)) return 'zip'
  if (at(0, 0x1f, 0x8b)) return 'gzip'
  if (latin1(head, 257, 5) === 'ustar') return 'tar'
  if (at(0, 0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c)) return '7z'
  if (latin1(head, 0, 6) === 'Rar!\x1a\x07') return 'rar'
  if (latin1(head, 0, 4) === 'MSCF') return 'cab'
  return 'other'
}

/** Kinds that run when they are opened. */
export const EXECUTABLE: ReadonlySet<FileKind> = new Set([
  'windows-program',
  'elf-program',
  'mach-o-program',
  'script',
  'shortcut',
  'disk-image',
])

const RUNNABLE =
  /\.(?:exe|com|scr|pif|bat|cmd|cpl|msi|msp|mst|msc|dll|sys|drv|ocx|js|jse|vb|vbe|vbs|wsf|wsh|wsc|sct|hta|ps1|psm1|lnk|url|scf|reg|inf|chm|hlp|iso|img|vhdx?|udf|jar|jnlp|apk|appx|msix|xll|ade|adp|mde|shb|shs|diagcab|library-ms|settingcontent-ms|appref-ms|gadget|application|command|workflow|scpt|terminal)$/
const INNOCENT =
  /\.(?:pdf|docx?|xlsx?|pptx?|odt|ods|txt|rtf|csv|jpe?g|png|gif|bmp|tiff?|mp[34]|avi|mov|wav|html?|xml|zip|eml|ics|hwpx?)[\s._-]*\.[a-z0-9]{2,5}$/

export interface NameFault {
  readonly rule: 'hidden-extension' | 'double-extension' | 'runnable-extension'
  readonly text: string
}

/** What is wrong with the name of a file, the worst of it. */
export function nameFault(name: string): NameFault | undefined {
  // Windows ignores dots and blanks at the end, and takes the last extension.
  const plain = name
    .replace(/[\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .toLowerCase()
    .replace(/[\s.]+$/, '')
  const runs = RUNNABLE.test(plain)
  if (/[\u202a-\u202e\u2066-\u2069]/.test(name))
    return { rule: 'hidden-extension', text: 'The name of a file is turned round to hide what it is' }
  if (runs && (INNOCENT.test(plain) || /\s{4,}\.[a-z0-9]+$/.test(plain)))
    return { rule: 'double-extension', text: 'A program is named like a document' }
  if (runs) return { rule: 'runnable-extension', text: 'A file of a kind that runs programs is attached' }
  return undefined
}

const OLE_MACROS = [utf16('_VBA_PROJECT'), utf16('Macros'), utf16('_VBA_PROJECT_CUR')]

/** Whether an OLE2 document (doc, xls, ppt) has a macro project: its directory names it in UTF-16. */
export function hasOleMacros(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return OLE_MACROS.some((name) => buffer.includes(name))
}

/** Whether an OOXML or OpenDocument package has macros, by the name of an entry. */
export const isMacroEntry = (name: string): boolean =>
  /(?:^|\/)vbaproject\.bin$|(?:^|\/)(?:basic|scripts)\/.+\.(?:xml|js|bsh|py)$|\/macrosheets\/.+\.xml$/i.test(name)

/** RAR 4 archive or file flags, the RAR 5 encryption header, the AES coder of 7z: contents or names are encrypted. */
export function isEncryptedArchive(kind: FileKind, bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (kind === '7z') return buffer.includes(Buffer.from([0x06, 0xf1, 0x07, 0x01]))
  if (kind !== 'rar' || buffer.length < 20) return false
  if (buffer[6] === 0) {
    // RAR 4: the main header follows the marker, then the first file header.
    const mainFlags = buffer.readUInt16LE(10)
    if ((mainFlags & 0x80) !== 0) return true
    const file = 7 + buffer.readUInt16LE(12)
    return file + 5 <= buffer.length && buffer[file + 2] === 0x74 && (buffer.readUInt16LE(file + 3) & 0x04) !== 0
  }
  // RAR 5: CRC32, header size, header type 4 is encryption; else a file's extra record of type 1 is.
  return rar5Encrypted(buffer)
}

function rar5Encrypted(buffer: Buffer): boolean {
  let at = 8
  for (let headers = 0; headers < 3 && at + 6 < buffer.length; headers++) {
    const size = vint(buffer, at + 4)
    const type = vint(buffer, size.next)
    if (type.value === 4) return true
    const flags = vint(buffer, type.next)
    const end = size.next + size.value
    if (type.value === 2 && (flags.value & 1) !== 0) {
      const extra = vint(buffer, flags.next)
      const record = vint(buffer, Math.max(0, end - extra.value))
      return vint(buffer, record.next).value === 1
    }
    let skip = 0
    if ((flags.value & 2) !== 0) {
      const afterExtra = (flags.value & 1) !== 0 ? vint(buffer, flags.next).next : flags.next
      skip = vint(buffer, afterExtra).value
    }
    at = end + skip
  }
  return false
}

function vint(buffer: Buffer, start: number): { readonly value: number; readonly next: number } {
  let value = 0
  let at = start
  for (let shift = 0; shift < 35 && at < buffer.length; shift += 7) {
    const byte = buffer[at++] as number
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  return { value, next: at }
}

function latin1(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', start, start + length)
}

function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le')
}
