// What reading one message may cost at most.

export interface MailLimits {
  /** Nesting of multiparts and messages; deeper ones are leaves. */
  readonly depth: number
  /** Parts of the whole message; the ones after are passed over. */
  readonly parts: number
  /** Bytes of one header block that are looked at; offsets are right beyond it. */
  readonly headerBytes: number
  /** Fields of one header block that are looked at. */
  readonly headerFields: number
  /** UTF-8 bytes of `MailContent.text`. */
  readonly textBytes: number
  /** Addresses of one field. */
  readonly addresses: number
}

export const DEFAULT_LIMITS: MailLimits = {
  depth: 32,
  parts: 1000,
  headerBytes: 256 * 1024,
  headerFields: 1000,
  textBytes: 16 * 1024,
  addresses: 1000,
}
