// What a person sends or keeps as a draft, the same for GraphQL and REST: checks, composes, hands to the commands.
import { appendedEvent } from '../../commands/append-message.ts'
import { loadMailbox } from '../../commands/change-mailbox.ts'
import { type ComposedMessage, composeMessage, storeMessage } from '../../commands/compose-message.ts'
import { type CommandContext, toNewEvents } from '../../commands/context.ts'
import { derivedId } from '../../commands/identity.ts'
import { folderIdFor } from '../../commands/open-account.ts'
import { submitMessage } from '../../commands/submit-message.ts'
import { mailboxStream, type Revision } from '../../domain/log.ts'
import { normalizeAddress } from '../../domain/mail/address.ts'
import type { ComposeAddress, ComposeAttachment } from '../../domain/mail/compose.ts'
import { headerFields } from '../../domain/mail/header.ts'
import { readMail } from '../../domain/mail/read.ts'
import type { MailboxEvent, MessageContent } from '../../domain/mailbox/mailbox.ts'
import type { DirectoryRow } from '../../projections/queries.ts'
import type { WebDependencies } from './dependencies.ts'
import { MessageContents } from './message-contents.ts'
import type { MessageFile, MessageFiles } from './message-files.ts'
import { ProblemError } from './problem.ts'
import type { SignedLinks } from './signed-links.ts'

export interface OutgoingMessage {
  /** One of the account's own addresses; the primary one when absent. */
  readonly from?: ComposeAddress | undefined
  readonly to: readonly ComposeAddress[]
  readonly cc: readonly ComposeAddress[]
  readonly bcc: readonly ComposeAddress[]
  readonly subject: string
  readonly text?: string | undefined
  readonly html?: string | undefined
  /** Ids answered by POST /attachments. */
  readonly uploads: readonly string[]
  /** Files that came with the request itself. */
  readonly files?: readonly ComposeAttachment[]
  readonly forwardAttachments: readonly { readonly messageId: string; readonly section: string }[]
  readonly inReplyTo?: string | undefined
  readonly forwardOf?: string | undefined
  /** Epoch milliseconds. */
  readonly sendAt?: number | undefined
  readonly draftId?: string | undefined
}

export interface SentMessage {
  readonly messageId: string
  readonly submissionId: string
  readonly revision: Revision
  /** When it leaves, epoch milliseconds: until then it can be taken back. */
  readonly sendAt: number
}

/** Attachments of one message together: what travels through most of the world's mail servers. */
export const MAX_ATTACHMENTS = 25 * 1024 * 1024
/** A whole message that comes ready made. */
export const MAX_RAW = 36 * 1024 * 1024
const MAX_FILES = 100
const MAX_REFERENCES = 50
/** Furthest instant for scheduled sending. */
const FURTHEST = 5 * 365 * 86_400_000
/** Drafts remember their Bcc in a field of their own, since a written message never shows it. */
export const DRAFT_BCC = 'X-Everpost-Draft-Bcc'

const bad = (field: string, detail: string, code = 'bad-field') => new ProblemError(422, code, detail, { field })

export class Outgoing {
  readonly #deps: WebDependencies
  readonly #links: SignedLinks
  readonly #files: MessageFiles

  constructor(deps: WebDependencies, links: SignedLinks, files: MessageFiles) {
    this.#deps = deps
    this.#links = links
    this.#files = files
  }

  /** Durable when it resolves. Rejects with a ProblemError that names the field. The same command id again is the same message. */
  async send(account: DirectoryRow, context: CommandContext, message: OutgoingMessage): Promise<SentMessage> {
    const recipients = [...message.to, ...message.cc, ...message.bcc].map(({ address }) => address)
    if (recipients.length === 0) throw bad('to', 'A message needs at least one recipient.', 'no-recipients')
    this.#checkTime(message.sendAt, context.at)
    const { composed, from } = await this.#compose(account, context, message)
    if (message.draftId !== undefined) await this.#mustBeDraft(account, message.draftId)
    return this.#submit(account, context, composed, from, recipients, message)
  }

