// What the followers of the log in this room share: a checkpoint of their own, and looks from there up to the log's present end.
import type { CheckpointStore } from '../../commands/ports/checkpoint-store.ts'
import type { Position } from '../../domain/log.ts'
import type { EventSource, SourceBatch } from '../../projections/ports/event-source.ts'

/** One look at a time: who asks meanwhile is answered by the one that is running. */
export function oneAtATime<Found>(
  look: (signal: AbortSignal | undefined) => Promise<Found>,
): (signal?: AbortSignal) => Promise<Found> {
  let running: Promise<Found> | undefined
  return (signal) => {
    running ??= look(signal).finally(() => {
      running = undefined
    })
    return running
  }
}

/** Where a follower goes on. The first time it begins at the log's end, and is on record as having come so far. */
export async function fromNowOn(
  checkpoints: CheckpointStore,
  name: string,
  head: () => Promise<Position | undefined>,
): Promise<Position> {
  const saved = await checkpoints.load(name)
  if (saved !== undefined) return saved
  const end = (await head()) ?? 0n
  await checkpoints.save(name, end)
  return end
}

/** The log behind `after`, up to where it ends now: the last batch is the one that has caught up, unless the signal came first. */
export async function* upToNow(
  source: Pick<EventSource, 'subscribe'>,
  options: {
    readonly after: Position | undefined
    readonly prefixes: readonly string[]
    readonly types: ReadonlySet<string>
    readonly signal: AbortSignal | undefined
  },
): AsyncGenerator<SourceBatch> {
  const { signal, ...rest } = options
  for await (const batch of source.subscribe({ ...rest, ...(signal ? { signal } : {}) })) {
    yield batch
    if (batch.caughtUp) return
  }
}
