// Filter rules in a running server, as people who send and who read meet them.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { temporaryFolder } from '../support/folders.ts'
import { everpost, startServer } from '../support/server.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const RULES = `require ["fileinto", "mailbox", "ereject"];
if header :contains "subject" "offer" { ereject "No offers, please."; stop; }
if header :contains "subject" "plans" { fileinto :create "Work/Plans"; }
`

it('a script put in force files, and refuses in the session, until it is put out of force', async (t) => {
  const data = temporaryFolder()
  const server = await startServer(data)
  t.after(() => server.end('SIGKILL'))
  const run = async (...words: string[]) => {
    const { code, out, err } = await everpost(data, words)
    assert.equal(code, 0, err)
    return out
  }
  await run('account', 'add', 'ann@example.test')
  await run('account', 'add', 'bob@example.test')
  writeFileSync(join(data, 'rules.sieve'), RULES)
  await run('sieve', 'put', 'ann@example.test', 'main', 'rules.sieve', '--activate')
  const client = await SmtpClient.ready(server.ports['smtp'] ?? 0)
  const send = async (subject: string, ...to: string[]) => {
    await client.command('MAIL FROM:<theo@elsewhere.test>')
    for (const name of to) await client.command(`RCPT TO:<${name}@example.test>`)
    await client.command('DATA')
    const header = `From: Theo <theo@elsewhere.test>\r\nTo: ${to[0]}@example.test\r\nSubject: ${subject}\r\nDate: Sun, 01 Mar 2026 09:30:05 +0000\r\nMessage-ID: <${Math.random()}@elsewhere.test>`
    return client.command(`${header}\r\n\r\nText\r\n.`)
  }
  assert.equal((await send('Our plans', 'ann')).code, 250)
  const refused = await send('An offer', 'ann')
  assert.deepEqual(refused, { code: 550, text: '5.7.1 No offers, please.' })
  assert.equal((await send('An offer', 'ann', 'bob')).code, 250, 'bob takes it')
  await run('sieve', 'activate', 'ann@example.test', '--none')
  assert.equal((await send('Another offer', 'ann')).code, 250)
  await client.quit()
  const listed = async (address: string, folder: string) => {
    const now = new Date(Date.now() + 60_000).toISOString()
    const rows = JSON.parse(await run('audit', 'at', address, now, '--folder', folder, '--json')) as {
      subject: string
    }[]
    return rows.map(({ subject }) => subject)
  }
  assert.deepEqual(await listed('ann@example.test', 'Plans'), ['Our plans'])
  assert.deepEqual(await listed('ann@example.test', 'INBOX'), ['Another offer'])
  assert.deepEqual(await listed('bob@example.test', 'INBOX'), ['An offer'])
  const waiting = await run('queue', 'list', '--json')
  assert.match(waiting, /theo@elsewhere\.test/, 'the notice of the refusal waits to go out')
})
