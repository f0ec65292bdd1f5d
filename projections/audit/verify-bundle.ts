// Verifies what an auditor was handed, with nothing but the file: line by line, so that a file of any size takes little memory.
import { isDeepStrictEqual } from 'node:util'
import {
  type Checkpoint,
  checkNote,
  formatKey,
  MalformedNote,
  type NoteKey,
  parseCheckpoint,
  parseKey,
  parseNote,
  type VerifySignature,
} from '../../domain/audit/checkpoint.ts'
import { extendsTree, includes, type Sha256 } from '../../domain/audit/merkle.ts'
import type { BlobRef } from '../../domain/mailbox/mailbox.ts'
import {
  type BundleHeader,
  type EventLine,
  EXPORT_FORMAT,
  leafOfLine,
  type ManifestLine,
  type MessageLine,
  manifestText,
  PROOF_FORMAT,
} from './bundle.ts'

export interface VerifyTools {
  readonly sha256: Sha256
  readonly verifySignature: VerifySignature
  /** Opens an event line with an account's data key. Undefined when it is sealed under another key. Throws when it does not open. */
  readonly openEvent: (
    line: EventLine,
    account: string,
    key: Uint8Array,
  ) => { payload: unknown; by: unknown } | undefined
  /** Raw bytes of a stored message. Throws when it does not open. */
  readonly openBlob: (stored: Uint8Array, ref: BlobRef) => Promise<Uint8Array>
}

export interface BundleVerdict {
  readonly format: string
  readonly account: string
  /** The key that signed it all, and whether the caller had named it. */
  readonly publicKey: string
  readonly pinned: boolean
  readonly origin: string
  /** Events that the signed head covers. */
  readonly size: number
  readonly events: number
  /** Events whose payload was opened from the sealed bytes; the others' payloads are what the server says. */
  readonly opened: number
  readonly messages: number
  /** Messages followed from the sealed event to the raw bytes. */
  readonly traced: number
  readonly missing: number
  /** Size of the earlier tree that this one is proven to extend. */
  readonly extends: number | null
}

/** The first thing that is wrong: the step that failed, and what. */
export class BundleFault extends Error {
  readonly step:
    | 'format'
    | 'signature'
    | 'inclusion'
    | 'consistency'
    | 'completeness'
    | 'payload'
    | 'message'
    | 'manifest'
  constructor(step: BundleFault['step'], message: string) {
    super(`${step}: ${message}`)
    this.name = 'BundleFault'
    this.step = step
  }
}

/** `pin` is a verifier key that the caller trusts; without it the file's own key counts. */
export async function verifyBundle(
  lines: AsyncIterable<{ readonly text: string; readonly bytes: Uint8Array }>,
  tools: VerifyTools,
  hash: { update(bytes: Uint8Array): void; hex(): string },
  pin?: string,
): Promise<BundleVerdict> {
  const verification = new BundleVerification(tools, pin)
  let number = 0
  for await (const { text, bytes } of lines) {
    number++
    let line: unknown
    try {
      line = JSON.parse(text)
    } catch {
      throw new BundleFault('format', `line ${number} is not JSON`)
    }
    if (typeof line !== 'object' || line === null) throw new BundleFault('format', `line ${number} is not an object`)
    try {
      await verification.take(line as Record<string, unknown>, { number, text }, hash)
    } catch (error) {
      if (error instanceof BundleFault) throw error
      throw new BundleFault('format', `line ${number} is not what it should be: ${(error as Error).message}`)
    }
    hash.update(bytes)
  }
  return verification.finish()
}

class BundleVerification {
  readonly #tools: VerifyTools
  readonly #pin: string | undefined
  #header: BundleHeader | undefined
  #head: { readonly checkpoint: Checkpoint; readonly key: NoteKey } | undefined
  /** The newest arrival, which its message line must follow. */
  #arrival: { readonly id: string; readonly blob: BlobRef; readonly opened: boolean } | undefined
  readonly #revisions = new Map<string, bigint>()
  #lastIndex = -1
  #manifest = false
  #events = 0
  #opened = 0
  #messages = 0
  #traced = 0
  #missing = 0
  #extends: number | null = null

  constructor(tools: VerifyTools, pin: string | undefined) {
    this.#tools = tools
    this.#pin = pin
  }

