// A thread that reads, opens and analyses the log for an index that fills from nothing, while another one writes the words: the two
// halves cost about the same, so a filling takes half the time on two cores.
import { parentPort, workerData } from 'node:worker_threads'
import type { AccountId, Position } from '../../../domain/log.ts'
import type { SearchChange } from '../../../projections/ports/search-index.ts'
import { run } from '../../../projections/runtime.ts'
import { type ProjectedIndex, searchProjection } from '../../../projections/search/projector.ts'
import { openEventSource, type SourceConfig } from '../journal/open-source.ts'
import { openMessageReader } from './message-reader.ts'

export interface FeederConfig {
  readonly source: SourceConfig
  readonly blobs?: string
  /** Where the index stands; undefined for a new one. */
  readonly after: Position | undefined
  readonly batchSize: number
}

export type FromFeeder =
  | {
      readonly kind: 'batch'
      readonly changes: readonly SearchChange[]
      readonly position: Position
      readonly events: number
    }
  /** What the index knows once all batches before this are applied. */
  | { readonly kind: 'contents'; readonly account: AccountId; readonly messageIds: readonly string[] }
  /** The end of the log was met. */
  | { readonly kind: 'end' }

export type ToFeeder =
  | { readonly kind: 'applied' }
  | { readonly kind: 'contents'; readonly found: ReadonlyMap<string, Position> }

/** Batches that may lie between the threads. */
const AHEAD = 2

const port = parentPort
if (port === null) throw new Error('search-feeder.ts is a worker of the indexing thread')
const say = (message: FromFeeder): void => port.postMessage(message)
const config = workerData as FeederConfig

let between = 0
let room: (() => void) | undefined
let answered: ((found: ReadonlyMap<string, Position>) => void) | undefined
port.on('message', (message: ToFeeder) => {
  if (message.kind === 'contents') return answered?.(message.found)
  between--
  room?.()
})

const index: ProjectedIndex = {
  checkpoint: async () => config.after,
  async apply(changes, position) {
    while (between >= AHEAD) {
      await new Promise<void>((resolve) => {
        room = resolve
      })
    }
    between++
    say({ kind: 'batch', changes, position, events: changes.length })
  },
  contents(account, messageIds) {
    return new Promise((resolve) => {
      answered = resolve
      say({ kind: 'contents', account, messageIds })
    })
  },
}

const source = await openEventSource(config.source)
const messages = config.blobs === undefined ? undefined : openMessageReader(config.blobs)
const projection = await searchProjection({ index, source, ...(messages ? { messages } : {}) })
const until = await source.head()
if (until !== undefined) {
  const { batchSize } = config
  await run(source, [projection], new AbortController().signal, { batchSize, until, once: true })
}
await messages?.close()
await source.close()
say({ kind: 'end' })
port.close()
