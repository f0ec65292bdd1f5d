import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { DotStuffer, TopLines } from '../../gateways/pop3/commands/stuffing.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { Pop3Client as Client } from '../support/pop3-client.ts'
import { randomFrom } from '../support/random.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

const mail = (subject: string, body: string): string => `Subject: ${subject}\r\nFrom: a@b.c\r\n\r\n${body}`

async function personWith(t: TestContext, mails: readonly string[], sharing: 'shared' | 'exclusive' = 'shared') {
  const name = await access.person()
  for (const each of mails) await access.deliver(name, each)
  await access.settle()
  const port = await access.pop3(t, { sharing })
  const enter = async () => {
    const client = new Client(port)
    t.after(() => client.close())
    await client.line()
    await client.say(`USER ${name}@example.test`)
    return { client, answer: await client.say(`PASS ${PASSWORD}`) }
  }
  return { name, port, enter }
}

describe('POP3', () => {
  it('lists and gives messages byte for byte', async (t) => {
    const body = 'one\r\n.two\r\n..three\r\nlast without end'
    const { enter } = await personWith(t, [mail('first', body), mail('second', 'x\r\n')])
    const { client, answer } = await enter()
    assert.match(answer, /^\+OK 2 messages/)
    assert.match(await client.say('STAT'), /^\+OK 2 \d+$/)
    assert.equal((await client.lines('LIST')).length, 2)
    assert.deepEqual(await client.lines('UIDL'), ['1 1.7', '2 1.8'])
    assert.equal((await client.lines('RETR 1')).join('\r\n'), mail('first', body))
    assert.deepEqual(await client.lines('TOP 1 1'), ['Subject: first', 'From: a@b.c', '', 'one'])
    assert.deepEqual(await client.lines('TOP 1 0'), ['Subject: first', 'From: a@b.c', ''])
    assert.match(await client.say('RETR 3'), /^-ERR There is no such message/)
    assert.match(await client.say('LIST nonsense'), /^-ERR/)
  })

  it('deletes at QUIT and not before', async (t) => {
    const { enter } = await personWith(t, [mail('first', 'x\r\n'), mail('second', 'y\r\n')])
    const one = await enter()
    assert.match(await one.client.say('DELE 1'), /^\+OK/)
    assert.match(await one.client.say('RETR 1'), /^-ERR This message is marked as deleted/)
    assert.match(await one.client.say('STAT'), /^\+OK 1 /)
    one.client.close()
    const two = await enter()
    assert.match(two.answer, /^\+OK 2 messages/)
    await two.client.say('DELE 1')
    assert.match(await two.client.say('RSET'), /^\+OK 2 messages/)
    await two.client.say('DELE 2')
    assert.match(await two.client.say('QUIT'), /^\+OK/)
    await access.settle()
    const three = await enter()
    assert.match(three.answer, /^\+OK 1 messages/)
    assert.deepEqual(await three.client.lines('UIDL'), ['1 1.7'])
  })

  it('gives a mailbox to one session at a time when told to', async (t) => {
    const { enter } = await personWith(t, [], 'exclusive')
    const first = await enter()
    assert.match((await enter()).answer, /^-ERR \[IN-USE\]/)
    await first.client.say('QUIT')
    while ((await first.client.line()) !== '');
    assert.match((await enter()).answer, /^\+OK/)
  })

  it('says what it can, speaks SASL, refuses what is wrong', async (t) => {
    const { port, name } = await personWith(t, [])
    const client = new Client(port)
    t.after(() => client.close())
    await client.line()
    const capabilities = await client.lines('CAPA')
    for (const wanted of [
      'TOP',
      'UIDL',
      'STLS',
      'SASL SCRAM-SHA-256 OAUTHBEARER PLAIN LOGIN',
      'RESP-CODES',
      'AUTH-RESP-CODE',
      'PIPELINING',
      'UTF8 USER',
    ])
      assert.ok(capabilities.includes(wanted), wanted)
    assert.match(await client.say('STAT'), /^-ERR Sign in first/)
    assert.match(await client.say('PASS x'), /^-ERR USER comes before/)
    assert.match(await client.say('NONSENSE'), /^-ERR/)
    assert.match(await client.say('LANG xx'), /^-ERR/)
    await client.say(`USER ${name}@example.test`)
    assert.match(await client.say('PASS wrong'), /^-ERR \[AUTH\]/)
    const token = Buffer.from(`\0${name}@example.test\0${PASSWORD}`).toString('base64')
    assert.match(await client.say(`AUTH PLAIN ${token}`), /^\+OK 0 messages/)
    assert.match(await client.say('USER again'), /^-ERR You are signed in already/)
    assert.match(await client.say('x'.repeat(9000)), /^-ERR This line is too long/)
    assert.match(await client.say('NOOP'), /^\+OK/)
  })

  it('takes no password without TLS where that is not allowed', async (t) => {
    const port = await access.pop3(t, { insecureAuth: false })
    const client = new Client(port)
    t.after(() => client.close())
    await client.line()
    assert.match(await client.say('USER a@example.test'), /^-ERR \[AUTH\] Start TLS first/)
  })

  it('answers bytes without sense, and nothing is our fault', async (t) => {
    const { enter } = await personWith(t, [mail('first', 'x\r\n')])
    const random = randomFrom(7)
    const words = [
      'RETR',
      'TOP',
      'LIST',
      'UIDL',
      'DELE',
      'CAPA',
      'AUTH',
      '1',
      '-1',
      '99999999999',
      '',
      '\0',
      '1 x',
      'UTF8',
    ]
    let { client } = await enter()
    for (let i = 0; i < 500; i++) {
      const line = Array.from({ length: 1 + random(3) }, () => words[random(words.length)] ?? '').join(' ')
      const answer = await client.say(line)
      if (answer === '' || answer.startsWith('-ERR Too many')) ({ client } = await enter())
      else if (
        /^(RETR|TOP|LIST|UIDL|CAPA|LANG)/i.test(line) &&
        answer.startsWith('+OK') &&
        !/^\+OK \d+ \S+$/.test(answer)
      )
        while ((await client.line()) !== '.');
    }
    assert.deepEqual(
      access.logged.filter((line) => !line.startsWith('sign-in refused')),
      [],
    )
  })
})

describe('a multi-line answer', () => {
  it('doubles dots and completes line ends wherever the pieces are cut', () => {
    const raw = Buffer.from('.a\r\n..b\nc\r.\r\n.\r\nend')
    const whole = new DotStuffer()
    const expected = Buffer.concat([whole.push(raw), whole.end()]).toString('latin1')
    assert.equal(expected, '..a\r\n...b\r\nc\r.\r\n..\r\nend\r\n.\r\n')
    for (let cut = 0; cut <= raw.length; cut++) {
      const stuffer = new DotStuffer()
      const pieces = [stuffer.push(raw.subarray(0, cut)), stuffer.push(raw.subarray(cut)), stuffer.end()]
      assert.equal(Buffer.concat(pieces).toString('latin1'), expected)
    }
  })

  it('stops where TOP says', () => {
    const raw = Buffer.from('H: 1\r\nI: 2\r\n\r\none\r\ntwo\r\nthree\r\n')
    for (let cut = 0; cut <= raw.length; cut++) {
      const top = new TopLines(2)
      const first = top.take(raw.subarray(0, cut))
      const rest = top.done ? Buffer.alloc(0) : top.take(raw.subarray(cut))
      assert.equal(Buffer.concat([first, rest]).toString(), 'H: 1\r\nI: 2\r\n\r\none\r\ntwo\r\n')
    }
  })
})
