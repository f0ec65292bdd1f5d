// Listing a folder of 100,000 messages by GraphQL over HTTP, 10 clients in a closed loop, each in turn waiting for its answer. The
// server is a process of its own with the embedded profile; this one is the clients.
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { changeAccount } from '../../commands/change-account.ts'
import { changeMailbox } from '../../commands/change-mailbox.ts'
import { contextOf, toNewEvents } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { folderIdFor, openAccount } from '../../commands/open-account.ts'
import { newSecret } from '../../commands/passwords.ts'
import type { EverpostEvent } from '../../domain/events.ts'
import { mailboxStream } from '../../domain/log.ts'
import { createWebGateway } from '../../gateways/web/gateway.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { fractionsFrom } from '../support/random.ts'
import { webDependencies } from '../support/web-server.ts'

const MESSAGES = Number(process.env['MESSAGES'] ?? 100_000)
const REQUESTS = Number(process.env['REQUESTS'] ?? 10_000)
const CLIENTS = 10
const FIELDS =
  'id folderId threadId subject from { name address } to { name address } date receivedAt size flags snippet hasAttachment'
const QUERY = `query Messages($folderId: ID!, $filter: MessageFilter, $first: Int!, $offset: Int, $after: String) {
  messages(folderId: $folderId, filter: $filter, first: $first, offset: $offset, after: $after) {
    totalCount revision pageInfo { hasNextPage endCursor } edges { node { ${FIELDS} } }
  }
}`
/** The same with a field that no list plan has, so that the executor answers it. */
const BY_EXECUTOR = QUERY.replace('hasAttachment }', 'hasAttachment attachments { filename } }')

interface Ready {
  readonly port: number
  readonly token: string
  readonly folderId: string
  readonly seconds: number
}

async function serve(): Promise<void> {
  const data = process.argv[3] ?? ''
  const started = performance.now()
  const everpost = await openEverpost(loadConfig({ data }, {}, data))
  const { journal, config, services } = everpost
  const opened = await openAccount(services, contextOf('system', 'system'), { address: `reader@${config.domain}` })
  if (!opened.ok) throw new Error(opened.refusal.message)
  const account = opened.accountId
  const secret = newSecret()
  const command = { type: 'AddAppPassword' as const, appPasswordId: newId(), label: 'bench', hash: secret.hash }
  await changeAccount(journal, contextOf(account, 'cli'), account, command)
  const folderId = folderIdFor(account, 'inbox')
  const next = fractionsFrom(7)
  const ids: string[] = []
  const start = Date.now() - MESSAGES * 60_000
  for (let n = 0; n < MESSAGES; ) {
    const events: EverpostEvent[] = []
    for (; events.length < 200 && n < MESSAGES; n++) {
      ids.push(newId())
      events.push(arrival(ids[n] as string, folderId, n, start + n * 60_000, next))
    }
    const context = contextOf('smtp', 'smtp')
    await journal.append({
      stream: mailboxStream(account),
      expected: 'any',
      events: toNewEvents(events, account, context),
    })
  }
  const head = await journal.head()
  if (head !== undefined) {
    await everpost.projectors.waitForPosition(head, { timeoutMs: 600_000 })
    await everpost.search.waitForPosition(head, { timeoutMs: 600_000 })
  }
  const gateway = await createWebGateway(webDependencies(everpost, [], data))
  const port = await gateway.listen({ host: '127.0.0.1', port: 0 })
  let changing: NodeJS.Timeout | undefined
  process.on('message', async (message: string) => {
    if (message === 'change') {
      const ports = { journal, snapshots: everpost.projectors.mailbox }
      changing = setInterval(() => {
        const messageIds = [ids[Math.floor(next() * ids.length)] as string]
        const flag = next() < 0.5 ? { add: ['\\flagged'], remove: [] } : { add: [], remove: ['\\flagged'] }
        void changeMailbox(ports, contextOf(account, 'imap'), account, { type: 'ChangeFlags', messageIds, ...flag })
      }, 10)
    } else if (message === 'rest') clearInterval(changing)
    else if (message === 'cpu') process.send?.(process.cpuUsage())
    else {
      clearInterval(changing)
      await gateway.close()
      await everpost.close()
      process.exit(0)
    }
  })
  const seconds = (performance.now() - started) / 1000
  process.send?.({ port, token: `ep_${account}_${secret.secret}`, folderId, seconds } satisfies Ready)
}

function arrival(messageId: string, folderId: string, n: number, at: number, next: () => number): EverpostEvent {
  const person = { name: `Person ${n % 997} of 회사`, address: `person${n % 997}@example.org` }
  const size = 2000 + Math.floor(next() * 20_000)
  return {
    type: 'MessageReceived',
    data: {
      messageId,
      folderId,
      flags: next() < 0.3 ? [] : ['\\seen'],
      receivedAt: at,
      mailFrom: person.address,
      recipient: 'reader@example.test',
      intakeId: messageId,
      content: {
        blob: { id: messageId.padEnd(64, '0'), key: 'AAAA', size },
        envelope: {
          date: at,
          subject: `Message ${n} about the quarterly report and 회의 ${n % 31}`,
          from: [person],
          sender: [],
          replyTo: [],
          to: [{ name: 'Reader', address: 'reader@example.test' }, { address: 'team@example.test' }],
          cc: [],
          bcc: [],
          messageId: `${messageId}@example.org`,
          inReplyTo: [],
          references: [],
        },
        root: {
          type: 'text/plain',
          params: {},
          encoding: '7bit',
          headerStart: 0,
          bodyStart: 400,
          bodyEnd: size,
          lines: 50,
        },
        snippet: `Here is what was asked for in number ${n}: the figures of the last quarter, the plan of the next one and what the team thinks about it.`,
        attachments:
          n % 7 === 0 ? [{ section: '2', filename: 'report.pdf', type: 'application/pdf', size, inline: false }] : [],
        hasAttachment: n % 7 === 0,
        text: `Text ${n} with some words to find ${n % 1000}`,
      },
    },
  }
}

