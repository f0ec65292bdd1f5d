// Finds the verb, reads the settings, and runs it in a running server or, when there is none, in this process.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { findVerb, runsAlone } from '../gateways/cli/find-verb.ts'
import { helpText, VERBS } from '../gateways/cli/help.ts'
import type { CliIo } from '../gateways/cli/services.ts'
import { type Config, ConfigError, dataPaths, loadConfig } from './config.ts'
import { type ControlReply, callControl } from './control-socket.ts'

interface CommonWords {
  readonly argv: readonly string[]
  readonly data?: string
  readonly config?: string
  readonly role?: string
  readonly help: boolean
}

/** Takes --data, --config, --role and --help out, wherever they stand. */
function commonWords(argv: readonly string[]): CommonWords {
  const rest: string[] = []
  const found: { data?: string; config?: string; role?: string } = {}
  let help = false
  const words = [...argv]
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const named =
      /^--(data|config)(?:=(.*))?$/.exec(word) ?? (rest[0] === 'serve' ? /^--(role)(?:=(.*))?$/.exec(word) : null)
    if (named) {
      const value = named[2] ?? words.shift()
      if (value === undefined) throw new ConfigError(`--${named[1]}`, 'a value must follow')
      found[named[1] as 'data'] = value
    } else if (word === '--help' || word === '-h') help = true
    else rest.push(word)
  }
  return { argv: rest, help, ...found }
}

async function main(): Promise<number> {
  const words = commonWords(process.argv.slice(2))
  const verb = findVerb(words.argv)
  if (words.help || words.argv[0] === 'help' || words.argv.length === 0) {
    process.stdout.write(helpText(verb?.name ?? findVerb(words.argv.slice(1))?.name))
    return words.argv.length === 0 && !words.help ? 2 : 0
  }
  if (!verb) {
    const near = Object.keys(VERBS).filter((name) => name.startsWith(words.argv[0] ?? ''))
    const hint = near.length > 0 ? `There are: ${near.join(', ')}.` : 'See: everpost --help'
    process.stderr.write(`everpost: ${words.argv.slice(0, 2).join(' ')} is not a verb. ${hint}\n`)
    return 2
  }
  if (runsAlone(verb.name, verb.rest)) {
    const { runAlone } = await import('../gateways/cli/run.ts')
    const { VERIFY_TOOLS } = await import('./audit/verify-tools.ts')
    const io = ownTerminal(undefined, new AbortController().signal)
    return runAlone(VERIFY_TOOLS, verb.name, verb.rest, io)
  }
  const config = loadConfig(
    {
      ...(words.data === undefined ? {} : { data: words.data }),
      ...(words.config === undefined ? {} : { file: words.config }),
      ...(words.role === undefined ? {} : { roles: words.role }),
    },
    process.env,
    process.cwd(),
  )
  if (verb.name === 'serve') return serve(config)
  if (verb.name === 'restore') {
    const { restoreVerb } = await import('./backup/restore-verb.ts')
    return restoreVerb(config, verb.rest, ownTerminal(undefined, stopOnInterrupt().signal))
  }
  if (verb.name === 'demo') return (await import('./demo.ts')).runDemo(config)
  return runAnywhere(config, words.argv, verb)
}

async function runAnywhere(
  config: Config,
  argv: readonly string[],
  verb: { name: string; rest: readonly string[] },
): Promise<number> {
  const { control } = dataPaths(config.data)
  const needsStdin = verb.rest.includes('--password-stdin')
  const stdin = needsStdin ? await readStdin() : undefined
  const show = (reply: ControlReply) => {
    if ('out' in reply) process.stdout.write(reply.out)
    else if ('err' in reply) process.stderr.write(reply.err)
    else if ('progress' in reply) showProgress(reply.progress)
  }
  const columns = process.stdout.columns ?? 80
  if (existsSync(control)) {
    const request = { argv, cwd: process.cwd(), columns, ...(stdin === undefined ? {} : { stdin }) }
    const exit = await callControl(control, request, show)
    if (exit !== undefined) return exit
  }
  // Only now are the engines loaded: a call to a running server needs none of them.
  const { openEverpost } = await import('./open-everpost.ts')
  const { runVerb } = await import('../gateways/cli/run.ts')
  const everpost = await openEverpost(config, { alone: true })
  const abort = stopOnInterrupt()
  try {
    // A log that was tampered with may be one that the views cannot follow: to find that out must not need them.
    if (verb.name !== 'audit verify') await everpost.projectors.ready()
    return await runVerb(everpost.services, verb.name, verb.rest, ownTerminal(stdin, abort.signal))
  } finally {
    await everpost.close()
  }
}

