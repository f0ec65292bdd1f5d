import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cleanFilename } from '../../domain/mail/attachments.ts'
import { readMail } from '../../domain/mail/read.ts'

const mail = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1')
const mixed = (...parts: string[]): Buffer =>
  mail('Content-Type: multipart/mixed; boundary=m', '', ...parts.flatMap((part) => ['--m', part]), '--m--')
const words = '\r\nwords'

describe('attachments', () => {
  test('files with their section, name, type and size', () => {
    const read = readMail(
      mixed(
        words,
        'Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\nYWJj',
        'Content-Type: image/png; name="b.png"\r\n\r\n1234567',
      ),
    )
    assert.deepEqual(read.attachments, [
      { section: '2', filename: 'a.pdf', type: 'application/pdf', size: 0, inline: false },
      { section: '3', filename: 'b.png', type: 'image/png', size: 7, inline: false },
    ])
    assert.equal(read.hasAttachment, true)
  })

  test('the size of base64 is near the truth', () => {
    const bytes = 100_000
    const text = Buffer.alloc(bytes, 1).toString('base64').replace(/.{76}/g, '$&\r\n')
    const [file] = readMail(
      mixed(words, `Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n${text}`),
    ).attachments
    assert.ok(Math.abs((file?.size ?? 0) - bytes) < 10, String(file?.size))
  })

  test('images that the HTML shows are inline and do not count', () => {
    const read = readMail(
      mail(
        'Content-Type: multipart/related; boundary=r',
        '',
        '--r',
        'Content-Type: text/html',
        '',
        '<img src="cid:a@b"><img src="cid:c%40d">',
        '--r',
        'Content-Type: image/png',
        'Content-ID: <a@b>',
        'Content-Disposition: attachment; filename=a.png',
        '',
        'x',
        '--r',
        'Content-Type: image/gif',
        'Content-ID: <c@d>',
        '',
        'x',
        '--r',
        'Content-Type: image/gif',
        'Content-ID: <e@f>',
        'Content-Disposition: attachment',
        '',
        'x',
        '--r--',
      ),
    )
    assert.deepEqual(
      read.attachments.map(({ section, inline, contentId }) => [section, inline, contentId]),
      [
        ['2', true, 'a@b'],
        ['3', true, 'c@d'],
        ['4', false, 'e@f'],
      ],
    )
    assert.equal(read.hasAttachment, true)
  })

  test('a forwarded message is one file, named by its subject', () => {
    const read = readMail(mixed(words, 'Content-Type: message/rfc822\r\n\r\nSubject: a/b: c\r\n\r\nx'))
    assert.deepEqual(
      read.attachments.map(({ filename, type }) => [filename, type]),
      [['a_b_ c.eml', 'message/rfc822']],
    )
  })

  test('signatures and the parts of a report are no files', () => {
    const signed = mail(
      'Content-Type: multipart/signed; boundary=s',
      '',
      '--s',
      '',
      'x',
      '--s',
      'Content-Type: application/pgp-signature; name=signature.asc',
      '',
      'y',
      '--s--',
    )
    assert.deepEqual([readMail(signed).attachments, readMail(signed).protection], [[], 'signed'])
    const report = mail(
      'Content-Type: multipart/report; boundary=s',
      '',
      '--s',
      '',
      'x',
      '--s',
      'Content-Type: message/delivery-status',
      '',
      'y',
      '--s',
      'Content-Type: text/rfc822-headers',
      '',
      'z',
      '--s--',
    )
    assert.deepEqual([readMail(report).attachments, readMail(report).text], [[], 'x'])
  })

  test('uuencoded files in a text have the section of the text and a number', () => {
    const read = readMail(mail('', 'hello', 'begin 644 cat.txt', '#0V%T', '`', 'end', 'bye'))
    assert.deepEqual(read.attachments, [
      { section: '1.uu1', filename: 'cat.txt', type: 'application/octet-stream', size: 3, inline: false },
    ])
    assert.equal(read.text, 'hello\nbye')
  })

  test('a message that is a file', () => {
    const read = readMail(mail('Content-Type: application/pdf; name=x.pdf', '', 'x'))
    assert.deepEqual(
      read.attachments.map(({ section, filename }) => [section, filename]),
      [['1', 'x.pdf']],
    )
  })

  test('TNEF by its type and by its name', () => {
    assert.equal(readMail(mixed(words, 'Content-Type: application/ms-tnef\r\n\r\nx')).hasTnef, true)
    assert.equal(
      readMail(mixed(words, 'Content-Type: application/octet-stream; name=WINMAIL.DAT\r\n\r\nx')).hasTnef,
      true,
    )
    assert.equal(readMail(mixed(words)).hasTnef, false)
  })
})

describe('file names are safe to show and to save', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['a.txt', 'a.txt'],
    ['C:\\dir\\a.txt', 'a.txt'],
    ['../../etc/passwd', '.._.._etc_passwd'],
    ['a\u202etxt.exe', 'a txt.exe'],
    ['a\r\nb', 'a b'],
    ['..', ''],
    ['안녕.hwp', '안녕.hwp'],
    ['\ud800', '\ufffd'],
  ]
  for (const [written, read] of cases) test(JSON.stringify(written), () => assert.equal(cleanFilename(written), read))
  test('long ones keep their extension', () => {
    const name = cleanFilename(`${'a'.repeat(500)}.pdf`)
    assert.deepEqual([name.length, name.endsWith('a.pdf')], [255, true])
  })
})

describe('protection', () => {
  const of = (...lines: string[]): string | undefined => readMail(mail(...lines)).protection
  test('S/MIME by its type', () => {
    assert.equal(of('Content-Type: application/pkcs7-mime; smime-type=signed-data', '', 'x'), 'signed')
    assert.equal(of('Content-Type: application/pkcs7-mime; smime-type=enveloped-data', '', 'x'), 'encrypted')
    assert.equal(of('Content-Type: application/x-pkcs7-mime; name=smime.p7m', '', 'x'), 'encrypted')
  })
  test('OpenPGP by its type and by its armor, also inside a list footer', () => {
    assert.equal(
      of(
        'Content-Type: multipart/encrypted; boundary=e',
        '',
        '--e',
        'Content-Type: application/pgp-encrypted',
        '',
        'Version: 1',
        '--e',
        'Content-Type: application/octet-stream',
        '',
        'x',
        '--e--',
      ),
      'encrypted',
    )
    assert.equal(of('', '-----BEGIN PGP MESSAGE-----', 'x', '-----END PGP MESSAGE-----'), 'encrypted')
    assert.equal(of('', 'say -----BEGIN PGP MESSAGE----- in a line'), undefined)
    assert.equal(
      of(
        'Content-Type: multipart/mixed; boundary=m',
        '',
        '--m',
        'Content-Type: multipart/signed; boundary=s',
        '',
        '--s',
        '',
        'x',
        '--s--',
        '--m--',
      ),
      'signed',
    )
  })
  test('plain mail has none', () => assert.equal(of('', 'x'), undefined))
})
