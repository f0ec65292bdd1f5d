// Verifies the whole log in one walk: that every event is where the tree remembers it and unchanged, that no stream has a gap, that
// every event opens, and that every signed head is signed by a known key over the tree that the log makes now.
import {
  type Checkpoint,
  checkNote,
  MalformedNote,
  type NoteKey,
  parseCheckpoint,
  parseNote,
  type VerifySignature,
} from '../../domain/audit/checkpoint.ts'
import { equal, GrowingTree, type Sha256 } from '../../domain/audit/merkle.ts'
import { auditStream, isRedacted, type Position } from '../../domain/log.ts'
import type { BlobRef } from '../../domain/mailbox/mailbox.ts'
import type { SourceEvent } from '../ports/event-source.ts'
import type { SealedEvent, SealedLog } from './sealed-log.ts'
import type { TreeReader } from './tree.ts'

/** What is wrong, in the order in which it was met. */
export interface Finding {
  readonly step: 'event' | 'tree' | 'head' | 'checkpoint' | 'blob'
  /** A sentence that names the event, the head or the message. */
  readonly message: string
  readonly position?: Position
  readonly stream?: string
  readonly revision?: bigint
  readonly eventId?: string
  readonly type?: string
}

export interface LogVerdict {
  readonly ok: boolean
  readonly events: number
  /** Of erased accounts: in the tree like any other, but unreadable for ever. */
  readonly redacted: number
  /** Lowercase hex. */
  readonly root: string
  readonly tree: { readonly size: number; readonly compared: number }
  readonly heads: { readonly checked: number; readonly newestSize: number | undefined }
  readonly checkpoints: number
  readonly blobs: { readonly checked: number; readonly missing: number }
  /** The first 20. */
  readonly findings: readonly Finding[]
  readonly findingCount: number
  readonly seconds: number
}

export interface VerifyDependencies {
  readonly sha256: Sha256
  readonly verifySignature: VerifySignature
  /** Keys whose signatures count. */
  readonly keys: readonly NoteKey[]
  /** The tree as it was remembered, not brought up to date. */
  readonly tree: TreeReader | undefined
  /** Last revision seen of each stream; a large log has more of them than memory should hold. */
  readonly ends: { get(stream: string): number | undefined; set(stream: string, revision: number): void }
  /** Checkpoints that somebody kept elsewhere. */
  readonly checkpoints?: readonly { readonly name: string; readonly note: string }[]
  /** Called for every arrival that opens. */
  readonly onArrival?: (arrival: Arrival) => void
}

export interface Arrival {
  readonly position: Position
  readonly stream: string
  readonly messageId: string
  readonly blob: BlobRef
}

const KEPT_FINDINGS = 20

export class LogVerification {
  readonly #deps: VerifyDependencies
  readonly #log: Pick<SealedLog, 'open'>
  readonly #grown: GrowingTree
  readonly #remembered: Iterator<{ readonly position: Position; readonly leaf: Uint8Array }>
  #next: { readonly position: Position; readonly leaf: Uint8Array } | undefined
  /** Roots at the sizes that somebody vouches for; undefined until the walk gets there. */
  readonly #roots = new Map<number, Uint8Array | undefined>()
  readonly #findings: Finding[] = []
  #findingCount = 0
  #redacted = 0
  #compared = 0
  #heads = 0
  #newestHead: number | undefined
  #lastGood = 0

  private constructor(deps: VerifyDependencies, log: Pick<SealedLog, 'open'>) {
    this.#deps = deps
    this.#log = log
    this.#grown = new GrowingTree(deps.sha256)
    this.#remembered = (deps.tree?.leaves() ?? [])[Symbol.iterator]()
    this.#next = this.#step()
    this.#noteRoot()
  }

