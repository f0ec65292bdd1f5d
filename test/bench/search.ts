// Searching 100,000 messages of real text in one mailbox, through the threads that a server uses: filling the index from a sealed
// log, its size, queries of three words by 10 clients, and how soon new mail is found. Needs the corpus of real mail.
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EventToAppend } from '../../commands/ports/event-store.ts'
import type { EverpostEvent } from '../../domain/events.ts'
import { mailboxStream } from '../../domain/log.ts'
import { SqliteLogWriter } from '../../infra/adapters/event-store/sqlite-writer.ts'
import { sealEvent } from '../../infra/adapters/journal/seal.ts'
import { FileKeyring } from '../../infra/adapters/keyring/file.ts'
import { SearchThreads } from '../../infra/adapters/search/search-threads.ts'
import type { SearchResult } from '../../projections/search/search.ts'
import { generator, pickWords, textSource } from '../search/texts.ts'
import { newId } from './seed.ts'

const MESSAGES = Number(process.env['MESSAGES'] ?? 100_000)
const QUERIES = Number(process.env['QUERIES'] ?? 5000)
const CLIENTS = 10

function report(metric: string, value: number, unit: string, n: number, times: readonly number[] = []): void {
  const round = (number: number): number => Math.round(number * 1000) / 1000
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.floor(sorted.length * share)] ?? 0)
  const spread = times.length === 0 ? {} : { p50: at(0.5), p99: at(0.99) }
  console.log(JSON.stringify({ bench: 'search', metric, value: round(value), unit, n, ...spread }))
}

