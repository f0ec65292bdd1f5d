// SMTP in, byte by byte: what is taken, what is refused and how, and what a message looks like afterwards.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { BlobError } from '../../commands/ports/blob-store.ts'
import { EventStoreError } from '../../commands/ports/event-store.ts'
import { corpus, NO_CORPUS } from '../mime/corpus.ts'
import { SmtpClient } from '../support/smtp-client.ts'
import { startSmtp } from './listener.ts'

const MESSAGE = 'From: x@elsewhere.test\r\nSubject: Hello\r\n\r\nText.\r\n'
const TRACE = /^Return-Path: <[^>]*>\r\nReceived: from [^\r]*\r\n\tby [^\r]*\r\n(?:\tfor [^\r]*\r\n)?\t[^\r]*\r\n/
/** What was sent, without the trace fields that were put before it. */
const withoutTrace = (raw: Buffer): Buffer => {
  const text = raw.toString('latin1')
  const trace = /^Return-Path: [^\n]*\nReceived:[^\n]*\n(?:\t[^\n]*\n)*/.exec(text)?.[0] ?? ''
  return raw.subarray(trace.length)
}

describe('EHLO', () => {
  it('announces what is there and nothing else', async (t) => {
    const { port } = await startSmtp(t)
    const client = await SmtpClient.connect(port)
    const greeting = await client.reply()
    assert.equal(greeting.code, 220)
    assert.match(greeting.text, /^mail\.example\.test ESMTP/)
    const { code, text } = await client.command('EHLO client.test')
    assert.equal(code, 250)
    const [, ...features] = text.split('\n')
    assert.deepEqual(features.sort(), [
      '8BITMIME',
      'ENHANCEDSTATUSCODES',
      'PIPELINING',
      'SIZE 52428800',
      'SMTPUTF8',
      'STARTTLS',
    ])
    assert.equal((await client.command('AUTH PLAIN AAAA')).code >= 500, true, 'nobody signs in where mail comes in')
    assert.equal((await client.command('HELO client.test')).code, 250)
    assert.equal((await client.command('VRFY ann')).code, 252)
    await client.quit()
  })
})

