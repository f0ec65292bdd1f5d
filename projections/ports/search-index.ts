// The search index as an engine: takes analysed words and facts about messages, answers plans. What a query means, how text
// becomes words and what a snippet shows is decided above this port, so that every engine answers alike.
import type { AccountId, Position, Revision } from '../../domain/log.ts'
import type { FolderRole } from '../../domain/mailbox/mailbox.ts'

/** The searchable parts of a message. */
export const SEARCH_FIELDS = ['subject', 'from', 'to', 'cc', 'filename', 'body'] as const
export type SearchField = (typeof SEARCH_FIELDS)[number]
/** The fields that a query can name; without a name it asks all of them and the body. */
export type HeaderField = Exclude<SearchField, 'body'>

/** Every field as the analyzer wrote it: tokens with one space between them, '' for nothing. Engines split at spaces only. */
export type SearchWords = Readonly<Record<SearchField, string>>

/** What flags of a message can be asked for. */
export type SearchFlag = 'seen' | 'answered' | 'flagged' | 'draft'

/** A message to index. */
export interface SearchDocument {
  readonly messageId: string
  readonly folderId: string
  /** Normalised flags, as in the events. */
  readonly flags: readonly string[]
  readonly receivedAt: number
  readonly size: number
  readonly hasAttachment: boolean
  /** Revision of its first arrival: the order of recency, also after moves. */
  readonly arrivedAt: Revision
  /** The event that holds its text. */
  readonly position: Position
  readonly words: SearchWords
}

/**
 * Changes in log order, to be folded as `evolve` of the mailbox folds its events: an arrival of a known id and anything about a
 * message that is unknown or gone change nothing; a folder that is not there is the inbox for arrivals and restores, and no target
 * for moves; deleting a folder expunges what is in it, the inbox and folders with children cannot be deleted.
 */
export type SearchChange =
  | { readonly op: 'put'; readonly account: AccountId; readonly document: SearchDocument }
  /** A copy takes flags, dates, size and content position of its source. */
  | {
      readonly op: 'copy'
      readonly account: AccountId
      readonly messageId: string
      readonly copyId: string
      readonly folderId: string
      readonly arrivedAt: Revision
      readonly words: SearchWords
    }
  | {
      readonly op: 'flags'
      readonly account: AccountId
      readonly messageIds: readonly string[]
      readonly add: readonly string[]
      readonly remove: readonly string[]
    }
  | { readonly op: 'move'; readonly account: AccountId; readonly messageId: string; readonly folderId: string }
  /** Not found any more; its content position stays known. */
  | { readonly op: 'expunge'; readonly account: AccountId; readonly messageIds: readonly string[] }
  | {
      readonly op: 'restore'
      readonly account: AccountId
      readonly messageId: string
      readonly folderId: string
      readonly words: SearchWords
    }
  | { readonly op: 'folder'; readonly account: AccountId; readonly folder: SearchFolder }
  | { readonly op: 'folder-renamed'; readonly account: AccountId; readonly folderId: string; readonly name: string }
  | {
      readonly op: 'folder-moved'
      readonly account: AccountId
      readonly folderId: string
      readonly parentId: string | null
    }
  | { readonly op: 'folder-deleted'; readonly account: AccountId; readonly folderId: string }
  /** Nothing of the account may remain, words included. */
  | { readonly op: 'erase'; readonly account: AccountId }

export interface SearchFolder {
  readonly id: string
  readonly name: string
  readonly parentId: string | null
  readonly role: FolderRole | null
}

/** What to find, in an engine's terms: all names resolved, all numbers absolute, depth and size bounded by the parser. */
export type SearchPlan =
  | { readonly kind: 'and'; readonly plans: readonly SearchPlan[] }
  | { readonly kind: 'or'; readonly plans: readonly SearchPlan[] }
  | { readonly kind: 'not'; readonly plan: SearchPlan }
  /**
   * Adjacent tokens in one of the fields (any when null); with `prefix` the last token may go on. Never empty. For several tokens
   * an engine may answer a little more than that (all tokens there, but apart), never less: `searchMessages` has the text and looks.
   */
  | {
      readonly kind: 'words'
      readonly fields: readonly HeaderField[] | null
      readonly tokens: readonly string[]
      readonly prefix: boolean
    }
  | { readonly kind: 'folder'; readonly folderIds: readonly string[] }
  | { readonly kind: 'flag'; readonly flag: SearchFlag; readonly set: boolean }
  | { readonly kind: 'attachment' }
  /** receivedAt: from inclusive, before exclusive, epoch milliseconds. */
  | { readonly kind: 'received'; readonly from?: number; readonly before?: number }
  /** Bytes of the raw message, both exclusive. */
  | { readonly kind: 'size'; readonly over?: number; readonly under?: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }

export interface SearchPageRequest {
  /** 1 to 250. */
  readonly first: number
  /** Cursor of an earlier answer to the same plan. */
  readonly after?: string
  /** Epoch milliseconds; recency counts from here. Later pages keep the first page's time. */
  readonly now: number
}

export interface SearchHit {
  readonly messageId: string
  /** Position of the event that holds its text. */
  readonly position: Position
  readonly score: number
}

export interface SearchPage {
  /** Best first; equal scores newest first. The same plan over the same index answers the same. */
  readonly hits: readonly SearchHit[]
  /** Where each hit stands: `after: cursors[i]` goes on behind hit i. */
  readonly cursors: readonly string[]
  readonly hasNext: boolean
  /** Exact up to the engine's bound (at least 1,000), and that bound beyond it. */
  readonly total: number
  readonly totalIsExact: boolean
}

export interface SearchIndex {
  /** The position of the last applied batch; undefined when the index is new. */
  checkpoint(): Promise<Position | undefined>
  /** All changes and the checkpoint, or nothing. Resolves once queries see them. A batch at or before the checkpoint is skipped. */
  apply(changes: readonly SearchChange[], checkpoint: Position): Promise<void>
  /** Where the text of known messages, expunged ones included, lies in the log. Unknown ids are left out. */
  contents(account: AccountId, messageIds: readonly string[]): Promise<ReadonlyMap<string, Position>>
  /** Folders of the account that exist. */
  folders(account: AccountId): Promise<readonly SearchFolder[]>
  /** Only ever finds messages of the account. Rejects with SearchIndexError 'bad-cursor' for a cursor that it did not give. */
  query(account: AccountId, plan: SearchPlan, page: SearchPageRequest): Promise<SearchPage>
  /** Tidies up after a rebuild; queries go on meanwhile. */
  optimize(): Promise<void>
  close(): Promise<void>
}

export class SearchIndexError extends Error {
  readonly code: 'bad-cursor' | 'corrupt' | 'newer-schema' | 'closed' | 'unavailable'
  constructor(code: SearchIndexError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SearchIndexError'
    this.code = code
  }
}
