import type { MailboxMoment } from '../../web/dependencies.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder } from '../builder.ts'
import { checkPage, type MessageConnection, MessageConnectionType } from './connection.ts'
import { FolderType } from './folder.ts'

interface Snapshot {
  readonly time: number
  readonly moment: MailboxMoment
}

const SnapshotType = builder.objectRef<Snapshot>('MailboxSnapshot').implement({
  fields: (t) => ({
    time: t.field({ type: 'DateTime', resolve: ({ time }) => time }),
    revision: t.field({ type: 'Revision', nullable: true, resolve: ({ moment }) => moment.revision }),
    folders: t.field({
      type: [FolderType],
      resolve: ({ moment }, _args, { accountId }) => moment.queries.folders(accountId),
    }),
    messages: t.field({
      type: MessageConnectionType,
      args: {
        folderId: t.arg.id({ required: true }),
        first: t.arg.int({ defaultValue: 50 }),
        after: t.arg.string(),
      },
      resolve: async ({ moment }, args, { accountId }): Promise<MessageConnection> => {
        const options = checkPage(args)
        const folder = await moment.queries.folder(accountId, args.folderId)
        if (!folder) throw new ProblemError(404, 'no-such-folder', 'This folder did not exist then.')
        return {
          page: await moment.queries.messages(accountId, args.folderId, options),
          hasPreviousPage: options.after !== undefined,
          totalCount: () => folder.total,
          revision: moment.revision ?? null,
        }
      },
    }),
  }),
})

builder.queryField('mailboxAt', (t) =>
  t.field({
    type: SnapshotType,
    args: { time: t.arg({ type: 'DateTime', required: true }) },
    resolve: async (_root, { time }, { accountId, services }) => ({
      time,
      moment: await services.deps.mailboxAt(accountId, time),
    }),
  }),
)
