// What becomes of mail by the filter rules of its recipients: folders, redirects, answers, refusals, each once and on the log.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { deliverLocally, submitMessage } from '../../commands/submit-message.ts'
import { readMail } from '../../domain/mail/read.ts'
import { Interrupted, interruptedJournal, spyingJournal } from '../support/journal.ts'
import { AT, MESSAGE, openRules } from './delivery.ts'

const DAY = 86_400_000
const VACATION = 'require "vacation"; vacation :days 7 :subject "Away" "I am away."; '

describe('filing', () => {
  it('goes to folders with flags, makes them when told to, and leaves mail without rules as it was', async (t) => {
    const script = `require ["fileinto", "mailbox", "copy", "imap4flags"];
      if address :domain "from" "example.com" {
        addflag "\\\\Flagged";
        fileinto :copy :create "Work/Plans";
        fileinto :create "Work";
      }`
    const { deliver, listing, arrivals, all } = await openRules(t, { ann: script, bob: undefined })
    assert.deepEqual(await deliver(), { delivered: true })
    assert.deepEqual(await listing('ann'), ['Work \\flagged', 'Work/Plans \\flagged'])
    assert.deepEqual(await listing('bob'), ['INBOX'])
    const [plans, work] = await arrivals('ann')
    assert.deepEqual(
      [plans?.data.filedBy, work?.data.filedBy],
      [
        { script: 'main', line: 4 },
        { script: 'main', line: 5 },
      ],
    )
    const [accepted] = await all('MailAccepted')
    const sections = Object.values(accepted?.data.sections ?? {})
    assert.deepEqual(
      sections.map(({ rules }) => rules?.actions),
      [
        [
          { action: 'fileinto', line: 4, detail: 'Work/Plans' },
          { action: 'fileinto', line: 5, detail: 'Work' },
        ],
        undefined,
      ],
    )
  })

  it('keeps in the inbox what a missing folder or an error would lose', async (t) => {
    const missing = await openRules(t, { ann: 'require "fileinto"; fileinto "Nowhere";' })
    await missing.deliver()
    assert.deepEqual(await missing.listing('ann'), ['INBOX'])
    const failing = 'require ["fileinto", "reject"]; reject "no"; fileinto "Junk";'
    const broken = await openRules(t, { ann: failing })
    await broken.deliver()
    assert.deepEqual(await broken.listing('ann'), ['INBOX'])
    const [accepted] = await broken.all('MailAccepted')
    assert.match(
      Object.values(accepted?.data.sections ?? {})[0]?.rules?.problem?.message ?? '',
      /cannot be refused and/,
    )
  })

  it('files one copy into a folder with two names', async (t) => {
    const { deliver, listing } = await openRules(t, {
      ann: 'require ["fileinto", "special-use"]; fileinto "junk"; fileinto :specialuse "\\\\Junk" "Other"; fileinto "INBOX"; keep;',
    })
    await deliver()
    assert.deepEqual(await listing('ann'), ['INBOX', 'Junk'])
  })

  it('discards, and says so on the log', async (t) => {
    const { deliver, listing, all, ids } = await openRules(t, { ann: 'discard;' })
    await deliver()
    assert.deepEqual(await listing('ann'), [])
    const [accepted] = await all('MailAccepted')
    assert.deepEqual(accepted?.data.sections[ids['ann'] ?? '']?.rules, {
      script: 'main',
      actions: [{ action: 'discard', line: 1 }],
    })
  })

  it('changes the header for the one who wanted it and for nobody else', async (t) => {
    const script = 'require "editheader"; addheader "X-Rule" "1"; deleteheader "Subject";'
    const { deliver, arrivals, blobs } = await openRules(t, { ann: script, bob: 'keep;' })
    await deliver()
    const [ann] = await arrivals('ann')
    const [bob] = await arrivals('bob')
    const raw = Buffer.from(await blobs.read(ann?.data.content.blob as never)).toString()
    assert.equal(raw, `X-Rule: 1\r\n${MESSAGE.replace(/Subject:.*\n/, '').replaceAll('\n', '\r\n')}`)
    assert.deepEqual([ann?.data.content.envelope.subject, bob?.data.content.envelope.subject], ['', 'Offsite plans'])
  })

  it('compiles a script once, and anew when it changes', async (t) => {
    const { deliver, journal, setRules, listing } = await openRules(t, { ann: 'discard;' })
    const { journal: spied, spy } = spyingJournal(journal)
    await deliver({ journal: spied })
    await deliver({ journal: spied, intakeId: 'intake2' })
    assert.equal(spy.read, 0, 'the rule book reads by its own journal, once')
    await setRules('ann', 'keep;')
    await deliver({ intakeId: 'intake3' })
    assert.deepEqual(await listing('ann'), ['INBOX'])
  })
})

