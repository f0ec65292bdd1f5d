// Mail that is written to cost time or to break the filter: an answer always comes, soon, and never throws.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { assess, decodeSignals, encodeSignals, opinionOf } from '../../domain/filter/assess.ts'
import { MAX_FEATURES } from '../../domain/filter/features.ts'
import { factsOf, MAX_SIGNALS } from '../../domain/filter/signals.ts'
import { decideVerdict, MAX_REASONS } from '../../domain/filter/verdict.ts'
import { readMail } from '../../domain/mail/read.ts'
import { authenticationResultsField, forgedResults } from '../../gateways/smtp/authentication-results.ts'
import { Networks, networkOf, reversedLabels } from '../../gateways/smtp/networks.ts'

function judge(raw: Buffer) {
  const mail = readMail(raw)
  const assessment = assess(factsOf(raw, mail), mail)
  assert.ok(assessment.signals.length <= MAX_SIGNALS && assessment.features.length <= MAX_FEATURES)
  return decideVerdict([opinionOf(assessment, { installation: undefined })], { junk: 5, reject: 20 })
}

const HTML = 'Content-Type: text/html\r\n\r\n'
const PIECES = [
  ...[
    '<a ',
    '<a href=',
    '<a href=x>',
    '<a href="http://',
    '<!--',
    'color=',
    '<img src=http://a?b=',
    '&#65;&#66;',
    'w</font>',
  ],
  ...[
    'to be removed ',
    'click here ',
    'your website ',
    'million ',
    '$1 ',
    '!',
    'free ',
    'A.B.C.D.',
    'a1b ',
    'http://a.',
    'www.',
    '> q\n>',
  ],
  ...[
    'remove in the subject ',
    'transfer of this ',
    'if you wish to ',
    'dear ',
    'account has been ',
    '광고 ',
    '免費',
    '\u202e',
    ' \t',
    '\r\n -- \r\n',
  ],
]

describe('hostile mail', () => {
  it('costs little, whatever is repeated in it', () => {
    let worst = { ms: 0, piece: '' }
    for (const head of ['\r\n', HTML]) {
      for (const piece of PIECES) {
        const raw = Buffer.from(
          `Subject: ${piece.trim().repeat(200)}\r\nReceived: ${piece.trim().repeat(100)}\r\n${head}${piece.repeat(80_000 / piece.length)}`,
        )
        const before = process.cpuUsage()
        judge(raw)
        const { user, system } = process.cpuUsage(before)
        if (user + system > worst.ms * 1000) worst = { ms: (user + system) / 1000, piece: `${head}${piece}` }
      }
    }
    assert.ok(worst.ms < 1000, JSON.stringify(worst))
  })

  it('may be any bytes', () => {
    const piece = fc.oneof(
      fc.constantFrom(...PIECES, HTML, 'From: ', 'To: ', 'Subject: ', 'Date: ', 'Received: from ', '\r\n', '\r\n\r\n'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.uint8Array({ maxLength: 60 }), (pieces, bytes) => {
        const verdict = judge(Buffer.concat([Buffer.from(pieces.join('')), bytes]))
        assert.ok(Number.isFinite(verdict.score) && verdict.reasons.length <= MAX_REASONS)
      }),
      { numRuns: 300, seed: 3 },
    )
  })

  it('cannot hide a field that pretends to be ours, and loses no other byte', () => {
    const name = fc.constantFrom('Authentication-Results', 'authentication-results ', 'AUTHENTICATION-RESULTS')
    const blank = fc.constantFrom('', ' ', '\r\n\t', '(a comment)', '(a (nested) one) ', '("\\)")')
    const id = fc.constantFrom('mail.example.test', 'MAIL.example.TEST', '"mail.example.test"')
    fc.assert(
      fc.property(
        name,
        blank,
        id,
        blank,
        fc.string({ unit: 'binary-ascii', maxLength: 30 }),
        (field, before, ours, after, noise) => {
          const rest = `X-Other: ${noise.replace(/[\r\n]/g, ' ')}\r\nAuthentication-Results: other.test; spf=pass\r\n`
          const forged = `${field}:${before}${ours}${after}; spf=pass\r\n`
          const raw = Buffer.from(`${rest}${forged}\r\nbody`, 'latin1')
          const found = forgedResults(raw, 'mail.example.test')
          assert.deepEqual(
            found.map(({ start, end }) => raw.toString('latin1', start, end)),
            [forged],
          )
        },
      ),
      { numRuns: 200, seed: 4 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const { start, end } of forgedResults(bytes, 'x')) assert.ok(start < end && end <= bytes.length)
      }),
      { numRuns: 200, seed: 5 },
    )
  })

  it('cannot bring a line of its own into our field', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), (clauses) => {
        const field = authenticationResultsField('mail.example.test', clauses)
        assert.match(field, /^Authentication-Results: mail\.example\.test;\r\n(?:\t[ -~]*\r\n)+$/)
        for (const line of field.split('\r\n')) assert.ok(line.length <= 998)
      }),
      { numRuns: 300, seed: 6 },
    )
  })
})

describe('addresses of clients', () => {
  it('have one network each, however they are written', () => {
    assert.equal(networkOf('192.0.2.77'), '192.0.2.0/24')
    assert.equal(networkOf('::ffff:192.0.2.77'), '192.0.2.0/24')
    assert.equal(networkOf('2001:db8::1'), networkOf('2001:0db8:0:0:1:2:3:4'))
    assert.equal(reversedLabels('192.0.2.1'), '1.2.0.192')
    assert.equal(reversedLabels('2001:db8::1'), '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2')
    assert.throws(() => new Networks(['10.0.0.0/33']), /is not a network/)
    assert.throws(() => new Networks(['example.test']), /is not a network/)
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()),
        (text) => void [networkOf(text), reversedLabels(text), new Networks([]).has(text)],
      ),
      { seed: 9 },
    )
  })
  it('and signals come back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffffffff)), (list) =>
        assert.deepEqual([...decodeSignals(encodeSignals(Uint32Array.from(list)))], list),
      ),
      { seed: 10 },
    )
  })
})
