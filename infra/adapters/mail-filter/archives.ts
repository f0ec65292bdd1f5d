// Looks into files and archives, within bounds: bytes, entries, depth, ratio, time. Unpacking runs off the main thread, in zlib's.

import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type Entry, fromBuffer, type ZipFile } from 'yauzl'
import {
  EXECUTABLE,
  type FileKind,
  hasOleMacros,
  isEicar,
  isEncryptedArchive,
  isMacroEntry,
  kindOf,
  nameFault,
} from '../../../domain/filter/files.ts'

export interface ArchiveLimits {
  /** Archives in archives. */
  readonly depth: number
  /** Entries of all archives of a message. */
  readonly entries: number
  /** Unpacked bytes of all archives of a message. */
  readonly bytes: number
  /** Unpacked bytes held of one entry, to look into it; of larger ones only the beginning is seen. */
  readonly held: number
  /** Unpacked to packed, above a mebibyte. */
  readonly ratio: number
}

export const DEFAULT_ARCHIVE_LIMITS: ArchiveLimits = {
  depth: 4,
  entries: 2000,
  bytes: 128 * 1024 * 1024,
  held: 8 * 1024 * 1024,
  ratio: 250,
}

export interface Finding {
  readonly rule: string
  readonly text: string
  /** 'malware' and 'hold' quarantine; 'suspect' adds points. */
  readonly weight: 'malware' | 'hold' | 'suspect'
}

/** Of one message: what was found, and what is left of the limits. */
export class Inspection {
  readonly findings: Finding[] = []
  readonly #limits: ArchiveLimits
  readonly #signal: AbortSignal
  #entries = 0
  #bytes = 0

  constructor(limits: ArchiveLimits, signal: AbortSignal) {
    this.#limits = limits
    this.#signal = signal
  }

  get heldLimit(): number {
    return this.#limits.held
  }

