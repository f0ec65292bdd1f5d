// Projecting into MongoDB (FerretDB unless EVERPOST_TEST_MONGODB names a server): events a second for each view, and where the time goes.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEventSource } from '../../infra/adapters/journal/open-source.ts'
import { MONGO_VIEWS } from '../../infra/adapters/views/mongodb.ts'
import type { MongoViewName } from '../../infra/adapters/views/mongodb-indexes.ts'
import { openPartitions } from '../../infra/adapters/views/mongodb-partitions.ts'
import { run } from '../../projections/runtime.ts'
import { testMongo } from '../support/mongodb.ts'
import { report, seed } from './seed.ts'

const EVENTS = Number(process.env['EVENTS'] ?? 2000)
const ACCOUNTS = Number(process.env['ACCOUNTS'] ?? 20)
const BATCH = Number(process.env['BATCH'] ?? 500)

const folder = mkdtempSync(join(tmpdir(), 'everpost-bench-'))
const mongo = await testMongo()
try {
  const { source: place } = await seed({ folder, events: EVENTS, accounts: ACCOUNTS })
  const source = await openEventSource(place)
  const database = await mongo.open({ monitored: true })

  /** Milliseconds that commands took, by what they were for. */
  const spent = new Map<string, number>()
  const about = new Map<number, string>()
  database.client.on('commandStarted', ({ requestId, commandName, command }) => {
    const table = String(command[commandName]).replace(/^[a-z]+_\d+_/, '')
    const kind = table === 'redo' ? 'written down' : table === 'partitions' ? 'checkpoints' : 'rows'
    about.set(requestId, commandName === 'find' || commandName === 'getMore' ? 'reads' : kind)
  })
  database.client.on('commandSucceeded', ({ requestId, duration }) => {
    const kind = about.get(requestId) ?? 'other'
    about.delete(requestId)
    spent.set(kind, (spent.get(kind) ?? 0) + duration)
  })

  let longest = 0
  for (const view of Object.keys(MONGO_VIEWS) as MongoViewName[]) {
    await database.prepare(view, 1)
    const projection = await openPartitions(view, database, { generation: 1 })
    spent.clear()
    const stop = new AbortController()
    const cpu = process.cpuUsage()
    const began = performance.now()
    await run(source, [projection], stop.signal, {
      batchSize: BATCH,
      once: true,
      onBatch: ({ caughtUp }) => {
        if (caughtUp) stop.abort()
      },
    })
    const ms = performance.now() - began
    longest += ms
    const { user, system } = process.cpuUsage(cpu)
    const applied = projection.applied()
    report('views-mongodb', `${view}: projected`, (applied / ms) * 1000, 'events/s', applied)
    for (const [kind, took] of spent)
      report('views-mongodb', `${view}: ${kind}`, (took / ms) * 100, '% of the time', applied)
    report('views-mongodb', `${view}: this process`, ((user + system) / 1000 / ms) * 100, '% of the time', applied)
    await projection.close()
  }
  report('views-mongodb', `all views on ${database.server}`, (EVENTS / longest) * 1000, 'events/s', EVENTS)
  await source.close()
} finally {
  await mongo.stop()
  rmSync(folder, { recursive: true })
}
