// Where our people send: signed in over TLS, as themselves, to anyone.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { folderIdFor } from '../../commands/open-account.ts'
import { isRedacted, mailboxStream, submissionStream } from '../../domain/log.ts'
import { eventsOf, mailboxOf, typesOf } from '../support/journal.ts'
import { plainAuth, SmtpClient } from '../support/smtp-client.ts'
import { PASSWORD, startSmtp } from './listener.ts'

const MESSAGE = 'From: ann@example.test\r\nTo: bob@example.test\r\nSubject: Hello\r\n\r\nText.\r\n'
const b64 = (text: string) => Buffer.from(text).toString('base64')

async function signedIn(
  port: number,
  address = 'ann@example.test',
  options: { tls?: boolean } = {},
): Promise<SmtpClient> {
  const client = await SmtpClient.ready(port, options)
  if (!options.tls) {
    await client.startTls()
    await client.command('EHLO client.test')
  }
  const reply = await client.command(`AUTH PLAIN ${plainAuth(address, PASSWORD)}`)
  assert.equal(reply.code, 235, reply.text)
  return client
}

describe('STARTTLS', () => {
  it('upgrades the connection, on mx too, and the message says so', async (t) => {
    const { port, arrived } = await startSmtp(t)
    const client = await SmtpClient.ready(port)
    await client.startTls()
    const { text } = await client.command('EHLO client.test')
    assert.doesNotMatch(text, /STARTTLS/)
    assert.equal((await client.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)).code, 250)
    const [mail] = await arrived('ann')
    assert.match(mail?.raw.toString() ?? '', /with ESMTPS id/)
    await client.quit()
  })

  it('drops what was said before it: commands in the clear never run inside', async (t) => {
    const { port, arrived } = await startSmtp(t)
    const client = await SmtpClient.ready(port)
    await client.command('MAIL FROM:<early@elsewhere.test>')
    void client.write(
      'STARTTLS\r\nMAIL FROM:<injected@elsewhere.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nSubject: injected\r\n\r\nx\r\n.\r\n',
    )
    assert.equal((await client.reply()).code, 220)
    await client.upgrade()
    assert.equal((await client.command('RCPT TO:<ann@example.test>')).code, 503, 'the sender from before is forgotten')
    assert.equal((await client.command('EHLO client.test')).code, 250)
    assert.equal((await client.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)).code, 250)
    assert.deepEqual(
      (await arrived('ann')).map(({ event }) => event.data.mailFrom),
      ['x@elsewhere.test'],
    )
    await client.quit()
  })
})

