// Other people's SMTP clients against our listeners: swaks, and Postfix's smtp-source. Both must be installed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it, type TestContext } from 'node:test'
import { temporaryFolder } from '../support/folders.ts'
import { everpost, type ServerProcess, startServer } from '../support/server.ts'

interface Listed {
  readonly subject: string
  readonly from: readonly { readonly address: string }[]
}

const PASSWORD = 'correct horse battery'

function run(command: string, words: readonly string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn(command, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
  })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`${command} is needed for this test: ${error.message}`)))
    child.once('close', (code) => resolve({ code, out }))
  })
}

async function open(
  t: TestContext,
): Promise<{ data: string; server: ServerProcess; listed: (address: string) => Promise<readonly Listed[]> }> {
  const data = temporaryFolder()
  const server = await startServer(data)
  t.after(() => server.end('SIGKILL'))
  for (const name of ['ann', 'bob']) {
    const added = await everpost(data, ['account', 'add', `${name}@example.test`, '--password-stdin'], `${PASSWORD}\n`)
    assert.equal(added.code, 0, added.err)
  }
  const listed = async (address: string) => {
    const { code, out, err } = await everpost(data, [
      'audit',
      'at',
      address,
      new Date().toISOString(),
      '--folder',
      'INBOX',
      '--json',
    ])
    assert.equal(code, 0, err)
    return JSON.parse(out) as Listed[]
  }
  return { data, server, listed }
}

describe('swaks', () => {
  const swaks = (server: ServerProcess, port: string, ...words: string[]) =>
    run('swaks', [
      '--server',
      '127.0.0.1',
      '--port',
      `${server.ports[port]}`,
      '--helo',
      'client.test',
      '--timeout',
      '20',
      '--suppress-data',
      ...words,
    ])

  it('sends to mx in the clear and over STARTTLS, with attachments, and is refused what must be', async (t) => {
    const { server, listed } = await open(t)
    const clear = await swaks(
      server,
      'smtp',
      '--from',
      'x@elsewhere.test',
      '--to',
      'ann@example.test',
      '--header',
      'Subject: in the clear',
    )
    assert.equal(clear.code, 0, clear.out)
    const secure = await swaks(
      server,
      'smtp',
      '--tls',
      '--from',
      'x@elsewhere.test',
      '--to',
      'ann@example.test,bob@example.test',
      '--header',
      'Subject: secured',
      '--attach',
      '@/etc/hostname',
    )
    assert.equal(secure.code, 0, secure.out)
    assert.match(secure.out, /TLS started/)
    const relay = await swaks(server, 'smtp', '--from', 'x@elsewhere.test', '--to', 'y@elsewhere.test')
    assert.notEqual(relay.code, 0)
    assert.match(relay.out, /550 5\.7\.1 Relaying denied/)
    const unknown = await swaks(server, 'smtp', '--from', 'x@elsewhere.test', '--to', 'nobody@example.test')
    assert.match(unknown.out, /550 5\.1\.1 No such mailbox/)
    assert.deepEqual((await listed('ann@example.test')).map(({ subject }) => subject).sort(), [
      'in the clear',
      'secured',
    ])
    assert.deepEqual(
      (await listed('bob@example.test')).map(({ subject }) => subject),
      ['secured'],
    )
  })

  it('signs in to submission over STARTTLS and to submissions over TLS, by PLAIN and by LOGIN', async (t) => {
    const { server, listed } = await open(t)
    const ways: readonly (readonly [string, ...string[]])[] = [
      ['submission', '--tls', '--auth', 'PLAIN'],
      ['submission', '--tls', '--auth', 'LOGIN'],
      ['submissions', '--tls-on-connect', '--auth', 'PLAIN'],
    ]
    for (const [i, [port, ...words]] of ways.entries()) {
      const sent = await swaks(
        server,
        port,
        ...words,
        '--auth-user',
        'ann@example.test',
        '--auth-password',
        PASSWORD,
        '--from',
        'ann@example.test',
        '--to',
        'bob@example.test',
        '--header',
        `Subject: way ${i}`,
      )
      assert.equal(sent.code, 0, sent.out)
      assert.match(sent.out, /235 2\.7\.0/)
    }
    const wrong = await swaks(
      server,
      'submission',
      '--tls',
      '--auth',
      'PLAIN',
      '--auth-user',
      'ann@example.test',
      '--auth-password',
      'wrong',
      '--from',
      'ann@example.test',
      '--to',
      'bob@example.test',
    )
    assert.match(wrong.out, /535 5\.7\.8/)
    const clear = await swaks(
      server,
      'submission',
      '--auth',
      'PLAIN',
      '--auth-user',
      'ann@example.test',
      '--auth-password',
      PASSWORD,
      '--from',
      'ann@example.test',
      '--to',
      'bob@example.test',
    )
    assert.notEqual(clear.code, 0, 'no password in the clear')
    assert.deepEqual((await listed('bob@example.test')).map(({ subject }) => subject).sort(), [
      'way 0',
      'way 1',
      'way 2',
    ])
  })
})

describe('smtp-source', () => {
  it('sends 1,000 messages over 50 connections, and each is there once', async (t) => {
    const { server, listed, data } = await open(t)
    const sent = await run('smtp-source', [
      '-s',
      '50',
      '-m',
      '1000',
      '-l',
      '10240',
      '-c',
      '-f',
      'x@elsewhere.test',
      '-t',
      'ann@example.test',
      '-S',
      'load',
      `127.0.0.1:${server.ports['smtp']}`,
    ])
    assert.equal(sent.code, 0, sent.out)
    assert.match(sent.out, /1000\s*$/)
    const messages = await listed('ann@example.test')
    assert.equal(messages.length, 1000)
    assert.ok(messages.every(({ subject, from }) => subject === 'load' && from[0]?.address === 'x@elsewhere.test'))
    await server.end('SIGKILL')
    const rebuilt = await everpost(data, ['projections', 'rebuild', 'mailbox', '--json'])
    assert.equal((JSON.parse(rebuilt.out) as { same: boolean }[])[0]?.same, true)
    assert.equal((await listed('ann@example.test')).length, 1000)
  })
})
