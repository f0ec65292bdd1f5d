// A search thread: either the one that keeps the index up to date, or one that answers queries. Run by SearchThreads as a worker.
import { setPriority } from 'node:os'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { isRedacted, type Position } from '../../../domain/log.ts'
import type { EventSource, SourceEvent } from '../../../projections/ports/event-source.ts'
import { SearchIndexError } from '../../../projections/ports/search-index.ts'
import { type Projection, run } from '../../../projections/runtime.ts'
import { searchProjection } from '../../../projections/search/projector.ts'
import { searchMessages } from '../../../projections/search/search.ts'
import { type OpenedSource, openEventSource } from '../journal/open-source.ts'
import { Fts5Index } from './fts5.ts'
import { openMessageReader } from './message-reader.ts'
import type { FeederConfig, FromFeeder, ToFeeder } from './search-feeder.ts'
import type { FromThread, SearchAnswer, SearchRequest, SearchThreadConfig, ToThread } from './search-protocol.ts'

/** Events of a batch: many while filling, for fewer and larger segments; few when live, so that a batch is short. */
const FILLING_BATCH = 1000
const LIVE_BATCH = 200
/** Batches die young, but there is a lot of them: without a bound V8 lets them pile up. */
const SMALL_HEAP = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 256 }

// Indexing gives way: under load mail is taken and shown first, and search follows when there is time. On Linux this is the nice value
// of the calling thread alone (sched(7)); elsewhere it would be the whole process's.
if (process.platform === 'linux' && (workerData as SearchThreadConfig).role === 'index') setPriority(0, 10)

const port = parentPort
if (port === null) throw new Error('search-thread.ts is a worker of SearchThreads')
const say = (message: FromThread): void => port.postMessage(message)
const config = workerData as SearchThreadConfig

interface Service {
  readonly checkpoint: Position | undefined
  answer(request: SearchRequest): Promise<SearchAnswer>
  tell(message: Exclude<ToThread, { kind: 'call' }>): void
}

async function keepIndex(source: OpenedSource): Promise<Service> {
  const index = new Fts5Index(config.file)
  const messages = config.blobs === undefined ? undefined : openMessageReader(config.blobs)
  const checkpoint = await index.checkpoint()
  const stop = new AbortController()
  let projection: Projection | undefined

  const live = async (): Promise<void> => {
    let filling = config.filling === true
    if (filling) {
      await fill(index, stop.signal).catch((error: unknown) => {
        // What is missing is indexed from here, more slowly.
        if (!stop.signal.aborted) say({ kind: 'trouble', message: describe(error).message })
      })
    }
    projection = await searchProjection({ index, source, ...(messages ? { messages } : {}) })
    await run(source, [projection], stop.signal, {
      batchSize: LIVE_BATCH,
      onError: (error) => say({ kind: 'trouble', message: describe(error).message }),
      async onBatch({ events, position, caughtUp, lastAt }) {
        say({ kind: 'applied', position, events, lastAt })
        if (!filling || !caughtUp) return
        filling = false
        await index.optimize()
        say({ kind: 'filled' })
      },
    })
  }
  const running = live()

  return {
    checkpoint,
    async answer(request) {
      switch (request.op) {
        case 'digest':
          await projection?.settle()
          return index.digest()
        case 'status': {
          const { newest, count } = projection?.parked() ?? { newest: [], count: 0 }
          return {
            checkpoint: projection?.position() ?? (await index.checkpoint()),
            applied: projection?.applied() ?? 0,
            parked: newest,
            parkedCount: count,
          }
        }
        case 'close':
          stop.abort()
          await running
          await messages?.close()
          await index.close()
          await source.close()
          return null
        default:
          throw new SearchIndexError('unavailable', `the indexing thread does not ${request.op}`)
      }
    },
    tell(message) {
      if (message.kind === 'poke') source.poke()
      else source.forget(message.account)
    },
  }
}

/** Applies what another thread reads, up to the end of the log as it is now. */
async function fill(index: Fts5Index, signal: AbortSignal): Promise<void> {
  const { source, blobs } = config
  const workerData: FeederConfig = {
    source,
    after: await index.checkpoint(),
    batchSize: FILLING_BATCH,
    ...(blobs === undefined ? {} : { blobs }),
  }
  const feeder = new Worker(new URL('./search-feeder.ts', import.meta.url), { workerData, resourceLimits: SMALL_HEAP })
  const tell = (message: ToFeeder): void => feeder.postMessage(message)
  try {
    await new Promise<void>((resolve, reject) => {
      // One after the other: an answer about contents counts every batch before its question.
      let last = Promise.resolve()
      const handle = async (message: FromFeeder): Promise<void> => {
        if (signal.aborted) return
        if (message.kind === 'end') resolve()
        else if (message.kind === 'contents') {
          tell({ kind: 'contents', found: await index.contents(message.account, message.messageIds) })
        } else {
          await index.apply(message.changes, message.position)
          say({ kind: 'applied', position: message.position, events: message.events, lastAt: undefined })
          tell({ kind: 'applied' })
          // Questions of the main thread are answered between batches.
          await new Promise((next) => setImmediate(next))
        }
      }
      feeder.on('message', (message: FromFeeder) => {
        last = last.then(() => handle(message)).catch(reject)
      })
      feeder.on('error', reject)
      feeder.on('exit', () => last.then(resolve))
      signal.addEventListener('abort', () => last.then(resolve), { once: true })
    })
  } finally {
    await feeder.terminate()
  }
}

