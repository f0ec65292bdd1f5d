import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseDate } from '../../domain/mail/date.ts'
import { decodeHeaderText } from '../../domain/mail/encoded-word.ts'
import { findHeader, headerFields } from '../../domain/mail/header.ts'
import { parseStructured } from '../../domain/mail/parameters.ts'
import { readMail } from '../../domain/mail/read.ts'

const latin1 = (bytes: string | Uint8Array): string => Buffer.from(bytes as string).toString('latin1')

describe('encoded words (RFC 2047)', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['=?ISO-8859-1?Q?a?=', 'a'],
    ['=?ISO-8859-1?Q?a?= b', 'a b'],
    ['=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=', 'ab'],
    ['=?ISO-8859-1?Q?a?=\t  =?ISO-8859-1?Q?b?=', 'ab'],
    ['=?ISO-8859-1?Q?a_b?=', 'a b'],
    ['=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=', 'a b'],
    ['Re: =?utf-8?B?7JWI64WV?= x', 'Re: 안녕 x'],
    // One character of three bytes cut between two words.
    ['=?utf-8?B?7JU=?= =?utf-8?B?iA==?=', '안'],
    ['=?utf-8?Q?=EC=95?= =?utf-8?Q?=88?=', '안'],
    ['=?utf-8*ko?Q?=EC=95=88?=', '안'],
    ['=?EUC-KR?B?vsiz5w==?=', '안녕'],
    ['=?ks_c_5601-1987?B?vsiz5w==?=', '안녕'],
    ['=?ISO-2022-JP?B?GyRCRnwbKEI=?= =?ISO-2022-JP?B?GyRCS1wbKEI=?=', '日本'],
    ['=?utf-8?q?lower=c3=a9?=', 'loweré'],
    ['=?utf-8?Q?with space inside?=', 'with space inside'],
    ['a=?utf-8?Q?b?=c', 'abc'],
    ['=?x-nobody-knows?Q?a?=', '=?x-nobody-knows?Q?a?='],
    ['=?utf-8?X?a?=', '=?utf-8?X?a?='],
    ['=?utf-8?Q?never closed', '=?utf-8?Q?never closed'],
    ['=?utf-8?Q?broken =?utf-8?Q?good?=', '=?utf-8?Q?broken good'],
    ['=?utf-8?Q?100%=ZZ?=', '100%=ZZ'],
    ['=?utf-8?B??=', ''],
    ['=?', '=?'],
    ['1 =? 2 ?= 3', '1 =? 2 ?= 3'],
  ]
  for (const [written, read] of cases)
    test(`${written} is ${JSON.stringify(read)}`, () => assert.equal(decodeHeaderText(written), read))

  test('raw UTF-8 is UTF-8 (RFC 6532), other raw bytes are in the charset of the body', () => {
    assert.equal(decodeHeaderText(latin1('안녕')), '안녕')
    assert.equal(decodeHeaderText('\xbe\xc8\xb3\xe7', 'euc-kr'), '안녕')
    assert.equal(decodeHeaderText('caf\xe9'), 'café')
    assert.equal(decodeHeaderText('caf\xe9 =?utf-8?Q?=C3=A9?='), 'café é')
    assert.equal(
      readMail(Buffer.from('Subject: \xbe\xc8\r\nContent-Type: text/plain; charset=euc-kr\r\n\r\n', 'latin1')).envelope
        .subject,
      '안',
    )
  })

  test('a character that was cut does not spoil the rest', () => {
    const cut = Buffer.from('Картинка с именем').subarray(0, -1)
    assert.equal(decodeHeaderText(cut.toString('latin1')), 'Картинка с имене\ufffd')
  })
})

describe('parameters (RFC 2045, RFC 2231)', () => {
  test('names are lowercase, values keep their case, comments and blanks go', () => {
    assert.deepEqual(parseStructured('Text/Plain (comment); CharSet = "UTF-8" ; Format=Flowed (x)'), {
      value: 'text/plain',
      params: { charset: 'UTF-8', format: 'Flowed' },
    })
  })

  test('the example of RFC 2231 §4.1: continuations, some of them encoded', () => {
    const { params } = parseStructured(
      "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
    )
    assert.deepEqual(params, { title: "This is even more ***fun*** isn't it!" })
  })

  test('pieces in any order, a character cut between pieces, a gap ends the value', () => {
    assert.equal(parseStructured("a/b; n*1*=%88; n*0*=utf-8''%EC%95").params['n'], '안')
    assert.equal(parseStructured('a/b; n*0=one; n*2=three').params['n'], 'one')
  })

  test('the extended form wins over the plain one, whatever the order', () => {
    assert.equal(parseStructured("attachment; filename=x; filename*=UTF-8''%e2%82%ac").params['filename'], '€')
    assert.equal(parseStructured("attachment; filename*=UTF-8''%e2%82%ac; filename=x").params['filename'], '€')
  })

  test('what senders write instead: encoded words, raw UTF-8, blanks without quotes, backslashes of paths', () => {
    assert.equal(parseStructured('a/b; name="=?utf-8?B?7JWI?=.txt"').params['name'], '안.txt')
    assert.equal(parseStructured(latin1('a/b; name="안.txt"')).params['name'], '안.txt')
    assert.equal(parseStructured('a/b; name=two words.txt; x=y').params['name'], 'two words.txt')
    assert.equal(parseStructured('a/b; name="C:\\dir\\f.txt"').params['name'], 'C:\\dir\\f.txt')
    assert.equal(parseStructured('a/b; name="say \\"hi\\""').params['name'], 'say "hi"')
    assert.deepEqual(parseStructured('a/b; name="x" charset="y"').params, { name: 'x', charset: 'y' })
  })

  test('nothing reaches the prototype', () => {
    const { params } = parseStructured('a/b; __proto__=x; __proto__*0=y; constructor=z')
    assert.deepEqual(Object.keys(params), ['constructor'])
    assert.equal(Object.getPrototypeOf(params), Object.prototype)
  })
})

