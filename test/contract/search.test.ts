// One line per engine.
import { join } from 'node:path'
import { Fts5Index } from '../../infra/adapters/search/fts5.ts'
import { MemorySearchIndex } from '../../infra/adapters/search/memory.ts'
import { temporaryFolder } from '../support/folders.ts'
import { searchContract } from './search.ts'

searchContract('memory', async () => new MemorySearchIndex())

searchContract('fts5', async (t) => {
  const index = new Fts5Index(join(temporaryFolder(), 'search.sqlite'))
  t.after(() => index.close())
  return index
})
