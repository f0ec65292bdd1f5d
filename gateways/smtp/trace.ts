// Trace fields that a receiving server adds (RFC 5321 §4.4), and the loop check that reads them.

export interface Hop {
  /** Name given in HELO or EHLO. */
  readonly helo: string
  readonly remoteAddress: string
  readonly host: string
  /** SMTP, ESMTP, ESMTPS, ESMTPSA … (RFC 3848). */
  readonly protocol: string
  readonly queueId: string
  /** Only told when there is one: others must not learn of blind copies. */
  readonly recipient?: string
  readonly at: number
}

/** A Received field, folded, with CRLF at its end. */
export function receivedField(hop: Hop): string {
  const from = `${clean(hop.helo) || 'unknown'} (${literal(hop.remoteAddress)})`
  const to = hop.recipient ? `\r\n\tfor <${clean(hop.recipient)}>` : ''
  return `Received: from ${from}\r\n\tby ${clean(hop.host)} (Everpost) with ${hop.protocol} id ${hop.queueId}${to};\r\n\t${dateTime(hop.at)}\r\n`
}

export const returnPathField = (mailFrom: string): string => `Return-Path: <${clean(mailFrom)}>\r\n`

/** An RFC 5322 §3.3 date-time in UTC. */
export function dateTime(at: number): string {
  return new Date(at).toUTCString().replace('GMT', '+0000')
}

const literal = (address: string): string => (address.includes(':') ? `[IPv6:${address}]` : `[${address}]`)

/** What a client says must not add lines or comments to a field. */
const clean = (text: string): string => text.replace(/[\u0000-\u0020\u007f()<>\\]/g, '').slice(0, 255)

/** Received fields in the header of a message; a mail with many of them goes round in circles (RFC 5321 §6.3). */
export function countHops(raw: Uint8Array): number {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length)
  const end = headerEnd(bytes)
  return bytes.toString('latin1', 0, end).match(/^received:/gim)?.length ?? 0
}

/** Whether the header has a field of this lowercase name. */
export function hasField(raw: Uint8Array, name: string): boolean {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length)
  return new RegExp(`^${name}[ \\t]*:`, 'im').test(bytes.toString('latin1', 0, headerEnd(bytes)))
}

const MAX_HEADER = 256 * 1024

function headerEnd(bytes: Buffer): number {
  const end = bytes.indexOf('\r\n\r\n')
  return Math.min(end < 0 ? bytes.length : end + 2, MAX_HEADER)
}
