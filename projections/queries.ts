// What gateways may ask of the views. Every question names the account, and no answer ever holds another account's row.
import type { AccountRole, AddressKind, ScramVerifier, SlowedReason } from '../domain/account/account.ts'
import type { Label } from '../domain/filter/model.ts'
import type { QuarantineSection } from '../domain/intake/intake.ts'
import type { AccountId, Position, Revision } from '../domain/log.ts'
import type { MailAddress } from '../domain/mail/structure.ts'
import type { FolderRole } from '../domain/mailbox/mailbox.ts'
import type { ReportedAction } from '../domain/submission/submission.ts'

export interface FolderRow {
  readonly id: string
  readonly name: string
  readonly parentId: string | null
  readonly role: FolderRole | null
  readonly subscribed: boolean
  /** Revision of its FolderCreated + 1. */
  readonly uidValidity: number
  /** Messages in it, unread ones among them, and the bytes of their raw form. */
  readonly total: number
  readonly unread: number
  readonly bytes: number
  /** MODSEQ of the last event that touched the folder or a message in it (RFC 7162 HIGHESTMODSEQ). */
  readonly modseq: number
  /** One more than the highest UID ever given in it (RFC 9051 UIDNEXT). */
  readonly uidNext: number
}

/** One message as lists show it. The whole envelope, structure, text and blob key are in the event at `position`. */
export interface MessageRow {
  readonly id: string
  readonly folderId: string
  readonly uid: number
  readonly modseq: number
  readonly threadId: string
  readonly subject: string
  /** At most `MAX_ROW_ADDRESSES` of each list. */
  readonly from: readonly MailAddress[]
  readonly to: readonly MailAddress[]
  /** The Date field, epoch milliseconds; null when the message has none. */
  readonly date: number | null
  /** IMAP INTERNALDATE, epoch milliseconds. */
  readonly receivedAt: number
  readonly size: number
  /** Lowercase, sorted. */
  readonly flags: readonly string[]
  readonly snippet: string
  readonly hasAttachment: boolean
  /** Position of the event that holds the content: of the original's arrival for a copy. */
  readonly position: Position
  /** Message-ID without angle brackets, '' when the message has none. */
  readonly messageIdHeader: string
  /** Expunged messages are never listed; asked for by id they still answer, until compaction. */
  readonly expunged: boolean
  /** When it was expunged, epoch milliseconds; null when it was not. */
  readonly expungedAt: number | null
}

/** How many addresses of a list a row keeps. */
export const MAX_ROW_ADDRESSES = 10

export interface MessageFilter {
  readonly unread?: boolean | undefined
  readonly flagged?: boolean | undefined
  readonly hasAttachment?: boolean | undefined
  /** Part of the sender's name or address, any case. */
  readonly from?: string | undefined
  /** `receivedAt` at or after, epoch milliseconds. */
  readonly since?: number | undefined
  /** `receivedAt` before, epoch milliseconds. */
  readonly before?: number | undefined
}

export interface MessagePageOptions {
  readonly filter?: MessageFilter | undefined
  /** 1 to 500, 50 by default. */
  readonly first?: number | undefined
  /** The `cursor` of the last row of the page before. A cursor that is not one of ours is a `BadCursor`. */
  readonly after?: string | undefined
  /** Rows to skip instead of `after`, for scroll bars. */
  readonly offset?: number | undefined
  /** 'date' (default): newest `receivedAt` first, among equals the latest in the log. 'uid': ascending UID. */
  readonly order?: 'date' | 'uid' | undefined
}

export interface MessagePage {
  readonly rows: readonly MessageRow[]
  /** One a row: pass it as `after` to go on behind that row. */
  readonly cursors: readonly string[]
  /** Cursor of the next page, null when this is the last. */
  readonly next: string | null
  /** The mailbox revision that the page reflects, undefined for an empty mailbox. */
  readonly revision: Revision | undefined
}

