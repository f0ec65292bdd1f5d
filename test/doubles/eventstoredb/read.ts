// Read of the EventStoreDB double: a stream or $all, forwards or backwards, and subscriptions to $all with a prefix filter.
import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { LogEvent } from './log.ts'
import type { Node } from './node.ts'
import { accessDenied, invalidArgument, invalidPosition, unknown } from './refusals.ts'

type Call = ServerWritableStream<streams.ReadReq, streams.ReadResp>
type Options = streams.ReadReq.Options

/** Events that the server considers for a filter before it comes up for air, unless the client says otherwise. */
const SEARCH_WINDOW = 32
/** A live subscriber that is further behind than this is told so and is caught up again. */
const LIVE_BUFFER = 2_000
const ULONG_MAX = 2n ** 64n - 1n

export async function read(node: Node, call: Call): Promise<void> {
  try {
    const options = call.request.getOptions()
    if (options === undefined) throw invalidArgument('A read needs options')
    if (options.getResolveLinks()) throw unknown('resolving of links')
    if (options.hasControlOption()) throw unknown('control options')
    if (!options.getUuidOption()?.hasString()) throw unknown('ids that are not in text form')
    const user = node.authorise(call)
    node.checkLeader(call)
    if (options.hasSubscription()) {
      if (!options.hasAll()) throw unknown('subscriptions to one stream')
      if (!user.admin) throw accessDenied()
      await subscribe(node, call, options)
      return
    }
    if (!options.hasNoFilter()) throw unknown('filtered reads')
    if (options.hasAll() && !user.admin) throw accessDenied()
    const events = options.hasAll() ? readAll(node, options) : readStream(node, options)
    if (events === undefined) {
      const missing = new streams.ReadResp.StreamNotFound()
      missing.setStreamIdentifier(options.getStream()?.getStreamIdentifier())
      call.write(new streams.ReadResp().setStreamNotFound(missing))
    } else {
      for (const event of events) if (!(await send(call, eventResponse(event)))) return
    }
    call.end()
  } catch (error) {
    call.emit('error', error)
  }
}

function countOf(options: Options): number {
  if (!options.hasCount()) throw invalidArgument('A read needs a count')
  return Number(BigInt(options.getCount()))
}

function readAll(node: Node, options: Options): readonly LogEvent[] {
  const { events } = node.log
  const all = options.getAll() as streams.ReadReq.Options.AllOptions
  const count = countOf(options)
  const position = all.hasPosition() ? BigInt(all.getPosition()?.getCommitPosition() ?? 0) : undefined
  if (position !== undefined) checkPosition(node, position)
  if (options.getReadDirection() === 0) {
    const from = all.hasEnd() ? events.length : position === undefined ? 0 : node.log.after(position - 1n)
    return events.slice(from, from + count)
  }
  // Backwards from a position begins with the event before it.
  const to = all.hasStart() ? 0 : position === undefined ? events.length : node.log.after(position - 1n)
  return events.slice(Math.max(0, to - count), to).reverse()
}

/** A position inside a record is an error in a real log; one behind its end is not. */
function checkPosition(node: Node, position: bigint): void {
  const first = node.log.events[0]
  if (first === undefined || position >= node.log.end || position === 0n) return
  const at = node.log.events[node.log.after(position - 1n)]
  if (at === undefined || at.position !== position) throw invalidPosition()
}