  /** Reads the signed heads first: their sizes say where the walk must know its root. */
  static async begin(
    deps: VerifyDependencies,
    log: Pick<SealedLog, 'open' | 'readSealedStream'>,
  ): Promise<LogVerification> {
    const verification = new LogVerification(deps, log)
    for (const { note } of deps.checkpoints ?? []) verification.#expect(() => readHead(note).head.size)
    for await (const event of log.readSealedStream(auditStream)) {
      if (event.type !== 'TreeHeadSigned') continue
      verification.#expect(() => {
        const opened = log.open(event)
        return !isRedacted(opened) && opened.type === 'TreeHeadSigned' ? readHead(opened.data.checkpoint).head.size : 0
      })
    }
    verification.#noteRoot()
    return verification
  }

  get events(): number {
    return this.#grown.size
  }

  /** The next event in log order. */
  add(event: SealedEvent): void {
    this.#compareWithTree(event)
    this.#followStream(event)
    const index = this.#grown.size
    this.#grown.append(event.leaf)
    this.#noteRoot()
    let opened: SourceEvent
    try {
      opened = this.#log.open(event)
    } catch (error) {
      this.#fail('event', `${nameOf(event)} does not open: ${reasonOf(error)}`, event)
      return
    }
    if (isRedacted(opened)) this.#redacted++
    else if (opened.type === 'TreeHeadSigned') this.#checkHead(event, opened.data, index)
    else if (opened.type === 'MessageReceived' || opened.type === 'MessageAppended')
      this.#deps.onArrival?.({
        position: event.position,
        stream: event.stream,
        messageId: opened.data.messageId,
        blob: opened.data.content.blob,
      })
  }

  /** What is found outside the walk: blobs. */
  fail(finding: Finding): void {
    this.#findingCount++
    if (this.#findings.length < KEPT_FINDINGS) this.#findings.push(finding)
  }

  finish(): Omit<LogVerdict, 'blobs' | 'seconds'> {
    for (let gone = 0; this.#next !== undefined; this.#next = this.#step()) {
      if (gone++ === 0) {
        const { size } = this.#deps.tree as TreeReader
        const message = `The log ends with ${this.#grown.size} events, but the tree remembers ${size}: the event at position ${this.#next.position} and what came after it are gone`
        this.fail({ step: 'tree', message, position: this.#next.position })
      }
    }
    const checkpoints = this.#deps.checkpoints ?? []
    for (const { name, note } of checkpoints) {
      const wrong = this.#judge(note)
      if (wrong !== undefined) this.fail({ step: 'checkpoint', message: `The checkpoint ${name} ${wrong}` })
    }
    return {
      ok: this.#findingCount === 0,
      events: this.#grown.size,
      redacted: this.#redacted,
      root: Buffer.from(this.#grown.root()).toString('hex'),
      tree: { size: this.#deps.tree?.size ?? 0, compared: this.#compared },
      heads: { checked: this.#heads, newestSize: this.#newestHead },
      checkpoints: checkpoints.length,
      findings: this.#findings,
      findingCount: this.#findingCount,
    }
  }

  #compareWithTree(event: SealedEvent): void {
    while (this.#next !== undefined && this.#next.position < event.position) {
      const { position } = this.#next
      this.fail({
        step: 'event',
        message: `The event at position ${position} was deleted: the tree remembers it`,
        position,
      })
      this.#next = this.#step()
    }
    // Past the end of the tree the log is simply newer.
    if (this.#next === undefined) return
    if (this.#next.position > event.position) {
      this.#fail('event', `${nameOf(event)} was slipped in: the tree does not know it`, event)
      return
    }
    this.#compared++
    if (!equal(this.#next.leaf, event.leaf))
      this.#fail('event', `${nameOf(event)} was changed: its bytes are not those that the tree remembers`, event)
    this.#next = this.#step()
  }

  #followStream(event: SealedEvent): void {
    const { ends } = this.#deps
    const last = ends.get(event.stream)
    const expected = last === undefined ? 0 : last + 1
    const revision = Number(event.revision)
    if (revision !== expected)
      this.#fail(
        'event',
        `${nameOf(event)} follows revision ${expected - 1} of its stream: what was between is gone`,
        event,
      )
    ends.set(event.stream, revision)
  }

  #checkHead(
    event: SealedEvent,
    data: { readonly size: string; readonly rootHash: string; readonly checkpoint: string },
    index: number,
  ): void {
    this.#heads++
    let wrong = this.#judge(data.checkpoint)
    if (wrong === undefined) {
      const { head } = readHead(data.checkpoint)
      if (head.size > index) wrong = `covers ${head.size} events but stands after ${index}`
      else if (`${head.size}` !== data.size || Buffer.from(head.root).toString('base64') !== data.rootHash)
        wrong = 'says something else than its event'
      else {
        this.#newestHead = head.size
        this.#lastGood = Math.max(this.#lastGood, head.size)
        return
      }
    }
    this.#fail('head', `The signed head at position ${event.position} ${wrong}`, event)
  }

  /** What is wrong with a signed head, as the rest of a sentence. */
  #judge(note: string): string | undefined {
    try {
      const { head, parsed } = readHead(note)
      const { sha256, verifySignature, keys } = this.#deps
      const key = keys.find(
        (each) => each.name === head.origin && checkNote(sha256, verifySignature, parsed, each) === 'signed',
      )
      if (key === undefined) {
        const names = parsed.signatures.map(({ name, keyHash }) => `${name}+${Buffer.from(keyHash).toString('hex')}`)
        return `is not signed by a key that counts here, but by ${names.join(', ')}`
      }
      const root = this.#roots.get(head.size)
      if (root === undefined) return `covers ${head.size} events, but the log has only ${this.#grown.size}`
      if (equal(root, head.root)) return undefined
      return `does not fit the log: one of the events ${this.#lastGood + 1} to ${head.size} is not what it was when the head was signed`
    } catch (error) {
      if (error instanceof MalformedNote) return `cannot be read: ${error.message}`
      throw error
    }
  }

  #expect(size: () => number): void {
    try {
      this.#roots.set(size(), undefined)
    } catch {
      // What cannot be read is told when the walk gets to it.
    }
  }

  #noteRoot(): void {
    const { size } = this.#grown
    if (this.#roots.has(size)) this.#roots.set(size, this.#grown.root())
  }

  #step() {
    const step = this.#remembered.next()
    return step.done ? undefined : step.value
  }

  #fail(step: Finding['step'], message: string, event: SealedEvent): void {
    const { position, stream, revision, id, type } = event
    this.fail({ step, message, position, stream, revision, eventId: id, type })
  }
}

function readHead(note: string): { readonly head: Checkpoint; readonly parsed: ReturnType<typeof parseNote> } {
  const parsed = parseNote(note)
  return { head: parseCheckpoint(parsed.text), parsed }
}

const nameOf = ({ type, position, stream, revision, id }: SealedEvent): string =>
  `Event ${id} (${type}, position ${position}, revision ${revision} of ${stream})`

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(/^.*cannot be opened: /, '')
}
