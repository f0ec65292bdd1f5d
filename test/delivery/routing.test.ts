// Where mail goes: exchangers in their order, hosts that are dead, broken or rude, relays, literals; and what one dead host costs others.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { changeSubmission } from '../../commands/submit-message.ts'
import { isRoute, routeFor } from '../../gateways/delivery/route.ts'
import { loadConfig } from '../../infra/config.ts'
import { loadTls } from '../../infra/tls.ts'
import { DnsDouble } from '../support/dns.ts'
import { temporaryFolder } from '../support/folders.ts'
import { startSink } from '../support/smtp-sink.ts'
import { startHarness } from './harness.ts'

const settings = { port: 25, ownHosts: ['mail.example.test'] }
const mx = (...hosts: readonly [number, string][]) => ({
  MX: hosts.map(([preference, exchange]) => ({ preference, exchange })),
})

describe('the route of a domain', () => {
  const dns = new DnsDouble({
    'two.test': mx([20, 'b.two.test'], [10, 'a.two.test']),
    'null.test': mx([0, '']),
    'bare.test': { A: ['192.0.2.1'] },
    'self.test': mx([10, 'mail.example.test'], [20, 'later.test']),
    'backup.test': mx([5, 'first.test'], [10, 'mail.example.test'], [20, 'later.test']),
    'slow.test': 'temporary',
  })
  const hosts = async (domain: string, more: Partial<Parameters<typeof routeFor>[1]> = {}) => {
    const found = await routeFor(domain, { ...settings, ...more }, dns)
    return isRoute(found) ? found.hosts.map(({ name }) => name) : `${found.permanent} ${found.answer.slice(0, 10)}`
  }
  it('is by preference, the domain itself without exchangers, nowhere with a null MX', async () => {
    assert.deepEqual(await hosts('two.test'), ['a.two.test', 'b.two.test'])
    assert.deepEqual(await hosts('bare.test'), ['bare.test'])
    assert.equal(await hosts('null.test'), 'true 556 5.1.10')
    assert.equal(await hosts('none.test'), 'true 550 5.1.2 ')
    assert.equal(await hosts('slow.test'), 'false 451 4.4.3 ')
  })
  it('never leads back to us, and only to hosts that are better than us', async () => {
    assert.equal(await hosts('self.test'), 'true 554 5.4.6 ')
    assert.deepEqual(await hosts('backup.test'), ['first.test'])
  })
  it('takes literals, routes of the settings, then the smarthost', async () => {
    const relay = (host: string) => ({ host, port: 25, implicitTls: false })
    const routes = new Map([
      ['two.test', relay('r1')],
      ['.below.test', relay('r2')],
    ])
    assert.deepEqual(await hosts('[192.0.2.9]'), ['192.0.2.9'])
    assert.deepEqual(await hosts('[IPv6:2001:db8::9]'), ['2001:db8::9'])
    assert.equal(await hosts('[nonsense]'), 'true 550 5.1.2 ')
    assert.deepEqual(await hosts('two.test', { routes }), ['r1'])
    assert.deepEqual(await hosts('a.b.below.test', { routes, smarthost: relay('s') }), ['r2'])
    assert.deepEqual(await hosts('bare.test', { routes, smarthost: relay('s') }), ['s'])
  })
})

