// The thread that reads and opens the log for a filling, so that opening events and applying them use two cores.
import { parentPort, workerData } from 'node:worker_threads'
import { isRedacted } from '../../domain/log.ts'
import type { SourceEvent } from '../../projections/ports/event-source.ts'
import { openEventSource, type SourceConfig } from '../adapters/journal/open-source.ts'
import type { DecodedBatch, PackedEvent, ToDecoder } from './decoded-source.ts'

const port = parentPort
if (port === null) throw new Error('This file is the entry of a worker thread.')
const source = await openEventSource(workerData as SourceConfig)
let stop: AbortController | undefined
let credit = 0
let more: (() => void) | undefined

async function read(
  subscription: number,
  options: Extract<ToDecoder, { type: 'subscribe' }>['options'],
): Promise<void> {
  const own = new AbortController()
  stop = own
  credit = options.ahead
  for await (const batch of source.subscribe({ ...options, signal: own.signal })) {
    const message: DecodedBatch = {
      subscription,
      events: JSON.stringify(batch.events.map(pack)),
      places: Float64Array.from(batch.events.flatMap((event) => [Number(event.revision), Number(event.position)])),
      position: batch.position,
      caughtUp: batch.caughtUp,
    }
    port?.postMessage(message)
    // Only so many batches lie between the threads: memory stays bounded.
    credit--
    while (credit <= 0 && !own.signal.aborted) {
      await new Promise<void>((resolve) => {
        more = resolve
      })
    }
    if (own.signal.aborted) return
  }
}

/** Views need no MIME structure: it is the larger half of an arrival, and stays here. */
function pack(event: SourceEvent): PackedEvent {
  if (isRedacted(event)) return [event.id, event.stream, event.type]
  const { id, stream, type, metadata } = event
  if (event.type !== 'MessageReceived' && event.type !== 'MessageAppended')
    return [id, stream, type, event.data, metadata]
  const { root: _, attachments: __, ...content } = event.data.content
  return [id, stream, type, { ...event.data, content }, metadata]
}

port.on('message', (message: ToDecoder) => {
  switch (message.type) {
    case 'subscribe':
      void read(message.subscription, message.options).catch((error: unknown) => {
        port.postMessage({ subscription: message.subscription, error: String(error) })
      })
      return
    case 'more':
      credit++
      more?.()
      return
    case 'stop':
      stop?.abort()
      more?.()
      return
    case 'poke':
      source.poke()
      return
    case 'close':
      stop?.abort()
      more?.()
      void source.close().then(() => port.close())
      return
    default: {
      const _: never = message
    }
  }
})