describe('RCPT', () => {
  it('refuses strangers and relaying with the codes of RFC 3463, each once', async (t) => {
    const { port } = await startSmtp(t)
    const client = await SmtpClient.ready(port)
    assert.deepEqual(await client.command('MAIL FROM:<x@elsewhere.test>'), { code: 250, text: '2.1.0 Accepted' })
    const refusals: readonly [string, number, RegExp][] = [
      ['nobody@example.test', 550, /^5\.1\.1 No such/],
      ['x@elsewhere.test', 550, /^5\.7\.1 Relaying denied/],
      ['x%elsewhere.test@example.test', 550, /^5\.1\.1 /],
      ['@example.test:x@elsewhere.test', 550, /^5\.7\.1 |^5\.1\.1 /],
      ['no-domain', 501, /^5\.1\.3 |^5\.5\.4 /],
    ]
    for (const [address, code, text] of refusals) {
      const reply = await client.command(`RCPT TO:<${address}>`)
      assert.ok(reply.code >= 500 && reply.code < 560, `${address}: ${reply.code}`)
      if (code !== 501) assert.equal(reply.code, code, address)
      if (code !== 501) assert.match(reply.text, text, address)
      assert.doesNotMatch(reply.text, /^\d\.\d\.\d \d\.\d\.\d/, 'one enhanced code')
    }
    assert.equal((await client.command('DATA')).code, 503)
    await client.quit()
  })

  it('takes the address in any case, with a tag, by alias and by catch-all; one copy for each account', async (t) => {
    const { port, directory, ids, arrived } = await startSmtp(t)
    directory.addresses.set('sales@example.test', ids['ann'] ?? '')
    const client = await SmtpClient.ready(port)
    assert.equal(
      (
        await client.send(
          'x@elsewhere.test',
          ['ANN@Example.test', 'sales@example.test', 'bob@example.test', 'ann@example.test'],
          MESSAGE,
        )
      ).code,
      250,
    )
    assert.equal((await arrived('ann')).length, 1)
    assert.equal((await arrived('bob')).length, 1)
    directory.addresses.set('@example.test', ids['bob'] ?? '')
    assert.equal((await client.send('x@elsewhere.test', ['anything@example.test'], MESSAGE)).code, 250)
    const [, second] = await arrived('bob')
    assert.equal(second?.event.data.recipient, 'anything@example.test')
    const both = (await arrived('ann'))[0]
    assert.doesNotMatch(both?.raw.toString() ?? '', /for </, 'several recipients do not learn of one another')
    assert.match(second?.raw.toString() ?? '', /\tfor <anything@example\.test>;/)
    await client.quit()
  })

  it('stops at the limit of recipients, says full for a full mailbox, and does not know erased accounts', async (t) => {
    const { port, directory, ids, usage, arrived } = await startSmtp(t, {
      limits: { recipients: 3 },
      people: ['ann', 'bob', 'cid', 'dan'],
    })
    const client = await SmtpClient.ready(port)
    await client.command('MAIL FROM:<x@elsewhere.test>')
    for (const name of ['ann', 'bob', 'cid'])
      assert.equal((await client.command(`RCPT TO:<${name}@example.test>`)).code, 250)
    const fourth = await client.command('RCPT TO:<dan@example.test>')
    assert.equal(fourth.code, 452)
    assert.match(fourth.text, /^4\.5\.3/)
    assert.equal((await client.command('RSET')).code, 250)
    directory.add(ids['ann'] ?? '', 'ann@example.test', { quota: 1000 })
    usage.bytes = 1000
    const full = await client.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)
    assert.deepEqual([full.code, full.text.slice(0, 5)], [452, '4.2.2'])
    directory.add(ids['bob'] ?? '', 'bob@example.test', { erased: true })
    await client.command('RSET')
    assert.equal((await client.send('x@elsewhere.test', ['bob@example.test'], MESSAGE)).code, 550)
    assert.equal((await arrived('bob')).length, 0)
    await client.quit()
  })
})

