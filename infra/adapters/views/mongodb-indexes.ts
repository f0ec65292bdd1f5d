// Every index of the views in MongoDB, with the question that it answers. A question that none of them serves is a collection scan.

export type MongoViewName = 'mailbox' | 'directory' | 'submissions' | 'timeline' | 'filter'

const TABLES = {
  mailbox: ['head', 'message', 'thread', 'vanished', 'parked'],
  directory: ['account', 'address', 'domain', 'share', 'parked'],
  submissions: ['submission', 'parked'],
  timeline: ['sent', 'history', 'parked'],
  filter: ['folders', 'judged', 'example', 'quarantine', 'parked'],
} as const
export type TableName = (typeof TABLES)[MongoViewName][number]
export const tablesOf = (view: MongoViewName): readonly TableName[] => TABLES[view]

export interface ViewIndex {
  readonly view: MongoViewName
  readonly table: TableName
  readonly name: string
  readonly key: Readonly<Record<string, 1 | -1>>
  readonly serves: string
}

/**
 * `a` is the account, `f` the folder, `x` what the message was expunged by (0 while it lives). Rows are found by `_id` everywhere
 * else, which begins with the account.
 */
export const INDEXES: readonly ViewIndex[] = [
  {
    view: 'mailbox',
    table: 'head',
    name: 'head_at',
    key: { at: 1 },
    serves: 'processes that missed a message: mailboxes committed since a position',
  },
  {
    view: 'mailbox',
    table: 'message',
    name: 'message_date',
    key: { a: 1, f: 1, x: 1, received: -1, order: -1 },
    serves: 'a page of a folder, newest first; senders looked through; counts with a filter on time',
  },
  {
    view: 'mailbox',
    table: 'message',
    name: 'message_unread',
    key: { a: 1, f: 1, x: 1, seen: 1, received: -1, order: -1 },
    serves: 'a page or a count of unread messages',
  },
  {
    view: 'mailbox',
    table: 'message',
    name: 'message_flagged',
    key: { a: 1, f: 1, x: 1, flagged: 1, received: -1, order: -1 },
    serves: 'a page or a count of flagged messages',
  },
  {
    view: 'mailbox',
    table: 'message',
    name: 'message_attachment',
    key: { a: 1, f: 1, x: 1, attachment: 1, received: -1, order: -1 },
    serves: 'a page or a count of messages with attachments',
  },
  {
    view: 'mailbox',
    table: 'message',
    name: 'message_uid',
    key: { a: 1, f: 1, x: 1, uid: 1 },
    serves: 'IMAP: ranges of UIDs, the first unseen, how many carry a flag; what is left in a deleted folder',
  },
  {
    view: 'mailbox',
    table: 'message',
    name: 'message_thread',
    key: { a: 1, thread: 1 },
    serves: 'the messages of a conversation',
  },
  {
    view: 'mailbox',
    table: 'message',
    name: 'message_expunged',
    key: { a: 1, x: -1, order: -1 },
    serves: 'what can still be restored, newest first; the wiping of an erased account',
  },
  {
    view: 'mailbox',
    table: 'thread',
    name: 'thread_account',
    key: { a: 1 },
    serves: 'the wiping of an erased account',
  },
  {
    view: 'mailbox',
    table: 'vanished',
    name: 'vanished_since',
    key: { a: 1, f: 1, modseq: 1 },
    serves: 'IMAP QRESYNC: UIDs that left a folder since; the wiping of an erased account',
  },
  {
    view: 'directory',
    table: 'account',
    name: 'account_opened',
    key: { erased: 1, opened: 1 },
    serves: 'all accounts in the order of their opening; the erased ones',
  },
  {
    view: 'directory',
    table: 'share',
    name: 'share_grantee',
    key: { grantee: 1, owner: 1 },
    serves: 'who shares a folder with an account or its domain',
  },
  {
    view: 'submissions',
    table: 'submission',
    name: 'submission_account',
    key: { a: 1, position: -1 },
    serves: 'an account’s submissions, newest first',
  },
  {
    view: 'submissions',
    table: 'submission',
    name: 'submission_account_pending',
    key: { a: 1, pending: 1, position: -1 },
    serves: 'an account’s submissions that are not over',
  },
  {
    view: 'submissions',
    table: 'submission',
    name: 'submission_message',
    key: { a: 1, message: 1, position: 1 },
    serves: 'the submission that sends a message',
  },
  {
    view: 'submissions',
    table: 'submission',
    name: 'submission_field',
    key: { a: 1, field: 1, position: 1 },
    serves: 'submissions that a delivery report names by Message-ID',
  },
  {
    view: 'submissions',
    table: 'submission',
    name: 'submission_pending',
    key: { pending: 1, position: 1 },
    serves: 'the sweep over every submission that is not over; those made since',
  },
  {
    view: 'submissions',
    table: 'submission',
    name: 'submission_due',
    key: { pending: 1, due: 1, position: 1 },
    serves: 'delivery: whose next recipient is due',
  },
  { view: 'timeline', table: 'sent', name: 'sent_account', key: { a: 1 }, serves: 'the wiping of an erased account' },
  {
    view: 'timeline',
    table: 'history',
    name: 'history_list',
    key: { a: 1, list: 1, first: 1 },
    serves: 'the history of an account or of a message, from a position on',
  },
  {
    view: 'filter',
    table: 'judged',
    name: 'judged_account',
    key: { a: 1 },
    serves: 'the wiping of an erased account',
  },
  {
    view: 'filter',
    table: 'example',
    name: 'example_account',
    key: { a: 1, position: -1 },
    serves: 'what an account taught, newest first',
  },
  {
    view: 'filter',
    table: 'example',
    name: 'example_position',
    key: { position: -1 },
    serves: 'what everybody taught, newest first',
  },
  {
    view: 'filter',
    table: 'quarantine',
    name: 'quarantine_account',
    key: { a: 1, held: 1, position: -1 },
    serves: 'an account’s held mail, newest first',
  },
  {
    view: 'filter',
    table: 'quarantine',
    name: 'quarantine_position',
    key: { held: 1, position: -1, a: 1 },
    serves: 'all held mail, for administrators',
  },
]
