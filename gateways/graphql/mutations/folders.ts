import { newId } from '../../../commands/identity.ts'
import type { Revision } from '../../../domain/log.ts'
import type { FolderRow } from '../../../projections/queries.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder, type GraphqlContext } from '../builder.ts'
import { FolderType } from '../types/folder.ts'
import { RevisionPayloadType } from './payloads.ts'

const FolderPayloadType = builder
  .objectRef<{ readonly folder: FolderRow; readonly revision: Revision }>('FolderPayload')
  .implement({
    fields: (t) => ({
      folder: t.field({ type: FolderType, resolve: (payload) => payload.folder }),
      revision: t.field({ type: 'Revision', resolve: (payload) => payload.revision }),
    }),
  })

/** The folder as it is once the view shows the change. */
async function folderAfter(folderId: string, revision: Revision, { accountId, services }: GraphqlContext) {
  await services.atLeast(accountId, revision)
  const folder = await services.deps.views.mailbox.folder(accountId, folderId)
  if (!folder) throw new ProblemError(404, 'no-such-folder', 'The folder was deleted meanwhile.')
  return { folder, revision }
}

builder.mutationFields((t) => ({
  createFolder: t.field({
    type: FolderPayloadType,
    args: { name: t.arg.string({ required: true }), parentId: t.arg.id() },
    resolve: async (_root, { name, parentId }, context) => {
      const folderId = newId()
      const { revision } = await context.services.change(context.command(), context.accountId, {
        type: 'CreateFolder',
        folderId,
        name,
        parentId: parentId ?? null,
      })
      return folderAfter(folderId, revision, context)
    },
  }),
  renameFolder: t.field({
    type: FolderPayloadType,
    args: { folderId: t.arg.id({ required: true }), name: t.arg.string({ required: true }) },
    resolve: async (_root, { folderId, name }, context) => {
      const { revision } = await context.services.change(context.command(), context.accountId, {
        type: 'RenameFolder',
        folderId,
        name,
      })
      return folderAfter(folderId, revision, context)
    },
  }),
  deleteFolder: t.field({
    type: RevisionPayloadType,
    args: { folderId: t.arg.id({ required: true }) },
    resolve: (_root, { folderId }, context) =>
      context.services.change(context.command(), context.accountId, { type: 'DeleteFolder', folderId }),
  }),
}))
