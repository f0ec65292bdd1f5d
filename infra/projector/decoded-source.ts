// The log through a thread of its own that reads and opens it. What no view keeps does not cross over: of the metadata there is only
// the time, of an arrival's content only what rows show, and no event has its id.
import { Worker } from 'node:worker_threads'
import type { Position } from '../../domain/log.ts'
import type { MailAddress } from '../../domain/mail/structure.ts'
import { type SourceBatch, type SourceEvent, unreadable } from '../../projections/ports/event-source.ts'

export type PackedEvent =
  /** Redacted. */
  | readonly [stream: string, type: string]
  /** Cannot be opened. */
  | readonly [stream: string, type: string, data: null, error: string]
  | readonly [stream: string, type: string, data: object, at: number]
  /** An arrival: what is known without its content, and the content or why it cannot be opened. */
  | readonly [
      stream: string,
      type: string,
      data: object,
      at: number,
      size: number,
      threadKeys: readonly number[],
      content: PackedContent | string,
    ]

export type PackedContent = readonly [
  subject: string,
  from: readonly MailAddress[],
  to: readonly MailAddress[],
  date: number | null,
  snippet: string,
  hasAttachment: boolean,
  messageId: string | null,
]

export interface DecodedBatch {
  readonly subscription: number
  /** JSON of `PackedEvent`s: one string crosses threads many times faster than as many objects. */
  readonly events: string
  /** Revision and position of each event, in turn. */
  readonly places: Float64Array
  readonly position: Position | undefined
  readonly caughtUp: boolean
}

export type ToDecoder =
  | {
      readonly type: 'subscribe'
      readonly subscription: number
      readonly options: {
        readonly after: Position | undefined
        readonly prefixes: readonly string[]
        readonly batchSize: number
        readonly ahead: number
      }
    }
  | { readonly type: 'more' }
  | { readonly type: 'stop' }
  | { readonly type: 'poke' }
  | { readonly type: 'close' }

type Answer = DecodedBatch | { readonly subscription: number; readonly error: string }

/** Batches that may lie between the threads. */
const AHEAD = 2

/** One subscription at a time. */
export class DecodedSource {
  readonly #worker: Worker
  readonly #ended: Promise<void>
  #subscription = 0
  #inbox: Answer[] = []
  #wake: (() => void) | undefined
  #failure: Error | undefined

  constructor(config: unknown) {
    this.#worker = new Worker(new URL('./decode-worker.ts', import.meta.url), {
      workerData: config,
      resourceLimits: { maxYoungGenerationSizeMb: 24, maxOldGenerationSizeMb: 256 },
    })
    this.#worker.on('message', (answer: Answer) => {
      if (answer.subscription !== this.#subscription) return
      this.#inbox.push(answer)
      this.#wake?.()
    })
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
    this.#worker.on('error', (error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.#wake?.()
    })
  }

  async *subscribe(options: {
    readonly after?: Position | undefined
    readonly prefixes?: readonly string[]
    readonly batchSize?: number
    readonly signal?: AbortSignal
  }): AsyncGenerator<SourceBatch> {
    const { after, prefixes = [], batchSize = 1000, signal } = options
    const subscription = ++this.#subscription
    this.#inbox = []
    this.#send({ type: 'subscribe', subscription, options: { after, prefixes, batchSize, ahead: AHEAD } })
    const wake = () => this.#wake?.()
    signal?.addEventListener('abort', wake)
    try {
      while (!signal?.aborted) {
        if (this.#failure !== undefined) throw this.#failure
        const answer = this.#inbox.shift()
        if (answer === undefined) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
          continue
        }
        if ('error' in answer) throw new Error(answer.error)
        this.#send({ type: 'more' })
        yield { events: unpack(answer), position: answer.position, caughtUp: answer.caughtUp }
      }
    } finally {
      signal?.removeEventListener('abort', wake)
      this.#send({ type: 'stop' })
    }
  }

  poke(): void {
    this.#send({ type: 'poke' })
  }

  async close(): Promise<void> {
    this.#send({ type: 'close' })
    await this.#ended
  }

  #send(message: ToDecoder): void {
    this.#worker.postMessage(message)
  }
}

function unpack({ events, places }: DecodedBatch): readonly SourceEvent[] {
  const packed = JSON.parse(events) as PackedEvent[]
  return packed.map((each, i) => {
    const place = {
      id: '',
      stream: each[0],
      revision: BigInt(places[2 * i] ?? 0),
      position: BigInt(places[2 * i + 1] ?? 0),
    }
    if (each.length === 2) return { ...place, type: each[1], redacted: true } as SourceEvent
    if (each[2] === null) return unreadable({ ...place, type: each[1] }, new UnreadableThere(each[3]))
    const event = { ...place, type: each[1], data: each[2], metadata: { at: each[3] } }
    if (each.length === 4) return event as unknown as SourceEvent
    const content = each[6]
    if (typeof content === 'string') {
      const get = () => {
        throw new UnreadableThere(content)
      }
      Object.defineProperty(event.data, 'content', { get, enumerable: true })
    } else (event.data as { content: object }).content = unpackContent(content, each[4])
    return { ...event, facts: { size: each[4], threadKeys: each[5] } } as unknown as SourceEvent
  })
}

function unpackContent(content: PackedContent, size: number): object {
  const [subject, from, to, date, snippet, hasAttachment, messageId] = content
  return {
    blob: { size },
    envelope: { subject, from, to, ...(date === null ? {} : { date }), ...(messageId === null ? {} : { messageId }) },
    snippet,
    hasAttachment,
  }
}

/** Named as the error that the other thread met. */
class UnreadableThere extends Error {
  override readonly name = 'UnreadableEvent'
}
