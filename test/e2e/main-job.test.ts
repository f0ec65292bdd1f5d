// The main job on real mail: started, filled by SMTP and by import, searched, listed as it was, rebuilt, erased.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, it } from 'node:test'
import { corpus, FOLDER, NO_CORPUS } from '../mime/corpus.ts'
import { temporaryFolder } from '../support/folders.ts'
import { everpost, startServer } from '../support/server.ts'
import { SmtpClient } from '../support/smtp-client.ts'

interface Listed {
  readonly id: string
  readonly subject: string
  readonly receivedAt: string
  readonly uid: number
}

/** Everything into the inbox: what becomes of unwanted mail is the business of test/filter. */
const ENVIRONMENT = { EVERPOST_HTTP_PORT: '0', EVERPOST_FILTER: 'none' }

describe('the main job', () => {
  it('runs on real mail from the first start to an erased account', {
    skip: NO_CORPUS,
    timeout: 120_000,
  }, async (t) => {
    const data = temporaryFolder()
    let server = await startServer(data, ENVIRONMENT)
    t.after(() => server.end('SIGKILL'))
    const run = async (...words: string[]) => {
      const { code, out, err } = await everpost(data, words)
      assert.equal(code, 0, `${words.join(' ')}: ${err}`)
      return out
    }
    const json = async <T>(...words: string[]) => JSON.parse(await run(...words, '--json')) as T
    const added = await everpost(
      data,
      ['account', 'add', 'kim@example.test', '--name', 'Kim', '--password-stdin'],
      'correct horse battery\n',
    )
    assert.equal(added.code, 0, added.err)
    await run('account', 'add', 'lee@example.test')

    const mails = corpus()
    const clients = await Promise.all(Array.from({ length: 12 }, () => SmtpClient.ready(server.ports['smtp'] ?? 0)))
    await Promise.all(
      clients.map(async (client, worker) => {
        for (let i = worker; i < mails.length; i += clients.length) {
          const wire = (mails[i]?.raw.toString('latin1') ?? '').replace(/\r\n|\r|\n/g, '\r\n')
          const reply = await client.send('x@elsewhere.test', ['kim+test@example.test'], Buffer.from(wire, 'latin1'))
          assert.equal(reply.code, 250, `${mails[i]?.name}: ${reply.text}`)
        }
        await client.quit()
      }),
    )
    const between = new Date().toISOString()
    const imported = await json<{ imported: number; known: number }>(
      'import',
      'lee@example.test',
      FOLDER,
      '--folder',
      'Archive/Corpus',
    )
    assert.equal(imported.imported + imported.known, mails.length)
    const again = await json<{ imported: number; known: number }>(
      'import',
      'lee@example.test',
      FOLDER,
      '--folder',
      'Archive/Corpus',
    )
    assert.deepEqual([again.imported, again.known], [0, mails.length])

    const accounts = await json<{ address: string; messages: number }[]>('account', 'list')
    const count = (address: string) => accounts.find((account) => account.address === address)?.messages
    assert.equal(count('kim@example.test'), mails.length)
    assert.equal(count('lee@example.test'), imported.imported)

    const signedIn = await fetch(`http://127.0.0.1:${server.ports['http']}/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ address: 'kim@example.test', password: 'correct horse battery' }),
    })
    const { token } = (await signedIn.json()) as { token: string }
    const found = await fetch(`http://127.0.0.1:${server.ports['http']}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        query:
          '{ search(query: "mailing list", first: 5) { edges { node { subject } } } folders { role total unread } }',
      }),
    })
    const answer = (await found.json()) as {
      data?: { search?: { edges: unknown[] }; folders?: { role: string; total: number; unread: number }[] }
      errors?: { message: string }[]
    }
    assert.equal(answer.errors, undefined, JSON.stringify(answer.errors))
    assert.equal(answer.data?.search?.edges.length, 5)
    const inbox = answer.data?.folders?.find(({ role }) => role.toLowerCase() === 'inbox')
    assert.deepEqual([inbox?.total, inbox?.unread], [mails.length, mails.length])

    const now = await json<Listed[]>('audit', 'at', 'kim@example.test', new Date().toISOString(), '--folder', 'INBOX')
    assert.equal(now.length, mails.length)
    assert.deepEqual(
      await json<Listed[]>('audit', 'at', 'lee@example.test', between),
      [],
      'before the import there was nothing',
    )
    assert.equal((await json<Listed[]>('audit', 'at', 'kim@example.test', '2020-01-01T00:00:00Z')).length, 0)
    const middle = now.toSorted((a, b) => a.uid - b.uid)[Math.floor(now.length / 2)] as Listed
    const then = await json<Listed[]>('audit', 'at', 'kim@example.test', middle.receivedAt, '--folder', 'INBOX')
    assert.ok(then.some(({ id }) => id === middle.id) && then.length >= now.length / 2 && then.length < now.length)
    const history = await json<{ type: string; summary: string }[]>(
      'audit',
      'history',
      'kim@example.test',
      '--message',
      middle.id,
    )
    assert.deepEqual(
      history.map(({ type }) => type),
      ['MailAccepted', 'MessageReceived'],
    )

    await server.end('SIGKILL')
    server = await startServer(data, ENVIRONMENT)
    const rebuilt = await json<{ name: string; same: boolean | null; parked: number }[]>(
      'projections',
      'rebuild',
      '--all',
    )
    for (const { name, same, parked } of rebuilt) {
      if (['mailbox', 'directory', 'submissions', 'timeline', 'filter', 'search'].includes(name))
        assert.equal(same, true, name)
      assert.equal(parked, 0, name)
    }
    assert.deepEqual(
      await json<Listed[]>('audit', 'at', 'kim@example.test', middle.receivedAt, '--folder', 'INBOX'),
      then,
      'the past does not change',
    )

    assert.equal((await everpost(data, ['account', 'erase', 'kim@example.test'])).code, 1, 'only when it is meant')
    await run('account', 'erase', 'kim@example.test', '--yes')
    assert.deepEqual(
      (await json<{ address: string }[]>('account', 'list'))
        .map(({ address }) => address)
        .filter((address) => /kim|lee/.test(address)),
      ['lee@example.test'],
    )
    const client = await SmtpClient.ready(server.ports['smtp'] ?? 0)
    assert.equal((await client.send('x@elsewhere.test', ['kim@example.test'], 'Subject: x\r\n\r\nx\r\n')).code, 550)
    await client.quit()
    await server.end('SIGTERM')
    assert.doesNotMatch(server.errors(), /Error:|unhandled/i)
    // And every verb works without a server, too.
    assert.equal(
      (await json<Listed[]>('audit', 'at', 'lee@example.test', new Date().toISOString())).length,
      imported.imported,
    )
    assert.ok(!readdirSync(data).includes('control.sock'))
  })
})
