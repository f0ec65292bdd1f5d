// The whole system as processes: every engine behind a proxy of its own, roles as processes that know nothing but the settings.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type OpenedSource, openEventSource } from '../../infra/adapters/journal/open-source.ts'
import { callControl } from '../../infra/control-socket.ts'
import { type EngineName, startEngine } from '../../infra/deploy/engines/engines.ts'
import { type ServerProcess, startServer } from './server.ts'
import { TcpProxy } from './tcp-proxy.ts'

export const CLUSTER_ENGINES = ['eventStore', 'views', 'search', 'cache', 'queue', 'blobs'] as const
export type ClusterEngine = (typeof CLUSTER_ENGINES)[number]

const DOUBLES = join(import.meta.dirname, '../doubles')
/** What the registries hold, by setting; the others are doubles. */
const REAL: Partial<Record<ClusterEngine, EngineName>> = {
  views: 'mongodb',
  cache: 'redis',
  queue: 'nats',
  blobs: 's3',
}
/** Servers that somebody else started. */
const GIVEN: Record<ClusterEngine, string> = {
  eventStore: 'EVERPOST_TEST_ESDB',
  views: 'EVERPOST_TEST_MONGODB',
  search: 'EVERPOST_TEST_TYPESENSE',
  cache: 'EVERPOST_TEST_REDIS',
  queue: 'EVERPOST_TEST_NATS',
  blobs: 'EVERPOST_TEST_S3',
}

/** One engine and the proxy through which alone every role reaches it. */
export interface EngineBehindProxy {
  readonly name: ClusterEngine
  readonly proxy: TcpProxy
  /** The address through the proxy. */
  readonly url: string
  /** The address of the engine itself. */
  readonly direct: string
  /** kill -9; of somebody else's server the line is cut instead. */
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

/** One process of one or more roles. */
export interface RoleProcess {
  readonly name: string
  readonly role: string
  readonly ports: Readonly<Record<string, number>>
  readonly running: boolean
  readonly pid: number
  /** Everything on stderr, of all its lives. */
  errors(): string
  /** Resident memory, bytes. */
  rss(): number
  /** kill -9, or SIGTERM, which drains it; resolves once it is gone. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>
  /** Up again with the same data folder; ports may be others. */
  restart(): Promise<void>
  /** Runs a verb in it; rejects with what it said unless the exit code is 0. */
  cli(argv: readonly string[], stdin?: string): Promise<string>
}

export class Cluster {
  readonly engines: Readonly<Record<ClusterEngine, EngineBehindProxy>>
  readonly roles = new Map<string, RoleProcess>()
  readonly masterKey = randomBytes(32)
  readonly #folder: string
  readonly #env: Readonly<Record<string, string>>

  private constructor(folder: string, engines: Record<ClusterEngine, EngineBehindProxy>, env: Record<string, string>) {
    this.#folder = folder
    this.engines = engines
    this.#env = {
      EVERPOST_EVENT_STORE: engines.eventStore.url,
      EVERPOST_VIEWS: engines.views.url,
      EVERPOST_KEYRING: keysOf(engines.views.url),
      EVERPOST_BLOBS: engines.blobs.url,
      EVERPOST_QUEUE: engines.queue.url,
      EVERPOST_SEARCH: engines.search.url,
      EVERPOST_CACHE: engines.cache.url,
      EVERPOST_MASTER_KEY: this.masterKey.toString('base64'),
      EVERPOST_HTTP_PORT: '0',
      EVERPOST_IMAP_PORT: '0',
      EVERPOST_POP3_PORT: '0',
      EVERPOST_INSECURE_LOOPBACK_AUTH: '1',
      ...env,
    }
  }

  /** Keys of the settings that name the engines. */
  get settings(): Readonly<Record<string, string>> {
    const { eventStore, views, search, cache, queue, blobs } = this.engines
    const urls = { eventStore, views, search, cache, queue, blobs }
    const named = Object.entries(urls).map(([name, { url }]) => [name, url])
    return { ...Object.fromEntries(named), keyring: keysOf(views.url) }
  }

  /** Starts the engines; no role yet. */
  static async start(folder: string, env: Record<string, string> = {}): Promise<Cluster> {
    const started = await Promise.all(
      CLUSTER_ENGINES.map(async (name) => [name, await behindProxy(name, folder)] as const),
    )
    return new Cluster(folder, Object.fromEntries(started) as Record<ClusterEngine, EngineBehindProxy>, env)
  }

