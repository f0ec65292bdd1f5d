// The projector that keeps the search index: events of mailboxes in, words and facts about messages out.
import type { RecordedEvent } from '../../domain/events.ts'
import { type AccountId, accountOfStream, isRedacted, type Position } from '../../domain/log.ts'
import { MailReader } from '../../domain/mail/read.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import type { EventSource, MessageReader, SourceEvent } from '../ports/event-source.ts'
import type { SearchChange, SearchIndex, SearchWords } from '../ports/search-index.ts'
import type { ParkedEvent } from '../ports/view-store.ts'
import type { Projection } from '../runtime.ts'
import { wordsOf } from './words.ts'

export const SEARCH_PROJECTOR = {
  name: 'search',
  /** Raised when the analyzer or what is indexed changes: the index is then rebuilt. */
  version: 1,
  prefixes: ['mailbox-', 'account-'],
  types: new Set<RecordedEvent['type']>([
    'FolderCreated',
    'FolderRenamed',
    'FolderMoved',
    'FolderDeleted',
    'MessageReceived',
    'MessageAppended',
    'FlagsChanged',
    'MessageMoved',
    'MessageCopied',
    'MessagesExpunged',
    'MessageRestored',
    'AccountErased',
  ]),
  text: true,
} as const

/** Text of one message that is searchable; an event holds the first 16 KiB of it. */
const TEXT_BYTES = 1024 * 1024
/** Of a message whose text is not all in its event, as much is read again as this. */
const RAW_BYTES = 16 * 1024 * 1024
const CHUNK_BYTES = 1024 * 1024
const KEPT_PARKED = 100

/** What the projector needs of an index. */
export type ProjectedIndex = Pick<SearchIndex, 'checkpoint' | 'apply' | 'contents'>

export interface SearchProjectionOptions {
  readonly index: ProjectedIndex
  /** Where copies and restored messages find their text. */
  readonly source: Pick<EventSource, 'readPositions'>
  /** Without it only the text inside the events is searchable. */
  readonly messages?: MessageReader
  readonly now?: () => number
}

/** The projector, bound to an index, for the runtime to run. */
export async function searchProjection(options: SearchProjectionOptions): Promise<Projection> {
  const { index } = options
  const now = options.now ?? Date.now
  let position = await index.checkpoint()
  let stored = position
  let applied = 0
  const newestParked: ParkedEvent[] = []
  let parkedCount = 0

  const park = (event: SourceEvent, error: unknown): void => {
    parkedCount++
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    newestParked.push({ position: event.position, type: event.type, error: message.slice(0, 500), at: now() })
    if (newestParked.length > KEPT_PARKED) newestParked.shift()
  }

  return {
    name: SEARCH_PROJECTOR.name,
    prefixes: SEARCH_PROJECTOR.prefixes,
    text: SEARCH_PROJECTOR.text,
    position: () => position,
    stored: () => stored,
    applied: () => applied,
    parked: () => ({ newest: newestParked, count: parkedCount }),
    async handle(events, last) {
      const after = position
      if (after !== undefined && last <= after) return []
      const wanted = events.filter(
        (event) =>
          (SEARCH_PROJECTOR.types as ReadonlySet<string>).has(event.type) &&
          (after === undefined || event.position > after),
      )
      if (wanted.length > 0) {
        await index.apply(await changesOf(wanted, options, park), last)
        stored = last
      }
      position = last
      applied += wanted.length
      return wanted
    },
    async settle() {
      if (position === undefined || position === stored) return
      await index.apply([], position)
      stored = position
    },
  }
}

/** The batch as changes of the index. An event that cannot be understood is parked and left out. */
async function changesOf(
  events: readonly SourceEvent[],
  options: SearchProjectionOptions,
  park: (event: SourceEvent, error: unknown) => void,
): Promise<readonly SearchChange[]> {
  const texts = new BatchTexts(options)
  await texts.load(events)
  const changes: SearchChange[] = []
  for (const event of events) {
    const account = accountOfStream(event.stream)
    if (account === undefined) continue
    try {
      if (isRedacted(event)) {
        // Its key is gone, and with it everything to say but this.
        if (event.type === 'AccountErased') changes.push({ op: 'erase', account })
        continue
      }
      const change = await changeOf(account, event, texts)
      if (change !== undefined) changes.push(change)
    } catch (error) {
      park(event, error)
    }
  }
  return changes
}

