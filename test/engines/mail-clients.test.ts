// Other people's mail programs against IMAP and POP3: fetch all, change, sync again; nothing lost, nothing doubled.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { ImapFlow } from 'imapflow'
import { temporaryFolder } from '../support/folders.ts'
import { everpost, type ServerProcess, startServer } from '../support/server.ts'

const PASSWORD = 'correct horse battery'
const MESSAGES = 2_000

let data: string
let server: ServerProcess
const closing: (() => void)[] = []

function run(
  command: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
): Promise<{ code: number | null; out: string }> {
  const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`${command} is needed for this test: ${error.message}`)))
    child.once('close', (code) => resolve({ code, out }))
  })
}

async function person(name: string, messages: number): Promise<string> {
  const address = `${name}@example.test`
  const added = await everpost(data, ['account', 'add', address, '--password-stdin'], `${PASSWORD}\n`)
  assert.equal(added.code, 0, added.err)
  if (messages > 0) {
    const mbox = join(data, `${name}.mbox`)
    writeFileSync(mbox, Array.from({ length: messages }, (_, i) => entry(name, i)).join(''))
    const imported = await everpost(data, ['import', address, mbox, '--json'])
    assert.equal(imported.code, 0, imported.err)
    assert.equal((JSON.parse(imported.out) as { imported: number }).imported, messages)
  }
  return address
}

const entry = (name: string, i: number): string =>
  `From x Thu Jan  1 00:00:00 2026\nMessage-ID: <${name}.${i}@load.test>\nFrom: s@load.test\nTo: ${name}@example.test\nSubject: message ${i}\nDate: Thu, 01 Jan 2026 00:00:00 +0000\n\nThis is the body of ${i}.\n.a line with a dot\n\n`

/** A configuration file that only its owner may read, as these programs insist. */
function written(folder: string, name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, 0o600)
  return path
}

async function flow(t: TestContext, address: string): Promise<ImapFlow> {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: server.ports['imap'] ?? 0,
    secure: false,
    doSTARTTLS: true,
    tls: { rejectUnauthorized: false },
    auth: { user: address, pass: PASSWORD },
    logger: false,
  })
  await client.connect()
  t.after(() => client.close())
  return client
}

/** Subjects in the INBOX by IMAP, in order. */
async function subjects(t: TestContext, address: string, folder = 'INBOX'): Promise<readonly string[]> {
  const client = await flow(t, address)
  const lock = await client.getMailboxLock(folder)
  const all: string[] = []
  try {
    for await (const message of client.fetch('1:*', { envelope: true })) all.push(message.envelope?.subject ?? '')
  } finally {
    lock.release()
  }
  return all
}

const expected = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `message ${i}`)

before(async () => {
  data = temporaryFolder()
  server = await startServer(data, {
    EVERPOST_IMAP_PORT: '0',
    EVERPOST_IMAPS_PORT: '0',
    EVERPOST_POP3_PORT: '0',
    EVERPOST_POP3S_PORT: '0',
    EVERPOST_INSECURE_LOOPBACK_AUTH: '1',
  })
})
after(async () => {
  await server.end('SIGTERM')
  for (const done of closing) done()
})

