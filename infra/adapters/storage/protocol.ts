// What the threads of this process say to the storage thread, and what it answers.
import type { AppendResult, ExpectedRevision } from '../../../commands/ports/event-store.ts'

export interface StorageConfig {
  /** File of the SQLite log; absent when another engine keeps the events. */
  readonly log?: string
  /** Folder of the pack files; absent when another engine keeps the blobs. */
  readonly blobs?: string
  readonly segmentBytes?: number
}

/** An append whose bytes lie in `bytes`, metadata before data, event after event. */
export interface PackedAppend {
  readonly stream: string
  readonly expected: ExpectedRevision
  readonly events: readonly {
    readonly id: string
    readonly type: string
    readonly metadata: number
    readonly data: number
  }[]
}

export type StorageRequest =
  | {
      readonly op: 'append'
      readonly seq: number
      readonly appends: readonly PackedAppend[]
      /** Blobs that must be there for the appends to happen. */
      readonly blobs?: readonly string[]
      readonly bytes: Uint8Array
    }
  | { readonly op: 'put'; readonly seq: number; readonly id: string; readonly bytes: Uint8Array }
  | { readonly op: 'delete'; readonly seq: number; readonly id: string }
  | { readonly op: 'begin'; readonly seq: number; readonly handle: number }
  | { readonly op: 'write'; readonly seq: number; readonly handle: number; readonly bytes: Uint8Array }
  | { readonly op: 'finish'; readonly seq: number; readonly handle: number }
  | { readonly op: 'abort'; readonly seq: number; readonly handle: number }
  | { readonly op: 'compact'; readonly seq: number; readonly share?: number }
  | { readonly op: 'close'; readonly seq: number }

export type StorageReply =
  | { readonly seq: number; readonly results: readonly AppendResult[] }
  | { readonly seq: number; readonly value?: unknown }
  | {
      readonly seq: number
      readonly error: { readonly kind: 'event-store' | 'blob'; readonly code: string; readonly message: string }
    }

/** One post for everything that a round of group commit settled; `head` is the newest position of the log. */
export interface StorageRound {
  readonly replies: readonly StorageReply[]
  readonly head?: number
}