describe('DATA', () => {
  it('stores exactly what was sent below Return-Path and Received', async (t) => {
    const { port, arrived } = await startSmtp(t, { now: () => Date.UTC(2026, 2, 1, 9, 30, 5) })
    const client = await SmtpClient.ready(port, { helo: '[192.0.2.7]' })
    const message = 'Subject: dots\r\n\r\n.\r\n..\r\n.text\r\n. \r\n\tend\r\n'
    const reply = await client.send('from@elsewhere.test', ['bob@example.test'], message)
    assert.equal(reply.code, 250)
    assert.match(reply.text, /^2\.0\.0 Ok: queued as [a-z2-7]{26}$/)
    const [mail] = await arrived('bob')
    assert.ok(mail)
    const queueId = reply.text.split(' ').at(-1)
    const expected = `Return-Path: <from@elsewhere.test>\r\nReceived: from [192.0.2.7] ([127.0.0.1])\r\n\tby mail.example.test (Everpost) with ESMTP id ${queueId}\r\n\tfor <bob@example.test>;\r\n\tSun, 01 Mar 2026 09:30:05 +0000\r\n`
    assert.equal(mail.raw.toString(), expected + message)
    assert.equal(mail.event.data.mailFrom, 'from@elsewhere.test')
    assert.deepEqual(mail.event.metadata.client, { address: '127.0.0.1', name: '[192.0.2.7]' })
    await client.quit()
  })

  it('cannot be made to carry forged fields by HELO, sender or recipient', async (t) => {
    const { port, arrived } = await startSmtp(t)
    for (const helo of ['evil (by good.test)', 'a>b<c', `${'h'.repeat(290)}`, 'x\u0001y', 'x\ty', '한국.test']) {
      const client = await SmtpClient.connect(port)
      await client.reply()
      const ehlo = await client.command(`EHLO ${helo}`)
      if (ehlo.code === 250) {
        await client.send('o(dd)@elsewhere.test', ['ann@example.test'], MESSAGE)
        await client.command('RSET')
        await client.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)
      }
      client.destroy()
    }
    const mails = await arrived('ann')
    assert.ok(mails.length >= 3)
    for (const { raw } of mails) {
      assert.match(raw.toString(), TRACE)
      assert.deepEqual(withoutTrace(raw).toString(), MESSAGE)
      assert.doesNotMatch(raw.toString().split('\r\n')[1] ?? '', /\(by good|[<>\u0001]/)
    }
  })

  it('does not end at a bare line feed or any other sequence that smuggles a second message', async (t) => {
    for (const ending of ['\n.\n', '\r\n.\n', '\n.\r\n', '\r.\r', '\r\n.\r', '\n\n.\r\n', '\r\n\0.\r\n']) {
      const { port, arrived } = await startSmtp(t, { people: ['ann'] })
      const client = await SmtpClient.ready(port)
      const smuggled =
        'MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx'
      await client.command('MAIL FROM:<x@elsewhere.test>')
      await client.command('RCPT TO:<ann@example.test>')
      await client.command('DATA')
      await client.write(`Subject: outer\r\n\r\nbody${ending}${smuggled}`)
      assert.equal((await client.command('\r\n.')).code, 250, JSON.stringify(ending))
      await client.quit()
      const mails = await arrived('ann')
      assert.equal(mails.length, 1, `${JSON.stringify(ending)} split a message`)
      assert.match(mails[0]?.raw.toString('latin1') ?? '', /smuggled/)
      assert.equal(mails[0]?.event.data.content.envelope.subject, 'outer')
    }
  })

  it('ends only at CRLF dot CRLF, wherever the network cuts it', async (t) => {
    const { port, arrived } = await startSmtp(t, { people: ['ann'] })
    const client = await SmtpClient.ready(port)
    const wire = 'Subject: cut\r\n\r\n..\r\n..one\r\n\r\n.\r\n'
    for (let cut = 1; cut < wire.length; cut++) {
      await client.command('MAIL FROM:<x@elsewhere.test>')
      await client.command('RCPT TO:<ann@example.test>')
      await client.command('DATA')
      await client.write(wire.slice(0, cut))
      await new Promise((resolve) => setImmediate(resolve))
      await client.write(wire.slice(cut))
      assert.equal((await client.reply()).code, 250)
    }
    for (const { raw } of await arrived('ann'))
      assert.equal(withoutTrace(raw).toString(), 'Subject: cut\r\n\r\n.\r\n.one\r\n\r\n')
    await client.quit()
  })

  it('takes 8-bit bodies, every byte value, UTF-8 addresses and the null sender', async (t) => {
    const { port, arrived, directory, ids } = await startSmtp(t)
    const client = await SmtpClient.ready(port)
    const bytes = Buffer.concat([
      Buffer.from('Subject: bytes\r\n\r\n'),
      Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
      Buffer.from('\r\n'),
    ])
    assert.equal((await client.send('', ['ann@example.test'], bytes, ' BODY=8BITMIME')).code, 250)
    const [first] = await arrived('ann')
    assert.ok(first && withoutTrace(first.raw).equals(bytes))
    assert.equal(first.event.data.mailFrom, '')
    assert.match(first.raw.toString('latin1'), /^Return-Path: <>\r\n/)
    directory.addresses.set('김철수@example.test', ids['ann'] ?? '')
    assert.equal(
      (
        await client.send(
          '보낸이@elsewhere.test',
          ['김철수@example.test'],
          'Subject: 안녕\r\n\r\n하이\r\n',
          ' SMTPUTF8',
        )
      ).code,
      250,
    )
    const [, second] = await arrived('ann')
    assert.equal(second?.event.data.content.envelope.subject, '안녕')
    assert.equal(second?.event.data.recipient, '김철수@example.test')
    assert.match(second?.raw.toString() ?? '', /^Return-Path: <보낸이@elsewhere\.test>/)
    await client.quit()
  })

  it('refuses what is too large, told or found out, and takes what just fits', async (t) => {
    const { port, arrived } = await startSmtp(t, { limits: { messageBytes: 5_000 } })
    const client = await SmtpClient.ready(port)
    assert.equal((await client.command('MAIL FROM:<x@elsewhere.test> SIZE=5001')).code, 552)
    const exact = `Subject: x\r\n\r\n${'y'.repeat(5_000 - 16)}\r\n`
    assert.equal(exact.length, 5_000)
    assert.equal((await client.send('x@elsewhere.test', ['ann@example.test'], exact, ' SIZE=5000')).code, 250)
    const over = await client.send('x@elsewhere.test', ['ann@example.test'], `z${exact}`)
    assert.equal(over.code, 552)
    assert.match(over.text, /^5\.3\.4 /)
    assert.equal(
      (await client.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)).code,
      250,
      'the session goes on',
    )
    assert.equal((await arrived('ann')).length, 2)
    await client.quit()
  })

  it('refuses a message that has gone round fifty times, small or large', async (t) => {
    const { port, arrived } = await startSmtp(t)
    const client = await SmtpClient.ready(port)
    const hops = (n: number, body = 'x') =>
      `${'Received: from a by b; Sun, 01 Mar 2026 09:30:05 +0000\r\n'.repeat(n)}Subject: loop\r\n\r\n${body}\r\n`
    for (const body of ['x', 'long line of text\r\n'.repeat(120_000)]) {
      const reply = await client.send('x@elsewhere.test', ['ann@example.test'], hops(50, body))
      assert.equal(reply.code, 554)
      assert.match(reply.text, /^5\.4\.6 /)
    }
    assert.equal((await client.send('x@elsewhere.test', ['ann@example.test'], hops(49))).code, 250)
    const quoted = `Subject: quotes\r\n\r\n${'Received: from a by b\r\n'.repeat(60)}`
    assert.equal(
      (await client.send('x@elsewhere.test', ['ann@example.test'], quoted)).code,
      250,
      'lines of a body are no hops',
    )
    assert.equal((await arrived('ann')).length, 2)
    await client.quit()
  })

  it('answers a whole pipelined batch in order', async (t) => {
    const { port, arrived } = await startSmtp(t)
    const client = await SmtpClient.ready(port)
    const one = (n: number) =>
      `MAIL FROM:<x@elsewhere.test>\r\nRCPT TO:<ann@example.test>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\nSubject: p${n}\r\n\r\nx\r\n.\r\n`
    await client.write(`${one(1)}${one(2)}NOOP\r\nQUIT\r\n`)
    const codes: number[] = []
    for (let i = 0; i < 12; i++) codes.push((await client.reply()).code)
    assert.deepEqual(codes, [250, 250, 550, 354, 250, 250, 250, 550, 354, 250, 250, 221])
    assert.deepEqual(
      (await arrived('ann')).map(({ event }) => event.data.content.envelope.subject),
      ['p1', 'p2'],
    )
  })

  it('streams 20 MB, and keeps nothing of a connection that breaks in the middle', async (t) => {
    const { port, arrived, blobStore } = await startSmtp(t)
    const client = await SmtpClient.ready(port)
    const line = `${randomBytes(50).toString('hex')}\r\n`
    const large = `Subject: large\r\n\r\n${line.repeat(200_000)}`
    assert.equal((await client.send('x@elsewhere.test', ['ann@example.test'], large)).code, 250)
    const [mail] = await arrived('ann')
    assert.ok(mail && withoutTrace(mail.raw).equals(Buffer.from(large)))
    assert.equal(mail.event.data.content.blob.size, mail.raw.length)
    await client.quit()
    const blobs = async () => {
      const all: string[] = []
      for await (const { id } of blobStore.entries()) all.push(id)
      return all.length
    }
    const before = await blobs()
    for (const part of [100, 3_000_000]) {
      const broken = await SmtpClient.ready(port)
      await broken.command('MAIL FROM:<x@elsewhere.test>')
      await broken.command('RCPT TO:<ann@example.test>')
      await broken.command('DATA')
      await broken.write(large.slice(0, part))
      broken.destroy()
    }
    // The next transaction is answered after the server has dealt with the broken ones.
    const after = await SmtpClient.ready(port)
    assert.equal((await after.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)).code, 250)
    await after.quit()
    assert.equal((await arrived('ann')).length, 2)
    assert.equal(await blobs(), before + 1)
  })

  it('never says 250 when storing fails: 452 for a full disk, 451 otherwise, and the session goes on', async (t) => {
    for (const size of [100, 2_000_000]) {
      const failures: Error[] = [
        new BlobError('disk-full', 'No space left'),
        new EventStoreError('disk-full', 'No space left'),
        new BlobError('unavailable', 'broken'),
        new EventStoreError('corrupt', 'broken'),
        new Error('a bug'),
      ]
      let failure: Error | undefined
      const { port, arrived } = await startSmtp(t, {
        people: ['ann'],
        journal: (journal) => ({
          append: (append) => journal.append(append),
          appendAll: (appends, options) =>
            failure instanceof EventStoreError || failure?.message === 'a bug'
              ? Promise.reject(failure)
              : journal.appendAll(appends, options),
          readStream: (stream, options) => journal.readStream(stream, options),
          lastRevision: (stream) => journal.lastRevision(stream),
        }),
        blobs: (blobs) => ({
          put: (raw) => blobs.put(raw),
          stage: (raw) => {
            if (!(failure instanceof BlobError)) return blobs.stage(raw)
            const durable = Promise.reject(failure)
            durable.catch(() => undefined)
            return { ref: { id: 'ab'.repeat(32), key: '', size: raw.length }, durable }
          },
          begin: async () => {
            const writer = await blobs.begin()
            const failing = failure
            return failing instanceof BlobError ? { ...writer, write: () => Promise.reject(failing) } : writer
          },
          read: (ref, start, end) => blobs.read(ref, start, end),
          stream: (ref, start, end) => blobs.stream(ref, start, end),
        }),
      })
      const client = await SmtpClient.ready(port)
      const message = `Subject: x\r\n\r\n${'line\r\n'.repeat(size / 6)}`
      for (failure of failures) {
        const reply = await client.send('x@elsewhere.test', ['ann@example.test'], message)
        const code = 'code' in failure && failure.code === 'disk-full' ? 452 : 451
        assert.equal(reply.code, code, `${failure.name} ${failure.message}, ${size} bytes: ${reply.text}`)
        assert.doesNotMatch(reply.text, /bug|broken/, 'and says nothing of our insides')
      }
      failure = undefined
      assert.equal((await client.send('x@elsewhere.test', ['ann@example.test'], message)).code, 250)
      assert.equal((await arrived('ann')).length, 1)
      await client.quit()
    }
  })
})

