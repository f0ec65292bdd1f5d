// What the two outbound benches share: a world of 20 domains on loopback, a server that sends to it, and what its log says afterwards.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isRedacted } from '../../domain/log.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { type BenchServer, pause, ROOT, startBenchServer } from './support.ts'

export const SINK = '/usr/sbin/smtp-sink'
export const BYTES = 10_240
export const DOMAINS = Array.from({ length: 20 }, (_, i) => `d${i + 1}.test`)
const PASSWORD = 'correct horse battery'
const PERSON = 'sender@example.test'

/** The address of a domain's exchanger: each has its own. */
export const addressOf = (domain: string): string => `127.0.1.${Number(/\d+/.exec(domain)?.[0])}`

export interface World {
  readonly port: number
  readonly dns: string
  close(): void
}

/** A name server that knows the domains, smtp-sink behind the living ones, and for the dead ones hosts that take connections and say nothing. */
export async function startWorld(dead: readonly string[] = []): Promise<World> {
  const port = 30_000 + (Math.floor(process.uptime() * 1000) % 20_000)
  const closing: (() => void)[] = []
  const { server } = await startDnsServer(
    { after: (close) => void closing.push(close as () => void) },
    ({ name, type }) => {
      const domain = name.replace(/^mx\./, '')
      if (!DOMAINS.includes(domain)) return { rcode: 3 }
      if (type === 'MX' && domain === name)
        return { answers: [{ type: 'MX', name, ttl: 3600, data: { preference: 10, exchange: `mx.${name}` } }] }
      if (type === 'A' && domain !== name) return { answers: [{ type: 'A', name, ttl: 3600, data: addressOf(domain) }] }
      return {}
    },
  )
  const sinks: ChildProcess[] = []
  for (const domain of DOMAINS) {
    const host = addressOf(domain)
    if (dead.includes(domain)) {
      const silent = createServer((socket) => void socket.on('error', () => undefined))
      await new Promise<void>((resolve) => silent.listen(port, host, resolve))
      closing.push(() => silent.close())
    } else sinks.push(spawn(SINK, ['-u', 'nobody', `${host}:${port}`, '1000'], { stdio: 'ignore' }))
  }
  await pause(300)
  return {
    port,
    dns: `${server.address}:${server.port}`,
    close: () => {
      for (const sink of sinks) sink.kill()
      for (const close of closing) close()
    },
  }
}

export async function startSender(data: string, world: World): Promise<BenchServer> {
  const server = await startBenchServer(data, {
    EVERPOST_INSECURE_LOOPBACK_AUTH: '1',
    EVERPOST_DNS_SERVERS: world.dns,
    EVERPOST_DELIVERY_PORT: `${world.port}`,
    EVERPOST_DELIVERY_ACCOUNT_MESSAGES_PER_HOUR: '1000000',
    EVERPOST_DELIVERY_ACCOUNT_RECIPIENTS_PER_HOUR: '1000000',
    EVERPOST_DELIVERY_ACCOUNT_MESSAGES_PER_DAY: '1000000',
    EVERPOST_DELIVERY_ACCOUNT_RECIPIENTS_PER_DAY: '1000000',
    EVERPOST_DELIVERY_DOMAIN_MESSAGES_PER_HOUR: '1000000',
  })
  await server.cli('account', 'add', PERSON)
  const password = spawn(
    process.execPath,
    [join(ROOT, 'infra/everpost.ts'), 'account', 'password', PERSON, '--password-stdin', '--data', data],
    { stdio: ['pipe', 'ignore', 'inherit'] },
  )
  password.stdin.end(PASSWORD)
  await new Promise((resolve) => password.once('exit', resolve))
  return server
}

/** Sends so many messages to each domain; resolves once all were accepted. */
export function submitAll(server: BenchServer, each: number, domains: readonly string[]): Promise<void> {
  const client = spawn(
    process.execPath,
    [
      join(import.meta.dirname, 'outbound-client.ts'),
      `${server.ports['submission']}`,
      PERSON,
      PASSWORD,
      `${each}`,
      `${BYTES}`,
      ...domains,
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  return new Promise((resolve, reject) =>
    client.once('exit', (code) => (code === 0 ? resolve() : reject(new Error('The load client failed')))),
  )
}

/** Milliseconds of CPU that a process has used. */
export function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Waits until the log has so many RecipientDelivered. */
export async function untilDelivered(data: string, count: number): Promise<void> {
  const db = new DatabaseSync(join(data, 'log', 'log.sqlite'), { readOnly: true })
  try {
    const counted = db.prepare(
      "SELECT count(*) AS n FROM event WHERE position > ? AND position <= ? AND type = (SELECT id FROM type WHERE name = 'RecipientDelivered')",
    )
    const newest = db.prepare('SELECT coalesce(max(position), 0) AS position FROM event')
    let found = 0
    let seen = -1
    while (found < count) {
      const head = Number(newest.get()?.['position'])
      found += Number(counted.get(seen, head)?.['n'])
      seen = head
      if (found < count) await pause(50)
    }
  } finally {
    db.close()
  }
}

/** Milliseconds from submission to delivery on the log, ascending, of the given domains. */
export async function latencies(data: string, domains: readonly string[]): Promise<readonly number[]> {
  const everpost = await openEverpost(loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data))
  try {
    const submitted = new Map<string, number>()
    const found: number[] = []
    for await (const batch of everpost.journal.subscribe({ prefixes: ['submission-'], batchSize: 5_000 })) {
      for (const event of batch.events) {
        if (isRedacted(event)) continue
        if (event.type === 'MessageSubmitted') submitted.set(event.data.submissionId, event.metadata.at)
        if (event.type !== 'RecipientDelivered') continue
        if (!domains.includes(event.data.recipient.split('@')[1] ?? '')) continue
        found.push(event.metadata.at - (submitted.get(event.data.submissionId) ?? 0))
      }
      if (batch.caughtUp) break
    }
    return found.sort((a, b) => a - b)
  } finally {
    await everpost.close()
  }
}
