// The embedded log, blobs and keys over a throw-away folder, without views: for tests of what writes.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import type { Journal, JournalAppend } from '../../commands/ports/journal.ts'
import type { Directory, DirectoryAccount, MailboxSnapshots } from '../../commands/ports/views.ts'
import type { RecordedEvent } from '../../domain/events.ts'
import { isRedacted, mailboxStream, type Redacted } from '../../domain/log.ts'
import { ownAddress } from '../../domain/mail/address.ts'
import { emptyMailbox, evolve, type Mailbox, type MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import { SealedMessageBlobs } from '../../infra/adapters/blobs/message-blobs.ts'
import { PackfileBlobStore } from '../../infra/adapters/blobs/packfile.ts'
import { SqliteEventStore } from '../../infra/adapters/event-store/sqlite.ts'
import { SealedJournal } from '../../infra/adapters/journal/sealed-journal.ts'
import { FileKeyring, masterKeyFromFile } from '../../infra/adapters/keyring/file.ts'
import { StorageThread } from '../../infra/adapters/storage/storage-thread.ts'
import { temporaryFolder } from './folders.ts'

export interface TestJournal {
  readonly dir: string
  readonly journal: SealedJournal
  readonly store: SqliteEventStore
  readonly keyring: FileKeyring
  readonly blobStore: PackfileBlobStore
  readonly blobs: SealedMessageBlobs
  close(): Promise<void>
}

export async function openJournal(t: Pick<TestContext, 'after'>, dir = temporaryFolder()): Promise<TestJournal> {
  mkdirSync(dir, { recursive: true })
  const keyring = new FileKeyring(join(dir, 'keyring.sqlite'), masterKeyFromFile(join(dir, 'master.key'), true), {
    writable: true,
  })
  const storage = await StorageThread.start({ log: join(dir, 'log.sqlite'), blobs: join(dir, 'blobs') })
  const store = new SqliteEventStore(storage, join(dir, 'log.sqlite'))
  const blobStore = new PackfileBlobStore(storage, join(dir, 'blobs'))
  let open = true
  const close = async () => {
    if (!open) return
    open = false
    await blobStore.close()
    await store.close()
    await storage.close()
    keyring.close()
  }
  t.after(close)
  const journal = new SealedJournal(store, keyring)
  return { dir, journal, store, keyring, blobStore, blobs: new SealedMessageBlobs(blobStore), close }
}

export const testContext = (commandId?: string) =>
  contextOf('test', 'cli', { at: 1_000, ...(commandId ? { commandId } : {}) })

/** Every event of a stream. */
export async function eventsOf(journal: Journal, stream: string): Promise<readonly (RecordedEvent | Redacted)[]> {
  const events: (RecordedEvent | Redacted)[] = []
  for await (const event of journal.readStream(stream, { text: true })) events.push(event)
  return events
}

export async function typesOf(journal: Journal, stream: string): Promise<readonly string[]> {
  return (await eventsOf(journal, stream)).map(({ type }) => type)
}

export async function mailboxOf(journal: Journal, account: string): Promise<Mailbox> {
  let state = emptyMailbox
  for (const event of await eventsOf(journal, mailboxStream(account)))
    if (!isRedacted(event)) state = evolve(state, event as MailboxEvent, event.revision)
  return state
}

/** Views that stopped following the log at some revision: commands must fold the tail themselves. */
export class StaleSnapshots implements MailboxSnapshots {
  readonly #journal: Journal
  /** Events of each mailbox that the views have seen. */
  seen = 0n
  asked: (readonly string[])[] = []
  constructor(journal: Journal) {
    this.#journal = journal
  }
  async snapshot(account: string, messageIds: readonly string[]) {
    this.asked.push(messageIds)
    let state = emptyMailbox
    let revision: bigint | undefined
    for await (const event of this.#journal.readStream(mailboxStream(account))) {
      if (event.revision >= this.seen) break
      revision = event.revision
      if ('data' in event && 'messageId' in event.data && !messageIds.includes(event.data.messageId)) continue
      if (!isRedacted(event)) state = evolve(state, event as MailboxEvent, event.revision)
    }
    return {
      revision,
      folders: [...state.folders.values()],
      messages: messageIds.flatMap((id) => state.messages.get(id) ?? []),
    }
  }
  async usage() {
    return { messages: 0, bytes: 0 }
  }
}

/** A directory that is told what it knows. */
export class FakeDirectory implements Directory {
  readonly known = new Map<string, DirectoryAccount>()
  readonly addresses = new Map<string, string>()
  readonly names = new Set(['example.test'])
  add(id: string, address: string, more: Partial<DirectoryAccount> = {}): void {
    const account = {
      id,
      address,
      name: '',
      role: 'user',
      revision: 0n,
      quota: null,
      holds: [],
      erased: false,
      appPasswords: [],
    } as const
    this.known.set(id, { ...account, ...more })
    this.addresses.set(address, id)
  }
  async resolve(address: string) {
    const accountId = this.addresses.get(ownAddress(address))
    if (accountId !== undefined) return { accountId, kind: 'primary' as const }
    const all = this.addresses.get(`@${address.split('@')[1]}`)
    return all === undefined ? undefined : { accountId: all, kind: 'catch-all' as const }
  }
  async account(id: string) {
    return this.known.get(id)
  }
  async accounts() {
    return [...this.known.values()]
  }
  async ownersSharingWith(grantees: readonly string[]) {
    const shares = ({ grants = [] }: DirectoryAccount) => grants.some((grant) => grantees.includes(grant.with))
    return [...this.known.values()].filter(shares).map(({ id }) => id)
  }
  async hasDomain(name: string) {
    return this.names.has(name)
  }
  async domains() {
    return [...this.names]
  }
}

export class Interrupted extends Error {}

/**
 * A journal under which the process dies: the `at`-th append (counted from 1 over append and appendAll, stream by stream when
 * `piecewise`) never happens, or with `after` happens and is never answered.
 */
export function interruptedJournal(
  journal: Journal,
  at: number,
  options: { piecewise?: boolean; after?: boolean } = {},
): Journal {
  let count = 0
  const one = async <T>(run: () => Promise<T>): Promise<T> => {
    if (++count < at) return run()
    if (count === at && options.after) await run()
    throw new Interrupted()
  }
  return {
    append: (append) => one(() => journal.append(append)),
    appendAll: async (appends, appendOptions) => {
      if (!options.piecewise) return one(() => journal.appendAll(appends, appendOptions))
      for (const blob of appendOptions?.after ?? []) await blob.durable
      const results = []
      for (const append of appends) results.push(await one(() => journal.append(append)))
      return results
    },
    readStream: (stream, readOptions) => journal.readStream(stream, readOptions),
    lastRevision: (stream) => journal.lastRevision(stream),
  }
}

/** Counts the events that are read and the appends that are made. */
export function spyingJournal(journal: Journal) {
  const spy = { read: 0, appends: [] as JournalAppend[] }
  const spied: Journal = {
    append: (append) => {
      spy.appends.push(append)
      return journal.append(append)
    },
    appendAll: (appends, options) => {
      spy.appends.push(...appends)
      return journal.appendAll(appends, options)
    },
    async *readStream(stream, options) {
      for await (const event of journal.readStream(stream, options)) {
        spy.read++
        yield event
      }
    },
    lastRevision: (stream) => journal.lastRevision(stream),
  }
  return { spy, journal: spied }
}
