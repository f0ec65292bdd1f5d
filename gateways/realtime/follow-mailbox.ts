// One mailbox from any revision on: its history out of the log, then what happens, without gap and without double.
import { type AccountId, isRedacted, mailboxStream, type Revision } from '../../domain/log.ts'
import type { MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import type { SourceEvent } from '../../projections/ports/event-source.ts'
import type { FolderRow, MessageRow } from '../../projections/queries.ts'
import type { WebDependencies } from '../web/dependencies.ts'
import { ProblemError } from '../web/problem.ts'

export interface MailboxChange {
  readonly revision: Revision
  readonly type: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly causationId: string
  readonly correlationId: string
  /** When this process learned that the view shows it, epoch milliseconds; undefined for what was there before the reader. */
  readonly heardAt?: number | undefined
  readonly messageIds: readonly string[]
  readonly messages: readonly MessageRow[]
  readonly folderIds: readonly string[]
  readonly folders: readonly FolderRow[] | null
}

/** Events read at once: what a slow reader makes this hold. */
const PAGE = 200
const MAX_MESSAGES = 100
/** When the log as read here is behind the view. */
const RETRY_MS = 10

export type FollowPorts = Pick<WebDependencies, 'journal' | 'source' | 'onApplied'> & {
  readonly views: {
    readonly mailbox: Pick<WebDependencies['views']['mailbox'], 'accountRevision' | 'messagesById' | 'folders'>
  }
}

/**
 * Pulled, never pushed: the place in the stream is the only thing kept, so a reader that stops reading costs nothing and goes on
 * where it was. Wake-ups only say "look again". An event is given once the view reflects it, so what a client reads next is never
 * older than what it was told. Rejects with 'no-such-revision' for a place that the log does not have.
 */
export async function* followMailbox(
  ports: FollowPorts,
  account: AccountId,
  options: { readonly after?: Revision | undefined; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<MailboxChange, void, void> {
  const { mailbox } = ports.views
  const bell = new Bell(options.signal)
  const silence = ports.onApplied((touched) => {
    const revision = touched.get(account)
    if (revision !== undefined) bell.ring(revision)
  })
  try {
    let cursor = options.after ?? (await mailbox.accountRevision(account)) ?? -1n
    if (options.after !== undefined && cursor > ((await ports.journal.lastRevision(mailboxStream(account))) ?? -1n))
      throw new ProblemError(422, 'no-such-revision', 'The mailbox has no such revision: read it afresh.', {
        field: 'after',
      })
    let live = options.after === undefined
    while (!bell.over) {
      const { rungAt, told } = bell.reset()
      const shown = told > cursor ? told : ((await mailbox.accountRevision(account)) ?? -1n)
      if (shown <= cursor) {
        live = true
        await bell.heard()
        continue
      }
      const events: SourceEvent[] = []
      const limit = Math.min(PAGE, Number(shown - cursor))
      for await (const event of ports.source.readStream(mailboxStream(account), { from: cursor + 1n, limit }))
        if (event.revision > cursor && event.revision <= shown) events.push(event)
      const last = events.at(-1)
      if (!last) {
        await bell.heard(RETRY_MS)
        continue
      }
      const changes = await toChanges(
        mailbox,
        account,
        events,
        last.revision === shown,
        live ? (rungAt ?? preciseNow()) : undefined,
      )
      for (const change of changes) {
        if (bell.over) return
        yield change
      }
      cursor = last.revision
    }
  } finally {
    silence()
    bell.close()
  }
}

/** Rows of the whole page are read at once; folder counts go with its last change when that is the newest. */
async function toChanges(
  mailbox: FollowPorts['views']['mailbox'],
  account: AccountId,
  events: readonly SourceEvent[],
  isNewest: boolean,
  heardAt: number | undefined,
): Promise<readonly MailboxChange[]> {
  const abouts = events.flatMap((event) => (isRedacted(event) ? [] : [{ event, ...concerned(event as MailboxEvent) }]))
  const wanted = new Set(abouts.flatMap(({ messageIds }) => messageIds.slice(0, MAX_MESSAGES)))
  const [found, folders] = await Promise.all([
    wanted.size > 0 ? mailbox.messagesById(account, [...wanted]) : [],
    isNewest && abouts.length > 0 ? mailbox.folders(account) : null,
  ])
  const rows = new Map(found.filter((row) => !row.expunged).map((row) => [row.id, row]))
  return abouts.map(({ event, messageIds, folderIds }, i) => {
    const messages = messageIds.slice(0, MAX_MESSAGES).flatMap((id) => rows.get(id) ?? [])
    return {
      revision: event.revision,
      type: event.type,
      at: event.metadata.at,
      causationId: event.metadata.causationId,
      correlationId: event.metadata.correlationId,
      heardAt,
      messageIds,
      messages,
      folderIds: [...new Set([...folderIds, ...messages.map((message) => message.folderId)])],
      folders: i === abouts.length - 1 ? folders : null,
    }
  })
}

function concerned(event: MailboxEvent): {
  readonly messageIds: readonly string[]
  readonly folderIds: readonly string[]
} {
  switch (event.type) {
    case 'FolderCreated':
    case 'FolderRenamed':
    case 'FolderMoved':
    case 'FolderDeleted':
    case 'FolderSubscribed':
      return { messageIds: [], folderIds: [event.data.folderId] }
    case 'MessageReceived':
    case 'MessageAppended':
    case 'MessageMoved':
    case 'MessageRestored':
      return { messageIds: [event.data.messageId], folderIds: [event.data.folderId] }
    case 'MessageCopied':
      return { messageIds: [event.data.copyId], folderIds: [event.data.folderId] }
    case 'FlagsChanged':
    case 'MessagesExpunged':
      return { messageIds: event.data.messageIds, folderIds: [] }
    default: {
      const _: never = event
      return _
    }
  }
}

/** Epoch milliseconds, with fractions. */
const preciseNow = (): number => performance.timeOrigin + performance.now()

/** Remembers a ring that nobody was waiting for. */
class Bell {
  over = false
  #rung = false
  #rungAt: number | undefined
  #told: Revision = -1n
  #wake: (() => void) | undefined
  readonly #signal: AbortSignal | undefined
  readonly #end = () => {
    this.over = true
    this.ring()
  }

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    if (signal?.aborted) this.over = true
    signal?.addEventListener('abort', this.#end, { once: true })
  }

  /** `told` is what the view shows at least. */
  ring(told: Revision = -1n): void {
    this.#rung = true
    if (told > this.#told) this.#told = told
    this.#rungAt ??= preciseNow()
    this.#wake?.()
  }

  /** From here on a ring means that there may be more than was looked at. Answers when the first one before this was, and what it told. */
  reset(): { readonly rungAt: number | undefined; readonly told: Revision } {
    const before = { rungAt: this.#rungAt, told: this.#told }
    this.#rung = false
    this.#rungAt = undefined
    return before
  }

  async heard(atMost?: number): Promise<void> {
    if (this.#rung || this.over) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (atMost !== undefined) timer = setTimeout(resolve, atMost)
    })
    clearTimeout(timer)
    this.#wake = undefined
  }

  close(): void {
    this.#signal?.removeEventListener('abort', this.#end)
  }
}
