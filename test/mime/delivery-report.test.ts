// Reports of other servers: ours, others' by the standard, and hundreds of ways to say the same in free words.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { composeReport } from '../../domain/delivery/report.ts'
import { readDeliveryReport } from '../../domain/mail/delivery-report.ts'
import { readMail } from '../../domain/mail/read.ts'
import { corpus, NO_CORPUS } from './corpus.ts'

const read = (raw: Buffer) => readDeliveryReport(raw, readMail(raw))

describe('a report', () => {
  it('is read back as it was written', () => {
    const raw = Buffer.from(
      composeReport({
        notice: 'failed',
        messageId: 'r@x.test',
        host: 'mx.x.test',
        from: 'mailer-daemon@x.test',
        to: 'ann@example.test',
        at: 0,
        submittedAt: 0,
        envelopeId: 'abc',
        subject: 's',
        recipients: [
          {
            address: 'Bob@x.test',
            originalRecipient: 'rfc822;old@x.test',
            action: 'failed',
            status: '5.1.1',
            answer: '550 5.1.1 No',
            remote: 'in.x.test',
          },
          { address: 'c@x.test', action: 'delayed', status: '4.2.2', answer: '452 4.2.2 Full' },
        ],
        original: Buffer.from('Message-ID: <m1@example.test>\r\nSubject: s\r\n'),
        whole: false,
      }),
    )
    assert.deepEqual(read(raw), {
      envelopeId: 'abc',
      about: ['m1@example.test'],
      recipients: [
        {
          addresses: ['old@x.test', 'bob@x.test'],
          action: 'failed',
          status: '5.1.1',
          answer: '550 5.1.1 No',
          remote: 'in.x.test',
        },
        { addresses: ['c@x.test'], action: 'delayed', status: '4.2.2', answer: '452 4.2.2 Full', remote: 'mx.x.test' },
      ],
    })
  })

  it('in free words tells whom, why and about what', () => {
    const raw = Buffer.from(
      'From: MAILER-DAEMON@x.test\r\nSubject: failure notice\r\n\r\nHi. This is the qmail-send program.\r\n\r\n<bob@x.test>:\r\n550 5.1.1 no such user\r\n\r\n--- Below this line is a copy of the message.\r\n\r\nReturn-Path: <ann@example.test>\r\nMessage-ID: <m1@example.test>\r\nTo: other@x.test\r\n\r\nHi\r\n',
    )
    const report = read(raw)
    assert.deepEqual(report?.about, ['m1@example.test'])
    assert.deepEqual(report?.recipients, [
      { addresses: ['bob@x.test'], action: 'failed', status: '5.1.1', answer: '550 5.1.1 no such user' },
    ])
  })

  it('is not what people write about mail', () => {
    const raw = Buffer.from(
      'From: bob@x.test\r\nSubject: Hello\r\n\r\nMy address is bob@x.test.\r\nMessage-ID: <a@b>\r\n',
    )
    assert.equal(read(raw), undefined)
  })

  it('of any bytes is read to its end', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400 }), (text) => {
        const body = `--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: ${text}\r\nAction: ${text}\r\n--b--\r\n`
        read(Buffer.from(`Content-Type: multipart/report; boundary=b\r\n\r\n${body}`))
        read(Buffer.from(`From: mailer-daemon@x\r\n\r\n${text}`))
      }),
      { numRuns: 500 },
    )
  })
})

it('real bounces are understood', { skip: NO_CORPUS }, (t) => {
  const mails = corpus().filter(({ name }) => name.startsWith('bounces'))
  const standard = mails.filter(({ raw }) => /^content-type:\s*message\/delivery-status/im.test(raw.toString('latin1')))
  const read1 = standard.filter(({ raw }) => (read(raw)?.recipients.length ?? 0) > 0)
  const others = mails.filter((mail) => !standard.includes(mail))
  const read2 = others.filter(({ raw }) => (read(raw)?.recipients.length ?? 0) > 0)
  const tied = mails.filter(({ raw }) => (read(raw)?.about.length ?? 0) > 0)
  t.diagnostic(
    `${read1.length} of ${standard.length} by the standard, ${read2.length} of ${others.length} in free words; ${tied.length} of ${mails.length} name their message`,
  )
  assert.equal(mails.length, 120)
  assert.ok(
    read1.length >= standard.length - 3,
    standard
      .filter((mail) => !read1.includes(mail))
      .map(({ name }) => name)
      .join(' '),
  )
  assert.ok(
    read2.length >= others.length / 2,
    others
      .filter((mail) => !read2.includes(mail))
      .map(({ name }) => name)
      .join(' '),
  )
})