describe('redirect', () => {
  it('passes the message on with the sender as it was, and leaves no copy', async (t) => {
    const { deliver, listing, sent, ids } = await openRules(t, { ann: 'redirect "lee@example.org";', bob: 'keep;' })
    await deliver({ message: `Return-Path: <theo@example.com>\n${MESSAGE}` })
    assert.deepEqual(await listing('ann'), [])
    const [mail, more] = await sent()
    assert.equal(more, undefined)
    assert.deepEqual(
      [mail?.data.mailFrom, mail?.data.accountId, mail?.data.recipients],
      ['theo@example.com', ids['ann'], [{ address: 'lee@example.org' }]],
    )
    assert.equal(mail?.raw, `Delivered-To: ann@example.test\r\n${MESSAGE.replaceAll('\n', '\r\n')}`)
  })

  it('ends a circle: what was here before, or would come back at once, stays', async (t) => {
    const { deliver, listing, sent } = await openRules(t, {
      ann: 'redirect "lee@example.org";',
      bob: 'redirect "Bob@example.test";',
    })
    await deliver({ message: `Delivered-To: ann@example.test\n${MESSAGE}` })
    assert.deepEqual([await listing('ann'), await listing('bob'), await sent()], [['INBOX'], ['INBOX'], []])
  })

  it('names the account of a recipient that lives here', async (t) => {
    const { deliver, sent, ids } = await openRules(t, { ann: 'redirect "bob@example.test";', bob: undefined })
    await deliver({ to: ['ann'] })
    assert.deepEqual((await sent())[0]?.data.recipients, [{ address: 'bob@example.test', accountId: ids['bob'] }])
  })
})

