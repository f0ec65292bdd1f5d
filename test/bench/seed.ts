// A log of realistic size for benchmarks of projections, sealed by the journal's own codec and written by the log's own writer.

import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { EventToAppend } from '../../commands/ports/event-store.ts'
import type { EverpostEvent } from '../../domain/events.ts'
import { accountStream, mailboxStream } from '../../domain/log.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import { SqliteLogWriter } from '../../infra/adapters/event-store/sqlite-writer.ts'
import type { LocalSourceConfig } from '../../infra/adapters/journal/open-source.ts'
import { sealEvent } from '../../infra/adapters/journal/seal.ts'
import { FileKeyring } from '../../infra/adapters/keyring/file.ts'
import { fractionsFrom } from '../support/random.ts'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
/** 16 random bytes in the base32 of ids. */
export function newId(): string {
  let bits = 0
  let value = 0
  let id = ''
  for (const byte of randomBytes(16)) {
    value = (value << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) id += ALPHABET[(value >> (bits - 5)) & 31]
    value &= 0xff
  }
  return id + ALPHABET[(value << (5 - bits)) & 31]
}

const WORDS =
  'quarterly report meeting invoice update project lunch draft review server build release notes question budget travel plan team contract customer support ticket deadline schedule agenda summary 회의 보고서 Besprechung réunion'.split(
    ' ',
  )

export interface SeedOptions {
  readonly folder: string
  readonly events: number
  readonly accounts: number
  /** Shares of arrivals, flag changes and moves; the rest are copies, expunges, restores and folders. */
  readonly mix?: readonly [arrivals: number, flags: number, moves: number]
  /** Characters of extracted text in an arrival. */
  readonly textChars?: number
}

export interface Seeded {
  readonly source: LocalSourceConfig
  readonly accounts: readonly string[]
  readonly arrivals: number
  readonly firstAt: number
  readonly lastAt: number
}

interface Box {
  readonly account: string
  readonly messages: string[]
  readonly headers: string[]
  readonly folders: string[]
}

const START = 1_600_000_000_000

