// Names: what a server's packets say, how long it is kept, and that no packet can do harm.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { ResolverError } from '../../commands/ports/resolver.ts'
import { DnsResolver, readServer } from '../../infra/adapters/resolver/dns.ts'
import { question, readAnswer } from '../../infra/adapters/resolver/dns-message.ts'
import { type DnsReply, startDnsServer } from '../support/dns-server.ts'

type Zones = Record<string, DnsReply | undefined>

async function resolverOver(t: TestContext, zones: Zones, options: { validating?: boolean; rounds?: number } = {}) {
  const { server, asked } = await startDnsServer(t, ({ type, name }) => zones[`${type} ${name}`])
  let now = 1_000_000
  const resolver = new DnsResolver({ servers: [server], timeoutMs: 150, now: () => now, ...options })
  t.after(() => resolver.close())
  return { resolver, asked, pass: (ms: number) => void (now += ms) }
}

const failsWith = (code: string) => (error: unknown) => error instanceof ResolverError && error.code === code
const soa = (minimum: number) =>
  ({ type: 'SOA', name: 'test', ttl: 900, data: { mname: 'ns.test', rname: 'h.test', minimum } }) as const

describe('answers', () => {
  it('of every type, names without a last dot', async (t) => {
    const { resolver } = await resolverOver(t, {
      'MX a.test': {
        answers: [
          { type: 'MX', name: 'a.test', ttl: 300, data: { preference: 10, exchange: 'Mx1.A.test' } },
          { type: 'MX', name: 'a.test', ttl: 200, data: { preference: 5, exchange: 'mx2.a.test' } },
        ],
      },
      'MX null.test': { answers: [{ type: 'MX', name: 'null.test', ttl: 9, data: { preference: 0, exchange: '.' } }] },
      'A a.test': { answers: [{ type: 'A', name: 'a.test', ttl: 1, data: '192.0.2.7' }] },
      'AAAA a.test': { answers: [{ type: 'AAAA', name: 'a.test', ttl: 1, data: '2001:db8::7' }] },
      'PTR 7.2.0.192.in-addr.arpa': {
        answers: [{ type: 'PTR', name: '7.2.0.192.in-addr.arpa', ttl: 1, data: 'a.test' }],
      },
      'TXT a.test': { answers: [{ type: 'TXT', name: 'a.test', ttl: 1, data: ['v=spf1 ', '-all'] }] },
      'TLSA _25._tcp.a.test': {
        answers: [
          {
            type: 'TLSA',
            name: '_25._tcp.a.test',
            ttl: 1,
            data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from([1, 2]) },
          },
        ],
      },
    })
    const mx = await resolver.resolve('A.TEST.', 'MX')
    assert.deepEqual(mx.records, [
      { preference: 10, exchange: 'mx1.a.test' },
      { preference: 5, exchange: 'mx2.a.test' },
    ])
    assert.equal(mx.ttl, 200, 'the shortest time to live of all')
    assert.equal(mx.secure, false)
    assert.deepEqual((await resolver.resolve('null.test', 'MX')).records, [{ preference: 0, exchange: '' }])
    assert.deepEqual((await resolver.resolve('a.test', 'A')).records, ['192.0.2.7'])
    assert.deepEqual((await resolver.resolve('a.test', 'AAAA')).records, ['2001:db8::7'])
    assert.deepEqual((await resolver.resolve('7.2.0.192.in-addr.arpa', 'PTR')).records, ['a.test'])
    assert.deepEqual((await resolver.resolve('a.test', 'TXT')).records, ['v=spf1 -all'])
    const [tlsa] = (await resolver.resolve('_25._tcp.a.test', 'TLSA')).records
    assert.deepEqual(tlsa, { usage: 3, selector: 1, matchingType: 1, data: Uint8Array.of(1, 2) })
  })

  it('follow aliases, and a ring of them ends', async (t) => {
    const { resolver } = await resolverOver(t, {
      'A www.test': {
        answers: [
          { type: 'CNAME', name: 'www.test', ttl: 60, data: 'host.test' },
          { type: 'A', name: 'host.test', ttl: 600, data: '192.0.2.1' },
          { type: 'A', name: 'other.test', ttl: 600, data: '192.0.2.66' },
        ],
      },
      'A ring.test': {
        answers: [
          { type: 'CNAME', name: 'ring.test', ttl: 60, data: 'gnir.test' },
          { type: 'CNAME', name: 'gnir.test', ttl: 60, data: 'ring.test' },
        ],
      },
    })
    assert.deepEqual(await resolver.resolve('www.test', 'A'), { records: ['192.0.2.1'], ttl: 60, secure: false })
    await assert.rejects(resolver.resolve('ring.test', 'A'), failsWith('no-data'))
  })

  it('tell a name that is not there from one without such records', async (t) => {
    const { resolver } = await resolverOver(t, { 'A no.test': { rcode: 3 }, 'A bare.test': {} })
    await assert.rejects(resolver.resolve('no.test', 'A'), failsWith('no-such-name'))
    await assert.rejects(resolver.resolve('bare.test', 'A'), failsWith('no-data'))
    await assert.rejects(resolver.resolve(`${'x'.repeat(64)}.test`, 'A'), failsWith('no-such-name'))
    await assert.rejects(resolver.resolve('', 'A'), failsWith('no-such-name'))
  })

  it('that are cut over UDP come over TCP', async (t) => {
    const { resolver, asked } = await resolverOver(t, {
      'TXT big.test': {
        truncated: true,
        answers: [{ type: 'TXT', name: 'big.test', ttl: 60, data: Array.from({ length: 40 }, () => 'x'.repeat(200)) }],
      },
    })
    assert.equal((await resolver.resolve('big.test', 'TXT')).records[0]?.length, 8000)
    assert.deepEqual(asked, ['TXT big.test', 'TXT big.test tcp'])
  })
})

