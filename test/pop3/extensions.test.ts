// What CAPA promises (RFC 2449 and those that came after), each kept.
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { Pop3Client } from '../support/pop3-client.ts'
import { base64, ScramClient, unbase64 } from '../support/scram-client.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

async function person(t: TestContext, ...mails: readonly string[]) {
  const name = await access.person()
  await access.changePassword(name, { scram: true })
  for (const each of mails) await access.deliver(name, each)
  await access.settle()
  const port = await access.pop3(t)
  const connected = async () => {
    const client = new Pop3Client(port)
    t.after(() => client.close())
    assert.match(await client.line(), /^\+OK mail\.example\.test Everpost ready$/)
    return client
  }
  const signedIn = async () => {
    const client = await connected()
    await client.say(`USER ${name}@example.test`)
    assert.match(await client.say(`PASS ${PASSWORD}`), /^\+OK/)
    return client
  }
  return { name, connected, signedIn }
}

const mail = 'Subject: one\r\nFrom: a@b.c\r\n\r\nfirst\r\nsecond\r\n'

describe('CAPA (RFC 2449)', () => {
  it('says before sign-in what there is, and afterwards what is left', async (t) => {
    const { connected, signedIn } = await person(t)
    const common = ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING', 'EXPIRE NEVER', 'UTF8 USER', 'LANG']
    const last = 'IMPLEMENTATION Everpost'
    const sasl = 'SASL SCRAM-SHA-256 OAUTHBEARER PLAIN LOGIN'
    assert.deepEqual(await (await connected()).lines('CAPA'), [...common, 'USER', sasl, 'STLS', last])
    assert.deepEqual(await (await signedIn()).lines('CAPA'), [...common, last])
  })
})

describe('STLS (RFC 2595 §4)', () => {
  it('begins TLS; what was said in clear is forgotten', async (t) => {
    const { name, connected } = await person(t)
    const client = await connected()
    await client.say(`USER ${name}@example.test`)
    assert.match(await client.say('STLS'), /^\+OK/)
    await client.startTls()
    assert.match(await client.say(`PASS ${PASSWORD}`), /^-ERR USER comes before PASS/)
    const capabilities = await client.lines('CAPA')
    assert.ok(!capabilities.includes('STLS'))
    assert.ok(capabilities.includes('SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER PLAIN LOGIN'))
    assert.match(await client.say('STLS'), /^-ERR/)
    await client.say(`USER ${name}@example.test`)
    assert.match(await client.say(`PASS ${PASSWORD}`), /^\+OK/)
    assert.match(await client.say('STLS'), /^-ERR/)
  })
})

describe('SASL (RFC 5034)', () => {
  it('lists its mechanisms, and takes each, with and without an initial response', async (t) => {
    const { name, connected } = await person(t)
    const lister = await connected()
    assert.deepEqual(await lister.lines('AUTH'), ['SCRAM-SHA-256', 'OAUTHBEARER', 'PLAIN', 'LOGIN'])
    const plain = base64(`\0${name}@example.test\0${PASSWORD}`)
    assert.match(await (await connected()).say(`AUTH PLAIN ${plain}`), /^\+OK/)
    const waiting = await connected()
    assert.equal(await waiting.say('AUTH PLAIN'), '+ ')
    assert.match(await waiting.say(plain), /^\+OK/)
    const login = await connected()
    assert.equal(await login.say('AUTH LOGIN'), `+ ${base64('Username:')}`)
    assert.equal(await login.say(base64(`${name}@example.test`)), `+ ${base64('Password:')}`)
    assert.match(await login.say(base64(PASSWORD)), /^\+OK/)
    const given = await connected()
    await given.say('AUTH PLAIN')
    assert.match(await given.say('*'), /^-ERR/)
    assert.match(await given.say('AUTH PLAIN n!t base64'), /^-ERR/)
    assert.match(await given.say('AUTH CRAM-MD5'), /^-ERR This mechanism is not known/)
  })

  it('binds SCRAM to the TLS below it', async (t) => {
    const { name, connected } = await person(t)
    const client = await connected()
    await client.say('STLS')
    const tls = await client.startTls()
    const binding = tls.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
    const asked = { name: `${name}@example.test`, password: PASSWORD, header: 'p=tls-exporter,,', binding }
    const scram = new ScramClient(asked)
    const challenge = await client.say(`AUTH SCRAM-SHA-256-PLUS ${base64(scram.first)}`)
    const final = await client.say(base64(scram.last(unbase64(challenge.slice(2)))))
    assert.ok(scram.trusts(unbase64(final.slice(2))))
    assert.match(await client.say(''), /^\+OK/)
  })
})

