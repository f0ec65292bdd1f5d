// Damaged mail: real messages (or, without the corpus, a few written here) with flipped bytes, cuts, splices and repeated
// delimiters. EVERPOST_FUZZ=100000 for more inputs; EVERPOST_FUZZ_SEED for others. Deterministic.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MailReader, readMail } from '../../domain/mail/read.ts'
import { randomFrom } from '../support/random.ts'
import { corpus } from './corpus.ts'
import { assertSound } from './sound.ts'

const INPUTS = Number(process.env['EVERPOST_FUZZ'] ?? 5000)
const SEED = Number(process.env['EVERPOST_FUZZ_SEED'] ?? 1)

const SEEDS: readonly Buffer[] = [
  'From: a@b\r\nSubject: =?utf-8?Q?x?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--b--\r\n',
  'To: "a" <b@c>, g:d@e;\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>=C3=A9&amp;<style>x</style>\r\n',
  'Content-Type: text/plain; format=flowed\r\n\r\none \r\ntwo\r\nbegin 644 a\r\n#0V%T\r\n`\r\nend\r\n',
].map((text) => Buffer.from(text))

const PIECES: readonly Buffer[] = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '--',
  '=?utf-8?B?',
  '?=',
  'Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n',
  'Content-Type: message/rfc822\r\n\r\n',
  '--x--',
  '"',
  '(',
  '<',
  '\\',
  '\0',
  '\xff\xfe',
  ';',
  '=',
  'Content-Transfer-Encoding: base64\r\n',
  '<!--',
  '<blockquote>',
  '&#x',
  '\x1b$B',
  'begin 644 x\n',
  '\ud83d',
].map((text) => Buffer.from(text, 'latin1'))

function damage(raw: Buffer, others: readonly Buffer[], random: (below: number) => number): Buffer {
  let bytes = Buffer.from(raw.subarray(0, 40_000))
  for (let step = random(5); step >= 0; step--) {
    const at = random(bytes.length + 1)
    const piece = PIECES[random(PIECES.length)] as Buffer
    switch (random(8)) {
      case 0:
        if (at < bytes.length) bytes[at] = random(256)
        break
      case 1:
        bytes = bytes.subarray(0, at)
        break
      case 2:
        bytes = bytes.subarray(at)
        break
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
        break
      case 4: {
        const other = others[random(others.length)] as Buffer
        const from = random(other.length + 1)
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + random(3000)), bytes.subarray(at)])
        break
      }
      case 5:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.concat(Array.from({ length: random(200) }, () => piece)),
          bytes.subarray(at),
        ])
        break
      case 6: {
        // A delimiter of the message itself, again and elsewhere.
        const line = bytes.indexOf('\n--')
        const end = line === -1 ? -1 : bytes.indexOf('\n', line + 1)
        if (end !== -1)
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(line, end + 1), bytes.subarray(at)])
        break
      }
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random(500))])
    }
  }
  return bytes
}

test(`${INPUTS} damaged messages read into something sound, whole and in chunks`, () => {
  const random = randomFrom(SEED * 7919)
  const real = corpus().map(({ raw }) => raw)
  const all = real.length === 0 ? SEEDS : [...SEEDS, ...real]
  for (let i = 0; i < INPUTS; i++) {
    const raw = damage(all[random(all.length)] as Buffer, all, random)
    const name = `input ${i} of seed ${SEED}`
    const whole = readMail(raw)
    assertSound(whole, raw.length, name)
    const reader = new MailReader()
    const longest = 1 + random(400)
    for (let at = 0; at < raw.length; ) {
      const length = 1 + random(longest)
      reader.push(raw.subarray(at, at + length))
      at += length
    }
    assert.deepEqual(reader.end(), whole, name)
  }
})
