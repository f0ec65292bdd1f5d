import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodePartText, selectBodies } from '../../domain/mail/body-text.ts'
import { calendarTexts } from '../../domain/mail/calendar.ts'
import { unflow } from '../../domain/mail/format-flowed.ts'
import { htmlToText } from '../../domain/mail/html-text.ts'
import { readMail } from '../../domain/mail/read.ts'
import { snippetOf } from '../../domain/mail/snippet.ts'

const mail = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'))
const multipart = (kind: string, ...parts: string[]): string[] => [
  `Content-Type: multipart/${kind}; boundary="=${kind}"`,
  '',
  ...parts.flatMap((part) => [`--=${kind}`, part]),
  `--=${kind}--`,
]
const plain = (text: string): string => `Content-Type: text/plain; charset=utf-8\r\n\r\n${text}`
const html = (text: string): string => `Content-Type: text/html; charset=utf-8\r\n\r\n${text}`
const textOf = (...lines: string[]): string => readMail(mail(...lines)).text

describe('HTML to text', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['one <b>two</b>  three\n four', 'one two three four'],
    ['<p>one</p><p>two</p>', 'one\n\ntwo'],
    ['<div>one</div><div>two<br>three</div>', 'one\ntwo\nthree'],
    ['a<br><br><br><br>b', 'a\n\nb'],
    ['<ul><li>a<li>b</ul>c', 'a\nb\n\nc'],
    ['<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>', 'a b\nc'],
    ['<style>p { x }</style><script>if (a<b) {}</script><title>t</title>words', 'words'],
    ['<STYLE>x</Style >y', 'y'],
    ['<!-- hidden --><!doctype html>shown<!-->too', 'shown' + 'too'],
    ['&lt;&amp;&gt;&quot;&apos;&nbsp;&eacute;&euro;&#8364;&#x20ac;&#150;&hellip;', '<&>"\' é€€€–…'],
    ['&copy 2001 &unknown; &amp &lt', '© 2001 &unknown; & <'],
    ['&#0;&#xD800;&#99999999;', '\ufffd\ufffd\ufffd'],
    ['a < b and 1<2', 'a < b and 1<2'],
    ['<img src="x" alt="a cat"> <img src=y>', 'a cat'],
    ['<a href="x>y">link</a>', 'link'],
    ['<a href="never closed>link</a> rest', 'link rest'],
    ['<pre>a  b\n  c</pre>', 'a  b\n  c'],
    ['new<blockquote>old<blockquote>older</blockquote></blockquote>after', 'new\n\n> old\n>\n>> older\n\nafter'],
    ['<p>unclosed <b>all <i>of it', 'unclosed all of it'],
    ['<', '<'],
    ['', ''],
  ]
  for (const [written, read] of cases)
    test(JSON.stringify(written).slice(0, 70), () => assert.equal(htmlToText(written), read))
})

describe('format=flowed (RFC 3676)', () => {
  test('lines that end in a blank go on, quotation depths stay apart', () => {
    assert.equal(
      unflow('one \ntwo\nthree\n> quoted \n> text\n>> deeper \nend'),
      'one two\nthree\n> quoted text\n>> deeper \nend',
    )
  })
  test('stuffed blanks go, the signature line does not flow', () => {
    assert.equal(unflow(' > not quoted\n From me \nto you\n-- \nBob'), '> not quoted\nFrom me to you\n-- \nBob')
  })
  test('with DelSp the blank goes too', () => assert.equal(unflow('日本 \n語', true), '日本語'))
  test('a message says so in its type', () => {
    assert.equal(textOf('Content-Type: text/plain; format=flowed', '', 'one ', 'two', 'three'), 'one two\nthree')
  })
})