  async take(
    line: Record<string, unknown>,
    { number, text }: { readonly number: number; readonly text: string },
    hash: { hex(): string },
  ): Promise<void> {
    if (this.#manifest) throw new BundleFault('manifest', `line ${number} stands behind the manifest`)
    if (number === 1) return this.#begin(line)
    switch (line['kind']) {
      case 'event':
        return this.#event(line as unknown as EventLine, `line ${number}`)
      case 'message':
        return this.#message(line as unknown as MessageLine, `line ${number}`)
      case 'manifest':
        // Nothing hashes this line: it must be written in the one way in which it is signed.
        if (text !== `${JSON.stringify(line)}\n`) throw new BundleFault('manifest', 'it was changed')
        return this.#end(line as unknown as ManifestLine, hash.hex())
      default:
        throw new BundleFault('format', `line ${number} is of no kind that belongs here`)
    }
  }

  finish(): BundleVerdict {
    const source = this.#header
    if (source === undefined || this.#head === undefined) throw new BundleFault('format', 'the file is empty')
    if (!this.#manifest) throw new BundleFault('manifest', 'the file was cut: its last line is missing')
    return {
      format: source.format,
      account: source.account.address,
      publicKey: formatKey(this.#tools.sha256, this.#head.key),
      pinned: this.#pin !== undefined,
      origin: this.#head.checkpoint.origin,
      size: this.#head.checkpoint.size,
      events: this.#events,
      opened: this.#opened,
      messages: this.#messages,
      traced: this.#traced,
      missing: this.#missing,
      extends: this.#extends,
    }
  }

  #begin(line: Record<string, unknown>): void {
    if (line['format'] !== EXPORT_FORMAT && line['format'] !== PROOF_FORMAT)
      throw new BundleFault('format', 'this is neither an export nor a proof of Everpost, or it is of a newer version')
    const header = line as unknown as BundleHeader
    this.#header = header
    this.#head = this.#openHead(header)
    if (header.since) this.#consistency(header.since)
  }

  #openHead(source: BundleHeader) {
    const { sha256 } = this.#tools
    try {
      const key = parseKey(sha256, this.#pin ?? source.publicKey)
      if (formatKey(sha256, key) !== source.publicKey)
        throw new BundleFault('signature', `the file is signed by ${source.publicKey}, not by the key that was given`)
      return { key, checkpoint: this.#signedHead(source.checkpoint, key) }
    } catch (error) {
      if (error instanceof MalformedNote) throw new BundleFault('signature', lower(error.message))
      throw error
    }
  }

  #signedHead(text: string, key: NoteKey): Checkpoint {
    const note = parseNote(text)
    this.#checkSigned(text, key, 'the checkpoint')
    const checkpoint = parseCheckpoint(note.text)
    if (checkpoint.origin !== key.name)
      throw new BundleFault('signature', `the checkpoint is of ${checkpoint.origin}, the key of ${key.name}`)
    return checkpoint
  }

  #checkSigned(text: string, key: NoteKey, what: string): void {
    const { sha256, verifySignature } = this.#tools
    const state = checkNote(sha256, verifySignature, parseNote(text), key)
    if (state === 'unsigned') throw new BundleFault('signature', `${what} has no signature of ${key.name}`)
    if (state === 'wrong') throw new BundleFault('signature', `${what} was changed: its signature does not fit`)
  }

  #event(line: EventLine, where: string): void {
    const { sha256 } = this.#tools
    const { checkpoint } = this.#head as { checkpoint: Checkpoint }
    const name = `${where}: event ${line.id} (${line.type}, revision ${line.revision} of ${line.stream})`
    const claim = { leaf: leafOfLine(sha256, line), index: line.index, size: checkpoint.size, root: checkpoint.root }
    const path = line.proof.map((part) => new Uint8Array(Buffer.from(part, 'base64')))
    if (!includes(sha256, claim, path))
      throw new BundleFault('inclusion', `${name} is not leaf ${line.index} of the signed tree of ${checkpoint.size}`)
    if (line.index <= this.#lastIndex) throw new BundleFault('format', `${name} is out of order`)
    this.#lastIndex = line.index
    this.#events++
    this.#complete(line, name)
    const opened = this.#openPayload(line, name)
    this.#follow(line, opened)
  }

  /** In an export without bounds the streams of the account are whole: from their start on, no revision is left out. */
  #complete(line: EventLine, name: string): void {
    const { format, from, to } = this.#header as BundleHeader
    const whole = format === EXPORT_FORMAT && from === null && to === null
    if (!whole || !/^(mailbox|account|submission)-/.test(line.stream)) return
    const revision = BigInt(line.revision)
    const last = this.#revisions.get(line.stream) ?? -1n
    if (revision !== last + 1n)
      throw new BundleFault('completeness', `${name} follows revision ${last}: what was between was left out`)
    this.#revisions.set(line.stream, revision)
  }

  #openPayload(line: EventLine, name: string): boolean {
    const key = this.#header?.key
    if (key === undefined || isClosed(line)) return false
    let opened: ReturnType<VerifyTools['openEvent']>
    try {
      opened = this.#tools.openEvent(line, this.#header?.account.id ?? '', Buffer.from(key, 'base64'))
    } catch (error) {
      throw new BundleFault('payload', `${name} does not open: ${(error as Error).message}`)
    }
    if (opened === undefined) return false
    const { payload, by } = line
    if (!isDeepStrictEqual(opened, { payload, by }))
      throw new BundleFault('payload', `${name}: its payload is not what its sealed bytes say`)
    this.#opened++
    return true
  }

