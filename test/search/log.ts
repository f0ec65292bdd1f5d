// A log in memory for tests of search: events of mailboxes with their numbers, and messages made of a few words.
import type { EverpostEvent, RecordedEvent } from '../../domain/events.ts'
import type { AccountId, Position } from '../../domain/log.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import type { EventSource, SourceEvent } from '../../projections/ports/event-source.ts'
import type { SearchIndex } from '../../projections/ports/search-index.ts'
import { type SearchProjectionOptions, searchProjection } from '../../projections/search/projector.ts'

export interface TestMessage {
  readonly id: string
  readonly folder?: string
  readonly subject?: string
  readonly from?: string
  readonly to?: string
  readonly cc?: string
  readonly text?: string
  readonly files?: readonly string[]
  readonly flags?: readonly string[]
  readonly receivedAt?: number
  readonly size?: number
  readonly textTruncated?: boolean
}

/** 'Ann Lee <ann@example.com>' or a bare address. */
function addresses(text: string | undefined): MessageContent['envelope']['from'] {
  if (text === undefined) return []
  const match = /^(.*?)\s*<(.*)>$/.exec(text)
  return match === null ? [{ address: text }] : [{ name: match[1] ?? '', address: match[2] ?? '' }]
}

export function contentOf(message: TestMessage): MessageContent {
  return {
    blob: { id: message.id, key: '', size: message.size ?? 1000 },
    envelope: {
      subject: message.subject ?? '',
      from: addresses(message.from),
      sender: [],
      replyTo: [],
      to: addresses(message.to),
      cc: addresses(message.cc),
      bcc: [],
      inReplyTo: [],
      references: [],
    },
    root: {
      type: 'text/plain',
      params: {},
      encoding: '7bit',
      headerStart: 0,
      bodyStart: 0,
      bodyEnd: 0,
    },
    snippet: '',
    attachments: (message.files ?? []).map((filename) => ({
      section: '2',
      filename,
      type: 'application/octet-stream',
      size: 1,
      inline: false,
    })),
    hasAttachment: (message.files ?? []).length > 0,
    text: message.text ?? '',
    ...(message.textTruncated ? { textTruncated: true } : {}),
  }
}

export class TestLog implements Pick<EventSource, 'readPositions'> {
  events: RecordedEvent[] = []
  readonly #revisions = new Map<string, bigint>()
  /** Positions that were read, to see that nothing is read twice or for nothing. */
  reads = 0

  append(account: AccountId, ...events: readonly EverpostEvent[]): void {
    for (const event of events) {
      const stream = `${event.type === 'AccountErased' ? 'account' : 'mailbox'}-${account}`
      const revision = this.#revisions.get(stream) ?? 0n
      this.#revisions.set(stream, revision + 1n)
      const position = BigInt(this.events.length + 1)
      this.events.push({
        ...event,
        id: `00000000-0000-4000-8000-${String(position).padStart(12, '0')}`,
        stream,
        revision,
        position,
        metadata: { at: 0, actor: 'test', via: 'system', correlationId: '', causationId: '' },
      } as RecordedEvent)
    }
  }

  /** An account with the usual folders: inbox, archive, trash, and one with a name. */
  open(account: AccountId): this {
    const folder = (
      folderId: string,
      name: string,
      role: 'inbox' | 'archive' | 'trash' | null,
      parentId: string | null,
    ) => this.append(account, { type: 'FolderCreated', data: { folderId, name, parentId, role } })
    folder('inbox', 'INBOX', 'inbox', null)
    folder('archive', 'Archive', 'archive', null)
    folder('trash', 'Deleted Items', 'trash', null)
    folder('work', 'Work', null, null)
    folder('plans', 'Pläne 2024', null, 'work')
    return this
  }

  receive(account: AccountId, ...messages: readonly TestMessage[]): this {
    for (const message of messages) {
      this.append(account, {
        type: 'MessageReceived',
        data: {
          messageId: message.id,
          folderId: message.folder ?? 'inbox',
          flags: message.flags ?? [],
          receivedAt: message.receivedAt ?? Date.UTC(2024, 0, 1),
          content: contentOf(message),
          mailFrom: '',
          recipient: '',
          intakeId: '',
        },
      })
    }
    return this
  }

  async readPositions(positions: readonly Position[]): Promise<readonly SourceEvent[]> {
    this.reads += positions.length
    return positions.flatMap((position) => this.events[Number(position) - 1] ?? [])
  }

  /** Brings an index up to date, in batches. */
  async project(
    index: SearchIndex,
    options: { readonly batch?: number } & Pick<SearchProjectionOptions, 'messages'> = {},
  ): Promise<void> {
    const { batch = 100, messages } = options
    const projection = await searchProjection({ index, source: this, ...(messages ? { messages } : {}) })
    const from = Number(projection.position() ?? 0n)
    for (let at = from; at < this.events.length; at += batch) {
      const events = this.events.slice(at, at + batch)
      const last = events.at(-1)
      if (last !== undefined) await projection.handle(events, last.position)
    }
  }
}