describe('hosts', () => {
  it('are tried in their order, past one that is gone and one that does not want us', async (t) => {
    const sink = await startSink(t)
    const rude = await startSink(t, { host: '127.0.0.7', port: sink.port, greeting: () => '554 5.7.1 Go away' })
    const harness = await startHarness(t)
    harness.setPort(sink.port)
    harness.dns.set('elsewhere.test', mx([1, 'gone.test'], [2, 'dead.test'], [3, 'rude.test'], [4, 'good.test']))
    harness.dns.set('dead.test', { A: ['127.0.0.66'] })
    harness.dns.set('rude.test', { A: ['127.0.0.7'] })
    harness.dns.set('good.test', { A: ['127.0.0.1'] })
    harness.start()
    const id = await harness.submit(['a@elsewhere.test'])
    const { data } = await harness.until(id, 'RecipientDelivered')
    assert.equal(data.remote, 'good.test')
    assert.equal(rude.connections, 1)
  })

  it('that break off, stay silent or talk nonsense defer the mail', async (t) => {
    const cases: readonly [string, Parameters<typeof startSink>[1]][] = [
      ['drop.test', { greeting: () => 'drop' }],
      ['silent.test', { greeting: () => 'hang' }],
      ['nonsense.test', { greeting: () => 'hello!' }],
      ['cut.test', { cutAfter: (bytes) => bytes > 20 }],
      ['late.test', { onMessage: () => 'drop' }],
      ['closing.test', { on: (verb) => (verb === 'RCPT' ? '421 4.3.2 Closing' : undefined) }],
      ['noisy.test', { greeting: () => `220-${'x'.repeat(100_000)}` }],
    ]
    const harness = await startHarness(t, { session: { replyMs: 300 } })
    const first = await startSink(t, { ...cases[0]?.[1], host: '127.0.2.1' })
    harness.setPort(first.port)
    for (const [i, [domain, script]] of cases.entries()) {
      const host = `127.0.2.${i + 1}`
      if (i > 0) await startSink(t, { ...script, host, port: first.port })
      harness.dns.set(domain, { A: [host] })
    }
    harness.start()
    for (const [domain] of cases) {
      const id = await harness.submit([`a@${domain}`])
      const ended = await Promise.race([
        harness.until(id, 'RecipientDeferred'),
        harness.until(id, 'SubmissionCompleted'),
      ])
      assert.equal(ended.type, 'RecipientDeferred', domain)
    }
    assert.deepEqual(harness.logged, [])
  })

  it('whose TLS is broken get the mail in the clear; others by TLS', async (t) => {
    const dir = temporaryFolder()
    const tls = await loadTls(loadConfig({ data: dir }, {}, dir), dir)
    const broken = await startSink(t, { tls: 'broken' })
    const good = await startSink(t, { tls, host: '127.0.0.3', port: broken.port })
    const harness = await startHarness(t)
    harness.lead(broken, 'broken.test')
    harness.lead(good, 'good.test')
    harness.start()
    const first = await harness.until(await harness.submit(['a@broken.test']), 'RecipientDelivered')
    assert.equal(first.data.tls?.protocol, undefined)
    assert.equal(first.data.tls?.failure, 'validation-failure')
    const second = await harness.until(await harness.submit(['a@good.test']), 'RecipientDelivered')
    assert.match(second.data.tls?.protocol ?? '', /^TLSv1\.3 TLS_/)
    assert.equal(good.mails[0]?.tls, true)
  })

  it('that lack what a message needs bounce it', async (t) => {
    const small = await startSink(t, { extensions: ['SIZE 100'] })
    const harness = await startHarness(t)
    harness.lead(small, 'small.test')
    harness.start()
    const large = await harness.until(await harness.submit(['a@small.test']), 'RecipientBounced')
    assert.equal(large.data.status, '5.3.4')
    await small.close()
    const plain = await startSink(t, { port: small.port, extensions: ['PIPELINING'] })
    const utf8 = await harness.until(
      await harness.submit(['a@small.test'], { raw: 'From: a@example.test\r\nSubject: grüße\r\n\r\nx\r\n' }),
      'RecipientBounced',
    )
    assert.equal(utf8.data.status, '5.6.7')
    const tls = await harness.until(
      await harness.submit(['a@small.test'], { envelope: { requireTls: true } }),
      'RecipientDeferred',
    )
    assert.match(tls.data.status ?? '', /^4\.7/)
    assert.equal(plain.mails.length, 0)
  })
})

