// From a message that somebody judged to the features that its model learns: its content lies on the log, where the mailbox view says.
import { decodeSignals } from '../../../domain/filter/assess.ts'
import { featuresOf } from '../../../domain/filter/features.ts'
import { type AccountId, isRedacted, type Position } from '../../../domain/log.ts'
import { type EventSource, isUnreadable } from '../../../projections/ports/event-source.ts'
import type { MailboxQueries } from '../../../projections/queries.ts'

interface Judged {
  readonly accountId: AccountId
  readonly messageId: string
}

/** Kept, so that a model that changed is not read from the log again: of 1 to 2 KB each. */
const MAX_KEPT = 20_000

export class FeatureReader {
  readonly #mailbox: Pick<MailboxQueries, 'messagesById'>
  readonly #source: Pick<EventSource, 'readPositions'>
  /** In the order of use. */
  readonly #kept = new Map<string, Uint32Array>()

  constructor(mailbox: Pick<MailboxQueries, 'messagesById'>, source: Pick<EventSource, 'readPositions'>) {
    this.#mailbox = mailbox
    this.#source = source
  }

  /** In the order asked; undefined for a message that is gone, or whose account was erased. */
  async read(messages: readonly Judged[]): Promise<readonly (Uint32Array | undefined)[]> {
    const unknown = new Map<AccountId, string[]>()
    for (const { accountId, messageId } of messages) {
      if (this.#kept.has(`${accountId}/${messageId}`)) continue
      const ids = unknown.get(accountId)
      if (ids === undefined) unknown.set(accountId, [messageId])
      else ids.push(messageId)
    }
    const wanted = new Map<Position, string[]>()
    for (const [account, ids] of unknown) {
      for (const { id, position } of await this.#mailbox.messagesById(account, ids))
        wanted.set(position, [...(wanted.get(position) ?? []), `${account}/${id}`])
    }
    for (const event of await this.#source.readPositions([...wanted.keys()], { text: true })) {
      if (isRedacted(event) || isUnreadable(event)) continue
      if (event.type !== 'MessageReceived' && event.type !== 'MessageAppended') continue
      const { envelope, text, signals } = event.data.content
      const features = featuresOf({ envelope, text, signals: decodeSignals(signals) })
      for (const key of wanted.get(event.position) ?? []) this.#kept.set(key, features)
    }
    const answer = messages.map(({ accountId, messageId }) => this.#use(`${accountId}/${messageId}`))
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break
      this.#kept.delete(oldest)
    }
    return answer
  }

  /** What is kept of an erased account goes with it. */
  forget(account: AccountId): void {
    for (const key of this.#kept.keys()) if (key.startsWith(`${account}/`)) this.#kept.delete(key)
  }

  #use(key: string): Uint32Array | undefined {
    const features = this.#kept.get(key)
    if (features === undefined) return undefined
    this.#kept.delete(key)
    this.#kept.set(key, features)
    return features
  }
}
