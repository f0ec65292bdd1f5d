// Every verb as a person and as a script meets it: what it prints, what it answers, what it refuses.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { submitMessage } from '../../commands/submit-message.ts'
import { readMail } from '../../domain/mail/read.ts'
import { findVerb } from '../../gateways/cli/find-verb.ts'
import { helpText, VERBS } from '../../gateways/cli/help.ts'
import { runVerb } from '../../gateways/cli/run.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'

const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/

async function open(t: TestContext) {
  const data = temporaryFolder()
  const everpost = await openEverpost(loadConfig({ data }, {}, data))
  t.after(() => everpost.close())
  const { services, journal, blobs } = everpost
  const progress: string[] = []
  const run = async (words: readonly string[], options: { stdin?: string; signal?: AbortSignal } = {}) => {
    const found = findVerb(words)
    assert.ok(found, words.join(' '))
    let out = ''
    let err = ''
    const code = await runVerb(services, found.name, found.rest, {
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
      progress: (line) => void (line !== null && progress.push(line)),
      stdin: async () => options.stdin ?? '',
      cwd: data,
      columns: 80,
      signal: options.signal ?? new AbortController().signal,
    })
    assert.doesNotMatch(out + err, CONTROLS, 'no control character reaches a terminal')
    if (code === 0) assert.equal(err, '')
    else assert.match(err, /^everpost [a-z ]+: \S[^\n]*\n/, 'a refusal is a sentence')
    return { code, out, err }
  }
  const ok = async (...words: string[]) => {
    const { code, out, err } = await run(words)
    assert.equal(code, 0, `${words.join(' ')}: ${err}`)
    return out
  }
  const json = async <T>(...words: string[]) => JSON.parse(await ok(...words, '--json')) as T
  const deliver = async (address: string, subject: string, at = Date.now()) => {
    const raw = Buffer.from(
      `From: Ånn <ann@elsewhere.test>\r\nTo: ${address}\r\nSubject: ${subject}\r\nDate: Sun, 01 Mar 2026 09:30:05 +0000\r\n\r\nText of the message.\r\n`,
    )
    const found = await services.directory.resolve(address)
    await receiveMail(journal, contextOf('smtp', 'smtp', { at }), {
      intakeId: `intake-${subject.slice(0, 20)}-${at}`,
      mailFrom: 'ann@elsewhere.test',
      recipients: [{ accountId: found?.accountId ?? '', address }],
      blob: await blobs.put(raw),
      mail: readMail(raw),
      remoteAddress: '192.0.2.1',
    })
    await services.settle()
    return raw
  }
  return { data, everpost, run, ok, json, deliver, progress }
}

