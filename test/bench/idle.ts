// idle: a server that holds 1,000,000 messages: resident memory when nothing happens, and start to ready.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { addAccounts, benchFolder, countMessages, median, pause, report, startBenchServer } from './support.ts'

const MESSAGES = Number(process.argv[2] ?? 1_000_000)
const ACCOUNTS = 1000
const folder = benchFolder('idle')
try {
  const data = join(folder.path, 'data')
  const first = await startBenchServer(data)
  await addAccounts(first, ACCOUNTS)
  await first.stop()
  const seed = spawn(process.execPath, [join(import.meta.dirname, 'idle-seed.ts'), data, `${MESSAGES}`], {
    stdio: 'inherit',
  })
  const [code] = await once(seed, 'close')
  if (code !== 0) throw new Error('Seeding failed')
  const starts: number[] = []
  const sizes: number[] = []
  let stored = 0
  for (let round = 0; round < 3; round++) {
    const server = await startBenchServer(data)
    starts.push(server.startMs)
    stored = await countMessages(server)
    await pause(10_000)
    sizes.push(server.rss() / 1e6)
    await server.stop()
  }
  report({ bench: 'idle', metric: 'rss', value: median(sizes), unit: 'MB', n: stored, target: 250 })
  report({ bench: 'idle', metric: 'start_to_ready', value: median(starts), unit: 'ms', n: 3, target: 2000 })
} finally {
  folder.remove()
}
