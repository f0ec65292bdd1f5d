// What the MX listener decides before its 250: who sent it, where it goes, what is refused, and what the stored bytes say.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import { folderIdFor } from '../../commands/open-account.ts'
import type { MailFilter } from '../../commands/ports/mail-filter.ts'
import type { FilterOpinion } from '../../domain/filter/verdict.ts'
import { isRedacted } from '../../domain/log.ts'
import {
  ConnectionPolicy,
  type ConnectionPolicySettings,
  DEFAULT_CONNECTION_POLICY,
} from '../../gateways/smtp/connection-policy.ts'
import type { InboundProtection } from '../../gateways/smtp/receive.ts'
import { MemoryCache } from '../../infra/adapters/cache/memory.ts'
import { startSmtp } from '../smtp/listener.ts'
import { DnsDouble } from '../support/dns.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const MESSAGE = 'From: x@elsewhere.test\r\nTo: ann@example.test\r\nSubject: Hello\r\n\r\nText.\r\n'

const saying = (opinion: Partial<FilterOpinion>): MailFilter => ({
  name: 'double',
  check: async () => ({ opinion: { engine: 'double', reasons: [], ...opinion } }),
})

function protectedBy(
  options: { readonly filters?: readonly MailFilter[]; readonly dns?: DnsDouble; readonly trusted?: boolean } & {
    readonly onFailure?: 'open' | 'closed'
    readonly timeoutMs?: number
  } = {},
): InboundProtection {
  const { onFailure = 'open', timeoutMs = 5000 } = options
  return {
    checks: {
      filters: (options.filters ?? []).map((filter) => ({ filter, timeoutMs, onFailure })),
      thresholds: { junk: 5, reject: 20 },
    },
    authentication: options.dns && {
      resolver: options.dns,
      policy: { trustedSealers: [] },
      timeoutMs: 5000,
      onFailure: 'open',
    },
    trusts: () => options.trusted ?? false,
  }
}

const send = async (port: number, message: string | Buffer, from = 'x@elsewhere.test', to = ['ann@example.test']) => {
  const client = await SmtpClient.ready(port, { helo: 'mx.elsewhere.test' })
  const reply = await client.send(from, to, message)
  await client.quit()
  return reply
}

async function intake(parts: Awaited<ReturnType<typeof startSmtp>>) {
  const found = []
  for await (const batch of parts.journal.subscribe({ prefixes: ['intake-'] })) {
    for (const event of batch.events) if (!isRedacted(event)) found.push(event)
    if (batch.caughtUp) break
  }
  return found
}

