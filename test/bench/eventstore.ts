// eventstore: appends through the EventStoreDB adapter to the protocol double in a process of its own, 64 in flight, one event each.
import { spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { openEventStoreDb } from '../../infra/adapters/event-store/eventstoredb.ts'
import { percentile, ROOT, report } from './support.ts'

const COUNT = Number(process.argv[2] ?? 50_000)
const IN_FLIGHT = 64
/** As a sealed arrival of ordinary mail. */
const BYTES = 1_500

const double = spawn(process.execPath, [join(ROOT, 'test/doubles/eventstoredb/serve.ts')], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const [line] = (await once(double.stdout, 'data')) as [Buffer]
const store = await openEventStoreDb(line.toString().trim())
const data = randomBytes(BYTES)
const metadata = Buffer.from('{"v":1}')

async function appends(count: number): Promise<number[]> {
  const times: number[] = []
  let next = 0
  const one = async () => {
    while (next < count) {
      const stream = `mailbox-${next++ % 1_000}`
      const began = performance.now()
      const events = [{ id: randomUUID(), type: 'MessageReceived', data, metadata }]
      const result = await store.append({ stream, expected: 'any', events })
      if (!result.ok) throw new Error('refused')
      times.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, one))
  return times
}

try {
  await appends(5_000)
  const began = performance.now()
  const cpu = process.cpuUsage()
  const times = (await appends(COUNT)).sort((a, b) => a - b)
  const seconds = (performance.now() - began) / 1000
  const used = process.cpuUsage(cpu)
  report({
    bench: 'eventstore',
    metric: 'appends',
    value: COUNT / seconds,
    unit: '1/s',
    n: COUNT,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    inFlight: IN_FLIGHT,
    cpuSeconds: (used.user + used.system) / 1e6,
  })
  const since = performance.now()
  let read = 0
  for await (const batch of store.subscribe()) {
    read += batch.events.length
    if (batch.caughtUp) break
  }
  const took = (performance.now() - since) / 1000
  report({ bench: 'eventstore', metric: 'events read in log order', value: read / took, unit: '1/s', n: read })
} finally {
  await store.close()
  double.kill()
}