describe('accounts', () => {
  it('are added, listed, renamed by alias, limited, held and erased', async (t) => {
    const { run, ok, json, everpost } = await open(t)
    assert.match(await ok('account', 'list'), /No accounts yet/)
    assert.match(
      await ok('account', 'add', 'kim@example.test', '--name', 'Kim'),
      /^kim@example\.test has a mailbox now\.\n.*password/,
    )
    const lee = await json<{ id: string; address: string; role: string }>(
      'account',
      'add',
      'lee@example.test',
      '--role',
      'auditor',
    )
    assert.match(lee.id, /^[a-z2-7]{26}$/)
    assert.deepEqual([lee.address, lee.role], ['lee@example.test', 'auditor'])
    const secret = await run(['account', 'add', 'pat@example.test', '--password-stdin'], { stdin: 'a long password\n' })
    assert.equal(secret.code, 0)
    assert.doesNotMatch(secret.out + secret.err, /a long password/)
    await ok('account', 'alias', 'kim@example.test', 'Sales@example.test')
    assert.match(await ok('account', 'quota', 'kim@example.test', '500M'), /500 MB/)
    await ok('account', 'quota', 'lee@example.test', 'none')
    const { holdId } = await json<{ holdId: string }>('account', 'hold', 'kim@example.test', '--reason', 'court')
    const list = await json<
      { address: string; role: string; quota: number | null; holds: string[]; addresses: string[]; messages: number }[]
    >('account', 'list')
    assert.deepEqual(list.map(({ address }) => address).sort(), [
      'kim@example.test',
      'lee@example.test',
      'pat@example.test',
    ])
    const kim = list.find(({ address }) => address.startsWith('kim'))
    assert.deepEqual([kim?.quota, kim?.holds, kim?.messages], [500_000_000, [holdId], 0])
    assert.ok(kim?.addresses.includes('sales@example.test'))
    assert.match(await ok('account', 'list'), /ADDRESS +NAME +ROLE[\s\S]*kim@example\.test +Kim/u)
    const held = await run(['account', 'erase', 'kim@example.test', '--yes'])
    assert.equal(held.code, 1)
    assert.match(held.err, /under legal hold/)
    await ok('account', 'hold', 'kim@example.test', '--release', holdId)
    const asked = await run(['account', 'erase', 'KIM@example.test'])
    assert.deepEqual([asked.code, /--yes/.test(asked.err)], [1, true])
    const id = (await everpost.services.directory.resolve('kim@example.test'))?.accountId ?? ''
    assert.match(await ok('account', 'erase', 'kim@example.test', '--yes'), /is erased/)
    assert.equal(everpost.keyring.dataKey(id), undefined)
    assert.equal((await run(['account', 'erase', 'kim@example.test', '--yes'])).code, 1)
    assert.equal((await run(['account', 'add', 'kim@example.test'])).code, 1, 'an address is claimed for good')
  })

  it('are refused with 1 and a sentence, wrong words with 2 and how it is said', async (t) => {
    const { run, ok } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    const cases: readonly [readonly string[], 1 | 2, RegExp][] = [
      [['account', 'add'], 2, /ADDRESS is missing/],
      [['account', 'add', 'a@example.test', 'b'], 2, /one word too many/],
      [['account', 'add', 'a@example.test', '--wat'], 2, /--wat/],
      [['account', 'add', 'a@example.test', '--role', 'king'], 2, /user, admin or auditor/],
      [['account', 'add', 'nonsense'], 1, /not an e-mail address/],
      [['account', 'add', 'kim@elsewhere.test'], 1, /everpost domain add elsewhere\.test/],
      [['account', 'add', 'kim@example.test'], 1, /belongs to an account already/],
      [['account', 'password', 'kim@example.test'], 2, /--password-stdin/],
      [['account', 'password', 'no@example.test', '--password-stdin'], 1, /There is no account/],
      [['account', 'quota', 'kim@example.test', 'much'], 2, /not a size/],
      [['account', 'hold', 'kim@example.test'], 2, /reason/],
      [['account', 'hold', 'kim@example.test', '--release', 'x'], 1, /no such legal hold/],
      [['domain', 'add', 'no domain'], 1, /not a domain/],
      [['projections', 'rebuild'], 2, /--all/],
      [['projections', 'rebuild', 'nonsense'], 1, /There is no projection nonsense; there are mailbox/],
      [['projections', 'rebuild', 'mailbox', '--all'], 2, /not both/],
      [['queue', 'cancel', 'x'], 1, /no waiting submission/],
      [['audit', 'at', 'kim@example.test', 'yesterday'], 2, /not a time/],
      [['audit', 'at', 'kim@example.test', '2026-03-01T00:00:00Z', '--folder', 'x'], 1, /no folder x/],
      [['audit', 'history', 'kim@example.test', '--message', 'x'], 1, /never had a message/],
      [['import', 'kim@example.test'], 2, /PATH is missing/],
      [['import', 'kim@example.test', 'nowhere'], 1, /There is no file or folder/],
      [['import', 'kim@example.test', '.', '--quoting', 'x'], 2, /mboxrd or mboxo/],
      [['export', 'kim@example.test', 'no/such/folder/x.mbox'], 1, /cannot be written/],
    ]
    for (const [argv, code, words] of cases) {
      const ran = await run(argv, { stdin: 'a long password' })
      assert.equal(ran.code, code, `${argv.join(' ')}: ${ran.err}`)
      assert.match(ran.err, words, argv.join(' '))
      if (code === 2)
        assert.match(
          ran.err,
          new RegExp(`everpost ${VERBS[findVerb(argv)?.name ?? '']?.usage.slice(0, 20)}`),
          'and the usage',
        )
    }
    for (const [password, words] of [
      ['short', /at least 10/],
      ['', /at least/],
    ] as const) {
      const ran = await run(['account', 'password', 'kim@example.test', '--password-stdin'], { stdin: password })
      assert.deepEqual([ran.code, words.test(ran.err)], [1, true])
    }
  })

  it('are erased to the end when a crash came between the event and the key', async (t) => {
    const { run, ok, everpost } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    const id = (await everpost.services.directory.resolve('kim@example.test'))?.accountId ?? ''
    await changeAccount(everpost.journal, contextOf('cli', 'cli'), id, { type: 'EraseAccount' })
    await everpost.services.settle()
    assert.ok(everpost.keyring.dataKey(id))
    assert.equal((await run(['account', 'erase', 'kim@example.test'])).code, 1)
    await ok('account', 'erase', 'kim@example.test', '--yes')
    assert.equal(everpost.keyring.dataKey(id), undefined)
    assert.equal((await run(['account', 'erase', 'kim@example.test', '--yes'])).code, 1, 'and then it is gone')
  })

  it('get passwords and tokens', async (t) => {
    const { run, ok, json, everpost } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    assert.equal(
      (await run(['account', 'password', 'kim@example.test', '--password-stdin'], { stdin: 'a long password\r\n' }))
        .code,
      0,
    )
    const { authenticate } = await import('../../commands/authenticate.ts')
    assert.ok(await authenticate(everpost.services.directory, 'kim@example.test', 'a long password'))
    const { token } = await json<{ token: string }>('token', 'create', 'kim@example.test')
    const [, id = '', secret = ''] = /^ep_([a-z2-7]{26})_([\w-]{32})$/.exec(token) ?? []
    assert.equal((await authenticate(everpost.services.directory, 'kim@example.test', secret))?.id, id)
    assert.match(await ok('token', 'create', 'kim@example.test', '--label', 'script'), /^ep_\S+\n$/)
  })
})

