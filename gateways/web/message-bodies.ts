// Bodies of messages for reading: the whole text, safe HTML, the structure. Costly answers stay in the hot cache.
import { STRUCTURE_CUT } from '../../commands/message-content.ts'
import type { AccountId } from '../../domain/log.ts'
import { decodePartText, selectBodies } from '../../domain/mail/body-text.ts'
import { MailReader } from '../../domain/mail/read.ts'
import type { Attachment, MailContent, MimePart } from '../../domain/mail/structure.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import { FOREVER } from '../../projections/ports/cache.ts'
import type { WebDependencies } from './dependencies.ts'
import { isShowable } from './media-types.ts'
import { MAX_HTML, SANITISER_VERSION, type SanitisedHtml, sanitiseHtml } from './sanitise-html.ts'
import type { SignedLinks } from './signed-links.ts'

/** Bytes of text that a reader is given; the raw message holds the rest. */
const TEXT_BYTES = 1024 * 1024

export class MessageBodies {
  readonly #deps: Pick<WebDependencies, 'blobs' | 'cache'>
  readonly #links: SignedLinks

  constructor(deps: Pick<WebDependencies, 'blobs' | 'cache'>, links: SignedLinks) {
    this.#deps = deps
    this.#links = links
  }

  async text(account: AccountId, content: MessageContent): Promise<string> {
    if (!content.textTruncated) return content.text
    const key = `text ${content.blob.id}`
    const cached = await this.#deps.cache.get(account, key, FOREVER)
    if (typeof cached === 'string') return cached
    const { text } = await this.#read(content, TEXT_BYTES)
    await this.#deps.cache.put(account, key, FOREVER, text)
    return text
  }

  /** The part tree; for a message whose tree did not fit into its event it is read again. */
  async root(content: MessageContent): Promise<MimePart> {
    return isCut(content) ? (await this.#read(content, 0)).root : content.root
  }

  async attachments(content: MessageContent): Promise<readonly Attachment[]> {
    return isCut(content) ? (await this.#read(content, 0)).attachments : content.attachments
  }

  hasHtml(content: MessageContent): boolean {
    return isCut(content) || selectBodies(content.root).html !== undefined
  }

  /** Safe HTML; undefined when the message has none. */
  async html(
    account: AccountId,
    messageId: string,
    content: MessageContent,
    remoteImages: boolean,
  ): Promise<SanitisedHtml | undefined> {
    // Links to inline images are good for an hour and part of the answer.
    const sample = this.#links.sign({ account, messageId, section: '' })
    const key = `html ${SANITISER_VERSION} ${remoteImages} ${content.blob.id} ${sample}`
    const cached = await this.#deps.cache.get(account, key, FOREVER)
    if (typeof cached === 'string') return JSON.parse(cached) as SanitisedHtml
    const body = selectBodies(await this.root(content)).html
    if (!body) return undefined
    // Encoded bytes are at most three times the characters that count.
    const end = Math.min(body.part.bodyEnd, body.part.bodyStart + 3 * MAX_HTML)
    const bytes = await this.#deps.blobs.read(content.blob, body.part.bodyStart, end)
    const parts = new Map<string, string>()
    for (const { contentId, section, type } of await this.attachments(content))
      if (contentId !== undefined && isShowable(type)) parts.set(contentId, section)
    const safe = sanitiseHtml(decodePartText(bytes, body.part), {
      remoteImages,
      partUrl: (contentId) => {
        const section = parts.get(contentId)
        return section === undefined ? undefined : `/part/${this.#links.sign({ account, messageId, section })}`
      },
    })
    await this.#deps.cache.put(account, key, FOREVER, JSON.stringify(safe), { ttlMs: 3_600_000 })
    return safe
  }

  async #read(content: MessageContent, textBytes: number): Promise<MailContent> {
    const reader = new MailReader({ textBytes })
    for await (const chunk of this.#deps.blobs.stream(content.blob)) reader.push(chunk)
    return reader.end()
  }
}

const isCut = (content: MessageContent): boolean => content.defects?.includes(STRUCTURE_CUT) ?? false
