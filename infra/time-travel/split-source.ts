// One long stream read by two threads: this one opens the earlier part while another opens the later one.
import { Worker } from 'node:worker_threads'
import { isRedacted, type Revision } from '../../domain/log.ts'
import { type EventSource, type SourceEvent, unreadable } from '../../projections/ports/event-source.ts'
import type { OpenedSource, SourceConfig } from '../adapters/journal/open-source.ts'

export interface RangeRequest {
  readonly source: SourceConfig
  readonly stream: string
  /** Inclusive. */
  readonly from: Revision
}

export type PackedStep =
  /** Redacted. */
  | readonly [type: string]
  /** Cannot be opened. */
  | readonly [type: string, data: null, error: string]
  | readonly [type: string, data: object, at: number]
  /** An arrival without its content. */
  | readonly [type: string, data: object, at: number, size: number, threadKeys: readonly number[]]

export interface RangePage {
  /** JSON of `PackedStep`s. */
  readonly steps: string
  /** Revision and position of each event, in turn. */
  readonly places: Float64Array
  readonly last: boolean
}

/** Shorter streams are read before a thread has started. */
const WORTH_SPLITTING = 10_000
/** Share of the events that this thread opens: it also applies all of them. */
const OWN_SHARE = 0.4

/** For replays of mailboxes: events of the later part have no id, and of their metadata only the time. */
export function splitSource(
  source: OpenedSource,
  config: SourceConfig,
  worthSplitting = WORTH_SPLITTING,
): Pick<EventSource, 'readPages'> {
  return {
    async *readPages(stream) {
      const { local } = source
      const length = Number(local?.lastRevision(stream) ?? -1n) + 1
      // Contents are read when somebody looks at them, at once: a log elsewhere is read as it comes.
      if (local === undefined || length < worthSplitting) {
        yield* source.readPages(stream)
        return
      }
      const own = Math.floor(length * OWN_SHARE)
      const request: RangeRequest = { source: config, stream, from: BigInt(own) }
      const worker = new Worker(new URL('./range-worker.ts', import.meta.url), { workerData: request })
      const pages: RangePage[] = []
      let failure: unknown
      let wake: (() => void) | undefined
      worker.on('message', (page: RangePage) => {
        pages.push(page)
        wake?.()
      })
      worker.on('error', (error) => {
        failure = error
        wake?.()
      })
      try {
        yield* source.readPages(stream, { limit: own })
        for (;;) {
          const page = pages.shift()
          if (page !== undefined) {
            yield unpack(stream, page, local)
            if (page.last) return
          } else if (failure !== undefined) throw failure
          else
            await new Promise<void>((resolve) => {
              wake = resolve
            })
        }
      } finally {
        await worker.terminate()
      }
    },
  }
}

type Local = NonNullable<OpenedSource['local']>

function unpack(stream: string, { steps, places }: RangePage, source: Local): readonly SourceEvent[] {
  return (JSON.parse(steps) as PackedStep[]).map((step, i) => {
    const type = step[0]
    const revision = BigInt(places[2 * i] ?? 0)
    const position = BigInt(places[2 * i + 1] ?? 0)
    if (step.length === 1) return { id: '', stream, revision, position, type, redacted: true } as SourceEvent
    if (step[1] === null) return unreadable({ id: '', stream, revision, position, type }, new Error(step[2]))
    const data = step[1]
    const metadata = { at: step[2] }
    if (step.length === 3) return { id: '', stream, revision, position, type, data, metadata } as unknown as SourceEvent
    const facts = { size: step[3], threadKeys: step[4] }
    const arrival = new Arrival(data, position, source)
    return { id: '', stream, revision, position, type, data: arrival, metadata, facts } as unknown as SourceEvent
  })
}

/** The payload of an arrival; its content is read from the log when somebody looks. */
class Arrival {
  readonly #position: bigint
  readonly #source: Local
  constructor(data: object, position: bigint, source: Local) {
    Object.assign(this, data)
    this.#position = position
    this.#source = source
  }
  get content(): unknown {
    const event = this.#source.openAt(this.#position)
    if (event === undefined || isRedacted(event)) throw new Error('Its account was erased meanwhile.')
    return (event.data as { content: unknown }).content
  }
}