const folder = mkdtempSync(join(tmpdir(), 'everpost-bench-'))
try {
  const texts = textSource()
  const source = { log: join(folder, 'log.sqlite'), keyring: join(folder, 'keys.sqlite'), masterKey: randomBytes(32) }
  const keyring = new FileKeyring(source.keyring, source.masterKey, { writable: true })
  const writer = new SqliteLogWriter(source.log)
  const account = newId()
  keyring.create(account)
  const start = Date.now() - MESSAGES * 600_000
  let head = 0
  const append = (events: readonly EverpostEvent[]): void => {
    const sealed: EventToAppend[] = events.map((event) => {
      const metadata = { at: Date.now(), actor: account, via: 'smtp' as const, correlationId: '', causationId: '' }
      return sealEvent(mailboxStream(account), { ...event, id: randomUUID(), metadata, owner: account }, keyring)
    })
    for (let at = 0; at < sealed.length; at += 100) {
      const events = sealed.slice(at, at + 100)
      for (const outcome of writer.commit([[{ stream: mailboxStream(account), expected: 'any', events }]])) {
        if ('error' in outcome) throw outcome.error
      }
    }
    head += events.length
  }
  const arrival = (n: number, text?: string): EverpostEvent => {
    const content = texts.content(n)
    return {
      type: 'MessageReceived',
      data: {
        messageId: newId(),
        folderId: 'inbox',
        flags: n % 3 === 0 ? [] : ['\\seen'],
        receivedAt: start + n * 600_000,
        content: text === undefined ? content : { ...content, text },
        mailFrom: '',
        recipient: '',
        intakeId: '',
      },
    }
  }
  append([{ type: 'FolderCreated', data: { folderId: 'inbox', name: 'INBOX', parentId: null, role: 'inbox' } }])
  let textBytes = 0
  for (let n = 0; n < MESSAGES; n += 1000) {
    const batch = Array.from({ length: Math.min(1000, MESSAGES - n) }, (_, k) => arrival(n + k))
    for (const event of batch) {
      if (event.type === 'MessageReceived') textBytes += Buffer.byteLength(event.data.content.text)
    }
    append(batch)
  }

  const filling = performance.now()
  const search = await SearchThreads.start({ data: folder, source })
  search.poke(BigInt(head))
  await search.waitForPosition(BigInt(head), { timeoutMs: 600_000 })
  const seconds = (performance.now() - filling) / 1000
  report('filled from the sealed log', MESSAGES / seconds, 'messages/s', MESSAGES)
  report('text of a message', textBytes / MESSAGES, 'bytes', MESSAGES)

  const random = generator(7)
  const queries = Array.from({ length: QUERIES }, () =>
    pickWords(texts.text(Math.floor(random() * MESSAGES)), 3, random).join(' '),
  )
  const ask = async (metric: string, list: readonly string[], clients: number, first: number): Promise<void> => {
    const times: number[] = []
    let found = 0
    let next = 0
    const client = async (): Promise<void> => {
      while (next < list.length) {
        const query = list[next++] ?? ''
        const began = performance.now()
        const result: SearchResult = await search.search(account, query, { first })
        times.push(performance.now() - began)
        found += result.hits.length
      }
    }
    const began = performance.now()
    await Promise.all(Array.from({ length: clients }, client))
    report(metric, times.length / ((performance.now() - began) / 1000), 'queries/s', times.length, times)
    if (found === 0) throw new Error(`nothing was found: ${metric}`)
  }
  // Threads compile what they run often.
  await ask('warm-up', queries.slice(0, 500), CLIENTS, 50)
  await ask('3 words, 10 clients, 50 hits with snippets', queries, CLIENTS, 50)
  await ask('3 words, 10 clients, 20 hits with snippets', queries, CLIENTS, 20)
  await ask('3 words, 1 client, 50 hits with snippets', queries.slice(0, 1000), 1, 50)
  const phrases = queries.slice(0, 1000).map((_, i) => {
    const words = texts.text(i * 97).match(/[\p{L}\p{N}]+ [\p{L}\p{N}]+ [\p{L}\p{N}]+/gu) ?? ['of the']
    return `"${words[Math.floor(random() * words.length)]}"`
  })
  await ask('phrases of 3 words, 10 clients', phrases, CLIENTS, 50)
  await ask(
    'a word, unread, a date, 10 clients',
    queries.slice(0, 1000).map((query) => `${query.split(' ')[0]} is:unread after:90d`),
    CLIENTS,
    50,
  )
  await ask(
    'unfinished last word (3 letters), 10 clients',
    queries.slice(0, 1000).map((query) => `${query.split(' ')[0]} ${query.split(' ')[1]?.slice(0, 3)}*`),
    CLIENTS,
    50,
  )

  const visible: number[] = []
  const busy = ask('3 words, 2 clients, while mail arrives', queries.slice(0, 2000), 2, 50)
  for (let n = 0; n < 300; n++) {
    append([arrival(MESSAGES + n)])
    const began = performance.now()
    search.poke(BigInt(head))
    await search.waitForPosition(BigInt(head), { timeoutMs: 60_000 })
    visible.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await busy
  report(
    'from the log to being found, 2 clients searching',
    visible.reduce((a, b) => a + b, 0) / 300,
    'ms',
    300,
    visible,
  )
  const marker = `marker${randomUUID().slice(0, 8)}`
  append([arrival(MESSAGES + 1000, `the ${marker} is here`)])
  search.poke(BigInt(head))
  await search.waitForPosition(BigInt(head))
  const hit = await search.search(account, marker)
  if (hit.total !== 1) throw new Error('the newest message was not found')

  const rebuilding = performance.now()
  const rebuilt = await search.rebuild()
  report(
    'rebuilt beside the one that serves, compared, switched',
    MESSAGES / ((performance.now() - rebuilding) / 1000),
    'messages/s',
    MESSAGES,
  )
  const merged = statSync(join(folder, 'views', `search-${rebuilt.generation}.sqlite`)).size
  report('index on disk for a byte of text', merged / textBytes, 'bytes', MESSAGES)
  report('same as before', rebuilt.same === true ? 1 : 0, 'bool', 1)
  report('peak RSS (generator included)', process.resourceUsage().maxRSS / 1024, 'MiB', 1)
  await search.close()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
