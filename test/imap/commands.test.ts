import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { ImapClient } from '../support/imap-client.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { mail, personWith as personOf } from './people.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

const personWith = (t: TestContext, ...mails: readonly string[]) => personOf(access, t, ...mails)

const flagsIn = (line: string | undefined) =>
  /FLAGS \(([^)]*)\)/
    .exec(line ?? '')?.[1]
    ?.split(' ')
    .filter(Boolean)

describe('a client that has not signed in', () => {
  it('is told what it may do, and that passwords need TLS', async (t) => {
    const name = await access.person()
    const client = await ImapClient.connect(await access.imap(t, { insecureAuth: false }))
    t.after(() => client.close())
    assert.match(client.greeting[0] ?? '', /^\* OK \[CAPABILITY IMAP4rev1 IMAP4rev2 .*STARTTLS LOGINDISABLED\]/)
    const refused = await client.send(`LOGIN ${name}@example.test "${PASSWORD}"`)
    assert.deepEqual([refused.status, refused.text.split(']')[0]], ['NO', '[PRIVACYREQUIRED'])
    assert.equal((await client.send('SELECT INBOX')).status, 'BAD')
    await client.startTls()
    assert.match((await client.ok('CAPABILITY')).lines[0] ?? '', /AUTH=PLAIN/)
    assert.match((await client.ok(`LOGIN ${name}@example.test "${PASSWORD}"`)).text, /^\[CAPABILITY .*QRESYNC/)
  })

  it('signs in by SASL, with and without an initial response', async (t) => {
    const name = await access.person()
    const port = await access.imap(t)
    const plain = Buffer.from(`\0${name}@example.test\0${PASSWORD}`).toString('base64')
    const first = await ImapClient.connect(port)
    t.after(() => first.close())
    await first.ok(`AUTHENTICATE PLAIN ${plain}`)
    const second = await ImapClient.connect(port)
    t.after(() => second.close())
    second.raw('a AUTHENTICATE PLAIN\r\n')
    assert.equal(await second.line(), '+ ')
    second.raw(`${plain}\r\n`)
    assert.match(await second.line(), /^a OK/)
    const third = await ImapClient.connect(port)
    t.after(() => third.close())
    third.raw('a AUTHENTICATE PLAIN\r\n')
    await third.line()
    third.raw('*\r\n')
    assert.match(await third.line(), /^a BAD/)
  })

  it('is signed out when the password changes', async (t) => {
    const name = await access.person()
    const client = await ImapClient.signedIn(await access.imap(t, { limits: { recheckMs: 0 } }), name, PASSWORD)
    t.after(() => client.close())
    await client.ok('SELECT INBOX')
    await access.changePassword(name)
    const last = await client.send('NOOP')
    assert.deepEqual([last.status, last.lines.at(-1)], ['BYE', '* BYE The password was changed: sign in again'])
  })

  it('is held up after ten wrong guesses', async (t) => {
    const name = await access.person()
    const client = await ImapClient.connect(await access.imap(t))
    t.after(() => client.close())
    for (let i = 0; i < 10; i++)
      assert.match((await client.send(`LOGIN ${name}@example.test no`)).text, /AUTHENTICATIONFAILED/)
    const last = await client.send(`LOGIN ${name}@example.test no`)
    assert.match(last.text || last.lines.join(), /Too many failed sign-ins/)
  })

  it('may not send a large literal', async (t) => {
    const _name = await access.person()
    const client = await ImapClient.connect(await access.imap(t))
    t.after(() => client.close())
    client.raw('a LOGIN {999999}\r\n')
    assert.match(await client.line(), /^a BAD This string is larger than 4096 bytes/)
    assert.equal((await client.send('NOOP')).status, 'OK')
  })
})

describe('SELECT', () => {
  it('tells the numbers of the log', async (t) => {
    const { client } = await personWith(t, mail('one'), mail('two'))
    const { lines, text } = await client.ok('SELECT INBOX')
    assert.ok(lines.includes('* 2 EXISTS'))
    assert.ok(lines.some((line) => line.startsWith('* OK [UIDVALIDITY 1]')))
    assert.ok(
      lines.some((line) => line.startsWith('* OK [UIDNEXT 9]')),
      lines.join('\n'),
    )
    assert.ok(lines.some((line) => line.startsWith('* OK [HIGHESTMODSEQ 8]')))
    assert.match(text, /^\[READ-WRITE\]/)
    assert.match((await client.ok('EXAMINE inbox')).text, /^\[READ-ONLY\]/)
    assert.equal((await client.send('STORE 1 +FLAGS (\\Seen)')).status, 'NO')
    assert.match((await client.send('SELECT nowhere')).text, /^\[NONEXISTENT\]/)
    assert.equal((await client.send('FETCH 1 UID')).status, 'BAD')
  })

  it('resynchronises from any age', async (t) => {
    const { client, port, name } = await personWith(t, mail('one'), mail('two'), mail('three'))
    await client.ok('SELECT INBOX')
    await client.ok('STORE 2 +FLAGS (\\Deleted)')
    await client.ok('EXPUNGE')
    await client.ok('STORE 1 +FLAGS (\\Flagged)')
    const again = await ImapClient.signedIn(port, name, PASSWORD)
    t.after(() => again.close())
    await again.ok('ENABLE QRESYNC')
    const { lines } = await again.ok('SELECT INBOX (QRESYNC (1 9))')
    assert.ok(lines.includes('* VANISHED (EARLIER) 8'), lines.join('\n'))
    assert.ok(lines.some((line) => /^\* 1 FETCH \(UID 7 FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)$/.test(line)))
    const other = await again.ok('SELECT INBOX (QRESYNC (77 9))')
    assert.ok(!other.lines.some((line) => line.includes('VANISHED')))
  })
})

describe('FETCH', () => {
  it('gives exact bytes, parts and ranges', async (t) => {
    const raw = mail('parts', 'line one\r\n.dot\r\nlast', 'X-Own: yes\r\n folded\r\n')
    const { client } = await personWith(t, raw)
    await client.ok('SELECT INBOX')
    const [body] = (await client.ok('FETCH 1 BODY.PEEK[]')).lines
    assert.equal(body, `* 1 FETCH (BODY[] {${raw.length}}\r\n${raw})`)
    const [range] = (await client.ok('FETCH 1 BODY.PEEK[TEXT]<5.4>')).lines
    assert.equal(range, '* 1 FETCH (BODY[TEXT]<5> {4}\r\none\r)')
    const [fields] = (await client.ok('FETCH 1 BODY.PEEK[HEADER.FIELDS (x-own SUBJECT)]')).lines
    const wanted = 'Subject: parts\r\nX-Own: yes\r\n folded\r\n\r\n'
    assert.equal(fields, `* 1 FETCH (BODY[HEADER.FIELDS (X-OWN SUBJECT)] {${wanted.length}}\r\n${wanted})`)
    assert.equal((await client.ok('FETCH 1 BODY.PEEK[7.2]')).lines[0], '* 1 FETCH (BODY[7.2] NIL)')
    assert.equal((await client.ok('FETCH 1 BODY.PEEK[]<999999.5>')).lines[0], '* 1 FETCH (BODY[]<999999> {0}\r\n)')
  })

  it('marks as read what is read, once', async (t) => {
    const { client } = await personWith(t, mail('one'))
    await client.ok('SELECT INBOX')
    assert.deepEqual(flagsIn((await client.ok('FETCH 1 (FLAGS BODY.PEEK[TEXT])')).lines[0]), [])
    const { lines } = await client.ok('FETCH 1 BODY[TEXT]')
    assert.deepEqual(lines.map(flagsIn), [['\\Seen']])
    assert.deepEqual(flagsIn((await client.ok('FETCH 1 FLAGS')).lines[0]), ['\\Seen'])
  })

  it('describes a message', async (t) => {
    const multi = [
      'Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhi\r\n',
      '--x\r\nContent-Type: application/pdf; name="a \\"b\\".pdf"\r\nContent-Transfer-Encoding: base64\r\n',
      'Content-Disposition: attachment; filename=a.pdf\r\n\r\nQUJD\r\n--x--\r\n',
    ].join('')
    const { client } = await personWith(t, `From: A <a@b.c>\r\nSubject: =?utf-8?q?=C3=A9?=\r\n${multi}`)
    await client.ok('SELECT INBOX')
    const [line = ''] = (await client.ok('FETCH 1 (BODYSTRUCTURE ENVELOPE BINARY[2] BINARY.SIZE[2])')).lines
    assert.match(line, /\("text" "plain" \("charset" "utf-8"\) NIL NIL "7bit" 2 0 NIL NIL NIL NIL\)/)
    assert.match(
      line,
      /\("application" "pdf" \("name" "a \\"b\\".pdf"\) NIL NIL "base64" 4 NIL \("attachment" \("filename" "a.pdf"\)\) NIL NIL\) "mixed" \("boundary" "x"\)/,
    )
    assert.match(line, /ENVELOPE \(NIL "=\?utf-8\?q\?=C3=A9\?=" \(\("A" NIL "a" "b\.c"\)\)/)
    assert.match(line, /BINARY\[2\] \{3\}\r\nABC BINARY\.SIZE\[2\] 3 FLAGS \(\\Seen\)\)$/)
  })

  it('refuses what is no item, and lives on', async (t) => {
    const { client } = await personWith(t, mail('one'))
    await client.ok('SELECT INBOX')
    for (const bad of [
      'FETCH 1 NONSENSE',
      'FETCH 1 BODY[',
      'FETCH 0 FLAGS',
      'FETCH 1:x FLAGS',
      'FETCH 1 (FLAGS',
      'FETCH',
    ])
      assert.equal((await client.send(bad)).status, 'BAD', bad)
    assert.equal((await client.send('FETCH 9 FLAGS')).status, 'NO')
    assert.deepEqual((await client.ok('UID FETCH 999:1000 FLAGS')).lines, [])
    assert.equal((await client.ok('UID FETCH 7:* FLAGS')).lines.length, 1)
  })
})

describe('STORE', () => {
  it('adds, removes, replaces, and says so unless told not to', async (t) => {
    const { client } = await personWith(t, mail('one'), mail('two'))
    await client.ok('SELECT INBOX')
    const added = await client.ok('STORE 1:2 +FLAGS (\\Flagged Custom)')
    assert.deepEqual(added.lines.map(flagsIn), [
      ['\\Flagged', 'custom'],
      ['\\Flagged', 'custom'],
    ])
    assert.deepEqual((await client.ok('STORE 1 -FLAGS.SILENT \\Flagged')).lines, [])
    assert.deepEqual((await client.ok('STORE 1 FLAGS (\\Seen)')).lines.map(flagsIn), [['\\Seen']])
    assert.equal((await client.send('STORE 1 +FLAGS (\\Nonsense)')).status, 'BAD')
  })

  it('does not touch what has changed since (RFC 7162)', async (t) => {
    const { client } = await personWith(t, mail('one'), mail('two'))
    await client.ok('SELECT INBOX (CONDSTORE)')
    const [line = ''] = (await client.ok('STORE 1 +FLAGS (\\Seen)')).lines
    const modseq = Number(/MODSEQ \((\d+)\)/.exec(line)?.[1])
    const { text } = await client.ok(`UID STORE 7:8 (UNCHANGEDSINCE ${modseq - 1}) +FLAGS (\\Answered)`)
    assert.match(text, /^\[MODIFIED 7\]/)
    const { lines } = await client.ok('FETCH 1:2 (FLAGS) (CHANGEDSINCE 1)')
    assert.deepEqual(lines.map(flagsIn), [['\\Seen'], ['\\Answered']])
  })
})

describe('COPY, MOVE, EXPUNGE, APPEND', () => {
  it('say where messages went', async (t) => {
    const { client } = await personWith(t, mail('one'), mail('two'), mail('three'))
    await client.ok('SELECT INBOX')
    assert.match((await client.send('COPY 1 Nowhere')).text, /^\[TRYCREATE\]/)
    await client.ok('CREATE Work')
    const copied = await client.ok('COPY 1:2 Work')
    assert.match(copied.text, /^\[COPYUID \d+ 7:8 \d+:\d+\]/)
    const moved = await client.ok('MOVE 1 Archive')
    assert.match(moved.lines[0] ?? '', /^\* OK \[COPYUID \d+ 7 \d+\]/)
    assert.equal(moved.lines[1], '* 1 EXPUNGE')
    await client.ok('STORE 1:2 +FLAGS.SILENT (\\Deleted)')
    assert.deepEqual((await client.ok('UID EXPUNGE 9')).lines, ['* 2 EXPUNGE'])
    assert.deepEqual((await client.ok('EXPUNGE')).lines, ['* 1 EXPUNGE'])
    assert.match((await client.ok('STATUS Work (MESSAGES)')).lines[0] ?? '', /MESSAGES 2/)
  })

  it('APPEND keeps bytes, flags and date; several at once; large ones too', async (t) => {
    const { client } = await personWith(t)
    const one = mail('appended')
    const { text } = await client.ok('APPEND Drafts (\\Draft \\Seen) " 1-Feb-2024 10:20:30 +0900" {}', one)
    assert.match(text, /^\[APPENDUID \d+ \d+\]/)
    const large = mail('large', 'x'.repeat(70).concat('\r\n').repeat(20_000))
    const both = await client.ok('APPEND Drafts {} (\\Flagged) {}', mail('second'), large)
    assert.match(both.text, /^\[APPENDUID \d+ \d+:\d+\]/)
    await client.ok('SELECT Drafts')
    const { lines } = await client.ok('FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE)')
    assert.match(lines[0] ?? '', /FLAGS \(\\Draft \\Seen\) INTERNALDATE " 1-Feb-2024 01:20:30 \+0000"/)
    assert.match(lines[2] ?? '', new RegExp(`RFC822.SIZE ${large.length}`))
    const [body = ''] = (await client.ok('FETCH 3 BODY.PEEK[]')).lines
    assert.ok(body.endsWith(`${large})`))
    assert.match((await client.send('APPEND Nowhere {}', one)).text, /^\[TRYCREATE\]/)
  })

  it('APPEND to Sent does not double what the server kept', async (t) => {
    const { client } = await personWith(t)
    const first = await client.ok('APPEND Sent (\\Seen) {}', mail('sent once'))
    const again = await client.ok('APPEND Sent (\\Seen) {}', mail('sent once'))
    assert.equal(again.text, first.text)
    assert.match((await client.ok('STATUS Sent (MESSAGES)')).lines[0] ?? '', /MESSAGES 1/)
    await client.ok('APPEND Drafts {}', mail('sent once'))
    await client.ok('APPEND Drafts {}', mail('sent once'))
    assert.match((await client.ok('STATUS Drafts (MESSAGES)')).lines[0] ?? '', /MESSAGES 2/)
  })

  it('refuses a message over the limit before it is sent', async (t) => {
    const name = await access.person()
    const client = await ImapClient.signedIn(await access.imap(t, { limits: { messageBytes: 1000 } }), name, PASSWORD)
    t.after(() => client.close())
    client.raw('a APPEND INBOX {1001}\r\n')
    assert.match(await client.line(), /^a NO \[TOOBIG\]/)
    assert.match((await client.send('APPEND INBOX {}', 'x'.repeat(1001))).status, /^(NO|BYE)$/)
  })
})

describe('SEARCH, SORT, THREAD', () => {
  it('find by every kind of key', async (t) => {
    const { client } = await personWith(
      t,
      mail('Quarterly report', 'numbers and more numbers'),
      mail('Re: Quarterly report', 'thanks', 'In-Reply-To: <Quarterly.report@elsewhere.test>\r\n'),
      `From: =?utf-8?b?7ZmN6ri464+Z?= <hong@korea.test>\r\nSubject: =?euc-kr?B?yLjAxw==?=\r\nContent-Type: text/plain; charset=euc-kr\r\nContent-Transfer-Encoding: base64\r\n\r\nyLjAxyC9w7CjwMwgudmy8ry0vcC0z7TZ\r\n`,
    )
    await client.ok('SELECT INBOX')
    await client.ok('STORE 2 +FLAGS (\\Seen)')
    const found = async (keys: string, ...literals: readonly string[]) =>
      (await client.ok(`SEARCH ${keys}`, ...literals)).lines[0]?.replace('* SEARCH', '').trim()
    assert.equal(await found('SUBJECT report'), '1 2')
    assert.equal(await found('UNSEEN SUBJECT report'), '1')
    assert.equal(await found('OR SEEN BODY numbers'), '1 2')
    assert.equal(await found('NOT (SEEN) FROM sam'), '1')
    assert.equal(await found('BODY umber'), '1', 'parts of words')
    assert.equal(await found('CHARSET UTF-8 SUBJECT {}', Buffer.from('회의').toString('latin1')), '3')
    assert.equal(await found('CHARSET UTF-8 BODY {}', Buffer.from('시간').toString('latin1')), '3')
    assert.equal(await found('CHARSET EUC-KR TEXT {}', '\xc8\xb8\xc0\xc7'), '3')
    assert.equal(await found('HEADER Message-ID quarterly'), '1 2')
    assert.equal(await found('SENTON 22-Nov-2026'), '1 2')
    assert.equal(await found('LARGER 100000'), '')
    assert.equal(await found('UID 8:* 1:2'), '2')
    assert.equal(await found('77'), '')
    assert.match((await client.send('SEARCH CHARSET KLINGON ALL')).text, /^\[BADCHARSET/)
    const extended = await client.ok('SEARCH RETURN (MIN MAX COUNT SAVE) SUBJECT report')
    assert.match(extended.lines[0] ?? '', /^\* ESEARCH \(TAG "T\d+"\) MIN 1 MAX 2 COUNT 2$/)
    assert.equal((await client.ok('FETCH $ UID')).lines.length, 2)
    assert.equal(
      (await client.ok('UID SEARCH RETURN (PARTIAL 2:5) ALL')).lines[0]?.split(' UID ')[1],
      'PARTIAL (2:5 8:9)',
    )
    assert.equal((await client.ok('SORT (SUBJECT REVERSE DATE) UTF-8 ALL')).lines[0], '* SORT 1 2 3')
    assert.equal((await client.ok('UID SORT (REVERSE ARRIVAL) UTF-8 ALL')).lines[0], '* SORT 9 8 7')
    assert.equal((await client.ok('THREAD REFERENCES UTF-8 ALL')).lines[0], '* THREAD (1 2)(3)')
  })
})

describe('mailboxes', () => {
  it('are made, listed, renamed, subscribed, deleted', async (t) => {
    const { client } = await personWith(t)
    const list = async (rest: string) =>
      (await client.ok(`LIST ${rest}`)).lines.map((line) => line.split('"/" ')[1] ?? '')
    assert.deepEqual(await list('"" *'), ['Archive', 'Drafts', 'INBOX', 'Junk', 'Sent', 'Trash'])
    await client.ok('CREATE Projects/2026/Q4')
    assert.deepEqual(await list('"" Projects*'), ['Projects', 'Projects/2026', 'Projects/2026/Q4'])
    assert.deepEqual(await list('"" Projects/%'), ['Projects/2026'])
    assert.match((await client.ok('LIST "" Projects')).lines[0] ?? '', /\\HasChildren/)
    assert.match((await client.send('CREATE projects')).text, /^\[ALREADYEXISTS\]/)
    assert.match((await client.send('DELETE Projects')).text, /^\[HASCHILDREN\]/)
    await client.ok('RENAME Projects/2026/Q4 "Quarter four"')
    await client.ok('DELETE Projects/2026')
    assert.deepEqual(await list('"" (Pro* Quarter*)'), ['Projects', '"Quarter four"'])
    await client.ok('UNSUBSCRIBE Projects')
    assert.deepEqual(await list('(SUBSCRIBED) "" Pro*'), [])
    assert.deepEqual(await list('(SPECIAL-USE) "" *'), ['Archive', 'Drafts', 'Junk', 'Sent', 'Trash'])
    const status = await client.ok('LIST "" INBOX RETURN (STATUS (MESSAGES UNSEEN))')
    assert.equal(status.lines[1], '* STATUS INBOX (MESSAGES 0 UNSEEN 0)')
    assert.match((await client.send('DELETE INBOX')).text, /^\[CANNOT\]/)
  })

  it('have names in modified UTF-7, and in UTF-8 once that is enabled', async (t) => {
    const { client, port, name } = await personWith(t)
    await client.ok('CREATE &yRitUA-')
    assert.ok((await client.ok('LIST "" *')).lines.some((line) => line.endsWith(' &yRitUA-')))
    const modern = await ImapClient.signedIn(port, name, PASSWORD)
    t.after(() => modern.close())
    await modern.ok('ENABLE IMAP4rev2')
    const listed = (await modern.ok('LIST "" *')).lines.map((line) => Buffer.from(line, 'latin1').toString())
    assert.ok(
      listed.some((line) => /"[^"&]*"$/.test(line) && !line.includes('&yRitUA-')),
      listed.join('\n'),
    )
  })
})

describe('two sessions on one mailbox', () => {
  it('see each other as the RFC orders it', async (t) => {
    const { client, port, name } = await personWith(t, mail('one'), mail('two'), mail('three'))
    const other = await ImapClient.signedIn(port, name, PASSWORD)
    t.after(() => other.close())
    await client.ok('SELECT INBOX')
    await other.ok('SELECT INBOX')
    await other.ok('STORE 1 +FLAGS (\\Deleted)')
    await other.ok('EXPUNGE')
    // No departure under a command that uses numbers, and it may still name the one that has gone.
    const fetched = await client.ok('FETCH 1:3 UID')
    assert.deepEqual(fetched.lines, ['* 2 FETCH (UID 8)', '* 3 FETCH (UID 9)'])
    assert.deepEqual((await client.ok('NOOP')).lines, ['* 1 EXPUNGE'])
    await access.deliver(name, mail('four'))
    await access.settle()
    assert.deepEqual((await client.ok('NOOP')).lines, ['* 3 EXISTS'])
  })

  it('are told in IDLE as it happens', async (t) => {
    const { client, name } = await personWith(t, mail('one'))
    await client.ok('SELECT INBOX')
    const tag = client.begin('IDLE')
    assert.equal(await client.line(), '+ idling')
    await access.deliver(name, mail('two'))
    assert.equal(await client.line(), '* 2 EXISTS')
    client.raw('DONE\r\n')
    assert.equal((await client.finish(tag)).status, 'OK')
  })

  it('never reach another account', async (t) => {
    const { client, port } = await personWith(t, mail('secret of one'))
    const other = await access.person()
    await access.deliver(other, mail('of bob'))
    await access.settle()
    const bob = await ImapClient.signedIn(port, other, PASSWORD)
    t.after(() => bob.close())
    const { lines } = await bob.ok('SELECT INBOX')
    assert.ok(lines.includes('* 1 EXISTS'))
    assert.match((await bob.ok('FETCH 1:* ENVELOPE')).lines.join(), /of bob/)
    assert.equal((await bob.ok('SEARCH TEXT secret')).lines[0], '* SEARCH')
    await client.ok('SELECT INBOX')
    assert.match((await client.ok('FETCH 1 ENVELOPE')).lines[0] ?? '', /secret of one/)
  })
})

describe('extensions', () => {
  it('COMPRESS carries the session on', async (t) => {
    const { constants, createDeflateRaw, createInflateRaw } = await import('node:zlib')
    const { connect } = await import('node:net')
    const name = await access.person()
    const socket = connect(await access.imap(t), '127.0.0.1')
    t.after(() => socket.destroy())
    let text = ''
    let wake: (() => void) | undefined
    const until = async (pattern: RegExp) => {
      while (!pattern.test(text))
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      text = ''
    }
    const take = (chunk: Buffer) => {
      text += chunk.toString('latin1')
      wake?.()
    }
    socket.on('data', take)
    await until(/ready\r\n$/)
    socket.write(`a LOGIN ${name}@example.test "${PASSWORD}"\r\n`)
    await until(/a OK/)
    socket.write('b COMPRESS DEFLATE\r\n')
    await until(/b OK/)
    socket.off('data', take)
    const deflate = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })
    const inflate = createInflateRaw()
    deflate.pipe(socket)
    socket.pipe(inflate)
    inflate.on('data', take)
    // The end of the test cuts the stream.
    inflate.on('error', () => undefined)
    deflate.write('c SELECT INBOX\r\n')
    await until(/c OK/)
    deflate.write('d COMPRESS DEFLATE\r\n')
    await until(/d NO \[COMPRESSIONACTIVE\]/)
  })

  it('UIDONLY speaks of UIDs alone', async (t) => {
    const { client } = await personWith(t, mail('one'), mail('two'))
    await client.ok('ENABLE UIDONLY')
    await client.ok('SELECT INBOX')
    assert.match((await client.send('FETCH 1 FLAGS')).text, /^\[UIDREQUIRED\]/)
    assert.deepEqual((await client.ok('UID FETCH 7 FLAGS')).lines, ['* 7 UIDFETCH (FLAGS ())'])
    await client.ok('UID STORE 7 +FLAGS.SILENT (\\Deleted)')
    assert.deepEqual((await client.ok('UID EXPUNGE 7')).lines, ['* VANISHED 7'])
  })

  it('ID, NAMESPACE, ENABLE, GETQUOTAROOT, unknown commands', async (t) => {
    const { client } = await personWith(t)
    assert.match((await client.ok('ID ("name" "test" "version" NIL)')).lines[0] ?? '', /^\* ID \(/)
    assert.equal((await client.ok('NAMESPACE')).lines[0], '* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL')
    assert.equal((await client.ok('ENABLE X-NONSENSE CONDSTORE')).lines[0], '* ENABLED CONDSTORE')
    assert.deepEqual((await client.ok('GETQUOTAROOT INBOX')).lines, ['* QUOTAROOT INBOX ""', '* QUOTA "" ()'])
    assert.equal((await client.send('XYZZY')).status, 'BAD')
    client.raw('\r\n')
    client.raw('*\r\n')
    assert.match(await client.line(), /^\* BAD/)
    assert.equal((await client.send('LOGOUT')).lines[0]?.startsWith('* BYE'), true)
  })
})
