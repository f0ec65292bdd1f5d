// Puts the parts of a process together over the engines of the settings.
import { mkdirSync } from 'node:fs'
import { contextOf } from '../commands/context.ts'
import type { RulesPorts } from '../commands/deliver-by-rules.ts'
import { RuleBook } from '../commands/filter-rules.ts'
import { addDomain } from '../commands/open-account.ts'
import type { CheckpointStore } from '../commands/ports/checkpoint-store.ts'
import type { WorkQueue } from '../commands/ports/work-queue.ts'
import type { CliServices } from '../gateways/cli/services.ts'
import { directWriter } from '../gateways/import/import-writer.ts'
import { AccountSendingGuard } from '../gateways/limits/sending-guard.ts'
import type { SharedState } from '../gateways/limits/shared-state.ts'
import type { Histogram } from '../gateways/web/histogram.ts'
import type { Cache } from '../projections/ports/cache.ts'
import type { FanOut } from '../projections/ports/fan-out.ts'
import { SealedMessageBlobs } from './adapters/blobs/message-blobs.ts'
import type { SourceConfig } from './adapters/journal/open-source.ts'
import { SealedJournal } from './adapters/journal/sealed-journal.ts'
import type { OpenKeyring } from './adapters/keyring/wrapping.ts'
import { FeatureReader } from './adapters/mail-filter/feature-reader.ts'
import { DnsResolver } from './adapters/resolver/dns.ts'
import type { SearchApi } from './adapters/search/search-api.ts'
import { Audit } from './audit/audit.ts'
import { backup } from './backup/backup.ts'
import { saveKeys } from './backup/keys-file.ts'
import { movedTo } from './backup/moved.ts'
import { type ListedBlobStore, reclaim } from './compaction.ts'
import { type Config, dataPaths } from './config.ts'
import { lockData } from './data-lock.ts'
import { nameServersOf, sendingLimitsOf } from './delivery-settings.ts'
import { type Engines, openEngines } from './engines.ts'
import { followGrowth } from './growth.ts'
import { ImportThreads } from './import/import-threads.ts'
import { logLine } from './log-line.ts'
import { openProjectors, openSearch } from './open-views.ts'
import type { ProjectorsApi } from './projector/projectors.ts'
import { openTelemetry } from './telemetry/open-telemetry.ts'
import type { OtlpTracer } from './telemetry/otlp-tracer.ts'
import { travel } from './time-travel/time-travel.ts'

export interface Everpost {
  readonly config: Config
  readonly journal: SealedJournal
  readonly blobs: SealedMessageBlobs
  readonly blobStore: ListedBlobStore
  readonly stores: Pick<Engines, 'events' | 'blobStore'>
  readonly keyring: OpenKeyring
  readonly projectors: ProjectorsApi
  readonly search: SearchApi
  readonly audit: Audit
  readonly cache: Cache
  readonly sharedState: SharedState
  readonly fanOut: FanOut | undefined
  readonly checkpoints: CheckpointStore
  newQueue(): Promise<WorkQueue>
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
  /** Undefined unless the settings name a collector. */
  readonly tracer: OtlpTracer | undefined
  /** Seconds that appends took. */
  readonly appended: Histogram
  close(): Promise<void>
}

const PROJECTIONS = ['mailbox', 'directory', 'submissions', 'timeline', 'filter', 'search', 'tree'] as const

export interface OpenOptions {
  /** Nobody else reads here meanwhile: the views may wait until a long import is over. */
  readonly alone?: boolean
  /** Mail has moved on to the engines of other settings: this must be closed, and not be written any more. */
  readonly onMoved?: (config: Config) => void
}

/** Opens the engines of the settings, which is also recovery. Throws with a sentence when one is locked, damaged, full or away. */
export async function openEverpost(
  config: Config,
  { alone = false, onMoved = () => undefined }: OpenOptions = {},
): Promise<Everpost> {
  const moved = movedTo(config.data)
  if (moved !== undefined)
    throw new Error(`Mail moved on from ${config.data} to ${moved}: start with the settings that name that folder`)
  const paths = dataPaths(config.data)
  const lock = lockData(paths.lock)
  const opened: { close(): unknown }[] = [{ close: () => lock.release() }]
  const closeAll = async () => {
    for (const part of opened.toReversed()) await part.close()
  }
  try {
    mkdirSync(config.data, { recursive: true, mode: 0o700 })
    const engines = await openEngines(config, opened)
    const { events, blobStore, keyring, cache, source: sourceConfig } = engines
    const journal = new SealedJournal(events, keyring)
    const { tracer, appended } = await openTelemetry(config, journal)
    if (tracer) opened.unshift(tracer)
    const blobs = new SealedMessageBlobs(blobStore, { keepsRecent: true })
    const projectors = await openProjectors(config, engines, journal, tracer && ((batch) => tracer.applied(batch)))
    opened.push(projectors)
    const search = await openSearch(config, engines, projectors)
    opened.push(search)
    const growth = followGrowth(engines, journal, projectors, search)
    opened.push(growth)
    const audit = new Audit(
      {
        blobs: engines.blobPlace,
        data: config.data,
        source: sourceConfig,
        key: paths.auditKey,
        origin: `${config.domain}/everpost`,
      },
      { journal, mailbox: projectors.mailbox },
    )
    opened.push(audit)
    const features = new FeatureReader(projectors.mailbox, journal)
    const resolver = new DnsResolver({ servers: nameServersOf(config.dns), validating: config.dns.validating })
    opened.push(resolver)
    const guard = new AccountSendingGuard({
      journal,
      directory: projectors.directory,
      submissions: projectors.submissions,
      limits: sendingLimitsOf(config.delivery),
      log: logLine,
      shared: !events.ordersBlobs,
    })
    const settle = async () => {
      const head = await events.head()
      if (head !== undefined) await projectors.waitForPosition(head, { timeoutMs: 60_000 })
    }
    const openImport = async () => {
      const direct = directWriter({ journal, blobs })
      // Threads prepare what files of this machine take faster than one of them gives.
      const threads =
        typeof sourceConfig.keyring === 'string' && engines.storage !== undefined
          ? new ImportThreads(events, blobStore, direct, {
              keyring: sourceConfig.keyring,
              masterKey: engines.masterKey,
            })
          : undefined
      if (alone) growth.hold()
      const catchUp = async () => {
        if (!alone) return
        growth.release()
        await settle()
        growth.hold()
      }
      const close = async () => {
        await threads?.close()
        if (alone) growth.release()
      }
      return { writer: threads ?? direct, catchUp, close }
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
      backup: async (path, { keys, ...options }) => {
        const result = await backup({ events, blobStore }, path, options)
        if (keys !== undefined) await saveKeys(sourceConfig.keyring, keys)
        return result
      },
      migrate: async (file, options) => {
        const { migrate, targetConfig } = await import('./backup/migrate.ts')
        const { config: next, heldMs, ...copied } = await migrate(everpost, targetConfig(file, config), options)
        if (next) onMoved(next)
        return { ...copied, heldSeconds: heldMs / 1000 }
      },
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
    const everpost: Everpost = {
      config,
      journal,
      blobs,
      blobStore,
      stores: { events, blobStore },
      keyring,
      projectors,
      search,
      audit,
      cache,
      sharedState: engines.sharedState,
      features,
      resolver,
      guard,
      onViewed: (listener) => growth.onViewed(listener),
      fanOut: engines.fanOut,
      checkpoints: engines.checkpoints,
      newQueue: () => engines.newQueue(),
      sourceConfig,
      services,
      rules,
      tracer,
      appended,
      close: closeAll,
    }
    return everpost
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
