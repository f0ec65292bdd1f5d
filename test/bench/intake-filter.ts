// intake+filter: the intake load with authentication and the built-in filter on, beside the same without, alternating; medians of 3.
// Loopback is not trusted here: every message is checked as one from a stranger is (SPF, DKIM, DMARC, ARC, iprev), by a name server
// of the benchmark.
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { addAccounts, benchFolder, median, needs, report, smtpLoad, startBenchServer } from './support.ts'

const ROUNDS = Number(process.argv[2] ?? 3)
const CONNECTIONS = [10, 50]
const MESSAGES = 4000
const WARM_UP = 2000
const BYTES = 10_240

needs('/usr/sbin/smtp-source', 'smtp-source (Debian package postfix)')
const folder = benchFolder('intake-filter')
const names = new Worker(new URL('./dns-child.ts', import.meta.url))
const [{ address, port }] = (await once(names, 'message')) as [{ address: string; port: number }]
const SETTINGS = {
  without: { EVERPOST_FILTER: 'none', EVERPOST_FILTER_AUTHENTICATION: '0' },
  with: { EVERPOST_DNS_SERVERS: `${address}:${port}`, EVERPOST_FILTER_TRUSTED_NETWORKS: 'none' },
}

try {
  for (const connections of CONNECTIONS) {
    const rates: Record<keyof typeof SETTINGS, number[]> = { without: [], with: [] }
    for (let round = 0; round < ROUNDS; round++) {
      for (const kind of ['without', 'with'] as const) {
        const server = await startBenchServer(join(folder.path, `${kind}-${connections}-${round}`), SETTINGS[kind])
        await addAccounts(server, 50)
        await smtpLoad(server, connections, WARM_UP, BYTES)
        rates[kind].push((await smtpLoad(server, connections, MESSAGES, BYTES)).visible)
        await server.stop()
      }
    }
    const value = median(rates.with) / median(rates.without)
    report({
      bench: 'intake+filter',
      metric: `ratio_${connections}_connections`,
      value,
      unit: 'of intake without',
      n: MESSAGES * ROUNDS,
      with: median(rates.with),
      without: median(rates.without),
      target: 0.7,
    })
  }
} finally {
  await names.terminate()
  folder.remove()
}
