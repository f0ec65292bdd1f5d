// One message from SMTP to the push of a subscription, and a message sent to another server: one trace each.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { openAccount } from '../../commands/open-account.ts'
import { newSecret } from '../../commands/passwords.ts'
import { submitMessage } from '../../commands/submit-message.ts'
import { readMail } from '../../domain/mail/read.ts'
import { loadConfig } from '../../infra/config.ts'
import { type RunningServer, startServer } from '../../infra/serve.ts'
import { OtlpTracer, traceOf } from '../../infra/telemetry/otlp-tracer.ts'
import { temporaryFolder } from '../support/folders.ts'
import { type CollectedSpan, startCollector } from '../support/otlp-collector.ts'
import { SmtpClient } from '../support/smtp-client.ts'
import { startSink } from '../support/smtp-sink.ts'

const MESSAGE = 'From: x@elsewhere.test\r\nTo: kim@example.test\r\nSubject: Pear harvest\r\n\r\nSweet.\r\n'
const OFF = ['SUBMISSION', 'SUBMISSIONS', 'IMAP', 'IMAPS', 'POP3', 'POP3S', 'MANAGESIEVE']

async function serve(t: TestContext, env: Readonly<Record<string, string>>): Promise<RunningServer> {
  const data = temporaryFolder()
  const off = Object.fromEntries(OFF.map((name) => [`EVERPOST_${name}_PORT`, 'off']))
  const ports = { EVERPOST_SMTP_PORT: '0', EVERPOST_HTTP_PORT: '0', EVERPOST_DNS_SERVERS: 'none' }
  const server = await startServer(loadConfig({ data }, { ...off, ...ports, ...env }, data))
  t.after(() => server.stop())
  return server
}

/** An account and a token for it. */
async function person(server: RunningServer): Promise<{ readonly id: string; readonly token: string }> {
  const { services, journal } = server.everpost
  const opened = await openAccount(services, contextOf('test', 'cli'), { address: 'kim@example.test' })
  assert.ok(opened.ok)
  const id = opened.accountId
  const { secret, hash } = newSecret()
  const password = { type: 'AddAppPassword', appPasswordId: newId(), label: 'test', hash } as const
  await changeAccount(journal, contextOf(id, 'cli'), id, password)
  await services.settle()
  return { id, token: `ep_${id}_${secret}` }
}

/** Subscribes, and answers once that stands; `heard` resolves with the first change. */
async function subscribed(t: TestContext, port: number, token: string): Promise<{ readonly heard: Promise<void> }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws')
  t.after(() => socket.terminate())
  const [stands, heard] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const say = (message: object) => socket.send(JSON.stringify(message))
  socket.on('open', () => say({ type: 'connection_init', payload: { token } }))
  socket.on('message', (data) => {
    const { type, id } = JSON.parse(String(data)) as { type: string; id?: string }
    if (type === 'connection_ack') {
      say({ type: 'subscribe', id: '1', payload: { query: 'subscription { mailboxChanged { type } }' } })
      // Answered after the subscription was taken.
      say({ type: 'subscribe', id: '2', payload: { query: '{ me { address } }' } })
    }
    if (type === 'complete' && id === '2') stands.resolve()
    if (type === 'next' && id === '1') heard.resolve()
  })
  await stands.promise
  return { heard: heard.promise }
}

const named = (spans: readonly CollectedSpan[], name: string): CollectedSpan => {
  const span = spans.find((each) => each.name === name)
  assert.ok(span, `${name} is not among ${spans.map((each) => each.name).join(', ')}`)
  return span
}

test('one message by SMTP is one trace, from DATA to the push', async (t) => {
  const collector = await startCollector(t)
  const server = await serve(t, { EVERPOST_OTLP_ENDPOINT: collector.url })
  const { token, id } = await person(server)
  const { heard } = await subscribed(t, server.ports['http'] ?? 0, token)
  const client = await SmtpClient.ready(server.ports['smtp'] ?? 0)
  const reply = await client.send('x@elsewhere.test', ['kim@example.test'], MESSAGE)
  assert.equal(reply.code, 250, reply.text)
  await client.quit()
  await heard
  const intakeId = /queued as (\S+)/.exec(reply.text)?.[1] ?? ''
  const { traceId, spanId } = traceOf(intakeId)
  const ofMessage = () => collector.spans.filter((span) => span.traceId === traceId)
  await collector.until(() => ['smtp receive', 'push'].every((name) => ofMessage().some((span) => span.name === name)))
  await collector.until(() => ofMessage().some(({ name }) => name === 'project mailbox'))
  const spans = ofMessage()
  const receive = named(spans, 'smtp receive')
  assert.equal(receive.spanId, spanId)
  assert.equal(receive.parentSpanId, undefined)
  assert.deepEqual(receive.facts, { role: 'smtp', recipients: 1, outcome: 'accepted' })
  const order = [
    'smtp receive',
    'read message',
    'authenticate sender',
    'check',
    'store blob',
    'append',
    'project mailbox',
    'push',
  ]
  for (const [i, name] of order.entries()) {
    const span = named(spans, name)
    assert.equal(span.failed, false, name)
    assert.ok(span.end >= span.start, name)
    if (i > 0) assert.equal(span.parentSpanId, spanId, name)
    const before = order[i - 1]
    if (before) assert.ok(named(spans, before).start <= span.start, `${before} begins before ${name}`)
  }
  assert.ok(named(spans, 'append').end <= receive.end)
  assert.ok(named(spans, 'append').end <= named(spans, 'push').end)
  const { types, streams, outcome } = named(spans, 'append').facts
  assert.deepEqual(
    { types, streams, outcome },
    {
      types: ['MailAccepted', 'MessageReceived'],
      streams: ['intake', 'mailbox'],
      outcome: 'appended',
    },
  )
  assert.deepEqual(named(spans, 'push').facts, { type: 'MessageReceived' })

  const batchId = named(spans, 'project mailbox').links[0]?.spanId
  const [batch] = (await collector.until((all) => all.some((span) => span.spanId === batchId))).filter(
    (span) => span.spanId === batchId,
  )
  assert.equal(batch?.name, 'project batch')
  assert.ok(batch?.links.some((link) => link.traceId === traceId && link.spanId === spanId))

  const metrics = await (await fetch(`http://127.0.0.1:${server.ports['http']}/metrics`)).text()
  assert.match(metrics, /^everpost_append_seconds_count [1-9]/m)
  assert.match(metrics, /^everpost_push_seconds_count [1-9]/m)
  assert.match(metrics, /^everpost_trace_spans_dropped_total 0$/m)
  const sent = collector.texts.join('')
  for (const secret of ['kim', 'elsewhere', 'Pear', 'Sweet', '127.0.0.1', id])
    assert.ok(!sent.includes(secret), `${secret} was told to the collector`)
})

