// TLS that is demanded: MTA-STS and DANE, kept, enforced and reported; and what happens when a host does not live up to it.
import assert from 'node:assert/strict'
import { hash, X509Certificate } from 'node:crypto'
import { createServer } from 'node:https'
import { describe, it, type TestContext } from 'node:test'
import { generate } from 'selfsigned'
import { httpsPolicy, StsPolicies } from '../../gateways/delivery/mta-sts.ts'
import { PublishedPolicies } from '../../gateways/delivery/published-policies.ts'
import { DnsDouble } from '../support/dns.ts'
import { startSink } from '../support/smtp-sink.ts'
import { START, startHarness } from './harness.ts'

async function certificateFor(...names: readonly string[]) {
  const made = await generate([{ name: 'commonName', value: names[0] ?? '' }], {
    keySize: 2048,
    notAfterDate: new Date(Date.now() + 30 * 86_400_000),
    extensions: [{ name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) }],
  })
  return { key: made.private, cert: made.cert }
}

const spkiHash = (pem: string) =>
  hash('sha256', new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' }), 'buffer')

const policyText = (mode: string, mx: string, maxAge = 86_400) =>
  `version: STSv1\r\nmode: ${mode}\r\nmx: ${mx}\r\nmax_age: ${maxAge}\r\n`

describe('MTA-STS', () => {
  it('keeps a policy by its id, for its time, and over a failure', async () => {
    let now = START
    let text: string | Error = policyText('enforce', '*.x.test')
    const fetched: string[] = []
    const dns = new DnsDouble({ '_mta-sts.x.test': { TXT: ['v=STSv1; id=1'] } })
    const sts = new StsPolicies(
      dns,
      async (domain) => {
        fetched.push(domain)
        if (text instanceof Error) throw text
        return text
      },
      () => now,
    )
    const first = await sts.of('x.test')
    assert.ok(first.kind === 'sts' && first.mode === 'enforce')
    assert.deepEqual(
      [first.allows('mx.x.test'), first.allows('a.mx.x.test'), first.allows('mx.y.test')],
      [true, false, false],
    )
    await sts.of('x.test')
    assert.equal(fetched.length, 1, 'the id has not changed')
    dns.set('_mta-sts.x.test', { TXT: ['v=STSv1; id=2'] })
    text = new Error('down')
    assert.equal((await sts.of('x.test')).kind, 'sts', 'the known one holds')
    await sts.of('x.test')
    assert.equal(fetched.length, 2, 'what failed is not asked for at every message')
    dns.set('_mta-sts.x.test', 'no-such-name')
    assert.equal((await sts.of('x.test')).kind, 'sts')
    now += 2 * 86_400_000
    assert.equal((await sts.of('x.test')).kind, 'none', 'its time is over')
    dns.set('_mta-sts.x.test', { TXT: ['v=STSv1; id=3'] })
    text = policyText('none', '*.x.test')
    assert.equal((await sts.of('x.test')).kind, 'none')
    text = 'nonsense'
    dns.set('_mta-sts.x.test', { TXT: ['v=STSv1; id=4'] })
    assert.equal((await sts.of('x.test')).kind, 'none')
    assert.equal((await sts.of('y.test')).kind, 'none')
  })

  it('is fetched over HTTPS with a certificate for its name, as plain text, without redirects', async (t) => {
    const { key, cert } = await certificateFor('mta-sts.x.test')
    let status = 200
    const server = createServer({ key, cert }, (request, response) => {
      response.writeHead(request.url === '/.well-known/mta-sts.txt' ? status : 404, { 'content-type': 'text/plain' })
      response.end(policyText('enforce', 'mx.x.test'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const { port } = server.address() as { port: number }
    const dns = new DnsDouble({ 'mta-sts.x.test': { A: ['127.0.0.1'] }, 'mta-sts.y.test': { A: ['127.0.0.1'] } })
    assert.match(await httpsPolicy(dns, { port, ca: cert })('x.test'), /^version: STSv1/)
    await assert.rejects(httpsPolicy(dns, { port })('x.test'), /self-signed|self signed/i)
    await assert.rejects(httpsPolicy(dns, { port, ca: cert })('y.test'), /altname|Hostname/i)
    status = 301
    await assert.rejects(httpsPolicy(dns, { port, ca: cert })('x.test'), /answered 301/)
    await assert.rejects(httpsPolicy(dns, { port, ca: cert })('none.test'))
  })
})

async function withPolicies(t: TestContext, policy?: string) {
  const tls = await certificateFor('mx.elsewhere.test')
  const sink = await startSink(t, { tls })
  const harness = await startHarness(t, {
    policies: (dns) => new PublishedPolicies(dns, new StsPolicies(dns, async () => policy ?? '')),
  })
  harness.lead(sink, 'elsewhere.test')
  if (policy) harness.dns.set('_mta-sts.elsewhere.test', { TXT: ['v=STSv1; id=1'] })
  return { ...harness, sink, tls }
}

describe('a policy that is enforced', () => {
  it('keeps mail from a host whose certificate no authority vouches for', async (t) => {
    const { start, submit, until, sink } = await withPolicies(t, policyText('enforce', 'mx.elsewhere.test'))
    start()
    const { data } = await until(await submit(['a@elsewhere.test']), 'RecipientDeferred')
    assert.deepEqual(data.tls, { policy: 'sts', policyDomain: 'elsewhere.test', failure: 'certificate-not-trusted' })
    assert.equal(data.status, '4.7.5')
    assert.equal(sink.mails.length, 0)
  })
  it('keeps mail from a host that it does not name', async (t) => {
    const { start, submit, until, sink } = await withPolicies(t, policyText('enforce', 'other.elsewhere.test'))
    start()
    const { data } = await until(await submit(['a@elsewhere.test']), 'RecipientDeferred')
    assert.match(data.answer, /does not name this host/)
    assert.equal(sink.connections, 0)
  })
  it('in testing delivers all the same, by TLS', async (t) => {
    const { start, submit, until } = await withPolicies(t, policyText('testing', 'other.elsewhere.test'))
    start()
    const { data } = await until(await submit(['a@elsewhere.test']), 'RecipientDelivered')
    assert.equal(data.tls?.failure, 'validation-failure')
    assert.match(data.tls?.protocol ?? '', /^TLS/)
  })
})

describe('DANE', () => {
  const secureZone = (
    harness: Awaited<ReturnType<typeof withPolicies>>,
    tlsa: Parameters<DnsDouble['set']>[1] | undefined,
  ) => {
    harness.dns.set('elsewhere.test', { MX: [{ preference: 1, exchange: 'mx.elsewhere.test' }], secure: true })
    harness.dns.set('mx.elsewhere.test', { A: ['127.0.0.1'], secure: true })
    if (tlsa) harness.dns.set(`_${harness.sink.port}._tcp.mx.elsewhere.test`, tlsa)
  }
  const record = (data: Uint8Array, usage = 3) => ({ usage, selector: 1, matchingType: 1, data })

  it('delivers to the very key that the validated DNS names', async (t) => {
    const harness = await withPolicies(t)
    secureZone(harness, { TLSA: [record(spkiHash(harness.tls.cert))], secure: true })
    harness.start()
    const { data } = await harness.until(await harness.submit(['a@elsewhere.test']), 'RecipientDelivered')
    assert.equal(data.tls?.policy, 'dane')
    assert.equal(data.tls?.failure, undefined)
    assert.equal(harness.sink.mails[0]?.tls, true)
  })
  it('takes a trust anchor with the right name', async (t) => {
    const harness = await withPolicies(t)
    secureZone(harness, { TLSA: [record(spkiHash(harness.tls.cert), 2)], secure: true })
    harness.start()
    await harness.until(await harness.submit(['a@elsewhere.test']), 'RecipientDelivered')
  })
  it('keeps mail from any other key, from a host without TLS, and while its records cannot be had', async (t) => {
    const harness = await withPolicies(t)
    secureZone(harness, { TLSA: [record(new Uint8Array(32))], secure: true })
    harness.start()
    const wrong = await harness.until(await harness.submit(['a@elsewhere.test']), 'RecipientDeferred')
    assert.equal(wrong.data.tls?.failure, 'tlsa-invalid')
    await harness.sink.close()
    const plain = await startSink(t, { port: harness.sink.port })
    harness.clock.now += 3_600_000
    const clear = await harness.until(await harness.submit(['b@elsewhere.test']), 'RecipientDeferred')
    assert.equal(clear.data.tls?.failure, 'starttls-not-supported', clear.data.answer)
    harness.dns.set(`_${harness.sink.port}._tcp.mx.elsewhere.test`, 'temporary')
    harness.clock.now += 3_600_000
    const hidden = await harness.until(await harness.submit(['c@elsewhere.test']), 'RecipientDeferred')
    assert.match(hidden.data.answer, /TLSA records cannot be asked for/)
    assert.equal(plain.mails.length, 0)
  })
  it('means nothing where the DNS was not validated', async (t) => {
    const harness = await withPolicies(t)
    harness.dns.set(`_${harness.sink.port}._tcp.mx.elsewhere.test`, { TLSA: [record(new Uint8Array(32))] })
    harness.start()
    await harness.until(await harness.submit(['a@elsewhere.test']), 'RecipientDelivered')
  })
})
