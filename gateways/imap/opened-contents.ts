// The trees of messages that clients opened lately: a client that reads a message mostly asks for several of its parts.
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'

/** Of 2 to 8 KB each; those of many parts are not kept. */
const MAX_KEPT = 2_000
const MAX_ATTACHMENTS = 50

export class OpenedContents {
  /** Used last stands last. */
  readonly #kept = new Map<bigint, { readonly stream: string; readonly content: MessageContent }>()

  /** What an event of the stream holds. */
  get(stream: string, position: bigint): MessageContent | undefined {
    const found = this.#kept.get(position)
    if (found === undefined || found.stream !== stream) return undefined
    this.#kept.delete(position)
    this.#kept.set(position, found)
    return found.content
  }

  set(stream: string, position: bigint, content: MessageContent): void {
    if (content.attachments.length > MAX_ATTACHMENTS) return
    this.#kept.set(position, { stream, content })
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break
      this.#kept.delete(oldest)
    }
  }
}