export class BadCursor extends Error {
  readonly code = 'bad-cursor'
  constructor() {
    super('The cursor is not one that this server gave out.')
    this.name = 'BadCursor'
  }
}

export interface ThreadRow {
  readonly id: string
  readonly subject: string
  /** Oldest first; expunged ones are left out. */
  readonly messages: readonly MessageRow[]
}

export interface Usage {
  readonly messages: number
  readonly bytes: number
}

/** Structurally the ports that commands declare (`MailboxSnapshots`, `Directory`); rooms do not import each other. */
export interface SnapshotFolder {
  readonly id: string
  readonly name: string
  readonly parentId: string | null
  readonly role: FolderRole | null
  readonly subscribed: boolean
  readonly createdAt: Revision
}
export interface SnapshotMessage {
  readonly id: string
  readonly folderId: string
  readonly arrivedAt: Revision
  readonly changedAt: Revision
  readonly flags: readonly string[]
  readonly expunged: boolean
}
export interface Snapshot {
  readonly revision: Revision | undefined
  readonly folders: readonly SnapshotFolder[]
  readonly messages: readonly SnapshotMessage[]
}

/** A message as IMAP's FETCH FLAGS, SEARCH and synchronisation see it: no text. */
export interface UidRow {
  readonly id: string
  readonly uid: number
  readonly modseq: number
  readonly flags: readonly string[]
  readonly receivedAt: number
  /** The Date field, epoch milliseconds; null when the message has none. */
  readonly date: number | null
  readonly size: number
  readonly position: Position
}

export interface MailboxQueries {
  /** In the order of their creation. */
  folders(account: AccountId): Promise<readonly FolderRow[]>
  folder(account: AccountId, folderId: string): Promise<FolderRow | undefined>
  messages(account: AccountId, folderId: string, options?: MessagePageOptions): Promise<MessagePage>
  /** Also answers an expunged message (`expunged: true`). */
  message(account: AccountId, messageId: string): Promise<MessageRow | undefined>
  /** Messages of a folder that the filter lets through. */
  count(account: AccountId, folderId: string, filter: MessageFilter): Promise<number>
  /** Known messages among `messageIds`, in the order asked; expunged ones with their mark. */
  messagesById(account: AccountId, messageIds: readonly string[]): Promise<readonly MessageRow[]>
  /** Undefined when no message of the thread is left. An id that was merged into an older thread finds that one. */
  thread(account: AccountId, threadId: string): Promise<ThreadRow | undefined>
  snapshot(account: AccountId, messageIds: readonly string[]): Promise<Snapshot>
  usage(account: AccountId): Promise<Usage>
  /** Last revision of the mailbox stream that the views reflect. */
  accountRevision(account: AccountId): Promise<Revision | undefined>
  /** Messages of a folder with `from <= uid <= to`, ascending, at most `limit` (1,000 by default); `changedSince` keeps those with a greater MODSEQ. */
  uidRange(
    account: AccountId,
    folderId: string,
    options?: {
      readonly from?: number | undefined
      readonly to?: number | undefined
      readonly changedSince?: number | undefined
      readonly limit?: number | undefined
    },
  ): Promise<readonly UidRow[]>
  /** The lowest UID without \\Seen (RFC 3501 §7.1 UNSEEN). */
  firstUnseen(account: AccountId, folderId: string): Promise<number | undefined>
  /** How many messages of the folder carry a system flag. */
  countFlagged(account: AccountId, folderId: string, flag: string): Promise<number>
  /** UIDs that left the folder (expunged or moved away) with a MODSEQ greater than this one, ascending (RFC 7162 VANISHED EARLIER). */
  vanishedSince(account: AccountId, folderId: string, modseq: number): Promise<readonly number[]>
  /** Newest expunged first: what can still be restored. */
  expunged(account: AccountId, options?: { readonly first?: number | undefined }): Promise<readonly MessageRow[]>
}

