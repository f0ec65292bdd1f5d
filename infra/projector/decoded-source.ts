// The log through a thread of its own that reads and opens it. Arrivals come without their MIME structure, which no view keeps.
import { Worker } from 'node:worker_threads'
import type { EventMetadata, Position } from '../../domain/log.ts'
import type { SourceBatch, SourceEvent } from '../../projections/ports/event-source.ts'

export type PackedEvent =
  | readonly [id: string, stream: string, type: string]
  | readonly [id: string, stream: string, type: string, data: object, metadata: EventMetadata]

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
    const ended = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()))
    this.#send({ type: 'close' })
    await ended
  }

  #send(message: ToDecoder): void {
    this.#worker.postMessage(message)
  }
}

function unpack({ events, places }: DecodedBatch): readonly SourceEvent[] {
  const packed = JSON.parse(events) as PackedEvent[]
  return packed.map(([id, stream, type, data, metadata], i) => {
    const revision = BigInt(places[2 * i] ?? 0)
    const position = BigInt(places[2 * i + 1] ?? 0)
    if (data === undefined) return { id, stream, revision, position, type, redacted: true } as SourceEvent
    return { id, stream, revision, position, type, data, metadata } as SourceEvent
  })
}
