// Rebuilding every view beside the ones that serve: 1,000,000 events over 1,000 accounts, read and unsealed from the log.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Projectors } from '../../infra/projector/projectors.ts'
import { report, type Seeded, seed } from './seed.ts'

const EVENTS = Number(process.env['EVENTS'] ?? 1_000_000)
const ACCOUNTS = Number(process.env['ACCOUNTS'] ?? 1000)

// Seeding happens in a process of its own, so that the resident size is that of the projectors.
if (process.argv[2] === 'seed') {
  const { source, ...seeded } = await seed({ folder: process.argv[3] ?? '', events: EVENTS, accounts: ACCOUNTS })
  const masterKey = Buffer.from(source.masterKey).toString('base64')
  console.log(JSON.stringify({ ...seeded, source: { ...source, masterKey } }))
  process.exit(0)
}

function seedApart(into: string): Seeded {
  const child = spawnSync(process.execPath, [import.meta.filename, 'seed', into], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 * 1024 * 1024,
  })
  const { source, ...seeded } = JSON.parse(child.stdout)
  return { ...seeded, source: { ...source, masterKey: Buffer.from(source.masterKey, 'base64') } }
}

const folder = mkdtempSync(join(tmpdir(), 'everpost-bench-'))

/** Peak resident size of the process so far, from the kernel. */
const peak = (): number => process.resourceUsage().maxRSS / 1024
const say = (text: string): void => {
  if (process.stderr.isTTY || process.env['VERBOSE']) process.stderr.write(`${text}\n`)
}

try {
  const seeding = performance.now()
  const seeded = seedApart(folder)
  say(`seeded ${EVENTS} events, ${seeded.arrivals} arrivals, in ${Math.round(performance.now() - seeding)} ms`)

  const cold = performance.now()
  const projectors = await Projectors.start({ data: folder, source: seeded.source })
  await projectors.ready()
  const coldSeconds = (performance.now() - cold) / 1000
  report('rebuild', 'first filling of missing views', EVENTS / coldSeconds, 'events/s', EVENTS)

  const views = join(folder, 'views')
  const bytes = readdirSync(views)
    .filter((name) => existsSync(join(views, name)))
    .map((name) => [name, statSync(join(views, name)).size] as const)
  for (const [name, size] of bytes) say(`${name} ${size}`)
  const total = bytes.reduce((sum, [, size]) => sum + size, 0)
  report('rebuild', 'views on disk', total / seeded.arrivals, 'bytes/message', seeded.arrivals)

  const began = performance.now()
  const result = await projectors.rebuild('all', (progress) =>
    say(`${progress.phase} ${progress.events}/${progress.total} ${Math.round(progress.rate)}/s`),
  )
  const seconds = (performance.now() - began) / 1000
  const filled = result.projections[0]?.seconds ?? seconds
  report('rebuild', 'all views, filled, indexed and caught up', EVENTS / filled, 'events/s', EVENTS)
  report('rebuild', 'all views, compared and switched', EVENTS / seconds, 'events/s', EVENTS)
  report('rebuild', 'same as before', Number(result.projections.every((each) => each.same === true)), 'bool', 4)
  report('rebuild', 'peak RSS of the process', peak(), 'MiB', EVENTS)
  await projectors.close()
} finally {
  rmSync(folder, { recursive: true })
}
