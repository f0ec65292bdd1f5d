// What a projector needs of an engine: rows to load, one commit that stores rows and checkpoint together. One file an engine.
import type { AccountRole, AddressKind, ScramVerifier, SlowedReason } from '../../domain/account/account.ts'
import type { Label } from '../../domain/filter/model.ts'
import type { QuarantineSection } from '../../domain/intake/intake.ts'
import type { AccountId, Position } from '../../domain/log.ts'
import type { MailAddress } from '../../domain/mail/structure.ts'
import type { FolderRole } from '../../domain/mailbox/mailbox.ts'
import type { ReportedAction } from '../../domain/submission/submission.ts'
import type { MailboxUnit } from '../mailbox/unit.ts'
import type { RecipientState } from '../queries.ts'
import type { Table } from '../unit-of-work.ts'
import type { SourceEvent } from './event-source.ts'

/** An event that a projector could not apply. It is kept with its error and the projector went on. */
export interface ParkedEvent {
  readonly position: Position
  readonly type: string
  readonly error: string
  /** Epoch milliseconds. */
  readonly at: number
}

/**
 * One view in one engine. The runtime is its only writer: begin, apply events to the unit, commit; a unit that is not committed
 * leaves no trace. Rows and checkpoint are stored together or not at all.
 */
export interface ViewStore<Unit> {
  /** Position up to which the rows reflect the log. */
  checkpoint(): Position | undefined
  /** Engines that cannot load while events are applied fetch here what the events will ask for. */
  begin(events: readonly SourceEvent[]): Unit | Promise<Unit>
  commit(unit: Unit, checkpoint: Position, parked: readonly ParkedEvent[]): void | Promise<void>
  /** The newest 100 parked events and how many there are. */
  parked(): { readonly newest: readonly ParkedEvent[]; readonly count: number }
  /** SHA-256, lowercase hex, over every row in an order that does not depend on how it came to be: equal rows, equal digest, in every engine. */
  digest(): string | Promise<string>
  close(): void | Promise<void>
}

/** A projector: how events become rows. `apply` is synchronous and touches nothing but the unit. */
export interface Projector<Unit> {
  /** Permanent: checkpoints are kept under it. */
  readonly name: string
  /** Raised whenever the same events give other rows; a store of another version is rebuilt. */
  readonly version: number
  readonly prefixes: readonly string[]
  readonly types: ReadonlySet<string>
  /** Whether it needs the extracted text of arrivals. */
  readonly text?: boolean
  apply(unit: Unit, event: SourceEvent): void
}

// The rows. Inside them revisions, UIDs and positions are numbers (below 2^53); the queries give positions as bigint.

export interface FolderState {
  /** Revision of its FolderCreated: names this life of the folder, also when a deleted folder's id comes back. */
  readonly created: number
  readonly id: string
  name: string
  parentId: string | null
  readonly role: FolderRole | null
  subscribed: boolean
  total: number
  unread: number
  bytes: number
  modseq: number
  uidNext: number
  /** MODSEQ of its FolderDeleted, 0 while it lives. Messages still in a deleted folder are expunged, without a write to each. */
  deleted: number
  /** Epoch milliseconds; 0 while it lives. */
  deletedAt: number
  changed: boolean
}

export interface MailboxState {
  /** Last revision of the mailbox stream. */
  revision: number
  messages: number
  bytes: number
  /** By `created`, deleted ones too. */
  readonly folders: Map<number, FolderState>
  /** Living folders by id. */
  readonly byId: Map<string, FolderState>
  /** Merged thread -> older thread that took it in. */
  readonly aliases: Map<number, number>
}

/** What never changes about a message. */
export interface MessageSummary {
  readonly subject: string
  readonly from: readonly MailAddress[]
  readonly to: readonly MailAddress[]
  readonly date: number | null
  readonly snippet: string
  readonly hasAttachment: boolean
  readonly messageIdHeader: string
  /** Position of the event that holds the content. */
  readonly position: number
}

export const STORED = 0
export const CHANGED = 1
export const FRESH = 2
/** Whether the engine has the row as it is, has an older one, or has none. */
export type Change = typeof STORED | typeof CHANGED | typeof FRESH

export interface MessageState {
  readonly id: string
  /** Position of the event that made it: unique, and the tie-break of date order. */
  readonly order: number
  /** `created` of its folder. */
  folder: number
  uid: number
  modseq: number
  readonly thread: number
  flags: readonly string[]
  readonly size: number
  readonly receivedAt: number
  /** 0 while it is not expunged, else the MODSEQ of that. */
  expunged: number
  /** Epoch milliseconds; 0 while it is not expunged. */
  expungedAt: number
  /** Always there on a fresh row; engines load it only when asked. */
  summary: MessageSummary | undefined
  change: Change
}

/** A UID that left a folder by a move or an expunge. */
export interface VanishedUid {
  readonly folder: number
  readonly uid: number
  readonly modseq: number
}