  #follow(line: EventLine, opened: boolean): void {
    if (this.#arrival && this.#header)
      throw new BundleFault('message', `the message of event ${this.#arrival.id} is not here`)
    if (isClosed(line) || (line.type !== 'MessageReceived' && line.type !== 'MessageAppended')) return
    const { blob } = (line.payload as { content: { blob: BlobRef } }).content
    // A proof is about events; messages stand only in exports.
    if (this.#header?.format === EXPORT_FORMAT) this.#arrival = { id: line.id, blob, opened }
  }

  async #message(line: MessageLine, where: string): Promise<void> {
    const name = `${where}: message ${line.messageId}`
    const arrival = this.#arrival
    this.#arrival = undefined
    if (arrival === undefined || arrival.id !== line.eventId)
      throw new BundleFault('message', `${name} does not stand behind its arrival`)
    if ('missing' in line) {
      this.#missing++
      return
    }
    const raw = Buffer.from(line.raw, 'base64')
    if (raw.toString('base64') !== line.raw) throw new BundleFault('message', `${name}: its raw bytes are not base64`)
    if (raw.length !== line.size || raw.length !== arrival.blob.size)
      throw new BundleFault('message', `${name} has ${raw.length} bytes, its event says ${arrival.blob.size}`)
    if (hexOf(this.#tools.sha256(raw)) !== line.sha256)
      throw new BundleFault('message', `${name} was changed: its raw bytes do not have the hash that is stated`)
    this.#messages++
    if (line.stored === undefined || !arrival.opened) return
    const stored = Buffer.from(line.stored, 'base64')
    if (hexOf(this.#tools.sha256(stored)) !== arrival.blob.id)
      throw new BundleFault('message', `${name}: its stored bytes do not have the hash that its event names`)
    const opened = await this.#tools.openBlob(stored, arrival.blob).catch((error: Error) => {
      throw new BundleFault('message', `${name}: its stored bytes do not open: ${error.message}`)
    })
    if (!raw.equals(opened)) throw new BundleFault('message', `${name}: its raw bytes are not what is stored`)
    this.#traced++
  }

  #end(line: ManifestLine, sha256: string): void {
    this.#manifest = true
    if (this.#arrival) throw new BundleFault('message', `the message of event ${this.#arrival.id} is not here`)
    const { key, checkpoint } = this.#head as { key: NoteKey; checkpoint: Checkpoint }
    if (line.sha256 !== sha256)
      throw new BundleFault('manifest', 'the lines above it were changed: they do not have its hash')
    const counted = { events: this.#events, messages: this.#messages, missing: this.#missing, sha256 }
    const { kind: _, note, ...stated } = line
    if (!isDeepStrictEqual(stated, counted))
      throw new BundleFault('manifest', 'it counts something else than what is here')
    try {
      this.#checkSigned(note, key, 'the manifest')
      if (parseNote(note).text !== manifestText(checkpoint.origin, counted))
        throw new BundleFault('manifest', 'its signature is over another file')
    } catch (error) {
      if (error instanceof MalformedNote) throw new BundleFault('manifest', lower(error.message))
      throw error
    }
  }

  #consistency(since: NonNullable<BundleHeader['since']>): void {
    const { sha256 } = this.#tools
    const { checkpoint, key } = this.#head as { checkpoint: Checkpoint; key: NoteKey }
    const earlier = this.#signedHead(since.checkpoint, key)
    const claim = {
      first: earlier.size,
      firstRoot: earlier.root,
      second: checkpoint.size,
      secondRoot: checkpoint.root,
    }
    const path = since.proof.map((part) => new Uint8Array(Buffer.from(part, 'base64')))
    if (!extendsTree(sha256, claim, path))
      throw new BundleFault(
        'consistency',
        `the tree of ${checkpoint.size} does not extend the earlier one of ${earlier.size}`,
      )
    this.#extends = earlier.size
  }
}

const isClosed = (line: EventLine): boolean => line.redacted === true || line.damaged !== undefined
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const lower = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1)
