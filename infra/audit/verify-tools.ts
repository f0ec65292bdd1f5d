// What verifying a file takes: hashing, signatures, and the opening of sealed bytes with one disclosed key. No data folder.
import type { BlobStore } from '../../commands/ports/blob-store.ts'
import type { Keyring } from '../../commands/ports/keyring.ts'
import { isRedacted } from '../../domain/log.ts'
import type { VerifyTools } from '../../projections/audit/verify-bundle.ts'
import { SealedMessageBlobs } from '../adapters/blobs/message-blobs.ts'
import { openEvent } from '../adapters/journal/seal.ts'
import { sha256, verifyEd25519 } from './signing-key.ts'

export const VERIFY_TOOLS: VerifyTools = {
  sha256,
  verifySignature: verifyEd25519,
  openEvent(line, account, key) {
    const { id, stream, type, revision, position, metadata, data } = line
    const keyring = { dataKey: (owner: string) => (owner === account ? key : undefined) } as Keyring
    const opened = openEvent(
      {
        id,
        stream,
        type,
        revision: BigInt(revision),
        position: BigInt(position),
        metadata: Buffer.from(metadata, 'base64'),
        data: Buffer.from(data, 'base64'),
      },
      keyring,
      true,
    )
    return isRedacted(opened) ? undefined : { payload: opened.data, by: opened.metadata }
  },
  async openBlob(stored, ref) {
    const store = {
      size: async () => stored.length,
      read: async (_: string, start: number, end: number) => stored.subarray(start, end),
    } as unknown as BlobStore
    return new SealedMessageBlobs(store).read(ref)
  },
}
