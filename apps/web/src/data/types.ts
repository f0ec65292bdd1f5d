// The shapes that the app asks the server for. Names are the schema's own.

/** Decimal string: 0-based number of an event in the mailbox stream. */
export type Revision = string

export interface Address {
  readonly name: string | null
  readonly address: string
}

export type FolderRole = 'INBOX' | 'DRAFTS' | 'SENT' | 'ARCHIVE' | 'JUNK' | 'TRASH'

export interface Folder {
  readonly id: string
  readonly name: string
  readonly parentId: string | null
  readonly role: FolderRole | null
  readonly total: number
  readonly unread: number
}

/** What a row of a list shows. */
export interface Message {
  readonly id: string
  readonly folderId: string
  readonly threadId: string
  readonly subject: string
  readonly from: readonly Address[]
  readonly to: readonly Address[]
  readonly date: string | null
  readonly receivedAt: string
  readonly size: number
  readonly flags: readonly string[]
  readonly snippet: string
  readonly hasAttachment: boolean
}

export interface Attachment {
  readonly section: string
  readonly filename: string
  readonly type: string
  readonly size: number
  readonly inline: boolean
  readonly contentId: string | null
  readonly url: string
}

export interface Verdict {
  readonly action: string
  readonly score: number
  readonly reasons: readonly {
    readonly engine: string
    readonly rule: string
    readonly score: number
    /** English, from the server; may be empty. */
    readonly text: string
  }[]
}

/** What the reader shows of one message. */
export interface MessageDetail extends Message {
  readonly cc: readonly Address[]
  readonly replyTo: readonly Address[]
  readonly messageIdHeader: string | null
  readonly text: string
  readonly bodyUrl: string | null
  readonly remoteImageCount: number
  readonly attachments: readonly Attachment[]
  readonly rawUrl: string
  /** What the filters said when it came; null or absent for mail that none saw. */
  readonly verdict?: Verdict | null
}

export interface Account {
  readonly id: string
  readonly address: string
  readonly name: string
  readonly role: 'USER' | 'ADMIN' | 'AUDITOR'
  readonly quotaBytes: number | null
  readonly usedBytes: number
  readonly messageCount: number
  readonly revision: Revision | null
}

export interface Fragment {
  readonly text: string
  readonly match: boolean
}

export interface HistoryEntry {
  readonly eventId: string
  readonly type: string
  readonly revision: Revision
  readonly position: string
  readonly at: string
  readonly actor: string
  readonly via: string
  readonly clientAddress: string | null
  readonly clientName: string | null
  readonly summary: string
}

export interface MailboxChange {
  readonly revision: Revision
  readonly type: string
  readonly at: string
  readonly causationId: string
  readonly messageIds: readonly string[]
  readonly messages: readonly Message[]
  readonly folderIds: readonly string[]
  readonly folders: readonly Folder[] | null
}

export interface MessageFilter {
  readonly unread?: boolean
  readonly flagged?: boolean
  readonly hasAttachment?: boolean
}

export interface AddressInput {
  readonly name?: string
  readonly address: string
}

export interface SendMessageInput {
  readonly to: readonly AddressInput[]
  readonly cc: readonly AddressInput[]
  readonly bcc: readonly AddressInput[]
  readonly subject: string
  readonly text: string
  readonly html?: string
  readonly attachmentIds: readonly string[]
  readonly forwardAttachments: readonly { readonly messageId: string; readonly section: string }[]
  readonly inReplyTo?: string
  readonly forwardOf?: string
  readonly draftId?: string
  readonly commandId?: string
}

export const SEEN = '\\seen'
export const FLAGGED = '\\flagged'
export const ANSWERED = '\\answered'

export const isUnread = (message: Message): boolean => !message.flags.includes(SEEN)
export const isStarred = (message: Message): boolean => message.flags.includes(FLAGGED)
