// Somebody else's ManageSieve client against our listener: sieve-connect, over STARTTLS. It must be installed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from '../support/folders.ts'
import { everpost, startServer } from '../support/server.ts'

const PASSWORD = 'correct horse battery'
const RULES = 'require "fileinto";\r\nif header :contains "subject" "plans" { fileinto "Archive"; }\r\n'

describe('sieve-connect', () => {
  it('checks, uploads, lists, downloads, puts in force and deletes scripts', async (t) => {
    const data = temporaryFolder()
    const server = await startServer(data, { EVERPOST_MANAGESIEVE_PORT: '0' })
    t.after(() => server.end('SIGKILL'))
    const added = await everpost(data, ['account', 'add', 'ann@example.test', '--password-stdin'], `${PASSWORD}\n`)
    assert.equal(added.code, 0, added.err)
    const file = (name: string, text?: string) => {
      if (text !== undefined) writeFileSync(join(data, name), text)
      return join(data, name)
    }
    const run = (...words: string[]): Promise<{ code: number | null; out: string }> => {
      const secret = openSync(file('secret', `${PASSWORD}\n`), 'r')
      const where = [
        '--server',
        '127.0.0.1',
        '--port',
        String(server.ports['managesieve']),
        '--user',
        'ann@example.test',
      ]
      const how = ['--notlsverify', '--authmech', 'PLAIN', '--passwordfd', '3']
      const child = spawn('sieve-connect', [...where, ...how, ...words], {
        cwd: data,
        stdio: ['ignore', 'pipe', 'pipe', secret],
      })
      let out = ''
      for (const stream of [child.stdout, child.stderr])
        stream?.setEncoding('utf8').on('data', (text: string) => {
          out += text
        })
      return new Promise((resolve, reject) => {
        child.once('error', (error) => reject(new Error(`sieve-connect is needed for this test: ${error.message}`)))
        child.once('close', (code) => {
          closeSync(secret)
          resolve({ code, out })
        })
      })
    }
    const ok = async (...words: string[]) => {
      const { code, out } = await run(...words)
      assert.equal(code, 0, out)
      return out
    }
    const rules = file('rules.sieve', RULES)
    await ok('--checkscript', '--localsieve', rules)
    await ok('--upload', '--localsieve', rules, '--remotesieve', 'main')
    await ok('--activate', '--remotesieve', 'main')
    assert.match(await ok('--list'), /"main" ACTIVE/)
    await ok('--download', '--remotesieve', 'main', '--localsieve', file('back.sieve'))
    assert.equal(readFileSync(file('back.sieve'), 'utf8').replace(/\r?\n/g, '\r\n'), RULES)
    const wrong = await run('--upload', '--localsieve', file('wrong.sieve', 'filinto "x";\n'), '--remotesieve', 'wrong')
    assert.notEqual(wrong.code, 0)
    assert.match(wrong.out, /line 1, column 1: There is no command/)
    await ok('--deactivate')
    await ok('--delete', '--remotesieve', 'main')
    assert.doesNotMatch(await ok('--list'), /main/)
  })
})
