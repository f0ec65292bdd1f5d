// TLS reports (RFC 8460): what a day's sessions were, to those who ask for it, once, whatever happens in between.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { DAY_MS, dayOf, readReportPlaces, TlsDay, tlsReport } from '../../domain/delivery/tls-report.ts'
import { isRedacted } from '../../domain/log.ts'
import { StsPolicies } from '../../gateways/delivery/mta-sts.ts'
import { PublishedPolicies } from '../../gateways/delivery/published-policies.ts'
import { TlsReports } from '../../gateways/delivery/tls-reports.ts'
import { startSink } from '../support/smtp-sink.ts'
import { START, startHarness } from './harness.ts'

const rua = (uris: string) => ({ TXT: [`v=TLSRPTv1; rua=${uris}`] })
const TOMORROW = (dayOf(START) + 1) * DAY_MS
const POLICY = 'version: STSv1\r\nmode: testing\r\nmx: *.other.test\r\nmax_age: 86400\r\n'

async function start(t: TestContext) {
  const sink = await startSink(t)
  const signed: string[] = []
  const sts: StsPolicies[] = []
  const harness = await startHarness(t, {
    policies: (dns) => {
      const policies = new StsPolicies(
        dns,
        async () => POLICY,
        () => START,
      )
      sts.push(policies)
      return new PublishedPolicies(dns, policies)
    },
    deps: {
      sign: async (mailFrom) => {
        signed.push(mailFrom)
        return 'X-Signed: yes\r\n'
      },
    },
  })
  harness.lead(sink, 'plain.test', 'sts.test', 'quiet.test', 'reports.test')
  harness.dns.set('_smtp._tls.plain.test', rua('mailto:tls@reports.test,https://plain.test/report'))
  harness.dns.set('_smtp._tls.sts.test', rua('mailto:tls@reports.test'))
  harness.dns.set('_mta-sts.sts.test', { TXT: ['v=STSv1; id=1'] })
  const running = harness.start()
  harness.positions.set('tls-reports', 0n)
  const look = (now: number) =>
    new TlsReports({
      journal: harness.journal,
      source: harness.journal,
      blobs: harness.blobs,
      directory: harness.directory,
      resolver: harness.dns,
      checkpoints: {
        load: async (name) => harness.positions.get(name),
        save: async (name, position) => void harness.positions.set(name, position),
      },
      stsLines: async (domain) => sts[0]?.lines(domain),
      domain: 'example.test',
      now: () => now,
      log: (event, facts) => harness.logged.push(`${event} ${JSON.stringify(facts)}`),
    }).look()
  const reports = async () => {
    const found: { subject: string; id: string }[] = []
    for await (const batch of harness.journal.subscribe({ prefixes: ['submission-'] })) {
      for (const event of batch.events)
        if (!isRedacted(event) && event.type === 'MessageSubmitted' && event.data.accountId === 'system')
          found.push({ subject: event.data.subject, id: event.data.submissionId })
      if (batch.caughtUp) break
    }
    return found
  }
  return { ...harness, running, sink, look, reports, signed }
}

/** The JSON in a message that a sink has got. */
function jsonOf(message: string) {
  const part = /application\/tlsrpt\+gzip[\s\S]*?\r\n\r\n([\s\S]*?)\r\n--/.exec(message)?.[1] ?? ''
  return JSON.parse(gunzipSync(Buffer.from(part, 'base64')).toString())
}