describe('a verdict', () => {
  it('puts junk into Junk with its reasons, in the arrival and in the intake', async (t) => {
    const reason = { engine: 'double', rule: 'R', score: 7, text: 'It is unwanted' }
    const parts = await startSmtp(t, { protection: protectedBy({ filters: [saying({ reasons: [reason] })] }) })
    assert.equal((await send(parts.port, MESSAGE)).code, 250)
    const [mail] = await parts.arrived('ann')
    assert.equal(mail?.event.data.folderId, folderIdFor(parts.ids['ann'] ?? '', 'junk'))
    assert.deepEqual(mail?.event.data.content.verdict, { action: 'junk', score: 7, reasons: [reason] })
    const [accepted] = await intake(parts)
    assert.ok(accepted?.type === 'MailAccepted')
    assert.equal(accepted.data.sections[parts.ids['ann'] ?? '']?.verdict?.action, 'junk')
  })

  it('refuses with 554 and the reason, on the record, and keeps nothing', async (t) => {
    const reasons = [{ engine: 'double', rule: 'R', score: 30, text: 'The worst' }]
    const parts = await startSmtp(t, { protection: protectedBy({ filters: [saying({ reasons })] }) })
    const { code, text } = await send(parts.port, MESSAGE)
    assert.deepEqual([code, text], [554, '5.7.1 The worst'])
    assert.deepEqual(await parts.arrived('ann'), [])
    const [rejected] = await intake(parts)
    assert.ok(rejected?.type === 'MailRejected')
    assert.equal(rejected.data.reason, '5.7.1 The worst')
  })

  it('holds what an engine insists on: one event, no arrival', async (t) => {
    const filter = saying({
      action: 'quarantine',
      malware: true,
      reasons: [{ engine: 'double', rule: 'V', score: 0, text: 'Virus' }],
    })
    const parts = await startSmtp(t, { protection: protectedBy({ filters: [filter] }) })
    assert.equal(
      (await send(parts.port, MESSAGE, 'x@elsewhere.test', ['ann@example.test', 'bob@example.test'])).code,
      250,
    )
    const [held, ...rest] = await intake(parts)
    assert.ok(held?.type === 'MailQuarantined')
    assert.equal(rest.length, 0)
    assert.deepEqual(Object.keys(held.data.sections).sort(), [parts.ids['ann'], parts.ids['bob']].sort())
    const section = held.data.sections[parts.ids['ann'] ?? '']
    assert.deepEqual([section?.subject, section?.from, section?.verdict.malware], ['Hello', 'x@elsewhere.test', true])
    assert.deepEqual(await parts.arrived('ann'), [])
  })

  it('does without an engine that fails open, and answers 451 for one that fails closed, also when it only is slow', async (t) => {
    const broken: MailFilter = { name: 'broken', check: () => Promise.reject(new Error('down')) }
    const slow: MailFilter = { name: 'slow', check: () => new Promise(() => undefined) }
    const junk = saying({ reasons: [{ engine: 'double', rule: 'R', score: 7, text: '' }] })
    const open = await startSmtp(t, { protection: protectedBy({ filters: [broken, slow, junk], timeoutMs: 50 }) })
    assert.equal((await send(open.port, MESSAGE)).code, 250)
    assert.equal((await open.arrived('ann'))[0]?.event.data.content.verdict?.action, 'junk')
    for (const filter of [broken, slow]) {
      const closed = await startSmtp(t, {
        protection: protectedBy({ filters: [filter], timeoutMs: 50, onFailure: 'closed' }),
      })
      const { code, text } = await send(closed.port, MESSAGE)
      assert.deepEqual([code, text.slice(0, 5)], [451, '4.7.1'])
      assert.deepEqual(await closed.arrived('ann'), [])
      assert.deepEqual(await intake(closed), [], 'what may come again is not on the record')
    }
  })

  it('of one account may differ from that of another: junk for one, inbox for the other, and never a refusal', async (t) => {
    const ids: Record<string, string> = {}
    const filter: MailFilter = {
      name: 'double',
      check: async () => ({
        opinion: { engine: 'double', reasons: [] },
        ofAccount: new Map([[ids['ann'] ?? '', { engine: 'double', reasons: [], score: 99 }]]),
      }),
    }
    const parts = await startSmtp(t, { protection: protectedBy({ filters: [filter] }) })
    Object.assign(ids, parts.ids)
    assert.equal(
      (await send(parts.port, MESSAGE, 'x@elsewhere.test', ['ann@example.test', 'bob@example.test'])).code,
      250,
    )
    assert.equal((await parts.arrived('ann'))[0]?.event.data.content.verdict?.action, 'junk')
    assert.equal((await parts.arrived('bob'))[0]?.event.data.content.verdict?.action, 'deliver')
  })
})

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
const zones = () =>
  new DnsDouble({
    'elsewhere.test': { TXT: ['v=spf1 ip4:192.0.2.0/24 -all'] },
    'here.test': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] },
    '_dmarc.strict.test': { TXT: ['v=DMARC1; p=reject; sp=quarantine'] },
    '_dmarc.half.test': { TXT: ['v=DMARC1; p=reject; pct=0'] },
    'strict.test': { TXT: ['v=spf1 -all'] },
    's1._domainkey.strict.test': { TXT: [`v=DKIM1; k=rsa; p=${key}`] },
    '1.0.0.127.in-addr.arpa': { PTR: ['localhost.test'] },
    'localhost.test': { A: ['127.0.0.1'] },
    'slow.test': 'temporary',
    '_dmarc.slow.test': 'temporary',
  })

const from = (address: string, more = '') =>
  `From: <${address}>\r\nTo: ann@example.test\r\nMessage-ID: <1@x.test>\r\nDate: Sun, 01 Mar 2026 09:30:05 +0000\r\n${more}Subject: Hi\r\n\r\nText.\r\n`

async function signed(message: string): Promise<string> {
  const { signatures } = await dkimSign(message, {
    signatureData: [
      {
        signingDomain: 'strict.test',
        selector: 's1',
        privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      },
    ],
  } as never)
  return signatures + message
}

async function results(t: TestContext, message: string, mailFrom: string) {
  const parts = await startSmtp(t, { protection: protectedBy({ dns: zones() }) })
  const reply = await send(parts.port, message, mailFrom)
  const [mail] = await parts.arrived('ann')
  const raw = mail?.raw.toString('latin1') ?? ''
  const field = /^Authentication-Results: ((?:[^\r]|\r\n[ \t])*)\r\n/m.exec(raw)?.[1]?.replace(/\s+/g, ' ') ?? ''
  return { reply, mail, raw, field, parts }
}

