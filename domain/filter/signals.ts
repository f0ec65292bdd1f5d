// What the raw message shows and its event does not keep: header shape, markup, links. Read once, when the message comes.

import { decodePartText, selectBodies } from '../mail/body-text.ts'
import { headerFields } from '../mail/header.ts'
import { decodeEntities } from '../mail/html-entities.ts'
import type { MailContent, MimePart } from '../mail/structure.ts'
import { hashFeature, parentDomains } from './features.ts'

/** Signals of one message: they are kept in its arrival event. */
export const MAX_SIGNALS = 160

const SEED = 0x5bd1e995
/** Of an HTML body. */
const MAX_HTML = 64 * 1024
const MAX_LINKS = 200
const MAX_TAGS = 5000

export interface Link {
  /** Lowercase host, '' when unreadable. */
  readonly host: string
  /** What the reader sees. */
  readonly text: string
}

/** Facts of a message that rules and the classifier look at. */
export interface MailFacts {
  /** Values of the header's fields by lowercase name, raw and unfolded, the first of each name first. */
  readonly header: ReadonlyMap<string, readonly string[]>
  readonly html: string
  readonly links: readonly Link[]
  readonly hasPlainText: boolean
}

/** Fields whose names say how the message was written and not which hosts and lists it passed. */
const SHAPE_FIELDS: ReadonlySet<string> = new Set([
  'cc',
  'reply-to',
  'x-mailer',
  'user-agent',
  'mime-version',
  'x-priority',
  'x-msmail-priority',
  'importance',
  'priority',
  'organization',
  'in-reply-to',
  'references',
  'content-transfer-encoding',
  'x-mimeole',
  'thread-index',
  'x-accept-language',
  'to',
  'subject',
  'date',
  'message-id',
  'content-type',
  'content-disposition',
  'x-face',
  'disposition-notification-to',
])

/** `beginning` holds the header and the first part of the body at least. */
export function factsOf(beginning: Uint8Array, mail: MailContent): MailFacts {
  const bytes = Buffer.from(beginning.buffer, beginning.byteOffset, beginning.length)
  const header = new Map<string, string[]>()
  const end = Math.min(mail.root.bodyStart, bytes.length)
  for (const field of headerFields(bytes, { headerStart: 0, bodyStart: end }).slice(0, 200)) {
    const name = field.name.toLowerCase()
    const value = bytes.toString('latin1', field.valueStart, Math.min(field.end, field.valueStart + 2000))
    const held = header.get(name)
    const clean = value.replace(/\s+/g, ' ').trim()
    if (held === undefined) header.set(name, [clean])
    else held.push(clean)
  }
  const bodies = selectBodies(mail.root)
  const html = bodies.html === undefined ? '' : partText(bytes, bodies.html.part)
  return { header, html, links: linksOf(html), hasPlainText: bodies.text !== undefined }
}

function partText(bytes: Buffer, part: MimePart): string {
  const end = Math.min(part.bodyEnd, part.bodyStart + MAX_HTML, bytes.length)
  return end > part.bodyStart ? decodePartText(bytes.subarray(part.bodyStart, end), part) : ''
}

/** Tags with their places, each looked at up to a thousand characters: one pass, whatever is left open. */
export function* tagsOf(html: string): Generator<{ readonly tag: string; readonly end: number }> {
  for (let at = html.indexOf('<'), count = 0; at >= 0 && count < MAX_TAGS; count++) {
    const end = html.indexOf('>', at)
    if (end < 0) return
    yield { tag: html.slice(at, Math.min(end, at + 1000)), end: end + 1 }
    at = html.indexOf('<', end)
  }
}

