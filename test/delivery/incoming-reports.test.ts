// A bounce that comes days later finds its submission: by the envelope id or the Message-ID, for its own account only, once.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { composeReport } from '../../domain/delivery/report.ts'
import { submissionStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { IncomingReports } from '../../gateways/delivery/reports.ts'
import { MemorySubmissions } from '../../infra/adapters/views/memory.ts'
import { submissionsProjector } from '../../projections/submissions.ts'
import { eventsOf } from '../support/journal.ts'
import { START, startHarness } from './harness.ts'

const report = (about: string, envelopeId?: string) =>
  Buffer.from(
    composeReport({
      notice: 'failed',
      messageId: 'r1@store.test',
      host: 'store.test',
      from: 'mailer-daemon@store.test',
      to: 'ann@example.test',
      at: START,
      submittedAt: START,
      subject: 'Hello',
      ...(envelopeId ? { envelopeId } : {}),
      recipients: [{ address: 'Far@elsewhere.test', action: 'failed', status: '5.2.2', answer: '552 5.2.2 Full' }],
      original: Buffer.from(`Message-ID: <${about}>\r\n`),
      whole: false,
    }),
  )

async function start(t: Parameters<typeof startHarness>[0]) {
  const harness = await startHarness(t)
  const id = await harness.submit(['far@elsewhere.test'])
  const view = async () => {
    const store = new MemorySubmissions()
    for await (const batch of harness.journal.subscribe({ prefixes: ['submission-'] })) {
      const unit = store.begin()
      for (const event of batch.events) submissionsProjector.apply(unit, event)
      store.commit(unit, batch.position ?? 0n, [])
      if (batch.caughtUp) break
    }
    return store.queries
  }
  const checkpoints = {
    load: async (name: string) => harness.positions.get(name),
    save: async (name: string, position: bigint) => void harness.positions.set(name, position),
  }
  harness.positions.set('delivery-reports', 0n)
  const look = async () =>
    new IncomingReports({
      journal: harness.journal,
      source: harness.journal,
      blobs: harness.blobs,
      submissions: await view(),
      checkpoints,
      log: (event, facts) => harness.logged.push(`${event} ${JSON.stringify(facts)}`),
    }).look()
  const arrive = async (name: string, raw: Buffer, intakeId: string) =>
    receiveMail(harness.journal, contextOf('smtp', 'smtp', { commandId: intakeId, at: START }), {
      intakeId,
      mailFrom: '',
      recipients: [{ accountId: harness.ids[name] ?? '', address: `${name}@example.test` }],
      blob: await harness.blobs.put(raw),
      mail: readMail(raw),
    })
  const reported = async () =>
    (await eventsOf(harness.journal, submissionStream(id))).filter(({ type }) => type === 'RecipientReported')
  return { ...harness, id, look, arrive, reported, view }
}

describe('a report that comes back', () => {
  it('is put on the record of its submission, once, however often the log is read', async (t) => {
    const { look, arrive, reported, positions, id, view, ids } = await start(t)
    await arrive('ann', report('m1@example.test'), 'i1')
    await look()
    positions.set('delivery-reports', 0n)
    await look()
    assert.equal((await reported()).length, 1)
    const row = await (await view()).submission(ids['ann'] ?? '', id)
    assert.deepEqual(row?.recipients[0]?.report, {
      action: 'failed',
      status: '5.2.2',
      answer: '552 5.2.2 Full',
      remote: 'store.test',
    })
  })
  it('is found by the envelope id alone', async (t) => {
    const { look, arrive, reported, id } = await start(t)
    await arrive('ann', report('changed@relay.test', id), 'i1')
    await look()
    assert.equal((await reported()).length, 1)
  })
  it('says nothing about the mail of others, and nothing when it names no message of ours', async (t) => {
    const { look, arrive, reported, id, logged } = await start(t)
    await arrive('bob', report('m1@example.test', id), 'i1')
    await arrive('ann', report('other@example.test'), 'i2')
    await arrive('ann', Buffer.from('Subject: no report at all\r\n\r\nx\r\n'), 'i3')
    await look()
    assert.deepEqual(await reported(), [])
    assert.deepEqual(logged, [])
  })
})
