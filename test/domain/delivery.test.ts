import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readReply } from '../../domain/delivery/reply.ts'
import { composeReport } from '../../domain/delivery/report.ts'
import { afterFailure, type RetrySchedule, restAfter } from '../../domain/delivery/schedule.ts'
import { activeKeys, decide, evolve, noSigningKeys, type SigningKeyEvent } from '../../domain/delivery/signing-keys.ts'
import { readMail } from '../../domain/mail/read.ts'

const HOUR = 3_600_000
const schedule: RetrySchedule = {
  firstMs: 300_000,
  longestMs: 4 * HOUR,
  greylistMs: 120_000,
  warnMs: 4 * HOUR,
  giveUpMs: 120 * HOUR,
}
const attempt = { attempts: 1, sendAt: 0, now: 0, greylisted: false, seed: 'x', warned: false }

describe('the schedule', () => {
  it('grows from 5 minutes to 4 hours over 5 days, then gives up', () => {
    const waits: number[] = []
    let now = 0
    let warnings = 0
    for (let attempts = 1; attempts < 200; attempts++) {
      const next = afterFailure(schedule, { ...attempt, attempts, now, warned: warnings > 0 })
      if (next.kind === 'give-up') break
      if (next.warn) {
        warnings++
        assert.equal(now, 4 * HOUR, 'told at four hours, just after an attempt')
      }
      waits.push(next.at - now)
      now = next.at
    }
    assert.equal(now, 120 * HOUR, 'the last attempt is at the end of the fifth day')
    assert.equal(warnings, 1)
    assert.ok((waits[0] ?? 0) >= 270_000 && (waits[0] ?? 0) <= 330_000)
    assert.ok(Math.max(...waits) <= 4.4 * HOUR && Math.max(...waits) >= 3.6 * HOUR)
    assert.ok(waits.length > 30 && waits.length < 50, `${waits.length} attempts`)
  })
  it('spreads what failed together, the same way every time', () => {
    const times = Array.from({ length: 200 }, (_, i) => afterFailure(schedule, { ...attempt, seed: `r${i}` }))
    assert.ok(new Set(times.map((each) => (each.kind === 'retry' ? each.at : 0))).size > 150)
    assert.deepEqual(
      afterFailure(schedule, { ...attempt, seed: 'r1' }),
      afterFailure(schedule, { ...attempt, seed: 'r1' }),
    )
  })
  it('comes back sooner to greylisting, but not for ever', () => {
    const soon = afterFailure(schedule, { ...attempt, greylisted: true })
    assert.ok(soon.kind === 'retry' && soon.at <= 132_000)
    const late = afterFailure(schedule, { ...attempt, greylisted: true, attempts: 4 })
    assert.ok(late.kind === 'retry' && late.at > 2_000_000)
  })
  it('never waits past the end, whatever the settings', () => {
    fc.assert(
      fc.property(
        fc.nat(1e9),
        fc.nat(1e9),
        fc.nat(1e9),
        fc.integer({ min: 1, max: 1000 }),
        (first, end, now, attempts) => {
          const next = afterFailure({ ...schedule, firstMs: first, giveUpMs: end }, { ...attempt, attempts, now })
          if (next.kind === 'give-up') assert.ok(now >= end)
          else assert.ok(next.at >= now && next.at <= end)
        },
      ),
    )
  })
  it('lets a dead destination rest, from half a minute to half an hour', () => {
    assert.deepEqual([1, 2, 3, 50].map(restAfter), [30_000, 60_000, 120_000, 1_800_000])
  })
})

describe('a reply', () => {
  const cases: readonly [string, number, string, string, boolean][] = [
    ['250 2.1.5 Ok', 250, '2.1.5', 'accepted', false],
    ['250-first\r\n250 last', 250, '2.0.0', 'accepted', false],
    ['550-5.1.1 No\n550-5.1.1 such\n550 5.1.1 user', 550, '5.1.1', 'permanent', false],
    ['550 no such user', 550, '5.1.1', 'permanent', false],
    ['552 too much', 552, '5.2.2', 'permanent', false],
    ['421 4.3.2 closing', 421, '4.3.2', 'temporary', false],
    ['450 4.2.0 Greylisted, see http://x', 450, '4.2.0', 'temporary', true],
    ['451 4.7.1 Please try again later', 451, '4.7.1', 'temporary', true],
    ['450 4.7.1 Client host rejected: cannot find your hostname', 450, '4.7.1', 'temporary', false],
    ['451 Temporarily deferred, graylisting in action', 451, '4.3.0', 'temporary', true],
    ['550 4.7.1 a class that contradicts its code', 550, '5.1.1', 'permanent', false],
    ['nonsense', 0, '4.0.0', 'temporary', false],
    ['', 0, '4.0.0', 'temporary', false],
  ]
  for (const [raw, code, status, meaning, greylisted] of cases) {
    it(`reads ${JSON.stringify(raw)}`, () => {
      const reply = readReply(raw)
      assert.deepEqual([reply.code, reply.status, reply.meaning, reply.greylisted], [code, status, meaning, greylisted])
    })
  }
  it('says its words once, on one line', () => {
    assert.equal(
      readReply('550-5.1.1 No\r\n550-5.1.1 such\r\n550 5.1.1 user').text,
      '550-5.1.1 No such user'.replace('550-', '550-'),
    )
  })
  it('is read whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 500 }), (text) => {
        assert.match(readReply(text).status, /^[245]\.\d{1,3}\.\d{1,3}$/)
      }),
    )
  })
})

