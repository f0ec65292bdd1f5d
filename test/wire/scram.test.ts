import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it, type TestContext } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import fc from 'fast-check'
import { checkProof, newVerifier, SCRAM_ITERATIONS, saslPrep, verifierOf, verifiersOf } from '../../commands/scram.ts'
import { scramExchange } from '../../gateways/wire/scram.ts'
import { ImapClient } from '../support/imap-client.ts'
import { FakeDirectory } from '../support/journal.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { base64, ScramClient, unbase64 } from '../support/scram-client.ts'

describe('SCRAM-SHA-256', () => {
  it('is that of RFC 7677 §3', async () => {
    const verifier = await verifierOf('pencil', 'W22ZaJ0SNY7soEsUEjb6gQ==', 4096)
    assert.ok(verifier)
    const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
    const message = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`
    const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64')
    const signature = checkProof([verifier], message, proof)
    assert.equal(signature?.toString('base64'), '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
    assert.equal(checkProof([verifier], `${message}x`, proof), undefined)
    assert.equal(checkProof([verifier], message, proof.subarray(1)), undefined)
    assert.equal(checkProof([], message, proof), undefined)
  })

  it('prepares passwords by RFC 4013 §3', () => {
    assert.equal(saslPrep('I\u00adX'), 'IX')
    assert.equal(saslPrep('user'), 'user')
    assert.equal(saslPrep('USER'), 'USER')
    assert.equal(saslPrep('\u00aa'), 'a')
    assert.equal(saslPrep('\u2168'), 'IX')
    assert.equal(saslPrep('\u0007'), undefined)
    assert.equal(saslPrep('a\u00a0b'), 'a b')
  })

  it('keeps one salt for the password and the app passwords of an account', async () => {
    const { scram } = await newVerifier(undefined, 'correct horse')
    const app = await newVerifier({ scram: scram ?? null, appPasswords: [] }, 'another secret')
    assert.equal(app.scram?.salt, scram?.salt)
    assert.notEqual(app.scram?.storedKey, scram?.storedKey)
    const other = await newVerifier(undefined, 'correct horse')
    assert.notEqual(other.scram?.salt, scram?.salt)
    const all = [app.scram, other.scram].map((each, i) => ({ id: `${i}`, label: '', hash: '', scram: each ?? null }))
    assert.deepEqual(verifiersOf({ scram: scram ?? null, appPasswords: all }), [scram, app.scram])
  })

  it('refuses whatever is no SCRAM message, and never throws', async () => {
    const directory = new FakeDirectory()
    directory.add('a', 'kim@example.test', await newVerifier(undefined, PASSWORD))
    const services = { directory, nameHash: () => 'ab'.repeat(20), log: () => undefined, count: () => undefined }
    const piece = fc.constantFrom(
      'n,,',
      'y,,',
      'p=x,,',
      'a=',
      'n=kim@example.test',
      ',',
      'r=abc',
      'm=1',
      '=2C',
      '=',
      '\0',
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(piece).map((parts) => parts.join('')),
    )
    await fc.assert(
      fc.asyncProperty(text, text, fc.boolean(), async (first, last, plus) => {
        const peer = { initial: Buffer.from(first), ask: async () => Buffer.from(last), binding: undefined }
        assert.equal(await scramExchange(services, peer, { plus }), undefined)
      }),
      { numRuns: 500 },
    )
  })
})

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

/** Signs in by AUTHENTICATE; what the server answered at the end, and whether it proved itself. */
async function authenticate(client: ImapClient, mechanism: string, scram: ScramClient) {
  client.raw(`a AUTHENTICATE ${mechanism} ${base64(scram.first)}\r\n`)
  const challenge = await client.line()
  if (!challenge.startsWith('+ ')) return { answer: challenge, challenge: '', trusted: false }
  client.raw(`${base64(scram.last(unbase64(challenge.slice(2))))}\r\n`)
  const final = await client.line()
  if (!final.startsWith('+ ')) return { answer: final, challenge: unbase64(challenge.slice(2)), trusted: false }
  const trusted = scram.trusts(unbase64(final.slice(2)))
  client.raw('\r\n')
  return { answer: await client.line(), challenge: unbase64(challenge.slice(2)), trusted }
}

async function connected(t: TestContext, tls: boolean): Promise<ImapClient> {
  const client = await ImapClient.connect(await access.imap(t))
  t.after(() => client.close())
  if (tls) await client.startTls()
  return client
}

async function person(): Promise<string> {
  const name = await access.person()
  await access.changePassword(name, { scram: true })
  return name
}

const exporter = (socket: TLSSocket) => socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
const endPoint = (socket: TLSSocket) => createHash('sha256').update(socket.getPeerCertificate().raw).digest()

describe('SCRAM over IMAP', () => {
  it('signs in without the password going over the line, by any spelling of the name', async (t) => {
    const name = await person()
    for (const spelling of [`${name}@example.test`, `${name.toUpperCase()}@Example.TEST`, `${name}+tag@example.test`]) {
      const client = await connected(t, false)
      const scram = new ScramClient({ name: spelling, password: PASSWORD })
      const { answer, trusted } = await authenticate(client, 'SCRAM-SHA-256', scram)
      assert.match(answer, /^a OK \[CAPABILITY /)
      assert.ok(trusted)
    }
  })

  it('takes app passwords in the same exchange, and no revoked or wrong ones', async (t) => {
    const name = await person()
    const secret = await access.token(name)
    const with_ = async (password: string) =>
      authenticate(
        await connected(t, false),
        'SCRAM-SHA-256',
        new ScramClient({ name: `${name}@example.test`, password }),
      )
    assert.match((await with_(secret)).answer, /^a OK/)
    assert.match((await with_(PASSWORD)).answer, /^a OK/)
    assert.match((await with_('wrong horse')).answer, /^a NO \[AUTHENTICATIONFAILED\]/)
  })

  it('tells nobody which accounts there are', async (t) => {
    const known = await person()
    const old = await access.person()
    const ask = async (name: string) => {
      const client = await connected(t, false)
      const scram = new ScramClient({ name: `${name}@example.test`, password: 'wrong horse' })
      const { answer, challenge } = await authenticate(client, 'SCRAM-SHA-256', scram)
      assert.match(answer, /^a NO \[AUTHENTICATIONFAILED\]/)
      const [, salt = '', iterations] = /,s=([^,]+),i=(\d+)$/.exec(challenge) ?? []
      assert.equal(Buffer.from(salt, 'base64').length, 16)
      assert.equal(Number(iterations), SCRAM_ITERATIONS)
      return salt
    }
    assert.equal(await ask('nobody'), await ask('nobody'))
    assert.equal(await ask('nobody+tag'), await ask('nobody'), 'a tag changes as little as it does for an account')
    assert.notEqual(await ask('nobody'), await ask('somebody'))
    assert.equal(await ask(known), await ask(`${known}+tag`))
    assert.equal(await ask(old), await ask(old), 'an account from before there were verifiers')
  })

  it('binds to the channel, over TLS alone', async (t) => {
    const name = await person()
    const plain = await connected(t, false)
    assert.doesNotMatch((await plain.ok('CAPABILITY')).lines.join(), /SCRAM-SHA-256-PLUS/)
    assert.match((await plain.send('AUTHENTICATE SCRAM-SHA-256-PLUS biws')).text, /not known/)
    const ways = { 'tls-exporter': exporter, 'tls-server-end-point': endPoint }
    for (const [type, bytes] of Object.entries(ways)) {
      const client = await connected(t, true)
      assert.match((await client.ok('CAPABILITY')).lines.join(), /AUTH=SCRAM-SHA-256-PLUS/)
      const asked = { name: `${name}@example.test`, password: PASSWORD, header: `p=${type},,` }
      const good = await authenticate(
        client,
        'SCRAM-SHA-256-PLUS',
        new ScramClient({ ...asked, binding: bytes(client.tls) }),
      )
      assert.match(good.answer, /^a OK/, type)
      assert.ok(good.trusted)
      const other = await connected(t, true)
      const bad = new ScramClient({ ...asked, binding: Buffer.alloc(32, 1) })
      assert.match((await authenticate(other, 'SCRAM-SHA-256-PLUS', bad)).answer, /^a NO/, 'somebody in between')
    }
  })

  it('refuses a downgrade, bindings that are not there, and acting for another', async (t) => {
    const name = await person()
    const other = await person()
    const asked = { name: `${name}@example.test`, password: PASSWORD }
    const tries: readonly [string, object][] = [
      ['SCRAM-SHA-256', { header: 'y,,' }],
      ['SCRAM-SHA-256', { header: 'p=tls-exporter,,' }],
      ['SCRAM-SHA-256-PLUS', {}],
      ['SCRAM-SHA-256-PLUS', { header: 'p=tls-unique,,' }],
      ['SCRAM-SHA-256', { header: `n,a=${other}@example.test,` }],
    ]
    for (const [mechanism, more] of tries) {
      const { answer } = await authenticate(await connected(t, true), mechanism, new ScramClient({ ...asked, ...more }))
      assert.match(answer, /^a NO/, JSON.stringify(more))
    }
    const self = new ScramClient({ ...asked, header: `n,a=${name}@example.test,` })
    assert.match((await authenticate(await connected(t, true), 'SCRAM-SHA-256', self)).answer, /^a OK/)
  })
})

describe('OAUTHBEARER (RFC 7628)', () => {
  const response = (name: string, token: string) =>
    base64(`n,a=${name}@example.test,\x01host=mail.example.test\x01port=993\x01auth=Bearer ${token}\x01\x01`)

  it('takes a token of everpost token create', async (t) => {
    const name = await access.person()
    const token = await access.token(name)
    const client = await connected(t, true)
    assert.equal((await client.send(`AUTHENTICATE OAUTHBEARER ${response(name, token)}`)).status, 'OK')
  })

  it('says why not in JSON, and fails when that is acknowledged', async (t) => {
    const name = await access.person()
    const other = await access.person()
    const token = await access.token(name)
    const tries: readonly [string, string][] = [
      [response(name, `${token}x`), 'invalid_token'],
      [response(other, token), 'invalid_token'],
      [response(name, 'something.else'), 'invalid_token'],
      [base64('n,,\x01auth=Basic abc\x01\x01'), 'invalid_request'],
      [base64('nonsense'), 'invalid_request'],
    ]
    for (const [initial, status] of tries) {
      const client = await connected(t, true)
      client.raw(`a AUTHENTICATE OAUTHBEARER ${initial}\r\n`)
      const reason = JSON.parse(unbase64((await client.line()).slice(2)))
      assert.deepEqual(reason, { status, schemes: 'bearer' })
      client.raw('AQ==\r\n')
      assert.match(await client.line(), /^a NO \[AUTHENTICATIONFAILED\]/)
    }
  })
})

describe('POP3', () => {
  it('signs in by SCRAM and by a token', async (t) => {
    const name = await person()
    const port = await access.pop3(t)
    const { createConnection } = await import('node:net')
    const { createInterface } = await import('node:readline')
    const open = async () => {
      const socket = createConnection(port, '127.0.0.1')
      t.after(() => socket.destroy())
      const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
      const line = async () => (await lines.next()).value as string
      await line()
      return { line, write: (text: string) => socket.write(`${text}\r\n`) }
    }
    const { line, write } = await open()
    const scram = new ScramClient({ name: `${name}@example.test`, password: PASSWORD })
    write(`AUTH SCRAM-SHA-256 ${base64(scram.first)}`)
    write(base64(scram.last(unbase64((await line()).slice(2)))))
    assert.ok(scram.trusts(unbase64((await line()).slice(2))))
    write('')
    assert.match(await line(), /^\+OK 0 messages/)
    const second = await open()
    second.write(`AUTH OAUTHBEARER ${base64(`n,,\x01auth=Bearer ${await access.token(name)}\x01\x01`)}`)
    assert.match(await second.line(), /^\+OK/)
    const third = await open()
    third.write('AUTH SCRAM-SHA-256-PLUS')
    assert.match(await third.line(), /^-ERR/)
  })
})

describe('implicit TLS', () => {
  it('binds as STARTTLS does', async (t) => {
    const name = await person()
    const port = await access.imap(t, { implicitTls: true })
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    t.after(() => socket.destroy())
    const client = ImapClient.over(socket)
    assert.match(await client.line(), /SCRAM-SHA-256-PLUS/)
    const asked = { name: `${name}@example.test`, password: PASSWORD, header: 'p=tls-exporter,,' }
    const scram = new ScramClient({ ...asked, binding: exporter(socket) })
    assert.match((await authenticate(client, 'SCRAM-SHA-256-PLUS', scram)).answer, /^a OK/)
  })
})

describe('a token as a password', () => {
  it('signs in by whatever way passwords go, to its own account alone', async (t) => {
    const name = await person()
    const other = await person()
    const token = await access.token(name)
    const client = await connected(t, false)
    assert.equal((await client.send(`LOGIN ${other}@example.test "${token}"`)).status, 'NO')
    assert.equal((await client.send(`LOGIN ${name}@example.test "${token}"`)).status, 'OK')
  })
})
