// What the benchmarks share: a server process to measure, figures as JSON lines, medians.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { callControl } from '../../infra/control-socket.ts'

export const ROOT = join(import.meta.dirname, '..', '..')

/** Where the real mail and the peers' scripts lie: EVERPOST_MAIL, EVERPOST_PEERS, or beside the project. */
export const MAIL = process.env['EVERPOST_MAIL'] ?? join(ROOT, '..', 'shared', 'mail')
export const PEERS = process.env['EVERPOST_PEERS'] ?? join(ROOT, '..', 'shared', 'peers')

/** Benchmarks write here: a disk, not a memory file system. */
export function benchFolder(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(process.env['EVERPOST_BENCH_DIR'] ?? tmpdir(), `everpost-${name}-`))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export interface Figure {
  readonly bench: string
  readonly metric: string
  readonly value: number
  readonly unit: string
  readonly n: number
  readonly p50?: number
  readonly p99?: number
  readonly [more: string]: unknown
}

export function report(figure: Figure): void {
  const rounded = Object.entries(figure).map(([key, value]) => [key, typeof value === 'number' ? round(value) : value])
  console.log(JSON.stringify(Object.fromEntries(rounded)))
}

const round = (value: number): number => (Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)))

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  )
}

export interface BenchServer {
  readonly data: string
  readonly pid: number
  readonly url: string
  readonly ports: Readonly<Record<string, number>>
  /** From the spawn to the line 'ready', milliseconds. */
  readonly startMs: number
  /** Runs a verb in the server; its output, or an error with what it said. */
  cli(...argv: readonly string[]): Promise<string>
  /** Resident memory of the process, bytes. */
  rss(): number
  stop(): Promise<void>
}

/** A server process on free ports over a data folder, ready. */
export async function startBenchServer(data: string, env: Readonly<Record<string, string>> = {}): Promise<BenchServer> {
  const ports = ['HTTP', 'SMTP', 'SUBMISSION', 'SUBMISSIONS', 'IMAP', 'IMAPS', 'POP3', 'POP3S', 'MANAGESIEVE'].map(
    (name) => [`EVERPOST_${name}_PORT`, '0'],
  )
  const started = performance.now()
  const child = spawn(
    process.execPath,
    [
      ...(process.env['EVERPOST_BENCH_NODE'] ?? '').split(' ').filter(Boolean),
      join(ROOT, 'infra/everpost.ts'),
      'serve',
      '--data',
      data,
    ],
    {
      env: { ...process.env, ...Object.fromEntries(ports), ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const output = await untilReady(child)
  const startMs = performance.now() - started
  const found = [...output.matchAll(/^ {2}(\w+) +\S+:(\d+)$/gm)].map((match) => [match[1], Number(match[2])])
  const byName = Object.fromEntries(found) as Record<string, number>
  const { pid = 0 } = child
  const control = join(data, 'control.sock')
  return {
    data,
    pid,
    startMs,
    ports: byName,
    url: `http://127.0.0.1:${byName['http']}`,
    cli: (...argv) => runCli(control, argv),
    rss: () => rssOf(pid),
    stop: async () => {
      if (child.exitCode !== null) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    },
  }
}

function untilReady(child: ChildProcess): Promise<string> {
  let output = ''
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      output += String(chunk)
      if (/^ready$/m.test(output)) resolve(output)
    })
    child.once('exit', () => reject(new Error(`The server did not start: ${output}`)))
  })
}

async function runCli(control: string, argv: readonly string[]): Promise<string> {
  let out = ''
  let err = ''
  const exit = await callControl(control, { argv, cwd: ROOT }, (reply) => {
    if ('out' in reply) out += reply.out
    if ('err' in reply) err += reply.err
  })
  if (exit !== 0) throw new Error(`everpost ${argv.join(' ')}: ${err || `exit ${exit}`}`)
  return out
}

export function rssOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
}

/** Highest resident memory of a process so far, bytes. */
export function peakRssOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
}

export async function addAccounts(server: BenchServer, count: number): Promise<void> {
  for (let i = 1; i <= count; i++) await server.cli('account', 'add', `user${i}@example.test`)
}

export async function countMessages(server: BenchServer): Promise<number> {
  const accounts = JSON.parse(await server.cli('account', 'list', '--json')) as readonly { messages: number }[]
  return accounts.reduce((sum, { messages }) => sum + messages, 0)
}

export function needs(path: string, what: string): void {
  if (existsSync(path)) return
  console.error(`${what} is not at ${path}.`)
  process.exit(1)
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Messages a second through smtp-source, until its last 250 and until all are in the views. user1@… get them, one a connection. */
export async function smtpLoad(
  server: BenchServer,
  connections: number,
  messages: number,
  bytes: number,
): Promise<{ accepted: number; visible: number }> {
  const before = await countMessages(server)
  const each = Math.floor(messages / connections)
  const started = performance.now()
  const line = `for i in $(seq 1 ${connections}); do smtp-source -d -s 1 -m ${each} -l ${bytes} -f load@load.test -t user$i@example.test 127.0.0.1:${server.ports['smtp']} & done; wait`
  // A shell of its own: the load generator must not share this process's event loop.
  const shell = spawnSync('bash', ['-c', line], { stdio: 'inherit' })
  if (shell.status !== 0) throw new Error('smtp-source failed')
  const accepted = performance.now() - started
  const sent = each * connections
  while ((await countMessages(server)) < before + sent) await pause(5)
  const visible = performance.now() - started
  return { accepted: (sent / accepted) * 1000, visible: (sent / visible) * 1000 }
}