/** How a mailbox unit loads. Every object handed out belongs to the unit: it may be changed freely. */
export interface MailboxRows {
  mailbox(account: AccountId): MailboxState | undefined
  message(account: AccountId, messageId: string): MessageState | undefined
  summary(account: AccountId, message: MessageState): MessageSummary
  /** The thread that a key leads to, before merges. */
  thread(account: AccountId, key: number): number | undefined
}
export type MailboxStore = ViewStore<MailboxUnit>

export interface DirectoryState {
  readonly id: AccountId
  /** Position of its AccountOpened: the order of listings. */
  readonly opened: number
  address: string
  name: string
  role: AccountRole
  passwordHash: string | undefined
  passwordRevision: number | undefined
  revision: number
  quota: number | null
  holds: string[]
  erased: boolean
  appPasswords: { id: string; label: string; hash: string; scram: ScramVerifier | null }[]
  scram: ScramVerifier | null
  addresses: { address: string; kind: AddressKind }[]
  slowed: { reason: SlowedReason; detail: string; until: number } | null
  /** `revision` is that of the event with the script. */
  filterRules: { name: string; bytes: number; revision: number }[]
  activeRules: string | null
  /** What others may do with its folders. */
  grants: { folderId: string; with: string; rights: string }[]
  /** `revision` is that of the event with the value. */
  annotations: { folderId: string | null; entry: string; bytes: number; revision: number }[]
}
/** That an owner shares something with an account, or with everybody of a domain (`@example.test`). */
export interface ShareState {
  readonly with: string
  readonly owner: AccountId
}
export const shareKey = (grantee: string, owner: AccountId): string => `${grantee}/${owner}`
export interface AddressState {
  readonly accountId: AccountId
  readonly kind: AddressKind
}
export interface DomainState {
  readonly name: string
}
export interface DirectoryUnit {
  readonly accounts: Table<DirectoryState>
  readonly addresses: Table<AddressState>
  readonly domains: Table<DomainState>
  /** By `shareKey`. */
  readonly shares: Table<ShareState>
}
export type DirectoryStore = ViewStore<DirectoryUnit>

export interface RecipientFate {
  readonly address: string
  readonly accountId: string | null
  state: RecipientState
  answer: string
  remote: string | null
  attempts: number
  at: number | null
  nextAttemptAt: number | null
  /** Enhanced status code of the last answer. */
  status: string | null
  /** What a report said after the message had left. */
  report: { action: ReportedAction; status: string; answer: string; remote: string | null } | null
}
export interface SubmissionState {
  readonly id: string
  readonly accountId: AccountId
  readonly messageId: string
  readonly mailFrom: string
  readonly subject: string
  /** Message-ID of what was sent: reports name it. */
  readonly messageIdField: string | null
  readonly submittedAt: number
  readonly sendAt: number
  state: 'pending' | 'completed' | 'cancelled'
  /** When the next recipient is due, epoch milliseconds; null when none waits. */
  dueAt: number | null
  revision: number
  readonly position: number
  readonly recipients: RecipientFate[]
}
export interface SubmissionsUnit {
  readonly submissions: Table<SubmissionState>
  /** Ids of the account's submissions, those of this unit included. */
  idsOf(account: AccountId): readonly string[]
}
export type SubmissionsStore = ViewStore<SubmissionsUnit>

/** Which message a submission sends: its later events name only the submission. */
export interface SentMessage {
  readonly accountId: AccountId
  readonly messageId: string
}
export interface TimelineUnit {
  readonly sent: Table<SentMessage>
  /** Ascending positions to add, by account and by message of an account. */
  readonly ofAccount: Map<AccountId, number[]>
  readonly ofMessage: Map<AccountId, Map<string, number[]>>
  /** Accounts whose rows go first: everything else in the unit came after. */
  readonly erased: Set<AccountId>
}
export type TimelineStore = ViewStore<TimelineUnit>

/** Whether a message lies in Junk, and what was last said of it. */
export interface JudgedMessage {
  readonly junk: boolean
  readonly label: Label | undefined
}
export interface FilterFolders {
  readonly account: AccountId
  readonly junk: string
  readonly trash: string
}
export interface Example {
  readonly account: AccountId
  readonly label: Label
  /** Of the event that taught it. */
  readonly position: number
}
export interface QuarantineState {
  readonly accountId: AccountId
  readonly intakeId: string
  readonly receivedAt: number
  readonly size: number
  readonly state: 'held' | 'released' | 'dropped'
  readonly position: number
  readonly section: QuarantineSection
}
export interface FilterUnit {
  readonly folders: Table<FilterFolders>
  /** By `account/messageId`, as the examples are. */
  readonly judged: Table<JudgedMessage>
  readonly examples: Table<Example>
  /** By `account/intakeId`. */
  readonly quarantine: Table<QuarantineState>
  erase(account: AccountId): void
}
export type FilterStore = ViewStore<FilterUnit>