/** One connection that asks and waits, without what a general client would add to the measured time. */
class Client {
  readonly #socket: Socket
  readonly #token: string
  #held: Buffer[] = []
  #length = 0
  #wanted = -1
  #done: ((body: string) => void) | undefined

  constructor(port: number, token: string) {
    this.#token = token
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk))
  }

  ask(body: string): Promise<string> {
    this.#held = []
    this.#length = 0
    this.#wanted = -1
    const head = `POST /graphql HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${this.#token}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`
    return new Promise((resolve) => {
      this.#done = resolve
      this.#socket.write(head + body)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#held.push(chunk)
    this.#length += chunk.length
    if (this.#wanted === -1) {
      const start = Buffer.concat(this.#held)
      const end = start.indexOf('\r\n\r\n')
      if (end === -1) return
      const length = /content-length: (\d+)/i.exec(start.toString('latin1', 0, end))?.[1]
      this.#wanted = end + 4 + Number(length)
    }
    if (this.#length < this.#wanted) return
    const text = Buffer.concat(this.#held).toString('utf8')
    if (!text.startsWith('HTTP/1.1 200')) throw new Error(text.slice(0, 1000))
    this.#done?.(text)
  }
}

function report(metric: string, value: number, unit: string, n: number, times: readonly number[] = []): void {
  const round = (number: number): number => Math.round(number * 1000) / 1000
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.floor(sorted.length * share)] ?? 0)
  const spread = times.length === 0 ? {} : { p50: at(0.5), p99: at(0.99) }
  console.log(JSON.stringify({ bench: 'inbox', metric, value: round(value), unit, n, ...spread }))
}

async function main(): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'everpost-bench-'))
  const server = fork(import.meta.filename, ['server', data])
  const said = <T>() => new Promise<T>((resolve) => server.once('message', (message) => resolve(message as T)))
  try {
    const { port, token, folderId, seconds } = await said<Ready>()
    report('prepare', seconds, 's', MESSAGES)
    const next = fractionsFrom(1)
    const body = (variables: object, query = QUERY) =>
      JSON.stringify({ query, variables: { folderId, first: 50, ...variables } })
    const clients = Array.from({ length: CLIENTS }, () => new Client(port, token))

    const measure = async (metric: string, make: () => string, requests = REQUESTS): Promise<void> => {
      for (let i = 0; i < 200; i++) await (clients[0] as Client).ask(make())
      server.send('cpu')
      const before = await said<NodeJS.CpuUsage>()
      const times: number[] = []
      let left = requests
      const started = performance.now()
      await Promise.all(
        clients.map(async (client) => {
          while (left-- > 0) {
            const body = make()
            const at = performance.now()
            await client.ask(body)
            times.push(performance.now() - at)
          }
        }),
      )
      const took = (performance.now() - started) / 1000
      server.send('cpu')
      const after = await said<NodeJS.CpuUsage>()
      report(metric, times.length / took, 'requests/s', times.length, times)
      const cpu = (after.user + after.system - before.user - before.system) / 1000 / times.length
      report(`${metric}_server_cpu`, cpu, 'ms/request', times.length)
    }

    const first = body({})
    const page1000 = body({ offset: 999 * 50 })
    const unread = body({ filter: { unread: true } })
    const asked = await (clients[0] as Client).ask(page1000)
    if (!asked.includes(`Message ${MESSAGES - 1 - 999 * 50} `)) throw new Error('Page 1,000 is not the page 1,000')
    await measure('first_page', () => first)
    await measure('page_1000', () => page1000)
    await measure('unread_only', () => unread)
    const mixed = [first, page1000, unread]
    await measure('mixed', () => mixed[Math.floor(next() * 3)] as string)
    // No page comes twice: nothing is answered from the cache.
    const scroll = (query?: string) => body({ offset: Math.floor(next() * (MESSAGES - 50)) }, query)
    await measure('any_page_uncached', () => scroll(), REQUESTS / 4)
    await measure('near_page_uncached', () => body({ offset: Math.floor(next() * 2000) }), REQUESTS / 4)
    // 100 changes a second to the same mailbox.
    server.send('change')
    await measure('mixed_while_changing', () => mixed[Math.floor(next() * 3)] as string, REQUESTS / 2)
    server.send('rest')
    await measure('by_executor_uncached', () => body({ offset: Math.floor(next() * 2000) }, BY_EXECUTOR), REQUESTS / 10)
    for (const client of clients) client.close()
  } finally {
    server.send('stop')
    await new Promise((resolve) => server.once('exit', resolve))
    rmSync(data, { recursive: true, force: true })
  }
}

await (process.argv[2] === 'server' ? serve() : main())
