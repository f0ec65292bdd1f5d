// What the verbs of the command line need of the system, whichever process they run in.
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { Keyring } from '../../commands/ports/keyring.ts'
import type { AccountId, Position } from '../../domain/log.ts'
import type { AuditProofs } from '../../projections/audit/proofs.ts'
import type { EventSource } from '../../projections/ports/event-source.ts'
import type {
  DirectoryQueries,
  FilterQueries,
  MailboxQueries,
  SubmissionQueries,
  TimelineQueries,
} from '../../projections/queries.ts'
import type { SearchResult } from '../../projections/search/search.ts'
import type { MailboxMoment, Moment } from '../../projections/time-travel.ts'
import type { ImportWriter } from '../import/import-writer.ts'

export interface ProjectionLine {
  readonly name: string
  readonly version: number
  readonly generation: number
  readonly state: string
  readonly checkpoint: Position | undefined
  readonly head: Position | undefined
  readonly lag: { readonly positions: bigint; readonly seconds: number }
  readonly parkedCount: number
  readonly parked: readonly {
    readonly position: Position
    readonly type: string
    readonly error: string
    readonly at: number
  }[]
}

export interface RebuildStep {
  readonly name: string
  readonly phase: string
  readonly events: number
  readonly total: number
  readonly rate: number
  readonly etaSeconds: number
}

export interface RebuiltLine {
  readonly name: string
  readonly generation: number
  readonly events: number
  readonly seconds: number
  readonly digest: string
  readonly previousDigest: string | undefined
  readonly same: boolean | undefined
  readonly parked: number
}

export interface CliServices {
  readonly journal: Journal
  readonly source: EventSource
  readonly blobs: MessageBlobs
  /** The bytes of a blob as they are stored: sealed. */
  readonly storedBlob: (id: string) => Promise<Uint8Array>
  readonly keyring: Keyring
  readonly mailbox: MailboxQueries
  readonly directory: DirectoryQueries
  readonly submissions: SubmissionQueries
  readonly timeline: TimelineQueries
  readonly filter: FilterQueries
  readonly mailboxAt: (account: AccountId, moment: Moment) => Promise<MailboxMoment>
  readonly audit: AuditProofs
  readonly search: (account: AccountId, query: string, options: { readonly first: number }) => Promise<SearchResult>
  readonly projectionNames: readonly string[]
  readonly projectionStatus: () => Promise<readonly ProjectionLine[]>
  readonly rebuild: (name: string, onProgress: (step: RebuildStep) => void) => Promise<readonly RebuiltLine[]>
  /** For many messages at once, over all cores. Close it, also after a failure. */
  readonly openImport: () => Promise<{
    readonly writer: ImportWriter
    readonly catchUp: () => Promise<void>
    readonly close: () => Promise<void>
  }>
  /** Frees the bytes of erased and long expunged messages. */
  readonly compact: () => Promise<{
    readonly segments: number
    readonly bytesFreed: number
    readonly blobsDeleted: number
  }>
  /** Adds what is new to a backup; with `keys` the keys go into that file. */
  readonly backup: (
    path: string,
    options: {
      readonly keys: string | undefined
      readonly signal: AbortSignal
      readonly onProgress: (progress: { what: string; done: number; total?: number }) => void
    },
  ) => Promise<{ readonly events: number; readonly blobs: number; readonly bytes: number }>
  /** Copies everything into the engines of a file of settings, and goes over to them unless told to prepare only. */
  readonly migrate: (
    file: string,
    options: {
      readonly prepare: boolean
      readonly signal: AbortSignal
      readonly onProgress: (progress: { what: string; done: number }) => void
    },
  ) => Promise<{
    readonly events: number
    readonly blobs: number
    readonly keys: number
    readonly heldSeconds: number
  }>
  /** Resolves once every view reflects what has been written so far. */
  readonly settle: () => Promise<void>
  /** Drops an erased account's key from every thread. */
  readonly forgetKey: (account: AccountId) => void
  /** The name of this mail server, as others know it. */
  readonly mailHost: string
  readonly now: () => number
}

/** Where a verb writes: the caller's terminal, wherever that is. */
export interface CliIo {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** One line that is overwritten; null clears it. Only shown on a terminal. */
  readonly progress: (line: string | null) => void
  readonly stdin: () => Promise<string>
  readonly cwd: string
  readonly columns: number
  readonly signal: AbortSignal
}

/** Answers 1 with the sentence on stderr. */
export class CliRefusal extends Error {}

/** Answers 2 with the sentence and how the verb is used. */
export class CliUsage extends Error {}
