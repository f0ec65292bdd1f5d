// Raw messages, read by a thread that never writes them. What holds them is opened when the first is asked for.
import type { BlobStore } from '../../../commands/ports/blob-store.ts'
import type { MessageReader } from '../../../projections/ports/event-source.ts'
import { SealedMessageBlobs } from '../blobs/message-blobs.ts'
import { type BlobPlace, openBlobsToRead } from '../blobs/open-blobs.ts'

export function openMessageReader(place: BlobPlace): MessageReader & { close(): Promise<void> } {
  let opened: Promise<{ readonly store: Pick<BlobStore, 'close'>; readonly messages: SealedMessageBlobs }> | undefined
  const open = async () => {
    const store = await openBlobsToRead(place)
    return { store, messages: new SealedMessageBlobs(store as BlobStore) }
  }
  const ready = () => {
    opened ??= open().catch((error) => {
      // Asked again with the next message.
      opened = undefined
      throw error
    })
    return opened
  }
  return {
    read: async (ref, start, end) => (await ready()).messages.read(ref, start, end),
    close: async () => (await opened?.catch(() => undefined))?.store.close(),
  }
}
