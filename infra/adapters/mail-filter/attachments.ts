// Dangerous attachments are held: programs by their content, names that lie, macros, encrypted programs, archive bombs, EICAR.
import { setImmediate } from 'node:timers/promises'
import type { Judgement, MailFilter, MailToCheck } from '../../../commands/ports/mail-filter.ts'
import { HEAD_BYTES } from '../../../domain/filter/files.ts'
import type { FilterReason } from '../../../domain/filter/verdict.ts'
import { givenFilename } from '../../../domain/mail/body-text.ts'
import { walkParts } from '../../../domain/mail/sections.ts'
import type { MimePart } from '../../../domain/mail/structure.ts'
import { transferDecoder } from '../../../domain/mail/transfer.ts'
import { type ArchiveLimits, DEFAULT_ARCHIVE_LIMITS, Inspection } from './archives.ts'

/** Parts of one message that are looked at. */
const MAX_PARTS = 200
/** Messages looked into at once: each may hold some decoded megabytes. */
const AT_ONCE = 4
/** Encoded bytes decoded before others get their turn. */
const CHUNK = 256 * 1024

const SUSPECT_POINTS = 1.5

export class AttachmentFilter implements MailFilter {
  readonly name = 'attachments'
  readonly #limits: ArchiveLimits
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS) {
    this.#limits = limits
  }

  async check(message: MailToCheck, signal: AbortSignal): Promise<Judgement> {
    const files = filesOf(message)
    if (files.length === 0) return { opinion: { engine: this.name, reasons: [] } }
    const inspection = new Inspection(this.#limits, signal)
    await this.#turn()
    try {
      await inspect(message, files, inspection, signal)
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
    const { findings } = inspection
    const reasons = findings.map(
      ({ rule, text, weight }): FilterReason => ({
        engine: this.name,
        rule,
        score: weight === 'suspect' ? SUSPECT_POINTS : 10,
        text,
      }),
    )
    const malware = findings.some(({ weight }) => weight === 'malware')
    const held = findings.some(({ weight }) => weight !== 'suspect')
    return {
      opinion: {
        engine: this.name,
        reasons,
        // Held mail is held whatever the points of others say: it is neither junk nor refused for them.
        score: findings.filter(({ weight }) => weight === 'suspect').length * SUSPECT_POINTS,
        ...(held ? { action: 'quarantine' } : {}),
        ...(malware ? { malware: true } : {}),
      },
    }
  }

  async #turn(): Promise<void> {
    while (this.#running >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running++
  }
}

interface File {
  readonly name: string
  readonly part: MimePart | undefined
}

/** Everything that came as a file, and what pretends to be text: EICAR may stand there. Files of text bodies have only a name. */
function filesOf({ mail }: MailToCheck): readonly File[] {
  const files: File[] = []
  const onlyText = mail.root.parts === undefined && mail.root.type.startsWith('text/') && mail.attachments.length === 0
  if (onlyText && !mail.text.includes('EICAR-STANDARD-ANTIVIRUS')) return files
  for (const { part } of walkParts(mail.root)) {
    if (files.length >= MAX_PARTS) break
    if (part.parts === undefined && part.message === undefined) files.push({ name: givenFilename(part) ?? '', part })
  }
  for (const { filename, section } of mail.attachments.slice(0, MAX_PARTS))
    if (section.includes('uu')) files.push({ name: filename, part: undefined })
  return files
}

async function inspect(message: MailToCheck, files: readonly File[], inspection: Inspection, signal: AbortSignal) {
  const inMemory = message.size === message.beginning.length
  const sequence = new Sequence(message)
  for (const { name, part } of files) {
    signal.throwIfAborted()
    if (part === undefined) {
      await inspection.file(name, new Uint8Array(0), true)
      continue
    }
    const range = inMemory ? once(message.beginning, part) : sequence.range(part)
    const { bytes, whole } = await decoded(range, part, inspection.heldLimit, signal)
    await inspection.file(name, bytes, whole)
  }
}

async function* once(raw: Uint8Array, { bodyStart, bodyEnd }: MimePart): AsyncGenerator<Uint8Array> {
  for (let at = bodyStart; at < bodyEnd; at += CHUNK) yield raw.subarray(at, Math.min(bodyEnd, at + CHUNK))
}

/** A large message read once, from its start to its end: parts are asked for in the message's order. */
class Sequence {
  readonly #chunks: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  /** Where the held chunk begins. */
  #at = 0

  constructor(message: MailToCheck) {
    this.#chunks = message.read()[Symbol.asyncIterator]()
  }

  async *range({ bodyStart, bodyEnd }: MimePart): AsyncGenerator<Uint8Array> {
    for (;;) {
      const start = Math.max(0, bodyStart - this.#at)
      const end = Math.min(this.#chunk.length, bodyEnd - this.#at)
      if (start < end) yield this.#chunk.subarray(start, end)
      if (this.#at + this.#chunk.length >= bodyEnd) return
      const next = await this.#chunks.next()
      if (next.done) return
      this.#at += this.#chunk.length
      this.#chunk = next.value
    }
  }
}

async function decoded(
  range: AsyncIterable<Uint8Array>,
  part: MimePart,
  limit: number,
  signal: AbortSignal,
): Promise<{ bytes: Buffer; whole: boolean }> {
  const decoder = transferDecoder(part.encoding)
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const chunk of range) {
    signal.throwIfAborted()
    const piece = decoder.push(chunk)
    // A decoder may hand out memory that it will use again.
    pieces.push(Uint8Array.prototype.slice.call(piece))
    length += piece.length
    if (length > limit) return { bytes: Buffer.concat(pieces).subarray(0, Math.max(limit, HEAD_BYTES)), whole: false }
    if (chunk.length >= CHUNK) await setImmediate()
  }
  const rest = decoder.end()
  if (rest.length > 0) pieces.push(rest)
  return { bytes: Buffer.concat(pieces), whole: true }
}
