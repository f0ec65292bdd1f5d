// The shape of one message as it is kept in events: envelope, MIME tree with exact byte ranges, text for search.

/** One mailbox of an address list (RFC 5322 §3.4), decoded. A group is its members; a bare group has `group` and no address. */
export interface MailAddress {
  /** Display name, decoded from RFC 2047, without quotes; absent when the field gave none. */
  readonly name?: string
  /** `local@domain` as written, domain lowercased; '' when the text was not an address at all (then `name` holds the text). */
  readonly address: string
  readonly group?: string
}

/** The envelope of RFC 9051 §7.5.2, decoded to Unicode. Missing lists are empty. */
export interface Envelope {
  /** The Date field in epoch milliseconds; absent when missing or unreadable. */
  readonly date?: number
  readonly subject: string
  readonly from: readonly MailAddress[]
  readonly sender: readonly MailAddress[]
  readonly replyTo: readonly MailAddress[]
  readonly to: readonly MailAddress[]
  readonly cc: readonly MailAddress[]
  readonly bcc: readonly MailAddress[]
  /** Message ids without angle brackets. */
  readonly messageId?: string
  readonly inReplyTo: readonly string[]
  /** Oldest first, at most 100 (the first and the newest 99). */
  readonly references: readonly string[]
}

/** One body part. Offsets count bytes of the raw message as stored; `bodyEnd` is exclusive and leaves out the line break that belongs to the boundary. */
export interface MimePart {
  /** `type/subtype`, lowercase; the default of RFC 2045 §5.2 (or message/rfc822 in a digest) when missing or unreadable. */
  readonly type: string
  /** Content-Type parameters, names lowercase, values decoded (RFC 2231, RFC 2047 seen in the wild). */
  readonly params: Readonly<Record<string, string>>
  readonly encoding: '7bit' | '8bit' | 'binary' | 'base64' | 'quoted-printable' | 'uuencode' | (string & {})
  readonly disposition?: { readonly type: string; readonly params: Readonly<Record<string, string>> }
  /** Content-ID without angle brackets. */
  readonly id?: string
  readonly description?: string
  readonly location?: string
  readonly language?: readonly string[]
  readonly md5?: string
  /** The part's own header block starts here; for the root it is 0. */
  readonly headerStart: number
  /** First byte of the body: just after the empty line. */
  readonly bodyStart: number
  readonly bodyEnd: number
  /** Line count of the body as IMAP wants it for text and message/rfc822 parts. */
  readonly lines?: number
  /** Children of a multipart. */
  readonly parts?: readonly MimePart[]
  /** The inner message of a message/rfc822 or message/global part. */
  readonly message?: { readonly envelope: Envelope; readonly root: MimePart }
}

/** What a person calls an attachment: a leaf part offered as a file. */
export interface Attachment {
  /** IMAP section number of the part: '2', '1.3'. */
  readonly section: string
  readonly filename: string
  readonly type: string
  /** Decoded size in bytes; estimated from the encoded length for base64 and exact for 7bit, 8bit and binary. */
  readonly size: number
  /** True for parts that the HTML body shows (cid), which lists should not count as attachments. */
  readonly inline: boolean
  readonly contentId?: string
}

export type Protection = 'signed' | 'encrypted'

/** Everything that reading a message once yields. */
export interface MailContent {
  readonly envelope: Envelope
  readonly root: MimePart
  /** Plain text for search and reading: the text/plain bodies, or text made from HTML; Unicode NFC, at most `limits.textBytes` of UTF-8. */
  readonly text: string
  readonly textTruncated: boolean
  /** At most 200 characters of one line, without quoted lines and signature where something else is there. */
  readonly snippet: string
  readonly attachments: readonly Attachment[]
  /** True when `attachments` holds one that is not inline. */
  readonly hasAttachment: boolean
  readonly hasCalendar: boolean
  readonly hasTnef: boolean
  readonly protection?: Protection
  /** Bytes of the raw message. */
  readonly size: number
  /** What was wrong with the message and how it was read: short codes such as 'no-header-end', 'boundary-missing', 'depth-limit'. */
  readonly defects: readonly string[]
}
