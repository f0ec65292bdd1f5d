// One line per engine.
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { SqliteEventStore } from '../../infra/adapters/event-store/sqlite.ts'
import { StorageThread } from '../../infra/adapters/storage/storage-thread.ts'
import { temporaryFolder } from '../support/folders.ts'
import { eventStoreContract } from './event-store.ts'

eventStoreContract('sqlite', async (t: TestContext) => {
  const path = join(temporaryFolder(), 'log.sqlite')
  const storage = await StorageThread.start({ log: path })
  const store = new SqliteEventStore(storage, path)
  t.after(async () => {
    await store.close()
    await storage.close()
  })
  return store
})
