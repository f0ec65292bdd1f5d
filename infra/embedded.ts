// The embedded profile: every engine inside this process, over one data folder. This file alone knows which they are.
import { existsSync, mkdirSync } from 'node:fs'
import { contextOf } from '../commands/context.ts'
import type { RulesPorts } from '../commands/deliver-by-rules.ts'
import { RuleBook } from '../commands/filter-rules.ts'
import { addDomain } from '../commands/open-account.ts'
import type { CliServices } from '../gateways/cli/services.ts'
import { directWriter } from '../gateways/import/import-writer.ts'
import { AccountSendingGuard } from '../gateways/limits/sending-guard.ts'
import { SealedMessageBlobs } from './adapters/blobs/message-blobs.ts'
import { PackfileBlobStore } from './adapters/blobs/packfile.ts'
import { MemoryCache } from './adapters/cache/memory.ts'
import { SqliteEventStore } from './adapters/event-store/sqlite.ts'
import type { SourceConfig } from './adapters/journal/open-source.ts'
import { SealedJournal } from './adapters/journal/sealed-journal.ts'
import { FileKeyring, KeyringError, masterKeyFromFile } from './adapters/keyring/file.ts'
import { FeatureReader } from './adapters/mail-filter/feature-reader.ts'
import { DnsResolver } from './adapters/resolver/dns.ts'
import { SearchThreads } from './adapters/search/search-threads.ts'
import { StorageThread } from './adapters/storage/storage-thread.ts'
import { Audit } from './audit/audit.ts'
import { reclaim } from './compaction.ts'
import { type Config, dataPaths } from './config.ts'
import { lockData } from './data-lock.ts'
import { nameServersOf, sendingLimitsOf } from './delivery-settings.ts'
import { ImportThreads } from './import/import-threads.ts'
import { logLine } from './log-line.ts'
import { Projectors } from './projector/projectors.ts'
import { throttled } from './throttle.ts'
import { travel } from './time-travel/time-travel.ts'

export interface Everpost {
  readonly config: Config
  readonly journal: SealedJournal
  readonly blobs: SealedMessageBlobs
  readonly blobStore: PackfileBlobStore
  readonly keyring: FileKeyring
  readonly projectors: Projectors
  readonly search: SearchThreads
  readonly audit: Audit
  readonly cache: MemoryCache
  /** What a model learns of a message. */
  readonly features: FeatureReader
  readonly resolver: DnsResolver
  readonly guard: AccountSendingGuard
  /** Calls back after the views reflect what was written, many writes together; answers the way to stop. */
  onViewed(listener: () => void): () => void
  readonly sourceConfig: SourceConfig
  readonly services: CliServices
  /** What filter rules need when mail is delivered. */
  readonly rules: RulesPorts
  close(): Promise<void>
}

/** In a rush many messages share a transaction of the views, and more one of the index; a lone one is shown at once. */
const VIEWS_WAKE = { calmMs: 2, busyMs: 50 }
/** Followers of the views ask no oftener than the views change. */
const VIEWED_WAKE = { calmMs: 2, busyMs: 50 }
const SEARCH_WAKE = { calmMs: 50, busyMs: 2000 }

const PROJECTIONS = ['mailbox', 'directory', 'submissions', 'timeline', 'filter', 'search', 'tree'] as const

