import { MAX_MESSAGES_PER_COMMAND } from '../../../commands/change-mailbox.ts'
import { newId } from '../../../commands/identity.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder } from '../builder.ts'
import { RevisionPayloadType } from './payloads.ts'

const MAX_FLAGS = 64

/** Ids of a command, checked before anything is looked up. */
function messagesOf(messageIds: readonly string[]): readonly string[] {
  const bad = (detail: string) => new ProblemError(422, 'bad-user-input', detail, { field: 'messageIds' })
  if (messageIds.length === 0) throw bad('messageIds names no message.')
  if (messageIds.length > MAX_MESSAGES_PER_COMMAND)
    throw bad(`A command takes at most ${MAX_MESSAGES_PER_COMMAND} messages: send several.`)
  return messageIds
}

function flagsOf(flags: readonly string[] | null | undefined): readonly string[] {
  if ((flags?.length ?? 0) > MAX_FLAGS)
    throw new ProblemError(422, 'too-many', `A command takes at most ${MAX_FLAGS} flags.`)
  return flags ?? []
}

builder.mutationFields((t) => {
  const messageIds = t.arg.idList({ required: true })
  return {
    setFlags: t.field({
      type: RevisionPayloadType,
      args: { messageIds, add: t.arg.stringList(), remove: t.arg.stringList() },
      resolve: (_root, args, { services, accountId, command }) =>
        services.change(command(), accountId, {
          type: 'ChangeFlags',
          messageIds: messagesOf(args.messageIds),
          add: flagsOf(args.add),
          remove: flagsOf(args.remove),
        }),
    }),
    moveMessages: t.field({
      type: RevisionPayloadType,
      args: { messageIds, folderId: t.arg.id({ required: true }) },
      resolve: (_root, args, { services, accountId, command }) =>
        services.change(command(), accountId, {
          type: 'MoveMessages',
          messageIds: messagesOf(args.messageIds),
          folderId: args.folderId,
        }),
    }),
    copyMessages: t.field({
      type: RevisionPayloadType,
      args: { messageIds, folderId: t.arg.id({ required: true }) },
      resolve: (_root, args, { services, accountId, command }) =>
        services.change(command(), accountId, {
          type: 'CopyMessages',
          copies: messagesOf(args.messageIds).map((messageId) => ({ messageId, copyId: newId() })),
          folderId: args.folderId,
        }),
    }),
    deleteMessages: t.field({
      type: RevisionPayloadType,
      description: 'To Trash; from Trash for good, restorable for the retention time.',
      args: { messageIds },
      resolve: (_root, args, { services, accountId, command }) =>
        services.change(command(), accountId, { type: 'DeleteMessages', messageIds: messagesOf(args.messageIds) }),
    }),
    restoreMessages: t.field({
      type: RevisionPayloadType,
      args: { messageIds },
      resolve: (_root, args, { services, accountId, command }) =>
        services.change(command(), accountId, { type: 'RestoreMessages', messageIds: messagesOf(args.messageIds) }),
    }),
  }
})
