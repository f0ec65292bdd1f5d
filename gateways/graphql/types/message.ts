import { readAddressList } from '../../../domain/mail/address.ts'
import { findHeader } from '../../../domain/mail/header.ts'
import type { Attachment, MailAddress } from '../../../domain/mail/structure.ts'
import type { MessageContent } from '../../../domain/mailbox/mailbox.ts'
import type { MessageRow } from '../../../projections/queries.ts'
import { DRAFT_BCC } from '../../web/outgoing.ts'
import { ProblemError } from '../../web/problem.ts'
import { SANITISER_VERSION } from '../../web/sanitise-html.ts'
import { builder, type GraphqlContext } from '../builder.ts'
import { FilterVerdictType } from './verdict.ts'

const AddressType = builder.objectRef<MailAddress>('Address').implement({
  fields: (t) => ({
    name: t.string({ nullable: true, resolve: (each) => each.name ?? null }),
    address: t.exposeString('address'),
  }),
})

interface MessageAttachment extends Attachment {
  readonly messageId: string
}

const AttachmentType = builder.objectRef<MessageAttachment>('Attachment').implement({
  fields: (t) => ({
    section: t.exposeString('section'),
    filename: t.exposeString('filename'),
    type: t.exposeString('type'),
    size: t.exposeFloat('size'),
    inline: t.exposeBoolean('inline'),
    contentId: t.string({ nullable: true, resolve: (each) => each.contentId ?? null }),
    url: t.string({ resolve: ({ messageId, section }) => attachmentUrl(messageId, section) }),
  }),
})

export const attachmentUrl = (messageId: string, section: string): string =>
  `/message/${messageId}/attachments/${section}`

async function contentOf(row: MessageRow, { contents }: GraphqlContext): Promise<MessageContent> {
  const content = await contents.at(row.position)
  if (!content) throw new ProblemError(404, 'gone', 'The content of this message is no longer there.')
  return content
}

export const MessageType = builder.objectRef<MessageRow>('Message').implement({
  fields: (t) => ({
    id: t.exposeID('id'),
    folderId: t.exposeID('folderId'),
    uid: t.exposeFloat('uid'),
    threadId: t.exposeID('threadId'),
    subject: t.exposeString('subject'),
    from: t.field({ type: [AddressType], resolve: (row) => row.from }),
    to: t.field({ type: [AddressType], resolve: (row) => row.to }),
    cc: t.field({
      type: [AddressType],
      resolve: async (row, _args, context) => (await contentOf(row, context)).envelope.cc,
    }),
    bcc: t.field({
      type: [AddressType],
      description: 'Of a draft as it was saved; of received mail what the sender left in it.',
      resolve: async (row, _args, context) => {
        const content = await contentOf(row, context)
        if (content.envelope.bcc.length > 0 || !row.flags.includes('\\draft')) return content.envelope.bcc
        const end = Math.min(content.root.bodyStart, 256 * 1024)
        const head = await context.services.deps.blobs.read(content.blob, 0, end)
        return readAddressList(findHeader(head, { headerStart: 0, bodyStart: end }, DRAFT_BCC) ?? '')
      },
    }),
    replyTo: t.field({
      type: [AddressType],
      resolve: async (row, _args, context) => (await contentOf(row, context)).envelope.replyTo,
    }),
    date: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'The Date field; null when missing or unreadable.',
      resolve: (row) => row.date,
    }),
    receivedAt: t.field({ type: 'DateTime', resolve: (row) => row.receivedAt }),
    size: t.exposeFloat('size'),
    flags: t.stringList({
      description: 'Lowercase: \\seen \\flagged \\answered \\draft and keywords.',
      resolve: (row) => row.flags,
    }),
    unread: t.boolean({ resolve: (row) => !row.flags.includes('\\seen') }),
    flagged: t.boolean({ resolve: (row) => row.flags.includes('\\flagged') }),
    snippet: t.exposeString('snippet'),
    hasAttachment: t.exposeBoolean('hasAttachment'),
    messageIdHeader: t.string({ nullable: true, resolve: (row) => row.messageIdHeader || null }),
    inReplyTo: t.stringList({
      resolve: async (row, _args, context) => (await contentOf(row, context)).envelope.inReplyTo,
    }),
    references: t.stringList({
      resolve: async (row, _args, context) => (await contentOf(row, context)).envelope.references,
    }),
    text: t.string({
      description: 'Full plain text of the message.',
      resolve: async (row, _args, context) =>
        context.services.bodies.text(context.accountId, await contentOf(row, context)),
    }),
    html: t.string({
      nullable: true,
      description:
        "Sanitised HTML, null when the message has none. Remote images are left out unless asked; cid images point at bodyUrl's parts.",
      args: { remoteImages: t.arg.boolean({ defaultValue: false }) },
      resolve: async (row, { remoteImages }, context) => (await safeHtml(row, context, remoteImages ?? false))?.html,
    }),
    bodyUrl: t.string({
      nullable: true,
      description:
        'Address of the HTML body as a page for a sandboxed frame; signed, expires. Append &images=1 to show remote images.',
      resolve: async (row, _args, context) => {
        const { accountId: account, services } = context
        if (!services.bodies.hasHtml(await contentOf(row, context))) return null
        return `/body/${services.links.sign({ account, messageId: row.id, section: '' })}?v=${SANITISER_VERSION}`
      },
    }),
    remoteImageCount: t.int({
      resolve: async (row, _args, context) => (await safeHtml(row, context, false))?.remoteImages ?? 0,
    }),
    attachments: t.field({
      type: [AttachmentType],
      resolve: async (row, _args, context) => {
        const attachments = await context.services.bodies.attachments(await contentOf(row, context))
        return attachments.map((attachment) => ({ ...attachment, messageId: row.id }))
      },
    }),
    verdict: t.field({
      type: FilterVerdictType,
      nullable: true,
      description: 'What the filters said when it came, and why; null for mail that no filter saw.',
      resolve: async (row, _args, context) => (await contentOf(row, context)).verdict,
    }),
    rawUrl: t.string({ resolve: (row) => `/message/${row.id}/raw` }),
  }),
})

async function safeHtml(row: MessageRow, context: GraphqlContext, remoteImages: boolean) {
  const content = await contentOf(row, context)
  return context.services.bodies.html(context.accountId, row.id, content, remoteImages)
}

const ThreadType = builder
  .objectRef<{ readonly id: string; readonly subject: string; readonly messages: readonly MessageRow[] }>('Thread')
  .implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      subject: t.exposeString('subject'),
      messages: t.field({ type: [MessageType], resolve: (thread) => thread.messages }),
    }),
  })

builder.queryFields((t) => ({
  message: t.field({
    type: MessageType,
    nullable: true,
    args: { id: t.arg.id({ required: true }), atLeast: t.arg({ type: 'Revision' }) },
    resolve: async (_root, { id, atLeast }, { accountId, services }) => {
      await services.atLeast(accountId, atLeast)
      return services.deps.views.mailbox.message(accountId, id)
    },
  }),
  thread: t.field({
    type: ThreadType,
    nullable: true,
    args: { id: t.arg.id({ required: true }), atLeast: t.arg({ type: 'Revision' }) },
    resolve: async (_root, { id, atLeast }, { accountId, services }) => {
      await services.atLeast(accountId, atLeast)
      return services.deps.views.mailbox.thread(accountId, id)
    },
  }),
}))