/** Opens the data folder, which is also recovery. Throws with a sentence when it is locked, damaged, full or not writable. */
export async function openEmbedded(
  config: Config,
  /** Nobody else reads here meanwhile: the views may wait until a long import is over. */
  { alone = false }: { readonly alone?: boolean } = {},
): Promise<Everpost> {
  const paths = dataPaths(config.data)
  const lock = lockData(paths.lock)
  const opened: { close(): unknown }[] = [{ close: () => lock.release() }]
  const closeAll = async () => {
    for (const part of opened.toReversed()) await part.close()
  }
  try {
    mkdirSync(config.data, { recursive: true, mode: 0o700 })
    const fresh = !existsSync(paths.log)
    if (!fresh && !existsSync(paths.keyring)) {
      throw new KeyringError(
        'unavailable',
        `The keyring ${paths.keyring} is missing: put it back, nothing in the log can be read without it`,
      )
    }
    const masterKey = config.masterKey
      ? Buffer.from(config.masterKey, 'base64')
      : masterKeyFromFile(paths.masterKey, fresh)
    const keyring = new FileKeyring(paths.keyring, masterKey, { writable: true })
    opened.push(keyring)
    const storage = await StorageThread.start({ log: paths.log, blobs: paths.blobs })
    opened.push(storage)
    const events = new SqliteEventStore(storage, paths.log)
    opened.push(events)
    const blobStore = new PackfileBlobStore(storage, paths.blobs)
    opened.push(blobStore)
    const journal = new SealedJournal(events, keyring)
    const blobs = new SealedMessageBlobs(blobStore, { keepsRecent: true })
    const sourceConfig: SourceConfig = { log: paths.log, keyring: paths.keyring, masterKey }
    const projectors = await Projectors.start({ data: config.data, source: sourceConfig })
    opened.push(projectors)
    const search = await SearchThreads.start({ data: config.data, source: sourceConfig, blobs: paths.blobs })
    opened.push(search)
    const wakeViews = throttled(VIEWS_WAKE, (head) => projectors.poke(head))
    const wakeSearch = throttled(SEARCH_WAKE, (head) => search.poke(head))
    opened.push({ close: () => [wakeViews, wakeSearch].forEach((wake) => void wake.cancel()) })
    let held = false
    storage.onCommit((head) => {
      if (held) return
      wakeViews(head)
      wakeSearch(head)
    })
    const release = () => {
      held = false
      wakeViews(BigInt(storage.head))
      wakeSearch(BigInt(storage.head))
    }
    const viewed = new Set<() => void>()
    const tellViewed = throttled(VIEWED_WAKE, (head: bigint) => {
      if (viewed.size === 0) return
      projectors.waitForPosition(head, { timeoutMs: 60_000 }).then(
        () => viewed.forEach((listener) => void listener()),
        () => undefined,
      )
    })
    opened.push({ close: () => tellViewed.cancel() })
    storage.onCommit((head) => tellViewed(head))
    const audit = new Audit(
      { ...paths, data: config.data, source: sourceConfig, key: paths.auditKey, origin: `${config.domain}/everpost` },
      { journal, mailbox: projectors.mailbox },
    )
    opened.push(audit)
    const cache = new MemoryCache()
    const features = new FeatureReader(projectors.mailbox, journal)
    const resolver = new DnsResolver({ servers: nameServersOf(config.dns), validating: config.dns.validating })
    opened.push(resolver)
    const guard = new AccountSendingGuard({
      journal,
      directory: projectors.directory,
      submissions: projectors.submissions,
      limits: sendingLimitsOf(config.delivery),
      log: logLine,
    })
    const settle = async () => {
      const head = await events.head()
      if (head !== undefined) await projectors.waitForPosition(head, { timeoutMs: 60_000 })
    }
    const openImport = async () => {
      const threads = new ImportThreads(events, blobStore, directWriter({ journal, blobs }), {
        keyring: paths.keyring,
        masterKey,
      })
      held = alone
      const catchUp = async () => {
        if (!alone) return
        release()
        await settle()
        held = true
      }
      const close = async () => {
        await threads.close()
        if (alone) release()
      }
      return { writer: threads, catchUp, close }
    }
    const forgetKey = (account: string) => {
      keyring.forget(account)
      projectors.forget(account)
      features.forget(account)
      search.forget(account)
    }
    const services: CliServices = {
      journal,
      source: journal,
      blobs,
      storedBlob: async (id) => blobStore.read(id, 0, (await blobStore.size(id)) ?? 0),
      keyring,
      mailbox: projectors.mailbox,
      directory: projectors.directory,
      submissions: projectors.submissions,
      timeline: projectors.timeline,
      filter: projectors.filter,
      mailboxAt: (account, moment) => travel(sourceConfig, account, moment),
      projectionNames: PROJECTIONS,
      projectionStatus: async () => [...(await projectors.status()), ...(await search.status()), await audit.status()],
      rebuild: async (name, onProgress) =>
        name === 'search'
          ? [await search.rebuild(onProgress)]
          : name === 'tree'
            ? [await audit.rebuild(onProgress)]
            : (await projectors.rebuild(name as 'mailbox', onProgress)).projections,
      audit,
      compact: () =>
        reclaim({
          mailbox: projectors.mailbox,
          directory: projectors.directory,
          submissions: projectors.submissions,
          filter: projectors.filter,
          source: journal,
          blobStore,
        }),
      search: (account, query, options) => search.search(account, query, options),
      settle,
      openImport,
      forgetKey,
      mailHost: `mail.${config.domain}`,
      now: Date.now,
    }
    const rules: RulesPorts = {
      journal,
      blobs,
      directory: projectors.directory,
      snapshots: projectors.mailbox,
      keyring,
      rules: new RuleBook(journal),
      hostname: `mail.${config.domain}`,
    }
    await ensureDomain(services, config.domain)
    return {
      config,
      journal,
      blobs,
      blobStore,
      keyring,
      projectors,
      search,
      audit,
      cache,
      features,
      resolver,
      guard,
      onViewed: (listener) => {
        viewed.add(listener)
        return () => viewed.delete(listener)
      },
      sourceConfig,
      services,
      rules,
      close: closeAll,
    }
  } catch (error) {
    await closeAll().catch(() => undefined)
    throw error
  }
}

/** The configured domain is one of ours from the first start on. */
async function ensureDomain(services: CliServices, domain: string): Promise<void> {
  const context = contextOf('system', 'system', { commandId: `domain/${domain}` })
  const added = await addDomain(services, context, domain)
  if (added.ok && added.added) await services.settle()
}
