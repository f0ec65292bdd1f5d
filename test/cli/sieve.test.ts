// everpost sieve …: filter rules on the command line, and what they would do.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { deliverByRules } from '../../commands/deliver-by-rules.ts'
import { readMail } from '../../domain/mail/read.ts'
import { findVerb } from '../../gateways/cli/find-verb.ts'
import { runVerb } from '../../gateways/cli/run.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'

async function open(t: TestContext) {
  const data = temporaryFolder()
  const everpost = await openEverpost(loadConfig({ data }, {}, data))
  t.after(() => everpost.close())
  const run = async (...words: string[]) => {
    const found = findVerb(words)
    assert.ok(found)
    const said = { out: '', err: '' }
    const code = await runVerb(everpost.services, found.name, found.rest, {
      out: (text) => void (said.out += text),
      err: (text) => void (said.err += text),
      progress: () => undefined,
      stdin: async () => '',
      cwd: data,
      columns: 80,
      signal: new AbortController().signal,
    })
    return { code, ...said }
  }
  const ok = async (...words: string[]) => {
    const { code, out, err } = await run(...words)
    assert.equal(code, 0, err)
    return out
  }
  const file = (name: string, text: string) => writeFileSync(join(data, name), text)
  const deliver = async (subject: string, intakeId: string) => {
    const raw = Buffer.from(
      `From: Theo <theo@example.com>\r\nTo: ann@example.test\r\nSubject: ${subject}\r\n\r\nText\r\n`,
    )
    const owner = await everpost.services.directory.resolve('ann@example.test')
    const { ref, durable } = everpost.blobs.stage(raw)
    await deliverByRules(everpost.rules, contextOf('smtp', 'smtp', { commandId: intakeId }), {
      intakeId,
      mailFrom: 'theo@example.com',
      recipients: [{ accountId: owner?.accountId ?? '', address: 'ann@example.test' }],
      blob: ref,
      stored: durable,
      mail: readMail(raw),
      beginning: async () => raw,
      inSession: true,
    })
    await everpost.services.settle()
  }
  await ok('account', 'add', 'ann@example.test')
  return { run, ok, file, deliver, everpost }
}

const RULES = `require ["fileinto", "mailbox"];
if header :contains "subject" "offsite" {
  fileinto :create "Plans";
}
`

describe('everpost sieve', () => {
  it('saves, lists, prints, puts in force and deletes', async (t) => {
    const { ok, run, file } = await open(t)
    file('rules.sieve', RULES)
    assert.match(await ok('sieve', 'list', 'ann@example.test'), /has no filter rules/)
    assert.match(await ok('sieve', 'check', 'rules.sieve'), /can run/)
    await ok('sieve', 'put', 'ann@example.test', 'main', 'rules.sieve')
    await ok('sieve', 'put', 'ann@example.test', 'other', 'rules.sieve', '--activate')
    assert.deepEqual(JSON.parse(await ok('sieve', 'list', 'ann@example.test', '--json')), [
      { name: 'main', active: false, bytes: RULES.length },
      { name: 'other', active: true, bytes: RULES.length },
    ])
    assert.equal(await ok('sieve', 'get', 'ann@example.test', 'main'), RULES)
    assert.equal((await run('sieve', 'delete', 'ann@example.test', 'other')).code, 1)
    await ok('sieve', 'activate', 'ann@example.test', '--none')
    await ok('sieve', 'delete', 'ann@example.test', 'other')
    assert.equal((await run('sieve', 'get', 'ann@example.test', 'other')).code, 1)
    assert.equal((await run('sieve', 'activate', 'ann@example.test', 'other')).code, 1)
  })

  it('says where a script is wrong, and saves nothing of it', async (t) => {
    const { ok, run, file } = await open(t)
    file('wrong.sieve', 'keep;\nfoo;\n')
    for (const words of [
      ['check', 'wrong.sieve'],
      ['put', 'ann@example.test', 'main', 'wrong.sieve'],
      ['test', 'ann@example.test', 'wrong.sieve'],
    ]) {
      const { code, err } = await run('sieve', ...words)
      assert.equal(code, 1)
      assert.match(err, /wrong\.sieve:2:1: There is no command "foo"/)
    }
    assert.equal((await run('sieve', 'check', 'missing.sieve')).code, 1)
    assert.equal(await ok('sieve', 'list', 'ann@example.test', '--json'), '[]\n')
  })

  it('shows what a script would have done, and does nothing', async (t) => {
    const { ok, file, deliver, run, everpost } = await open(t)
    await deliver('Offsite plans', 'i1')
    await deliver('Lunch', 'i2')
    file('rules.sieve', `${RULES}if header :is "subject" "Lunch" { discard; }\n`)
    const tested = await ok('sieve', 'test', 'ann@example.test', 'rules.sieve')
    assert.match(tested, /Lunch +discard \(line 5\)/)
    assert.match(tested, /Offsite plans +fileinto Plans \(line 3: the folder would be made\)/)
    const [newest] = JSON.parse(await ok('sieve', 'test', 'ann@example.test', 'rules.sieve', '--last', '1', '--json'))
    assert.deepEqual(
      [newest.subject, newest.actions],
      ['Lunch', [{ action: 'discard', line: 5, detail: null, flags: [], note: null }]],
    )
    assert.equal((await run('sieve', 'test', 'ann@example.test', 'rules.sieve', '--last', '0')).code, 2)
    assert.equal((await run('sieve', 'test', 'ann@example.test', 'rules.sieve', '--folder', 'Nowhere')).code, 1)
    const owner = await everpost.services.directory.resolve('ann@example.test')
    const folders = await everpost.services.mailbox.folders(owner?.accountId ?? '')
    assert.equal(
      folders.find(({ name }) => name === 'Plans'),
      undefined,
    )
    assert.equal(folders.find(({ role }) => role === 'inbox')?.total, 2)
  })

  it('runs on mail that comes, and the history says which line filed it', async (t) => {
    const { ok, file, deliver } = await open(t)
    file('rules.sieve', RULES)
    await ok('sieve', 'put', 'ann@example.test', 'main', 'rules.sieve', '--activate')
    await deliver('Offsite plans', 'i1')
    const now = new Date(Date.now() + 60_000).toISOString()
    const [message] = JSON.parse(await ok('audit', 'at', 'ann@example.test', now, '--folder', 'Plans', '--json'))
    assert.equal(message.subject, 'Offsite plans')
    const history = await ok('audit', 'history', 'ann@example.test', '--message', message.id)
    assert.match(history, /rules main: line 3 fileinto Plans/)
    assert.match(history, /\(filed by main, line 3\)/)
  })
})
