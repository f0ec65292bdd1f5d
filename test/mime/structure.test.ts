import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MailReader, readMail } from '../../domain/mail/read.ts'
import { partAt, walkParts } from '../../domain/mail/sections.ts'
import type { MimePart } from '../../domain/mail/structure.ts'

const mail = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1')
const body = (raw: Buffer, part: MimePart | undefined): string =>
  part === undefined ? '(no part)' : raw.toString('latin1', part.bodyStart, part.bodyEnd)
const head = (raw: Buffer, part: MimePart | undefined): string =>
  part === undefined ? '(no part)' : raw.toString('latin1', part.headerStart, part.bodyStart)
const types = (part: MimePart): unknown =>
  part.parts !== undefined
    ? [part.type, ...part.parts.map(types)]
    : part.message !== undefined
      ? [part.type, types(part.message.root)]
      : part.type

describe('ranges of parts', () => {
  test('a part has its header with the empty line and its body without the line break of the boundary', () => {
    const raw = mail(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      'preamble',
      '--b',
      'X-A: 1',
      '',
      'one',
      'two',
      '--b',
      '',
      '',
      '--b--',
      'end',
    )
    const { root, defects } = readMail(raw)
    assert.deepEqual(defects, [])
    assert.equal(head(raw, partAt(root, '1')), 'X-A: 1\r\n\r\n')
    assert.equal(body(raw, partAt(root, '1')), 'one\r\ntwo')
    assert.equal(partAt(root, '1')?.lines, 2)
    assert.equal(head(raw, partAt(root, '2')), '\r\n')
    assert.equal(body(raw, partAt(root, '2')), '')
    assert.equal(root.bodyEnd, raw.length)
    assert.equal(root.lines, undefined)
  })

  test('bare LF line ends and mixtures of both give the same parts', () => {
    const raw = Buffer.from('Content-Type: multipart/mixed; boundary=b\n\n--b\n\na\nb\n--b\r\n\r\nc\r\n--b--\n')
    const { root } = readMail(raw)
    assert.equal(body(raw, partAt(root, '1')), 'a\nb')
    assert.equal(body(raw, partAt(root, '2')), 'c')
  })

  test('a boundary that is another one with more behind it does not end it', () => {
    const raw = mail(
      'Content-Type: multipart/mixed; boundary=foo',
      '',
      '--foo',
      'Content-Type: multipart/mixed; boundary=foobar',
      '',
      '--foobar',
      '',
      'inner',
      '--foobar--',
      '--foo',
      '',
      'outer',
      '--foo--',
    )
    const { root } = readMail(raw)
    assert.deepEqual(types(root), ['multipart/mixed', ['multipart/mixed', 'text/plain'], 'text/plain'])
    assert.equal(body(raw, partAt(root, '1.1')), 'inner')
    assert.equal(body(raw, partAt(root, '1')), '--foobar\r\n\r\ninner\r\n--foobar--')
  })

  test('blanks behind a boundary are padding, other text is not', () => {
    const raw = mail(
      'Content-Type: multipart/mixed; boundary="b"',
      '',
      '--b \t',
      '',
      'a',
      '--bx',
      '--b y',
      'z',
      '--b-- ',
    )
    assert.equal(body(raw, partAt(readMail(raw).root, '1')), 'a\r\n--bx\r\n--b y\r\nz')
  })

  test('an inner multipart without its end is ended by the outer boundary', () => {
    const raw = mail(
      'Content-Type: multipart/mixed; boundary=o',
      '',
      '--o',
      'Content-Type: multipart/alternative; boundary=i',
      '',
      '--i',
      '',
      'a',
      '--o',
      '',
      'b',
      '--o--',
    )
    const { root, defects } = readMail(raw)
    assert.deepEqual(types(root), ['multipart/mixed', ['multipart/alternative', 'text/plain'], 'text/plain'])
    assert.equal(body(raw, partAt(root, '1.1')), 'a')
    assert.deepEqual(defects, ['boundary-not-closed'])
  })

  test('a message cut off in the middle of a part keeps what is there', () => {
    const raw = mail('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'cut o')
    const { root, defects } = readMail(raw)
    assert.equal(body(raw, partAt(root, '1')), 'cut o')
    assert.deepEqual(defects, ['boundary-not-closed'])
  })

  test('the same boundary on both levels belongs to the inner one until that is closed', () => {
    const raw = mail(
      'Content-Type: multipart/mixed; boundary=x',
      '',
      '--x',
      'Content-Type: multipart/mixed; boundary=x',
      '',
      '--x',
      '',
      'in',
      '--x--',
      '--x',
      '',
      'out',
      '--x--',
    )
    assert.deepEqual(types(readMail(raw).root), ['multipart/mixed', ['multipart/mixed', 'text/plain'], 'text/plain'])
  })

  test('boundary lines right behind one another make empty parts', () => {
    const raw = mail('Content-Type: multipart/mixed; boundary=b', '', '--b', '--b', '', '--b--')
    const { root } = readMail(raw)
    assert.equal(root.parts?.length, 2)
    assert.equal(body(raw, partAt(root, '1')), '')
  })
})

describe('multiparts that are none', () => {
  test('without a boundary parameter the body is text', () => {
    const raw = mail('Content-Type: multipart/mixed', '', 'words')
    const { root, text, defects } = readMail(raw)
    assert.deepEqual(
      [root.type, root.parts, root.lines, text, defects],
      ['text/plain', undefined, 1, 'words', ['boundary-missing']],
    )
  })

  test('with a boundary that never comes the body is text', () => {
    const { root, text, defects } = readMail(mail('Content-Type: multipart/mixed; boundary=b', '', 'words', '--c'))
    assert.deepEqual(
      [root.type, root.parts, text, defects],
      ['text/plain', undefined, 'words\n--c', ['boundary-missing']],
    )
  })
})

describe('messages in messages', () => {
  test('a nested message has its envelope and its own tree; lines count the whole nested message', () => {
    const raw = mail(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: message/rfc822',
      '',
      'Subject: inner',
      'Content-Type: multipart/mixed; boundary=c',
      '',
      '--c',
      '',
      'deep',
      '--c--',
      '--b--',
    )
    const { root } = readMail(raw)
    const part = partAt(root, '1')
    assert.equal(part?.message?.envelope.subject, 'inner')
    assert.equal(part?.message?.root.headerStart, part?.bodyStart)
    assert.equal(part?.message?.root.bodyEnd, part?.bodyEnd)
    assert.equal(part?.lines, 7)
    assert.equal(body(raw, partAt(root, '1.1')), 'deep')
  })

  test('children of a digest are messages unless they say otherwise', () => {
    const raw = mail(
      'Content-Type: multipart/digest; boundary=b',
      '',
      '--b',
      '',
      'Subject: one',
      '',
      'x',
      '--b',
      'Content-Type: text/plain',
      '',
      'y',
      '--b--',
    )
    assert.deepEqual(types(readMail(raw).root), ['multipart/digest', ['message/rfc822', 'text/plain'], 'text/plain'])
  })

  test('an encoded message is a leaf', () => {
    const raw = mail('Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', '', 'U3ViamVjdDogeA0KDQo=')
    const { root, defects } = readMail(raw)
    assert.deepEqual([root.type, root.message, defects], ['message/rfc822', undefined, ['encoded-message']])
  })

  test('message/global is read, message/delivery-status is a leaf', () => {
    assert.deepEqual(types(readMail(mail('Content-Type: message/global', '', 'Subject: x', '', 'y')).root), [
      'message/global',
      'text/plain',
    ])
    assert.equal(
      types(readMail(mail('Content-Type: message/delivery-status', '', 'Reporting-MTA: dns; x', '', 'y')).root),
      'message/delivery-status',
    )
  })

  test('a message part that holds nothing has an empty message', () => {
    const { root } = readMail(mail('Content-Type: message/rfc822', '', ''))
    assert.equal(root.message?.root.type, 'text/plain')
    assert.equal(root.message?.root.bodyEnd, root.bodyEnd)
  })
})

describe('header blocks', () => {
  test('a line that is no field ends the block and begins the body', () => {
    const raw = mail('Subject: s', 'Hello Bob', '', 'more')
    const { root, envelope, text, defects } = readMail(raw)
    assert.deepEqual([envelope.subject, text, defects], ['s', 'Hello Bob\n\nmore', ['no-header-end']])
    assert.equal(head(raw, root), 'Subject: s\r\n')
  })

  test('the From line of an mbox is no end of the header', () => {
    for (const line of ['From bob Sat Jan  3 01:05:34 1996', '>From bob Sat Jan  3 01:05:34 1996']) {
      const { envelope, text } = readMail(mail(line, 'Subject: s', '', 'words'))
      assert.deepEqual([envelope.subject, text], ['s', 'words'])
    }
  })

  test('a message of nothing and a message of a header alone', () => {
    assert.deepEqual(readMail(new Uint8Array(0)).root, {
      type: 'text/plain',
      params: {},
      encoding: '7bit',
      headerStart: 0,
      bodyStart: 0,
      bodyEnd: 0,
      lines: 0,
    })
    const { envelope, root } = readMail(mail('Subject: only'))
    assert.deepEqual([envelope.subject, root.bodyStart, root.bodyEnd], ['only', 13, 13])
  })

  test('an unreadable type is the default, a missing semicolon is forgiven', () => {
    assert.equal(readMail(mail('Content-Type: nonsense', '', 'x')).root.type, 'text/plain')
    const { root } = readMail(mail('Content-Type: application/pdf name="a.pdf"', '', 'x'))
    assert.deepEqual([root.type, root.params], ['application/pdf', { name: 'a.pdf' }])
  })
})

describe('limits', () => {
  test('depth: what is nested deeper is a leaf', () => {
    const lines: string[] = []
    for (let i = 0; i < 50; i++) lines.push(`Content-Type: multipart/mixed; boundary=b${i}`, '', `--b${i}`)
    const { root, defects } = readMail(mail(...lines, '', 'x'))
    let depth = 0
    for (let part: MimePart | undefined = root; part?.parts !== undefined; part = part.parts[0]) depth++
    assert.equal(depth, 32)
    assert.ok(defects.includes('depth-limit'))
    assert.equal([...walkParts(root)].length, 33)
  })

  test('parts: later ones are passed over, the enclosing multipart still ends right', () => {
    const raw = mail(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      ...Array.from({ length: 30 }, () => ['--b', '', 'x']).flat(),
      '--b--',
    )
    const { root, defects } = readMail(raw, { parts: 10 })
    assert.equal(root.parts?.length, 10)
    assert.deepEqual(defects, ['part-limit'])
    assert.ok(root.parts?.every((part) => body(raw, part) === 'x'))
  })

  test('header bytes: fields beyond are not read, offsets are right', () => {
    const raw = mail('Subject: s', `X-Long: ${'a'.repeat(5000)}`, 'To: late@example.org', '', 'words')
    const { envelope, text, root, defects } = readMail(raw, { headerBytes: 1000 })
    assert.deepEqual([envelope.subject, envelope.to, text, defects], ['s', [], 'words', ['header-limit']])
    assert.equal(body(raw, root), 'words')
  })

  test('addresses of one field', () => {
    assert.equal(readMail(mail(`To: ${'a@example.org, '.repeat(50)}`, '', ''), { addresses: 7 }).envelope.to.length, 7)
  })

  test('text: at most so many bytes of UTF-8, no character cut', () => {
    const raw = Buffer.from(`Content-Type: text/plain; charset=utf-8\r\n\r\n${'한'.repeat(10_000)}`)
    const { text, textTruncated } = readMail(raw, { textBytes: 1000 })
    assert.equal(text, '한'.repeat(333))
    assert.equal(textTruncated, true)
  })
})

describe('section numbers', () => {
  const nested = readMail(
    mail(
      'Content-Type: multipart/mixed; boundary=a',
      '',
      '--a',
      '',
      'first',
      '--a',
      'Content-Type: message/rfc822',
      '',
      'Subject: n',
      '',
      'single',
      '--a',
      'Content-Type: multipart/alternative; boundary=c',
      '',
      '--c',
      '',
      'p',
      '--c',
      'Content-Type: text/html',
      '',
      'h',
      '--c--',
      '--a--',
    ),
  ).root

  test('every part that can be named is walked, and its name finds it', () => {
    const walked = [...walkParts(nested)]
    assert.deepEqual(
      walked.map(({ section }) => section),
      ['', '1', '2', '2.1', '3', '3.1', '3.2'],
    )
    for (const { section, part } of walked) assert.equal(partAt(nested, section), part)
    assert.equal(partAt(nested, '2.1')?.type, 'text/plain')
  })

  test('names of nothing find nothing', () => {
    for (const section of ['0', '4', '1.2', '2.2', '3.3', '1.1.1', '01', 'x', '1.', '.1', '-1', '99999999999']) {
      assert.equal(partAt(nested, section), undefined, section)
    }
  })

  test('the body of a message of one part is 1', () => {
    const { root } = readMail(mail('Subject: s', '', 'x'))
    assert.equal(partAt(root, '1'), root)
    assert.deepEqual(
      [...walkParts(root)].map(({ section }) => section),
      ['1'],
    )
  })
})

test('a large attachment that comes in chunks is not kept', () => {
  const reader = new MailReader()
  const chunk = Buffer.alloc(65536, 'QUJD')
  reader.push(
    mail(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      '',
      'words',
      '--b',
      'Content-Type: application/zip; name=a.zip',
      'Content-Transfer-Encoding: base64',
      '',
      '',
    ),
  )
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 640; i++) reader.push(chunk)
  const kept = process.memoryUsage().arrayBuffers - before
  reader.push(mail('', '--b--', ''))
  const { text, attachments, size } = reader.end()
  assert.deepEqual([text, attachments.map(({ filename }) => filename)], ['words', ['a.zip']])
  assert.ok(size > 40_000_000)
  assert.ok(kept < 4_000_000, `${kept} bytes of buffers for ${size} bytes of mail`)
})
