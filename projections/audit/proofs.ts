// What the command line asks of the audit: signed heads, the tree they are signed over, and the verdict on the whole log.
import type { Position } from '../../domain/log.ts'
import type { SealedLog } from './sealed-log.ts'
import type { TreeReader } from './tree.ts'
import type { LogVerdict } from './verify-log.ts'

/** A head of the tree that the log itself holds. */
export interface SignedHead {
  /** Events that it covers. */
  readonly size: number
  /** C2SP checkpoint: the note with its signature. */
  readonly checkpoint: string
  /** Of its own event in the log. */
  readonly position: Position
}

export interface VerifyOptions {
  /** Further keys whose signatures count, besides the server's own. */
  readonly keys?: readonly string[]
  readonly checkpoints?: readonly { readonly name: string; readonly note: string }[]
  readonly blobs: number | 'all' | 'none'
}

export interface AuditProofs {
  readonly log: SealedLog
  /** The server's signed-note verifier key, made at first use. */
  publicKey(): string
  /** A note over any text, with the server's signature. */
  signNote(text: string): string
  /** Brings the tree to the end of the log and signs it into the log, unless the newest head covers everything already. */
  sign(): Promise<SignedHead & { readonly signed: boolean }>
  /** The newest head when it covers the events at these positions, else a new one. */
  headOver(positions: readonly Position[]): Promise<SignedHead>
  /** One moment of the tree, closed when `use` is done. */
  withTree<T>(use: (tree: TreeReader) => T | Promise<T>): Promise<T>
  verify(
    options: VerifyOptions,
    onProgress: (progress: { readonly phase: string; readonly done: number; readonly total: number }) => void,
    signal: AbortSignal,
  ): Promise<LogVerdict>
}
