import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { charsetName, decodeText } from '../../domain/mail/charset.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('charsets by name', () => {
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['utf-8', bytes('ec 95 88'), '안'],
    ['"UTF-8"', bytes('ec 95 88'), '안'],
    ['utf8', bytes('ec 95 88'), '안'],
    ['iso-8859-1', bytes('e9 80'), 'é€'],
    ['iso8859-1', bytes('e9'), 'é'],
    ['ISO-8859-15', bytes('a4'), '€'],
    ['windows-1251', bytes('cf f0'), 'Пр'],
    ['cp1251', bytes('cf f0'), 'Пр'],
    ['koi8-r', bytes('f0 d2'), 'Пр'],
    ['koi8_r', bytes('f0 d2'), 'Пр'],
    ['euc-kr', bytes('be c8'), '안'],
    ['ks_c_5601-1987', bytes('be c8'), '안'],
    ['cp949', bytes('be c8 8c 63'), '안똠'],
    ['x-sjis', bytes('93 fa 96 7b'), '日本'],
    ['shift_jis', bytes('93 fa 96 7b'), '日本'],
    ['cp932', bytes('87 40'), '①'],
    ['euc-jp', bytes('c6 fc cb dc'), '日本'],
    ['iso-2022-jp', latin1('\x1b$BF|K\\\x1b(B!'), '日本!'],
    ['gb2312', bytes('d6 d0'), '中'],
    ['x-gbk', bytes('d6 d0'), '中'],
    ['gb18030', bytes('d6 d0 81 30 81 30'), '中\u0080'],
    ['big5', bytes('a4 a4'), '中'],
    ['utf-16le', bytes('48 c5'), '안'],
    ['utf-16', bytes('fe ff c5 48'), '안'],
    ['utf-7', latin1('A+ImIDkQ-.+-'), 'A≢Α.+'],
    ['unicode-1-1-utf-7', latin1('Hi Mom -+Jjo--!'), 'Hi Mom -☺-!'],
    ['iso-2022-kr', latin1('\x1b$)C\x0e>H3g\x0f ok'), '안녕 ok'],
    ['hz-gb-2312', latin1('a~{VPND~}b~~'), 'a中文b~'],
  ]
  for (const [charset, raw, text] of cases)
    test(`${charset} gives ${text}`, () => assert.equal(decodeText(raw, charset), text))

  test('aliases have one name', () => {
    assert.equal(charsetName('KS_C_5601-1987'), 'euc-kr')
    assert.equal(charsetName('us-ascii'), 'guess')
    assert.equal(charsetName('X-UNKNOWN'), 'guess')
    assert.equal(charsetName('ansi_x3.110-1983'), 'guess')
    assert.equal(charsetName('klingon'), undefined)
    assert.equal(charsetName('constructor'), undefined)
  })
})

describe('bytes that no label explains', () => {
  test('7-bit text is itself', () => assert.equal(decodeText(latin1('plain'), 'us-ascii'), 'plain'))
  test('valid UTF-8 is UTF-8', () => assert.equal(decodeText(Buffer.from('안녕 é'), 'us-ascii'), '안녕 é'))
  test('anything else is windows-1252', () =>
    assert.equal(decodeText(bytes('63 61 66 e9 20 93 78 94'), 'us-ascii'), 'café “x”'))
  test('shifts of ISO-2022-JP are followed', () => assert.equal(decodeText(latin1('\x1b$BF|\x1b(B'), 'us-ascii'), '日'))
  test('what strongly looks East Asian is read so', () => {
    assert.equal(decodeText(bytes('bec8 b3e7 c7cf bcbc bfe4')), '안녕하세요')
    assert.equal(decodeText(bytes('c4e3 bac3 cac0 bde7 cad0 b3a1')), '你好世界市场')
    assert.equal(decodeText(bytes('8365 8358 8367 82c5 82b7')), 'テストです')
    assert.equal(decodeText(bytes('a5c6 a5b9 a5c8 a4c7 a4b9')), 'テストです')
    assert.equal(decodeText(bytes('afc2 b0d3 b7 7e bfec a4bd abc7')), '純商業辦公室')
  })
  test('a few accents are not Korean', () =>
    assert.equal(decodeText(latin1('d\xe9j\xe0 vu, \xe9t\xe9')), 'déjà vu, été'))
})

test('broken bytes become replacement characters and never throw', () => {
  const junk = Uint8Array.from({ length: 512 }, (_, i) => (i * 73) & 0xff)
  for (const charset of [
    'utf-8',
    'utf-7',
    'utf-16',
    'euc-kr',
    'iso-2022-jp',
    'iso-2022-kr',
    'hz',
    'big5',
    'gb18030',
    'shift_jis',
    'nonsense',
    '',
  ]) {
    const text = decodeText(junk, charset)
    assert.ok(text.isWellFormed(), charset)
  }
})
