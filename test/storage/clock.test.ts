// A clock that is set back: the log's order is the truth.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { mailboxStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { RateLimiter } from '../../gateways/limits/rate-limiter.ts'
import { loadConfig } from '../../infra/config.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'
import { eventsOf } from '../support/journal.ts'

describe('when the clock goes backwards', () => {
  it('UIDs ascend as mail came, and a moment means everything up to the last event not after it', async (t) => {
    const data = temporaryFolder()
    const everpost = await openEverpost(loadConfig({ data }, {}, data))
    t.after(() => everpost.close())
    const { journal, blobs, services } = everpost
    const opened = await openAccount(services, contextOf('cli', 'cli', { at: 1_000 }), { address: 'ann@example.test' })
    assert.ok(opened.ok)
    const { accountId } = opened
    const times = [10_000, 20_000, 15_000, 5_000, 25_000]
    for (const [i, at] of times.entries()) {
      const raw = Buffer.from(`Subject: mail ${i}\r\n\r\nx\r\n`)
      await receiveMail(journal, contextOf('smtp', 'smtp', { at }), {
        intakeId: `i${i}`,
        mailFrom: '',
        recipients: [{ accountId, address: 'ann@example.test' }],
        blob: await blobs.put(raw),
        mail: readMail(raw),
      })
    }
    await services.settle()
    const received = (await eventsOf(journal, mailboxStream(accountId))).filter(
      ({ type }) => type === 'MessageReceived',
    )
    assert.deepEqual(
      received.map((event) => 'metadata' in event && event.metadata.at),
      times,
    )
    const [inbox] = (await services.mailbox.folders(accountId)).filter(({ role }) => role === 'inbox')
    assert.ok(inbox)
    const byUid = await services.mailbox.messages(accountId, inbox.id, { order: 'uid' })
    assert.deepEqual(
      byUid.rows.map(({ subject }) => subject),
      times.map((_, i) => `mail ${i}`),
    )
    assert.ok(byUid.rows.every((row, i) => i === 0 || row.uid > (byUid.rows[i - 1]?.uid ?? 0)))
    const at = async (time: number) => {
      const { queries } = await services.mailboxAt(accountId, { time })
      return (await queries.messages(accountId, inbox.id, { order: 'uid' })).rows.map(({ subject }) => subject)
    }
    assert.deepEqual(
      await at(9_999),
      ['mail 0', 'mail 1', 'mail 2', 'mail 3'],
      'mail 3 is not after it, and all before it had happened',
    )
    assert.deepEqual(await at(4_999), [])
    assert.deepEqual(await at(24_999), ['mail 0', 'mail 1', 'mail 2', 'mail 3'])
    assert.equal((await at(25_000)).length, 5)
  })

  it('the rate limiter neither blocks nor frees anyone: it reads a clock that cannot be set', () => {
    let now = 1_000
    const limiter = new RateLimiter({ burst: 2, perSecond: 1 }, { now: () => now })
    assert.deepEqual([limiter.take('a'), limiter.take('a'), limiter.take('a')], [true, true, false])
    assert.equal(limiter.wait('a'), 1)
    now += 1_000
    assert.deepEqual([limiter.take('a'), limiter.take('a')], [true, false])
    assert.equal(limiter.take('b'), true, 'keys know nothing of each other')
    const real = Date.now
    try {
      const usual = new RateLimiter({ burst: 1, perSecond: 0.001 })
      assert.equal(usual.take('a'), true)
      Date.now = () => real() + 86_400_000
      assert.equal(usual.take('a'), false)
      Date.now = () => real() - 86_400_000
      assert.equal(usual.wait('a') > 900, true)
    } finally {
      Date.now = real
    }
  })

  it('the rate limiter forgets the oldest keys and never grows beyond its bound', () => {
    const limiter = new RateLimiter({ burst: 1, perSecond: 1 }, { maxKeys: 10, now: () => 0 })
    for (let i = 0; i < 1000; i++) assert.equal(limiter.take(`${i}`), true)
    assert.equal(limiter.take('999'), false)
    assert.equal(limiter.take('0'), true)
  })
})
