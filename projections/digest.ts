// Equal rows, equal digest: a SHA-256 over rows written in one canonical form, the same for every engine.
import { createHash, type Hash } from 'node:crypto'
import type {
  AddressState,
  DirectoryState,
  DomainState,
  Example,
  FilterFolders,
  FolderState,
  JudgedMessage,
  MailboxState,
  MessageState,
  MessageSummary,
  QuarantineState,
  SentMessage,
  SubmissionState,
  VanishedUid,
} from './ports/view-store.ts'

/** Rows are added in the order that each method names; the account comes first in all of them. */
export class RowDigest {
  readonly #hash: Hash = createHash('sha256')
  #pending = ''

  #add(kind: string, ...values: unknown[]): void {
    this.#pending += `${kind}${JSON.stringify(values)}\n`
    if (this.#pending.length > 65_536) this.#flush()
  }

  #flush(): void {
    this.#hash.update(this.#pending)
    this.#pending = ''
  }

  /** Ascending by account. */
  mailbox(account: string, mailbox: Pick<MailboxState, 'revision' | 'messages' | 'bytes'>): void {
    this.#add('mailbox', account, mailbox.revision, mailbox.messages, mailbox.bytes)
  }
  /** By creation, after their mailbox. */
  folder(folder: FolderState): void {
    const { changed: _, ...row } = folder
    this.#add('folder', ...Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))
  }
  /** Ascending by `from`, after the folders. */
  alias(from: number, to: number): void {
    this.#add('alias', from, to)
  }
  /** Ascending by `order`, after every mailbox; settled. */
  message(account: string, m: MessageState, s: MessageSummary): void {
    this.#add(
      'message',
      ...[account, m.id, m.order, m.folder, m.uid, m.modseq, m.thread, m.flags, m.size, m.receivedAt],
      ...[m.expunged, m.expungedAt, s.subject, addresses(s.from), addresses(s.to), s.date, s.snippet],
      ...[s.hasAttachment, s.messageIdHeader, s.position],
    )
  }
  /** Ascending by account, folder, UID, MODSEQ. */
  vanished(account: string, { folder, uid, modseq }: VanishedUid): void {
    this.#add('vanished', account, folder, uid, modseq)
  }
  /** Ascending by `id`. */
  account(account: DirectoryState): void {
    this.#add('account', ...Object.entries(account).sort(([a], [b]) => (a < b ? -1 : 1)))
  }
  address(address: string, { accountId, kind }: AddressState): void {
    this.#add('address', address, accountId, kind)
  }
  domain({ name }: DomainState): void {
    this.#add('domain', name)
  }
  /** Ascending by key (`shareKey`), after the domains. */
  share(key: string): void {
    this.#add('share', key)
  }
  submission(submission: SubmissionState): void {
    this.#add('submission', ...Object.entries(submission).sort(([a], [b]) => (a < b ? -1 : 1)))
  }
  sent(id: string, { accountId, messageId }: SentMessage): void {
    this.#add('sent', id, accountId, messageId)
  }
  accountHistory(account: string, positions: readonly number[]): void {
    this.#add('account-history', account, ...positions)
  }
  messageHistory(account: string, messageId: string, positions: readonly number[]): void {
    this.#add('message-history', account, messageId, ...positions)
  }
  /** Ascending by account. */
  filterFolders(folders: FilterFolders): void {
    this.#add('filter-folders', folders.account, folders.junk, folders.trash)
  }
  /** Ascending by account and message. */
  judged(account: string, messageId: string, { junk, label }: JudgedMessage): void {
    this.#add('judged', account, messageId, junk, label ?? null)
  }
  /** Ascending by position, then account and message. */
  example(messageId: string, { account, label, position }: Example): void {
    this.#add('example', account, messageId, label, position)
  }
  /** Ascending by account and intake. */
  quarantined(held: QuarantineState): void {
    this.#add('quarantined', ...Object.entries(held).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  finish(): string {
    this.#flush()
    return this.#hash.digest('hex')
  }
}

const addresses = (list: MessageSummary['from']): unknown[] =>
  list.map((each) => [each.name ?? null, each.address, each.group ?? null])