describe('domains', () => {
  it('are added once and listed', async (t) => {
    const { ok, json, run } = await open(t)
    const added = await json<{ domain: string; added: boolean; records: { name: string; value: string }[] }>(
      'domain',
      'add',
      'Example.ORG',
    )
    assert.deepEqual([added.domain, added.added], ['example.org', true])
    assert.ok(added.records.some(({ value }) => value.startsWith('v=DKIM1; k=rsa; p=')))
    assert.match(await ok('domain', 'add', 'example.org'), /was taken already/)
    const said = await ok('domain', 'records', 'example.org')
    for (const record of ['10 mail.', 'v=spf1 mx -all', 'v=DKIM1; k=ed25519; p=', 'v=DMARC1', 'v=TLSRPTv1', 'v=STSv1'])
      assert.ok(said.includes(record), record)
    assert.doesNotMatch(said, /PRIVATE/)
    const rotated = await json<{ keys: { selector: string; retired: boolean }[] }>(
      'domain',
      'dkim',
      'example.org',
      '--rotate',
    )
    assert.deepEqual(
      rotated.keys.map(({ retired }) => retired),
      [true, true, false, false],
    )
    assert.match(await ok('domain', 'dkim', 'example.org'), /retired[\s\S]*signs/)
    assert.equal((await run(['domain', 'records', 'elsewhere.test'])).code, 1)
    assert.deepEqual(await json('domain', 'list'), ['example.org', 'example.test'])
    assert.equal(await ok('domain', 'list'), 'example.org\nexample.test\n')
  })
})

