// Reading reports of other servers: RFC 3464 notifications, and bounces in free words that return the message they are about.
import type { ReportedAction } from '../submission/submission.ts'
import { walkParts } from './sections.ts'
import type { MailContent, MimePart } from './structure.ts'
import { decodeTransfer } from './transfer.ts'

export interface DeliveryReport {
  /** ENVID of the original, where the reporter gives it back. */
  readonly envelopeId?: string
  /** Message-IDs of what was returned, without angle brackets; most likely first. */
  readonly about: readonly string[]
  readonly recipients: readonly ReportedFate[]
}

export interface ReportedFate {
  /** Lowercase addresses that it may mean: original first. */
  readonly addresses: readonly string[]
  readonly action: ReportedAction
  readonly status: string
  readonly answer: string
  readonly remote?: string
}

/** Recipients and blocks of one report that are read. */
const MAX_FATES = 500
const MAX_STATUS_BYTES = 256 * 1024
/** Of a report in free words. */
const MAX_WORDS = 64 * 1024
const ACTIONS = new Set(['failed', 'delayed', 'delivered', 'relayed', 'expanded'])

/** Undefined for mail that reports nothing. Never throws. */
export function readDeliveryReport(raw: Uint8Array, mail: MailContent): DeliveryReport | undefined {
  const parts = [...walkParts(mail.root)].map(({ part }) => part)
  const status = parts.find(
    ({ type }) => type === 'message/delivery-status' || type === 'message/global-delivery-status',
  )
  const about = returnedIds(raw, parts)
  if (status) {
    const { envelopeId, recipients } = readStatus(bodyText(raw, status, MAX_STATUS_BYTES))
    if (recipients.length > 0) return { about, recipients, ...(envelopeId ? { envelopeId } : {}) }
  }
  return readWords(raw, parts, mail, about)
}

function bodyText(raw: Uint8Array, part: MimePart, most: number): string {
  const bytes = raw.subarray(part.bodyStart, Math.min(part.bodyEnd, part.bodyStart + most))
  return Buffer.from(decodeTransfer(bytes, part.encoding)).toString('utf8')
}

/** Blocks of fields: the first is of the message, the others of one recipient each (RFC 3464 §2.1). */
function readStatus(text: string): { envelopeId?: string; recipients: readonly ReportedFate[] } {
  let envelopeId: string | undefined
  let reporter: string | undefined
  const recipients: ReportedFate[] = []
  for (const block of text.split(/\r?\n[ \t]*\r?\n/)) {
    if (recipients.length >= MAX_FATES) break
    const fields = fieldsOf(block)
    envelopeId ??= fields.get('original-envelope-id')
    reporter ??= typed(fields.get('reporting-mta'))
    const addresses = [
      fields.get('original-recipient'),
      fields.get('final-recipient'),
      fields.get('x-actual-recipient'),
    ]
      .map((value) => addressIn(typed(value)))
      .filter((value) => value !== undefined)
    if (addresses.length === 0) continue
    const action =
      fields
        .get('action')
        ?.trim()
        .toLowerCase()
        .replace(/[^a-z].*$/, '') ?? 'failed'
    const answer = typed(fields.get('diagnostic-code')) ?? ''
    const given = /\b([245]\.\d{1,3}\.\d{1,3})\b/.exec(fields.get('status') ?? '')?.[1]
    const remote = typed(fields.get('remote-mta')) ?? reporter
    recipients.push({
      addresses: [...new Set(addresses)],
      action: ACTIONS.has(action) ? (action as ReportedAction) : 'failed',
      status: given ?? /\b([245]\.\d{1,3}\.\d{1,3})\b/.exec(answer)?.[1] ?? (action === 'delayed' ? '4.0.0' : '5.0.0'),
      answer: answer.slice(0, 1000),
      ...(remote ? { remote: remote.slice(0, 255) } : {}),
    })
  }
  return { recipients, ...(envelopeId ? { envelopeId } : {}) }
}

function fieldsOf(block: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const line of block.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim().toLowerCase()
    if (colon > 0 && !fields.has(name)) fields.set(name, line.slice(colon + 1).trim())
  }
  return fields
}

/** `rfc822; someone@example.org` and `dns; host`: what stands behind the type. */
const typed = (value: string | undefined): string | undefined =>
  value === undefined ? undefined : value.replace(/^[A-Za-z0-9.-]+\s*;\s*/, '').trim() || undefined

const addressIn = (text: string | undefined): string | undefined =>
  /[^\s<>"';,()]+@[^\s<>"';,()]+/.exec(text ?? '')?.[0].toLowerCase()

/** Message-IDs of the message that came back, whole, as its headers, or quoted in the text. */
function returnedIds(raw: Uint8Array, parts: readonly MimePart[]): readonly string[] {
  const ids: string[] = []
  for (const part of parts) {
    if (part.message?.envelope.messageId) ids.push(part.message.envelope.messageId)
    else if (
      /^(?:text\/rfc822-headers|message\/rfc822|message\/global|message\/global-headers|text\/rfc822)$/.test(part.type)
    )
      ids.push(...idsIn(bodyText(raw, part, MAX_WORDS)))
    else if (part.type.startsWith('text/')) ids.push(...idsIn(bodyText(raw, part, MAX_WORDS)))
  }
  return [...new Set(ids)].slice(0, 20)
}

const idsIn = (text: string): readonly string[] =>
  [...text.matchAll(/^[>\s]*message-id:\s*<([^<>\s]{1,998})>/gim)].map((match) => match[1] ?? '')

/** A bounce that says in free words which address and why: qmail, Exim and many others. */
function readWords(
  raw: Uint8Array,
  parts: readonly MimePart[],
  mail: MailContent,
  about: readonly string[],
): DeliveryReport | undefined {
  const sender = mail.envelope.from[0]?.address ?? ''
  const bouncing =
    /^(?:mailer-daemon|postmaster|mail-daemon|mdaemon|postoffice|.*bounce.*)@?|^$/i.test(sender) ||
    /undeliver|returned mail|delivery (?:status|fail|problem)|failure notice|mail delivery|not delivered|配信|返信/i.test(
      mail.envelope.subject,
    )
  const text = parts.find(({ type }) => type.startsWith('text/'))
  if (!bouncing || !text || about.length === 0) return undefined
  const words = bodyText(raw, text, MAX_WORDS)
  // Addresses of the returned message itself stand behind its header.
  const own = words.split(/^[>\s]*(?:received|return-path|message-id):/im)[0] ?? ''
  const addresses = [
    ...new Set([...own.matchAll(/[^\s<>"';,()[\]]+@[a-z0-9.-]+[a-z0-9]/gi)].map((match) => match[0].toLowerCase())),
  ]
  if (addresses.length === 0) return undefined
  const answer = /\b([45]\d\d)[ -](?:[45]\.\d{1,3}\.\d{1,3}[ :])?[^\r\n]{0,400}/.exec(own)?.[0] ?? ''
  const status = /\b([45]\.\d{1,3}\.\d{1,3})\b/.exec(own)?.[1] ?? (answer.startsWith('4') ? '4.0.0' : '5.0.0')
  const action = status.startsWith('4') && !/gave up|permanent|too long|expired/i.test(own) ? 'delayed' : 'failed'
  return {
    about,
    recipients: addresses.slice(0, 50).map((address) => ({ addresses: [address], action, status, answer })),
  }
}
