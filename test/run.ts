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
const stream = run({ files, concurrency: kind === 'all' ? 2 : 1, timeout: kind === 'engines' ? 600_000 : 240_000 })
stream.on('test:summary', (summary) => {
  if (summary.file !== undefined) return
  passed = summary.counts.passed
  skipped = summary.counts.skipped + summary.counts.todo
  failed = summary.counts.tests - passed - skipped
})
stream.compose(spec).pipe(process.stdout)
stream.on('end', () => {
  process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
})
