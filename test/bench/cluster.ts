// The cluster: from SMTP's 250 to a subscription's message in another process, and projecting from EventStoreDB's wire into MongoDB's.
// npm run bench -- cluster [MESSAGES]. One process of each role; every engine on this machine.
import { readFileSync } from 'node:fs'
import { mailboxStream } from '../../domain/log.ts'
import { MongoProjectors } from '../../infra/projector/mongo-projectors.ts'
import { Cluster } from '../support/cluster.ts'
import { Follower } from '../support/cluster-load.ts'
import { SmtpClient } from '../support/smtp-client.ts'
import { benchFolder, pause, percentile, report } from './support.ts'

const MESSAGES = Number(process.argv[2] ?? 300)
const PER_SECOND = 10
const TARGET_P50 = 40

/** Processor time of a process so far, milliseconds: clock ticks of 10 ms. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

const folder = benchFolder('cluster')
const cluster = await Cluster.start(folder.path)
try {
  const projector = await cluster.add('projector1')
  await projector.cli(['account', 'add', 'ann@example.test'])
  const token = (await projector.cli(['token', 'create', 'ann@example.test'])).trim()
  const [{ id }] = JSON.parse(await projector.cli(['account', 'list', '--json']))
  await Promise.all(['smtp1', 'web1'].map((name) => cluster.add(name)))
  const log = await cluster.openLog()
  const newest = async () => {
    let revision = -1n
    for await (const event of log.readStream(mailboxStream(id))) revision = event.revision
    return revision
  }
  const follower = new Follower(() => [cluster.port('web1', 'http')], token, await newest())
  const client = await SmtpClient.ready(cluster.port('smtp1', 'smtp'))
  const acknowledged = new Map<string, number>()
  const taken: number[] = []
  const send = async (subject: string) => {
    const began = performance.now()
    const text = `Subject: ${subject}\r\n\r\n${'A line of the message.\r\n'.repeat(40)}`
    const reply = await client.send('x@load.test', ['ann@example.test'], text)
    if (reply.code !== 250) throw new Error(`${reply.code} ${reply.text}`)
    acknowledged.set(subject, performance.now())
    taken.push(performance.now() - began)
  }
  const allSeen = async () => {
    while ([...acknowledged.keys()].some((subject) => !follower.seen.has(subject))) await pause(20)
  }
  for (let i = 0; i < 30; i++) await send(`warm ${i}`)
  await allSeen()
  acknowledged.clear()
  taken.length = 0
  const processes = [...cluster.roles.values()].map(({ name, pid }) => ({ name, pid, before: cpuOf(pid) }))
  const started = performance.now()
  for (let i = 0; i < MESSAGES; i++) {
    await pause(Math.max(0, started + (i * 1000) / PER_SECOND - performance.now()))
    await send(`bench ${i}`)
  }
  await allSeen()
  const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b)
  const figure = (metric: string, values: readonly number[], more: object = {}) => {
    const [p50, p99] = [percentile(sorted(values), 0.5), percentile(sorted(values), 0.99)]
    report({ bench: 'cluster', metric, value: p50, unit: 'ms', n: values.length, p50, p99, ...more })
  }
  const latencies = [...acknowledged].map(([subject, at]) =>
    Math.max(0, (follower.seen.get(subject) ?? Number.NaN) - at),
  )
  figure('smtp_250_to_subscription', latencies, { target_p50: TARGET_P50 })
  figure('smtp_transaction', taken)
  for (const { name, pid, before } of processes)
    report({
      bench: 'cluster',
      metric: `processor_time_${name}`,
      value: (cpuOf(pid) - before) / MESSAGES,
      unit: 'ms/message',
      n: MESSAGES,
    })

  // The same log projected afresh into a database of its own: a projector's share alone, without SMTP beside it.
  await follower.stop()
  const views = new URL(cluster.engines.views.direct)
  views.pathname = `${views.pathname}_bench`
  const cpu = process.cpuUsage()
  const began = performance.now()
  const head = (await log.head()) ?? 0n
  const alone = await MongoProjectors.start({ url: views.href, source: log, projector: true })
  await alone.waitForPosition(head, { timeoutMs: 120_000 })
  const ms = performance.now() - began
  const events = Number(await newest()) + 1
  const { user, system } = process.cpuUsage(cpu)
  const own = (user + system) / 1000
  report({ bench: 'cluster', metric: 'projected_by_one', value: (events / ms) * 1000, unit: 'events/s', n: events })
  report({ bench: 'cluster', metric: 'projector_processor_time', value: own / events, unit: 'ms/event', n: events })
  report({
    bench: 'cluster',
    metric: 'waiting_for_views',
    value: ((ms - own) / ms) * 100,
    unit: '% of the time',
    n: events,
  })
  await alone.close()
  await log.close()
} finally {
  await cluster.stop()
  folder.remove()
}
process.exit(0)
