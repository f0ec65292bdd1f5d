// The command line and a running server: a verb goes in, its output, progress and exit code come out.
import assert from 'node:assert/strict'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import {
  type ControlReply,
  type ControlRequest,
  callControl,
  type RunVerb,
  serveControl,
} from '../../infra/control-socket.ts'
import { temporaryFolder } from '../support/folders.ts'
import { everpost, startServer } from '../support/server.ts'

async function serve(t: TestContext, run: RunVerb) {
  const path = join(temporaryFolder(), 'control.sock')
  const server = await serveControl(path, run)
  t.after(() => new Promise((resolve) => server.close(resolve)))
  return path
}
const request = (more: Partial<ControlRequest> = {}): ControlRequest => ({
  argv: ['account', 'list'],
  cwd: '/',
  ...more,
})

describe('the control socket', () => {
  it('carries words, stdin, output, progress and the exit code', async (t) => {
    let got: ControlRequest | undefined
    const path = await serve(t, async (asked, reply) => {
      got = asked
      reply({ progress: 'half' })
      reply({ out: 'Ünïcode 한국어\n' })
      reply({ err: 'a sentence\n' })
      reply({ progress: null })
      return 1
    })
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const replies: ControlReply[] = []
    const sent = request({ stdin: 'geheim\n'.repeat(1000), columns: 132 })
    assert.equal(await callControl(path, sent, (reply) => replies.push(reply)), 1)
    assert.deepEqual(got, sent)
    assert.deepEqual(replies, [
      { progress: 'half' },
      { out: 'Ünïcode 한국어\n' },
      { err: 'a sentence\n' },
      { progress: null },
    ])
  })

  it('says undefined where no server is, also when a killed one left its socket', async () => {
    const dir = temporaryFolder()
    assert.equal(await callControl(join(dir, 'none.sock'), request(), () => undefined), undefined)
    writeFileSync(join(dir, 'stale.sock'), '')
    assert.equal(await callControl(join(dir, 'stale.sock'), request(), () => undefined), undefined)
    const server = await serveControl(join(dir, 'stale.sock'), async () => 0)
    assert.equal(await callControl(join(dir, 'stale.sock'), request(), () => undefined), 0)
    await new Promise((resolve) => server.close(resolve))
  })

  it('turns a bug into a sentence and 1, rubbish into 2, and ends with those who send too much', async (t) => {
    const path = await serve(t, async () => {
      throw new Error('It went wrong.')
    })
    const replies: ControlReply[] = []
    assert.equal(await callControl(path, request(), (reply) => replies.push(reply)), 1)
    assert.deepEqual(replies, [{ err: 'It went wrong.\n' }])
    const raw = (bytes: string) =>
      new Promise<string>((resolve) => {
        let text = ''
        const socket = connect(path)
        socket.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        socket.on('error', () => undefined)
        socket.on('close', () => resolve(text))
        socket.write(bytes)
      })
    for (const rubbish of ['not json\n', '{}\n', 'null\n', '{"argv":"x","cwd":"/"}\n'])
      assert.equal(await raw(rubbish), '{"exit":2}\n', rubbish)
    assert.equal(await raw('x'.repeat(3_000_000)), '')
  })

  it('tells the verb when its caller has gone', async (t) => {
    const begun = Promise.withResolvers<void>()
    const aborted = Promise.withResolvers<void>()
    const path = await serve(t, (_, __, signal) => {
      signal.addEventListener('abort', () => aborted.resolve())
      begun.resolve()
      return new Promise(() => undefined)
    })
    const socket = connect(path)
    socket.write(`${JSON.stringify(request())}\n`)
    await begun.promise
    socket.destroy()
    await aborted.promise
  })
})

describe('the executable', () => {
  it('answers the same with and without a server, refuses a second one, and knows its usage', async (t) => {
    const data = temporaryFolder()
    const alone = await everpost(data, ['account', 'add', 'kim@example.test', '--json'])
    assert.equal(alone.code, 0, alone.err)
    const { id } = JSON.parse(alone.out) as { id: string }
    const server = await startServer(data)
    t.after(() => server.end('SIGKILL'))
    assert.ok(existsSync(join(data, 'control.sock')))
    const password = await everpost(
      data,
      ['account', 'password', 'kim@example.test', '--password-stdin'],
      'a long password\n',
    )
    assert.deepEqual([password.code, password.err], [0, ''])
    const listed = await everpost(data, ['account', 'list', '--json'])
    assert.deepEqual(
      (JSON.parse(listed.out) as { id: string }[]).map((account) => account.id),
      [id],
    )
    writeFileSync(join(data, 'mail.eml'), 'Subject: x\n\nx\n')
    assert.equal(
      (await everpost(data, ['import', 'kim@example.test', 'mail.eml'])).code,
      0,
      'paths are those of the caller',
    )
    await assert.rejects(startServer(data), /Another Everpost is running/)
    for (const [words, code] of [
      [['nonsense'], 2],
      [['account', 'add'], 2],
      [['account', 'add', 'x'], 1],
      [['--help'], 0],
      [['account', 'add', '--help'], 0],
      [[], 2],
    ] as const) {
      const ran = await everpost(data, words)
      assert.equal(ran.code, code, `${words.join(' ')}: ${ran.err}`)
    }
    await server.end('SIGTERM')
    assert.equal(server.child.exitCode, 0)
    const wrong = await everpost(data, ['account', 'list', '--config', 'missing.yaml'])
    assert.deepEqual([wrong.code, /missing\.yaml/.test(wrong.err)], [2, true])
  })
})
