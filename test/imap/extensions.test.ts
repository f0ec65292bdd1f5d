import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { MAX_CONTEXTS } from '../../gateways/imap/search/contexts.ts'
import { ImapClient } from '../support/imap-client.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { mail, personWith } from './people.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

const uidsIn = (lines: readonly string[]) => lines.flatMap((line) => /FETCH \(UID (\d+)/.exec(line)?.[1] ?? [])

describe('UID FETCH with PARTIAL (RFC 9394)', () => {
  it('answers the messages at some places of the set, from either end', async (t) => {
    const { client } = await personWith(access, t, mail('one'), mail('two'), mail('three'), mail('four'))
    await client.ok('SELECT INBOX')
    const all = uidsIn((await client.ok('UID FETCH 1:* FLAGS')).lines)
    const of = async (modifier: string) => uidsIn((await client.ok(`UID FETCH 1:* FLAGS (${modifier})`)).lines)
    assert.deepEqual(await of('PARTIAL 1:2'), all.slice(0, 2))
    assert.deepEqual(await of('PARTIAL -1:-2'), all.slice(2))
    assert.deepEqual(await of('PARTIAL 4:99'), all.slice(3))
    assert.deepEqual(await of('PARTIAL 5:9'), [])
    assert.deepEqual(await of('PARTIAL -2:-3'), all.slice(1, 3))
  })

  it('counts what changed when CHANGEDSINCE stands beside it', async (t) => {
    const { client } = await personWith(access, t, mail('one'), mail('two'), mail('three'))
    const since = /HIGHESTMODSEQ (\d+)/.exec((await client.ok('SELECT INBOX')).lines.join())?.[1]
    const all = uidsIn((await client.ok('UID FETCH 1:* FLAGS')).lines)
    await client.ok('STORE 1,3 +FLAGS (\\Flagged)')
    const reply = await client.ok(`UID FETCH 1:* FLAGS (PARTIAL -1:-1 CHANGEDSINCE ${since})`)
    assert.deepEqual(uidsIn(reply.lines), all.slice(2))
    const first = await client.ok(`UID FETCH 1:* FLAGS (CHANGEDSINCE ${since} PARTIAL 1:1)`)
    assert.deepEqual(uidsIn(first.lines), all.slice(0, 1))
  })

  it('is for UIDs alone, and a range has both ends on one side', async (t) => {
    const { client } = await personWith(access, t, mail('one'))
    await client.ok('SELECT INBOX')
    assert.equal((await client.send('FETCH 1:* FLAGS (PARTIAL 1:2)')).status, 'BAD')
    for (const range of ['0:1', '1:-1', '1', '-1', 'x:y', '1:2:3'])
      assert.equal((await client.send(`UID FETCH 1:* FLAGS (PARTIAL ${range})`)).status, 'BAD', range)
  })
})

const numberIn = (text: string, name: string) => Number(new RegExp(`${name} (\\d+)`).exec(text)?.[1])

describe('CATENATE (RFC 4469)', () => {
  it('puts a message together from texts and parts of others', async (t) => {
    const { client } = await personWith(access, t, mail('source', 'first line\r\nsecond line'))
    const selected = (await client.ok('SELECT INBOX')).lines.join()
    const validity = numberIn(selected, 'UIDVALIDITY')
    const uid = numberIn((await client.ok('FETCH 1 UID')).lines.join(), 'UID')
    const { text } = await client.ok(
      `APPEND Drafts (\\Draft) CATENATE (TEXT {} URL "/INBOX;UIDVALIDITY=${validity}/;UID=${uid}/;SECTION=TEXT" ` +
        `TEXT {} URL "/INBOX/;UID=${uid}/;SECTION=HEADER.FIELDS%20(Subject)" URL ";UID=${uid}/;SECTION=TEXT/;PARTIAL=6.4")`,
      'Subject: made\r\n\r\n',
      'and\r\n',
    )
    assert.match(text, /^\[APPENDUID \d+ \d+\]/)
    await client.ok('SELECT Drafts')
    const { lines } = await client.ok('FETCH 1 (FLAGS BODY.PEEK[])')
    const whole = 'Subject: made\r\n\r\nfirst line\r\nsecond line\r\nand\r\nSubject: source\r\n\r\nline'
    assert.ok(lines[0]?.includes(`{${whole.length}}\r\n${whole})`), String(lines[0]))
    assert.match(lines[0] ?? '', /\\Draft/)
  })

  it('names the URL that leads nowhere', async (t) => {
    const { client, name } = await personWith(access, t, mail('source'))
    await access.deliver(await access.person(), mail('of somebody else'))
    const uid = numberIn((await client.ok('SELECT INBOX')).lines.join(), 'UIDNEXT') - 1
    for (const url of [
      '/INBOX/;UID=999999',
      `/INBOX;UIDVALIDITY=999/;UID=${uid}`,
      `/Nowhere/;UID=${uid}`,
      `/INBOX/;UID=${uid}/;SECTION=7`,
      `/INBOX/;UID=${uid}/;SECTION=nonsense`,
      `imap://${name}@mail.example.test/INBOX/;UID=${uid}`,
      `/INBOX/;UID=${uid}/;SECTION=%zz`,
      '',
    ]) {
      const { status, text } = await client.send(`APPEND INBOX CATENATE (URL "${url}")`)
      assert.equal(status, 'NO', url)
      assert.ok(text.startsWith(`[BADURL "${url}"]`), text)
    }
    assert.equal((await client.send('APPEND INBOX CATENATE ()')).status, 'BAD')
    assert.equal((await client.send('APPEND INBOX CATENATE (TEXT "no literal")')).status, 'BAD')
    assert.match((await client.send('APPEND INBOX CATENATE (TEXT {})', '')).text, /CANNOT/)
    assert.match((await client.ok('STATUS INBOX (MESSAGES)')).lines[0] ?? '', /MESSAGES 1/)
  })

  it('refuses what is too large in all', async (t) => {
    const { client, port, name } = await personWith(access, t)
    const body = 'x'.repeat(700_000)
    const limited = await ImapClient.signedIn(
      await access.imap(t, { limits: { messageBytes: 1_000_000 } }),
      name,
      PASSWORD,
    )
    t.after(() => limited.close())
    assert.match((await limited.send('APPEND INBOX CATENATE (TEXT {} TEXT {})', body, body)).text, /^\[TOOBIG\]/)
    assert.equal((await client.send('APPEND INBOX CATENATE (TEXT {} TEXT {})', body, `${body}${body}`)).status, 'OK')
    assert.ok(port > 0)
    await client.ok('SELECT INBOX')
    assert.equal(numberIn((await client.ok('FETCH 1 RFC822.SIZE')).lines.join(), 'RFC822.SIZE'), 2_100_000)
  })
})

describe('REPLACE (RFC 8508)', () => {
  it('gives a new message for an old one, here and elsewhere', async (t) => {
    const { client } = await personWith(access, t, mail('one'), mail('two'))
    await client.ok('SELECT INBOX')
    const reply = await client.ok('REPLACE 1 INBOX (\\Seen) {}', mail('new one'))
    const [appended = '', ...rest] = reply.lines
    assert.match(appended, /^\* OK \[APPENDUID \d+ \d+\]/)
    assert.deepEqual(rest.slice(0, 2), ['* 1 EXPUNGE', '* 2 EXISTS'])
    assert.match(
      (await client.ok('FETCH 2 (FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])')).lines.join(),
      /\\Seen.*new one/s,
    )
    const uid = numberIn((await client.ok('FETCH 2 UID')).lines.join(), 'UID')
    const moved = await client.ok(`UID REPLACE ${uid} Drafts CATENATE (TEXT {})`, mail('draft'))
    assert.match(moved.lines.join(), /APPENDUID.*\* 2 EXPUNGE/)
    assert.match((await client.ok('STATUS Drafts (MESSAGES)')).lines[0] ?? '', /MESSAGES 1/)
  })

  it('is refused when there is nothing to replace, nowhere to go, or no right to', async (t) => {
    const { client } = await personWith(access, t, mail('one'))
    await client.ok('SELECT INBOX')
    assert.equal((await client.send('REPLACE 7 INBOX {}', mail('x'))).status, 'BAD')
    assert.equal((await client.send('UID REPLACE 999999 INBOX {}', mail('x'))).status, 'NO')
    assert.match((await client.send('REPLACE 1 Nowhere {}', mail('x'))).text, /^\[TRYCREATE\]/)
    assert.match((await client.send('REPLACE 1 INBOX {}', '')).text, /^\[CANNOT\]/)
    await client.ok('EXAMINE INBOX')
    assert.match((await client.send('REPLACE 1 INBOX {}', mail('x'))).text, /^\[READ-ONLY\]/)
    assert.match((await client.ok('STATUS INBOX (MESSAGES)')).lines[0] ?? '', /MESSAGES 1/)
  })
})

describe('SAVEDATE (RFC 8514)', () => {
  it('is when a message came into its mailbox, whatever its INTERNALDATE', async (t) => {
    const { client } = await personWith(access, t)
    await client.ok('APPEND INBOX "01-Jan-2001 00:00:00 +0000" {}', mail('old'))
    await client.ok('APPEND INBOX {}', mail('new'))
    await client.ok('SELECT INBOX')
    const { lines } = await client.ok('FETCH 1 (INTERNALDATE SAVEDATE)')
    const year = new Date().getUTCFullYear()
    assert.match(lines[0] ?? '', new RegExp(`INTERNALDATE " 1-Jan-2001[^"]*" SAVEDATE "..-...-${year} `))
    const today = new Date().toUTCString().replace(/^\w+, 0?(\d+) (\w+) (\d+).*/, '$1-$2-$3')
    const found = async (keys: string) => (await client.ok(`SEARCH ${keys}`)).lines[0]
    assert.equal(await found('SAVEDSINCE 1-Jan-2002'), '* SEARCH 1 2')
    assert.equal(await found('SAVEDBEFORE 1-Jan-2002'), '* SEARCH')
    assert.equal(await found(`SAVEDON ${today} SUBJECT old`), '* SEARCH 1')
    assert.equal(await found('NOT SAVEDSINCE 1-Jan-2002'), '* SEARCH')
    assert.equal(await found('SAVEDATESUPPORTED'), '* SEARCH 1 2')
    assert.equal((await client.send('SEARCH SAVEDON yesterday')).status, 'BAD')
  })
})

describe('INPROGRESS (RFC 9585)', () => {
  it('says how far a long command is, before its answer', async (t) => {
    const { name } = await personWith(access, t, mail('one'), mail('two'))
    const client = await ImapClient.signedIn(await access.imap(t, { limits: { progressMs: 0 } }), name, PASSWORD)
    t.after(() => client.close())
    await client.ok('SELECT INBOX')
    const { lines } = await client.ok('SEARCH BODY hello')
    assert.match(lines[0] ?? '', /^\* OK \[INPROGRESS \("T\d+" 0 2\)\]/)
    assert.match(lines.at(-1) ?? '', /^\* SEARCH 1 2$/)
  })
})

describe('CONTEXT=SEARCH (RFC 5267)', () => {
  it('tells what joins and leaves a result, after EXISTS and before EXPUNGE', async (t) => {
    const { client, name } = await personWith(access, t, mail('one'), mail('two'), mail('three'))
    await client.ok('SELECT INBOX')
    const tag = client.begin('UID SEARCH RETURN (UPDATE COUNT) UNFLAGGED')
    assert.match((await client.finish(tag)).lines[0] ?? '', /COUNT 3/)
    const numbers = client.begin('SEARCH RETURN (UPDATE ALL) UNFLAGGED 2:3')
    await client.finish(numbers)
    const uids = uidsIn((await client.ok('UID FETCH 1:* FLAGS')).lines)
    const flagged = await client.ok('STORE 2 +FLAGS (\\Flagged)')
    assert.ok(
      flagged.lines.includes(`* ESEARCH (TAG "${tag}") UID REMOVEFROM (0 ${uids[1]})`),
      flagged.lines.join('\n'),
    )
    assert.ok(flagged.lines.includes(`* ESEARCH (TAG "${numbers}") REMOVEFROM (0 2)`))
    const back = await client.ok('STORE 2 -FLAGS (\\Flagged)')
    assert.ok(back.lines.includes(`* ESEARCH (TAG "${tag}") UID ADDTO (0 ${uids[1]})`))
    await client.ok('STORE 2:3 +FLAGS.SILENT (\\Deleted)')
    const { lines: gone } = await client.ok('EXPUNGE')
    const removed = gone.indexOf(`* ESEARCH (TAG "${numbers}") REMOVEFROM (0 2:3)`)
    assert.ok(removed >= 0 && removed < gone.indexOf('* 2 EXPUNGE'), gone.join('\n'))
    await access.deliver(name, mail('four'))
    await access.settle()
    const { lines: more } = await client.ok('NOOP')
    const exists = more.findIndex((line) => line.endsWith('EXISTS'))
    const added = more.findIndex((line) => line.startsWith(`* ESEARCH (TAG "${tag}") UID ADDTO (0 `))
    assert.ok(exists >= 0 && added > exists, more.join('\n'))
    assert.ok(!more.some((line) => line.includes(`"${numbers}"`)), 'message numbers meant the messages of then')
    await client.ok(`CANCELUPDATE "${tag}" "${numbers}"`)
    assert.ok(!(await client.ok('STORE 1 +FLAGS (\\Flagged)')).lines.join().includes('ESEARCH'))
    assert.equal((await client.send(`CANCELUPDATE "${tag}"`)).status, 'BAD')
  })

  it('tells it in IDLE, says when there are too many, and stops with the mailbox', async (t) => {
    const { client, name } = await personWith(access, t, mail('one'))
    await client.ok('SELECT INBOX')
    for (let i = 0; i < MAX_CONTEXTS; i++) await client.ok('UID SEARCH RETURN (UPDATE COUNT) ALL')
    const tag = client.begin('UID SEARCH RETURN (UPDATE COUNT) ALL')
    const { lines } = await client.finish(tag)
    assert.equal(lines[0], `* NO [NOUPDATE "${tag}"] Too many searches are kept up to date`)
    assert.match(lines[1] ?? '', /COUNT 1/)
    client.raw('i IDLE\r\n')
    assert.equal(await client.line(), '+ idling')
    await access.deliver(name, mail('two'))
    assert.equal(await client.line(), '* 2 EXISTS')
    for (let i = 0; i < MAX_CONTEXTS; i++) assert.match(await client.line(), /UID ADDTO \(0 \d+\)$/)
    client.raw('DONE\r\n')
    assert.match(await client.line(), /^i OK/)
    await client.ok('SELECT INBOX')
    await client.ok('UID SEARCH RETURN (UPDATE CONTEXT COUNT) ALL')
    assert.equal((await client.send('SORT RETURN (UPDATE) (DATE) UTF-8 ALL')).status, 'BAD')
  })
})
