// What the main thread and the threads that prepare an import say to one another.
import type { Append } from '../../commands/ports/event-store.ts'
import type { MessageToImport } from '../../gateways/import/import-writer.ts'
import type { KeyringPlace } from '../adapters/journal/open-source.ts'

export interface PrepareConfig {
  readonly keyring: KeyringPlace
  readonly masterKey: Uint8Array
}

export interface ImportBatch {
  readonly seq: number
  readonly account: string
  /** Each with the length of its raw form; these lie in `bytes`, one behind the other. */
  readonly messages: readonly (Omit<MessageToImport, 'raw'> & { readonly length: number })[]
  readonly bytes: ArrayBuffer
}

export interface Prepared {
  readonly seq: number
  readonly blobs: readonly { readonly id: string; readonly bytes: Uint8Array }[]
  readonly appends: readonly Append[]
}

export type PrepareReply = Prepared | { readonly seq: number; readonly failed: string }