describe('patience', () => {
  it('ends with those who say nothing, or a byte now and then', async (t) => {
    const { port } = await startSmtp(t, { limits: { idleMs: 150 } })
    const silent = await SmtpClient.connect(port)
    await silent.reply()
    await silent.closed()
    const other = await SmtpClient.ready(port)
    assert.equal((await other.command('NOOP')).code, 250)
    other.destroy()
  })

  it('ends a message that takes too long, and what comes after it is never taken for commands', async (t) => {
    const { port, arrived } = await startSmtp(t, { limits: { dataMs: 100 } })
    const client = await SmtpClient.ready(port)
    await client.command('MAIL FROM:<x@elsewhere.test>')
    await client.command('RCPT TO:<ann@example.test>')
    await client.command('DATA')
    await client.write('Subject: slow\r\n\r\n')
    const late = await client.reply()
    assert.ok(late.code === 421 || late.code === 451, `${late.code} ${late.text}`)
    await client.write(
      'MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nSubject: evil\r\n\r\nx\r\n.\r\n',
    )
    client.destroy()
    const next = await SmtpClient.ready(port)
    assert.equal((await next.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)).code, 250)
    assert.deepEqual(
      (await arrived('ann')).map(({ event }) => event.data.content.envelope.subject),
      ['Hello'],
    )
    await next.quit()
  })

  it('is limited: connections of one address, new connections, messages; and comes back', async (t) => {
    const { port } = await startSmtp(t, {
      host: '0.0.0.0',
      limits: {
        connectionsPerAddress: 3,
        connectionRate: { burst: 6, perSecond: 0.001 },
        messageRate: { burst: 2, perSecond: 0.001 },
      },
    })
    const open = [await SmtpClient.ready(port), await SmtpClient.ready(port), await SmtpClient.ready(port)]
    const fourth = await SmtpClient.connect(port)
    assert.equal((await fourth.reply()).code, 421)
    await fourth.closed()
    const [first] = open
    assert.ok(first)
    for (let i = 0; i < 2; i++)
      assert.equal((await first.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)).code, 250)
    const slow = await first.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)
    assert.deepEqual([slow.code, slow.text.slice(0, 5)], [451, '4.7.1'])
    for (const client of open) await client.quit()
    let accepted = 0
    let refused = 0
    for (let i = 0; i < 8; i++) {
      const client = await SmtpClient.connect(port)
      const { code } = await client.reply()
      if (code === 220) accepted++
      if (code === 421) refused++
      client.destroy()
      await client.closed()
    }
    assert.ok(
      accepted >= 1 && accepted <= 3 && refused >= 5,
      `${accepted} accepted, ${refused} refused after the burst`,
    )
  })

  it('does not run out for lines without an end, rubbish and TLS at the wrong door', async (t) => {
    const { port, arrived } = await startSmtp(t)
    for (const bytes of [
      Buffer.alloc(2_000_000, 0x41),
      randomBytes(100_000),
      Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50)),
      Buffer.from('\r\n'.repeat(10_000)),
    ]) {
      const client = await SmtpClient.connect(port)
      void client.write(bytes)
      await client.reply()
      client.destroy()
    }
    const client = await SmtpClient.ready(port)
    assert.equal((await client.send('x@elsewhere.test', ['ann@example.test'], MESSAGE)).code, 250)
    assert.equal((await client.command(`MAIL FROM:<${'x'.repeat(600)}@elsewhere.test>`)).code >= 500, true)
    assert.equal((await arrived('ann')).length, 1)
    await client.quit()
  })
})