describe('TLS reports', () => {
  it('tell a domain of a day that is over, in signed mail from the postmaster', async (t) => {
    const { submit, until, look, reports, sink, pass, running, signed, clock } = await start(t)
    const id = await submit(['a@plain.test', 'b@plain.test', 'c@sts.test', 'd@quiet.test'])
    await until(id, 'SubmissionCompleted')
    await look(TOMORROW + 60_000)
    assert.deepEqual(await reports(), [], 'what was decided before midnight may still be on its way to the log')
    await look(TOMORROW + 3_600_000)
    const made = await reports()
    assert.equal(made.length, 2, 'quiet.test wants none')
    await pass(TOMORROW + DAY_MS - clock.now, running)
    for (const each of made) await until(each.id, 'SubmissionCompleted')
    const mails = sink.mails.filter(({ to }) => to.includes('tls@reports.test'))
    assert.deepEqual(
      mails.map(({ mailFrom }) => mailFrom),
      ['postmaster@example.test', 'postmaster@example.test'],
    )
    assert.ok(signed.includes('postmaster@example.test'))
    const text = mails.map(({ message }) => message.toString())
    const plain = text.find((each) => each.includes('TLS-Report-Domain: plain.test\r\n')) ?? ''
    assert.match(plain, /^Subject: Report Domain: plain\.test\r\n Submitter: example\.test\r\n Report-ID: <[^>]+>\r$/m)
    assert.match(plain, /^TLS-Report-Submitter: example\.test\r$/m)
    assert.match(plain, /^Content-Type: multipart\/report; report-type="tlsrpt";/m)
    const { 'report-id': reportId, ...report } = jsonOf(plain)
    assert.ok(plain.includes(`Report-ID: <${reportId}>`))
    assert.deepEqual(report, {
      'organization-name': 'example.test',
      'date-range': { 'start-datetime': '2026-03-01T00:00:00Z', 'end-datetime': '2026-03-01T23:59:59Z' },
      'contact-info': 'postmaster@example.test',
      policies: [
        {
          policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'plain.test' },
          summary: { 'total-successful-session-count': 0, 'total-failure-session-count': 1 },
          'failure-details': [
            {
              'result-type': 'starttls-not-supported',
              'receiving-mx-hostname': 'mx.plain.test',
              'failed-session-count': 1,
            },
          ],
        },
      ],
    })
    const [policy] = jsonOf(text.find((each) => each.includes('TLS-Report-Domain: sts.test\r\n')) ?? '').policies
    assert.deepEqual(policy.policy, {
      'policy-type': 'sts',
      'policy-string': POLICY.trim().split('\r\n'),
      'policy-domain': 'sts.test',
      'mx-host': ['*.other.test'],
    })
    assert.equal(policy['failure-details'][0]['result-type'], 'validation-failure')
  })

  it('are made once, whether the checkpoint is lost or the work begins again', async (t) => {
    const { submit, until, look, reports, positions, logged } = await start(t)
    await until(await submit(['a@plain.test']), 'SubmissionCompleted')
    await look(TOMORROW + 3_600_000)
    await look(TOMORROW + 3_600_000)
    positions.set('tls-reports', 0n)
    await look(TOMORROW + 2 * DAY_MS)
    assert.equal((await reports()).length, 1)
    assert.ok(logged.some((line) => line.startsWith('tls report not sent') && line.includes('https://plain.test')))
  })

  it('wait for name servers that do not answer, and do not skip the day', async (t) => {
    const { submit, until, look, reports, dns } = await start(t)
    await until(await submit(['a@plain.test', 'c@sts.test']), 'SubmissionCompleted')
    dns.set('_smtp._tls.plain.test', 'temporary')
    await look(TOMORROW + 3_600_000)
    assert.equal((await reports()).length, 1)
    dns.set('_smtp._tls.plain.test', rua('mailto:tls@reports.test'))
    await look(TOMORROW + 7_200_000)
    assert.equal((await reports()).length, 2)
  })
})

describe('where reports go', () => {
  it('is read from the one record that says so', () => {
    assert.deepEqual(readReportPlaces(['v=spf1 -all', 'v=TLSRPTv1; rua=mailto:A%2Bb@X.test?x=y, https://x.test/r;']), {
      addresses: ['A+b@x.test'],
      others: ['https://x.test/r'],
    })
    assert.equal(readReportPlaces(['v=TLSRPTv1;rua=mailto:a@x.test', 'v=TLSRPTv1;rua=mailto:b@x.test']), undefined)
    assert.equal(readReportPlaces(['v=TLSRPTv1;']), undefined)
  })

  it('is no trouble, whatever the record says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        for (const address of readReportPlaces([`v=TLSRPTv1; rua=mailto:${text}`])?.addresses ?? [])
          assert.doesNotMatch(address, /[\r\n]/)
      }),
      { numRuns: 50 },
    )
  })
})

describe('the count of a day', () => {
  it('tells sessions apart by policy and outcome, and passes over attempts without a session', () => {
    const day = new TlsDay()
    const tls = { policy: 'dane', policyDomain: 'x.test' } as const
    day.count({ remote: 'mx.x.test', tls: { ...tls, protocol: 'TLSv1.3' } }, true)
    day.count({ remote: 'mx.x.test', tls: { ...tls, protocol: 'TLSv1.3' } }, false)
    day.count({ remote: 'mx.x.test', tls: { ...tls, failure: 'certificate-expired' } }, false)
    day.count({ remote: 'mx.x.test', tls: { ...tls, failure: 'odd' } }, false)
    day.count({ remote: 'mx.x.test', tls }, false)
    day.count({ remote: 'mx.x.test', tls: { policy: 'none', protocol: 'TLSv1.3' } }, true)
    const counts = day.domains.get('x.test')?.get('tlsa')
    assert.ok(counts)
    assert.deepEqual([counts.successful, counts.failed], [2, 2])
    const report = JSON.parse(
      tlsReport({
        reportId: 'r',
        day: 0,
        submitter: 's',
        contact: 'c',
        policyDomain: 'x.test',
        policies: [{ ...counts, lines: ['_25._tcp.mx.x.test. IN TLSA 3 1 1 00'] }],
      }),
    )
    assert.deepEqual(report.policies[0].policy, {
      'policy-type': 'tlsa',
      'policy-string': ['_25._tcp.mx.x.test. IN TLSA 3 1 1 00'],
      'policy-domain': 'x.test',
    })
    assert.deepEqual(
      report.policies[0]['failure-details'].map((each: Record<string, unknown>) => each['result-type']),
      ['certificate-expired', 'validation-failure'],
    )
  })
})
