// How far the followers of the log that have side effects have come. Losing one costs a second look: what they do follows from the log.
import type { Position } from '../../domain/log.ts'

export interface CheckpointStore {
  /** Undefined when the follower has none yet. */
  load(name: string): Promise<Position | undefined>
  save(name: string, position: Position): Promise<void>
}