  /** A message written elsewhere: recipients are its own, Bcc is taken out, Date and Message-ID are added when they are missing. */
  async sendRaw(account: DirectoryRow, context: CommandContext, raw: Uint8Array): Promise<SentMessage> {
    const { envelope, root } = readMail(raw)
    const author = envelope.from[0]
    if (!author) throw bad('from', 'The message has no From field.')
    const from = this.#identity(account, { address: author.address })
    const recipients = [...envelope.to, ...envelope.cc, ...envelope.bcc].map(({ address }) => address).filter(Boolean)
    if (recipients.length === 0) throw bad('to', 'The message names no recipient in To, Cc or Bcc.', 'no-recipients')
    const kept: Uint8Array[] = []
    let at = 0
    for (const { name, start, end } of headerFields(raw, root)) {
      if (!/^(?:resent-)?bcc$/i.test(name)) continue
      kept.push(raw.subarray(at, start))
      at = end
    }
    kept.push(raw.subarray(at))
    const added: string[] = []
    if (envelope.date === undefined) added.push(`Date: ${new Date(context.at).toUTCString().replace('GMT', '+0000')}`)
    if (envelope.messageId === undefined) added.push(`Message-ID: <${this.#messageIdHeader(account, context)}>`)
    const head = Buffer.from(added.map((line) => `${line}\r\n`).join(''))
    const composed = await storeMessage(this.#deps.blobs, Buffer.concat([head, ...kept]))
    return this.#submit(account, context, composed, from.address, recipients, {})
  }

  /** Saves a draft; the one that it replaces goes in the same append. */
  async saveDraft(
    account: DirectoryRow,
    context: CommandContext,
    message: OutgoingMessage,
    replaces: string | undefined,
  ): Promise<{ readonly messageId: string; readonly revision: Revision }> {
    if (replaces !== undefined) await this.#mustBeDraft(account, replaces)
    const bcc = message.bcc.map(({ name, address }) =>
      name ? `"${name.replace(/["\\]/g, '')}" <${address}>` : address,
    )
    const { composed } = await this.#compose(
      account,
      context,
      message,
      bcc.length > 0 ? { [DRAFT_BCC]: bcc.join(', ') } : {},
    )
    const messageId = derivedId('draft', account.id, context.commandId)
    const events: MailboxEvent[] = [
      appendedEvent({
        messageId,
        folderId: folderIdFor(account.id, 'drafts'),
        flags: ['\\draft', '\\seen'],
        receivedAt: context.at,
        source: 'draft',
        ...composed,
      }),
    ]
    if (replaces !== undefined && replaces !== messageId)
      events.push({ type: 'MessagesExpunged', data: { messageIds: [replaces] } })
    const result = await this.#deps.journal.append({
      stream: mailboxStream(account.id),
      expected: 'any',
      events: toNewEvents(events, account.id, { ...context, commandId: `draft/${context.commandId}` }),
    })
    if (!result.ok) throw new Error('An append at any revision was refused')
    return { messageId, revision: result.revision }
  }

  async #submit(
    account: DirectoryRow,
    context: CommandContext,
    composed: ComposedMessage,
    mailFrom: string,
    recipients: readonly string[],
    about: Pick<OutgoingMessage, 'sendAt' | 'inReplyTo' | 'forwardOf' | 'draftId'>,
  ): Promise<SentMessage> {
    const { sendAt, inReplyTo, forwardOf, draftId } = about
    const outcome = await submitMessage(
      {
        journal: this.#deps.journal,
        directory: this.#deps.views.directory,
        guard: this.#deps.guard,
        rules: this.#deps.rules,
      },
      context,
      {
        accountId: account.id,
        mailFrom,
        recipients,
        ...composed,
        ...(sendAt === undefined ? {} : { sendAt }),
        ...(inReplyTo === undefined ? {} : { answers: inReplyTo }),
        ...(forwardOf === undefined ? {} : { forwards: forwardOf }),
        ...(draftId === undefined ? {} : { draftId }),
      },
    )
    if (!outcome.ok) {
      const { code, message } = outcome.refusal
      throw new ProblemError(code === 'sending-limit' ? 429 : 422, code, message)
    }
    return { ...outcome, sendAt: sendAt ?? context.at }
  }

  async #compose(
    account: DirectoryRow,
    context: CommandContext,
    message: OutgoingMessage,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ composed: ComposedMessage; from: string }> {
    for (const field of ['to', 'cc', 'bcc'] as const) {
      message[field].forEach(({ address }, i) => {
        if (!normalizeAddress(address))
          throw bad(
            `${field}[${i}]`,
            `${JSON.stringify(address.slice(0, 100))} is not an e-mail address.`,
            'bad-address',
          )
      })
    }
    const from = this.#identity(account, message.from)
    const contents = new MessageContents(this.#deps.source, account.id)
    const answered = await this.#content(account, contents, message.inReplyTo, 'inReplyTo')
    await this.#content(account, contents, message.forwardOf, 'forwardOf')
    const attachments = await this.#attachments(account, contents, message)
    const parent = answered?.envelope.messageId
    const composed = await composeMessage(this.#deps.blobs, {
      from,
      to: message.to,
      cc: message.cc,
      subject: message.subject,
      ...(message.text === undefined ? {} : { text: message.text }),
      ...(message.html === undefined ? {} : { html: message.html }),
      attachments,
      messageId: this.#messageIdHeader(account, context),
      date: context.at,
      ...(parent === undefined ? {} : { inReplyTo: parent, references: referencesFor(answered, parent) }),
      headers,
    })
    return { composed, from: from.address }
  }

  #messageIdHeader(account: DirectoryRow, context: CommandContext): string {
    return `${derivedId('message-id-field', account.id, context.commandId)}@${this.#deps.config.domain}`
  }

  #identity(account: DirectoryRow, wanted: ComposeAddress | undefined): ComposeAddress {
    if (wanted === undefined)
      return { address: account.address, ...(account.name === '' ? {} : { name: account.name }) }
    const normal = normalizeAddress(wanted.address)?.address
    const own = account.addresses.some(({ address, kind }) => kind !== 'catch-all' && address === normal)
    if (normal === undefined || !own)
      throw bad('from', 'The sender must be one of your own addresses.', 'not-your-address')
    return { address: normal, name: wanted.name ?? account.name }
  }

  async #attachments(
    account: DirectoryRow,
    contents: MessageContents,
    message: OutgoingMessage,
  ): Promise<readonly ComposeAttachment[]> {
    const given = message.files ?? []
    if (message.uploads.length + message.forwardAttachments.length + given.length > MAX_FILES)
      throw bad('attachmentIds', `A message takes at most ${MAX_FILES} attachments.`, 'too-many')
    const attachments: ComposeAttachment[] = []
    let total = 0
    const room = (bytes: number, field: string): void => {
      total += bytes
      if (total > MAX_ATTACHMENTS)
        throw new ProblemError(413, 'too-large', `Attachments take at most ${MAX_ATTACHMENTS / 1048576} MB together.`, {
          field,
        })
    }
    for (const { bytes } of given) room(bytes.length, 'attachments')
    for (const id of message.uploads) {
      const upload = this.#links.openUpload(account.id, id)
      if (!upload)
        throw bad('attachmentIds', 'An attachment is unknown or too old: upload it again.', 'no-such-attachment')
      room(upload.blob.size, 'attachmentIds')
      const { filename, type, blob } = upload
      attachments.push({ filename, type, bytes: await this.#deps.blobs.read(blob) })
    }
    for (const { messageId, section } of message.forwardAttachments) {
      const content = await this.#content(account, contents, messageId, 'forwardAttachments')
      const file = content && (await this.#files.at(content, section))
      if (!file) throw bad('forwardAttachments', 'An attachment to forward is not there.', 'no-such-attachment')
      room(await file.size(), 'forwardAttachments')
      attachments.push({ filename: file.filename, type: file.type, bytes: await whole(file) })
    }
    attachments.push(...given)
    return attachments
  }

  async #content(
    account: DirectoryRow,
    contents: MessageContents,
    messageId: string | undefined,
    field: string,
  ): Promise<MessageContent | undefined> {
    if (messageId === undefined) return undefined
    const row = await this.#deps.views.mailbox.message(account.id, messageId)
    if (!row) throw bad(field, 'There is no such message.', 'no-such-message')
    return contents.at(row.position)
  }

  /** Only a draft may be replaced or sent away: nothing else is expunged in passing. */
  async #mustBeDraft(account: DirectoryRow, messageId: string): Promise<void> {
    const ports = { journal: this.#deps.journal, snapshots: this.#deps.views.mailbox }
    const draft = (await loadMailbox(ports, account.id, [messageId])).state.messages.get(messageId)
    if (!draft?.flags.includes('\\draft'))
      throw new ProblemError(422, 'no-such-draft', 'There is no such draft.', { field: 'draftId' })
  }

  #checkTime(sendAt: number | undefined, now: number): void {
    if (sendAt !== undefined && sendAt > now + FURTHEST)
      throw bad('sendAt', 'A message can be scheduled for at most five years ahead.')
  }
}

function referencesFor(answered: MessageContent | undefined, parent: string): readonly string[] {
  const before = (answered?.envelope.references ?? answered?.envelope.inReplyTo ?? []).filter((id) => id !== parent)
  // The first names the conversation, the newest its place in it (RFC 5322 §3.6.4).
  const first = before.slice(0, 1)
  return [...first, ...before.slice(1).slice(-MAX_REFERENCES), parent]
}

async function whole(file: MessageFile): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of file.stream(0, await file.size())) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
