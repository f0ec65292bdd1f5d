// Opens the later part of one stream for a replay, so that opening events uses two cores. Contents stay where they are.
import { parentPort, workerData } from 'node:worker_threads'
import { isRedacted } from '../../domain/log.ts'
import { factsOf } from '../../projections/mailbox/projector.ts'
import { isUnreadable, type SourceEvent } from '../../projections/ports/event-source.ts'
import { openEventSource } from '../adapters/journal/open-source.ts'
import type { PackedStep, RangePage, RangeRequest } from './split-source.ts'

const port = parentPort
if (!port) throw new Error('range-worker.ts runs as a worker thread')
const { source: config, stream, from } = workerData as RangeRequest
const source = await openEventSource(config)
/** Few messages: each wakes the other thread. */
const PAGE = 2048
let held: SourceEvent[] = []
const send = (last: boolean) => {
  const steps = JSON.stringify(held.map(pack))
  const places = Float64Array.from(held.flatMap((event) => [Number(event.revision), Number(event.position)]))
  port.postMessage({ steps, places, last } satisfies RangePage)
  held = []
}
for await (const page of source.readPages(stream, { from })) {
  held.push(...page)
  if (held.length >= PAGE) send(false)
}
send(true)
await source.close()

function pack(event: SourceEvent): PackedStep {
  const { type } = event
  if (isRedacted(event)) return [type]
  if (isUnreadable(event)) return [type, null, event.error.message]
  if (event.type !== 'MessageReceived' && event.type !== 'MessageAppended') return [type, event.data, event.metadata.at]
  const { messageId, folderId, flags, receivedAt } = event.data
  const { size, threadKeys } = event.facts ?? factsOf(event.data.content)
  return [type, { messageId, folderId, flags, receivedAt }, event.metadata.at, size, threadKeys]
}
