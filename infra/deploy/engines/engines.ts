// The real engines that package registries hold, on loopback, without containers: started, killed and started again by tests.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export const ENGINES = ['redis', 'nats', 'mongodb', 's3'] as const
export type EngineName = (typeof ENGINES)[number]

export interface StartOptions {
  /** Where it keeps its data; a throw-away folder, removed by `stop`, when absent. */
  readonly dataDir?: string
  /** A free one when absent. */
  readonly port?: number
}

export interface RunningEngine {
  readonly name: EngineName
  /** As the settings of Everpost want it. */
  readonly url: string
  readonly port: number
  readonly dataDir: string
  /** Variables that point Everpost, and those that point the test suites at it. */
  readonly env: Readonly<Record<string, string>>
  readonly pid: number
  /** Ends it cleanly; its throw-away folder goes too. */
  stop(): Promise<void>
  /** kill -9. Data and port stay for `restart`. */
  kill(): Promise<void>
  /** Up again on the same port with the same data; a running one is killed first. */
  restart(): Promise<void>
}

/** Only ever reached on loopback by this machine's own tests. */
const S3_KEY = 'everpost'
const S3_SECRET = 'everpost-tests'
const S3_BUCKET = 'everpost'

interface Recipe {
  readonly program: string
  readonly install: string
  words(port: number, dataDir: string): readonly string[]
  url(port: number): string
  readonly variables: readonly [setting: string, test: string]
}

const RECIPES: { readonly [Name in EngineName]: Recipe } = {
  redis: {
    program: 'redis-server',
    install: 'apt-get install redis-server',
    words: (port, dataDir) => [
      ...['--bind', '127.0.0.1', '--port', `${port}`, '--dir', dataDir],
      ...['--save', '', '--appendonly', 'yes', '--maxmemory', '256mb', '--maxmemory-policy', 'allkeys-lru'],
    ],
    url: (port) => `redis://127.0.0.1:${port}`,
    variables: ['EVERPOST_CACHE', 'EVERPOST_TEST_REDIS'],
  },
  nats: {
    program: 'nats-server',
    install: 'infra/deploy/engines/install (Debian’s 2.9 has no sync_interval, which must be always)',
    words: (port, dataDir) => {
      const config = join(dataDir, 'nats.conf')
      // Acknowledged means on disk: by default it is synced two minutes later.
      writeFileSync(
        config,
        [
          `listen: "127.0.0.1:${port}"`,
          'server_name: everpost',
          'max_payload: 1MB',
          `jetstream { store_dir: ${JSON.stringify(join(dataDir, 'jetstream'))}, sync_interval: always, max_mem: 64MB, max_file: 1GB }`,
          '',
        ].join('\n'),
      )
      return ['-c', config]
    },
    url: (port) => `nats://127.0.0.1:${port}`,
    variables: ['EVERPOST_QUEUE', 'EVERPOST_TEST_NATS'],
  },
  mongodb: {
    program: 'ferretdb',
    install: 'infra/deploy/engines/install (builds FerretDB 1.24 with Go)',
    words: (port, dataDir) => [`127.0.0.1:${port}`, dataDir],
    url: (port) => `mongodb://127.0.0.1:${port}/everpost`,
    variables: ['EVERPOST_VIEWS', 'EVERPOST_TEST_MONGODB'],
  },
  s3: {
    program: 'versitygw',
    install: 'infra/deploy/engines/install (builds versitygw with Go)',
    words: (port, dataDir) => {
      // A folder at its top is a bucket.
      mkdirSync(join(dataDir, 'objects', S3_BUCKET), { recursive: true })
      mkdirSync(join(dataDir, 'attributes'), { recursive: true })
      return [
        ...['--access', S3_KEY, '--secret', S3_SECRET, '--port', `127.0.0.1:${port}`, '--quiet'],
        ...['posix', '--sidecar', join(dataDir, 'attributes'), join(dataDir, 'objects')],
      ]
    },
    url: (port) => `s3://${S3_KEY}:${S3_SECRET}@127.0.0.1:${port}/${S3_BUCKET}`,
    variables: ['EVERPOST_BLOBS', 'EVERPOST_TEST_S3'],
  },
}

const START_MS = 30_000
const STOP_MS = 10_000
const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** Where the engine's program is: what Go built first, because it is the version asked for. Undefined when it is not installed. */
export function programOf(name: EngineName): string | undefined {
  const go = [
    process.env['GOBIN'],
    process.env['GOPATH'] && join(process.env['GOPATH'], 'bin'),
    join(homedir(), 'go/bin'),
  ]
  const places = [...go, ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
  return places
    .filter((place) => place !== undefined && place !== '')
    .map((place) => join(place as string, RECIPES[name].program))
    .find(existsSync)
}

/** Resolves once it takes connections. Rejects with what it said when it ends before, or with what to install. */
export async function startEngine(name: EngineName, options: StartOptions = {}): Promise<RunningEngine> {
  const recipe = RECIPES[name]
  const program = programOf(name)
  if (program === undefined)
    throw new Error(`There is no ${recipe.program} on PATH or in Go’s bin folder: ${recipe.install}`)
  const throwAway = options.dataDir === undefined
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), `everpost-${name}-`))
  mkdirSync(dataDir, { recursive: true })
  const port = options.port ?? (await freePort())
  let child = await launch(program, recipe.words(port, dataDir), port)
  const kill = () => end(child, 'SIGKILL')
  return {
    name,
    url: recipe.url(port),
    port,
    dataDir,
    env: Object.fromEntries(recipe.variables.map((variable) => [variable, recipe.url(port)])),
    get pid() {
      return child.pid ?? 0
    },
    kill,
    async stop() {
      await end(child, 'SIGTERM')
      if (throwAway) rmSync(dataDir, { recursive: true, force: true })
    },
    async restart() {
      await kill()
      child = await launch(program, recipe.words(port, dataDir), port)
    },
  }
}

async function launch(program: string, words: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      said = (said + String(chunk)).slice(-4000)
    })
  let ended = false
  child.once('error', (error) => {
    said += error.message
    ended = true
  })
  child.once('exit', () => {
    ended = true
    children.delete(child)
  })
  for (const until = Date.now() + START_MS; Date.now() < until && !ended; ) if (await opens(port)) return child
  child.kill('SIGKILL')
  throw new Error(`${program} did not open port ${port}: ${said.trim()}`)
}

/** Whether the port takes a connection; a refused one costs a short wait. */
function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => setTimeout(resolve, 25, false))
  })
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(late)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
