// The views and the search index of the settings: files of this process, or servers that all processes share.
import type { SealedJournal } from './adapters/journal/sealed-journal.ts'
import type { SearchApi } from './adapters/search/search-api.ts'
import { SearchThreads } from './adapters/search/search-threads.ts'
import { type Config, isEmbedded } from './config.ts'
import type { Engines } from './engines.ts'
import { logLine } from './log-line.ts'
import { Projectors, type ProjectorsApi } from './projector/projectors.ts'

/** Views in files are this process's own, so it fills them whatever its roles; those in MongoDB are filled by the projector role. */
export async function openProjectors(
  config: Config,
  { source, fanOut }: Engines,
  journal: SealedJournal,
): Promise<ProjectorsApi> {
  const { views } = config.engines
  if (isEmbedded('views', views)) return Projectors.start({ data: config.data, source })
  const { MongoProjectors } = await import('./projector/mongo-projectors.ts')
  return MongoProjectors.start({
    url: views,
    source: journal,
    projector: config.roles.includes('projector'),
    ...(fanOut ? { fanOut } : {}),
    onError: (error) => logLine('projector failed', { error: String(error) }),
  })
}

export const openSearch = (config: Config, { source, blobPlace }: Engines): Promise<SearchApi> =>
  SearchThreads.start({ data: config.data, source, blobs: blobPlace })
