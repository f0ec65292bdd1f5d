// What the main thread and the search threads say to each other.
import type { AccountId, Position } from '../../../domain/log.ts'
import type { HeaderField } from '../../../projections/ports/search-index.ts'
import type { ParkedEvent } from '../../../projections/ports/view-store.ts'
import type { SearchOptions } from '../../../projections/search/search.ts'
import type { SourceConfig } from '../journal/open-source.ts'

export interface SearchThreadConfig {
  readonly role: 'index' | 'query'
  /** File of the generation. */
  readonly file: string
  readonly source: SourceConfig
  /** The index fills from nothing: large batches, then everything merged before it says 'filled'. */
  readonly filling?: boolean
  /** Folder of the pack files. */
  readonly blobs?: string
}

export type SearchRequest =
  | { readonly op: 'search'; readonly account: AccountId; readonly query: string; readonly options: SearchOptions }
  | {
      readonly op: 'substring'
      readonly account: AccountId
      readonly needle: string
      readonly field: HeaderField | null
    }
  /** Later queries go to this file. */
  | { readonly op: 'open'; readonly file: string }
  | { readonly op: 'digest' }
  | { readonly op: 'status' }
  | { readonly op: 'close' }

export interface SearchDigest {
  readonly checkpoint: Position | undefined
  readonly digest: string
}

export interface SearchIndexStatus {
  readonly checkpoint: Position | undefined
  readonly applied: number
  readonly parked: readonly ParkedEvent[]
  readonly parkedCount: number
}

/** A `SearchResult` or a `SubstringMatch` comes as JSON: one string crosses threads faster than its many small objects. */
export type SearchAnswer = string | SearchDigest | SearchIndexStatus | null

export type ToThread =
  | { readonly kind: 'call'; readonly seq: number; readonly request: SearchRequest }
  /** The log has grown. */
  | { readonly kind: 'poke' }
  /** The account was erased: drop its key and what was read with it. */
  | { readonly kind: 'forget'; readonly account: AccountId }

export type FromThread =
  | { readonly kind: 'ready'; readonly checkpoint: Position | undefined }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'answer'; readonly seq: number; readonly answer: SearchAnswer }
  | { readonly kind: 'failed'; readonly seq: number; readonly code: string; readonly message: string }
  | {
      readonly kind: 'applied'
      readonly position: Position | undefined
      readonly events: number
      readonly lastAt: number | undefined
    }
  | { readonly kind: 'filled' }
  /** Something went wrong and is tried again. */
  | { readonly kind: 'trouble'; readonly message: string }
