// What a command must know before it decides. The views implement these, and say which revision their answer reflects.
import type { AccountRole, AddressKind, ScramVerifier } from '../../domain/account/account.ts'
import type { AccountId, Revision } from '../../domain/log.ts'
import type { FolderRole } from '../../domain/mailbox/mailbox.ts'

export interface FolderSnapshot {
  readonly id: string
  readonly name: string
  readonly parentId: string | null
  readonly role: FolderRole | null
  readonly subscribed: boolean
  /** Revision of its FolderCreated: UIDVALIDITY - 1. */
  readonly createdAt: Revision
}

export interface MessageSnapshot {
  readonly id: string
  readonly folderId: string
  /** Revision of its arrival in the folder: UID - 1. */
  readonly arrivedAt: Revision
  /** Revision of the last event that touched it: MODSEQ - 1. */
  readonly changedAt: Revision
  readonly flags: readonly string[]
  /** Expunged messages stay known, so that they can be restored and never come twice. */
  readonly expunged: boolean
}

export interface MailboxSnapshot {
  /** The last event of the mailbox stream that this answer reflects; undefined when none. */
  readonly revision: Revision | undefined
  readonly folders: readonly FolderSnapshot[]
  /** Only messages that were asked for and are known. */
  readonly messages: readonly MessageSnapshot[]
  /** Everything that was acknowledged to anybody is in it: who asks about messages need not read the tail of the stream. */
  readonly current?: boolean
}

export interface MailboxSnapshots {
  snapshot(account: AccountId, messageIds: readonly string[]): Promise<MailboxSnapshot>
  usage(account: AccountId): Promise<{ readonly messages: number; readonly bytes: number }>
}

export interface DirectoryAccount {
  readonly id: AccountId
  /** Primary address, normalised. */
  readonly address: string
  readonly name: string
  readonly role: AccountRole
  /** PHC string of argon2id, undefined until a password was set. */
  readonly passwordHash?: string
  /** Last revision of the account stream that this answer reflects. */
  readonly revision: Revision
  /** Bytes; null is no limit. */
  readonly quota: number | null
  readonly holds: readonly string[]
  readonly erased: boolean
  /** Revision of the newest PasswordChanged: sessions older than it are over. */
  readonly passwordRevision?: Revision
  readonly appPasswords: readonly {
    readonly id: string
    readonly label: string
    readonly hash: string
    readonly scram?: ScramVerifier | null
  }[]
  /** Of the password; null for one that was set before there were verifiers. */
  readonly scram?: ScramVerifier | null
  /** Every address that leads here. */
  readonly addresses?: readonly { readonly address: string; readonly kind: AddressKind }[]
  /** Its Sieve scripts; `revision` is that of the event in the account's stream that holds the text. */
  readonly filterRules?: readonly { readonly name: string; readonly bytes: number; readonly revision: Revision }[]
  readonly activeRules?: string | null
  /** What others may do with its folders. */
  readonly grants?: readonly { readonly folderId: string; readonly with: string; readonly rights: string }[]
  /** `revision` is that of the event in the account's stream that holds the value. */
  readonly annotations?: readonly {
    readonly folderId: string | null
    readonly entry: string
    readonly bytes: number
    readonly revision: Revision
  }[]
}

export interface Directory {
  /** The account that takes mail for a normalised address: exact claim first, then the address without its +tag, then the domain's catch-all. */
  resolve(address: string): Promise<{ readonly accountId: AccountId; readonly kind: AddressKind } | undefined>
  account(id: AccountId): Promise<DirectoryAccount | undefined>
  accounts(): Promise<readonly DirectoryAccount[]>
  /** Who shares a folder with one of these: an account's id, or a domain as `@example.test`. */
  ownersSharingWith(grantees: readonly string[]): Promise<readonly AccountId[]>
  /** Whether mail for the domain (lowercase A-label or U-label, normalised) is ours. */
  hasDomain(name: string): Promise<boolean>
  domains(): Promise<readonly string[]>
}
