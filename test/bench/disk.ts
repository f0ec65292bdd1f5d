// disk: bytes on disk for the real mail, log, blobs and every view included, beside a Maildir of the same messages.
import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchFolder, MAIL, needs, report, startBenchServer } from './support.ts'

const COPIES = Number(process.argv[2] ?? 10)
needs(MAIL, 'The folder of real mail')
const folder = benchFolder('disk')
const used = (path: string) =>
  Number(execFileSync('du', ['-s', '--block-size=1', path], { encoding: 'utf8' }).split('\t')[0])

try {
  const maildir = join(folder.path, 'Maildir')
  for (const sub of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, sub), { recursive: true })
  let bytes = 0
  let count = 0
  const files = globSync('**/*.eml', { cwd: MAIL }).sort()
  for (let copy = 0; copy < COPIES; copy++) {
    for (const file of files) {
      // Each copy is a message of its own, as in a large mailbox of such mail.
      const raw = Buffer.concat([Buffer.from(`X-Copy: ${copy}\r\n`), readFileSync(join(MAIL, file))])
      writeFileSync(join(maildir, 'cur', `${1_700_000_000 + count}.M${count}.host:2,S`), raw)
      bytes += raw.length
      count++
    }
  }
  const data = join(folder.path, 'data')
  const server = await startBenchServer(data)
  await server.cli('account', 'add', 'user1@example.test')
  await server.cli('import', 'user1@example.test', maildir)
  for (let behind = true; behind; ) {
    const lines = JSON.parse(await server.cli('projections', 'status', '--json')) as readonly {
      name: string
      lag: { positions: string }
    }[]
    // The audit tree follows only when a proof is asked for.
    behind = lines.some(({ name, lag }) => name !== 'tree' && lag.positions !== '0')
  }
  await server.stop()
  const theirs = used(maildir)
  const parts = Object.fromEntries(['blobs', 'log', 'views'].map((part) => [part, used(join(data, part)) / bytes]))
  const ours = used(data)
  report({
    bench: 'disk',
    metric: 'bytes_per_byte_of_mail',
    value: ours / bytes,
    unit: 'ratio',
    n: count,
    maildir: theirs / bytes,
    ratio_to_maildir: ours / theirs,
    ...parts,
    target_ratio: 0.8,
  })
} finally {
  folder.remove()
}
