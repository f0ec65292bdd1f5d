import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { ImapClient } from '../support/imap-client.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { mail, personWith } from './people.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

/** One who is told, and another session of the same person that does things. */
async function pair(t: TestContext, ...mails: readonly string[]) {
  const { client, port, name } = await personWith(access, t, ...mails)
  const other = await ImapClient.signedIn(port, name, PASSWORD)
  t.after(() => other.close())
  return { client, other, port, name }
}

describe('NOTIFY (RFC 5465)', () => {
  it('tells of the selected mailbox without being asked, departures too', async (t) => {
    const { client, other, name } = await pair(t, mail('one'), mail('two'))
    await client.ok('SELECT INBOX')
    await client.ok(
      'NOTIFY SET (SELECTED (MessageNew (UID BODY.PEEK[HEADER.FIELDS (Subject)]) MessageExpunge FlagChange))',
    )
    await other.ok('SELECT INBOX')
    await other.ok('STORE 1 +FLAGS (\\Flagged)')
    assert.match(await client.line(), /^\* 1 FETCH \(UID \d+ FLAGS \(\\Flagged\)\)$/)
    await access.deliver(name, mail('three'))
    assert.equal(await client.line(), '* 3 EXISTS')
    assert.match(
      await client.line(),
      /^\* 3 FETCH \(UID \d+ BODY\[HEADER.FIELDS \(SUBJECT\)\] \{\d+\}\r\nSubject: three\r\n\r\n\)$/,
    )
    await other.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    assert.match(await client.line(), /^\* 1 FETCH .*\\Deleted/)
    await other.ok('EXPUNGE')
    assert.equal(await client.line(), '* 1 EXPUNGE')
    assert.equal((await client.ok('NOOP')).lines.length, 0)
  })

  it('holds departures back for SELECTED-DELAYED, and what was not asked for', async (t) => {
    const { client, other, name } = await pair(t, mail('one'), mail('two'))
    await client.ok('SELECT INBOX')
    await client.ok('NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))')
    await other.ok('SELECT INBOX')
    await other.ok('STORE 1 +FLAGS (\\Flagged \\Deleted)')
    await other.ok('EXPUNGE')
    await access.deliver(name, mail('three'))
    assert.equal(await client.line(), '* 3 EXISTS')
    assert.deepEqual((await client.ok('NOOP')).lines, ['* 1 EXPUNGE'])
  })

  it('tells of other mailboxes by STATUS, at first and whenever they change', async (t) => {
    const { client, other, name } = await pair(t, mail('one'))
    await client.ok('SELECT Drafts')
    const { lines } = await client.ok(
      'NOTIFY SET STATUS (MAILBOXES (Archive Trash) NONE) (PERSONAL (MessageNew MessageExpunge FlagChange))',
    )
    assert.equal(lines.length, 3, lines.join('\n'))
    assert.ok(lines.some((line) => /^\* STATUS INBOX \(MESSAGES 1 UIDNEXT \d+ UIDVALIDITY \d+ UNSEEN 1\)$/.test(line)))
    assert.ok(!lines.join().includes('Drafts') && !lines.join().includes('Archive'))
    await access.deliver(name, mail('two'))
    assert.match(await client.line(), /^\* STATUS INBOX \(MESSAGES 2 UIDNEXT \d+ UIDVALIDITY \d+ UNSEEN 2\)$/)
    await other.ok('SELECT INBOX')
    await other.ok('STORE 1 +FLAGS (\\Seen)')
    assert.match(await client.line(), /^\* STATUS INBOX \(UIDVALIDITY \d+ UNSEEN 1\)$/)
    await other.ok('COPY 1 Archive')
    await other.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    assert.match(await client.line(), /^\* STATUS INBOX \(UIDVALIDITY/)
    await other.ok('EXPUNGE')
    assert.match(await client.line(), /^\* STATUS INBOX \(MESSAGES 1/)
    await client.ok('NOTIFY NONE')
    await access.deliver(name, mail('three'))
    await access.settle()
    assert.deepEqual((await client.ok('NOOP')).lines, [])
  })

  it('tells of mailboxes that come, go, are renamed and subscribed', async (t) => {
    const { client, other } = await pair(t)
    await client.ok('NOTIFY SET (SUBTREE Work (MailboxName SubscriptionChange))')
    await other.ok('CREATE Play')
    await other.ok('CREATE Work')
    assert.equal(await client.line(), '* LIST (\\Subscribed) "/" Work')
    await other.ok('CREATE Work/Plans')
    assert.equal(await client.line(), '* LIST (\\Subscribed) "/" Work/Plans')
    await other.ok('UNSUBSCRIBE Work/Plans')
    assert.equal(await client.line(), '* LIST () "/" Work/Plans')
    await other.ok('RENAME Work/Plans Work/Ideas')
    assert.equal(await client.line(), '* LIST () "/" Work/Ideas ("OLDNAME" (Work/Plans))')
    await other.ok('DELETE Work/Ideas')
    assert.equal(await client.line(), '* LIST (\\NonExistent) "/" Work/Ideas')
  })

  it('tells in IDLE as well, and keeps a search up to date with items of what joins', async (t) => {
    const { client, name } = await pair(t, mail('one'))
    await client.ok('SELECT INBOX')
    await client.ok('NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (MAILBOXES Sent (MessageNew MessageExpunge))')
    const tag = client.begin('UID SEARCH RETURN (UPDATE (FLAGS) COUNT) SUBJECT two')
    await client.finish(tag)
    client.raw('i IDLE\r\n')
    assert.equal(await client.line(), '+ idling')
    await access.deliver(name, mail('two'))
    assert.equal(await client.line(), '* 2 EXISTS')
    assert.match(await client.line(), new RegExp(`^\\* ESEARCH \\(TAG "${tag}"\\) UID ADDTO \\(0 \\d+\\)$`))
    assert.match(await client.line(), /^\* 2 FETCH \(UID \d+ FLAGS \(\)\)$/)
    client.raw('DONE\r\n')
    assert.match(await client.line(), /^i OK/)
  })

  it('tells of shared folders to whoever may read them', async (t) => {
    const { client, name, port } = await pair(t)
    const guest = await access.person()
    const other = await ImapClient.signedIn(port, guest, PASSWORD)
    t.after(() => other.close())
    await client.ok('CREATE Plans')
    await client.ok(`SETACL Plans ${guest}@example.test lr`)
    const path = `"Other Users/${name}@example.test/Plans"`
    await other.ok('NOTIFY SET (SUBSCRIBED (MessageNew MessageExpunge MailboxName))')
    await client.ok('APPEND Plans {}', mail('one'))
    assert.ok((await other.line()).startsWith(`* STATUS ${path} (MESSAGES 1 `))
    await client.ok(`SETACL Plans ${guest}@example.test l`)
    await client.ok('APPEND Plans {}', mail('two'))
    await client.ok(`DELETEACL Plans ${guest}@example.test`)
    // Told by then, or with the comparison that follows: nothing counts what may not be read.
    const { lines } = await other.ok('NOOP')
    const told = lines.some((line) => line.includes('NonExistent')) ? lines : [...lines, await other.line()]
    assert.deepEqual(
      told.filter((line) => line.includes('STATUS')),
      [],
    )
  })

  it('refuses what makes no sense', async (t) => {
    const { client } = await pair(t)
    const tries: readonly [string, RegExp][] = [
      ['SET', /^BAD/],
      ['SOME', /^BAD/],
      ['SET (SELECTED (MessageNew))', /^BAD/],
      ['SET (SELECTED (FlagChange))', /^BAD/],
      ['SET (SELECTED (MessageNew MessageExpunge)) (SELECTED-DELAYED (MessageNew MessageExpunge))', /^BAD/],
      ['SET (SELECTED (MailboxName))', /^BAD/],
      ['SET (PERSONAL (MessageNew (UID) MessageExpunge))', /^BAD/],
      ['SET (NOWHERE (MessageNew MessageExpunge))', /^BAD/],
      [
        'SET (PERSONAL (AnnotationChange))',
        /^NO \[BADEVENT \(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange\)\]/,
      ],
      ['SET (PERSONAL SOME)', /^BAD/],
      [
        `SET (MAILBOXES (${Array.from({ length: 1_001 }, (_, i) => `m${i}`).join(' ')}) (MailboxName))`,
        /^NO \[NOTIFICATIONOVERFLOW\]/,
      ],
    ]
    for (const [what, answer] of tries) {
      const { status, text } = await client.send(`NOTIFY ${what}`)
      assert.match(`${status} ${text}`, answer, what.slice(0, 80))
    }
    assert.equal((await client.send('NOTIFY NONE')).status, 'OK')
  })
})
