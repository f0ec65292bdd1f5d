// ENVELOPE out of the raw header (RFC 9051 §7.5.2): nothing decoded, addresses in their four parts.
import { readRawAddressList } from '../../../domain/mail/address.ts'
import { eachField, unfold } from '../../../domain/mail/header.ts'
import type { MailAddress } from '../../../domain/mail/structure.ts'
import { nstring, string } from './strings.ts'

const WANTED = new Set([
  'date',
  'subject',
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'in-reply-to',
  'message-id',
])
const MAX_FIELDS = 10_000
const MAX_VALUE = 64 * 1024

/** `header` is the block as it is stored, one character a byte. */
export function envelope(header: string): string {
  const fields = new Map<string, string>()
  eachField(header, MAX_FIELDS, (start, colon, end) => {
    const name = header.slice(start, colon).trimEnd().toLowerCase()
    if (!WANTED.has(name)) return
    const value = unfold(header.slice(colon + 1, Math.min(end, colon + 1 + MAX_VALUE)))
    const before = fields.get(name)
    // Some senders write one To field for each recipient.
    if (before === undefined) fields.set(name, value)
    else if (name === 'to' || name === 'cc' || name === 'bcc') fields.set(name, `${before}, ${value}`)
  })
  const list = (name: string) => addresses(fields.get(name))
  const from = list('from')
  const sender = list('sender')
  const replyTo = list('reply-to')
  return `(${[
    nstring(fields.get('date')),
    nstring(fields.get('subject')),
    from,
    sender === 'NIL' ? from : sender,
    replyTo === 'NIL' ? from : replyTo,
    list('to'),
    list('cc'),
    list('bcc'),
    nstring(fields.get('in-reply-to')),
    nstring(fields.get('message-id')),
  ].join(' ')})`
}

function addresses(value: string | undefined): string {
  if (value === undefined || value === '') return 'NIL'
  const found = readRawAddressList(value)
  const parts: string[] = []
  let group: string | undefined
  for (const each of found) {
    if (each.group !== group) {
      if (group !== undefined) parts.push('(NIL NIL NIL NIL)')
      if (each.group !== undefined) parts.push(`(NIL NIL ${nstring(each.group)} NIL)`)
      group = each.group
    }
    if (each.address !== '' || each.name !== undefined) parts.push(one(each))
  }
  if (group !== undefined) parts.push('(NIL NIL NIL NIL)')
  return parts.length === 0 ? 'NIL' : `(${parts.join('')})`
}

/** What is no address has its text as the name, and nothing where the address would be. */
function one({ name, address }: MailAddress): string {
  const at = address.lastIndexOf('@')
  const mailbox = at === -1 ? address : address.slice(0, at)
  const host = at === -1 ? '' : address.slice(at + 1)
  return `(${nstring(name === '' ? undefined : name)} NIL ${string(mailbox)} ${string(host)})`
}
