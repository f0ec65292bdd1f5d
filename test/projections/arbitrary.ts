// Random histories of accounts: sensible and senseless events mixed, so that every no-op of the fold is met.
import fc from 'fast-check'
import type { EverpostEvent } from '../../domain/events.ts'
import { accountStream, mailboxStream, submissionStream } from '../../domain/log.ts'
import type { FolderRole } from '../../domain/mailbox/mailbox.ts'
import { content, MemoryLog } from './log.ts'

export const ACCOUNTS = ['aaaaaaaaaaaaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbbbbbbbbbbba', 'odd-account'] as const
export const FOLDERS = ['inbox', 'archive', 'trash', 'work', 'work-sub'] as const
export const MESSAGES = Array.from({ length: 12 }, (_, i) =>
  i < 8 ? `${'abcdefgh'[i]}`.padEnd(26, 'a') : `message-${i}`,
)
const FLAGS = ['\\seen', '\\flagged', '\\deleted', 'todo', '$label1'] as const

const message = fc.constantFrom(...MESSAGES)
const folder = fc.constantFrom(...FOLDERS, 'nowhere')
const flags = fc.uniqueArray(fc.constantFrom(...FLAGS), { maxLength: 3 })
const messages = fc.uniqueArray(message, { minLength: 1, maxLength: 4 })
const ROLES: Partial<Record<string, FolderRole>> = { inbox: 'inbox', archive: 'archive', trash: 'trash' }

const arrival = fc
  .record({
    messageId: message,
    folderId: folder,
    flags,
    receivedAt: fc.integer({ min: 1_000, max: 1_010 }),
    number: fc.nat(6),
    references: fc.uniqueArray(fc.nat(6), { maxLength: 2 }),
    reply: fc.boolean(),
    size: fc.integer({ min: 1, max: 9 }),
    attachment: fc.boolean(),
  })
  .map(({ number, references, reply, size, attachment, ...rest }) => ({
    ...rest,
    content: content({
      size,
      attachment,
      subject: `${reply ? 'Re: ' : ''}Subject ${number % 3}`,
      from: `sender${number}@example.test`,
      messageId: `m${number}@example.test`,
      references: references.map((each) => `m${each}@example.test`),
    }),
  }))

export const mailboxEvent: fc.Arbitrary<EverpostEvent> = fc.oneof(
  {
    weight: 4,
    arbitrary: arrival.map(
      (data): EverpostEvent => ({
        type: 'MessageReceived',
        data: { ...data, mailFrom: 'a@b.test', recipient: 'c@d.test', intakeId: 'i' },
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: arrival.map((data): EverpostEvent => ({ type: 'MessageAppended', data: { ...data, source: 'append' } })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ messageIds: messages, add: flags, remove: flags })
      .map((data): EverpostEvent => ({ type: 'FlagsChanged', data })),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({ messageId: message, folderId: folder })
      .map((data): EverpostEvent => ({ type: 'MessageMoved', data })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ messageId: message, copyId: message, folderId: folder })
      .map((data): EverpostEvent => ({ type: 'MessageCopied', data })),
  },
  {
    weight: 2,
    arbitrary: messages.map((messageIds): EverpostEvent => ({ type: 'MessagesExpunged', data: { messageIds } })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ messageId: message, folderId: folder })
      .map((data): EverpostEvent => ({ type: 'MessageRestored', data })),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...FOLDERS).map(
      (folderId): EverpostEvent => ({
        type: 'FolderCreated',
        data: {
          folderId,
          name: folderId,
          parentId: folderId === 'work-sub' ? 'work' : null,
          role: ROLES[folderId] ?? null,
        },
      }),
    ),
  },
  { weight: 1, arbitrary: folder.map((folderId): EverpostEvent => ({ type: 'FolderDeleted', data: { folderId } })) },
  {
    weight: 1,
    arbitrary: folder.map((folderId): EverpostEvent => ({ type: 'FolderRenamed', data: { folderId, name: 'new' } })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ folderId: folder, parentId: fc.option(folder) })
      .map((data): EverpostEvent => ({ type: 'FolderMoved', data })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ folderId: folder, subscribed: fc.boolean() })
      .map((data): EverpostEvent => ({ type: 'FolderSubscribed', data })),
  },
)

const otherEvent = (account: string): fc.Arbitrary<readonly [stream: string, event: EverpostEvent]> => {
  const submissionId = `submission-of-${account.slice(0, 3)}`
  const recipient = 'x@example.test'
  const events: readonly EverpostEvent[] = [
    {
      type: 'AccountOpened',
      data: { accountId: account, address: `${account.slice(0, 3)}@example.test`, name: 'N', role: 'user' },
    },
    { type: 'AddressAdded', data: { accountId: account, address: 'shared@example.test', kind: 'alias' } },
    { type: 'PasswordChanged', data: { accountId: account, hash: 'h' } },
    { type: 'QuotaChanged', data: { accountId: account, bytes: 5 } },
    { type: 'LegalHoldPlaced', data: { accountId: account, holdId: 'h', reason: 'r' } },
    ...['lr', ''].flatMap((rights): EverpostEvent[] => [
      { type: 'FolderShared', data: { accountId: account, folderId: 'work', with: ACCOUNTS[0], rights } },
      { type: 'FolderShared', data: { accountId: account, folderId: 'inbox', with: '@example.test', rights } },
    ]),
    ...['AAAA', null].map((value): EverpostEvent => {
      const data = { accountId: account, folderId: null, entry: '/private/comment', value }
      return { type: 'AnnotationChanged', data }
    }),
    {
      type: 'MessageSubmitted',
      data: {
        submissionId,
        accountId: account,
        messageId: MESSAGES[0] ?? '',
        mailFrom: 'a@b.test',
        recipients: [{ address: recipient }],
        blob: { id: 'ff', key: 'k', size: 1 },
        subject: 's',
        sendAt: 5,
      },
    },
    { type: 'RecipientDeferred', data: { submissionId, recipient, answer: '450', nextAttemptAt: 9 } },
    { type: 'RecipientDelivered', data: { submissionId, recipient, answer: '250' } },
    { type: 'SubmissionCompleted', data: { submissionId } },
    { type: 'SendCancelled', data: { submissionId } },
  ]
  return fc
    .constantFrom(...events)
    .map((event) => [
      event.type.match(/^(Account|Address|Password|Quota|Legal|FolderShared|Annotation)/)
        ? accountStream(account)
        : submissionStream(submissionId),
      event,
    ])
}

const step: fc.Arbitrary<readonly [stream: string, event: EverpostEvent]> = fc
  .constantFrom(...ACCOUNTS)
  .chain((account) =>
    fc.oneof(
      { weight: 20, arbitrary: mailboxEvent.map((event) => [mailboxStream(account), event] as const) },
      { weight: 4, arbitrary: otherEvent(account) },
      {
        weight: 1,
        arbitrary: fc.constant([
          accountStream(account),
          { type: 'AccountErased', data: { accountId: account } },
        ] as const),
      },
    ),
  )

/** A log in which every account has its inbox, then anything at all. */
export const history: fc.Arbitrary<MemoryLog> = fc.array(step, { maxLength: 120, size: 'max' }).map((steps) => {
  const log = new MemoryLog()
  for (const account of ACCOUNTS)
    log.append(mailboxStream(account), {
      type: 'FolderCreated',
      data: { folderId: 'inbox', name: 'Inbox', parentId: null, role: 'inbox' },
    })
  for (const [stream, event] of steps) log.append(stream, event)
  return log
})

/** Sizes in which a log is cut into batches. */
export const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 })