describe('a relay', () => {
  it('is signed in to, and a wrong password waits', async (t) => {
    const sink = await startSink(t, {
      extensions: ['PIPELINING', 'AUTH PLAIN'],
      on: (verb, line) => {
        if (verb !== 'AUTH') return undefined
        return line.includes(Buffer.from('\0user\0right').toString('base64')) ? '235 2.7.0 Ok' : '535 5.7.8 Wrong'
      },
    })
    const smarthost = (password: string) => ({
      host: '127.0.0.1',
      port: sink.port,
      implicitTls: false,
      auth: { user: 'user', password },
    })
    const wrong = await startHarness(t, { routes: { smarthost: smarthost('wrong') } })
    wrong.start()
    const refused = await wrong.until(await wrong.submit(['a@elsewhere.test']), 'RecipientDeferred')
    assert.doesNotMatch(refused.data.answer, /wrong$/)
    const right = await startHarness(t, { routes: { smarthost: smarthost('right') } })
    right.start()
    await right.until(await right.submit(['a@elsewhere.test']), 'RecipientDelivered')
    assert.equal(sink.mails.length, 1)
  })
})

describe('one dead destination', () => {
  it('rests after it failed, what waits for it is deferred at once, and others go on', async (t) => {
    const sink = await startSink(t)
    const harness = await startHarness(t)
    harness.lead(sink, 'alive.test')
    harness.dns.set('dead.test', { A: ['127.0.0.77'] })
    const { destinations, queue } = harness.start()
    const dead = await Promise.all(Array.from({ length: 30 }, () => harness.submit(['a@dead.test'])))
    const alive = await Promise.all(Array.from({ length: 10 }, () => harness.submit(['a@alive.test'])))
    for (const id of alive) await harness.until(id, 'RecipientDelivered')
    for (const id of dead) await harness.until(id, 'RecipientDeferred')
    const state = destinations.states().find(({ key }) => key.includes('dead.test'))
    assert.ok((state?.restUntil ?? 0) > harness.clock.now)
    const late = await harness.submit(['a@dead.test'])
    const { data } = await harness.until(late, 'RecipientDeferred')
    assert.match(data.answer, /left alone for a while/)
    await startSink(t, { host: '127.0.0.77', port: sink.port })
    const owner = harness.ids['ann'] ?? ''
    const retried = await changeSubmission(harness.journal, contextOf(owner, 'cli'), owner, {
      type: 'RequestRetry',
      submissionId: late,
    })
    assert.ok(retried.ok)
    await queue.enqueue(late, harness.clock.now)
    await harness.until(late, 'RecipientDelivered')
  })

  it('that refuses one of two connections sends all over the other', async (t) => {
    let connections = 0
    const sink = await startSink(t, { greeting: () => (++connections === 2 ? 'drop' : '220 sink.test') })
    const harness = await startHarness(t)
    harness.lead(sink, 'alive.test')
    harness.start()
    const ids = await Promise.all(Array.from({ length: 6 }, () => harness.submit(['a@alive.test'])))
    for (const id of ids) await harness.until(id, 'SubmissionCompleted')
    assert.equal(sink.mails.length, 6)
  })

  it('keeps a silent one from taking the connections of others', async (t) => {
    const sink = await startSink(t)
    const silent = await startSink(t, { host: '127.0.0.8', port: sink.port, greeting: () => 'hang' })
    const harness = await startHarness(t, {
      settings: { connections: 4, connectionsPerDestination: 4, slowMs: 50 },
      session: { replyMs: 60_000 },
    })
    harness.lead(sink, 'alive.test')
    for (let i = 0; i < 10; i++) {
      harness.dns.set(`d${i}.test`, { MX: [{ preference: 1, exchange: `mx${i}.test` }] })
      harness.dns.set(`mx${i}.test`, { A: ['127.0.0.8'] })
    }
    harness.start()
    for (let i = 0; i < 10; i++) await harness.submit([`a@d${i}.test`])
    for (let i = 0; i < 20; i++) await harness.until(await harness.submit(['a@alive.test']), 'RecipientDelivered')
    assert.ok(silent.open <= 8, `${silent.open} connections hang`)
  })
})
