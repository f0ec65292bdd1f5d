// Append and BatchAppend of the EventStoreDB double.
import shared from '@eventstore/db-client/generated/shared_pb.js'
import statuses from '@eventstore/db-client/generated/status_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import type { ServerDuplexStream, ServerReadableStream, sendUnaryData } from '@grpc/grpc-js'
import any from 'google-protobuf/google/protobuf/any_pb.js'
import empty from 'google-protobuf/google/protobuf/empty_pb.js'
import type { Expected, NewLogEvent, WriteOutcome } from './log.ts'
import type { Node } from './node.ts'
import { accessDenied, invalidArgument, maxAppendSizeExceeded, missingProperty, unknown } from './refusals.ts'

export const MAX_APPEND_SIZE = 1024 * 1024

type Proposed = streams.AppendReq.ProposedMessage | streams.BatchAppendReq.ProposedMessage

/** As the server weighs an event: its data and metadata, and its type at two bytes a character. */
const sizeOf = (event: NewLogEvent): number => event.data.length + event.metadata.length + 2 * event.type.length

function eventOf(message: Proposed): NewLogEvent {
  const type = message.getMetadataMap().get('type')
  const contentType = message.getMetadataMap().get('content-type')
  if (type === undefined) throw missingProperty('type')
  if (contentType === undefined) throw missingProperty('content-type')
  if (contentType !== 'application/json' && contentType !== 'application/octet-stream')
    throw invalidArgument(`content type ${contentType}`)
  const uuid = message.getId()
  if (!uuid?.hasString()) throw unknown('ids that are not in text form')
  const id = uuid.getString().toLowerCase()
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw invalidArgument(`id ${id}`)
  return { id, type, contentType, data: message.getData_asU8(), metadata: message.getCustomMetadata_asU8() }
}

function expectedOf(options: streams.AppendReq.Options): Expected {
  if (options.hasRevision()) return BigInt(options.getRevision())
  if (options.hasNoStream()) return 'no-stream'
  if (options.hasAny()) return 'any'
  if (options.hasStreamExists()) return 'stream-exists'
  throw invalidArgument('An append needs an expected revision')
}

const streamOf = (identifier: shared.StreamIdentifier | undefined): string => {
  const name = Buffer.from(identifier?.getStreamName_asU8() ?? []).toString()
  if (name === '') throw invalidArgument('An append needs a stream')
  return name
}

export function append(
  node: Node,
  call: ServerReadableStream<streams.AppendReq, streams.AppendResp>,
  callback: sendUnaryData<streams.AppendResp>,
): void {
  let options: streams.AppendReq.Options | undefined
  const events: NewLogEvent[] = []
  let size = 0
  let refused: unknown
  call.on('data', (request: streams.AppendReq) => {
    if (refused !== undefined) return
    try {
      if (options === undefined) {
        options = request.getOptions()
        if (options === undefined) throw invalidArgument('The first message of an append has its options')
        return
      }
      const message = request.getProposedMessage()
      if (message === undefined) throw invalidArgument('An append has its options once')
      const event = eventOf(message)
      size += sizeOf(event)
      if (size > MAX_APPEND_SIZE) throw maxAppendSizeExceeded(MAX_APPEND_SIZE)
      events.push(event)
    } catch (error) {
      refused = error
      callback(error as Error)
    }
  })
  call.on('end', () => {
    if (refused !== undefined || call.cancelled) return
    void (async () => {
      try {
        if (options === undefined || events.length === 0) throw unknown('appends without events')
        const user = node.authorise(call)
        node.checkLeader(call)
        const stream = streamOf(options.getStreamIdentifier())
        if (stream.startsWith('$') && !user.admin) throw accessDenied()
        const expected = expectedOf(options)
        const outcome = await node.write(stream, expected, events)
        if (outcome !== undefined) callback(null, respond(outcome, expected))
      } catch (error) {
        callback(error as Error)
      }
    })()
  })
}