const HREF = /\shref\s{0,5}=\s{0,5}["']?([^"'\s>]{1,1000})/i
const SOURCE = /\s(?:src|action|background)\s{0,5}=\s{0,5}["']?(https?:[^"'\s>]{1,1000})/i

function linksOf(html: string): Link[] {
  const links: Link[] = []
  for (const { tag, end } of tagsOf(html)) {
    if (links.length >= MAX_LINKS) break
    const anchor = /^<a\s/i.test(tag)
    const address = (anchor ? HREF : SOURCE).exec(tag)?.[1]
    if (address === undefined) continue
    const text = anchor ? (html.slice(end, end + 300).split(/<\/a/i, 1)[0] ?? '') : ''
    links.push({ host: hostOf(decodeEntities(address)), text: text.replace(/<[^<>]{0,300}>/g, ' ').trim() })
  }
  return links
}

export function hostOf(address: string): string {
  const found = /^\s*(?:https?:)?\/\/(?:[^/@\s]*@)?([^/:?#\s]{1,255})/i.exec(address)
  return found?.[1]?.toLowerCase() ?? ''
}

/** What the classifier takes of the facts, hashed. */
export function signalsOf(facts: MailFacts, mail: MailContent, rules: readonly number[] = []): Uint32Array {
  const found = new Set<number>(rules)
  const add = (signal: string) => {
    if (found.size < MAX_SIGNALS) found.add(hashFeature(signal, SEED))
  }
  for (const signal of shapeOf(facts, mail)) add(signal)
  const hosts = new Set<string>()
  for (const { host } of facts.links) for (const domain of parentDomains(host)) hosts.add(domain)
  for (const host of plainTextHosts(mail.text)) for (const domain of parentDomains(host)) hosts.add(domain)
  for (const host of hosts) add(`link ${host}`)
  return Uint32Array.from(found)
}

function plainTextHosts(text: string): readonly string[] {
  return [...text.slice(0, 16_384).matchAll(/https?:\/\/[^\s<>"')]{1,255}/gi)].slice(0, 30).map(([url]) => hostOf(url))
}

function* shapeOf({ header, html, links, hasPlainText }: MailFacts, mail: MailContent): Generator<string> {
  const first = (name: string) => header.get(name)?.[0] ?? ''
  for (const name of SHAPE_FIELDS) yield header.has(name) ? `has ${name}` : `lacks ${name}`
  yield* routeOf(header.get('received') ?? [])
  yield `type ${mail.root.type}`
  yield `encoding ${mail.root.encoding}`
  for (const charset of charsetsOf(mail.root)) yield `charset ${charset}`
  const mailer = (first('x-mailer') || first('user-agent')).toLowerCase()
  if (mailer !== '') {
    yield `mailer ${mailer.split(/[\s/(,]/, 1)[0]}`
    yield `mailer ${mailer.replace(/[\d.]+/g, '0').slice(0, 60)}`
  }
  yield `priority ${first('x-priority').slice(0, 1)}`
  yield `id ${shape(first('message-id').replace(/^.*@/, ''))}`
  yield `id ${shape(first('message-id').replace(/@.*$/, ''))}`
  yield `zone ${/[+-]\d{4}|[A-Z]{2,4}\)?$/.exec(first('date'))?.[0] ?? 'none'}`
  yield `boundary ${shape((mail.root.params['boundary'] ?? '').slice(0, 40))}`
  const [from] = mail.envelope.from
  const domain = domainOf(from?.address)
  if (from?.name === undefined) yield 'from without name'
  if (/\d{3}/.test(from?.address ?? '')) yield 'from with digits'
  const [replyTo] = mail.envelope.replyTo
  if (replyTo !== undefined && domainOf(replyTo.address) !== domain) yield 'replies elsewhere'
  const { to, cc } = mail.envelope
  yield `recipients ${Math.min(9, to.length + cc.length)}`
  if (to.length > 0 && to.every(({ name }) => name === undefined)) yield 'recipients without names'
  if (first('message-id').toLowerCase().includes(`@${domain}`)) yield 'id of sender'
  const { subject } = mail.envelope
  if (/^\s*(?:re|fwd?|aw)\s*:/i.test(subject))
    yield header.has('references') || header.has('in-reply-to') ? 'reply' : 'reply to nothing'
  if (/[!?]{1,}/.test(subject)) yield 'subject exclaims'
  if (/\s{4,}\S+$/.test(subject)) yield 'subject with tail'
  if (subject.length > 5 && subject === subject.toUpperCase() && /[A-Z]{3}/.test(subject)) yield 'subject shouts'
  if (subject !== '' && !/[^\x20-\x7e]/.test(first('subject')) && /[^\x20-\x7e]/.test(subject)) yield 'subject encoded'
  if (/[\x80-\xff]/.test(first('subject'))) yield 'subject raw bytes'
  if (mail.hasAttachment) yield 'attachment'
  if (html !== '') {
    yield hasPlainText ? 'html beside text' : 'html alone'
    yield `links ${Math.min(6, Math.ceil(Math.log2(1 + links.length)))}`
    for (const tag of new Set(
      [
        ...html
          .toLowerCase()
          .matchAll(
            /<(font|table|img|form|script|iframe|center|marquee|style|input|b|strong|h1|bgsound|map|blink|big)\b/g,
          ),
      ].map(([, each]) => each),
    ))
      yield `tag ${tag}`
    for (const colour of new Set(
      [...html.toLowerCase().matchAll(/color\s*[=:]\s*["']?(#?\w{3,8})/g)].slice(0, 100).map(([, each]) => each),
    ))
      yield `colour ${colour}`
    if (/<!--[\s\S]{0,40}-->\w/.test(html)) yield 'html comments in words'
    yield `html share ${Math.min(9, Math.floor((10 * mail.text.length) / (html.length + 1)))}`
    if (links.some(({ host }) => /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host))) yield 'links to numbers'
  }
}

/** How the message came to its first relay, without the names of hosts: the lowest Received field, and how many there are. */
function* routeOf(received: readonly string[]): Generator<string> {
  yield `hops ${Math.min(4, received.length)}`
  const lowest = received.at(-1)
  if (lowest === undefined) return
  const text = lowest.replace(/;[^;]*$/, '')
  const plain = text
    .replace(/\bid\s+\S+/gi, 'id I')
    .replace(/for\s+<?\S+@\S+/gi, 'for A')
    .replace(/\[?\b\d{1,3}(?:\.\d{1,3}){3}\b\]?/g, 'N')
    .replace(/[\w-]+(?:\.[\w-]+)+/g, 'H')
    .replace(/\S+@\S+/g, 'A')
    .replace(/\d+/g, '0')
  yield `route ${plain.slice(0, 24)}`
  yield `route ${plain.slice(0, 48)}`
  for (const [word] of plain
    .toLowerCase()
    .matchAll(
      /\b(?:unknown|forged|helo|uid|localhost|esmtps?a?|smtp|http|postfix|exim|sendmail|submit|mapi|asmtp|local|hotmail|microsoft|invoked|network|pickup|envelope-from|ident|dhcp|dsl|dialup|cable|client|ppp|adsl)\b/g,
    ))
    yield `route ${word}`
  if (/^from \[?\d/i.test(text)) yield 'route from number'
}

export const domainOf = (address: string | undefined): string =>
  (address ?? '').slice((address ?? '').lastIndexOf('@') + 1).toLowerCase()

function* charsetsOf(part: MimePart, depth = 0): Generator<string> {
  if (part.params['charset'] !== undefined) yield part.params['charset'].toLowerCase().slice(0, 40)
  if (depth < 4) for (const child of part.parts ?? []) yield* charsetsOf(child, depth + 1)
}

/** Letters as a, digits as 0, each run once. */
const shape = (text: string): string =>
  text
    .replace(/[a-z]+/g, 'a')
    .replace(/[A-Z]+/g, 'A')
    .replace(/\d+/g, '0')
    .slice(0, 30)
