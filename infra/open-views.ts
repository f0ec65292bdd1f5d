// The views and the search index of the settings: files of this process, or servers that all processes share.
import type { SealedJournal } from './adapters/journal/sealed-journal.ts'
import { openMessageReader } from './adapters/search/message-reader.ts'
import type { SearchApi } from './adapters/search/search-api.ts'
import { SearchThreads } from './adapters/search/search-threads.ts'
import { type Config, isEmbedded } from './config.ts'
import type { Engines } from './engines.ts'
import { logLine } from './log-line.ts'
import type { AppliedBatch } from './projector/messages.ts'
import type { MongoProjectors } from './projector/mongo-projectors.ts'
import { Projectors, type ProjectorsApi } from './projector/projectors.ts'

/** Positions of EventStoreDB are places in its files: about 20,000 events. */
const FAR_BEHIND_BYTES = 50_000_000n

/** Views in files are this process's own, so it fills them whatever its roles; those in MongoDB are filled by the projector role. */
export async function openProjectors(
  config: Config,
  { source, fanOut }: Engines,
  journal: SealedJournal,
  onBatch?: ((batch: AppliedBatch) => void) | undefined,
): Promise<ProjectorsApi> {
  const { views, eventStore } = config.engines
  if (isEmbedded('views', views))
    return Projectors.start({ data: config.data, source, ...(onBatch ? { onBatch } : {}) })
  const { MongoProjectors } = await import('./projector/mongo-projectors.ts')
  return MongoProjectors.start({
    url: views,
    source: journal,
    projector: config.roles.includes('projector'),
    ...(isEmbedded('eventStore', eventStore) ? {} : { farBehind: FAR_BEHIND_BYTES }),
    ...(fanOut ? { fanOut } : {}),
    ...(onBatch ? { onBatch } : {}),
    onError: (error) => logLine('projector failed', { error: String(error) }),
  })
}

/** How often a projector looks whether it is the one that keeps the index. */
const LOOK_MS = 1000

/** As with the views: an index in a file is this process's own, one in Typesense is kept by one process of the projector role. */
export async function openSearch(
  config: Config,
  { source, blobPlace }: Engines,
  projectors: ProjectorsApi,
): Promise<SearchApi> {
  const { search: address } = config.engines
  if (isEmbedded('search', address)) return SearchThreads.start({ data: config.data, source, blobs: blobPlace })
  const { TypesenseSearch } = await import('./adapters/search/typesense-search.ts')
  const projector = config.roles.includes('projector')
  const leads = (): boolean => (projectors as Partial<Pick<MongoProjectors, 'leads'>>).leads ?? true
  const messages = openMessageReader(blobPlace)
  const search = await TypesenseSearch.start({ url: address, source, messages, indexes: projector && leads() })
  if (!projector) return search
  let keeps = leads()
  let settling = Promise.resolve()
  const look = setInterval(() => {
    if (leads() === keeps) return
    keeps = !keeps
    const settle = () => (keeps ? search.keepIndex() : search.letGo())
    settling = settling.then(settle).catch((error) => logLine('search index', { error: String(error) }))
  }, LOOK_MS)
  look.unref()
  const close = search.close.bind(search)
  search.close = async () => {
    clearInterval(look)
    await settling
    await close()
  }
  return search
}