function stopOnInterrupt(): AbortController {
  const abort = new AbortController()
  process.once('SIGINT', () => abort.abort(new Error('Stopped. What was done so far stays.')))
  return abort
}

function ownTerminal(stdin: string | undefined, signal: AbortSignal): CliIo {
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    progress: showProgress,
    stdin: async () => stdin ?? '',
    cwd: process.cwd(),
    columns: process.stdout.columns ?? 80,
    signal,
  }
}

/** Serves until it is told to stop; after a move to other engines, from those. */
async function serve(first: Config): Promise<number> {
  const ended = stopped()
  for (let config: Config | undefined = first; config !== undefined; ) config = await serveOn(config, ended)
  return 0
}

/** Answers the settings to go on with, undefined at the end. */
async function serveOn(config: Config, ended: Promise<void>): Promise<Config | undefined> {
  const { firstSignIn, startServer } = await import('./serve.ts')
  const fresh = !existsSync(config.data)
  const moved = Promise.withResolvers<Config>()
  const server = await startServer(config, { onMoved: (next) => void setTimeout(() => moved.resolve(next), ANSWER_MS) })
  const lines = Object.entries(server.ports).map(([name, port]) => `  ${name.padEnd(12)} ${config.host}:${port}`)
  process.stdout.write(`Everpost is running on ${resolve(config.data)}${fresh ? ' (new)' : ''}\n${lines.join('\n')}\n`)
  if (server.url) process.stdout.write(`Web app: ${server.url}\n`)
  const first = await firstSignIn(server)
  if (first) process.stdout.write(`Sign in as ${first.address} once, then choose a password:\n  ${first.link}\n`)
  process.stdout.write('ready\n')
  const next = await Promise.race([ended.then(() => undefined), moved.promise])
  process.stdout.write(next ? `Moving on to ${resolve(next.data)}…\n` : 'Stopping…\n')
  if (next === undefined) setTimeout(stopAnyway, STOP_MS).unref()
  await server.stop()
  return next
}

/** What is stopped has so long to finish what it has in hand: longer only waits for an engine that is away. */
const STOP_MS = 25_000

function stopAnyway(): void {
  process.stderr.write(
    'everpost: an engine does not answer, stopped without it; nothing that was acknowledged is lost\n',
  )
  process.exit(0)
}

/** The command that moved mail on hears so before its server stops. */
const ANSWER_MS = 200

/** Resolves on SIGINT or SIGTERM; a second one ends at once, which loses nothing acknowledged either. */
function stopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    const ask = () => {
      if (asked) process.exit(1)
      asked = true
      resolve()
    }
    process.on('SIGINT', ask)
    process.on('SIGTERM', ask)
  })
}

function showProgress(line: string | null): void {
  if (!process.stderr.isTTY) return
  process.stderr.write(line === null ? '\r\u001b[K' : `\r\u001b[K${line}`)
}

async function readStdin(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
  return text
}

// Whoever reads our output may go away first (`everpost … | head`); the server lives on.
process.stdout.on('error', () => undefined)
process.stderr.on('error', () => undefined)

try {
  process.exitCode = await main()
} catch (error) {
  const wrongUse = error instanceof ConfigError
  process.stderr.write(`everpost: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = wrongUse ? 2 : 1
}