describe('audit', () => {
  it('at: one JSON array of messages as they were then, and a table', async (t) => {
    const { ok, json, deliver } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    const start = Date.now() + 1_000_000
    await deliver('kim@example.test', 'first', start)
    await deliver('kim@example.test', 'second', start + 2_000)
    const at = (time: number) =>
      json<Record<string, unknown>[]>('audit', 'at', 'kim@example.test', new Date(time).toISOString())
    assert.deepEqual(await at(start - 1), [])
    const then = await at(start + 1_000)
    assert.equal(then.length, 1)
    assert.deepEqual(
      Object.keys(then[0] ?? {}).sort(),
      [
        'date',
        'flags',
        'folderId',
        'from',
        'hasAttachment',
        'id',
        'receivedAt',
        'size',
        'snippet',
        'subject',
        'threadId',
        'to',
        'uid',
      ].sort(),
    )
    assert.deepEqual(
      [then[0]?.['subject'], then[0]?.['receivedAt'], then[0]?.['date'], then[0]?.['uid']],
      ['first', new Date(start).toISOString(), '2026-03-01T09:30:05.000Z', 7],
    )
    assert.equal((await at(start + 2_000)).length, 2)
    const table = await ok(
      'audit',
      'at',
      'kim@example.test',
      new Date(start + 2_000).toISOString(),
      '--folder',
      'inbox',
    )
    assert.match(table, /FOLDER +UID[\s\S]*INBOX +8[\s\S]*second[\s\S]*2 messages at/u)
    assert.equal(
      (
        await json<unknown[]>(
          'audit',
          'at',
          'kim@example.test',
          new Date(start + 2_000).toISOString(),
          '--folder',
          'Archive',
        )
      ).length,
      0,
    )
  })

  it('history: one JSON array of everything that happened, revisions as decimal strings', async (t) => {
    const { ok, json, deliver } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    await deliver('kim@example.test', 'hello there')
    type Entry = {
      type: string
      revision: string
      position: string
      at: string
      actor: string
      via: string
      client: unknown
      summary: string
      eventId: string
      stream: string
    }
    const history = await json<Entry[]>('audit', 'history', 'kim@example.test')
    assert.ok(Array.isArray(history))
    const received = history.find(({ type }) => type === 'MessageReceived')
    assert.ok(received)
    assert.match(received.revision, /^\d+$/)
    assert.match(received.position, /^\d+$/)
    assert.deepEqual(
      [received.actor, received.via, received.summary],
      ['smtp', 'smtp', 'Received from ann@elsewhere.test for kim@example.test: hello there'],
    )
    assert.ok(history.some(({ type, via }) => type === 'AccountOpened' && via === 'cli'))
    assert.ok(history.every((entry, i) => i === 0 || BigInt(entry.position) > BigInt(history[i - 1]?.position ?? 0)))
    assert.match(
      await ok('audit', 'history', 'kim@example.test'),
      /Received from ann@elsewhere\.test for kim@example\.test: hello there {2}\(smtp by smtp/,
    )
  })

  it('shows hostile mail without its control characters, in tables and in JSON', async (t) => {
    const { ok, json, deliver } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    for (const [i, subject] of [
      '\u001b[2J\u001b]0;owned\u0007',
      'c1 \u009b31m red',
      '=?utf-8?B?G1szMW0=?= and =?utf-8?Q?=C2=9B2J?=',
      'back\bspace\u007f',
    ].entries())
      await deliver('kim@example.test', subject, Date.now() + i)
    const now = new Date(Date.now() + 10_000).toISOString()
    for (const words of [
      ['audit', 'at', 'kim@example.test', now],
      ['audit', 'history', 'kim@example.test'],
      ['search', 'kim@example.test', 'text'],
    ]) {
      await ok(...words)
      await json(...words)
    }
    const listed = await json<{ subject: string }[]>('audit', 'at', 'kim@example.test', now)
    assert.equal(listed.length, 4)
  })
})

describe('import and export', () => {
  it('bring a mailbox out and in again, byte for byte', async (t) => {
    const { data, ok, json, deliver, progress } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    await ok('account', 'add', 'lee@example.test')
    const raws = [await deliver('kim@example.test', 'one'), await deliver('kim@example.test', 'two')]
    writeFileSync(
      join(data, 'odd.eml'),
      'Subject: odd\r\n\r\nFrom here\r\n>From there\r\n\r\nFrom a@b Thu Aug 22 12:36:23 2002\r\nlast\r\n',
    )
    assert.match(await ok('import', 'kim@example.test', 'odd.eml'), /^Imported 1 messages/)
    const exported = await json<{ messages: number; file: string }>('export', 'kim@example.test', 'kim.mbox')
    assert.deepEqual([exported.messages, exported.file], [3, join(data, 'kim.mbox')])
    assert.ok(!existsSync(join(data, 'kim.mbox.partial')))
    const result = await json<{ imported: number; known: number; address: string; bytes: number }>(
      'import',
      'lee@example.test',
      'kim.mbox',
      '--folder',
      'Old mail',
    )
    assert.deepEqual([result.imported, result.known, result.address], [3, 0, 'lee@example.test'])
    assert.match(
      await ok('import', 'lee@example.test', 'kim.mbox', '--folder', 'Old mail'),
      /Imported 0 messages .* 3 were there already/,
    )
    await ok('export', 'lee@example.test', 'lee.mbox')
    const sorted = (name: string) =>
      readFileSync(join(data, name), 'latin1')
        .split(/^From \S+ .*\n/m)
        .sort()
    assert.deepEqual(sorted('lee.mbox'), sorted('kim.mbox'))
    assert.ok(
      raws.every((raw) =>
        readFileSync(join(data, 'lee.mbox'), 'latin1').includes(raw.toString('latin1').replace(/^From /gm, '>From ')),
      ),
    )
    assert.ok(progress.some((line) => /^Importing \[#+\.*\] +\d+ %/.test(line)))
    assert.ok(progress.some((line) => /^Exporting/.test(line)))
  })

  it('stop when they are told to, and leave no half file', async (t) => {
    const { data, run, ok, deliver } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    await deliver('kim@example.test', 'one')
    const ran = await run(['export', 'kim@example.test', 'x.mbox'], {
      signal: AbortSignal.abort(new Error('Stopped by the caller.')),
    })
    assert.deepEqual([ran.code, /Stopped by the caller/.test(ran.err)], [1, true])
    assert.ok(!readdirSync(data).some((name) => name.startsWith('x.mbox')))
  })
})

describe('projections and compact', () => {
  it('tell how far they are and rebuild to the same', async (t) => {
    const { ok, json, deliver, progress } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    await deliver('kim@example.test', 'one')
    const status = await json<{ name: string; lag: { positions: string }; parkedCount: number }[]>(
      'projections',
      'status',
    )
    for (const name of ['mailbox', 'directory', 'submissions', 'timeline', 'filter', 'search'])
      assert.ok(
        status.some((line) => line.name === name),
        name,
      )
    assert.ok(status.every(({ parkedCount }) => parkedCount === 0))
    assert.match(await ok('projections', 'status'), /PROJECTION +VERSION +GENERATION/)
    const [one] = await json<{ name: string; same: boolean; events: number; generation: number }[]>(
      'projections',
      'rebuild',
      'mailbox',
    )
    assert.deepEqual([one?.name, one?.same], ['mailbox', true])
    assert.match(
      await ok('projections', 'rebuild', '--all'),
      /mailbox: generation \d+, \d+ events in [\d.]+ s, equal to the one before/,
    )
    assert.ok(progress.length > 0)
    assert.match(await ok('compact'), /^Freed /)
    assert.ok('bytesFreed' in (await json<object>('compact')))
  })
})

describe('queue', () => {
  it('lists what waits, cancels it, and tries again', async (t) => {
    const { run, ok, json, everpost } = await open(t)
    await ok('account', 'add', 'kim@example.test')
    assert.equal(await ok('queue', 'list'), 'Nothing waiting to go out.\n')
    const accountId = (await everpost.services.directory.resolve('kim@example.test'))?.accountId ?? ''
    const raw = Buffer.from('Subject: out\r\n\r\nx\r\n')
    const submitted = await submitMessage(
      { journal: everpost.journal, directory: everpost.services.directory },
      contextOf(accountId, 'rest'),
      {
        accountId,
        mailFrom: 'kim@example.test',
        recipients: ['x@elsewhere.test'],
        blob: await everpost.blobs.put(raw),
        mail: readMail(raw),
      },
    )
    assert.ok(submitted.ok)
    await everpost.services.settle()
    const [waiting] = await json<{ id: string; accountId: string }[]>('queue', 'list')
    assert.deepEqual([waiting?.id, waiting?.accountId], [submitted.submissionId, accountId])
    assert.match(await ok('queue', 'list'), /x@elsewhere\.test/)
    assert.match(await ok('queue', 'retry', submitted.submissionId), /tried again now/)
    assert.match(await ok('queue', 'cancel', submitted.submissionId), /will not be sent/)
    assert.equal(await ok('queue', 'list'), 'Nothing waiting to go out.\n')
    assert.equal((await run(['queue', 'cancel', submitted.submissionId])).code, 1)
  })
})

describe('help', () => {
  it('tells every verb that there is, with its usage', () => {
    const text = helpText()
    for (const [name, { usage }] of Object.entries(VERBS)) {
      assert.ok(text.includes(name), name)
      assert.ok(helpText(name).includes(`everpost ${usage}`))
      assert.equal(findVerb([...name.split(' '), 'x'])?.name, name)
    }
    assert.equal(findVerb(['nonsense']), undefined)
    assert.equal(findVerb([]), undefined)
    assert.equal(findVerb(['toString']), undefined)
  })
})
