import type { SearchApi } from './adapters/search/search-api.ts'
import { SearchThreads } from './adapters/search/search-threads.ts'
import { type Config, dataPaths } from './config.ts'
import type { Engines } from './engines.ts'
import { Projectors, type ProjectorsApi } from './projector/projectors.ts'

/** Views in files are this process's own, so it fills them whatever its roles. */
export const openProjectors = (config: Config, { source }: Engines): Promise<ProjectorsApi> =>
  Projectors.start({ data: config.data, source })

export const openSearch = (config: Config, { source }: Engines): Promise<SearchApi> =>
  SearchThreads.start({ data: config.data, source, blobs: dataPaths(config.data).blobs })
