// Replays one mailbox up to a moment in a thread of its own, then answers questions about it until it is let go.
import { parentPort, workerData } from 'node:worker_threads'
import type { AccountId } from '../../domain/log.ts'
import type { MailboxQueries } from '../../projections/queries.ts'
import { type Moment, mailboxAt } from '../../projections/time-travel.ts'
import { openEventSource, type SourceConfig } from '../adapters/journal/open-source.ts'
import { MemoryMailbox } from '../adapters/views/memory-mailbox.ts'
import { splitSource } from './split-source.ts'

export interface TravelRequest {
  readonly source: SourceConfig
  readonly account: AccountId
  readonly moment: Moment
}
export type TravelCall = {
  readonly seq: number
  readonly method: keyof MailboxQueries
  readonly args: readonly unknown[]
}
export type TravelReply =
  | { readonly seq: number; readonly value: unknown }
  | { readonly seq: number; readonly error: string }

const port = parentPort
if (!port) throw new Error('worker.ts runs as a worker thread')
const { source: config, account, moment } = workerData as TravelRequest
const source = await openEventSource(config)
const { queries, ...facts } = await mailboxAt(splitSource(source, config), account, moment, () => {
  const store = new MemoryMailbox()
  return { store, queries: store.queries }
})
// The log stays open: contents are read when a listing shows them. This thread is ended from outside.
port.on('message', ({ seq, method, args }: TravelCall) => {
  const ask = queries[method] as (...args: readonly unknown[]) => Promise<unknown>
  ask.apply(queries, [...args]).then(
    (value) => port.postMessage({ seq, value } satisfies TravelReply),
    (error) => port.postMessage({ seq, error: String(error.message ?? error) } satisfies TravelReply),
  )
})
port.postMessage({ seq: 0, value: facts } satisfies TravelReply)