function answerQueries(source: OpenedSource): Service {
  let index = new Fts5Index(config.file, { readOnly: true })
  const events = new RecentEvents(source)
  return {
    checkpoint: undefined,
    async answer(request) {
      switch (request.op) {
        case 'search':
          return JSON.stringify(await searchMessages(index, events, request.account, request.query, request.options))
        case 'substring':
          return JSON.stringify(index.substring(request.account, request.needle, request.field) ?? null)
        case 'open': {
          const before = index
          index = new Fts5Index(request.file, { readOnly: true })
          await before.close()
          return null
        }
        case 'close':
          await index.close()
          await source.close()
          return null
        default:
          throw new SearchIndexError('unavailable', `a query thread does not ${request.op}`)
      }
    },
    tell(message) {
      if (message.kind !== 'forget') return
      events.clear()
      source.forget(message.account)
    },
  }
}

/**
 * Opening an event (two decryptions, two decompressions, JSON) is most of the cost of a page of hits. Ranking prefers new mail, so the
 * pages of one mailbox's queries overlap.
 */
class RecentEvents implements Pick<EventSource, 'readPositions'> {
  readonly #source: OpenedSource
  readonly #events = new Map<Position, SourceEvent>()
  #bytes = 0

  constructor(source: OpenedSource) {
    this.#source = source
  }

  async readPositions(positions: readonly Position[]): Promise<readonly SourceEvent[]> {
    const missing = positions.filter((position) => !this.#events.has(position))
    if (missing.length > 0) {
      for (const event of await this.#source.readPositions(missing, { text: true })) {
        this.#events.set(event.position, withoutStructure(event))
        this.#bytes += sizeOf(event)
      }
    }
    const found = positions.flatMap((position) => this.#events.get(position) ?? [])
    for (const event of found) {
      // Used last, dropped last.
      this.#events.delete(event.position)
      this.#events.set(event.position, event)
    }
    for (const [position, event] of this.#events) {
      if (this.#bytes <= KEPT_BYTES) break
      this.#events.delete(position)
      this.#bytes -= sizeOf(event)
    }
    return found
  }

  clear(): void {
    this.#events.clear()
    this.#bytes = 0
  }
}

/** Of texts and what is around them, in each query thread. */
const KEPT_BYTES = 24 * 1024 * 1024

function sizeOf(event: SourceEvent): number {
  if (isRedacted(event) || (event.type !== 'MessageReceived' && event.type !== 'MessageAppended')) return 500
  return 2000 + event.data.content.text.length
}

/** The MIME tree is the largest part of many events, and no hit shows it. */
function withoutStructure(event: SourceEvent): SourceEvent {
  if (isRedacted(event) || (event.type !== 'MessageReceived' && event.type !== 'MessageAppended')) return event
  const { type, encoding, headerStart, bodyStart, bodyEnd } = event.data.content.root
  const root = { type, params: {}, encoding, headerStart, bodyStart, bodyEnd }
  const content = { ...event.data.content, root }
  return event.type === 'MessageReceived'
    ? { ...event, data: { ...event.data, content } }
    : { ...event, data: { ...event.data, content } }
}

function describe(error: unknown): { code: string; message: string } {
  const code = error instanceof SearchIndexError ? error.code : 'unavailable'
  return { code, message: error instanceof Error ? error.message : String(error) }
}

try {
  const source = await openEventSource(config.source)
  const serve = config.role === 'index' ? await keepIndex(source) : answerQueries(source)
  port.on('message', (message: ToThread) => {
    if (message.kind !== 'call') return serve.tell(message)
    serve
      .answer(message.request)
      .then((answer) => say({ kind: 'answer', seq: message.seq, answer }))
      .catch((error: unknown) => say({ kind: 'failed', seq: message.seq, ...describe(error) }))
      .finally(() => {
        if (message.request.op === 'close') port.close()
      })
  })
  say({ kind: 'ready', checkpoint: serve.checkpoint })
} catch (error) {
  say({ kind: 'refused', ...describe(error) })
}