describe('vacation', () => {
  it('answers once in its time, with the null sender and a proper header', async (t) => {
    const { deliver, sent, listing } = await openRules(t, { ann: VACATION })
    await deliver()
    await deliver({ intakeId: 'intake2', at: AT + DAY })
    const answers = await sent()
    assert.equal(answers.length, 1)
    const [answer] = answers
    assert.deepEqual([answer?.data.mailFrom, answer?.data.recipients], ['', [{ address: 'theo@example.com' }]])
    const { envelope, text } = readMail(Buffer.from(answer?.raw ?? ''))
    assert.deepEqual(
      [envelope.from, envelope.subject, envelope.inReplyTo, envelope.references, text],
      [[{ name: 'Ann Kim', address: 'ann@example.test' }], 'Away', ['1@example.com'], ['1@example.com'], 'I am away.'],
    )
    assert.match(answer?.raw ?? '', /^Auto-Submitted: auto-replied \(vacation\)\r$/m)
    await deliver({ intakeId: 'intake3', at: AT + 7 * DAY + 1 })
    assert.equal((await sent()).length, 2, 'after its time it answers again')
    assert.deepEqual(await listing('ann'), ['INBOX', 'INBOX', 'INBOX'])
  })

  const SILENT: Readonly<Record<string, { message?: string; mailFrom?: string }>> = {
    'a bounce': { mailFrom: '' },
    'a list by its field': { message: `List-Id: <l.example.com>\n${MESSAGE}` },
    'a list by its precedence': { message: `Precedence: bulk\n${MESSAGE}` },
    'a list by its sender': { mailFrom: 'owner-plans@example.com' },
    'a machine': { message: `Auto-Submitted: auto-generated\n${MESSAGE}` },
    'a no-reply address': { mailFrom: 'no-reply@example.com' },
    'the mail system': { mailFrom: 'MAILER-DAEMON@example.com' },
    oneself: { mailFrom: 'ann+me@example.test' },
    'mail that does not name the account': { message: MESSAGE.replace('To: ann@', 'To: everyone@') },
    'who wants none': { message: `X-Auto-Response-Suppress: OOF\n${MESSAGE}` },
  }
  for (const [whom, options] of Object.entries(SILENT)) {
    it(`does not answer ${whom}`, async (t) => {
      const { deliver, sent, all, listing } = await openRules(t, { ann: VACATION })
      await deliver(options)
      assert.deepEqual([await sent(), await listing('ann')], [[], ['INBOX']])
      const [accepted] = await all('MailAccepted')
      assert.ok(Object.values(accepted?.data.sections ?? {})[0]?.rules?.actions[0]?.note, 'the log says why')
    })
  }

  it('knows every address of the account, with tags, and never writes in another’s name', async (t) => {
    const script = 'require "vacation"; vacation :from "Boss <boss@example.test>" :addresses "ann@old.test" "Away.";'
    const { deliver, sent } = await openRules(t, { ann: script })
    await deliver({ message: MESSAGE.replace('To: ann@example.test', 'Cc: ann+x@example.test') })
    await deliver({
      message: MESSAGE.replace('To: ann@example.test', 'To: ann@old.test'),
      mailFrom: 'lee@example.org',
      intakeId: 'i2',
    })
    const answers = await sent()
    assert.equal(answers.length, 2)
    for (const { raw } of answers) assert.match(raw, /^From: Ann Kim <ann@example.test>\r$/m)
  })

  it('sends what the script wrote as MIME, and nothing of it as header', async (t) => {
    const script = `require "vacation"; vacation :mime text:
Content-Type: text/html
Bcc: secret@example.org

<p>Away</p>
.
;`
    const { deliver, sent } = await openRules(t, { ann: script })
    await deliver()
    const raw = (await sent())[0]?.raw ?? ''
    assert.match(raw, /MIME-Version: 1\.0\r\nContent-Type: text\/html\r\n\r\n<p>Away<\/p>\r\n$/)
    assert.doesNotMatch(raw, /Bcc/)
  })

  it('answers once when two messages of a sender come in the same moment', async (t) => {
    const { deliver, sent, listing } = await openRules(t, { ann: VACATION })
    await Promise.all([deliver(), deliver({ intakeId: 'intake2' }), deliver({ intakeId: 'intake3' })])
    assert.equal((await sent()).length, 1)
    assert.equal((await listing('ann')).length, 3)
  })
})

describe('duplicate', () => {
  it('is remembered on the log for its time', async (t) => {
    const { deliver, listing } = await openRules(t, {
      ann: 'require "duplicate"; if duplicate :seconds 3600 { discard; }',
    })
    await deliver()
    await deliver({ intakeId: 'intake2', at: AT + 60_000 })
    assert.equal((await listing('ann')).length, 1)
    await deliver({ intakeId: 'intake3', at: AT + 3_600_001 })
    assert.equal((await listing('ann')).length, 2)
  })
})

