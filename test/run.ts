// npm test, test:engines, test:browser: finds the test files, runs them, prints the counts and one closing line.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

const ROOT = join(import.meta.dirname, '..')
const kind = process.argv[2] ?? 'all'
const PLACES: Readonly<Record<string, readonly string[]>> = {
  all: ['test/!(engines|browser|bench)/**/*.test.ts'],
  engines: ['test/engines/**/*.test.ts'],
  browser: ['test/browser/**/*.test.ts'],
}
const patterns = PLACES[kind] ?? [kind]
const files = patterns
  .flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
  .map((file) => join(ROOT, file))
  .sort()
if (files.length === 0) {
  console.error(`No tests match ${patterns.join(' ')}`)
  process.exit(1)
}
if (kind === 'browser' && !existsSync(join(ROOT, 'apps/web/dist/index.html'))) {
  const built = spawnSync('npm', ['run', 'build', '--workspace', 'apps/web'], { cwd: ROOT, stdio: 'inherit' })
  if (built.status !== 0) process.exit(1)
}
let passed = 0
let failed = 0
let skipped = 0
const seconds = kind === 'engines' ? 600 : 240
const stream = run({ files, concurrency: kind === 'all' ? 2 : 1, timeout: seconds * 1000 })
// The limit above ends tests and hooks. A process that stays alive behind them is ended here: its file then counts as failed.
const firstSeen = new Map<number, number>()
const watch = setInterval(() => endOverdue(seconds + 30), 5000)
stream.on('test:summary', (summary) => {
  if (summary.file !== undefined) return
  passed = summary.counts.passed
  skipped = summary.counts.skipped + summary.counts.todo
  failed = summary.counts.tests - passed - skipped
})
stream.compose(spec).pipe(process.stdout)
stream.on('end', () => {
  clearInterval(watch)
  process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
})

/** Kills the processes of test files that live longer than the limit, seconds, and what they started. */
function endOverdue(limit: number): void {
  const { stdout, pid: self } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const processes = (stdout ?? '').split('\n').map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
  const end = (pid: number) => {
    for (const [child, parent] of processes) if (parent === pid) end(child)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
  for (const [pid, parent] of processes) {
    if (parent !== process.pid || pid === self) continue
    const since = firstSeen.get(pid) ?? performance.now()
    firstSeen.set(pid, since)
    if (performance.now() - since < limit * 1000) continue
    console.error(`A test file did not end within ${limit} s and is killed`)
    end(pid)
  }
}
