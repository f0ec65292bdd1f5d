// How a batch of an import becomes durable: stored, read, sealed, appended.
import { appendMessages, type MessageToAppend } from '../../commands/append-message.ts'
import { contextOf } from '../../commands/context.ts'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import { EventStoreError } from '../../commands/ports/event-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { AccountId } from '../../domain/log.ts'
import { parseDate } from '../../domain/mail/date.ts'
import { readMail } from '../../domain/mail/read.ts'

export interface MessageToImport {
  readonly messageId: string
  readonly folderId: string
  readonly flags: readonly string[]
  readonly raw: Buffer
  /** When it came, where the source says so, epoch milliseconds. */
  readonly date?: number
}

export interface ImportWriter {
  /** Durable when it resolves. Batches come into the mailbox in the order of the calls, whether or not one waits for the one before. */
  write(account: AccountId, messages: readonly MessageToImport[]): Promise<void>
}

/** Writes in this thread. */
export function directWriter(ports: { readonly journal: Journal; readonly blobs: MessageBlobs }): ImportWriter {
  let before: Promise<unknown> = Promise.resolve()
  return {
    write(account, messages) {
      const previous = before.catch(() => undefined)
      const written = Promise.all(messages.map((message) => store(ports.blobs, message))).then(async (ready) => {
        await previous
        await append(ports.journal, account, ready)
      })
      before = written
      return written
    },
  }
}

async function store(blobs: MessageBlobs, message: MessageToImport): Promise<MessageToAppend> {
  const stored = blobs.put(message.raw)
  const mail = readMail(message.raw)
  const receivedAt = arrivalOf(message) ?? mail.envelope.date ?? Date.now()
  const { messageId, folderId, flags } = message
  return { messageId, folderId, flags, receivedAt, source: 'import', mail, blob: await stored }
}

async function append(journal: Journal, account: AccountId, messages: readonly MessageToAppend[]): Promise<void> {
  if (messages.length === 0) return
  const context = contextOf(account, 'import')
  try {
    await appendMessages(journal, context, account, messages)
  } catch (error) {
    if (!(error instanceof EventStoreError) || error.code !== 'id-reused') throw error
    // Part of the batch got in before an earlier run was stopped, and the views do not show it yet.
    for (const message of messages) await appendMessages(journal, context, account, [message])
  }
}

/** When the message came here first: the source's own word, else the topmost Received field. */
function arrivalOf({ raw, date }: MessageToImport): number | undefined {
  if (date !== undefined) return date
  const [header = ''] = raw.toString('latin1', 0, Math.min(raw.length, 16_384)).split(/\r?\n\r?\n/, 1)
  const received = /^received:((?:.*\r?\n[ \t])*.*)/im.exec(header)?.[1]
  const stamp = received?.slice(received.lastIndexOf(';') + 1).replace(/\s+/g, ' ')
  return stamp ? parseDate(stamp.trim()) : undefined
}