describe('refusal', () => {
  it('is told to the client when everyone refuses, and nothing is written', async (t) => {
    const { deliver, listing, all } = await openRules(t, {
      ann: 'require "ereject"; ereject "Not wanted.";',
      bob: 'require "reject"; reject "Nor here.";',
    })
    assert.deepEqual(await deliver(), { delivered: false, reason: 'Not wanted.' })
    assert.deepEqual([await listing('ann'), await all('MailAccepted'), await all('MessageSubmitted')], [[], [], []])
  })

  it('goes by mail when others take the message, or the words fit in no answer', async (t) => {
    const { deliver, listing, sent } = await openRules(t, {
      ann: 'require "ereject"; ereject "Not wanted.";',
      bob: undefined,
    })
    assert.deepEqual(await deliver(), { delivered: true })
    assert.deepEqual([await listing('ann'), await listing('bob')], [[], ['INBOX']])
    const [dsn] = await sent()
    assert.deepEqual([dsn?.data.mailFrom, dsn?.data.recipients], ['', [{ address: 'theo@example.com' }]])
    assert.match(
      dsn?.raw ?? '',
      /report-type=delivery-status[\s\S]*Action: failed\r\nStatus: 5\.7\.1[\s\S]*Message-ID: <1@example.com>/,
    )

    const korean = await openRules(t, { ann: 'require "reject"; reject "받지 않습니다.";' })
    assert.deepEqual(await korean.deliver(), { delivered: true })
    const mdn = (await korean.sent())[0]?.raw ?? ''
    assert.match(mdn, /disposition-notification[\s\S]*automatic-action\/MDN-sent-automatically; deleted/)
    assert.match(readMail(Buffer.from(mdn)).text, /받지 않습니다\./)
  })

  it('of a bounce is silent when the client is gone', async (t) => {
    const { deliver, sent, listing } = await openRules(t, { ann: 'require "reject"; reject "No.";' })
    await deliver({ mailFrom: '', inSession: false })
    assert.deepEqual([await sent(), await listing('ann')], [[], []])
  })
})

describe('mail between people who live here', () => {
  it('goes by their rules too, and a repeat adds nothing', async (t) => {
    const { journal, directory, blobs, ids, ports, listing, sent } = await openRules(t, {
      ann: 'require ["vacation", "fileinto"]; vacation "Away."; fileinto "Archive";',
      bob: undefined,
    })
    const raw = Buffer.from('From: bob@example.test\r\nTo: ann@example.test\r\nSubject: Hello\r\n\r\nText\r\n')
    const outcome = await submitMessage(
      { journal, directory, rules: ports(journal) },
      contextOf('test', 'submission', { at: AT }),
      {
        accountId: ids['bob'] ?? '',
        mailFrom: 'bob@example.test',
        recipients: ['ann@example.test'],
        blob: await blobs.put(raw),
        mail: readMail(raw),
      },
    )
    assert.ok(outcome.ok)
    await deliverLocally({ journal, rules: ports(journal) }, outcome.submissionId, readMail(raw))
    assert.deepEqual(await listing('ann'), ['Archive'])
    const answers = (await sent()).filter(({ data }) => data.mailFrom === '')
    assert.deepEqual(
      answers.map(({ data }) => data.recipients),
      [[{ address: 'bob@example.test', accountId: ids['bob'] }]],
    )
  })
})

describe('a crash', () => {
  const SCRIPT =
    `${VACATION} require ["fileinto", "copy", "mailbox"]; redirect :copy "lee@example.org"; fileinto :copy :create "A"; keep;`
      .replace('require "vacation"; ', 'require ["vacation", "fileinto", "copy", "mailbox"]; ')
      .replace('require ["fileinto", "copy", "mailbox"]; ', '')

  for (const piecewise of [false, true]) {
    it(`at any append doubles nothing and loses nothing${piecewise ? ', on an engine that commits stream by stream' : ''}`, async (t) => {
      for (let at = 1; at <= 8; at++) {
        for (const after of [false, true]) {
          const { deliver, journal, listing, sent } = await openRules(t, { ann: SCRIPT })
          const dying = interruptedJournal(journal, at, { piecewise, after })
          await deliver({ journal: dying }).catch((error) => assert.ok(error instanceof Interrupted))
          assert.deepEqual(await deliver(), { delivered: true })
          assert.deepEqual(await listing('ann'), ['A', 'INBOX'])
          assert.deepEqual((await sent()).map(({ data }) => data.recipients[0]?.address).sort(), [
            'lee@example.org',
            'theo@example.com',
          ])
        }
      }
    })
  }
})
