// A real server process over a data folder, and the command line beside it.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const EVERPOST = join(import.meta.dirname, '../../infra/everpost.ts')
const PORTS = {
  EVERPOST_HTTP_PORT: 'off',
  EVERPOST_SMTP_PORT: '0',
  EVERPOST_SUBMISSION_PORT: '0',
  EVERPOST_SUBMISSIONS_PORT: '0',
  EVERPOST_IMAP_PORT: 'off',
  EVERPOST_IMAPS_PORT: 'off',
  EVERPOST_POP3_PORT: 'off',
  EVERPOST_POP3S_PORT: 'off',
  EVERPOST_MANAGESIEVE_PORT: 'off',
  EVERPOST_DNS_SERVERS: 'none',
  EVERPOST_UNDO_SEND_SECONDS: '0',
}

function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('EVERPOST_') && name !== 'NODE_TEST_CONTEXT',
  )
  return { ...Object.fromEntries(kept), ...PORTS, ...more }
}

export interface ServerProcess {
  readonly child: ChildProcess
  /** By name: smtp, submission, submissions, http. */
  readonly ports: Readonly<Record<string, number>>
  /** Milliseconds from the start of the process to its 'ready'. */
  readonly readyAfter: number
  /** What it printed before it was ready. */
  readonly said: readonly string[]
  /** Everything on stderr so far. */
  errors(): string
  /** kill -9, or a signal that stops it cleanly; resolves when the process is gone. */
  end(signal: NodeJS.Signals): Promise<void>
}

/** Starts `everpost serve`; rejects with what it said when it ends before it is ready. */
export function startServer(
  data: string,
  env: Readonly<Record<string, string>> = {},
  words: readonly string[] = [],
  begun: (child: ChildProcess) => void = () => undefined,
): Promise<ServerProcess> {
  const started = performance.now()
  const child = spawn(process.execPath, [EVERPOST, 'serve', '--data', data, ...words], {
    env: environment(env),
    cwd: data,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  begun(child)
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const ports: Record<string, number> = {}
  const said: string[] = []
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  return new Promise((resolve, reject) => {
    void ended.then(() =>
      reject(new Error(`The server ended before it was ready, ${child.signalCode ?? child.exitCode}:\n${errors}`)),
    )
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line)
      const port = /^ {2}(\w+) +\S+:(\d+)$/.exec(line)
      if (port) ports[port[1] as string] = Number(port[2])
      if (line !== 'ready') return
      resolve({
        child,
        ports,
        said,
        readyAfter: performance.now() - started,
        errors: () => errors,
        end: async (signal) => {
          child.kill(signal)
          await ended
        },
      })
    })
  })
}

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs a verb of the command line to its end. */
export function everpost(data: string, words: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(process.execPath, [EVERPOST, ...words, '--data', data], {
    env: environment({}),
    cwd: data,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })))
}
