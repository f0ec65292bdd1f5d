// The real rspamd, SpamAssassin and ClamAV behind the port, each on loopback with a configuration and data of its own.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { MailFilter } from '../../commands/ports/mail-filter.ts'
import { ClamdFilter } from '../../infra/adapters/mail-filter/clamd.ts'
import { RspamdFilter } from '../../infra/adapters/mail-filter/rspamd.ts'
import { SpamdFilter } from '../../infra/adapters/mail-filter/spamd.ts'
import { EICAR_MESSAGE, GTUBE_MESSAGE, HAM_MESSAGE, mailFilterContract } from '../contract/mail-filter.ts'
import { temporaryFolder } from '../support/folders.ts'
import { everpost, startServer } from '../support/server.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const EICAR = 'X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'
const children: ChildProcess[] = []
const cleanups: (() => void)[] = []
const folder = temporaryFolder()
chmodSync(folder, 0o777)

function free(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

function place(path: string, files: Readonly<Record<string, string>> = {}): string {
  mkdirSync(path, { recursive: true })
  chmodSync(path, 0o777)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
  return path
}

/** Starts a daemon in the foreground; resolves once its port takes connections. */
async function start(command: string, words: readonly string[], port: number): Promise<void> {
  let said = ''
  const child = spawn(command, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
  })
  children.push(child)
  let ended = false
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      said = (said + String(chunk)).slice(-4000)
    })
  child.once('error', (error) => {
    said += error.message
    ended = true
  })
  child.once('exit', () => {
    ended = true
  })
  for (const until = Date.now() + 120_000; Date.now() < until && !ended; ) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => setTimeout(resolve, 100, false))
    })
    if (open) return
  }
  throw new Error(`${command} did not start: ${said}`)
}

const ports = { rspamd: 0, controller: 0, spamd: 0, clamd: 0 }

before(
  async () => {
    ports.rspamd = await free()
    ports.controller = await free()
    ports.spamd = await free()
    ports.clamd = await free()
    const rspamd = place(join(folder, 'rspamd'))
    const off = 'enabled = false;\n'
    place(join(rspamd, 'local.d'), {
      'worker-normal.inc': `bind_socket = "127.0.0.1:${ports.rspamd}";\ncount = 1;\n`,
      'worker-controller.inc': `bind_socket = "127.0.0.1:${ports.controller}";\n`,
      'worker-proxy.inc': off,
      'worker-fuzzy.inc': off,
      // No question leaves this machine.
      'options.inc': 'dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }\n',
      'logging.inc': 'type = "console";\nlevel = "error";\n',
      ...Object.fromEntries(
        ['rbl', 'surbl', 'fuzzy_check', 'asn', 'phishing', 'mx_check', 'hfilter'].map((name) => [`${name}.conf`, off]),
      ),
    })
    const variables = {
      LOCAL_CONFDIR: rspamd,
      DBDIR: place(join(rspamd, 'db')),
      RUNDIR: place(join(rspamd, 'run')),
      LOGDIR: place(join(rspamd, 'log')),
    }
    const clamav = place(join(folder, 'clamav'))
    const md5 = createHash('md5').update(EICAR).digest('hex')
    const signatures = place(join(clamav, 'signatures'), {
      'eicar.hdb': `${md5}:${EICAR.length}:Eicar-Test-Signature\n`,
    })
    place(clamav, {
      'clamd.conf': `TCPSocket ${ports.clamd}\nTCPAddr 127.0.0.1\nDatabaseDirectory ${signatures}\nTemporaryDirectory ${clamav}\nForeground yes\n`,
    })
    const home = place(join(folder, 'spamassassin'))
    await Promise.all([
      start(
        'rspamd',
        [
          '-i',
          '-f',
          '-u',
          '_rspamd',
          '-g',
          '_rspamd',
          '-c',
          '/etc/rspamd/rspamd.conf',
          ...Object.entries(variables).map(([key, value]) => `--var=${key}=${value}`),
        ],
        ports.rspamd,
      ),
      start(
        'spamd',
        [
          '-L',
          '-x',
          '-s',
          'stderr',
          '--listen',
          `127.0.0.1:${ports.spamd}`,
          '--max-children',
          '2',
          '-u',
          'nobody',
          '--helper-home-dir',
          home,
        ],
        ports.spamd,
      ),
      start('clamd', ['-c', join(clamav, 'clamd.conf')], ports.clamd),
    ])
  },
  { timeout: 180_000 },
)

after(async () => {
  for (const child of children) {
    if (child.exitCode !== null) continue
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    const forced = setTimeout(() => child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(forced)
  }
  for (const done of cleanups) done()
})

const at = (name: keyof typeof ports) => ({ host: '127.0.0.1', port: ports[name] })
const ENGINES: readonly [string, () => MailFilter, { spam?: string; virus?: string }][] = [
  ['rspamd', () => new RspamdFilter(at('rspamd')), { spam: GTUBE_MESSAGE }],
  ['spamd', () => new SpamdFilter(at('spamd')), { spam: GTUBE_MESSAGE }],
  ['clamd', () => new ClamdFilter(at('clamd')), { virus: EICAR_MESSAGE }],
]
for (const [name, open, knows] of ENGINES) mailFilterContract(`${name}, the real one`, open, knows)

describe('a server with all engines', () => {
  it('refuses GTUBE, holds EICAR, and delivers the rest', async (t) => {
    const data = temporaryFolder()
    const filter = `builtin,rspamd://127.0.0.1:${ports.rspamd}?onFailure=closed,spamd://127.0.0.1:${ports.spamd},clamd://127.0.0.1:${ports.clamd}?onFailure=closed`
    const server = await startServer(data, { EVERPOST_FILTER: filter })
    t.after(() => server.end('SIGKILL'))
    assert.equal((await everpost(data, ['account', 'add', 'ann@example.test'])).code, 0)
    const client = await SmtpClient.ready(server.ports['smtp'] ?? 0)
    const send = (message: string) => client.send('x@elsewhere.test', ['ann@example.test'], message)
    assert.equal((await send(HAM_MESSAGE)).code, 250)
    assert.equal((await send(GTUBE_MESSAGE)).code, 554)
    await client.command('RSET')
    assert.equal((await send(EICAR_MESSAGE)).code, 250)
    await client.quit()
    const held = JSON.parse((await everpost(data, ['quarantine', 'list', '--json'])).out) as {
      verdict: { malware?: boolean; reasons: { engine: string }[] }
    }[]
    assert.equal(held.length, 1)
    assert.equal(held[0]?.verdict.malware, true)
    assert.ok(held[0]?.verdict.reasons.some(({ engine }) => engine === 'clamd'))
  })
})
