// What is handed to an auditor: JSON lines. A header with the signed head, one line an event, in an export one line a message behind
// its arrival, and a signed manifest at the end. Described in docs/explanation/audit.md; whoever changes a shape raises its number.
import { leafOf } from '../../domain/audit/leaf.ts'
import type { Sha256 } from '../../domain/audit/merkle.ts'

export const EXPORT_FORMAT = 'everpost-export/1'
export const PROOF_FORMAT = 'everpost-proof/1'

/** One event with all that its leaf is made of, and the way from there to the signed root. Bytes and hashes are base64. */
export interface EventLine {
  readonly kind: 'event'
  /** Number of its leaf. */
  readonly index: number
  readonly position: string
  readonly stream: string
  readonly revision: string
  readonly id: string
  readonly type: string
  readonly metadata: string
  /** As the log stores it: sealed. */
  readonly data: string
  readonly proof: readonly string[]
  /** The opened payload; null when the key is gone, with `redacted`. Sections of other accounts are left out. */
  readonly payload: unknown
  /** Who wrote it, when, through what; null when the key is gone. */
  readonly by: unknown
  readonly redacted?: true
  /** Why it does not open, though its key is there: payload and by are null. */
  readonly damaged?: string
}

export interface BundleHeader {
  readonly format: typeof EXPORT_FORMAT | typeof PROOF_FORMAT
  readonly account: { readonly id: string; readonly address: string; readonly name: string }
  /** What a proof is about; null for an export. */
  readonly about: { readonly message: string } | { readonly event: string } | null
  /** ISO times, or null: no bound. */
  readonly from: string | null
  readonly to: string | null
  readonly madeAt: string
  /** Signed-note verifier key of the server. */
  readonly publicKey: string
  /** C2SP checkpoint over every event of the file. */
  readonly checkpoint: string
  /** Data key of the account, base64: with it the file proves its payloads and messages too. Only when asked for. */
  readonly key?: string
  /** That the tree of `checkpoint` extends the one of an earlier checkpoint. */
  readonly since?: { readonly checkpoint: string; readonly proof: readonly string[] }
}

/** The raw bytes of one message, in the place behind its arrival. */
export type MessageLine = { readonly kind: 'message'; readonly messageId: string; readonly eventId: string } & (
  | {
      readonly size: number
      /** Of the raw bytes, lowercase hex. */
      readonly sha256: string
      readonly raw: string
      /** The bytes as they are stored, whose hash is the blob's name; only beside `key`. */
      readonly stored?: string
    }
  | { readonly missing: string }
)

/** The last line. */
export interface ManifestLine {
  readonly kind: 'manifest'
  readonly events: number
  readonly messages: number
  readonly missing: number
  /** Of every byte before this line, lowercase hex. */
  readonly sha256: string
  /** Signed note over `manifestText`. */
  readonly note: string
}

/** What the server signs of a bundle. Its second line keeps it from being read as a checkpoint. */
export const manifestText = (
  origin: string,
  { events, messages, missing, sha256 }: Omit<ManifestLine, 'kind' | 'note'>,
) => `${origin}/bundle\nsha256 ${sha256}\n${events} events, ${messages} messages, ${missing} missing\n`

/** Leaf of an event line, from nothing but the line. */
export function leafOfLine(sha256: Sha256, line: EventLine): Uint8Array {
  const { stream, revision, id, type, metadata, data } = line
  const bytes = (text: string) => Buffer.from(text, 'base64')
  return leafOf(sha256, { stream, revision: BigInt(revision), id, type, metadata: bytes(metadata), data: bytes(data) })
}
