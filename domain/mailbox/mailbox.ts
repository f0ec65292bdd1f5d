// The events of a `mailbox-<accountId>` stream: everything that ever happened to one person's folders and messages.
import type { Attachment, Envelope, MimePart, Protection } from '../mail/structure.ts'

export type FolderRole = 'inbox' | 'drafts' | 'sent' | 'archive' | 'junk' | 'trash'

/** Where the raw bytes of a message lie, and the key that opens them. Kept only inside sealed payloads. */
export interface BlobRef {
  /** Content address of the stored bytes: lowercase hex of their SHA-256. */
  readonly id: string
  /** The message's own AES-256 key, base64; wrapped by being inside a payload that the account's data key seals. */
  readonly key: string
  /** Bytes of the raw message. */
  readonly size: number
}

/** What an arrival keeps of a message, so that no view ever needs the raw bytes again. */
export interface MessageContent {
  readonly blob: BlobRef
  readonly envelope: Envelope
  readonly root: MimePart
  readonly snippet: string
  readonly attachments: readonly Attachment[]
  readonly hasAttachment: boolean
  readonly hasCalendar?: boolean
  readonly hasTnef?: boolean
  readonly protection?: Protection
  readonly defects?: readonly string[]
  /** Extracted text, at most 16 KiB of UTF-8. Readers that do not ask for text get ''. */
  readonly text: string
  /** The rest of the text must be read from the blob. */
  readonly textTruncated?: boolean
}

interface Arrival {
  readonly messageId: string
  readonly folderId: string
  /** Normalised flags. */
  readonly flags: readonly string[]
  /** IMAP INTERNALDATE, epoch milliseconds: when it came, or its original date when imported. */
  readonly receivedAt: number
  readonly content: MessageContent
}

export type MailboxEvent =
  | {
      type: 'FolderCreated'
      data: { folderId: string; name: string; parentId: string | null; role: FolderRole | null }
    }
  | { type: 'FolderRenamed'; data: { folderId: string; name: string } }
  | { type: 'FolderMoved'; data: { folderId: string; parentId: string | null } }
  | { type: 'FolderDeleted'; data: { folderId: string } }
  | { type: 'FolderSubscribed'; data: { folderId: string; subscribed: boolean } }
  | {
      type: 'MessageReceived'
      data: Arrival & {
        /** SMTP reverse-path; '' for a bounce. */
        readonly mailFrom: string
        /** The RCPT address that led here, tag included. */
        readonly recipient: string
        readonly intakeId: string
      }
    }
  | { type: 'MessageAppended'; data: Arrival & { readonly source: 'append' | 'draft' | 'sent' | 'import' } }
  | { type: 'FlagsChanged'; data: { messageIds: readonly string[]; add: readonly string[]; remove: readonly string[] } }
  | { type: 'MessageMoved'; data: { messageId: string; folderId: string } }
  | { type: 'MessageCopied'; data: { messageId: string; copyId: string; folderId: string } }
  | { type: 'MessagesExpunged'; data: { messageIds: readonly string[] } }
  | { type: 'MessageRestored'; data: { messageId: string; folderId: string } }

export const MAILBOX_EVENT_TYPES = [
  'FolderCreated',
  'FolderRenamed',
  'FolderMoved',
  'FolderDeleted',
  'FolderSubscribed',
  'MessageReceived',
  'MessageAppended',
  'FlagsChanged',
  'MessageMoved',
  'MessageCopied',
  'MessagesExpunged',
  'MessageRestored',
] as const satisfies readonly MailboxEvent['type'][]
