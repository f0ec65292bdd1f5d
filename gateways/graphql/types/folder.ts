import type { FolderRow } from '../../../projections/queries.ts'
import { builder } from '../builder.ts'

export const FolderRoleEnum = builder.enumType('FolderRole', {
  values: {
    INBOX: { value: 'inbox' },
    DRAFTS: { value: 'drafts' },
    SENT: { value: 'sent' },
    ARCHIVE: { value: 'archive' },
    JUNK: { value: 'junk' },
    TRASH: { value: 'trash' },
  } as const,
})

export const FolderType = builder.objectRef<FolderRow>('Folder').implement({
  fields: (t) => ({
    id: t.exposeID('id'),
    name: t.exposeString('name'),
    parentId: t.exposeID('parentId', { nullable: true }),
    role: t.field({ type: FolderRoleEnum, nullable: true, resolve: (folder) => folder.role }),
    total: t.exposeInt('total'),
    unread: t.exposeInt('unread'),
    uidValidity: t.exposeFloat('uidValidity'),
    uidNext: t.exposeFloat('uidNext'),
    subscribed: t.exposeBoolean('subscribed'),
  }),
})

builder.queryField('folders', (t) =>
  t.field({
    type: [FolderType],
    args: { atLeast: t.arg({ type: 'Revision' }) },
    resolve: async (_root, { atLeast }, { accountId, services }) => {
      await services.atLeast(accountId, atLeast)
      return services.deps.views.mailbox.folders(accountId)
    },
  }),
)
