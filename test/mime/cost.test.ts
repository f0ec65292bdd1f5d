// Hostile input costs time in proportion to its size. Each input is read at one size and at eight times that size: linear
// work makes the ratio about 8, quadratic work 64. Tiny times are noise, so only runs that take long are held to it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { htmlToText } from '../../domain/mail/html-text.ts'
import { readMail } from '../../domain/mail/read.ts'
import { baseSubject } from '../../domain/mail/thread.ts'

/** CPU milliseconds of the quickest of a few runs. */
function cost(run: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 3; i++) {
    const before = process.cpuUsage()
    run()
    const used = process.cpuUsage(before)
    best = Math.min(best, (used.user + used.system) / 1000)
  }
  return best
}

function assertLinear(name: string, make: (size: number) => () => void): void {
  const small = cost(make(40_000))
  const large = cost(make(320_000))
  assert.ok(large < 60 || large < 30 * small, `${name}: ${small} ms became ${large} ms for eight times the input`)
}

const filled = (piece: string, size: number): string => piece.repeat(Math.ceil(size / piece.length))
const reading =
  (head: string, piece: string, tail = '') =>
  (size: number) => {
    const raw = Buffer.from(head + filled(piece, size) + tail, 'latin1')
    return () => void readMail(raw)
  }

const HEADERS: readonly string[] = [
  'a',
  ' ',
  '\r',
  '\r\n ',
  '=?utf-8?Q?a?= ',
  '=?a?Q?',
  '=?',
  '=?utf-8?Q? ',
  '?=',
  '(',
  ')',
  '<',
  '>',
  '"',
  '\\',
  '@',
  ',',
  ';',
  ':',
  'a@b, ',
  'a b ',
  '"a" ',
  '<a@b> ',
  'a=b;',
  'a*=b;',
  'a*1=b;',
  "a*0*='",
  '\xff',
  '\x1b$B',
  '[a',
  '/',
  '>From ',
]
const BODIES: readonly string[] = [
  '<b>',
  '<',
  '<a ',
  '<a ="',
  '</',
  '<!--',
  '<!',
  '<style>',
  '<title',
  '<blockquote>',
  '<img alt="x">',
  '<img ',
  '<pre>',
  '&',
  '&amp;',
  '&#',
  '=',
  '= ',
  '=\n',
  ' ',
  '\t',
  '\r',
  '\n',
  ' \n',
  '\0',
  '\xff',
  '> ',
  '--',
  '--\n',
  '--b\n',
  '--b--\n',
  '--b\n\n',
  'begin 644 a\n',
  'M\n',
  '-----BEGIN PGP MESSAGE-----\n',
  'SUMMARY;"',
  '+AGE-',
  '~{',
  '\x1b$B',
  'On a wrote:\n',
  '<param>',
]
const TYPES: readonly string[] = [
  'text/plain; charset=utf-8; format=flowed',
  'text/plain; charset=utf-7',
  'text/html; charset=us-ascii',
  'text/html; charset=iso-2022-jp',
  'text/calendar',
  'text/enriched',
  'multipart/mixed; boundary=b',
  'message/rfc822',
]

test('header values', () => {
  for (const name of [
    'Subject',
    'To',
    'Date',
    'References',
    'Content-Type',
    'Content-Disposition',
    'Content-ID',
    'Content-Transfer-Encoding',
    'X-Other',
  ]) {
    for (const piece of HEADERS) {
      for (const head of [`${name}: `, `${name}: attachment; x=`])
        assertLinear(`${head}${JSON.stringify(piece)}`, reading(head, piece, '\r\n\r\n'))
    }
  }
})

test('bodies', () => {
  for (const type of TYPES) {
    for (const piece of BODIES) {
      for (const encoding of ['8bit', 'quoted-printable']) {
        assertLinear(
          `${type} ${encoding} ${JSON.stringify(piece)}`,
          reading(`Content-Type: ${type}\nContent-Transfer-Encoding: ${encoding}\n\n`, piece),
        )
      }
    }
  }
})

test('HTML of any length, without the limit of reading', () => {
  for (const piece of BODIES) {
    assertLinear(JSON.stringify(piece), (size) => {
      const html = filled(piece, size)
      return () => void htmlToText(html)
    })
  }
})

test('nesting bombs', () => {
  assertLinear('multiparts of one boundary', reading('', 'Content-Type: multipart/mixed; boundary=b\n\n--b\n'))
  assertLinear('messages', reading('', 'Content-Type: message/rfc822\n\n'))
  assertLinear('fields', reading('', 'Subject: x\n'))
  assertLinear('multiparts of many boundaries', (size) => {
    const raw = Buffer.from(
      Array.from({ length: size / 60 }, (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\n\n--b${i}\n`).join(
        '',
      ),
    )
    return () => void readMail(raw)
  })
})

test('subjects', () => {
  for (const piece of ['re: ', '[a] ', '[fwd: ', '(fwd)', ' (fwd)', 're[', ' ', '답장: ']) {
    assertLinear(piece, (size) => {
      const subject = filled(piece, size)
      return () => void baseSubject(subject)
    })
  }
})
