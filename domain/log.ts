// The words in which every room speaks of the log: revisions, positions, recorded events and the names of streams.

/** 0-based number of an event in its stream. The same number is a GraphQL cursor and, plus one, an IMAP UID or MODSEQ. */
export type Revision = bigint

/** Place of an event in the whole log: ascending, not dense. */
export type Position = bigint

/** Account id: 26 characters of lowercase base32; opaque, never derived from an address. */
export type AccountId = string

/** Who or what wrote an event, and through which door. */
export interface EventMetadata {
  /** When the command was decided, epoch milliseconds. Clocks may step back: order is the revision's, never this. */
  readonly at: number
  /** The account that acted, or a part of the system such as 'smtp' or 'import'. */
  readonly actor: string
  readonly via: Via
  /** Address and program name of the client, where one is known. Personal data: kept sealed. */
  readonly client?: { readonly address?: string; readonly name?: string }
  readonly correlationId: string
  readonly causationId: string
}

export type Via =
  | 'smtp'
  | 'submission'
  | 'imap'
  | 'pop3'
  | 'managesieve'
  | 'graphql'
  | 'rest'
  | 'cli'
  | 'import'
  | 'system'

/** What every event is: a past-tense type and a payload of at most 64 KiB. */
export interface AnyEvent {
  readonly type: string
  readonly data: object
}

/** An event about to be appended. `id` is derived from the command, so that a retry is the same event. */
export type NewEvent<E extends AnyEvent> = E & {
  /** UUID in text form. */
  readonly id: string
  readonly metadata: EventMetadata
  /** Whose data key seals the payload: an account, or 'system' for facts about nobody. */
  readonly owner: AccountId | 'system'
}

/** An event read back. `data` is `undefined` when its owner was erased: the key is gone and the event is redacted. */
export type Recorded<E extends AnyEvent> = E extends AnyEvent
  ? {
      readonly id: string
      readonly stream: string
      readonly revision: Revision
      readonly position: Position
      readonly type: E['type']
      readonly data: E['data']
      readonly metadata: EventMetadata
    }
  : never

/** A recorded event whose payload can no longer be read, because its owner's key was destroyed. */
export interface Redacted {
  readonly id: string
  readonly stream: string
  readonly revision: Revision
  readonly position: Position
  readonly type: string
  readonly redacted: true
}

export function isRedacted(event: { readonly type: string }): event is Redacted {
  return (event as Partial<Redacted>).redacted === true
}

export const mailboxStream = (account: AccountId): string => `mailbox-${account}`
export const accountStream = (account: AccountId): string => `account-${account}`
export const addressStream = (addressHash: string): string => `address-${addressHash}`
export const domainStream = (nameHash: string): string => `domain-${nameHash}`
export const submissionStream = (submissionId: string): string => `submission-${submissionId}`
/** `day` is YYYYMMDD in UTC; the shard spreads one day's intake over several streams. */
export const intakeStream = (day: string, shard: number): string => `intake-${day}-${shard}`
/** What the filter rules of an account remember of one sender or one id, under a keyed hash of both. */
export const filterStream = (hash: string): string => `filter-${hash}`
export const auditStream = 'audit-log'

/** The account that a mailbox or account stream belongs to. */
export function accountOfStream(stream: string): AccountId | undefined {
  if (stream.startsWith('mailbox-')) return stream.slice(8)
  if (stream.startsWith('account-')) return stream.slice(8)
  return undefined
}

/** IMAP UID of a message whose arrival in its folder was recorded at `revision` (RFC 9051 §2.3.1.1); also MODSEQ (RFC 7162). */
export const uidOf = (revision: Revision): number => Number(revision) + 1