test('a message to another server: the attempt to deliver it is in the trace of its submission', async (t) => {
  const collector = await startCollector(t)
  const sink = await startSink(t)
  const server = await serve(t, {
    EVERPOST_OTLP_ENDPOINT: collector.url,
    EVERPOST_SMARTHOST: `smtp://127.0.0.1:${sink.port}`,
  })
  const { id } = await person(server)
  const { journal, projectors, blobs } = server.everpost
  const raw = Buffer.from(MESSAGE)
  const context = contextOf(id, 'submission')
  const outcome = await submitMessage({ journal, directory: projectors.directory }, context, {
    accountId: id,
    mailFrom: 'kim@example.test',
    recipients: ['lee@elsewhere.test'],
    blob: await blobs.put(raw),
    mail: readMail(raw),
  })
  assert.ok(outcome.ok)
  await sink.until(1)
  const { traceId, spanId } = traceOf(context.correlationId)
  const ofTrace = () => collector.spans.filter((span) => span.traceId === traceId)
  const recorded = (span: CollectedSpan) =>
    span.name === 'append' && (span.facts['types'] as readonly string[]).includes('RecipientDelivered')
  await collector.until(() => ofTrace().some(({ name }) => name === 'deliver') && ofTrace().some(recorded))
  const deliver = named(ofTrace(), 'deliver')
  assert.equal(deliver.parentSpanId, spanId)
  assert.deepEqual(deliver.events, ['connected'])
  const { accepted, deferred, bounced, recipients, attempt } = deliver.facts
  assert.deepEqual(
    { accepted, deferred, bounced, recipients, attempt },
    {
      ...{ accepted: 1, deferred: 0, bounced: 0, recipients: 1, attempt: 1 },
    },
  )
  const first = ofTrace().find((span) => span.spanId === spanId)
  assert.equal(first?.name, 'append', 'nobody began this trace, so the append of the command is its first span')
  assert.equal(ofTrace().filter((span) => span.spanId === spanId).length, 1)
})

test('without a collector OpenTelemetry is not loaded, and nothing is traced', async (t) => {
  const server = await serve(t, { EVERPOST_HTTP_PORT: 'off' })
  assert.equal(server.everpost.tracer, undefined)
})

for (const status of [503, 400, 'hang'] as const) {
  test(`a collector that answers ${status} costs spans and one line, and stopping takes no longer than two seconds`, async (t) => {
    const collector = await startCollector(t, status)
    const lines: string[] = []
    const log = (event: string) => lines.push(event)
    const tracer = new OtlpTracer({ url: collector.url, sample: 1, roles: ['smtp'], log, delayMs: 1 })
    for (let i = 0; i < 5_000; i++) tracer.step('append', `c${i}`).end()
    assert.ok(tracer.dropped >= 5_000 - 2 * 2048, `${tracer.dropped}`)
    const began = performance.now()
    await tracer.close()
    assert.ok(performance.now() - began < 2_500)
    assert.deepEqual(lines, ['traces not sent'])
  })
}

test('the share of traces that is made is the same one in every process', async (t) => {
  const collector = await startCollector(t)
  const made = async () => {
    const from = collector.spans.length
    const tracer = new OtlpTracer({ url: collector.url, sample: 0.3, roles: [], log: () => undefined })
    for (let i = 0; i < 1_000; i++) tracer.step('push', `c${i}`).end()
    await tracer.close()
    return collector.spans.slice(from).map(({ traceId }) => traceId)
  }
  const [first, second] = [await made(), await made()]
  assert.deepEqual(new Set(second), new Set(first))
  assert.ok(first.length > 200 && first.length < 400, `${first.length}`)
})
