// The commands of the documentation, run as a reader would: one server on a folder of its own and free ports, one shell a block.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { PAGES, ROOT, type Snippet, snippetsOf } from './pages.ts'

const missing = ['bash', 'curl'].filter((program) => spawnSync(program, ['--version']).status !== 0)
const skip = missing.length > 0 ? `${missing.join(' and ')} not found` : false

/** `npx` itself takes longer than what it starts; these are the two that it starts here. */
const NPX = `npx() { local what=$1; shift; case $what in
  everpost) '${process.execPath}' '${join(ROOT, 'test/docs/everpost.ts')}' "$@" ;;
  node) '${process.execPath}' "$@" ;;
  *) echo "npx $what is not for these pages" >&2; return 1 ;;
esac; }`

class Server {
  readonly folder = mkdtempSync(join(tmpdir(), 'everpost-docs-'))
  readonly #env: Record<string, string | undefined> = {
    ...process.env,
    // Fifty programs are started here: what one compiled, the next need not.
    NODE_COMPILE_CACHE: join(this.folder, 'compiled'),
    EVERPOST_DATA: join(this.folder, 'data'),
    EVERPOST_HTTP_PORT: '0',
    EVERPOST_SMTP_PORT: '0',
    EVERPOST_SUBMISSION_PORT: '0',
    EVERPOST_SUBMISSIONS_PORT: 'off',
    EVERPOST_IMAP_PORT: '0',
    EVERPOST_IMAPS_PORT: '0',
    EVERPOST_POP3_PORT: '0',
    EVERPOST_POP3S_PORT: '0',
    EVERPOST_MANAGESIEVE_PORT: '0',
    EVERPOST_DNS_SERVERS: 'none',
    EVERPOST_UNDO_SEND_SECONDS: '0',
  }
  #process: ChildProcess | undefined

  async start(): Promise<void> {
    const child = spawn(process.execPath, [join(ROOT, 'infra/everpost.ts'), 'serve'], {
      cwd: this.folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    let said = ''
    await new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          said += text
          if (/^ready$/m.test(said)) resolve()
        })
      }
      child.once('close', (code) => reject(new Error(`The server ended with ${code}:\n${said}`)))
    })
    const port = (name: string) => new RegExp(`^ +${name} +127\\.0\\.0\\.1:(\\d+)$`, 'm').exec(said)?.[1]
    Object.assign(this.#env, {
      WEB: `http://127.0.0.1:${port('http')}`,
      SMTP: `smtp://127.0.0.1:${port('smtp')}`,
      SUBMISSION: `smtp://127.0.0.1:${port('submission')}`,
    })
  }

  /** Runs one block where the one before it left off: what it exports, later blocks of the page see. */
  async run(page: string, { script }: Snippet): Promise<{ readonly code: number | null; readonly output: string }> {
    const place = join(this.folder, page.replaceAll('/', '-'))
    const kept = join(place, '.exports')
    mkdirSync(place, { recursive: true })
    const file = join(place, '.block')
    writeFileSync(file, `${NPX}\n[ -e '${kept}' ] && . '${kept}'\nset -e\n${script}\nexport -p > '${kept}'\n`)
    const shell = spawn('bash', [file], { cwd: place, env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [shell.stdout, shell.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    const [code] = (await once(shell, 'close')) as [number | null]
    return { code, output }
  }

  async stop(): Promise<void> {
    const child = this.#process
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A line of a `text expect` block: any output for `…`, any white space for white space. */
function toPattern(line: string): RegExp {
  const parts = line.trim().split('…').map(escaped)
  return new RegExp(parts.join('.*?'))
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+')

describe('the commands of the documentation', { skip }, () => {
  const server = new Server()
  before(() => server.start())
  after(() => server.stop())

  for (const page of PAGES) {
    const snippets = snippetsOf(page)
    if (snippets.length === 0) continue
    it(`${page}: ${snippets.length} blocks`, async () => {
      for (const snippet of snippets) {
        const { code, output } = await server.run(page, snippet)
        assert.equal(code, 0, `${page}:${snippet.line} ended with ${code}:\n${output}`)
        for (const line of snippet.expected)
          assert.match(output, toPattern(line), `${page}:${snippet.line} did not say: ${line}\n${output}`)
      }
    })
  }
})
