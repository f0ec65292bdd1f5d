// Imports mail from files into one account: original dates and flags kept, doubles nothing, resumes where it was stopped.
import { setImmediate } from 'node:timers/promises'
import { appendMessages, importedMessageId, type MessageToAppend } from '../../commands/append-message.ts'
import { changeMailbox, loadMailbox } from '../../commands/change-mailbox.ts'
import { contextOf } from '../../commands/context.ts'
import { derivedId } from '../../commands/identity.ts'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import { EventStoreError } from '../../commands/ports/event-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { MailboxSnapshots } from '../../commands/ports/views.ts'
import type { AccountId } from '../../domain/log.ts'
import { parseDate } from '../../domain/mail/date.ts'
import { readMail } from '../../domain/mail/read.ts'
import type { Mailbox } from '../../domain/mailbox/mailbox.ts'
import type { FromQuoting } from './mbox.ts'
import { findSources, readSource, type SourceMessage } from './sources.ts'

export interface ImportPorts {
  readonly journal: Journal
  readonly snapshots: MailboxSnapshots
  readonly blobs: MessageBlobs
}

export interface ImportOptions {
  readonly account: AccountId
  readonly paths: readonly string[]
  /** Path of folder names with '/', made when missing; INBOX by default. */
  readonly folder?: string
  readonly quoting?: FromQuoting
  readonly onProgress?: (progress: ImportProgress) => void
  readonly signal?: AbortSignal
}

export interface ImportProgress {
  readonly bytes: number
  readonly totalBytes: number
  readonly imported: number
  /** In the folder already, from an earlier run or as a double in the source. */
  readonly known: number
}

/** A batch is in flight while the next is read: enough to keep the disk and this thread busy, bounded in memory. */
const BATCH_MESSAGES = 200
const BATCH_BYTES = 8 * 1024 * 1024

export class ImportRefusal extends Error {}

export async function importMail(ports: ImportPorts, options: ImportOptions): Promise<ImportProgress> {
  const sources = await findSources(options.paths)
  const totalBytes = sources.reduce((sum, { bytes }) => sum + bytes, 0)
  const folders = new FolderPaths(ports, options.account)
  const target = (options.folder ?? 'INBOX').split('/').filter((name) => name !== '')
  const progress = { bytes: 0, totalBytes, imported: 0, known: 0 }
  const seen = new Set<string>()
  let batch: SourceMessage[] = []
  let batchBytes = 0
  let writing: Promise<void> = Promise.resolve()

  const flush = async () => {
    const messages = batch
    batch = []
    batchBytes = 0
    if (messages.length === 0) return
    const stored = await storeBatch(ports, options.account, messages, seen, (below) =>
      folders.find([...target, ...below]),
    )
    // Awaited below; if the batch before failed, nobody is left to see that this one did too.
    stored.appended.catch(() => undefined)
    await writing
    writing = stored.appended.then(() => {
      progress.bytes += messages.reduce((sum, { bytes }) => sum + bytes, 0)
      progress.imported += stored.imported
      progress.known += messages.length - stored.imported
      options.onProgress?.({ ...progress })
    })
    // Awaited with the next batch; until then it must not count as unhandled.
    writing.catch(() => undefined)
  }
  for (const source of sources) {
    for await (const message of readSource(source, options.quoting ?? 'mboxrd')) {
      options.signal?.throwIfAborted()
      batch.push(message)
      batchBytes += message.raw.length
      if (batch.length >= BATCH_MESSAGES || batchBytes >= BATCH_BYTES) await flush()
    }
  }
  await flush()
  await writing
  return { ...progress, bytes: totalBytes }
}

async function storeBatch(
  ports: ImportPorts,
  account: AccountId,
  messages: readonly SourceMessage[],
  seen: Set<string>,
  folderOf: (below: readonly string[]) => Promise<string>,
): Promise<{ imported: number; appended: Promise<void> }> {
  const candidates: { id: string; folderId: string; message: SourceMessage }[] = []
  for (const message of messages) {
    const folderId = await folderOf(message.folder)
    const id = importedMessageId(account, folderId, message.raw)
    if (seen.has(id)) continue
    seen.add(id)
    candidates.push({ id, folderId, message })
  }
  const known = await ports.snapshots.snapshot(
    account,
    candidates.map(({ id }) => id),
  )
  const there = new Set(known.messages.map(({ id }) => id))
  const fresh = candidates.filter(({ id }) => !there.has(id))
  const ready: Promise<MessageToAppend>[] = []
  for (const { id, folderId, message } of fresh) {
    ready.push(store(ports.blobs, id, folderId, message))
    // Reading mail is work of this thread: let others have their turn in between.
    if (ready.length % 8 === 0) await setImmediate()
  }
  return { imported: ready.length, appended: append(ports.journal, account, await Promise.all(ready)) }
}

async function store(
  blobs: MessageBlobs,
  messageId: string,
  folderId: string,
  message: SourceMessage,
): Promise<MessageToAppend> {
  const stored = blobs.put(message.raw)
  const mail = readMail(message.raw)
  const receivedAt = arrivalOf(message) ?? mail.envelope.date ?? Date.now()
  return { messageId, folderId, flags: message.flags, receivedAt, source: 'import', mail, blob: await stored }
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
function arrivalOf({ raw, date }: SourceMessage): number | undefined {
  if (date !== undefined) return date
  const [header = ''] = raw.toString('latin1', 0, Math.min(raw.length, 16_384)).split(/\r?\n\r?\n/, 1)
  const received = /^received:((?:.*\r?\n[ \t])*.*)/im.exec(header)?.[1]
  const stamp = received?.slice(received.lastIndexOf(';') + 1).replace(/\s+/g, ' ')
  return stamp ? parseDate(stamp.trim()) : undefined
}

/** Finds folders by their path of names, making what is missing. */
class FolderPaths {
  readonly #ports: ImportPorts
  readonly #account: AccountId
  readonly #known = new Map<string, Promise<string>>()

  constructor(ports: ImportPorts, account: AccountId) {
    this.#ports = ports
    this.#account = account
  }

  find(path: readonly string[]): Promise<string> {
    const key = path.join('/')
    const known = this.#known.get(key) ?? this.#findOrMake(path)
    this.#known.set(key, known)
    return known
  }

  async #findOrMake(path: readonly string[]): Promise<string> {
    const parentId = path.length > 1 ? await this.find(path.slice(0, -1)) : null
    const name = path.at(-1) ?? 'INBOX'
    const { state } = await loadMailbox(this.#ports, this.#account, [])
    const found = folderNamed(state, name, parentId)
    if (found !== undefined) return found
    const folderId = derivedId('import-folder', this.#account, parentId ?? '', name)
    const outcome = await changeMailbox(this.#ports, contextOf(this.#account, 'import'), this.#account, {
      type: 'CreateFolder',
      folderId,
      name,
      parentId,
    })
    if (!outcome.ok) throw new ImportRefusal(outcome.refusal.message)
    return folderId
  }
}

function folderNamed(state: Mailbox, name: string, parentId: string | null): string | undefined {
  const key = name.normalize('NFC').trim().toLowerCase()
  for (const folder of state.folders.values()) {
    if (folder.parentId === parentId && folder.name.toLowerCase() === key) return folder.id
  }
  return undefined
}
