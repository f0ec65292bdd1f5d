// One line per engine.
import { PackfileBlobStore } from '../../infra/adapters/blobs/packfile.ts'
import { StorageThread } from '../../infra/adapters/storage/storage-thread.ts'
import { temporaryFolder } from '../support/folders.ts'
import { blobStoreContract } from './blob-store.ts'

blobStoreContract('pack files', async (t) => {
  const dir = temporaryFolder()
  const storage = await StorageThread.start({ blobs: dir, segmentBytes: 400_000 })
  const store = new PackfileBlobStore(storage, dir)
  t.after(async () => {
    await store.close()
    await storage.close()
  })
  return store
})
