// The thread that reads and opens the log for a filling, so that opening events and applying them use two cores.
import { parentPort, workerData } from 'node:worker_threads'
import { isRedacted } from '../../domain/log.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import { factsOf } from '../../projections/mailbox/projector.ts'
import { isUnreadable, type SourceEvent } from '../../projections/ports/event-source.ts'
import { MAX_ROW_ADDRESSES } from '../../projections/queries.ts'
import { openEventSource, type SourceConfig } from '../adapters/journal/open-source.ts'
import type { DecodedBatch, PackedContent, PackedEvent, ToDecoder } from './decoded-source.ts'

const port = parentPort
if (port === null) throw new Error('This file is the entry of a worker thread.')
const source = await openEventSource(workerData as SourceConfig)
let stop: AbortController | undefined
/** Events opened in one go. */
const OPENED = 500
let credit = 0
let more: (() => void) | undefined

async function read(
  subscription: number,
  options: Extract<ToDecoder, { type: 'subscribe' }>['options'],
): Promise<void> {
  const own = new AbortController()
  stop = own
  credit = options.ahead
  // Opened events are many times larger than packed ones: few at a time are opened, and many are sent at once.
  let events: PackedEvent[] = []
  let places: number[] = []
  const batchSize = Math.min(OPENED, options.batchSize)
  for await (const batch of source.subscribe({ ...options, batchSize, signal: own.signal })) {
    for (const event of batch.events) {
      events.push(pack(event))
      places.push(Number(event.revision), Number(event.position))
    }
    if (events.length < options.batchSize && !batch.caughtUp) continue
    const { position, caughtUp } = batch
    const packed = JSON.stringify(events)
    const message: DecodedBatch = {
      subscription,
      events: packed,
      places: Float64Array.from(places),
      position,
      caughtUp,
    }
    port?.postMessage(message)
    events = []
    places = []
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

function pack(event: SourceEvent): PackedEvent {
  const { stream, type } = event
  if (isRedacted(event)) return [stream, type]
  if (isUnreadable(event)) return [stream, type, null, event.error.message]
  if (event.type !== 'MessageReceived' && event.type !== 'MessageAppended')
    return [stream, type, event.data, event.metadata.at]
  const { messageId, folderId, flags, receivedAt } = event.data
  const { size, threadKeys } = event.facts ?? factsOf(event.data.content)
  const data = { messageId, folderId, flags, receivedAt }
  return [stream, type, data, event.metadata.at, size, threadKeys, packContent(event.data)]
}

function packContent(arrival: { readonly content: MessageContent }): PackedContent | string {
  try {
    const { envelope, snippet, hasAttachment } = arrival.content
    const from = envelope.from.slice(0, MAX_ROW_ADDRESSES)
    const to = envelope.to.slice(0, MAX_ROW_ADDRESSES)
    const { subject, date = null, messageId = null } = envelope
    return [subject, from, to, date, snippet, hasAttachment, messageId]
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
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
