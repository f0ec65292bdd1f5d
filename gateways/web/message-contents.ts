// What lists do not show of a message: content out of the log, read in batches, for one request and one account.
import { type AccountId, isRedacted, mailboxStream, type Position } from '../../domain/log.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import type { WebDependencies } from './dependencies.ts'

interface Waiting {
  readonly position: Position
  readonly resolve: (content: MessageContent | undefined) => void
  readonly reject: (error: unknown) => void
}

export class MessageContents {
  readonly #source: WebDependencies['source']
  readonly #stream: string
  readonly #known = new Map<Position, Promise<MessageContent | undefined>>()
  #waiting: Waiting[] = []

  constructor(source: WebDependencies['source'], account: AccountId) {
    this.#source = source
    this.#stream = mailboxStream(account)
  }

  /** The content that an arrival at `position` recorded, with its text; undefined once erased, and for another account's. */
  at(position: Position): Promise<MessageContent | undefined> {
    let content = this.#known.get(position)
    if (content === undefined) {
      content = new Promise((resolve, reject) => {
        // Everything that the executor asks for in this turn is one read.
        if (this.#waiting.length === 0) setImmediate(() => void this.#read())
        this.#waiting.push({ position, resolve, reject })
      })
      this.#known.set(position, content)
    }
    return content
  }

  async #read(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    try {
      const events = await this.#source.readPositions(
        waiting.map(({ position }) => position),
        { text: true },
      )
      const found = new Map<Position, MessageContent>()
      for (const event of events) {
        if (isRedacted(event) || event.stream !== this.#stream) continue
        if (event.type === 'MessageReceived' || event.type === 'MessageAppended')
          found.set(event.position, event.data.content)
      }
      for (const { position, resolve } of waiting) resolve(found.get(position))
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }
}