describe('what fails', () => {
  it('is temporary: silence, SERVFAIL, REFUSED, no server at all', async (t) => {
    const { resolver, asked } = await resolverOver(t, { 'A fail.test': { rcode: 2 }, 'A refused.test': { rcode: 5 } })
    for (const name of ['silent.test', 'fail.test', 'refused.test'])
      await assert.rejects(resolver.resolve(name, 'A'), failsWith('temporary'))
    assert.equal(asked.length, 6, 'each was asked twice')
    await assert.rejects(new DnsResolver({ servers: [] }).resolve('a.test', 'A'), failsWith('temporary'))
  })

  it('goes to the next server', async (t) => {
    const good = await startDnsServer(t, () => ({
      answers: [{ type: 'A', name: 'a.test', ttl: 60, data: '192.0.2.1' }],
    }))
    const bad = await startDnsServer(t, () => ({ rcode: 2 }))
    const resolver = new DnsResolver({ servers: [bad.server, good.server], timeoutMs: 200 })
    assert.deepEqual((await resolver.resolve('a.test', 'A')).records, ['192.0.2.1'])
  })

  it('does not hang what waits when it closes', async (t) => {
    const { server } = await startDnsServer(t, () => undefined)
    const resolver = new DnsResolver({ servers: [server], timeoutMs: 60_000 })
    const asking = resolver.resolve('a.test', 'A')
    resolver.close()
    await assert.rejects(asking, failsWith('temporary'))
  })
})

describe('the cache', () => {
  it('keeps an answer for its time and asks once for all who wait', async (t) => {
    const { resolver, asked, pass } = await resolverOver(t, {
      'A a.test': { answers: [{ type: 'A', name: 'a.test', ttl: 60, data: '192.0.2.1' }] },
    })
    await Promise.all(Array.from({ length: 20 }, () => resolver.resolve('a.test', 'A')))
    pass(59_000)
    await resolver.resolve('a.test', 'A')
    assert.equal(asked.length, 1)
    pass(2_000)
    await resolver.resolve('a.test', 'A')
    assert.equal(asked.length, 2)
  })

  it('keeps a no as long as the zone says, and a failure not at all', async (t) => {
    const { resolver, asked, pass } = await resolverOver(
      t,
      { 'A no.test': { rcode: 3, authorities: [soa(30)] }, 'A fail.test': { rcode: 2 } },
      { rounds: 1 },
    )
    for (let i = 0; i < 3; i++) await assert.rejects(resolver.resolve('no.test', 'A'))
    assert.equal(asked.length, 1)
    pass(31_000)
    await assert.rejects(resolver.resolve('no.test', 'A'))
    assert.equal(asked.length, 2)
    for (let i = 0; i < 2; i++) await assert.rejects(resolver.resolve('fail.test', 'A'))
    assert.equal(asked.length, 4)
  })

  it('stays below its bound', async (t) => {
    const { server, asked } = await startDnsServer(t, ({ name }) => ({
      answers: [{ type: 'A', name, ttl: 600, data: '192.0.2.1' }],
    }))
    const resolver = new DnsResolver({ servers: [server], cachedAnswers: 3 })
    for (const name of ['a.test', 'b.test', 'c.test', 'd.test', 'a.test']) await resolver.resolve(name, 'A')
    assert.equal(asked.length, 5, 'the first had to go for the fourth')
  })
})

describe('trust', () => {
  const zones: Zones = {
    'A a.test': { authentic: true, answers: [{ type: 'A', name: 'a.test', ttl: 60, data: '192.0.2.1' }] },
    'A no.test': { authentic: true, rcode: 3 },
  }
  it('takes the AD bit for secure only where the settings say that the server validates', async (t) => {
    const plain = await resolverOver(t, zones)
    assert.equal((await plain.resolver.resolve('a.test', 'A')).secure, false)
    const validating = await resolverOver(t, zones, { validating: true })
    assert.equal((await validating.resolver.resolve('a.test', 'A')).secure, true)
    await assert.rejects(
      validating.resolver.resolve('no.test', 'A'),
      (error) => error instanceof ResolverError && error.secure,
    )
  })

  it('waits past packets that answer something else', async (t) => {
    const { resolver } = await resolverOver(t, {
      'A a.test': {
        noise: [Buffer.alloc(3), Buffer.alloc(40, 255), question(7, 'a.test', 'A')],
        answers: [{ type: 'A', name: 'a.test', ttl: 60, data: '192.0.2.1' }],
      },
    })
    assert.deepEqual((await resolver.resolve('a.test', 'A')).records, ['192.0.2.1'])
  })
})

it('reads any bytes to its end', () => {
  const asked = { id: 0x1234, name: 'a.test', type: 'TXT' as const }
  const header = Buffer.from([0x12, 0x34, 0x81, 0x80])
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      readAnswer(Buffer.from(bytes), asked, true)
      readAnswer(Buffer.concat([header, bytes]), asked, true)
    }),
    { numRuns: 3000 },
  )
})

it('reads servers as they are written', () => {
  assert.deepEqual(readServer('192.0.2.1'), { address: '192.0.2.1', port: 53 })
  assert.deepEqual(readServer('192.0.2.1:5353'), { address: '192.0.2.1', port: 5353 })
  assert.deepEqual(readServer('2001:db8::1'), { address: '2001:db8::1', port: 53 })
  assert.deepEqual(readServer('[2001:db8::1]:5353'), { address: '2001:db8::1', port: 5353 })
})