  /** Starts one more process; `name` is its data folder's too. */
  async add(name: string, role: string = name.replace(/\d$/, '')): Promise<RoleProcess> {
    const data = join(this.#folder, name)
    mkdirSync(data, { recursive: true })
    let server = await startServer(data, this.#env, ['--role', role])
    let running = true
    let before = ''
    const process: RoleProcess = {
      name,
      role,
      get ports() {
        return server.ports
      },
      get running() {
        return running
      },
      get pid() {
        return server.child.pid ?? 0
      },
      errors: () => before + server.errors(),
      rss: () => (running ? residentOf(server) : 0),
      async end(signal) {
        running = false
        await server.end(signal)
        return server.child.exitCode
      },
      restart: async () => {
        if (running) await server.end('SIGKILL')
        before += server.errors()
        server = await startServer(data, this.#env, ['--role', role])
        running = true
      },
      async cli(argv, stdin) {
        let out = ''
        let err = ''
        const asked = { argv, cwd: data, ...(stdin === undefined ? {} : { stdin }) }
        const exit = await callControl(join(data, 'control.sock'), asked, (reply) => {
          if ('out' in reply) out += reply.out
          if ('err' in reply) err += reply.err
        })
        if (exit !== 0) throw new Error(`${name}: everpost ${argv.join(' ')}: ${err || `exit ${exit}`}`)
        return out
      },
    }
    this.roles.set(name, process)
    return process
  }

  role(name: string): RoleProcess {
    const found = this.roles.get(name)
    if (found === undefined) throw new Error(`There is no process ${name}`)
    return found
  }

  /** The port of a listener of a process, as it is now. */
  port(name: string, listener: string): number {
    return this.role(name).ports[listener] ?? 0
  }

  /** The log itself, past every proxy: the truth that all else is compared with. */
  openLog(): Promise<OpenedSource> {
    const { eventStore, views } = this.engines
    return openEventSource({
      log: { eventStoreDb: eventStore.direct },
      keyring: { mongodb: keysOf(views.direct) },
      masterKey: this.masterKey,
    })
  }

  /** Every line on stderr that is not one of the program's own. */
  crashes(): readonly string[] {
    return [...this.roles.values()].flatMap(({ name, errors }) =>
      errors()
        .split('\n')
        .filter((line) => /^\s+at .+:\d+:\d+|unhandled|UnhandledPromise|FATAL|out of memory/i.test(line))
        .map((line) => `${name}: ${line}`),
    )
  }

  async stop(): Promise<void> {
    await Promise.all([...this.roles.values()].map((each) => (each.running ? each.end('SIGKILL') : undefined)))
    await Promise.all(Object.values(this.engines).map((each) => each.stop()))
  }
}

/** The keyring is a database of its own beside the views: dropping those must not drop it. */
function keysOf(views: string): string {
  const url = new URL(views)
  url.pathname = `${url.pathname}_keys`
  return url.href
}

const residentOf = ({ child }: ServerProcess): number => {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
}

interface Started {
  readonly url: string
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

async function behindProxy(name: ClusterEngine, folder: string): Promise<EngineBehindProxy> {
  const given = process.env[GIVEN[name]]
  const real = REAL[name]
  const started =
    given !== undefined ? undefined : real !== undefined ? await startEngine(real) : await startDouble(name, folder)
  const direct = named(name, given ?? (started as Started).url)
  const proxy = await TcpProxy.start(portOf(direct))
  const url = direct.replace(/(@|:\/\/)[^@/?]+:\d+/, `$1127.0.0.1:${proxy.port}`)
  return {
    name,
    proxy,
    url,
    direct,
    kill: async () => (started === undefined ? proxy.cut() : started.kill()),
    restart: async () => (started === undefined ? proxy.restore() : started.restart()),
    async stop() {
      await proxy.close()
      await started?.stop()
    },
  }
}

/** A server may be shared: a database of this cluster's own. */
function named(name: ClusterEngine, address: string): string {
  if (name !== 'views') return address
  const url = new URL(address)
  url.pathname = `/everpost_${randomBytes(4).toString('hex')}`
  return url.href
}

const portOf = (address: string): number => Number(/:(\d+)(?:[/?]|$)/.exec(address.replace(/^[^@]*@/, '://'))?.[1])

/** A double as a process of its own: killed and started again on the same port with what it had acknowledged. */
async function startDouble(name: ClusterEngine, folder: string): Promise<Started> {
  const program = join(DOUBLES, name === 'search' ? 'typesense' : 'eventstoredb', 'serve.ts')
  const file = join(folder, `${name}.log`)
  let child: ChildProcess
  const launch = async (port: string): Promise<string> => {
    child = spawn(process.execPath, [program, '--port', port, '--file', file], { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
    const ended = once(child, 'exit').then(() => {
      throw new Error(`The double of ${name} did not start`)
    })
    ended.catch(() => undefined)
    const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string]
    return line
  }
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  const url = await launch('0')
  return {
    url,
    kill,
    stop: kill,
    async restart() {
      await kill()
      await launch(String(portOf(url)))
    },
  }
}
