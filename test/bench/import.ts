// import: a 1 GB mbox of real mail, every message made unique, by `everpost import` without a running server.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { benchFolder, MAIL, needs, peakRssOf, ROOT, report } from './support.ts'

const BYTES = Number(process.argv[2] ?? 1_000_000_000)
needs(MAIL, 'The folder of real mail')
const folder = benchFolder('import')

async function writeMbox(path: string): Promise<number> {
  const mails = globSync('**/*.eml', { cwd: MAIL })
    .sort()
    .map((file) => readFileSync(join(MAIL, file), 'latin1').replace(/^From .*\r?\n/, ''))
  const output = createWriteStream(path, { encoding: 'latin1' })
  let written = 0
  let count = 0
  while (written < BYTES) {
    const mail = mails[count % mails.length] ?? ''
    const entry = `From bench@load.test Sun Nov 22 10:00:00 2026\nX-Bench: ${count}\n${mail.replace(/^(>*From )/gm, '>$1')}\n\n`
    written += entry.length
    count++
    if (!output.write(entry)) await once(output, 'drain')
  }
  output.end()
  await once(output, 'finish')
  return count
}

try {
  const mbox = join(folder.path, 'mail.mbox')
  const count = await writeMbox(mbox)
  const data = join(folder.path, 'data')
  const run = async (...argv: readonly string[]) => {
    const child = spawn(process.execPath, [join(ROOT, 'infra/everpost.ts'), ...argv, '--data', data], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let peak = 0
    const watch = setInterval(() => {
      try {
        peak = Math.max(peak, peakRssOf(child.pid ?? 0))
      } catch {
        // The process has just ended.
      }
    }, 50)
    let out = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    const [code] = await once(child, 'close')
    clearInterval(watch)
    if (code !== 0) throw new Error(`everpost ${argv[0]} ended with ${code}`)
    return { out, peak }
  }
  await run('account', 'add', 'user1@example.test')
  const { out, peak } = await run('import', 'user1@example.test', mbox, '--json')
  const result = JSON.parse(out) as { imported: number; known: number; seconds: number; secondsUntilListed: number }
  const rate = statSync(mbox).size / 1e6 / result.seconds
  report({
    bench: 'import',
    metric: 'mbox',
    value: rate,
    unit: 'MB/s',
    n: result.imported,
    messages_per_second: result.imported / result.seconds,
    expected: count,
    known: result.known,
    seconds_until_listed: result.secondsUntilListed,
    target: 40,
  })
  report({ bench: 'import', metric: 'peak_rss', value: peak / 1e6, unit: 'MB', n: 1, target: 400 })
} finally {
  folder.remove()
}
