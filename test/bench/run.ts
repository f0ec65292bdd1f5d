// npm run bench -- NAME: runs one benchmark, or lists them. Each prints one JSON object a line.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const NOT_BENCHES = new Set(['run', 'support', 'outbound-support'])
const names = readdirSync(import.meta.dirname)
  .flatMap((file) => /^([a-z-]+)\.ts$/.exec(file)?.[1] ?? [])
  .filter(
    (name) =>
      !NOT_BENCHES.has(name) && !name.endsWith('-child') && !name.endsWith('-client') && !name.endsWith('-seed'),
  )
const [asked, ...rest] = process.argv.slice(2)
// The issue writes it with a plus.
const name = asked === 'intake+filter' ? 'intake-filter' : asked
const file = join(import.meta.dirname, `${name}.ts`)
if (name === undefined || !names.includes(name) || !existsSync(file)) {
  console.error(`npm run bench -- NAME, where NAME is one of ${names.join(', ')}`)
  process.exit(2)
}
process.exitCode = spawnSync(process.execPath, [file, ...rest], { stdio: 'inherit' }).status ?? 1