  /** `bytes` is the whole file, or its beginning when `whole` is false. */
  async file(name: string, bytes: Uint8Array, whole: boolean, depth = 0): Promise<void> {
    const kind = kindOf(bytes)
    if (isEicar(bytes)) this.#found('eicar', 'malware', 'The EICAR test virus')
    this.#named(name)
    if (EXECUTABLE.has(kind)) this.#found('executable', 'hold', EXECUTABLE_TEXT[kind] ?? 'A program is attached')
    try {
      await this.#open(kind, name, bytes, whole, depth)
    } catch (error) {
      if (this.#signal.aborted) throw error
      if (error instanceof TooMuch) this.#found('archive-bomb', 'hold', error.message)
      else this.#found('archive-damaged', 'suspect', 'An attached archive cannot be opened')
    }
  }

  async #open(kind: FileKind, name: string, bytes: Uint8Array, whole: boolean, depth: number): Promise<void> {
    switch (kind) {
      case 'ole2':
        if (hasOleMacros(bytes)) this.#found('macro', 'hold', 'An attached document has macros')
        return
      case '7z':
      case 'rar':
        if (isEncryptedArchive(kind, bytes))
          this.#found('encrypted-archive', 'suspect', 'An attached archive is encrypted')
        return
      case 'zip':
      case 'gzip':
      case 'tar':
        if (depth >= this.#limits.depth) throw new TooMuch('Archives are packed into one another too deeply')
        if (!whole) return this.#found('archive-large', 'suspect', 'An attached archive is too large to look into')
        if (kind === 'zip') return await this.#zip(bytes, depth)
        if (kind === 'gzip') return await this.#gzip(name, bytes, depth)
        return await this.#tar(bytes, depth)
      default:
        return
    }
  }

  async #zip(bytes: Uint8Array, depth: number): Promise<void> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const zip = await new Promise<ZipFile>((resolve, reject) => {
      const options = { lazyEntries: true, validateEntrySizes: true, autoClose: false }
      fromBuffer(buffer, options, (error, opened) => (error || !opened ? reject(error) : resolve(opened)))
    })
    for (let entry = await nextEntry(zip); entry !== undefined; entry = await nextEntry(zip)) {
      this.#entry()
      const name = entry.fileName
      if (name.endsWith('/')) continue
      if (isMacroEntry(name)) this.#found('macro', 'hold', 'An attached document has macros')
      if ((entry.generalPurposeBitFlag & 1) !== 0) {
        this.#encrypted(name)
        continue
      }
      // Stored or deflated; other methods are not opened, their names are seen.
      if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
        this.#named(name)
        continue
      }
      const stream = await new Promise<Readable>((resolve, reject) =>
        zip.openReadStream(entry as Entry, (error, opened) => (error || !opened ? reject(error) : resolve(opened))),
      )
      const { head, whole } = await this.#unpack(stream, entry.compressedSize)
      await this.file(name, head, whole, depth + 1)
    }
  }

  async #gzip(name: string, bytes: Uint8Array, depth: number): Promise<void> {
    this.#entry()
    const gunzip = createGunzip()
    Readable.from([bytes]).pipe(gunzip)
    const { head, whole } = await this.#unpack(gunzip, bytes.length)
    await this.file(name.replace(/\.(?:gz|tgz)$/i, ''), head, whole, depth + 1)
  }

  async #tar(bytes: Uint8Array, depth: number): Promise<void> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at + 512 <= buffer.length; ) {
      const name = buffer.toString('utf8', at, at + 100).replace(/\0.*$/s, '')
      if (name === '') return
      this.#entry()
      const size = Number.parseInt(
        buffer
          .toString('latin1', at + 124, at + 136)
          .replace(/\0.*$/s, '')
          .trim() || '0',
        8,
      )
      if (!Number.isSafeInteger(size) || size < 0) throw new Error('This is no tar archive')
      const end = Math.min(buffer.length, at + 512 + size)
      const type = String.fromCharCode(buffer[at + 156] ?? 0)
      if (type === '0' || type === '\0') await this.file(name, buffer.subarray(at + 512, end), true, depth + 1)
      at += 512 + Math.ceil(size / 512) * 512
    }
  }

  /** Reads to the end within the limits, keeping at most `held` bytes, or the head of what cannot be an archive. */
  async #unpack(stream: Readable, packed: number): Promise<{ head: Buffer; whole: boolean }> {
    const chunks: Buffer[] = []
    let kept = 0
    let total = 0
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        this.#signal.throwIfAborted()
        total += chunk.length
        this.#bytes += chunk.length
        if (this.#bytes > this.#limits.bytes) throw new TooMuch('Attached archives unpack to too much')
        if (total > 1024 * 1024 && total > packed * this.#limits.ratio)
          throw new TooMuch('An attached archive is packed beyond reason')
        if (kept < this.#limits.held) {
          chunks.push(chunk)
          kept += chunk.length
        }
      }
    } finally {
      stream.destroy()
    }
    return { head: Buffer.concat(chunks), whole: total === kept }
  }

  #encrypted(name: string): void {
    const fault = nameFault(name)
    if (fault) this.#found('encrypted-program', 'hold', 'An encrypted archive with a program is attached')
    else this.#found('encrypted-archive', 'suspect', 'An attached archive is encrypted')
  }

  #named(name: string): void {
    const fault = nameFault(name)
    if (fault) this.#found(fault.rule, 'hold', fault.text)
  }

  #entry(): void {
    this.#signal.throwIfAborted()
    if (++this.#entries > this.#limits.entries) throw new TooMuch('Attached archives hold too many files')
  }

  #found(rule: string, weight: Finding['weight'], text: string): void {
    if (this.findings.length < 20 && !this.findings.some((each) => each.rule === rule))
      this.findings.push({ rule, weight, text })
  }
}

const EXECUTABLE_TEXT: { readonly [K in FileKind]?: string } = {
  'windows-program': 'A Windows program is attached',
  'elf-program': 'A Linux program is attached',
  'mach-o-program': 'A Mac program is attached',
  script: 'A script is attached',
  shortcut: 'A shortcut that starts something is attached',
  'disk-image': 'A disk image is attached',
}

class TooMuch extends Error {}

/** The next entry, or undefined behind the last one. */
function nextEntry(zip: ZipFile): Promise<Entry | undefined> {
  return new Promise((resolve, reject) => {
    const done = () => {
      zip.removeListener('entry', onEntry)
      zip.removeListener('end', onEnd)
      zip.removeListener('error', onError)
    }
    const onEntry = (entry: Entry) => {
      done()
      resolve(entry)
    }
    const onEnd = () => {
      done()
      resolve(undefined)
    }
    const onError = (error: Error) => {
      done()
      reject(error)
    }
    zip.once('entry', onEntry)
    zip.once('end', onEnd)
    zip.once('error', onError)
    zip.readEntry()
  })
}
