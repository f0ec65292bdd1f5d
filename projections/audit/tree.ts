// The tree projection: the leaf of every event, in log order, and where in the log each leaf's event is.
import { isRedacted, type Position } from '../../domain/log.ts'
import type { SourceEvent } from '../ports/event-source.ts'
import type { Projector } from '../ports/view-store.ts'
import type { SealedEvent } from './sealed-log.ts'

export interface TreeUnit {
  readonly leaves: { readonly position: Position; readonly leaf: Uint8Array }[]
}

/** Every type, also those that a newer version wrote: what is in the log is in the tree. */
class EveryType extends Set<string> {
  override has(): boolean {
    return true
  }
}

/** Fed by `SealedLog.subscribeSealed`: it opens nothing, so an event that is damaged or redacted is a leaf like any other. */
export const treeProjector: Projector<TreeUnit> = {
  name: 'tree',
  version: 1,
  prefixes: [],
  types: new EveryType(),
  apply(unit: TreeUnit, event: SourceEvent): void {
    if (!isSealed(event)) throw new Error('The tree is projected from sealed events')
    unit.leaves.push({ position: event.position, leaf: event.leaf })
  },
}

const isSealed = (event: SourceEvent): event is SealedEvent => isRedacted(event) && 'leaf' in event

/** The tree as far as it reflects the log. All answers of one reader are of one moment. */
export interface TreeReader {
  readonly size: number
  /** Position of the newest event that it holds. */
  readonly position: Position | undefined
  rootAt(size: number): Uint8Array
  leafAt(index: number): Uint8Array
  inclusion(index: number, size: number): Uint8Array[]
  consistency(first: number, second: number): Uint8Array[]
  /** Number of the leaf of the event at a position; undefined when the tree does not have it. */
  indexOf(position: Position): number | undefined
  /** Leaves in log order with the positions of their events, from a number on. */
  leaves(from?: number): Iterable<{ readonly position: Position; readonly leaf: Uint8Array }>
}
