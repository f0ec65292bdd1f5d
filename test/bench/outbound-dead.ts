// outbound-dead: the outbound load with 5 of 20 domains whose hosts take connections and say nothing; what the other 15 see of it: the
// 99th percentile from submission to RecipientDelivered, beside a run in which all live. Medians of 3 rounds, which alternate.
import { join } from 'node:path'
import { DOMAINS, latencies, SINK, startSender, startWorld, submitAll, untilDelivered } from './outbound-support.ts'
import { benchFolder, median, needs, percentile, report } from './support.ts'

const ROUNDS = Number(process.argv[2] ?? 3)
const EACH = Number(process.argv[3] ?? 500)
const DEAD = DOMAINS.slice(0, 5)
const HEALTHY = DOMAINS.slice(5)

needs(SINK, 'smtp-sink (Debian package postfix)')
const folder = benchFolder('outbound-dead')

async function run(name: string, dead: readonly string[]): Promise<readonly number[]> {
  const world = await startWorld(dead)
  try {
    const data = join(folder.path, name)
    const server = await startSender(data, world)
    const sent = submitAll(server, EACH, DOMAINS)
    await untilDelivered(data, EACH * (DOMAINS.length - dead.length))
    await sent
    await server.stop()
    return await latencies(data, HEALTHY)
  } finally {
    world.close()
  }
}

try {
  const withDead: number[] = []
  const without: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    without.push(percentile(await run(`alive-${round}`, []), 0.99))
    withDead.push(percentile(await run(`dead-${round}`, DEAD), 0.99))
  }
  report({
    bench: 'outbound-dead',
    metric: 'healthy_p99',
    value: median(withDead),
    unit: 'ms',
    n: EACH * HEALTHY.length * ROUNDS,
    without: median(without),
    ratio: median(withDead) / median(without),
    target_ratio: 1.2,
  })
} finally {
  folder.remove()
}
