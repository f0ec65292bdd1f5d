// The main thread's end of time travel: replaying 100,000 events must not hold up mail.
import { Worker } from 'node:worker_threads'
import type { AccountId } from '../../domain/log.ts'
import type { MailboxQueries } from '../../projections/queries.ts'
import type { MailboxMoment, Moment } from '../../projections/time-travel.ts'
import type { SourceConfig } from '../adapters/journal/open-source.ts'
import type { TravelReply, TravelRequest } from './worker.ts'

/** A mailbox that nobody asks about is let go after this long. */
const IDLE_MS = 30_000
/** Replays at once: each is a thread and holds a whole mailbox in memory. */
const MAX_TRAVELLERS = 4

let travelling = 0
/** Those that nobody asks just now, the longest resting first: they make room for new ones. */
const resting = new Set<Worker>()

export class TooManyTravellers extends Error {
  readonly code = 'busy'
  constructor() {
    super('Too many people are looking into the past just now: try again in a moment.')
  }
}

/** The mailbox as it was; its queries answer from a thread that ends by itself when they stop coming. */
export async function travel(source: SourceConfig, account: AccountId, moment: Moment): Promise<MailboxMoment> {
  while (travelling >= MAX_TRAVELLERS) {
    const [oldest] = resting
    if (!oldest) throw new TooManyTravellers()
    resting.delete(oldest)
    await oldest.terminate()
  }
  travelling++
  const request: TravelRequest = { source, account, moment }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: request,
    // Nearly everything that a replay makes stays: copying it between small young generations costs more than room.
    resourceLimits: { maxYoungGenerationSizeMb: 96 },
  })
  worker.unref()
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let seq = 0
  let idle: NodeJS.Timeout | undefined
  const rest = () => {
    clearTimeout(idle)
    idle = setTimeout(() => void worker.terminate(), IDLE_MS).unref()
    resting.add(worker)
  }
  const end = (error: Error) => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  worker.on('error', (error) => end(error instanceof Error ? error : new Error(String(error))))
  worker.once('exit', () => {
    travelling--
    resting.delete(worker)
    clearTimeout(idle)
    end(new Error('This look into the past was let go: ask again.'))
  })
  worker.on('message', (reply: TravelReply) => {
    const waiter = waiting.get(reply.seq)
    waiting.delete(reply.seq)
    if ('error' in reply) waiter?.reject(new Error(reply.error))
    else waiter?.resolve(reply.value)
    if (waiting.size > 0) return
    worker.unref()
    rest()
  })
  const answer = () =>
    new Promise<unknown>((resolve, reject) => {
      worker.ref()
      waiting.set(seq, { resolve, reject })
    })
  const facts = (await answer()) as Omit<MailboxMoment, 'queries'>
  const queries = new Proxy({} as MailboxQueries, {
    get: (_, method) => {
      if (typeof method !== 'string' || method === 'then') return undefined
      return (...args: readonly unknown[]) => {
        clearTimeout(idle)
        resting.delete(worker)
        seq++
        const answered = answer()
        worker.postMessage({ seq, method, args })
        return answered
      }
    },
  })
  return { ...facts, queries }
}