describe('real mail', () => {
  it('is stored exactly as it was sent, every message of the corpus', { skip: NO_CORPUS }, async (t) => {
    const { port, arrived } = await startSmtp(t, { people: ['ann'] })
    const sent: Buffer[] = []
    const mails = corpus()
    const clients = await Promise.all(Array.from({ length: 16 }, () => SmtpClient.ready(port)))
    await Promise.all(
      clients.map(async (client, worker) => {
        for (let i = worker; i < mails.length; i += clients.length) {
          const mail = mails[i]
          assert.ok(mail)
          const wire = mail.raw.toString('latin1').replace(/\r\n|\r|\n/g, '\r\n')
          const message = Buffer.from(wire.endsWith('\r\n') ? wire : `${wire}\r\n`, 'latin1')
          const reply = await client.send('x@elsewhere.test', ['ann@example.test'], message)
          assert.equal(reply.code, 250, `${mail.name}: ${reply.text}`)
          sent.push(message)
        }
        await client.quit()
      }),
    )
    const got = (await arrived('ann')).map(({ raw }) => withoutTrace(raw).toString('latin1')).sort()
    assert.deepEqual(got.length, sent.length)
    assert.ok(
      sent
        .map((raw) => raw.toString('latin1'))
        .sort()
        .every((raw, i) => raw === got[i]),
    )
  })
})
