// Bodies and threads of messages that are open, or about to be.

import { HISTORY, MESSAGE, THREAD } from './documents.ts'
import { ApiError, graphql } from './graphql.ts'
import type { Mailbox } from './mailbox.ts'
import type { HistoryEntry, Message, MessageDetail } from './types.ts'

export interface DetailState {
  readonly data: MessageDetail | undefined
  readonly error: ApiError | undefined
}

/** Signed body addresses expire; ask again well before. */
const FRESH_FOR = 4 * 60_000
const KEPT = 80
const LOADING: DetailState = { data: undefined, error: undefined }

interface Entry {
  state: DetailState
  at: number
  loading: Promise<void> | undefined
}

export class Details {
  readonly #mailbox: Mailbox
  readonly #entries = new Map<string, Entry>()
  readonly #threads = new Map<string, ApiError | 'loading' | 'ready'>()

  constructor(mailbox: Mailbox) {
    this.#mailbox = mailbox
  }

  readonly get = (id: string): DetailState => this.#entries.get(id)?.state ?? LOADING

  /** Loads a message unless it is here and fresh. */
  want(id: string, again = false): void {
    const entry = this.#entries.get(id) ?? { state: LOADING, at: 0, loading: undefined }
    if (entry.loading || (entry.state.data && Date.now() - entry.at < FRESH_FOR)) return
    if (entry.state.error && !again) return
    this.#entries.delete(id)
    this.#entries.set(id, entry)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= KEPT) break
      this.#entries.delete(oldest)
    }
    if (again) {
      entry.state = LOADING
      this.#mailbox.emit()
    }
    entry.loading = this.#load(id, entry)
  }

  /** The message's body and all, from here or the server; rejects with ApiError. */
  async load(id: string): Promise<MessageDetail> {
    this.want(id, true)
    await this.#entries.get(id)?.loading
    const { data, error } = this.get(id)
    if (data) return data
    throw error ?? new ApiError('NOT_FOUND', 'This message is not here any more', 404)
  }

  /** Loads which messages make up the thread. */
  wantThread(threadId: string): void {
    const known = this.#threads.get(threadId)
    if (known === 'loading' || known === 'ready') return
    this.#threads.set(threadId, 'loading')
    const asked = this.#mailbox.revision
    graphql<{ thread: { messages: readonly Message[] } | null }>(THREAD, { id: threadId, atLeast: asked })
      .then(({ thread }) => {
        const messages = thread?.messages ?? []
        this.#mailbox.learn(messages, asked)
        this.#mailbox.threads.set(
          threadId,
          messages.map((message) => message.id),
        )
        this.#threads.set(threadId, 'ready')
      })
      .catch((error: unknown) => this.#threads.set(threadId, asApiError(error)))
      .finally(() => this.#mailbox.emit())
  }

  async #load(id: string, entry: Entry): Promise<void> {
    try {
      const { message } = await graphql<{ message: MessageDetail | null }>(MESSAGE, {
        id,
        atLeast: this.#mailbox.revision,
      })
      if (message) {
        entry.state = { data: message, error: undefined }
        entry.at = Date.now()
        if (!this.#mailbox.message(id)) this.#mailbox.learn([message])
      } else
        entry.state = { data: undefined, error: new ApiError('NOT_FOUND', 'This message is not here any more', 404) }
    } catch (error) {
      entry.state = { data: entry.state.data, error: asApiError(error) }
    } finally {
      entry.loading = undefined
      this.#mailbox.emit()
    }
  }
}

export async function loadHistory(messageId: string, signal: AbortSignal): Promise<readonly HistoryEntry[]> {
  const { history } = await graphql<{ history: readonly HistoryEntry[] }>(HISTORY, { messageId }, signal)
  return history
}

const asApiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError('unexpected', String(error), 0)
