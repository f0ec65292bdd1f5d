// everpost backup and restore: the log and the blobs, as they are stored, into files and back. Everything else is made from them.
import { DatabaseSync } from 'node:sqlite'
import { BlobError } from '../../commands/ports/blob-store.ts'
import type { EventStore, StoredEvent } from '../../commands/ports/event-store.ts'
import type { ListedBlobStore } from '../compaction.ts'
import { BackupError, type BackupFile, BackupFolder, type BackupWriter } from './backup-folder.ts'
import { appendInOrder, eventsBehind } from './copy-log.ts'

export interface CopyProgress {
  readonly what: 'events' | 'blobs' | 'keys'
  readonly done: number
  readonly total?: number
}

export interface BackupOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: CopyProgress) => void
}

export interface BackupResult {
  readonly events: number
  readonly blobs: number
  readonly bytes: number
}

/** Bytes of one file of blobs. */
const FILE_BYTES = 1024 ** 3

/**
 * Adds what is new since the last run to the folder. The log first: whatever it names is stored by then. Interrupted, the next run
 * begins where the last whole one ended.
 */
export async function backup(
  stores: { readonly events: EventStore; readonly blobStore: ListedBlobStore },
  path: string,
  options: BackupOptions,
): Promise<BackupResult> {
  const folder = BackupFolder.open(path, { create: true })
  const log = await backUpLog(stores.events, folder, options)
  const blobs = await backUpBlobs(stores.blobStore, folder, options)
  const files = [...log, ...blobs]
  if (files.length > 0) folder.commit(files)
  const sum = (some: readonly BackupFile[], of: 'count' | 'bytes') => some.reduce((total, file) => total + file[of], 0)
  return { events: sum(log, 'count'), blobs: sum(blobs, 'count'), bytes: sum(files, 'bytes') }
}

async function backUpLog(
  events: EventStore,
  folder: BackupFolder,
  { signal, onProgress }: BackupOptions,
): Promise<readonly BackupFile[]> {
  const before = folder.filesOf('log').at(-1)
  const after = before?.position === undefined ? undefined : BigInt(before.position)
  if (after !== undefined) {
    const [last] = await events.readPositions([after])
    if (last?.id !== before?.lastId)
      throw new BackupError(`${folder.path} is a backup of another log, or of another engine: choose an empty folder`)
  }
  let writer: BackupWriter | undefined
  let last: StoredEvent | undefined
  try {
    for await (const batch of eventsBehind(events, after, signal)) {
      writer ??= await folder.begin('log')
      for (const event of batch) {
        const { stream, revision, id, type, metadata, data } = event
        await writer.write({ stream, revision: `${revision}`, id, type }, [metadata, data])
        last = event
      }
      onProgress({ what: 'events', done: writer.count })
    }
    if (!writer || !last) return []
    return [await writer.finish({ position: `${last.position}`, lastId: last.id })]
  } catch (error) {
    await writer?.abandon()
    throw error
  }
}

async function backUpBlobs(
  blobStore: ListedBlobStore,
  folder: BackupFolder,
  { signal, onProgress }: BackupOptions,
): Promise<readonly BackupFile[]> {
  const index = await BlobIndex.open(folder)
  const files: BackupFile[] = []
  let writer: BackupWriter | undefined
  let done = 0
  try {
    for await (const { id } of blobStore.entries()) {
      signal.throwIfAborted()
      if (index.has(id)) continue
      const size = await blobStore.size(id)
      // Reclaimed since it was listed.
      if (size === undefined) continue
      const bytes = await blobStore.read(id, 0, size).catch((error: unknown) => {
        if (error instanceof BlobError && error.code === 'not-found') return undefined
        throw error
      })
      if (!bytes) continue
      writer ??= await folder.begin('blobs')
      await writer.write({ id }, [bytes])
      index.add(id)
      onProgress({ what: 'blobs', done: ++done })
      if (writer.bytes < FILE_BYTES) continue
      // Named at once: what is this much is not read twice.
      folder.commit([await writer.finish()])
      writer = undefined
    }
    if (writer) files.push(await writer.finish())
    return files
  } catch (error) {
    await writer?.abandon()
    throw error
  } finally {
    index.close()
  }
}

/** Which blobs the folder has: made from its files, kept beside them. */
class BlobIndex {
  readonly #db: DatabaseSync
  readonly #find
  readonly #add

  private constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF')
    this.#db.exec('CREATE TABLE IF NOT EXISTS blob (id TEXT PRIMARY KEY) WITHOUT ROWID')
    this.#find = this.#db.prepare('SELECT 1 FROM blob WHERE id = ?')
    this.#add = this.#db.prepare('INSERT OR IGNORE INTO blob VALUES (?)')
    this.#db.exec('BEGIN')
  }

  static async open(folder: BackupFolder): Promise<BlobIndex> {
    // In memory: a run that ended early must leave nothing that says otherwise than the manifest.
    const index = new BlobIndex('')
    for (const file of folder.filesOf('blobs'))
      for await (const { header } of folder.read(file)) index.add(String(header['id']))
    return index
  }
  has(id: string): boolean {
    return this.#find.get(id) !== undefined
  }
  add(id: string): void {
    this.#add.run(id)
  }
  close(): void {
    this.#db.close()
  }
}

/** Into stores that hold nothing else; repeated after an interruption, it goes on. Every file is checked to its last byte. */
export async function restore(
  stores: { readonly events: EventStore; readonly blobStore: ListedBlobStore },
  path: string,
  { signal, onProgress }: BackupOptions,
): Promise<BackupResult> {
  const folder = BackupFolder.open(path, { create: false })
  const total = (kind: BackupFile['kind']) => folder.filesOf(kind).reduce((sum, { count }) => sum + count, 0)
  let bytes = 0
  let blobs = 0
  // Blobs first: an event must never name what is not there.
  for (const file of folder.filesOf('blobs')) {
    for await (const { header, parts } of folder.read(file)) {
      signal.throwIfAborted()
      await stores.blobStore.put(String(header['id']), parts[0] as Buffer)
      onProgress({ what: 'blobs', done: ++blobs, total: total('blobs') })
    }
    bytes += file.bytes
  }
  let events = 0
  let held: StoredEvent[] = []
  const flush = async () => {
    await appendInOrder(stores.events, held)
    events += held.length
    held = []
    onProgress({ what: 'events', done: events, total: total('log') })
  }
  for (const file of folder.filesOf('log')) {
    for await (const { header, parts } of folder.read(file)) {
      signal.throwIfAborted()
      const [metadata, data] = parts as [Buffer, Buffer]
      const { stream, revision, id, type } = header as unknown as {
        [Name in 'stream' | 'revision' | 'id' | 'type']: string
      }
      held.push({ stream, revision: BigInt(revision), id, type, metadata, data, position: 0n })
      if (held.length >= 1000) await flush()
    }
    bytes += file.bytes
  }
  await flush()
  return { events, blobs, bytes }
}