describe('authentication', () => {
  it('writes what it found on top of the message: SPF, DKIM, DMARC, iprev', async (t) => {
    const { field, raw } = await results(t, from('me@here.test'), 'me@here.test')
    assert.match(
      raw,
      /^Return-Path: <me@here\.test>\r\nAuthentication-Results: mail\.example\.test;\r\n\t[^\0]*?\r\nReceived: /,
    )
    assert.match(field, /^mail\.example\.test; spf=pass /)
    assert.match(field, /; dkim=none/)
    assert.match(field, /; dmarc=none/)
    assert.match(field, /; iprev=pass policy\.iprev=127\.0\.0\.1/)
    for (const line of raw.split('\r\n')) assert.ok(line.length <= 998)
  })

  it('passes DMARC by an aligned signature, in small and in large messages', async (t) => {
    for (const body of ['', `${'A line of a large message.\r\n'.repeat(60_000)}`]) {
      const message = await signed(from('boss@strict.test') + body)
      const { field, reply, raw, mail } = await results(t, message, 'bounce@elsewhere.test')
      assert.equal(reply.code, 250)
      assert.match(field, /dkim=pass/)
      assert.match(field, /dmarc=pass/)
      assert.ok(raw.endsWith(message), 'the stored bytes are those that were sent below the fields on top')
      assert.equal(mail?.event.data.content.blob.size, raw.length)
      assert.match(raw, /^Return-Path: [^\n]*\nAuthentication-Results:/)
    }
  })

  it('refuses what fails a policy of reject, puts what fails quarantine into Junk, and honours pct', async (t) => {
    const refused = await results(t, from('boss@strict.test'), 'x@elsewhere.test')
    assert.equal(refused.reply.code, 554)
    assert.match(refused.reply.text, /^5\.7\.1 /)
    const broken = await results(
      t,
      (await signed(from('boss@strict.test'))).replace('Text.', 'Test.'),
      'x@elsewhere.test',
    )
    assert.equal(broken.reply.code, 554, 'a signature of another text is none')
    const below = await results(t, from('boss@sub.strict.test'), 'x@elsewhere.test')
    assert.equal(below.reply.code, 250)
    assert.equal(below.mail?.event.data.content.verdict?.action, 'junk', 'sp=quarantine')
    const half = await results(t, from('x@half.test'), 'x@elsewhere.test')
    assert.equal(half.mail?.event.data.content.verdict?.action, 'junk', 'pct=0 of reject is quarantine')
  })

  it('takes mail whose sender cannot be looked up just now, and says temperror', async (t) => {
    const { reply, field } = await results(t, from('x@slow.test'), 'x@slow.test')
    assert.equal(reply.code, 250)
    assert.match(field, /spf=temperror/)
    assert.match(field, /dmarc=temperror/)
  })

  it('takes out what pretends to be our word, however it is written, and leaves the word of others', async (t) => {
    const forged = [
      'Authentication-Results: mail.example.test; dmarc=pass\r\n',
      'authentication-results : (hm) "MAIL.Example.Test" 1;\r\n\tspf=pass\r\n',
    ]
    const honest = 'Authentication-Results: mx.elsewhere.test; spf=pass\r\n'
    const { raw } = await results(t, from('me@here.test', forged[0] + honest + forged[1]), 'me@here.test')
    assert.ok(raw.endsWith(from('me@here.test', honest)))
    assert.equal(raw.match(/mail\.example\.test;/gi)?.length, 1)
  })

  it('is left out for our own networks, which still cannot be impersonated', async (t) => {
    const protection = protectedBy({ dns: zones(), trusted: true })
    const parts = await startSmtp(t, { protection })
    assert.equal(
      (await send(parts.port, from('boss@strict.test', 'Authentication-Results: mail.example.test; x=pass\r\n'))).code,
      250,
    )
    const [mail] = await parts.arrived('ann')
    assert.match(mail?.raw.toString() ?? '', /Authentication-Results: mail\.example\.test;\r\n\tnone\r\nReceived/)
    assert.doesNotMatch(mail?.raw.toString() ?? '', /x=pass/)
  })
})

function policy(
  settings: Partial<ConnectionPolicySettings>,
  dns = new DnsDouble(),
  now: () => number = Date.now,
): ConnectionPolicy {
  const cache = new MemoryCache({ now })
  return new ConnectionPolicy(
    { ...DEFAULT_CONNECTION_POLICY, trustedNetworks: [], ...settings },
    { resolver: dns, cache, now },
  )
}