async function changeOf(
  account: AccountId,
  event: RecordedEvent,
  texts: BatchTexts,
): Promise<SearchChange | undefined> {
  switch (event.type) {
    case 'FolderCreated': {
      const { folderId, name, parentId, role } = event.data
      return { op: 'folder', account, folder: { id: folderId, name, parentId, role } }
    }
    case 'FolderRenamed':
      return { op: 'folder-renamed', account, ...event.data }
    case 'FolderMoved':
      return { op: 'folder-moved', account, ...event.data }
    case 'FolderDeleted':
      return { op: 'folder-deleted', account, ...event.data }
    case 'MessageReceived':
    case 'MessageAppended': {
      const { messageId, folderId, flags, receivedAt, content } = event.data
      const words = await texts.arrival(account, messageId, content)
      const { revision, position } = event
      const { hasAttachment } = content
      const size = content.blob.size
      return {
        op: 'put',
        account,
        document: { messageId, folderId, flags, receivedAt, size, hasAttachment, arrivedAt: revision, position, words },
      }
    }
    case 'FlagsChanged': {
      const { messageIds, add, remove } = event.data
      return { op: 'flags', account, messageIds, add, remove }
    }
    case 'MessageMoved':
      return { op: 'move', account, ...event.data }
    case 'MessageCopied': {
      const { messageId, copyId, folderId } = event.data
      const words = await texts.known(account, messageId, copyId)
      return words && { op: 'copy', account, messageId, copyId, folderId, arrivedAt: event.revision, words }
    }
    case 'MessagesExpunged':
      return { op: 'expunge', account, messageIds: event.data.messageIds }
    case 'MessageRestored': {
      const { messageId, folderId } = event.data
      const words = await texts.known(account, messageId)
      return words && { op: 'restore', account, messageId, folderId, words }
    }
    case 'AccountErased':
      return { op: 'erase', account }
    default:
      return undefined
  }
}

/** Words of the messages that a batch names: its own arrivals', and those of earlier ones that it copies or restores. */
class BatchTexts {
  readonly #options: SearchProjectionOptions
  readonly #words = new Map<string, SearchWords>()
  readonly #earlier = new Map<string, MessageContent>()

  constructor(options: SearchProjectionOptions) {
    this.#options = options
  }

  /** One question to the index and one to the log for the whole batch. */
  async load(events: readonly SourceEvent[]): Promise<void> {
    const asked = new Map<AccountId, Set<string>>()
    for (const event of events) {
      if (isRedacted(event) || (event.type !== 'MessageCopied' && event.type !== 'MessageRestored')) continue
      const account = accountOfStream(event.stream)
      if (account === undefined) continue
      const ids = asked.get(account) ?? new Set()
      asked.set(account, ids.add(event.data.messageId))
    }
    for (const [account, ids] of asked) {
      const places = await this.#options.index.contents(account, [...ids])
      const positions = [...new Set(places.values())]
      const contents = new Map<Position, MessageContent>()
      for (const event of await this.#options.source.readPositions(positions, { text: true })) {
        if (isRedacted(event) || (event.type !== 'MessageReceived' && event.type !== 'MessageAppended')) continue
        contents.set(event.position, event.data.content)
      }
      for (const [id, place] of places) {
        const content = contents.get(place)
        if (content !== undefined) this.#earlier.set(`${account}/${id}`, content)
      }
    }
  }

  async arrival(account: AccountId, messageId: string, content: MessageContent): Promise<SearchWords> {
    const words = await this.#read(content)
    const key = `${account}/${messageId}`
    // A second arrival of a known id is ignored, and so are its words.
    if (!this.#earlier.has(key) && !this.#words.has(key)) this.#words.set(key, words)
    return words
  }

  /** Undefined for a message that never came; `copyId` has the same words from here on. */
  async known(account: AccountId, messageId: string, copyId?: string): Promise<SearchWords | undefined> {
    const key = `${account}/${messageId}`
    const earlier = this.#earlier.get(key)
    const words = this.#words.get(key) ?? (earlier && (await this.#read(earlier)))
    if (words !== undefined && copyId !== undefined && !this.#words.has(`${account}/${copyId}`)) {
      this.#words.set(`${account}/${copyId}`, words)
    }
    return words
  }

  async #read(content: MessageContent): Promise<SearchWords> {
    const { messages } = this.#options
    if (content.textTruncated !== true || messages === undefined) return wordsOf(content, content.text)
    const reader = new MailReader({ textBytes: TEXT_BYTES })
    const end = Math.min(content.blob.size, RAW_BYTES)
    try {
      for (let at = 0; at < end; at += CHUNK_BYTES) {
        reader.push(await messages.read(content.blob, at, Math.min(end, at + CHUNK_BYTES)))
      }
    } catch {
      // A blob that is gone or damaged must not keep the message out of the index.
      return wordsOf(content, content.text)
    }
    const { text } = reader.end()
    return wordsOf(content, text.length > content.text.length ? text : content.text)
  }
}