describe('AUTH', () => {
  it('is neither offered nor taken in the clear, and nothing is sent without it', async (t) => {
    const { port } = await startSmtp(t, { kind: 'submission' })
    const client = await SmtpClient.ready(port)
    const { text } = await client.command('EHLO client.test')
    assert.match(text, /STARTTLS/)
    const auth = await client.command(`AUTH PLAIN ${plainAuth('ann@example.test', PASSWORD)}`)
    assert.ok([538, 530, 503, 502].includes(auth.code), `${auth.code} ${auth.text}`)
    assert.equal((await client.command('MAIL FROM:<ann@example.test>')).code, 530)
    await client.quit()
  })

  it('takes PLAIN and LOGIN over TLS, by STARTTLS and on the TLS port', async (t) => {
    const { port } = await startSmtp(t, { kind: 'submission' })
    const client = await signedIn(port)
    assert.equal((await client.command('MAIL FROM:<ann@example.test>')).code, 250)
    await client.quit()
    const implicit = await startSmtp(t, { kind: 'submission', implicitTls: true })
    const other = await SmtpClient.connect(implicit.port, { tls: true })
    assert.equal((await other.reply()).code, 220)
    assert.match((await other.command('EHLO client.test')).text, /AUTH PLAIN LOGIN|AUTH LOGIN PLAIN/)
    assert.equal((await other.command('AUTH LOGIN')).code, 334)
    assert.equal((await other.command(b64('ann@example.test'))).code, 334)
    assert.equal((await other.command(b64(PASSWORD))).code, 235)
    await other.quit()
  })

  it('is taken in the clear on a loopback listener that was told so', async (t) => {
    const { port } = await startSmtp(t, { kind: 'submission', insecureAuth: true })
    const client = await SmtpClient.ready(port)
    assert.equal((await client.command(`AUTH PLAIN ${plainAuth('ann@example.test', PASSWORD)}`)).code, 235)
    await client.quit()
  })

  it('refuses wrong passwords with 535, after ten of them with 421, and then the right one too', async (t) => {
    const { port, logged } = await startSmtp(t, { kind: 'submission', implicitTls: true })
    const codes: number[] = []
    for (let i = 0; i < 12; i++) {
      const client = await SmtpClient.ready(port, { tls: true })
      const who = i % 2 === 0 ? 'ann@example.test' : 'nobody@example.test'
      codes.push((await client.command(`AUTH PLAIN ${plainAuth(who, 'wrong password')}`)).code)
      client.destroy()
    }
    assert.deepEqual(codes, [...Array.from({ length: 10 }, () => 535), 421, 421])
    const client = await SmtpClient.ready(port, { tls: true })
    assert.equal((await client.command(`AUTH PLAIN ${plainAuth('ann@example.test', PASSWORD)}`)).code, 421)
    client.destroy()
    assert.equal(logged.filter((line) => line.startsWith('sign-in refused')).length, 10)
    assert.doesNotMatch(logged.join('\n'), /wrong password|correct horse/)
  })
})

describe('submission', () => {
  it('lets people send only as themselves', async (t) => {
    const { port, directory, ids } = await startSmtp(t, { kind: 'submission' })
    directory.addresses.set('sales@example.test', ids['ann'] ?? '')
    const client = await signedIn(port)
    for (const [sender, code] of [
      ['bob@example.test', 553],
      ['x@elsewhere.test', 553],
      ['', 553],
      ['sales@example.test', 250],
    ] as const) {
      const reply = await client.command(`MAIL FROM:<${sender}>`)
      assert.equal(reply.code, code, `${sender}: ${reply.text}`)
      if (code === 553) assert.match(reply.text, /^5\.7\.1 /)
      await client.command('RSET')
    }
    await client.quit()
  })

  it('delivers to people here, and keeps mail for elsewhere as a submission that waits', async (t) => {
    const { port, journal, ids, arrived } = await startSmtp(t, { kind: 'submission' })
    const client = await signedIn(port)
    const reply = await client.send('ann@example.test', ['bob@example.test', 'x@elsewhere.test'], MESSAGE)
    assert.equal(reply.code, 250)
    const id = reply.text.split(' ').at(-1) ?? ''
    assert.deepEqual(await typesOf(journal, submissionStream(id)), ['MessageSubmitted', 'RecipientDelivered'])
    const [mail] = await arrived('bob')
    assert.ok(mail)
    assert.match(mail.raw.toString(), /^Received: from client\.test[\s\S]*with ESMTPSA id/)
    assert.ok(mail.raw.toString().endsWith(MESSAGE))
    const sent = [...(await mailboxOf(journal, ids['ann'] ?? '')).messages.values()]
    assert.deepEqual(
      sent.map(({ folderId }) => folderId),
      [folderIdFor(ids['ann'] ?? '', 'sent')],
    )
    const events = await eventsOf(journal, mailboxStream(ids['ann'] ?? ''))
    const last = events.at(-1)
    assert.ok(last && !isRedacted(last))
    assert.equal(last.metadata.actor, ids['ann'])
    const unknown = await client.send('ann@example.test', ['nobody@example.test'], MESSAGE)
    assert.deepEqual([unknown.code, unknown.text.slice(0, 5)], [550, '5.1.1'])
    await client.quit()
  })

  it('adds Date and Message-ID where they are missing, and only there', async (t) => {
    const { port, arrived } = await startSmtp(t, { kind: 'submission', now: () => Date.UTC(2026, 2, 1, 9, 30, 5) })
    const client = await signedIn(port)
    const count = (raw: string, field: RegExp) => raw.slice(0, raw.indexOf('\r\n\r\n') + 2).match(field)?.length ?? 0
    for (const [message, date, id] of [
      ['Subject: a\r\n\r\nDate: not a field\r\n', 'Sun, 01 Mar 2026 09:30:05 +0000', /@mail\.example\.test>/],
      [
        'Date: Mon, 1 Jan 2024 00:00:00 +0900\r\nmessage-id: <own@client>\r\nSubject: a\r\n\r\nx\r\n',
        'Mon, 1 Jan 2024 00:00:00 +0900',
        /<own@client>/,
      ],
      ['\r\nno header at all\r\n', 'Sun, 01 Mar 2026 09:30:05 +0000', /@mail\.example\.test>/],
    ] as const) {
      assert.equal((await client.send('ann@example.test', ['bob@example.test'], message)).code, 250)
      const raw = (await arrived('bob')).at(-1)?.raw.toString() ?? ''
      assert.equal(count(raw, /^date:/gim), 1, raw)
      assert.equal(count(raw, /^message-id:/gim), 1, raw)
      assert.ok(raw.includes(date))
      assert.match(raw, id)
      assert.ok(raw.endsWith(message))
    }
    await client.quit()
  })

  it('limits how many messages an account sends', async (t) => {
    const { port } = await startSmtp(t, { kind: 'submission', limits: { messageRate: { burst: 2, perSecond: 0.001 } } })
    const client = await signedIn(port)
    for (const code of [250, 250, 451])
      assert.equal((await client.send('ann@example.test', ['bob@example.test'], MESSAGE)).code, code)
    await client.quit()
    const other = await signedIn(port, 'bob@example.test')
    assert.equal((await other.send('bob@example.test', ['ann@example.test'], MESSAGE)).code, 250, 'others may')
    await other.quit()
  })
})