describe('UIDL and TOP (RFC 1939 §7)', () => {
  it('name a message for good, and give its beginning', async (t) => {
    const { signedIn } = await person(t, mail, mail)
    const first = await signedIn()
    const ids = await first.lines('UIDL')
    assert.equal(new Set(ids).size, 2)
    assert.equal(await first.say('UIDL 2'), `+OK ${ids[1]}`)
    assert.deepEqual(await (await signedIn()).lines('UIDL'), ids)
    assert.deepEqual(await first.lines('TOP 1 1'), ['Subject: one', 'From: a@b.c', '', 'first'])
    assert.deepEqual(await first.lines('TOP 1 99'), mail.trimEnd().split('\r\n'))
    for (const bad of ['TOP', 'TOP 1', 'TOP 1 x', 'TOP 9 1', 'UIDL 9', 'UIDL x'])
      assert.match(await first.say(bad), /^-ERR/, bad)
  })
})

describe('RESP-CODES (RFC 2449 §8) and AUTH-RESP-CODE (RFC 3206)', () => {
  it('tell a wrong password from one that came too often, and a mailbox in use', async (t) => {
    const { name, connected } = await person(t)
    const client = await connected()
    for (let i = 0; i < 10; i++) {
      await client.say(`USER ${name}@example.test`)
      assert.match(await client.say('PASS wrong'), /^-ERR \[AUTH\] /)
    }
    await client.say(`USER ${name}@example.test`)
    assert.match(await client.say('PASS wrong'), /^-ERR \[LOGIN-DELAY\] /)
    const port = await access.pop3(t, { sharing: 'exclusive' })
    const other = await access.person()
    const two = [new Pop3Client(port), new Pop3Client(port)]
    const answers: string[] = []
    for (const each of two) {
      t.after(() => each.close())
      await each.line()
      await each.say(`USER ${other}@example.test`)
      answers.push(await each.say(`PASS ${PASSWORD}`))
    }
    assert.match(answers.join('\n'), /^\+OK .*\n-ERR \[IN-USE\] /)
  })
})

describe('PIPELINING (RFC 2449 §6.6)', () => {
  it('answers what was said at once, in its order', async (t) => {
    const { name, connected } = await person(t, mail)
    const client = await connected()
    client.write(`USER ${name}@example.test`, `PASS ${PASSWORD}`, 'STAT', 'UIDL 1', 'DELE 1', 'RSET', 'NOOP', 'QUIT')
    const answers: string[] = []
    for (let i = 0; i < 8; i++) answers.push(await client.line())
    assert.ok(
      answers.every((answer) => answer.startsWith('+OK')),
      answers.join('\n'),
    )
    assert.match(answers[2] ?? '', /^\+OK 1 \d+$/)
    assert.equal(await client.line(), '', 'the server closes')
  })
})

describe('EXPIRE (RFC 2449 §6.7)', () => {
  it('is NEVER: what is not deleted stays, however often it was read', async (t) => {
    const { signedIn } = await person(t, mail)
    for (let i = 0; i < 3; i++) {
      const client = await signedIn()
      await client.lines('RETR 1')
      assert.match(await client.say('QUIT'), /^\+OK/)
    }
    assert.match(await (await signedIn()).say('STAT'), /^\+OK 1 /)
  })
})

describe('UTF8 and LANG (RFC 6856)', () => {
  it('read names and give messages as UTF-8, and speak English', async (t) => {
    const text = 'Subject: 안녕\r\nFrom: 김 <a@b.c>\r\n\r\n본문\r\n'
    const { name, connected } = await person(t, text)
    const client = await connected()
    assert.match(await client.say('UTF8'), /^\+OK/)
    await client.say(`USER ${name}@example.test`)
    assert.match(await client.say(`PASS ${PASSWORD}`), /^\+OK/)
    assert.match(await client.say('UTF8'), /^-ERR/)
    const given = Buffer.from((await client.lines('RETR 1')).join('\r\n'), 'latin1').toString('utf8')
    assert.equal(given, text.trimEnd())
    assert.deepEqual(await client.lines('LANG'), ['en English'])
    assert.match(await client.say('LANG en'), /^\+OK en /)
    assert.match(await client.say('LANG *'), /^\+OK en /)
    assert.match(await client.say('LANG tlh'), /^-ERR/)
  })
})
