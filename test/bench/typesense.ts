// typesense: the search projector from the embedded log into the Typesense double in a process of its own, and where the time goes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { openEventSource } from '../../infra/adapters/journal/open-source.ts'
import { TypesenseIndex } from '../../infra/adapters/search/typesense.ts'
import { TypesenseCalls } from '../../infra/adapters/search/typesense-calls.ts'
import { searchProjection } from '../../projections/search/projector.ts'
import { searchMessages } from '../../projections/search/search.ts'
import { seed } from './seed.ts'
import { benchFolder, percentile, ROOT, report } from './support.ts'

const EVENTS = Number(process.argv[2] ?? 10_000)
const BATCH = 500
const QUERIES = ['report', 'in:anywhere', 'is:unread', 'subject:meeting', '"the meeting"', 'repo*', 'report -meeting']

/** Milliseconds in requests, by kind. */
class TimedCalls extends TypesenseCalls {
  readonly spent = { reads: 0, writes: 0, lines: 0 }
  override async import(...args: Parameters<TypesenseCalls['import']>): Promise<void> {
    const began = performance.now()
    await super.import(...args)
    this.spent.writes += performance.now() - began
    this.spent.lines += args[1].length
  }
  override async search<T>(...args: Parameters<TypesenseCalls['search']>) {
    const began = performance.now()
    const found = await super.search<T>(...args)
    this.spent.reads += performance.now() - began
    return found
  }
}

const folder = benchFolder('typesense')
const double = spawn(process.execPath, [join(ROOT, 'test/doubles/typesense/serve.ts')], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  const [line] = (await once(double.stdout, 'data')) as [Buffer]
  const { source: config, accounts } = await seed({ folder: folder.path, events: EVENTS, accounts: 5 })
  const source = await openEventSource(config)
  const calls = new TimedCalls(line.toString().trim())
  const index = await TypesenseIndex.open(calls, 'bench')
  const projection = await searchProjection({ index, source })
  let events = 0
  let applying = 0
  const began = performance.now()
  for await (const batch of source.subscribe({ prefixes: projection.prefixes, text: true, batchSize: BATCH })) {
    const since = performance.now()
    if (batch.position !== undefined) await projection.handle(batch.events, batch.position)
    applying += performance.now() - since
    events += batch.events.length
    if (batch.caughtUp) break
  }
  const seconds = (performance.now() - began) / 1000
  const { reads, writes, lines } = calls.spent
  report({
    bench: 'typesense',
    metric: 'events into the double',
    value: events / seconds,
    unit: '1/s',
    n: events,
    documents: lines,
    secondsReadingLog: seconds - applying / 1000,
    secondsAnalysing: (applying - reads - writes) / 1000,
    secondsAskingIndex: reads / 1000,
    secondsImporting: writes / 1000,
  })
  for (const query of QUERIES) {
    const times: number[] = []
    for (let i = 0; i < 20; i++) {
      const since = performance.now()
      await searchMessages(index, source, accounts[i % accounts.length] ?? '', query, { first: 50 })
      times.push(performance.now() - since)
    }
    times.sort((a, b) => a - b)
    report({
      bench: 'typesense',
      metric: `search ${query}`,
      value: percentile(times, 0.5),
      unit: 'ms',
      n: times.length,
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
    })
  }
  await source.close()
} finally {
  double.kill()
  folder.remove()
}