export async function seed(options: SeedOptions): Promise<Seeded> {
  const { folder, events, accounts, mix = [0.35, 0.45, 0.15], textChars = 1500 } = options
  mkdirSync(folder, { recursive: true })
  const source = { log: join(folder, 'log.sqlite'), keyring: join(folder, 'keys.sqlite'), masterKey: randomBytes(32) }
  const keyring = new FileKeyring(source.keyring, source.masterKey, { writable: true })
  const writer = new SqliteLogWriter(source.log)
  const next = fractionsFrom(42)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T
  const words = (count: number) => Array.from({ length: count }, () => pick(WORDS)).join(' ')
  const textPool = Array.from({ length: 50 }, () => words(Math.ceil(textChars / 7)).slice(0, textChars))

  let written = 0
  let arrivals = 0
  const at = () => START + written * 1000
  let pending = new Map<string, EventToAppend[]>()
  let held = 0
  const flush = () => {
    const groups = [...pending].map(([stream, list]) => [{ stream, expected: 'any' as const, events: list }])
    for (const outcome of writer.commit(groups)) if ('error' in outcome) throw outcome.error
    pending = new Map()
    held = 0
  }
  const append = (stream: string, owner: string, event: EverpostEvent) => {
    const metadata = {
      ...{ at: at(), actor: owner, via: 'imap' as const, client: { address: '203.0.113.7', name: 'Thunderbird 128' } },
      ...{ correlationId: randomUUID(), causationId: randomUUID() },
    }
    const sealed = sealEvent(stream, { ...event, id: randomUUID(), metadata, owner }, keyring)
    const list = pending.get(stream)
    if (list === undefined) pending.set(stream, [sealed])
    else list.push(sealed)
    written++
    if (++held >= 2000) flush()
  }

  const content = (box: Box): MessageContent => {
    const person = `${pick(WORDS)}.${pick(WORDS)}`
    const domain = `${pick(WORDS)}.example.com`
    const messageId = `${randomUUID()}@mail.${domain}`
    const answers = box.headers.length > 0 && next() < 0.4 ? [pick(box.headers)] : []
    box.headers.push(messageId)
    if (box.headers.length > 50) box.headers.shift()
    const text = pick(textPool)
    const size = 2000 + Math.floor(next() * 20_000)
    return {
      blob: { id: randomBytes(32).toString('hex'), key: randomBytes(32).toString('base64'), size },
      envelope: {
        date: at() - 5000,
        subject: `${answers.length > 0 ? 'Re: ' : ''}${words(5)}`,
        from: [{ name: person.replace('.', ' '), address: `${person}@${domain}` }],
        sender: [],
        replyTo: [],
        to: [{ name: 'The Recipient', address: `${box.account.slice(0, 8)}@example.test` }],
        cc: next() < 0.2 ? [{ address: `${pick(WORDS)}@${domain}` }] : [],
        bcc: [],
        messageId,
        inReplyTo: answers,
        references: answers,
      },
      root: {
        type: 'multipart/alternative',
        params: { boundary: randomUUID() },
        ...{ encoding: '7bit', headerStart: 0, bodyStart: 900, bodyEnd: size },
        parts: [
          {
            ...{ type: 'text/plain', params: { charset: 'utf-8' }, encoding: 'quoted-printable' },
            ...{ headerStart: 940, bodyStart: 1040, bodyEnd: 1500, lines: 40 },
          },
          {
            ...{ type: 'text/html', params: { charset: 'utf-8' }, encoding: 'base64' },
            ...{ headerStart: 1540, bodyStart: 1640, bodyEnd: size, lines: 140 },
          },
        ],
      },
      snippet: text.slice(0, 160),
      attachments: [],
      hasAttachment: next() < 0.15,
      text,
    }
  }

  const boxes: Box[] = []
  for (let i = 0; i < accounts; i++) {
    const account = newId()
    await keyring.create(account)
    const box: Box = { account, messages: [], headers: [], folders: [] }
    append(accountStream(account), account, {
      type: 'AccountOpened',
      data: { accountId: account, address: `user${i}@example.test`, name: `User ${i}`, role: 'user' },
    })
    for (const [name, role] of [
      ['Inbox', 'inbox'],
      ['Archive', 'archive'],
      ['Trash', 'trash'],
      ['Projects', null],
    ] as const) {
      const folderId = newId()
      box.folders.push(folderId)
      append(mailboxStream(account), account, { type: 'FolderCreated', data: { folderId, name, parentId: null, role } })
    }
    boxes.push(box)
  }
  const firstAt = at()
  while (written < events) {
    const box = pick(boxes)
    const dice = next()
    const stream = mailboxStream(box.account)
    const write = (event: EverpostEvent) => append(stream, box.account, event)
    // People touch what came lately.
    const recent = () => {
      const { messages } = box
      return messages[Math.max(0, messages.length - 1 - Math.floor(next() ** 3 * messages.length))] as string
    }
    if (dice < mix[0] || box.messages.length === 0) {
      const messageId = newId()
      box.messages.push(messageId)
      arrivals++
      write({
        type: 'MessageReceived',
        data: {
          ...{ messageId, folderId: box.folders[0] ?? '', flags: [], receivedAt: at(), content: content(box) },
          ...{ mailFrom: 'bounce@example.com', recipient: 'user@example.test', intakeId: newId() },
        },
      })
    } else if (dice < mix[0] + mix[1]) {
      const messageIds = next() < 0.1 ? [...new Set([recent(), recent(), recent()])] : [recent()]
      const flag = next() < 0.75 ? '\\seen' : '\\flagged'
      const on = next() < 0.85
      write({ type: 'FlagsChanged', data: { messageIds, add: on ? [flag] : [], remove: on ? [] : [flag] } })
    } else if (dice < mix[0] + mix[1] + mix[2]) {
      write({ type: 'MessageMoved', data: { messageId: recent(), folderId: pick(box.folders) } })
    } else if (next() < 0.3) {
      const copyId = newId()
      write({ type: 'MessageCopied', data: { messageId: recent(), copyId, folderId: pick(box.folders) } })
      box.messages.push(copyId)
    } else if (next() < 0.7) {
      write({ type: 'MessagesExpunged', data: { messageIds: [recent()] } })
    } else {
      write({ type: 'MessageRestored', data: { messageId: recent(), folderId: box.folders[0] ?? '' } })
    }
  }
  flush()
  writer.close()
  keyring.close()
  return { source, accounts: boxes.map((box) => box.account), arrivals, firstAt, lastAt: at() }
}

/** One result of a benchmark, one line. */
export function report(
  bench: string,
  metric: string,
  value: number,
  unit: string,
  n: number,
  samples: readonly number[] = [],
): void {
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
  const round = (x: number | undefined) => (x === undefined ? undefined : Math.round(x * 1000) / 1000)
  console.log(
    JSON.stringify({ bench, metric, value: round(value), unit, n, p50: round(at(0.5)), p99: round(at(0.99)) }),
  )
}
