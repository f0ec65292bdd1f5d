// What the main thread asks of the audit thread, one job a thread, and what it hears. Plain data only.
import type { Finding, LogVerdict } from '../../projections/audit/verify-log.ts'
import type { SourceConfig } from '../adapters/journal/open-source.ts'

export interface AuditPlaces {
  /** The data folder; the tree lies in `views/` below it. */
  readonly data: string
  readonly source: SourceConfig
  /** Folder of the pack files. */
  readonly blobs: string
}

export type AuditJob =
  /** Brings the tree to the end of the log. */
  | { readonly kind: 'follow' }
  /** Makes the tree anew beside the one that serves, compares both, switches. */
  | { readonly kind: 'rebuild' }
  | {
      readonly kind: 'verify'
      /** Signed-note keys whose signatures count. */
      readonly keys: readonly string[]
      readonly checkpoints: readonly { readonly name: string; readonly note: string }[]
      /** How many messages are opened and hashed. */
      readonly blobs: number | 'all' | 'none'
    }

export type AuditThreadConfig = AuditPlaces & { readonly job: AuditJob }

export interface Followed {
  readonly generation: number
  readonly size: number
}

export interface RebuiltTree {
  readonly generation: number
  readonly events: number
  readonly seconds: number
  readonly digest: string
  readonly previousDigest: string | undefined
}

/** A message whose raw bytes are not kept: right for one that was expunged long ago, wrong for any other. */
export interface MissingBlob {
  readonly account: string
  readonly messageId: string
  readonly finding: Finding
}

export interface WalkedLog {
  readonly verdict: LogVerdict
  readonly missing: readonly MissingBlob[]
}

export interface AuditProgress {
  readonly phase: 'following' | 'filling' | 'comparing' | 'verifying' | 'blobs'
  readonly done: number
  /** Estimated: positions are nearly as many as events. */
  readonly total: number
}

export type FromAuditThread =
  | { readonly kind: 'progress'; readonly progress: AuditProgress }
  | { readonly kind: 'done'; readonly result: Followed | RebuiltTree | WalkedLog }
  | { readonly kind: 'failed'; readonly message: string }