/** The fate of a recipient: 'pending' until the first attempt ends. */
export type RecipientState = 'pending' | 'delivered' | 'deferred' | 'bounced' | 'cancelled'

export interface RecipientRow {
  readonly address: string
  readonly accountId: string | null
  readonly state: RecipientState
  /** The last answer of the other side, '' before one. */
  readonly answer: string
  readonly remote: string | null
  readonly attempts: number
  /** Epoch milliseconds of the last change; null before one. */
  readonly at: number | null
  readonly nextAttemptAt: number | null
  /** Enhanced status code (RFC 3463) of the last answer. */
  readonly status: string | null
  /** What a report said after the message had left. */
  readonly report: {
    readonly action: ReportedAction
    readonly status: string
    readonly answer: string
    readonly remote: string | null
  } | null
}

export interface SubmissionRow {
  readonly id: string
  readonly messageId: string
  readonly mailFrom: string
  readonly subject: string
  readonly submittedAt: number
  readonly sendAt: number
  readonly state: 'pending' | 'completed' | 'cancelled'
  /** When the next recipient is due, epoch milliseconds; null when none waits. */
  readonly dueAt: number | null
  readonly recipients: readonly RecipientRow[]
  /** Last revision of the submission stream that this row reflects. */
  readonly revision: Revision
  /** Position of its MessageSubmitted. */
  readonly position: Position
}

/** A submission that waits for someone. */
export interface DueSubmission {
  readonly id: string
  readonly dueAt: number
  readonly position: Position
}

export interface SubmissionQueries {
  /** Newest first. */
  submissions(
    account: AccountId,
    options?: {
      readonly first?: number | undefined
      readonly before?: Position | undefined
      readonly pendingOnly?: boolean | undefined
    },
  ): Promise<readonly SubmissionRow[]>
  submission(account: AccountId, submissionId: string): Promise<SubmissionRow | undefined>
  submissionOfMessage(account: AccountId, messageId: string): Promise<SubmissionRow | undefined>
  /** The account's submissions of messages with one of these Message-IDs. */
  submissionsByMessageId(account: AccountId, ids: readonly string[]): Promise<readonly SubmissionRow[]>
  /** For the sender of mail, not for people: every submission that is not over, oldest first, of every account. */
  pendingSubmissions(options?: {
    readonly first?: number | undefined
    readonly after?: Position | undefined
  }): Promise<readonly { readonly accountId: AccountId; readonly row: SubmissionRow }[]>
  /** Of every account, by id. */
  pendingSubmission(
    submissionId: string,
  ): Promise<{ readonly accountId: AccountId; readonly row: SubmissionRow } | undefined>
  /** Submissions whose next recipient is due at `until` or before, the longest due first; `after` pages on. */
  dueSubmissions(options: {
    readonly until: number
    readonly first: number
    readonly after?: DueSubmission | undefined
  }): Promise<readonly DueSubmission[]>
  /** Submissions made after a position that still wait for someone, oldest first. */
  newSubmissions(options: { readonly after: Position; readonly first: number }): Promise<readonly DueSubmission[]>
}

export interface TimelineQueries {
  /** Positions of every event that concerns the message, the intake that brought it and the submission that sends it included, ascending. */
  messageHistory(account: AccountId, messageId: string): Promise<readonly Position[]>
  /** Positions of the account's events, ascending, `first` (1,000 by default) after `after`; with `newest` the last ones, descending, before `before`. */
  accountHistory(
    account: AccountId,
    options?: {
      readonly first?: number | undefined
      readonly after?: Position | undefined
      readonly before?: Position | undefined
      readonly newest?: boolean | undefined
    },
  ): Promise<readonly Position[]>
}

