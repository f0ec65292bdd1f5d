// Raw messages, read from the pack files by a thread that never writes them.
import type { MessageReader } from '../../../projections/ports/event-source.ts'
import { SealedMessageBlobs } from '../blobs/message-blobs.ts'
import { PackfileBlobStore } from '../blobs/packfile.ts'
import type { StorageThread } from '../storage/storage-thread.ts'

export function openMessageReader(folder: string): MessageReader & { close(): Promise<void> } {
  // Reading asks nothing of the storage thread: pack files and their index are opened from here.
  const store = new PackfileBlobStore({} as StorageThread, folder)
  const messages = new SealedMessageBlobs(store)
  return { read: (ref, start, end) => messages.read(ref, start, end), close: () => store.close() }
}
