import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decodePartText, selectBodies } from '../../domain/mail/body-text.ts'
import { type ComposeInput, composeMail } from '../../domain/mail/compose.ts'
import { headerFields } from '../../domain/mail/header.ts'
import { readMail } from '../../domain/mail/read.ts'
import { partAt } from '../../domain/mail/sections.ts'
import { decodeTransfer } from '../../domain/mail/transfer.ts'

const base: ComposeInput = {
  from: { address: 'a@example.org' },
  subject: 's',
  messageId: 'm@example.org',
  date: Date.UTC(2026, 0, 2, 3, 4, 5),
}
const words = (raw: Uint8Array, kind: 'text' | 'html'): string | undefined => {
  const body = selectBodies(readMail(raw).root)[kind]
  return body === undefined
    ? undefined
    : decodePartText(raw.subarray(body.part.bodyStart, body.part.bodyEnd), body.part)
}

test('a plain message, byte for byte', () => {
  assert.equal(
    Buffer.from(
      composeMail({
        ...base,
        from: { name: 'Ann Lee', address: 'a@example.org' },
        to: [{ address: 'b@example.org' }, { name: 'C, D', address: 'c@example.org' }],
        text: 'Hi\nthere\n',
      }),
    ).toString(),
    [
      'Date: Fri, 2 Jan 2026 03:04:05 +0000',
      'From: Ann Lee <a@example.org>',
      'To: <b@example.org>,',
      ' "C, D" <c@example.org>',
      'Subject: s',
      'Message-ID: <m@example.org>',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=us-ascii',
      'Content-Transfer-Encoding: 7bit',
      '',
      'Hi',
      'there',
      '',
    ].join('\r\n'),
  )
})

test('text, HTML, an image that the HTML shows and a file', () => {
  const image = { filename: 'i.png', type: 'image/png', bytes: Uint8Array.of(1, 2, 3), contentId: 'i@x' }
  const file = { filename: '보고서.pdf', type: 'application/pdf', bytes: Uint8Array.from({ length: 500 }, (_, i) => i) }
  const raw = composeMail({ ...base, text: 'plain', html: '<img src="cid:i@x">한', attachments: [image, file] })
  const content = readMail(raw)
  assert.deepEqual(content.defects, [])
  assert.deepEqual(
    content.root.parts?.map(({ type }) => type),
    ['multipart/alternative', 'application/pdf'],
  )
  assert.deepEqual([words(raw, 'text'), words(raw, 'html')], ['plain', '<img src="cid:i@x">한'])
  assert.deepEqual(
    content.attachments.map(({ filename, inline }) => [filename, inline]),
    [
      ['i.png', true],
      ['보고서.pdf', false],
    ],
  )
  const part = partAt(content.root, '2')
  assert.deepEqual(
    Buffer.from(decodeTransfer(raw.subarray(part?.bodyStart, part?.bodyEnd), part?.encoding ?? '')),
    Buffer.from(file.bytes),
  )
})

describe('nothing gets into the header that does not belong there', () => {
  test('line breaks and Bcc', () => {
    const evil = 'x\r\nBcc: victim@example.org\r\n\r\nbody'
    const raw = composeMail({
      ...base,
      subject: evil,
      from: { name: evil, address: 'a@b' },
      to: [{ name: evil, address: evil }, { address: 'ok@b' }],
      messageId: evil,
      inReplyTo: evil,
      references: [evil],
      headers: { 'X-One': evil, Bcc: 'b@c', 'Content-Type': 'text/evil', 'X\r\nBcc': 'b@c', 'X-Ok': 'fine' },
      attachments: [{ filename: evil, type: evil, bytes: new Uint8Array(0), contentId: evil }],
    })
    const content = readMail(raw)
    const names = headerFields(raw, content.root).map(({ name }) => name)
    assert.deepEqual(names, [
      'Date',
      'From',
      'To',
      'Subject',
      'Message-ID',
      'In-Reply-To',
      'References',
      'X-One',
      'X-Ok',
      'MIME-Version',
      'Content-Type',
    ])
    assert.deepEqual(content.envelope.bcc, [])
    assert.deepEqual(content.envelope.to, [{ address: 'ok@b' }])
  })

  test('one address never becomes two', () => {
    for (const address of ['a@b, c@d', 'a@b c@d', 'a@b> <c@d', 'g:a@b;', 'a@b (x), <c@d']) {
      assert.ok(readMail(composeMail({ ...base, to: [{ address }] })).envelope.to.length <= 1, address)
    }
  })
})

