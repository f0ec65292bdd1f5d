// What the main thread and the threads of the projectors say to one another. Plain data only.
import type { ParkedEvent, ProjectionStatus, RebuildProgress } from './projectors.ts'

export interface WorkerConfig {
  readonly data: string
  /** Folder of the generations, below `data`. */
  readonly folder: string
  readonly names: readonly string[]
  readonly source: unknown
  /** Whether 'applied' tells of the batch. */
  readonly traced?: boolean
}

/** A batch of events that a projector applied, for traces. */
export interface AppliedBatch {
  readonly views: readonly string[]
  readonly events: number
  /** Epoch milliseconds, with fractions. */
  readonly began: number
  readonly ended: number
  /** Of its events, each once, at most MAX_TRACED. */
  readonly correlationIds: readonly string[]
}

/** Traces that one batch of a projector shows up in. */
export const MAX_TRACED = 32

export type ToWorker =
  | { readonly type: 'poke' }
  | { readonly type: 'forget'; readonly account: string }
  | { readonly type: 'status'; readonly id: number }
  /** Stop at a batch's end once there, store the checkpoint, and wait for 'resume' or 'switch'. */
  | { readonly type: 'freeze'; readonly id: number; readonly atLeast: bigint | undefined }
  | { readonly type: 'resume' }
  /** Serve these generations from here on. */
  | { readonly type: 'switch'; readonly id: number; readonly generations: readonly (readonly [string, number])[] }
  | { readonly type: 'close' }

export type FromWorker =
  | { readonly type: 'opened'; readonly name: string; readonly generation: number; readonly path: string }
  /** Every projection has met the end of the log once. */
  | { readonly type: 'live' }
  | {
      readonly type: 'applied'
      readonly mailboxes: ReadonlyMap<string, bigint>
      readonly positions: readonly (readonly [string, bigint | undefined])[]
      readonly batch?: AppliedBatch
    }
  | { readonly type: 'answer'; readonly id: number; readonly value: Answer }
  | { readonly type: 'failure'; readonly error: string }

export type Answer =
  | { readonly kind: 'status'; readonly status: ProjectionStatus[] }
  | { readonly kind: 'frozen'; readonly position: bigint | undefined }
  | { readonly kind: 'switched' }

export interface RebuildConfig extends WorkerConfig {
  /** The generation to fill for each name, and the file of the one that serves, if there is one to compare with. */
  readonly generations: readonly {
    readonly name: string
    readonly path: string
    readonly serving: string | undefined
  }[]
}

export type ToRebuild =
  | { readonly type: 'poke' }
  /** The serving generations stand at this position now: take a snapshot of them, say so, reach it, and compare. */
  | { readonly type: 'compare'; readonly position: bigint | undefined }
  /** Reach this position and let go of the files. */
  | { readonly type: 'finish'; readonly position: bigint | undefined }

export type FromRebuild =
  | { readonly type: 'progress'; readonly progress: RebuildProgress }
  | { readonly type: 'caught-up'; readonly position: bigint | undefined }
  | { readonly type: 'snapshotted' }
  | { readonly type: 'compared'; readonly results: readonly Compared[]; readonly position: bigint | undefined }
  | { readonly type: 'finished' }

export interface Compared {
  readonly name: string
  readonly events: number
  readonly seconds: number
  readonly digest: string
  readonly previousDigest: string | undefined
  readonly parked: number
}

export type { ParkedEvent }
