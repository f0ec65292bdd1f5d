// Any script and any message give an answer in bounded time; nothing throws.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compileScript } from '../../domain/sieve/compile.ts'
import { foldAscii, matchWildcards, readPattern } from '../../domain/sieve/match.ts'
import { CAPABILITIES } from '../../domain/sieve/program.ts'
import { runScript } from '../../domain/sieve/run.ts'
import { world } from './support.ts'

const WORDS =
  `if elsif else not anyof allof true false header address envelope exists size string hasflag body date currentdate duplicate
mailboxexists specialuse_exists environment keep discard stop fileinto redirect reject ereject set setflag addflag removeflag addheader
deleteheader vacation :is :contains :matches :count :value :comparator "i;octet" "i;ascii-numeric" "gt" "ge" :all :localpart :domain
:user :detail :over :under :copy :create :flags :specialuse :raw :text :content :zone :originalzone :index :last :handle :header :uniqueid
:seconds :days :subject :from :addresses :mime :lower :upper :length :quotewildcard ( ) [ ] { } { } , ; ; ; "Subject" "from" "to" "*" "a*b?"
"\${1}" "\${x}" "x" "kim@example.test" "+0900" "hour" "" 1 0 10K text:`.split(/\s+/)

const token = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.string({ maxLength: 6 }).map((text) => JSON.stringify(text)),
)
const REQUIRE = `require [${CAPABILITIES.map((name) => JSON.stringify(name)).join(', ')}];\n`
const soup = fc.array(token, { maxLength: 60 }).map((tokens) => REQUIRE + tokens.join(' '))

/** Scripts that mostly compile. */
const text = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('*', '${1}${2}', '${x}', 'Subject', 'from', 'a?*b'))
const quoted = text.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`)
const match = fc.constantFrom(
  ':is',
  ':contains',
  ':matches',
  ':count "gt"',
  ':value "le" :comparator "i;ascii-numeric"',
)
const test = fc.oneof(
  fc.tuple(match, quoted).map(([how, key]) => `header ${how} ["subject", "received"] ${key}`),
  fc.tuple(match, quoted).map(([how, key]) => `address ${how} "from" ${key}`),
  fc.tuple(match, quoted).map(([how, key]) => `body ${how} ${key}`),
  fc.tuple(match, quoted, quoted).map(([how, source, key]) => `string ${how} ${source} ${key}`),
  fc.tuple(match, quoted).map(([how, key]) => `date ${how} "date" "std11" ${key}`),
)
const action = fc.oneof(
  quoted.map((value) => `set "x" ${value};`),
  quoted.map((value) => `addheader "X-A" ${value};`),
  quoted.map((value) => `deleteheader :matches "subject" ${value};`),
  quoted.map((value) => `addflag ${value};`),
  quoted.map((value) => `fileinto :create "a\${1}b"; vacation ${value};`),
  fc.constantFrom('keep;', 'discard;', 'stop;', 'redirect "a@example.org";', 'reject "no";'),
)
const plausible = fc
  .array(fc.tuple(test, fc.array(action, { maxLength: 3 })), { maxLength: 8 })
  .map((rules) => REQUIRE + rules.map(([condition, actions]) => `if ${condition} { ${actions.join(' ')} }`).join('\n'))

const message = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom('Subject', 'From', 'Date', 'Received', 'X-A'), fc.string({ maxLength: 40 }))),
    fc.uint8Array({ maxLength: 200 }),
  )
  .map(([fields, body]) =>
    Buffer.concat([Buffer.from(`${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`), body]),
  )

function answers(script: string, raw: Buffer): void {
  const compiled = compileScript(script)
  if ('problems' in compiled) {
    assert.ok(compiled.problems.length > 0)
    for (const { line, column, message: said } of compiled.problems)
      assert.ok(line >= 1 && column >= 1 && said.length > 10)
    return
  }
  const outcome = runScript(compiled.program, world(raw))
  assert.ok('asks' in outcome || outcome.actions.length > 0 || outcome.problem === undefined)
}

describe('any input', () => {
  it('of bytes', () =>
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), message, answers), { numRuns: 400 }))
  it('of words of the language', () => fc.assert(fc.property(soup, message, answers), { numRuns: 1_500 }))
  it('of scripts that a person might write', () =>
    fc.assert(fc.property(plausible, message, answers), { numRuns: 800 }))
})

describe('wildcards', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '😀', '*', '?'), maxLength: 12 })
  const free = { take: () => true }

  it('match what a regular expression of lazy groups matches, with the same groups', () => {
    fc.assert(
      fc.property(letters, letters, (value, key) => {
        const source = [...key].map((char) => (char === '*' ? '(.*?)' : char === '?' ? '(.)' : char)).join('')
        const expected = new RegExp(`^${source}$`, 'su').exec(value)
        const found = matchWildcards(value, readPattern(key), free)
        assert.deepEqual(
          found?.map(([start, end]) => value.slice(start, end)),
          expected?.slice(1),
        )
      }),
      { numRuns: 3_000 },
    )
  })

  it('fold letters without moving anything', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (value) => foldAscii(value).length === value.length))
  })
})
