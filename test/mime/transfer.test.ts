import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decodeTransfer, transferDecoder } from '../../domain/mail/transfer.ts'
import { uuBlocks, uuFile } from '../../domain/mail/uuencode.ts'

const decode = (text: string, encoding: string): string =>
  Buffer.from(decodeTransfer(Buffer.from(text, 'latin1'), encoding)).toString('latin1')

describe('base64', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['YWJj', 'abc'],
    ['YWI=', 'ab'],
    ['YQ==', 'a'],
    ['YW\r\nJj\r\n', 'abc'],
    ['Y*W!J j', 'abc'],
    ['YQ==YWI=', 'aab'],
    ['YWI', 'ab'],
    ['YQ', 'a'],
    ['Y', ''],
    ['====', ''],
    ['', ''],
  ]
  for (const [written, read] of cases)
    test(JSON.stringify(written), () => assert.equal(decode(written, 'base64'), read))
})

describe('quoted-printable', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['a=3Db', 'a=b'],
    ['a=3db', 'a=b'],
    ['soft=\r\nbreak', 'softbreak'],
    ['soft=\nbreak', 'softbreak'],
    ['soft= \t\r\nbreak', 'softbreak'],
    ['trail  \r\nx \n', 'trail\r\nx\n'],
    ['keep  x', 'keep  x'],
    ['a=20\r\n', 'a \r\n'],
    ['bad=ZZ', 'bad=ZZ'],
    ['bad=4', 'bad=4'],
    ['end=', 'end'],
    ['a==41', 'a=A'],
    ['end  ', 'end'],
  ]
  for (const [written, read] of cases)
    test(JSON.stringify(written), () => assert.equal(decode(written, 'Quoted-Printable'), read))
})

describe('uuencode', () => {
  const block = 'begin 644 cat.txt\n#0V%T\n`\nend\n'

  test('as a transfer encoding', () => {
    assert.equal(decode(block, 'x-uuencode'), 'Cat')
    assert.equal(decode(`words before\r\n${block.replaceAll('\n', '\r\n')}words after`, 'uuencode'), 'Cat')
  })

  test('blocks in a text are found with their places and sizes', () => {
    const text = `hello\n${block}between\nbegin 755 b c.bin\n#0V%T\nend\nbegin with words\nbegin 644 no\nlonger than any uuencoded line could say it is\n`
    const blocks = uuBlocks(text)
    assert.deepEqual(
      blocks.map(({ filename, size }) => [filename, size]),
      [
        ['cat.txt', 3],
        ['b c.bin', 3],
      ],
    )
    assert.equal(text.slice(blocks[0]?.start, blocks[0]?.end), block)
    assert.deepEqual(
      { ...uuFile(Buffer.from(text), 2), bytes: Buffer.from(uuFile(Buffer.from(text), 2)?.bytes ?? []).toString() },
      { filename: 'b c.bin', bytes: 'Cat' },
    )
    assert.equal(uuFile(Buffer.from(text), 3), undefined)
  })
})

test('other encodings pass through', () => {
  for (const encoding of ['7bit', '8bit', 'binary', 'x-made-up']) assert.equal(decode('a=3D\r\n', encoding), 'a=3D\r\n')
})

test('the cuts between chunks never change the result', () => {
  const text = fc.array(
    fc.constantFrom(
      '=',
      '\r',
      '\n',
      ' ',
      '\t',
      'A',
      '4',
      'z',
      '+',
      '/',
      'begin 644 a\n',
      '#0V%T\n',
      'end\n',
      '=3D',
      '=\r\n',
      'YWJj',
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(
      text,
      fc.constantFrom('base64', 'quoted-printable', 'uuencode', '7bit'),
      fc.array(fc.nat(7), { maxLength: 200 }),
      (pieces, encoding, cuts) => {
        const bytes = Buffer.from(pieces.join(''), 'latin1')
        const decoder = transferDecoder(encoding)
        const out: Uint8Array[] = []
        let at = 0
        for (const cut of [...cuts, bytes.length]) {
          out.push(Buffer.from(decoder.push(bytes.subarray(at, at + cut))))
          at = Math.min(bytes.length, at + cut)
        }
        out.push(decoder.end())
        assert.deepEqual(Buffer.concat(out), Buffer.from(decodeTransfer(bytes, encoding)))
      },
    ),
    { seed: 7, numRuns: 1000 },
  )
})

test('what the runtime encodes comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes)
        .toString('base64')
        .replace(/.{1,76}/g, '$&\r\n')
      assert.deepEqual(Buffer.from(decodeTransfer(Buffer.from(text), 'base64')), Buffer.from(bytes))
    }),
    { seed: 7 },
  )
})