describe('what reports a sender wants', () => {
  it('is offered to our people, kept with the submission, and refused when it makes no sense', async (t) => {
    const { port, journal, ids } = await startSmtp(t, { kind: 'submission' })
    const client = await signedIn(port)
    assert.match((await client.command('EHLO client.test')).text, /^DSN$/m)
    await client.command('MAIL FROM:<ann@example.test> RET=HDRS ENVID=QQ+2B1')
    const to = 'RCPT TO:<far@elsewhere.test>'
    assert.equal((await client.command(`${to} NOTIFY=NEVER,DELAY`)).code, 501)
    assert.equal((await client.command(`${to} NOTIFY=SUCCESS,DELAY ORCPT=rfc822;far+2Bx@elsewhere.test`)).code, 250)
    assert.equal((await client.command('DATA')).code, 354)
    const reply = await client.command(`${MESSAGE}.`)
    assert.equal(reply.code, 250)
    const id = reply.text.split(' ').at(-1) ?? ''
    const [submitted] = await eventsOf(journal, submissionStream(id))
    assert.ok(submitted && !isRedacted(submitted) && submitted.type === 'MessageSubmitted')
    assert.equal(submitted.data.accountId, ids['ann'])
    assert.deepEqual(submitted.data.envelope, { envelopeId: 'QQ+1', returns: 'headers' })
    assert.deepEqual(submitted.data.recipients, [
      { address: 'far@elsewhere.test', notify: ['success', 'delay'], originalRecipient: 'rfc822;far+x@elsewhere.test' },
    ])
    await client.quit()
  })
  it('is not offered to the world', async (t) => {
    const { port } = await startSmtp(t)
    const client = await SmtpClient.ready(port)
    assert.doesNotMatch((await client.command('EHLO client.test')).text, /DSN/)
    await client.quit()
  })
})