describe('who may connect', () => {
  it('puts strangers off once, and knows them when they come again', async (t) => {
    const clock = { now: 1_000_000 }
    const greylist = { delayMs: 60_000, retryWithinMs: 600_000, knownForMs: 6_000_000 }
    const parts = await startSmtp(t, { policy: policy({ greylist }, new DnsDouble(), () => clock.now) })
    const first = await send(parts.port, MESSAGE)
    assert.deepEqual([first.code, first.text.slice(0, 5)], [451, '4.7.1'])
    clock.now += 30_000
    assert.equal((await send(parts.port, MESSAGE)).code, 451, 'too early')
    clock.now += 31_000
    assert.equal((await send(parts.port, MESSAGE)).code, 250)
    assert.equal((await send(parts.port, MESSAGE)).code, 250)
    assert.equal((await send(parts.port, MESSAGE, 'y@elsewhere.test')).code, 451, 'another sender is a stranger')
  })

  it('lets mail in when the greylist cannot be kept', async () => {
    const broken = { get: () => Promise.reject(new Error('x')), put: () => Promise.reject(new Error('x')) }
    const settings = { ...DEFAULT_CONNECTION_POLICY, greylist: { delayMs: 1, retryWithinMs: 1, knownForMs: 1 } }
    const own = new ConnectionPolicy(settings, { resolver: new DnsDouble(), cache: broken as never, now: Date.now })
    assert.equal(await own.recipient('192.0.2.1', 'x@elsewhere.test', 'ann@example.test'), undefined)
  })

  it('refuses addresses on a blocklist, asks once, and takes no answer for an absolution', async (t) => {
    const dns = new DnsDouble({ '1.0.0.127.bl.test': { A: ['127.0.0.2'] }, '2.2.0.192.bl.test': 'temporary' })
    const own = policy({ blocklists: ['other.test', 'bl.test'] }, dns)
    const parts = await startSmtp(t, { policy: own })
    for (let i = 0; i < 2; i++) {
      const { code, text } = await send(parts.port, MESSAGE)
      assert.deepEqual([code, text], [550, '5.7.1 Your address is on the blocklist bl.test'])
    }
    assert.equal(dns.asked.filter((asked) => asked.endsWith('bl.test')).length, 1)
    assert.equal(await own.recipient('192.0.2.2', 'x@elsewhere.test', 'ann@example.test'), undefined)
    const refusing = policy(
      { blocklists: ['bl.test'] },
      new DnsDouble({ '3.2.0.192.bl.test': { A: ['127.255.255.254'] } }),
    )
    assert.equal(
      await refusing.recipient('192.0.2.3', '', 'a'),
      undefined,
      'a list that refuses to answer lists nobody',
    )
  })

  it('answers harvesters ever more slowly, then sends them away', async (t) => {
    const tarpit = { free: 2, firstDelayMs: 5, maxDelayMs: 20, closeAfter: 5 }
    const own = policy({ tarpit })
    assert.deepEqual(
      Array.from({ length: 6 }, () => own.stranger('192.0.2.9')),
      [0, 0, 5, 10, 20, 20].map((delayMs, i) => ({ delayMs, close: i >= 5 })),
    )
    assert.deepEqual(own.stranger('192.0.2.77').close, true, 'a neighbour is the same network')
    const parts = await startSmtp(t, { policy: policy({ tarpit }) })
    const client = await SmtpClient.ready(parts.port)
    await client.command('MAIL FROM:<x@elsewhere.test>')
    const codes: number[] = []
    for (let i = 0; i < 6; i++) codes.push((await client.command(`RCPT TO:<n${i}@example.test>`)).code)
    assert.deepEqual(codes, [550, 550, 550, 550, 550, 421])
    await client.closed()
  })

  it('counts connections and messages by network, and not at all for trusted ones', async () => {
    const own = policy({
      trustedNetworks: ['10.0.0.0/8'],
      connectionsPerNetwork: 2,
      messageRate: { burst: 2, perSecond: 0.001 },
    })
    assert.equal(own.connected('192.0.2.1'), undefined)
    assert.equal(own.connected('192.0.2.2'), undefined)
    assert.equal(own.connected('192.0.2.3')?.code, 421)
    own.disconnected('192.0.2.3')
    own.disconnected('192.0.2.1')
    assert.equal(own.connected('192.0.2.4'), undefined)
    assert.equal(await own.mailFrom('2001:db8:1:2::1'), undefined)
    assert.equal(await own.mailFrom('2001:db8:1:2:ffff::2'), undefined)
    assert.equal((await own.mailFrom('2001:db8:1:2::3'))?.code, 451)
    assert.equal(await own.mailFrom('2001:db8:1:3::1'), undefined)
    for (let i = 0; i < 10; i++) assert.equal(own.connected('10.1.2.3') ?? (await own.mailFrom('10.1.2.3')), undefined)
  })
})
