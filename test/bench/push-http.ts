// Push, the HTTP side: from "the arrival is durable" to the subscription's message at a client in another process, at 100 messages a
// second to one of 50 accounts, each with a subscription open. SMTP's part comes before: its 250 is the moment that is measured from.
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { openAccount } from '../../commands/open-account.ts'
import { newSecret } from '../../commands/passwords.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { composeMail } from '../../domain/mail/compose.ts'
import { readMail } from '../../domain/mail/read.ts'
import { createWebGateway } from '../../gateways/web/gateway.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { webDependencies } from '../support/web-server.ts'

const MESSAGES = Number(process.env['MESSAGES'] ?? 2000)
const RATE = Number(process.env['RATE'] ?? 100)
const ACCOUNTS = 50

const clock = () => performance.timeOrigin + performance.now()

interface Ready {
  readonly port: number
  readonly tokens: readonly string[]
}
interface Sent {
  /** Subject -> when it was durable. */
  readonly durable: Readonly<Record<string, number>>
}

async function serve(): Promise<void> {
  const data = process.argv[3] ?? ''
  const everpost = await openEverpost(loadConfig({ data }, {}, data))
  const { journal, blobs, services, config } = everpost
  const people: { id: string; address: string }[] = []
  const tokens: string[] = []
  for (let i = 0; i < ACCOUNTS; i++) {
    const address = `person${i}@${config.domain}`
    const opened = await openAccount(services, contextOf('system', 'system'), { address })
    if (!opened.ok) throw new Error(opened.refusal.message)
    const { secret, hash } = newSecret()
    const command = { type: 'AddAppPassword' as const, appPasswordId: newId(), label: 'bench', hash }
    await changeAccount(journal, contextOf(opened.accountId, 'cli'), opened.accountId, command)
    people.push({ id: opened.accountId, address })
    tokens.push(`ep_${opened.accountId}_${secret}`)
  }
  await services.settle()
  const gateway = await createWebGateway(webDependencies(everpost, [], data))
  const port = await gateway.listen({ host: '127.0.0.1', port: 0 })
  process.once('message', async () => {
    const durable: Record<string, number> = {}
    const started = performance.now()
    const under: Promise<void>[] = []
    for (let n = 0; n < MESSAGES; n++) {
      const wait = started + (n * 1000) / RATE - performance.now()
      if (wait > 0) await pause(wait)
      const person = people[n % ACCOUNTS] as { id: string; address: string }
      const subject = `push ${n}`
      const raw = composeMail({
        from: { name: 'Kim', address: 'kim@elsewhere.example' },
        to: [person],
        subject,
        text: 'word '.repeat(1800),
        messageId: `${n}@elsewhere.example`,
        date: Date.now(),
      })
      const arrive = async () => {
        await receiveMail(journal, contextOf('smtp', 'smtp'), {
          intakeId: newId(),
          mailFrom: 'kim@elsewhere.example',
          recipients: [{ accountId: person.id, address: person.address }],
          blob: await blobs.put(raw),
          mail: readMail(raw),
        })
        durable[subject] = clock()
      }
      under.push(arrive())
    }
    await Promise.all(under)
    process.send?.({ durable } satisfies Sent)
    process.once('message', async () => {
      await gateway.close()
      await everpost.close()
      process.exit(0)
    })
  })
  process.send?.({ port, tokens } satisfies Ready)
}

async function main(): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'everpost-bench-'))
  const server = fork(import.meta.filename, ['server', data])
  const said = <T>() => new Promise<T>((resolve) => server.once('message', (message) => resolve(message as T)))
  try {
    const { port, tokens } = await said<Ready>()
    const arrived: Record<string, number> = {}
    let count = 0
    let all: (() => void) | undefined
    const sockets = await Promise.all(
      tokens.map(
        (token) =>
          new Promise<WebSocket>((resolve) => {
            const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws')
            socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { token } })))
            socket.on('message', (data) => {
              const at = clock()
              const message = JSON.parse(String(data))
              if (message.type === 'connection_ack') {
                const query =
                  'subscription { mailboxChanged { revision type messages { id subject from { name address } receivedAt flags snippet } folders { id total unread } } }'
                socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } }))
                resolve(socket)
              }
              for (const { subject } of message.payload?.data?.mailboxChanged.messages ?? []) {
                if (arrived[subject] === undefined && ++count === MESSAGES) all?.()
                arrived[subject] ??= at
              }
            })
          }),
      ),
    )
    await pause(500)
    const everything = new Promise<void>((resolve) => {
      all = resolve
    })
    server.send('go')
    const { durable } = await said<Sent>()
    await everything
    const times = Object.entries(durable)
      .map(([subject, at]) => Math.max(0, (arrived[subject] ?? Number.POSITIVE_INFINITY) - at))
      .sort((a, b) => a - b)
    const at = (share: number) => Math.round((times[Math.floor(times.length * share)] ?? 0) * 100) / 100
    console.log(
      JSON.stringify({
        bench: 'push-http',
        metric: 'durable_to_client',
        value: at(0.5),
        unit: 'ms',
        n: times.length,
        p50: at(0.5),
        p99: at(0.99),
      }),
    )
    for (const socket of sockets) socket.terminate()
  } finally {
    server.send('stop')
    await new Promise((resolve) => server.once('exit', resolve))
    rmSync(data, { recursive: true, force: true })
  }
}

await (process.argv[2] === 'server' ? serve() : main())
