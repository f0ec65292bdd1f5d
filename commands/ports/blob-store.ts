// Raw bytes of messages. An engine stores what it is given; sealing and compression happen above it, in message-blobs.
import type { BlobRef } from '../../domain/mailbox/mailbox.ts'

export interface BlobStore {
  /** Stores the bytes under their SHA-256; durable when it resolves. Storing the same bytes again changes nothing. */
  put(id: string, bytes: Uint8Array): Promise<void>
  /** For what should not sit whole in memory: write, then finish with the content address, or abort and nothing remains. */
  begin(): Promise<BlobWriter>
  /** A range of the stored bytes; whole-blob reads are checked against the id. */
  read(id: string, start: number, end: number): Promise<Uint8Array>
  size(id: string): Promise<number | undefined>
  /** Marks the blob as reclaimable; compaction frees the bytes later. Unknown ids are ignored. */
  delete(id: string): Promise<void>
  close(): Promise<void>
}

export interface BlobWriter {
  write(chunk: Uint8Array): Promise<void>
  /** Durable when it resolves, answers the content address. */
  finish(): Promise<string>
  abort(): Promise<void>
}

export class BlobError extends Error {
  readonly code: 'not-found' | 'corrupt' | 'disk-full' | 'read-only' | 'closed' | 'unavailable'
  constructor(code: BlobError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BlobError'
    this.code = code
  }
}

/** Sealed messages over a BlobStore: compressed and encrypted in frames, so that any range opens without the rest. */
/** A message on its way to the disk: it may be named already, but not acknowledged before `durable` resolves. */
export interface StagedBlob {
  readonly ref: BlobRef
  readonly durable: Promise<void>
}

export interface MessageBlobs {
  put(raw: Uint8Array): Promise<BlobRef>
  /** Starts storing; for appends that can share the fsync (`Journal.appendAll` with `after`). */
  stage(raw: Uint8Array): StagedBlob
  /** For a message larger than memory should hold. */
  begin(): Promise<MessageBlobWriter>
  /** Raw bytes `start` to `end` (exclusive) of the message as it was received. */
  read(ref: BlobRef, start?: number, end?: number): Promise<Uint8Array>
  /** The same in chunks, for downloads. */
  stream(ref: BlobRef, start?: number, end?: number): AsyncIterable<Uint8Array>
}

export interface MessageBlobWriter {
  write(chunk: Uint8Array): Promise<void>
  finish(): Promise<BlobRef>
  abort(): Promise<void>
}
