// What a sender is told of a message: delivery status notifications (RFC 3464 in the multipart/report of RFC 6522).
import { formatDate, textField } from '../mail/compose.ts'
import type { Notice } from '../submission/submission.ts'

export interface ReportInput {
  readonly notice: Notice
  /** Without angle brackets. */
  readonly messageId: string
  /** Our name, as the reporting server. */
  readonly host: string
  /** Who the report is from and for. */
  readonly from: string
  readonly to: string
  /** Epoch milliseconds. */
  readonly at: number
  readonly submittedAt: number
  /** Of a delayed message: when it is given up. */
  readonly retryUntil?: number
  readonly envelopeId?: string
  readonly subject: string
  /** Message-ID of the original, without angle brackets. */
  readonly about?: string
  readonly recipients: readonly ReportedRecipient[]
  /** The original message or its header block, with CRLF. */
  readonly original: Uint8Array
  readonly whole: boolean
}

export interface ReportedRecipient {
  readonly address: string
  /** `rfc822;address`, as RFC 3461 §4.2 has it. */
  readonly originalRecipient?: string
  readonly action: 'failed' | 'delayed' | 'delivered' | 'relayed'
  readonly status: string
  readonly answer: string
  readonly remote?: string
}

/** The bytes of a report; the same input gives the same bytes. */
export function composeReport(input: ReportInput): Uint8Array {
  const boundary = `report-${input.messageId.replace(/[^A-Za-z0-9]/g, '').slice(0, 40)}`
  const eightBit = !isAscii(input.original)
  const parts = [
    `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${words(input)}`,
    `Content-Type: message/delivery-status\r\n\r\n${status(input)}`,
    `Content-Type: ${input.whole ? 'message/rfc822' : 'text/rfc822-headers'}\r\nContent-Transfer-Encoding: ${eightBit ? '8bit' : '7bit'}\r\n\r\n`,
  ]
  const head = [
    `Date: ${formatDate(input.at)}`,
    `From: Mail Delivery System <${oneLine(input.from)}>`,
    `To: <${oneLine(input.to)}>`,
    textField('Subject', `${SUBJECTS[input.notice]}: ${input.subject || '(no subject)'}`),
    `Message-ID: <${oneLine(input.messageId)}>`,
    ...(input.about ? [`In-Reply-To: <${oneLine(input.about)}>`, `References: <${oneLine(input.about)}>`] : []),
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${boundary}"`,
  ].join('\r\n')
  const text = `${head}\r\n\r\n${parts.map((part) => `--${boundary}\r\n${part}`).join('\r\n')}`
  return Buffer.concat([Buffer.from(text), input.original, Buffer.from(`\r\n--${boundary}--\r\n`)])
}

const SUBJECTS: Readonly<Record<Notice, string>> = {
  failed: 'Not delivered',
  delayed: 'Delayed, still trying',
  delivered: 'Delivered',
}

function words({ notice, recipients, subject, at, retryUntil, host }: ReportInput): string {
  const said: Readonly<Record<Notice, string>> = {
    failed: 'Your message could not be delivered to the recipients below, and will not be tried again.',
    delayed: `Your message has not reached the recipients below yet. It is tried again${
      retryUntil === undefined ? '' : ` until ${formatDate(retryUntil)}`
    }; you need not send it again.`,
    delivered:
      'Your message was delivered to the recipients below, or handed to a server that does not report deliveries.',
  }
  const lines = recipients.map(
    ({ address, answer, remote }) =>
      `  <${oneLine(address)}>\r\n    ${remote ? `${oneLine(remote)} said: ` : ''}${oneLine(answer)}`,
  )
  return `${said[notice]}\r\n\r\nSubject: ${oneLine(subject)}\r\n\r\n${lines.join('\r\n\r\n')}\r\n\r\n-- \r\nThe mail system at ${host}, ${formatDate(at)}\r\n`
}

function status(input: ReportInput): string {
  const message = [
    `Reporting-MTA: dns; ${input.host}`,
    ...(input.envelopeId ? [`Original-Envelope-Id: ${oneLine(input.envelopeId)}`] : []),
    `Arrival-Date: ${formatDate(input.submittedAt)}`,
  ]
  const each = input.recipients.map(({ address, originalRecipient, action, status: code, answer, remote }) =>
    [
      ...(originalRecipient ? [`Original-Recipient: ${typed(originalRecipient)}`] : []),
      `Final-Recipient: ${typed(`rfc822;${address}`)}`,
      `Action: ${action}`,
      `Status: ${code}`,
      ...(remote ? [`Remote-MTA: dns; ${oneLine(remote)}`] : []),
      `Diagnostic-Code: smtp; ${ascii(oneLine(answer)).slice(0, 900)}`,
      `Last-Attempt-Date: ${formatDate(input.at)}`,
      ...(action === 'delayed' && input.retryUntil !== undefined
        ? [`Will-Retry-Until: ${formatDate(input.retryUntil)}`]
        : []),
    ].join('\r\n'),
  )
  return `${[message.join('\r\n'), ...each].join('\r\n\r\n')}\r\n`
}

/** `type;address`; an address beyond ASCII in the form of RFC 6533 §3 that fits message/delivery-status. */
function typed(text: string): string {
  const [type = 'rfc822', ...rest] = text.split(';')
  const address = oneLine(rest.join(';'))
  if (!/[^\x00-\x7f]/.test(address)) return `${oneLine(type)};${address}`
  const encoded = [...address].map((letter) => {
    const code = letter.codePointAt(0) ?? 0
    return code < 0x80 && letter !== '\\' && letter !== '+' && letter !== '='
      ? letter
      : `\\x{${code.toString(16).toUpperCase()}}`
  })
  return `utf-8;${encoded.join('')}`
}

/** What others say must not add lines to ours. */
const oneLine = (text: string): string => text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim()
const ascii = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?')

function isAscii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte > 127) return false
  return true
}
