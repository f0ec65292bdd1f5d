// What no engine of the log takes, whatever it could hold itself.
import {
  type Append,
  EventStoreError,
  MAX_APPEND_BYTES,
  MAX_EVENT_BYTES,
  STREAM_NAME,
} from '../../../commands/ports/event-store.ts'

/** Refuses what the port forbids, before anything is sent: the same for every engine. */
export function checkAppend({ stream, events }: Append): void {
  if (!STREAM_NAME.test(stream)) {
    throw new EventStoreError(
      'bad-stream-name',
      `Stream name ${JSON.stringify(stream.slice(0, 80))} has other characters than A-Z a-z 0-9 . _ -, or is not 1 to 200 long`,
    )
  }
  if (events.length === 0 || events.length > 1000) {
    throw new EventStoreError('append-too-large', `An append takes 1 to 1,000 events, not ${events.length}`)
  }
  let total = 0
  for (const event of events) {
    const bytes = event.data.length + event.metadata.length
    if (bytes > MAX_EVENT_BYTES) {
      throw new EventStoreError(
        'event-too-large',
        `A ${event.type} of ${bytes} bytes is over the limit of ${MAX_EVENT_BYTES}`,
      )
    }
    total += bytes
  }
  if (total > MAX_APPEND_BYTES) {
    throw new EventStoreError(
      'append-too-large',
      `An append of ${total} bytes is over the limit of ${MAX_APPEND_BYTES}: split it`,
    )
  }
}
