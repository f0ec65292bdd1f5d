import { cancellable } from '../../realtime/cancellable.ts'
import { followMailbox, type MailboxChange } from '../../realtime/follow-mailbox.ts'
import { pushing } from '../../realtime/push-times.ts'
import { MessageContents } from '../../web/message-contents.ts'
import { builder } from '../builder.ts'
import { FolderType } from './folder.ts'
import { MessageType } from './message.ts'

const MailboxChangeType = builder.objectRef<MailboxChange>('MailboxChange').implement({
  fields: (t) => ({
    revision: t.field({ type: 'Revision', resolve: (change) => change.revision }),
    type: t.string({
      description: "The event's type: MessageReceived, FlagsChanged, FolderCreated …",
      resolve: (change) => change.type,
    }),
    at: t.field({ type: 'DateTime', resolve: (change) => change.at }),
    causationId: t.exposeString('causationId'),
    messageIds: t.idList({ resolve: (change) => change.messageIds }),
    messages: t.field({
      type: [MessageType],
      description: 'The messages concerned as they are now (at most 100); gone ones are left out.',
      resolve: (change) => change.messages,
    }),
    folderIds: t.idList({ resolve: (change) => change.folderIds }),
    folders: t.field({
      type: [FolderType],
      nullable: true,
      description: 'Folder counts as they are now; only with the last change of a batch.',
      resolve: (change) => change.folders,
    }),
  }),
})

builder.subscriptionField('mailboxChanged', (t) =>
  t.field({
    type: MailboxChangeType,
    description: 'Resumes after any revision, however old, then stays live; without `after` it starts now.',
    args: { after: t.arg({ type: 'Revision' }) },
    subscribe: (_root, { after }, context) => {
      const { who, accountId, services, subscriptions } = context
      const close = subscriptions.open(who.session)
      return cancellable(
        context.signal,
        async function* (signal) {
          try {
            for await (const change of followMailbox(services.deps, accountId, { after: after ?? undefined, signal })) {
              context.contents = new MessageContents(services.deps.source, accountId)
              const sent = pushing(services.deps, change)
              try {
                // Asked for the next one, the reader has sent this one.
                yield change
              } finally {
                sent()
              }
            }
          } finally {
            close()
          }
        },
        close,
      )
    },
    resolve: (change) => change,
  }),
)
