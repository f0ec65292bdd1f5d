// The audit over a log of realistic size: making its tree, verifying all of it, the size of the tree, the time of one proof.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type {
  AuditJob,
  AuditThreadConfig,
  FromAuditThread,
  RebuiltTree,
  WalkedLog,
} from '../../infra/audit/messages.ts'
import { openTree } from '../../infra/audit/sqlite-tree.ts'
import { seed } from './seed.ts'
import { percentile, report } from './support.ts'

const EVENTS = Number(process.env['EVENTS'] ?? 200_000)
const folder = mkdtempSync(join(process.env['EVERPOST_BENCH_DIR'] ?? tmpdir(), 'everpost-audit-'))

function run<Result>(places: Omit<AuditThreadConfig, 'job'>, job: AuditJob): Promise<Result> {
  const workerData: AuditThreadConfig = { ...places, job }
  const worker = new Worker(new URL('../../infra/audit/audit-thread.ts', import.meta.url), { workerData })
  return new Promise((resolve, reject) => {
    worker.on('message', (message: FromAuditThread) => {
      if (message.kind === 'done') resolve(message.result as Result)
      else if (message.kind === 'failed') reject(new Error(message.message))
    })
    worker.on('error', reject)
  })
}

try {
  const { source } = await seed({ folder, events: EVENTS, accounts: 200 })
  const places = { data: folder, source, blobs: join(folder, 'blobs') }
  const rebuilt = await run<RebuiltTree>(places, { kind: 'rebuild' })
  report({ bench: 'audit', metric: 'tree made', value: EVENTS / rebuilt.seconds, unit: 'events/s', n: EVENTS })
  const path = join(folder, 'views', `tree-${rebuilt.generation}.sqlite`)
  report({
    bench: 'audit',
    metric: 'tree on disk',
    value: statSync(path).size / EVENTS,
    unit: 'bytes/event',
    n: EVENTS,
  })
  const { verdict } = await run<WalkedLog>(places, { kind: 'verify', keys: [], checkpoints: [], blobs: 'none' })
  if (!verdict.ok || verdict.events !== EVENTS) throw new Error('The log was not found whole.')
  const rate = EVENTS / verdict.seconds
  report({ bench: 'audit', metric: 'log verified, every event opened', value: rate, unit: 'events/s', n: EVENTS })
  const { tree, close } = openTree(path)
  const times: number[] = []
  for (let i = 0; i < 2000; i++) {
    const began = performance.now()
    tree.inclusion(Math.floor(Math.random() * EVENTS), EVENTS)
    times.push(performance.now() - began)
  }
  close()
  times.sort((a, b) => a - b)
  const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)]
  report({ bench: 'audit', metric: 'inclusion proof', value: p50, unit: 'ms', n: times.length, p50, p99 })
} finally {
  rmSync(folder, { recursive: true })
}