describe('dates', () => {
  const at = Date.UTC(1997, 10, 21, 9, 55, 6)
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['Fri, 21 Nov 1997 09:55:06 -0600', at + 6 * 3_600_000],
    ['21 Nov 97 09:55:06 GMT', at],
    ['Fri, 21 Nov 1997 09(comment):   55  :  06 -0600', at + 6 * 3_600_000],
    ['Fri, 21 Nov 1997 09:55:06 -0600 (CST)', at + 6 * 3_600_000],
    ['21 Nov 1997 09:55:06 EST', at + 5 * 3_600_000],
    ['Fri Nov 21 09:55:06 1997', at],
    ['Fri, 21 Nov 97 09:55:06', at],
    ['21-Nov-1997 09:55:06 +0000', at],
    ['1997-11-21T09:55:06Z', at],
    ['1997-11-21 09:55:06 +0900', at - 9 * 3_600_000],
    ['Fri, 21 Nov 1997 09:55 +0000', at - 6000],
    ['21 Nov 1997 09:55:60 +0000', at + 53_000],
    ['21 Nov 1997 09:55:06 GMT+02:00', at - 2 * 3_600_000],
    ['yesterday', undefined],
    ['', undefined],
    ['32 Nov 1997 09:55:06 +0000', undefined],
    ['21 Foo 1997 09:55:06 +0000', undefined],
  ]
  for (const [written, read] of cases) {
    test(written === '' ? '(empty)' : written, () => assert.equal(parseDate(written), read))
  }
})

describe('the envelope', () => {
  const of = (...lines: string[]) => readMail(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')).envelope

  test('folded fields, any case of names, blanks before the colon', () => {
    assert.equal(of('SUBJECT : one', '\ttwo', ' three').subject, 'one\ttwo three'.replace('\t', ' '))
  })

  test('the first of a field that may come once, all of one that senders repeat', () => {
    const envelope = of('Subject: a', 'Subject: b', 'To: a@example.org', 'To: b@example.org')
    assert.equal(envelope.subject, 'a')
    assert.deepEqual(
      envelope.to.map(({ address }) => address),
      ['a@example.org', 'b@example.org'],
    )
  })

  test('message ids without brackets; words of old In-Reply-To fields are left out', () => {
    const envelope = of(
      'Message-ID: <a@b>',
      'In-Reply-To: Your message of "Mon" <c@d>',
      'References: <e@f>',
      ' <g@h><i@j>',
    )
    assert.equal(envelope.messageId, 'a@b')
    assert.deepEqual(envelope.inReplyTo, ['c@d'])
    assert.deepEqual(envelope.references, ['e@f', 'g@h', 'i@j'])
    assert.equal(of('Message-ID: a@b').messageId, 'a@b')
  })

  test('of very many references the first and the newest 99 stay', () => {
    const { references } = of(`References: ${Array.from({ length: 300 }, (_, i) => `<${i}@x>`).join(' ')}`)
    assert.equal(references.length, 100)
    assert.deepEqual([references[0], references[1], references[99]], ['0@x', '201@x', '299@x'])
  })

  test('no line break, NUL or other control character reaches a subject', () => {
    assert.equal(of('Subject: a\x00b\x07c =?utf-8?Q?d=0D=0AX:_e?=').subject, 'a b c d X: e')
  })
})

describe('exact bytes of fields', () => {
  const raw = Buffer.from('A: 1\r\nLong: x\r\n y\r\nnot a field\r\nlong : z\r\n\r\nbody: no\r\n')
  const part = { headerStart: 0, bodyStart: raw.indexOf('body') }

  test('each field is its lines with their line breaks', () => {
    assert.deepEqual(
      headerFields(raw, part).map((field) => [
        field.name,
        raw.toString('latin1', field.start, field.end),
        raw.toString('latin1', field.valueStart, field.end),
      ]),
      [
        ['A', 'A: 1\r\n', ' 1\r\n'],
        ['Long', 'Long: x\r\n y\r\n', ' x\r\n y\r\n'],
        ['long', 'long : z\r\n', ' z\r\n'],
      ],
    )
  })

  test('findHeader gives the first value, unfolded and decoded', () => {
    assert.equal(findHeader(raw, part, 'LONG'), 'x y')
    assert.equal(findHeader(raw, part, 'none'), undefined)
    assert.equal(findHeader(raw, part, 'body'), undefined)
  })
})