describe('which words of a message are its text', () => {
  test('of alternatives the plain one', () =>
    assert.equal(textOf(...multipart('alternative', plain('p'), html('<p>h'))), 'p'))
  test('HTML when the plain one is empty', () =>
    assert.equal(textOf(...multipart('alternative', plain(' '), html('<p>h'))), 'h'))
  test('HTML when the plain one only says that there is HTML', () => {
    assert.equal(
      textOf(...multipart('alternative', plain('Your mail client does not support HTML.'), html('<p>real words'))),
      'real words',
    )
  })
  test('the placeholder when the HTML says nothing', () => {
    assert.equal(
      textOf(...multipart('alternative', plain('This is an HTML message'), html('<img src=x>'))),
      'This is an HTML message',
    )
  })
  test('the root of related, also by its start parameter', () => {
    const related = multipart('related', 'Content-ID: <b>\r\n\r\nnot me', 'Content-ID: <a>\r\n\r\nme')
    assert.equal(textOf(...related), 'not me')
    assert.equal(textOf('Content-Type: multipart/related; start="<a>"; boundary="=related"', ...related.slice(1)), 'me')
  })
  test('all texts of mixed, without files', () => {
    assert.equal(
      textOf(
        ...multipart(
          'mixed',
          plain('one'),
          'Content-Disposition: attachment; filename=a.txt\r\n\r\nfile',
          'Content-Type: image/png\r\n\r\nx',
          html('two'),
        ),
      ),
      'one\n\ntwo',
    )
  })
  test('subject and text of a nested message', () => {
    assert.equal(
      textOf(
        ...multipart('mixed', plain('see below'), 'Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nwords'),
      ),
      'see below\n\ninner\n\nwords',
    )
  })
  test('what an invitation says, unless the text says it already', () => {
    const invitation =
      'Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VEVENT\r\nSUMMARY:Lunch\r\nLOCATION:Cafe\r\nEND:VEVENT'
    const read = readMail(mail(...multipart('alternative', plain('Lunch at noon'), invitation)))
    assert.equal(read.text, 'Lunch at noon\n\nCafe')
    assert.equal(read.hasCalendar, true)
    assert.deepEqual(read.attachments, [])
  })
  test('words of an inline OpenPGP signature, without the armor', () => {
    const read = readMail(
      mail(
        '',
        '-----BEGIN PGP SIGNED MESSAGE-----',
        'Hash: SHA1',
        '',
        'words',
        '-----BEGIN PGP SIGNATURE-----',
        'abc',
        '-----END PGP SIGNATURE-----',
      ),
    )
    assert.deepEqual([read.text, read.protection], ['words', 'signed'])
  })
  test('text/enriched without its commands', () => {
    assert.equal(
      textOf('Content-Type: text/enriched', '', '<bold>Now</bold> <color><param>red</param>is</color> a << b'),
      'Now is a < b',
    )
  })
  test('NFC, no control characters, at most one empty line in a row', () => {
    assert.equal(
      textOf('Content-Type: text/plain; charset=utf-8', '', '\u1112\u1161\u11ab\u0007x  ', '', '', '', 'y', ''),
      '한x\n\ny',
    )
  })
})

test('bodies to show, with their sections', () => {
  const { root } = readMail(
    mail(
      ...multipart(
        'mixed',
        multipart(
          'alternative',
          plain('p'),
          multipart('related', html('h'), 'Content-Type: image/png\r\n\r\nx').join('\r\n'),
        ).join('\r\n'),
        plain('footer'),
      ),
    ),
  )
  const { text, html: shown } = selectBodies(root)
  assert.deepEqual([text?.section, shown?.section], ['1.1', '1.2.1'])
  assert.deepEqual(selectBodies(readMail(mail('', 'x')).root).text?.section, '1')
})

test('the whole text of a part: decoded, LF, without byte order mark, HTML by its own charset', () => {
  const read = (type: string, encoding: string, body: Buffer): string => {
    const { root } = readMail(
      Buffer.concat([mail(`Content-Type: ${type}`, `Content-Transfer-Encoding: ${encoding}`, '', ''), body]),
    )
    return decodePartText(body, root)
  }
  assert.equal(read('text/plain; charset=euc-kr', 'quoted-printable', Buffer.from('=BE=C8\r\n=B3=E7')), '안\n녕')
  assert.equal(read('text/plain; charset=utf-8', 'base64', Buffer.from('77u/aGk=')), 'hi')
  assert.equal(
    read('text/html', '8bit', Buffer.from('<meta charset="koi8-r">\xf0\xd2', 'latin1')),
    '<meta charset="koi8-r">Пр',
  )
})

describe('the snippet', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['one\ntwo', 'one two'],
    ['> old\nnew', 'new'],
    ['On Mon, Bob <b@x> wrote:\n> old\n\nnew\n-- \nBob', 'new'],
    ['> only\n> quoted', 'only quoted'],
    ['-- \nonly a signature', '-- only a signature'],
    ['=====\nnews\n-----', 'news'],
    ['a\u200b\u034f \u00ad b', 'a b'],
    ['', ''],
  ]
  for (const [text, snippet] of cases) test(JSON.stringify(text), () => assert.equal(snippetOf(text), snippet))

  test('is cut between words and never inside a character', () => {
    const cut = snippetOf('word '.repeat(100))
    assert.ok(cut.length <= 200 && cut.endsWith('word…'), cut)
    const faces = snippetOf('😀'.repeat(300))
    assert.ok(faces.length <= 200 && faces.isWellFormed())
  })
})

test('calendar texts are unfolded and unescaped', () => {
  assert.deepEqual(
    calendarTexts(
      'DESCRIPTION:a\\, b\\nc\r\nLOCATION;ALTREP="x:y":Room\r\n  1\r\nSUMMARY;LANGUAGE=en:Big\r\n  day\r\nSUMMARY:second',
    ),
    ['Big day', 'Room 1', 'a, b\nc'],
  )
})
