// Opens the blobs for reading in a thread that writes none: a folder of pack files, or a bucket.
import type { BlobStore } from '../../../commands/ports/blob-store.ts'
import type { StorageThread } from '../storage/storage-thread.ts'
import { PackfileBlobStore } from './packfile.ts'

/** The folder of the pack files, or `s3://…`. Plain data, so that it can be handed to a thread. */
export type BlobPlace = string

const inBucket = (place: BlobPlace): boolean => /^s3s?:\/\//.test(place)

export async function openBlobsToRead(place: BlobPlace): Promise<Pick<BlobStore, 'read' | 'size' | 'close'>> {
  if (inBucket(place)) {
    const { S3BlobStore } = await import('./s3.ts')
    return S3BlobStore.open(place)
  }
  // Reading asks nothing of the storage thread: pack files and their index are opened from here.
  return new PackfileBlobStore({} as StorageThread, place)
}
