import { cancelSend } from '../../../commands/cancel-send.ts'
import type { Revision } from '../../../domain/log.ts'
import type { OutgoingMessage, SentMessage } from '../../web/outgoing.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder } from '../builder.ts'

const AddressInput = builder.inputType('AddressInput', {
  fields: (t) => ({ name: t.string(), address: t.string({ required: true }) }),
})

const ForwardAttachmentInput = builder.inputType('ForwardAttachmentInput', {
  fields: (t) => ({ messageId: t.id({ required: true }), section: t.string({ required: true }) }),
})

const SendMessageInput = builder.inputType('SendMessageInput', {
  fields: (t) => ({
    from: t.field({
      type: AddressInput,
      description: 'One of your own addresses; the primary one when absent.',
    }),
    to: t.field({ type: [AddressInput] }),
    cc: t.field({ type: [AddressInput] }),
    bcc: t.field({ type: [AddressInput] }),
    subject: t.string(),
    text: t.string(),
    html: t.string(),
    attachmentIds: t.idList({ description: 'Ids answered by POST /attachments.' }),
    forwardAttachments: t.field({
      type: [ForwardAttachmentInput],
      description: 'Attachments of a stored message to send along, for forwarding: message id and section.',
    }),
    inReplyTo: t.id({
      description: 'Message id (ours) that this answers; sets In-Reply-To and References and marks it answered.',
    }),
    forwardOf: t.id({ description: 'Message id (ours) that this forwards.' }),
    sendAt: t.field({ type: 'DateTime' }),
    undoSeconds: t.int({
      description:
        'Without sendAt: seconds that the message waits on the server so that cancelSend can take it back; 0 sends at once. By default the setting undoSendSeconds.',
    }),
    draftId: t.id({ description: 'The draft that this was; it is expunged when sent.' }),
    commandId: t.id({ description: 'Makes a retry the same command: UUID.' }),
  }),
})

const SendPayload = builder.objectRef<SentMessage>('SendMessagePayload').implement({
  fields: (t) => ({
    messageId: t.exposeID('messageId'),
    submissionId: t.exposeID('submissionId'),
    revision: t.field({ type: 'Revision', resolve: (payload) => payload.revision }),
    sendAt: t.field({
      type: 'DateTime',
      description: 'When it leaves: until then cancelSend takes it back.',
      resolve: (payload) => payload.sendAt,
    }),
  }),
})

const DraftPayload = builder
  .objectRef<{ readonly messageId: string; readonly revision: Revision }>('DraftPayload')
  .implement({
    fields: (t) => ({
      messageId: t.exposeID('messageId'),
      revision: t.field({ type: 'Revision', resolve: (payload) => payload.revision }),
    }),
  })

interface Cancelled {
  readonly submissionId: string
  readonly cancelled: boolean
  readonly reason: string | null
  readonly messageId: string | null
  readonly revision: Revision | null
}

const CancelPayload = builder.objectRef<Cancelled>('CancelSendPayload').implement({
  fields: (t) => ({
    submissionId: t.exposeID('submissionId'),
    cancelled: t.exposeBoolean('cancelled'),
    reason: t.exposeString('reason', { nullable: true }),
    messageId: t.exposeID('messageId', {
      nullable: true,
      description: 'Of the message that was taken back: its copy in Sent is a draft again, in Drafts.',
    }),
    revision: t.field({ type: 'Revision', nullable: true, resolve: (payload) => payload.revision }),
  }),
})

type Input = typeof SendMessageInput.$inferInput

function outgoing(input: Input): OutgoingMessage {
  const addresses = (list: Input['to']) =>
    (list ?? []).map(({ name, address }) => ({ address, ...(name ? { name: name.slice(0, 500) } : {}) }))
  return {
    from: input.from ? addresses([input.from])[0] : undefined,
    to: addresses(input.to),
    cc: addresses(input.cc),
    bcc: addresses(input.bcc),
    subject: (input.subject ?? '').slice(0, 10_000),
    text: input.text ?? undefined,
    html: input.html ?? undefined,
    uploads: input.attachmentIds ?? [],
    forwardAttachments: input.forwardAttachments ?? [],
    inReplyTo: input.inReplyTo ?? undefined,
    forwardOf: input.forwardOf ?? undefined,
    sendAt: input.sendAt ?? undefined,
    draftId: input.draftId ?? undefined,
  }
}

/** Longer than this is scheduled sending. */
const MAX_UNDO_SECONDS = 600

function undoSeconds(seconds: number): number {
  if (seconds >= 0 && seconds <= MAX_UNDO_SECONDS) return seconds
  throw new ProblemError(422, 'bad-user-input', `undoSeconds is 0 to ${MAX_UNDO_SECONDS}.`, { field: 'undoSeconds' })
}

export function checkCommandId(id: string | null | undefined): string | undefined {
  if (id === null || id === undefined) return undefined
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id))
    throw new ProblemError(422, 'bad-user-input', 'commandId must be a UUID.', { field: 'commandId' })
  return id.toLowerCase()
}

builder.mutationFields((t) => ({
  sendMessage: t.field({
    type: SendPayload,
    args: { input: t.arg({ type: SendMessageInput, required: true }) },
    resolve: (_root, { input }, { services, who, command }) => {
      const context = command(checkCommandId(input.commandId))
      const message = outgoing(input)
      const undo = undoSeconds(input.undoSeconds ?? services.deps.config.undoSendSeconds ?? 0)
      if (message.sendAt === undefined && undo > 0)
        return services.outgoing.send(who.account, context, { ...message, sendAt: context.at + undo * 1000 })
      return services.outgoing.send(who.account, context, message)
    },
  }),
  cancelSend: t.field({
    type: CancelPayload,
    args: { submissionId: t.arg.id({ required: true }) },
    resolve: async (_root, { submissionId }, { services, accountId, command }) => {
      if (!/^[a-z2-7]{26}$/.test(submissionId))
        throw new ProblemError(404, 'no-such-submission', 'There is no such submission.')
      const { journal, views } = services.deps
      const ports = { journal, snapshots: views.mailbox }
      const outcome = await cancelSend(ports, command(), accountId, submissionId)
      if (outcome.ok) {
        const { messageId, revision = null } = outcome
        return { submissionId, cancelled: true, reason: null, messageId, revision }
      }
      const { code, message } = outcome.refusal
      if (code === 'no-such-submission') throw new ProblemError(404, code, message)
      return { submissionId, cancelled: false, reason: message, messageId: null, revision: null }
    },
  }),
  saveDraft: t.field({
    type: DraftPayload,
    description: 'Saves a draft: a new message in Drafts that replaces `replaces`, if given.',
    args: { input: t.arg({ type: SendMessageInput, required: true }), replaces: t.arg.id() },
    resolve: (_root, { input, replaces }, { services, who, command }) =>
      services.outgoing.saveDraft(
        who.account,
        command(checkCommandId(input.commandId)),
        outgoing(input),
        replaces ?? input.draftId ?? undefined,
      ),
  }),
}))
