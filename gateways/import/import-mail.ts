// Imports mail from files into one account: original dates and flags kept, doubles nothing, resumes where it was stopped.
import { importedMessageId } from '../../commands/append-message.ts'
import { changeMailbox, loadMailbox } from '../../commands/change-mailbox.ts'
import { contextOf } from '../../commands/context.ts'
import { derivedId } from '../../commands/identity.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { MailboxSnapshots } from '../../commands/ports/views.ts'
import type { AccountId } from '../../domain/log.ts'
import type { Mailbox } from '../../domain/mailbox/mailbox.ts'
import type { ImportWriter, MessageToImport } from './import-writer.ts'
import type { FromQuoting } from './mbox.ts'
import { findSources, readSource, type SourceMessage } from './sources.ts'

export interface ImportPorts {
  readonly journal: Journal
  readonly snapshots: MailboxSnapshots
  readonly writer: ImportWriter
  /** Resolves once the snapshots reflect what was written; called before a folder is made. */
  readonly catchUp?: () => Promise<void>
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

/** Small enough that several are in memory at once. */
const BATCH_MESSAGES = 100
const BATCH_BYTES = 4 * 1024 * 1024
/** Batches being read, sealed and stored while the next is taken from the source. */
const IN_FLIGHT = 3

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
  const writing: Promise<void>[] = []

  const flush = async () => {
    const messages = batch
    batch = []
    batchBytes = 0
    if (messages.length === 0) return
    const fresh = await missing(ports, options.account, messages, seen, (below) => folders.find([...target, ...below]))
    const written = ports.writer.write(options.account, fresh).then(() => {
      progress.bytes += messages.reduce((sum, { bytes }) => sum + bytes, 0)
      progress.imported += fresh.length
      progress.known += messages.length - fresh.length
      options.onProgress?.({ ...progress })
    })
    // Awaited below; until then it must not count as unhandled.
    written.catch(() => undefined)
    writing.push(written)
    if (writing.length >= IN_FLIGHT) await writing.shift()
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
  await Promise.all(writing)
  return { ...progress, bytes: totalBytes }
}

/** Those of the messages that are not in their folder yet, each once. */
async function missing(
  ports: ImportPorts,
  account: AccountId,
  messages: readonly SourceMessage[],
  seen: Set<string>,
  folderOf: (below: readonly string[]) => Promise<string>,
): Promise<readonly MessageToImport[]> {
  const candidates: MessageToImport[] = []
  for (const { raw, flags, date, folder } of messages) {
    const folderId = await folderOf(folder)
    const messageId = importedMessageId(account, folderId, raw)
    if (seen.has(messageId)) continue
    seen.add(messageId)
    candidates.push({ messageId, folderId, flags, raw, ...(date === undefined ? {} : { date }) })
  }
  const known = await ports.snapshots.snapshot(
    account,
    candidates.map(({ messageId }) => messageId),
  )
  const there = new Set(known.messages.map(({ id }) => id))
  return candidates.filter(({ messageId }) => !there.has(messageId))
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
    // The tail of events beyond the views is read to find a folder: it must not be the whole import.
    await this.#ports.catchUp?.()
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