export interface DirectoryRow {
  readonly id: AccountId
  readonly address: string
  readonly name: string
  readonly role: AccountRole
  readonly passwordHash?: string
  readonly revision: Revision
  readonly quota: number | null
  readonly holds: readonly string[]
  /** An erased account leaves its id and revision, and nothing else. */
  readonly erased: boolean
  readonly passwordRevision?: Revision
  readonly appPasswords: readonly {
    readonly id: string
    readonly label: string
    readonly hash: string
    readonly scram: ScramVerifier | null
  }[]
  /** Of the password; null for one that was set before there were verifiers. */
  readonly scram: ScramVerifier | null
  /** Every address that leads here, the primary first. */
  readonly addresses: readonly { readonly address: string; readonly kind: AddressKind }[]
  /** Why it may send only little just now; null while it sends freely, also once `until` is past. */
  readonly slowed: { readonly reason: SlowedReason; readonly detail: string; readonly until: number } | null
  /** Its Sieve scripts; `revision` is that of the event in the account's stream that holds the text. */
  readonly filterRules: readonly { readonly name: string; readonly bytes: number; readonly revision: Revision }[]
  /** Name of the script in force. */
  readonly activeRules: string | null
  /** What others may do with its folders. */
  readonly grants: readonly { readonly folderId: string; readonly with: string; readonly rights: string }[]
  /** `revision` is that of the event in the account's stream that holds the value. */
  readonly annotations: readonly {
    readonly folderId: string | null
    readonly entry: string
    readonly bytes: number
    readonly revision: Revision
  }[]
}

export interface DirectoryQueries {
  /** Exact address, then without its +tag, then the domain's catch-all. */
  resolve(address: string): Promise<{ readonly accountId: AccountId; readonly kind: AddressKind } | undefined>
  account(id: AccountId): Promise<DirectoryRow | undefined>
  /** In the order of their opening, erased ones left out. */
  accounts(): Promise<readonly DirectoryRow[]>
  erasedAccounts(): Promise<readonly AccountId[]>
  /** Who shares a folder with one of these: an account's id, or a domain as `@example.test`. Ascending, none twice. */
  ownersSharingWith(grantees: readonly string[]): Promise<readonly AccountId[]>
  hasDomain(name: string): Promise<boolean>
  domains(): Promise<readonly string[]>
}

/** One message in quarantine, or one that was. */
export interface QuarantineRow {
  readonly accountId: AccountId
  readonly intakeId: string
  /** Epoch milliseconds. */
  readonly receivedAt: number
  readonly size: number
  readonly state: 'held' | 'released' | 'dropped'
  readonly position: Position
  readonly section: QuarantineSection
}

/** What somebody said of a message; the message itself is in the mailbox view and on the log. */
export interface ExampleRow {
  readonly accountId: AccountId
  readonly messageId: string
  readonly label: Label
  /** Of the event that taught it. */
  readonly position: number
}

export interface FilterQueries {
  /** Held mail of an account, the newest first. */
  quarantine(
    account: AccountId,
    options?: { readonly first?: number | undefined; readonly before?: Position | undefined },
  ): Promise<readonly QuarantineRow[]>
  /** In whatever state it is. */
  quarantined(account: AccountId, intakeId: string): Promise<QuarantineRow | undefined>
  /** For administrators: held mail of every account, the newest first. */
  allQuarantined(options?: {
    readonly first?: number | undefined
    readonly before?: Position | undefined
  }): Promise<readonly QuarantineRow[]>
  /** Differs whenever the examples do; of one account where one is given. */
  trainingVersion(account?: AccountId): Promise<string>
  /** Newest first; `before` is the position of the last one of the page before. */
  examples(options: {
    readonly account?: AccountId | undefined
    readonly first: number
    readonly before?: number | undefined
  }): Promise<readonly ExampleRow[]>
}

/** Everything that the views of one generation answer. */
export interface ViewQueries {
  readonly filter: FilterQueries
  readonly mailbox: MailboxQueries
  readonly directory: DirectoryQueries
  readonly submissions: SubmissionQueries
  readonly timeline: TimelineQueries
}