const line = fc.string({ unit: 'binary', maxLength: 120 })
const address = fc.record({
  name: line,
  address: fc.constantFrom('a@example.org', 'first.last@sub.example.org', '사람@example.org'),
})
/** What a header can carry of a text: no control characters, no blanks at its ends. */
const carried = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[\x00-\x1f\x7f\u0085\u2028\u2029]+/g, ' ')
    .trim()

test('what was written is read back, whatever it is', () => {
  fc.assert(
    fc.property(
      line,
      address,
      fc.array(address, { maxLength: 4 }),
      fc.option(fc.string({ unit: 'binary', maxLength: 400 }), { nil: undefined }),
      fc.option(fc.string({ unit: 'grapheme', maxLength: 400 }), { nil: undefined }),
      line,
      fc.uint8Array({ maxLength: 300 }),
      (subject, from, to, text, html, filename, bytes) => {
        const input: ComposeInput = {
          ...base,
          subject,
          from,
          to,
          attachments: [{ filename, type: 'image/png', bytes }],
          ...(text === undefined ? {} : { text }),
          ...(html === undefined ? {} : { html }),
        }
        const raw = composeMail(input)
        const content = readMail(raw)
        assert.deepEqual(content.defects, [])
        assert.equal(content.envelope.subject, carried(subject))
        assert.deepEqual(
          content.envelope.from.map(({ name, address }) => [name ?? '', address]),
          [[carried(from.name), from.address]],
        )
        assert.deepEqual(
          content.envelope.to.map(({ name, address }) => [name ?? '', address]),
          to.map((each) => [carried(each.name), each.address]),
        )
        assert.deepEqual([content.envelope.messageId, content.envelope.date], [base.messageId, base.date])
        const lines = (value: string): string =>
          value
            .toWellFormed()
            .replace(/\r\n?/g, '\n')
            .replace(/^\ufeff/, '')
        assert.equal(words(raw, 'text'), text === undefined && html !== undefined ? undefined : lines(text ?? ''))
        assert.equal(words(raw, 'html'), html === undefined ? undefined : lines(html))
        const file = partAt(content.root, String(content.root.parts?.length))
        assert.equal(
          file?.disposition?.params['filename'],
          filename.toWellFormed().replace(/[\x00-\x1f\x7f\u0085\u2028\u2029]+/g, ' '),
        )
        assert.deepEqual(
          Buffer.from(decodeTransfer(raw.subarray(file?.bodyStart, file?.bodyEnd), 'base64')),
          Buffer.from(bytes),
        )
        for (const written of Buffer.from(raw).toString('latin1').split('\r\n'))
          assert.ok(written.length <= 998 && !/[\r\n]/.test(written))
      },
    ),
    { seed: 11, numRuns: 500 },
  )
})

test('header lines are at most 78 bytes where words allow it', () => {
  const raw = Buffer.from(
    composeMail({
      ...base,
      subject: 'word '.repeat(60),
      to: [{ name: '이름 '.repeat(30), address: 'b@example.org' }],
      headers: { 'X-Long': '긴 값 '.repeat(50) },
      text: 'x',
      attachments: [{ filename: '아주 긴 이름 '.repeat(20), type: 'a/b', bytes: new Uint8Array(1) }],
    }),
  )
  for (const written of raw.toString('latin1').split('\r\n')) assert.ok(written.length <= 78, written)
})
