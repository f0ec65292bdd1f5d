// What a sender is told by mail when a message is refused after it was accepted: an MDN for reject, a DSN for ereject (RFC 5429 §2.1, §2.2).
import { composeMail } from '../mail/compose.ts'

export interface RefusalNotice {
  readonly extended: boolean
  readonly reason: string
  /** Where the refused message came from: the notice goes there. */
  readonly mailFrom: string
  /** The address that refuses. */
  readonly recipient: string
  readonly subject: string
  /** Of the refused message, without angle brackets. */
  readonly originalMessageId?: string
  /** Its header block, without the empty line. */
  readonly header: Uint8Array
  /** Our name. */
  readonly hostname: string
  readonly messageId: string
  /** Epoch milliseconds. */
  readonly at: number
}

/** Bytes of the refused message's header that are returned. */
const MAX_RETURNED = 16 * 1024

/** The bytes of the notice. It goes out with the null sender, so that nothing comes back. */
export function composeRefusal(notice: RefusalNotice): Uint8Array {
  const { recipient, mailFrom, subject, reason, extended, hostname, messageId, at } = notice
  const message = composeMail({
    from: { name: 'Mail system', address: `postmaster@${recipient.slice(recipient.lastIndexOf('@') + 1)}` },
    to: [{ address: mailFrom }],
    subject: `Refused: ${subject}`,
    text: `Your message to ${recipient} was refused by the filter rules of its recipient:\r\n\r\n${reason.trim()}\r\n`,
    messageId,
    date: at,
    ...(notice.originalMessageId === undefined ? {} : { inReplyTo: notice.originalMessageId }),
    headers: { 'Auto-Submitted': 'auto-replied (rejected)' },
  })
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const mark = 'MIME-Version: 1.0\r\n'
  const start = bytes.indexOf(mark) + mark.length
  // The text part as it was composed: its Content fields, the empty line, its body.
  const text = bytes.subarray(start)
  const to = line(recipient)
  const report = extended
    ? [
        `Reporting-MTA: dns; ${hostname}`,
        '',
        `Final-Recipient: rfc822; ${to}`,
        'Action: failed',
        'Status: 5.7.1',
        `Diagnostic-Code: smtp; 550 5.7.1 ${line(reason)}`,
      ]
    : [
        `Reporting-UA: ${hostname}; Everpost`,
        `Final-Recipient: rfc822; ${to}`,
        ...(notice.originalMessageId === undefined ? [] : [`Original-Message-ID: <${line(notice.originalMessageId)}>`]),
        'Disposition: automatic-action/MDN-sent-automatically; deleted',
      ]
  const type = extended ? 'delivery-status' : 'disposition-notification'
  const returned = notice.header.subarray(0, MAX_RETURNED)
  const boundary = `=_refused_${messageId.replace(/[^A-Za-z0-9]/g, '').slice(0, 40)}`
  const part = (head: string) => `\r\n--${boundary}\r\n${head}`
  return Buffer.concat([
    bytes.subarray(0, start),
    Buffer.from(`Content-Type: multipart/report; report-type=${type};\r\n boundary="${boundary}"\r\n${part('')}`),
    text,
    Buffer.from(`${part(`Content-Type: message/${type}\r\n\r\n`)}${report.join('\r\n')}\r\n`),
    Buffer.from(part('Content-Type: text/rfc822-headers\r\n\r\n')),
    returned,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
}

/** One line of ASCII: report fields take no more. */
const line = (text: string): string =>
  text
    .trim()
    .replace(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 400)
