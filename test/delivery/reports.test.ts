// What senders are told: failures, delays and deliveries, once each, in their inbox; and never a report for a report.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startSink } from '../support/smtp-sink.ts'
import { START, startHarness } from './harness.ts'

const HOUR = 3_600_000

describe('a report of failure', () => {
  it('comes to the inbox in the commit of the bounce, with the header of the message', async (t) => {
    const sink = await startSink(t, {
      on: (verb, line) => (verb === 'RCPT' && line.includes('gone') ? '550 5.1.1 No such user' : undefined),
    })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    harness.start()
    const id = await harness.submit(
      [{ address: 'gone@elsewhere.test', originalRecipient: 'rfc822;old@elsewhere.test' }, 'good@elsewhere.test'],
      { envelope: { envelopeId: 'QQ1' } },
    )
    await harness.until(id, 'SubmissionCompleted')
    const notified = await harness.until(id, 'SenderNotified')
    assert.deepEqual(notified.data.recipients, ['gone@elsewhere.test'])
    const [report, ...more] = await harness.inbox('ann')
    assert.deepEqual(more, [])
    assert.equal(report?.event.data.mailFrom, '')
    const raw = report?.raw ?? ''
    assert.match(raw, /report-type=delivery-status/)
    assert.match(raw, /^Original-Envelope-Id: QQ1\r$/m)
    assert.match(
      raw,
      /^Original-Recipient: rfc822;old@elsewhere\.test\r\nFinal-Recipient: rfc822;gone@elsewhere\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r$/m,
    )
    assert.match(raw, /^Diagnostic-Code: smtp; 550 5\.1\.1 No such user\r$/m)
    assert.match(raw, /Content-Type: text\/rfc822-headers[\s\S]*Subject: Hello/)
    assert.doesNotMatch(raw, /Hello there/)
  })

  it('returns the whole message when it was asked to', async (t) => {
    const sink = await startSink(t, { on: (verb) => (verb === 'MAIL' ? '553 5.7.1 Not you' : undefined) })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    harness.start()
    const id = await harness.submit(['a@elsewhere.test'], { envelope: { returns: 'full' } })
    await harness.until(id, 'SenderNotified')
    assert.match((await harness.inbox('ann'))[0]?.raw ?? '', /message\/rfc822[\s\S]*Hello there/)
  })

  it('is not made for the null sender, nor for NOTIFY=NEVER', async (t) => {
    const sink = await startSink(t, { on: (verb) => (verb === 'RCPT' ? '550 5.1.1 No' : undefined) })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    harness.start()
    const report = await harness.submit(['a@elsewhere.test'], { mailFrom: '' })
    const silent = await harness.submit([{ address: 'b@elsewhere.test', notify: ['never'] }])
    const loud = await harness.submit(['c@elsewhere.test'])
    await harness.until(report, 'SubmissionCompleted')
    await harness.until(silent, 'SubmissionCompleted')
    await harness.until(loud, 'SenderNotified')
    assert.equal((await harness.inbox('ann')).length, 1)
    assert.equal(sink.commands.filter((line) => line.startsWith('MAIL FROM:<>')).length, 1)
  })

  it('travels to a sender who is elsewhere, with the null sender', async (t) => {
    const sink = await startSink(t, {
      on: (verb, line) => (verb === 'RCPT' && line.includes('gone') ? '550 5.1.1 No' : undefined),
    })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test', 'origin.test')
    harness.start()
    await harness.submit(['gone@elsewhere.test'], { mailFrom: 'writer@origin.test' })
    await sink.until(1)
    assert.equal(sink.mails[0]?.mailFrom, '')
    assert.deepEqual(sink.mails[0]?.to, ['writer@origin.test'])
    assert.match(sink.mails[0]?.message.toString() ?? '', /multipart\/report/)
  })

  it('says at the end of five days what the last answer was', async (t) => {
    const sink = await startSink(t, { on: (verb) => (verb === 'RCPT' ? '451 4.3.0 Not now' : undefined) })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    const running = harness.start()
    const id = await harness.submit(['a@elsewhere.test'])
    await harness.until(id, 'RecipientDeferred')
    await harness.pass(121 * HOUR, running)
    const { data } = await harness.until(id, 'RecipientBounced')
    assert.equal(data.answer, '451 4.3.0 Not now')
    await harness.until(id, 'SenderNotified')
    const raw = (await harness.inbox('ann')).at(-1)?.raw ?? ''
    assert.match(raw, /^Action: failed\r\nStatus: 5\.3\.0\r$/m)
  })
})

describe('a report of delay', () => {
  it('comes once, after four hours', async (t) => {
    const sink = await startSink(t, { on: (verb) => (verb === 'RCPT' ? '452 4.2.2 Full' : undefined) })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    const running = harness.start()
    const id = await harness.submit(['a@elsewhere.test'])
    let attempts = 0
    while (harness.clock.now < START + 30 * HOUR) {
      const { data } = await harness.until(id, 'RecipientDeferred', ++attempts)
      if (data.nextAttemptAt > START + 30 * HOUR) break
      await harness.pass(data.nextAttemptAt - harness.clock.now, running)
    }
    const told = (await harness.events(id)).filter(({ type }) => type === 'SenderNotified')
    assert.equal(told.length, 1)
    assert.equal(told[0]?.metadata.at !== undefined, true)
    const inbox = await harness.inbox('ann')
    assert.equal(inbox.length, 1)
    assert.match(
      inbox[0]?.raw ?? '',
      /^Action: delayed\r\nStatus: 4\.2\.2\r[\s\S]*^Will-Retry-Until: Fri, 6 Mar 2026 09:00:00 \+0000\r$/m,
    )
    assert.equal(inbox[0]?.event.data.receivedAt, START + 4 * HOUR)
  })
})

describe('a report of success', () => {
  it('is ours where the next server makes none, and its where it does', async (t) => {
    const plain = await startSink(t)
    const harness = await startHarness(t)
    harness.lead(plain, 'elsewhere.test')
    harness.start()
    const ours = await harness.submit([{ address: 'a@elsewhere.test', notify: ['success'] }])
    await harness.until(ours, 'SenderNotified')
    assert.match((await harness.inbox('ann'))[0]?.raw ?? '', /^Action: relayed\r$/m)
    await plain.close()
    const reporting = await startSink(t, { port: plain.port, extensions: ['PIPELINING', 'DSN'] })
    const theirs = await harness.submit(
      [{ address: 'b@elsewhere.test', notify: ['success', 'delay'], originalRecipient: 'rfc822;b+1@elsewhere.test' }],
      { envelope: { envelopeId: 'A=1', returns: 'headers' } },
    )
    const delivered = await harness.until(theirs, 'RecipientDelivered')
    assert.equal(delivered.data.reportsItself, true)
    await harness.until(theirs, 'SubmissionCompleted')
    assert.equal((await harness.inbox('ann')).length, 1)
    assert.equal(reporting.mails[0]?.parameters, ' RET=HDRS ENVID=A+3D1')
    assert.equal(
      reporting.mails[0]?.toParameters.get('b@elsewhere.test'),
      ' NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2B1@elsewhere.test',
    )
  })

  it('is made for who lives here', async (t) => {
    const harness = await startHarness(t)
    harness.start()
    const id = await harness.submit([{ address: 'bob@example.test', notify: ['success'] }])
    await harness.until(id, 'SenderNotified')
    assert.match((await harness.inbox('ann'))[0]?.raw ?? '', /^Action: delivered\r\nStatus: 2\.0\.0\r$/m)
  })
})