describe('a report', () => {
  const input = {
    notice: 'failed',
    messageId: 'r1@example.test',
    host: 'mail.example.test',
    from: 'mailer-daemon@example.test',
    to: 'ann@example.test',
    at: Date.parse('2026-03-01T09:00:00Z'),
    submittedAt: Date.parse('2026-03-01T08:00:00Z'),
    envelopeId: 'QQ314159',
    subject: 'Grüße\r\nBcc: evil@x.test',
    about: 'm1@example.test',
    recipients: [
      {
        address: 'bob@elsewhere.test',
        originalRecipient: 'rfc822;robert@elsewhere.test',
        action: 'failed',
        status: '5.1.1',
        answer: '550 5.1.1 No such user\r\nX-Injected: yes',
        remote: 'mx.elsewhere.test',
      },
      { address: '밥@elsewhere.test', action: 'failed', status: '5.6.7', answer: '550 5.6.7 no' },
    ],
    original: Buffer.from('From: ann@example.test\r\nSubject: Hi\r\n'),
    whole: false,
  } as const

  it('is a multipart/report of three parts that our own reader understands', () => {
    const raw = Buffer.from(composeReport(input))
    const { root, envelope, defects } = readMail(raw)
    assert.equal(root.type, 'multipart/report')
    assert.equal(root.params['report-type'], 'delivery-status')
    assert.deepEqual(
      root.parts?.map(({ type }) => type),
      ['text/plain', 'message/delivery-status', 'text/rfc822-headers'],
    )
    assert.deepEqual(defects, [])
    assert.equal(envelope.inReplyTo[0], 'm1@example.test')
    const text = raw.toString()
    assert.doesNotMatch(text, /^(?:Bcc|X-Injected):/m)
    assert.match(text, /^Original-Envelope-Id: QQ314159\r$/m)
    assert.match(
      text,
      /^Original-Recipient: rfc822;robert@elsewhere\.test\r\nFinal-Recipient: rfc822;bob@elsewhere\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r\nRemote-MTA: dns; mx\.elsewhere\.test\r$/m,
    )
    assert.match(text, /^Final-Recipient: utf-8;\\x\{BC25\}@elsewhere\.test\r$/m)
    assert.match(text, /^Auto-Submitted: auto-replied\r$/m)
  })
})

describe('signing keys', () => {
  const key = (selector: string, algorithm: 'rsa-sha256' | 'ed25519-sha256') => ({
    selector,
    algorithm,
    publicKey: 'p',
    privateKey: 'k',
  })
  const first = [key('r1', 'rsa-sha256'), key('e1', 'ed25519-sha256')]
  const given = (...commands: readonly Parameters<typeof decide>[0][]) => {
    let state = noSigningKeys
    let events: readonly SigningKeyEvent[] = []
    for (const command of commands) {
      const decision = decide(command, state)
      assert.ok('events' in decision)
      events = decision.events
      state = events.reduce(evolve, state)
    }
    return { state, events }
  }
  const ensure = { type: 'EnsureSigningKeys', name: 'example.test', keys: first } as const
  const rotate = {
    type: 'RotateSigningKeys',
    name: 'example.test',
    keys: [key('r2', 'rsa-sha256'), key('e2', 'ed25519-sha256')],
  } as const

  it('are added once for each algorithm', () => {
    assert.equal(given(ensure).events.length, 2)
    assert.equal(given(ensure, { ...ensure, keys: [key('r9', 'rsa-sha256')] }).events.length, 0)
  })
  it('rotate: the new ones sign, the old ones are known and sign no more', () => {
    const { state, events } = given(ensure, rotate)
    assert.deepEqual(
      events.map(({ type }) => type),
      ['DkimKeyAdded', 'DkimKeyAdded', 'DkimKeyRetired', 'DkimKeyRetired'],
    )
    assert.deepEqual(
      activeKeys(state).map(({ selector }) => selector),
      ['r2', 'e2'],
    )
    assert.equal(state.size, 4)
  })
})