function readStream(node: Node, options: Options): readonly LogEvent[] | undefined {
  const asked = options.getStream()
  if (asked === undefined) throw invalidArgument('A read is of a stream or of $all')
  const events = node.log.stream(Buffer.from(asked.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString())
  if (events.length === 0) return undefined
  const count = countOf(options)
  if (options.getReadDirection() === 0) {
    const from = asked.hasEnd() ? events.length : asked.hasStart() ? 0 : Number(BigInt(asked.getRevision()))
    return events.slice(from, from + count)
  }
  const last = asked.hasStart() ? 0 : asked.hasEnd() ? events.length - 1 : Number(BigInt(asked.getRevision()))
  const to = Math.min(last + 1, events.length)
  return events.slice(Math.max(0, to - count), to).reverse()
}

interface Filter {
  readonly prefixes: readonly string[]
  readonly window: number
  readonly interval: number
}

function filterOf(options: Options): Filter | undefined {
  const filter = options.getFilter()
  if (filter === undefined) {
    if (!options.hasNoFilter()) throw invalidArgument('A subscription says whether it filters')
    return undefined
  }
  const expression = filter.getStreamIdentifier()
  if (expression === undefined) throw unknown('filters by event type')
  if (expression.getRegex() !== '') throw unknown('filters by regular expression')
  const prefixes = expression.getPrefixList()
  if (prefixes.length === 0) throw invalidArgument('A prefix filter has a prefix')
  const window = filter.hasMax() ? filter.getMax() : SEARCH_WINDOW
  const multiplier = filter.getCheckpointintervalmultiplier()
  if (window < 1 || multiplier < 1) throw invalidArgument('Window and checkpoint interval start at 1')
  return { prefixes, window, interval: window * multiplier }
}

async function subscribe(node: Node, call: Call, options: Options): Promise<void> {
  const filter = filterOf(options)
  const all = options.getAll() as streams.ReadReq.Options.AllOptions
  const position = all.hasPosition() ? BigInt(all.getPosition()?.getCommitPosition() ?? 0) : undefined
  if (position !== undefined) checkPosition(node, position)
  let wake: () => void = () => undefined
  const stopListening = node.log.onAppend(() => wake())
  const stop = node.onEndSubscriptions(() => {
    ended = true
    wake()
  })
  let ended = false
  call.on('cancelled', () => {
    ended = true
    wake()
  })
  try {
    const { events } = node.log
    const wanted = (event: LogEvent) => filter === undefined || filter.prefixes.some((p) => event.stream.startsWith(p))
    const confirmation = new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(crypto.randomUUID())
    await send(call, new streams.ReadResp().setConfirmation(confirmation))
    let at = all.hasEnd() ? events.length : position === undefined ? 0 : node.log.after(position)
    let considered = 0
    let live = false
    if (node.faults.oddCheckpoints) await sendCheckpoint(call, ULONG_MAX)
    while (!ended) {
      if (at >= events.length) {
        if (!live) {
          live = true
          await send(call, new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()))
          if (node.faults.oddCheckpoints) await sendCheckpoint(call, 1n)
          continue
        }
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      if (live && events.length - at > LIVE_BUFFER) {
        live = false
        await send(call, new streams.ReadResp().setFellBehind(new streams.ReadResp.FellBehind()))
      }
      const page = events.slice(at, at + (filter?.window ?? SEARCH_WINDOW))
      at += page.length
      // Catching up, the server says where the page began if nothing in it matched; live, where the last event lies.
      let checkpoint = (page[0] as LogEvent).position
      for (const event of page) {
        if (wanted(event)) {
          checkpoint = event.position
          if (!(await send(call, eventResponse(event)))) return
        }
        considered++
        if (live && filter !== undefined && considered >= filter.interval) {
          considered = 0
          await sendCheckpoint(call, event.position)
        }
      }
      if (!live && filter !== undefined && considered >= filter.interval && at < events.length) {
        considered %= filter.interval
        await sendCheckpoint(call, checkpoint)
      }
    }
    call.end()
  } finally {
    stopListening()
    stop()
  }
}

async function sendCheckpoint(call: Call, position: bigint): Promise<void> {
  const checkpoint = new streams.ReadResp.Checkpoint()
  checkpoint.setCommitPosition(String(position)).setPreparePosition(String(position))
  await send(call, new streams.ReadResp().setCheckpoint(checkpoint))
}

/** False once nobody listens any more. */
async function send(call: Call, response: streams.ReadResp): Promise<boolean> {
  if (call.cancelled || call.destroyed) return false
  if (call.write(response)) return true
  await new Promise<void>((resolve) => {
    const done = () => {
      call.off('drain', done)
      call.off('cancelled', done)
      resolve()
    }
    call.once('drain', done)
    call.once('cancelled', done)
  })
  return !call.cancelled
}

function eventResponse(event: LogEvent): streams.ReadResp {
  const position = String(event.position)
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent()
  recorded.setId(new shared.UUID().setString(event.id))
  recorded.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(event.stream)))
  recorded.setStreamRevision(String(event.revision))
  recorded.setCommitPosition(position).setPreparePosition(position)
  recorded.getMetadataMap().set('type', event.type)
  recorded.getMetadataMap().set('created', `${BigInt(event.created) * 10_000n}`)
  recorded.getMetadataMap().set('content-type', event.contentType)
  recorded.setCustomMetadata(event.metadata).setData(event.data)
  return new streams.ReadResp().setEvent(
    new streams.ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(position),
  )
}
