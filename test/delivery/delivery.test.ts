// From submission to the other server's answer on the log.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { changeSubmission } from '../../commands/submit-message.ts'
import { startSink } from '../support/smtp-sink.ts'
import { START, type SubmissionRecord, startHarness } from './harness.ts'

const typesOf = (events: readonly SubmissionRecord[]) => events.map(({ type }) => type)

describe('delivery', () => {
  it('sends to the exchanger and puts its answer on the log', async (t) => {
    const sink = await startSink(t)
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    harness.start()
    const id = await harness.submit(['someone@elsewhere.test'])
    const { data } = await harness.until(id, 'RecipientDelivered')
    assert.deepEqual(data, {
      submissionId: id,
      recipient: 'someone@elsewhere.test',
      answer: '250 2.0.0 Ok',
      status: '2.0.0',
      attempt: 1,
      remote: 'mx.elsewhere.test',
      tls: { policy: 'none' },
    })
    assert.deepEqual(typesOf(await harness.events(id)), [
      'MessageSubmitted',
      'SendingStarted',
      'RecipientDelivered',
      'SubmissionCompleted',
    ])
    const [mail] = sink.mails
    assert.equal(mail?.mailFrom, 'ann@example.test')
    assert.deepEqual(mail?.to, ['someone@elsewhere.test'])
    assert.match(
      mail?.message.toString() ?? '',
      /^From: ann@example\.test\r\n[\s\S]*\r\n\r\nHello there\.\r\n\.dot\r\n$/,
    )
    assert.match(mail?.parameters ?? '', / SIZE=\d+/)
  })

  it('delivers here and there at once, and tells nobody of it', async (t) => {
    const sink = await startSink(t)
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    harness.start()
    const id = await harness.submit(['bob@example.test', 'someone@elsewhere.test'])
    await harness.until(id, 'SubmissionCompleted')
    assert.equal((await harness.inbox('bob')).length, 1)
    assert.equal((await harness.inbox('ann')).length, 0)
    assert.equal(sink.mails.length, 1)
  })

  it('sends one transaction for the recipients of a domain, and one connection for many messages', async (t) => {
    const sink = await startSink(t)
    const harness = await startHarness(t, { settings: { connectionsPerDestination: 1 } })
    harness.lead(sink, 'elsewhere.test', 'other.test')
    harness.start()
    const id = await harness.submit(['a@elsewhere.test', 'b@other.test', 'c@elsewhere.test'])
    await harness.until(id, 'SubmissionCompleted')
    assert.deepEqual(
      sink.mails.map(({ to }) => to).sort((a, b) => b.length - a.length),
      [['a@elsewhere.test', 'c@elsewhere.test'], ['b@other.test']],
    )
    const ids = await Promise.all(Array.from({ length: 10 }, () => harness.submit(['a@elsewhere.test'])))
    for (const each of ids) await harness.until(each, 'SubmissionCompleted')
    assert.equal(sink.connections, 2, 'one connection for each domain')
  })

  it('follows each recipient to its own end', async (t) => {
    const sink = await startSink(t, {
      on: (verb, line) => {
        if (verb !== 'RCPT') return undefined
        if (line.includes('gone@')) return '550 5.1.1 No such user'
        if (line.includes('full@')) return '452 4.2.2 Mailbox full'
        return undefined
      },
    })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    harness.start()
    const id = await harness.submit(['gone@elsewhere.test', 'full@elsewhere.test', 'good@elsewhere.test'])
    const deferred = await harness.until(id, 'RecipientDeferred')
    const events = await harness.events(id)
    const bounced = events.find(({ type }) => type === 'RecipientBounced')
    assert.ok(bounced?.type === 'RecipientBounced')
    assert.equal(bounced.data.recipient, 'gone@elsewhere.test')
    assert.equal(bounced.data.status, '5.1.1')
    assert.equal(deferred.data.recipient, 'full@elsewhere.test')
    assert.equal(deferred.data.status, '4.2.2')
    const wait = deferred.data.nextAttemptAt - START
    assert.ok(wait >= 270_000 && wait <= 330_000, `${wait}`)
    assert.deepEqual(sink.mails[0]?.to, ['good@elsewhere.test'])
    assert.ok(!typesOf(events).includes('SubmissionCompleted'))
  })

  it('tries again when it is time, and never those who have it', async (t) => {
    let full = true
    const sink = await startSink(t, {
      on: (verb, line) => (verb === 'RCPT' && line.includes('b@') && full ? '450 4.2.1 Busy' : undefined),
    })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    const running = harness.start()
    const id = await harness.submit(['a@elsewhere.test', 'b@elsewhere.test'])
    const first = await harness.until(id, 'RecipientDeferred')
    await harness.pass(first.data.nextAttemptAt - START - 1, running)
    const second = Promise.race([harness.until(id, 'RecipientDeferred', 2), harness.until(id, 'SubmissionCompleted')])
    full = false
    await harness.pass(1, running)
    assert.equal((await second).type, 'SubmissionCompleted')
    assert.deepEqual(
      sink.mails.map(({ to }) => to),
      [['a@elsewhere.test'], ['b@elsewhere.test']],
    )
    const delivered = await harness.until(id, 'RecipientDelivered', 2)
    assert.equal(delivered.data.attempt, 2)
  })

  it('makes lost work again from the view of the log', async (t) => {
    const sink = await startSink(t)
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    const id = await harness.submit(['a@elsewhere.test'])
    harness.positions.set('delivery', (await harness.journal.head()) ?? 0n)
    harness.due.push({ id, dueAt: START, position: 1n })
    harness.start()
    await harness.until(id, 'SubmissionCompleted')
    assert.equal(sink.mails.length, 1)
  })

  it('does not send what was taken back, and nothing before its time', async (t) => {
    const sink = await startSink(t)
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    const running = harness.start()
    const cancelled = await harness.submit(['a@elsewhere.test'], { sendAt: START + 10_000 })
    const held = await harness.submit(['b@elsewhere.test'], { sendAt: START + 10_000 })
    const owner = harness.ids['ann'] ?? ''
    const outcome = await changeSubmission(harness.journal, contextOf(owner, 'graphql'), owner, {
      type: 'CancelSend',
      submissionId: cancelled,
    })
    assert.ok(outcome.ok)
    assert.equal(sink.connections, 0)
    await harness.pass(10_000, running)
    await harness.until(held, 'SubmissionCompleted')
    assert.deepEqual(
      sink.mails.map(({ to }) => to[0]),
      ['b@elsewhere.test'],
    )
    assert.deepEqual(typesOf(await harness.events(cancelled)), [
      'MessageSubmitted',
      'SendCancelled',
      'SubmissionCompleted',
    ])
  })

  it('refuses to take back what is being handed over, until that attempt has ended', async (t) => {
    const asked = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const sink = await startSink(t, {
      onMessage: async () => {
        asked.resolve()
        await go.promise
        return '451 4.3.0 Later'
      },
    })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    harness.start()
    const id = await harness.submit(['a@elsewhere.test'])
    await asked.promise
    const owner = harness.ids['ann'] ?? ''
    const cancel = () =>
      changeSubmission(harness.journal, contextOf(owner, 'graphql'), owner, { type: 'CancelSend', submissionId: id })
    const early = await cancel()
    assert.ok(!early.ok && early.refusal.code === 'already-handed-over')
    go.resolve()
    await harness.until(id, 'RecipientDeferred')
    assert.ok((await cancel()).ok)
  })
})

describe('a stop in the middle', () => {
  it('is begun on the log, and sent again after the next start', async (t) => {
    const asked = Promise.withResolvers<void>()
    let hang = true
    const sink = await startSink(t, {
      onMessage: () => {
        asked.resolve()
        return hang ? 'hang' : undefined
      },
    })
    const harness = await startHarness(t)
    harness.lead(sink, 'elsewhere.test')
    const first = harness.start()
    const id = await harness.submit(['a@elsewhere.test'])
    await asked.promise
    await first.stop()
    assert.deepEqual(typesOf(await harness.events(id)), ['MessageSubmitted', 'SendingStarted'])
    hang = false
    harness.due.push({ id, dueAt: START, position: 1n })
    harness.start()
    await harness.until(id, 'SubmissionCompleted')
    assert.equal(sink.mails.length, 1)
  })
})