function respond(outcome: WriteOutcome, expected: Expected): streams.AppendResp {
  const response = new streams.AppendResp()
  if (outcome.kind === 'wrong-expected-version') {
    const wrong = new streams.AppendResp.WrongExpectedVersion()
    if (outcome.current >= 0n) wrong.setCurrentRevision(String(outcome.current))
    else wrong.setCurrentNoStream(new shared.Empty())
    if (expected === 'any') wrong.setExpectedAny(new shared.Empty())
    else if (expected === 'no-stream') wrong.setExpectedNoStream(new shared.Empty())
    else if (expected === 'stream-exists') wrong.setExpectedStreamExists(new shared.Empty())
    else wrong.setExpectedRevision(String(expected))
    return response.setWrongExpectedVersion(wrong)
  }
  const position = new streams.AppendResp.Position()
  position.setCommitPosition(String(outcome.position))
  position.setPreparePosition(String(outcome.position))
  const success = new streams.AppendResp.Success()
  success.setCurrentRevision(String(outcome.revision))
  success.setPosition(position)
  return response.setSuccess(success)
}

interface Batch {
  readonly options: streams.BatchAppendReq.Options
  readonly events: NewLogEvent[]
  size: number
}

export function batchAppend(
  node: Node,
  call: ServerDuplexStream<streams.BatchAppendReq, streams.BatchAppendResp>,
): void {
  const batches = new Map<string, Batch>()
  call.on('end', () => call.end())
  call.on('data', (request: streams.BatchAppendReq) => {
    const correlation = request.getCorrelationId()?.getString() ?? ''
    try {
      const user = node.authorise(call)
      node.checkLeader(call)
      const options = request.getOptions()
      const batch = batches.get(correlation) ?? (options && { options, events: [], size: 0 })
      if (batch === undefined) throw invalidArgument('The first message of a batch has its options')
      batches.set(correlation, batch)
      for (const message of request.getProposedMessagesList()) {
        const event = eventOf(message)
        batch.size += sizeOf(event)
        batch.events.push(event)
      }
      if (!request.getIsFinal()) return
      batches.delete(correlation)
      const stream = Buffer.from(batch.options.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()
      if (stream.startsWith('$') && !user.admin) throw accessDenied()
      const expected = batchExpected(batch.options)
      const answer = new streams.BatchAppendResp()
      answer.setCorrelationId(request.getCorrelationId())
      answer.setStreamIdentifier(batch.options.getStreamIdentifier())
      if (batch.size > MAX_APPEND_SIZE) {
        const details = new shared.MaximumAppendSizeExceeded().setMaxappendsize(MAX_APPEND_SIZE)
        answer.setError(error('Maximum Append Size Exceeded', details, 'MaximumAppendSizeExceeded'))
        call.write(answer)
        return
      }
      void node.write(stream, expected, batch.events).then(
        (outcome) => outcome && call.write(batchOutcome(answer, outcome, expected)),
        (failure) => call.emit('error', failure),
      )
    } catch (refused) {
      call.emit('error', refused)
    }
  })
}

function batchExpected(options: streams.BatchAppendReq.Options): Expected {
  if (options.hasStreamPosition()) return BigInt(options.getStreamPosition())
  if (options.hasNoStream()) return 'no-stream'
  if (options.hasAny()) return 'any'
  if (options.hasStreamExists()) return 'stream-exists'
  throw invalidArgument('An append needs an expected revision')
}

function batchOutcome(answer: streams.BatchAppendResp, outcome: WriteOutcome, expected: Expected) {
  if (outcome.kind === 'wrong-expected-version') {
    const wrong = new shared.WrongExpectedVersion()
    if (outcome.current >= 0n) wrong.setCurrentStreamRevision(String(outcome.current))
    else wrong.setCurrentNoStream(new empty.Empty())
    if (typeof expected === 'bigint') wrong.setExpectedStreamPosition(String(expected))
    else if (expected === 'no-stream') wrong.setExpectedNoStream(new empty.Empty())
    else if (expected === 'any') wrong.setExpectedAny(new empty.Empty())
    else wrong.setExpectedStreamExists(new empty.Empty())
    return answer.setError(error('Wrong Expected Version', wrong, 'WrongExpectedVersion'))
  }
  const position = new shared.AllStreamPosition()
  position.setCommitPosition(String(outcome.position))
  position.setPreparePosition(String(outcome.position))
  const success = new streams.BatchAppendResp.Success()
  success.setCurrentRevision(String(outcome.revision))
  success.setPosition(position)
  return answer.setSuccess(success)
}

function error(message: string, details: { serializeBinary(): Uint8Array }, type: string): statuses.Status {
  const packed = new any.Any()
  packed.pack(details.serializeBinary(), `event_store.client.${type}`)
  return new statuses.Status().setMessage(message).setDetails(packed)
}