describe('mbsync', () => {
  it(`keeps ${MESSAGES} messages in step both ways`, async (t) => {
    const address = await person('mbsync', MESSAGES)
    const folder = temporaryFolder()
    const near = join(folder, 'mail')
    mkdirSync(near)
    const config = written(
      folder,
      'mbsyncrc',
      `IMAPAccount e\nHost 127.0.0.1\nPort ${server.ports['imap']}\nUser ${address}\nPass "${PASSWORD}"\nSSLType None\nAuthMechs PLAIN\n\nIMAPStore far\nAccount e\n\nMaildirStore near\nPath ${near}/\nInbox ${near}/INBOX\nSubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n`,
    )
    const sync = async () => {
      const { code, out } = await run('mbsync', ['-c', config, 'all'])
      assert.equal(code, 0, out)
    }
    const here = () => globSync('INBOX/{cur,new}/*', { cwd: near })
    await sync()
    assert.equal(here().length, MESSAGES)
    const bodies = new Set(
      here().map((file) => /This is the body of (\d+)/.exec(readFileSync(join(near, file), 'latin1'))?.[1]),
    )
    assert.equal(bodies.size, MESSAGES)
    // Read 100 here, flag 50 there, delete 10 on each side, add one here.
    for (const file of here().slice(0, 100)) {
      const base = file.replace(/^INBOX\/(?:cur|new)\//, '').replace(/:2,.*$/, '')
      const flags = /:2,(.*)$/.exec(file)?.[1] ?? ''
      renameSync(join(near, file), join(near, 'INBOX/cur', `${base}:2,${[...new Set(`${flags}S`)].sort().join('')}`))
    }
    writeFileSync(join(near, 'INBOX/cur/1.local:2,S'), 'Subject: written here\n\nlocal\n')
    const client = await flow(t, address)
    const lock = await client.getMailboxLock('INBOX')
    await client.messageFlagsAdd('1:50', ['\\Flagged'])
    await client.messageDelete('1991:2000')
    lock.release()
    await sync()
    await sync()
    assert.equal(here().length, MESSAGES - 10 + 1)
    assert.equal(here().filter((file) => /:2,[A-Z]*F/.test(file)).length, 50)
    const status = await client.status('INBOX', { messages: true, unseen: true })
    assert.deepEqual(status && [status.messages, status.unseen], [MESSAGES - 9, MESSAGES - 10 - 100])
    assert.ok((await subjects(t, address)).includes('written here'))
  })
})

describe('offlineimap', () => {
  it('fetches all, and takes changes both ways', async (t) => {
    const address = await person('offline', 300)
    const folder = temporaryFolder()
    const near = join(folder, 'mail')
    const config = written(
      folder,
      'rc',
      `[general]\naccounts = a\nmetadata = ${folder}/meta\nui = quiet\n[Account a]\nlocalrepository = l\nremoterepository = r\n[Repository l]\ntype = Maildir\nlocalfolders = ${near}\n[Repository r]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = ${server.ports['imap']}\nremoteuser = ${address}\nremotepass = ${PASSWORD}\nssl = no\nstarttls = no\nauth_mechanisms = PLAIN\n`,
    )
    const sync = async () => {
      const { code, out } = await run('offlineimap', ['-c', config, '-o'])
      assert.equal(code, 0, out)
    }
    const here = () => globSync('INBOX/{cur,new}/*', { cwd: near })
    await sync()
    assert.equal(here().length, 300)
    const [first = ''] = here()
    renameSync(join(near, first), join(near, first.replace(/INBOX\/(cur|new)/, 'INBOX/cur').replace(/:2,.*$/, ':2,S')))
    await sync()
    await sync()
    assert.equal(here().length, 300)
    const status = await (await flow(t, address)).status('INBOX', { messages: true, unseen: true })
    assert.deepEqual(status && [status.messages, status.unseen], [300, 299])
  })
})

describe('neomutt', () => {
  it('fetches all, flags, deletes, and signs in by SCRAM', async (t) => {
    const address = await person('mutt', 60)
    const folder = temporaryFolder()
    const copies = join(folder, 'all.mbox')
    const rc = written(
      folder,
      'muttrc',
      `set imap_user = '${address}'\nset imap_pass = '${PASSWORD}'\nset imap_authenticators = 'scram-sha-256'\nset ssl_starttls = no\nset ssl_force_tls = no\nset folder = imap://127.0.0.1:${server.ports['imap']}\nset spoolfile = +INBOX\nset mbox_type = mbox\nset confirmappend = no\nset confirmcreate = no\nset delete = yes\nset quit = yes\nset sort = mailbox-order\nset auto_tag = no\n`,
    )
    const mutt = async (keys: string) => {
      // It draws on a terminal, which script(1) gives it.
      const command = `neomutt -n -F ${rc} -e 'push "${keys}"'`
      const { code, out } = await run('timeout', ['60', 'script', '-qec', command, '/dev/null'], {
        TERM: 'xterm',
        HOME: folder,
      })
      assert.equal(code, 0, out.slice(-2000))
    }
    await mutt(`<tag-pattern>~A<enter><tag-prefix><copy-message>${copies}<enter><quit>`)
    const fetched = readFileSync(copies, 'latin1').match(/^Subject: message \d+$/gm) ?? []
    assert.equal(new Set(fetched).size, 60)
    await mutt(
      '<tag-pattern>~m1-10<enter><tag-prefix><set-flag>!<untag-pattern>~A<enter><tag-pattern>~m51-60<enter><tag-prefix><delete-message><sync-mailbox><quit>',
    )
    const client = await flow(t, address)
    const lock = await client.getMailboxLock('INBOX')
    const flagged = await client.search({ flagged: true })
    lock.release()
    assert.equal(flagged === false ? 0 : flagged?.length, 10)
    assert.deepEqual(await subjects(t, address), expected(50))
  })
})

describe('imapflow with a token', () => {
  it('signs in by OAUTHBEARER', async (t) => {
    const address = await person('bearer', 3)
    const made = await everpost(data, ['token', 'create', address])
    assert.equal(made.code, 0, made.err)
    const client = new ImapFlow({
      host: '127.0.0.1',
      port: server.ports['imaps'] ?? 0,
      secure: true,
      tls: { rejectUnauthorized: false },
      auth: { user: address, accessToken: made.out.trim() },
      logger: false,
    })
    await client.connect()
    t.after(() => client.close())
    const status = await client.status('INBOX', { messages: true })
    assert.equal(status === false ? 0 : status.messages, 3)
  })
})

describe('imapflow', () => {
  it('fetches, searches, moves, appends and idles', async (t) => {
    const address = await person('flow', 50)
    const client = await flow(t, address)
    assert.deepEqual((await client.list()).map(({ path }) => path).sort(), [
      'Archive',
      'Drafts',
      'INBOX',
      'Junk',
      'Sent',
      'Trash',
    ])
    const lock = await client.getMailboxLock('INBOX')
    const found = await client.search({ subject: 'message 7' }, { uid: true })
    assert.equal((found || []).length, 1)
    const query = { source: true, bodyStructure: true }
    const message = await client.fetchOne(String((found || [])[0]), query, { uid: true })
    if (!message) throw new Error('the message is not there')
    assert.match(String(message.source), /This is the body of 7\./)
    const moved = await client.messageMove('1:10', 'Archive')
    if (!moved) throw new Error('nothing was moved')
    assert.equal(moved.uidMap?.size, 10)
    const appended = await client.append('Drafts', 'Subject: a draft\r\n\r\nx\r\n', ['\\Draft'])
    if (!appended) throw new Error('nothing was appended')
    assert.ok(appended.uid)
    lock.release()
    assert.deepEqual(await subjects(t, address), expected(50).slice(10))
    assert.deepEqual((await subjects(t, address, 'Archive')).toSorted(), expected(10).toSorted())
    await client.mailboxOpen('INBOX')
    const arrived = new Promise<number>((resolve) => client.once('exists', ({ count }) => resolve(count)))
    const idling = client.idle()
    const sent = await run('swaks', [
      '--server',
      `127.0.0.1:${server.ports['smtp']}`,
      '--from',
      'x@load.test',
      '--to',
      address,
    ])
    assert.equal(sent.code, 0, sent.out)
    assert.equal(await arrived, 41)
    await client.noop()
    await idling
  })
})

describe('curl', () => {
  it('lists and fetches by IMAPS and POP3S', async () => {
    const address = await person('curl', 3)
    const login = ['-sS', '--insecure', '--user', `${address}:${PASSWORD}`]
    const { imaps, pop3s } = server.ports
    const body = await run('curl', [...login, `imaps://127.0.0.1:${imaps}/INBOX;MAILINDEX=2`])
    assert.match(body.out, /This is the body of 1\./)
    const searched = await run('curl', [...login, `imaps://127.0.0.1:${imaps}/INBOX?SUBJECT%20message`])
    assert.match(searched.out, /^\* SEARCH 1 2 3/)
    const listed = await run('curl', [...login, `pop3s://127.0.0.1:${pop3s}/`])
    assert.equal(listed.out.trim().split('\n').length, 3, listed.out)
    const popped = await run('curl', [...login, `pop3s://127.0.0.1:${pop3s}/3`])
    assert.match(popped.out, /This is the body of 2\.\r?\n\.a line with a dot/)
  })
})

describe('getmail', () => {
  for (const type of ['SimplePOP3Retriever', 'SimpleIMAPRetriever'])
    it(`fetches each message once with a ${type}`, async () => {
      const pop = type.includes('POP3')
      const address = await person(pop ? 'getpop' : 'getimap', 40)
      const folder = temporaryFolder()
      // Its own Maildir delivery refuses to work for root, whom a machine of tests often is.
      const mda = written(folder, 'mda.sh', `#!/bin/sh\ncat > "$(mktemp ${folder}/got.XXXXXX)"\n`)
      chmodSync(mda, 0o700)
      written(
        folder,
        'getmailrc',
        `[retriever]\ntype = ${type}\nserver = 127.0.0.1\nport = ${server.ports[pop ? 'pop3' : 'imap']}\nusername = ${address}\npassword = ${PASSWORD}\n[destination]\ntype = MDA_external\npath = ${mda}\nallow_root_commands = true\n[options]\ndelete = false\nread_all = false\nverbose = 0\n`,
      )
      for (let round = 0; round < 2; round++) {
        const { code, out } = await run('getmail', ['--getmaildir', folder])
        assert.equal(code, 0, out)
        assert.equal(globSync('got.*', { cwd: folder }).length, 40, out)
      }
    })
})

describe('fetchmail', () => {
  it('takes all and leaves nothing, by POP3', async (t) => {
    const address = await person('fetchmail', 40)
    const folder = temporaryFolder()
    const mda = written(folder, 'mda.sh', `#!/bin/sh\ncat > "$(mktemp ${folder}/got.XXXXXX)"\n`)
    chmodSync(mda, 0o700)
    const config = written(
      folder,
      'rc',
      `poll 127.0.0.1 protocol POP3 port ${server.ports['pop3']} user "${address}" password "${PASSWORD}" sslproto '' mda "${mda}" fetchall no keep\n`,
    )
    const { code, out } = await run('fetchmail', ['-f', config, '--pidfile', join(folder, 'pid'), '--nosyslog'], {
      FETCHMAILHOME: folder,
    })
    assert.equal(code, 0, out)
    const got = globSync('got.*', { cwd: folder }).map((file) => readFileSync(join(folder, file), 'latin1'))
    assert.equal(new Set(got.map((text) => /This is the body of (\d+)/.exec(text)?.[1])).size, 40)
    assert.deepEqual(await subjects(t, address), [])
  })
})

describe('mpop', () => {
  it('takes each message once, by POP3 with TLS', async () => {
    const address = await person('mpop', 40)
    const folder = temporaryFolder()
    for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(folder, 'mail', part), { recursive: true })
    const config = written(
      folder,
      'mpoprc',
      `account a\nhost 127.0.0.1\nport ${server.ports['pop3']}\nuser ${address}\npassword ${PASSWORD}\ntls on\ntls_starttls on\ntls_certcheck off\nkeep on\nuidls_file ${folder}/uidls\ndelivery maildir ${folder}/mail\n`,
    )
    for (let round = 0; round < 2; round++) {
      const { code, out } = await run('mpop', ['-C', config, '-a'])
      assert.equal(code, 0, out)
      assert.equal(globSync('mail/new/*', { cwd: folder }).length, 40, out)
    }
  })
})
