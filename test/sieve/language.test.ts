// The Sieve language: what scripts do to a message, and what is said of scripts that are wrong.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { headerBytes } from '../../domain/sieve/header-edit.ts'
import { SIEVE_LIMITS } from '../../domain/sieve/limits.ts'
import { runScript } from '../../domain/sieve/run.ts'
import { bytes, holding, NOW, problems, program, run, said, world } from './support.ts'

const MESSAGE = `Return-Path: <theo+list@example.com>
Received: from a by b; Sun, 1 Mar 2026 10:00:00 +0100
Received: from c by d; Sun, 1 Mar 2026 08:00:00 +0000
From: Theo <theo+list@example.com>
To: Kim <kim@example.test>, lee@example.org
Subject: =?utf-8?q?Caf=C3=A9?= [offsite] plans
Date: Sun, 1 Mar 2026 10:00:00 +0100
Message-ID: <1@example.com>
X-Priority: 2
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

preamble
--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

7JWI64WVIEtpbQ==
--b
Content-Type: text/html

<p>Hello <b>K</b>im</p>
--b--
`

/** The names of the tests that hold. */
function hold(require: readonly string[], tests: Readonly<Record<string, string>>, options = {}): readonly string[] {
  const outcome = run(holding(require, tests), MESSAGE, options)
  assert.equal(outcome.problem, undefined)
  const [keep] = outcome.actions
  return keep?.type === 'keep' ? keep.flags : []
}

describe('tests', () => {
  it('compare fields decoded, in any case', () => {
    assert.deepEqual(
      hold([], {
        is: 'header "subject" "CAFé [offsite] plans"',
        contains: 'header :contains ["x", "Subject"] ["zzz", "OFFSITE"]',
        matches: 'header :matches "subject" "caf? [*] plans"',
        octet: 'header :comparator "i;octet" :contains "subject" "OFFSITE"',
        escaped: 'header :matches "subject" "*\\\\[*"',
        none: 'header :contains "x-none" ""',
      }),
      ['is', 'contains', 'matches', 'escaped'],
    )
  })

  it('look at parts of addresses and of the envelope', () => {
    assert.deepEqual(
      hold(
        ['envelope', 'subaddress'],
        {
          all: 'address "from" "THEO+list@example.com"',
          localpart: 'address :localpart "from" "theo+list"',
          domain: 'address :domain ["to", "cc"] "example.org"',
          user: 'address :user "from" "theo"',
          detail: 'address :detail "from" "list"',
          nodetail: 'address :detail "to" ""',
          from: 'envelope "from" ""',
          to: 'envelope :localpart "to" "kim"',
        },
        { mailFrom: '' },
      ),
      ['all', 'localpart', 'domain', 'user', 'detail', 'from', 'to'],
    )
  })

  it('count and compare in order (RFC 5231)', () => {
    assert.deepEqual(
      hold(['relational', 'comparator-i;ascii-numeric'], {
        two: 'header :count "eq" "received" "2"',
        addresses: 'address :count "ge" :comparator "i;ascii-numeric" "to" "2"',
        priority: 'header :value "lt" :comparator "i;ascii-numeric" "x-priority" "10"',
        text: 'header :value "lt" "x-priority" "10"',
        infinity: 'header :value "gt" :comparator "i;ascii-numeric" "subject" "999999999999999999999999"',
      }),
      ['two', 'addresses', 'priority', 'infinity'],
    )
  })

  it('read bodies decoded, in any part (RFC 5173)', () => {
    assert.deepEqual(
      hold(['body'], {
        text: 'body :contains "안녕"',
        html: 'body :text :contains "hello kim"',
        raw: 'body :raw :contains "<b>K</b>"',
        rawnot: 'body :raw :contains "안녕"',
        content: 'body :content "text/html" :contains "<b>"',
        prologue: 'body :content "multipart" :contains "preamble"',
        any: 'body :content "" :contains "안녕"',
      }),
      ['text', 'html', 'raw', 'content', 'prologue', 'any'],
    )
  })

  it('tell dates in zones (RFC 5260)', () => {
    assert.deepEqual(
      hold(['date', 'index', 'relational'], {
        original: 'date :originalzone "date" "hour" "10"',
        utc: 'date :zone "+0000" "date" "iso8601" "2026-03-01T09:00:00Z"',
        seoul: 'date :zone "+0900" "date" "std11" "Sun, 01 Mar 2026 18:00:00 +0900"',
        weekday: 'date "date" "weekday" "0"',
        julian: 'date "date" "julian" "61100"',
        received: 'date :index 1 :last :originalzone "received" "zone" "+0000"',
        now: 'currentdate :value "ge" "date" "2026-03-01"',
        later: 'currentdate :value "ge" "date" "2026-03-02"',
      }),
      ['original', 'utc', 'seoul', 'weekday', 'julian', 'received', 'now'],
    )
  })

  it('ask for folders (RFC 5490, RFC 8579)', () => {
    assert.deepEqual(
      hold(
        ['mailbox', 'special-use'],
        {
          there: 'mailboxexists "Work/Plans"',
          notall: 'mailboxexists ["Work/Plans", "Play"]',
          junk: 'specialuse_exists "\\\\Junk"',
          inbox: 'specialuse_exists "Work/Plans" "\\\\Junk"',
        },
        {
          folderExists: (path: string) => path === 'Work/Plans',
          hasSpecialUse: (use: string, path?: string) => use === '\\Junk' && path === undefined,
        },
      ),
      ['there', 'junk'],
    )
  })

  it('ask about ids that were seen, which somebody looks up between two runs (RFC 7352)', () => {
    const script = program('require "duplicate"; if duplicate :handle "h" :seconds 60 { discard; }')
    const asked = runScript(script, world(bytes(MESSAGE), { seen: () => undefined }))
    const id = { handle: 'h', id: '<1@example.com>', seconds: 60, last: false }
    assert.deepEqual(asked, { asks: id })
    const fresh = runScript(script, world(bytes(MESSAGE), { seen: () => false }))
    assert.ok('seen' in fresh)
    assert.deepEqual([fresh.seen, said(fresh)], [[id], ['keep']])
    const again = runScript(script, world(bytes(MESSAGE), { seen: () => true }))
    assert.ok('seen' in again)
    assert.deepEqual([again.seen, said(again)], [[], ['discard']])
  })
})

describe('actions', () => {
  it('keep what nothing else takes', () => {
    assert.deepEqual(said(run('', MESSAGE)), ['keep'])
    assert.deepEqual(said(run('if false { discard; }', MESSAGE)), ['keep'])
    assert.deepEqual(said(run('discard;', MESSAGE)), ['discard'])
    assert.deepEqual(said(run('require "fileinto"; fileinto "A/B"; stop; discard;', MESSAGE)), ['fileinto A/B'])
  })

  it('file copies with flags (RFC 3894, RFC 5232)', () => {
    const script = `require ["fileinto", "copy", "imap4flags"];
      addflag ["\\\\Seen", "one"];
      fileinto :copy "A";
      removeflag "\\\\SEEN";
      fileinto :copy :flags "two three" "B";
      fileinto :copy "A";
      redirect :copy "lee@example.org";`
    assert.deepEqual(said(run(script, MESSAGE)), [
      'fileinto A (\\seen one)',
      'fileinto B (two three)',
      'redirect lee@example.org',
      'keep (one)',
    ])
  })

  it('remember what wildcards matched (RFC 5229)', () => {
    const script = `require ["variables", "fileinto"];
      if header :matches "subject" "*[*]*" { set :upperfirst "list" "\${2}"; set :length "n" "\${1}"; }
      fileinto "Lists/\${list}/\${n}\${3}\${unset}\${7}";`
    assert.deepEqual(said(run(script, MESSAGE)), ['fileinto Lists/Offsite/5 plans'])
  })

  it('edit the header for what comes after (RFC 5293)', () => {
    const script = `require ["editheader", "fileinto", "copy"];
      fileinto :copy "before";
      addheader "X-A" "one\r\nBcc: two";
      deleteheader :contains "Subject" "offsite";
      deleteheader "Received";
      if exists "subject" { discard; }`
    const [before, kept] = run(script, MESSAGE).actions
    assert.ok(before?.type === 'fileinto' && before.header === undefined)
    assert.ok(kept?.type === 'keep' && kept.header !== undefined)
    const header = headerBytes(kept.header).toString()
    assert.match(header, /^X-A: one Bcc: two\r\nReturn-Path: /)
    assert.match(header, /\r\nReceived: from a by b/)
    assert.doesNotMatch(header, /Subject|\nBcc/)
    assert.ok(header.endsWith('boundary=b\r\n\r\n'))
  })

  it('answer once', () => {
    const script = `require ["vacation", "variables"]; set "s" "Sun";
      vacation :days 3 :subject "\${s}" :addresses ["k@example.test"] text:
I am away.
..
.
;`
    assert.deepEqual(said(run(script, MESSAGE)), ['vacation 259200 Sun: I am away.\r\n.', 'keep'])
    const twice = run(`${script} vacation "again";`, MESSAGE)
    assert.deepEqual(said(twice), ['keep'])
    assert.match(twice.problem?.message ?? '', /at most once/)
  })

  it('refuse alone (RFC 5429)', () => {
    assert.deepEqual(said(run('require "ereject"; ereject "No."; stop;', MESSAGE)), ['reject No.'])
    const both = run('require ["reject", "fileinto"]; fileinto "A"; reject "No.";', MESSAGE)
    assert.deepEqual([said(both), both.problem?.line], [['keep'], 1])
  })
})

describe('limits of a run', () => {
  const stopped = (script: string, message = MESSAGE) => {
    const outcome = run(script, message)
    assert.deepEqual(said(outcome), ['keep'])
    return outcome.problem?.message ?? ''
  }

  it('keep the message when a script asks for too much', () => {
    const redirects = Array.from({ length: SIEVE_LIMITS.redirects + 1 }, (_, i) => `redirect "a${i}@example.org";`)
    assert.match(stopped(redirects.join('')), /at most 4 addresses/)
    const folders = Array.from({ length: SIEVE_LIMITS.actions + 1 }, (_, i) => `fileinto "f${i}";`)
    assert.match(stopped(`require "fileinto";${folders.join('')}`), /at most 32 actions/)
    const variables = Array.from({ length: SIEVE_LIMITS.variables + 1 }, (_, i) => `set "v${i}" "x";`)
    assert.match(stopped(`require "variables";${variables.join('')}`), /at most 128 variables/)
    assert.match(stopped('require ["variables", "fileinto"]; set "x" "a//b"; fileinto "${x}";'), /is not a folder/)
    assert.match(stopped('require ["variables"]; set "x" "nobody"; redirect "${x}";'), /not an e-mail address/)
  })

  it('stop wildcards that would never end', () => {
    const long = `Subject: ${'a'.repeat(60_000)}\n\n`
    const script = `if header :matches "subject" "*${'a?'.repeat(1_000)}b*" { discard; }`
    assert.match(stopped(script, long), /takes too long/)
  })

  it('never lets a variable grow without end', () => {
    const doubling = 'set "x" "${x}${x}"; '.repeat(60)
    const script = `require "variables"; set "x" "0123456789"; ${doubling} if string :matches "\${x}" "*" { keep; }`
    assert.deepEqual(said(run(script, MESSAGE)), ['keep'])
  })
})

describe('problems of a script', () => {
  const CASES: readonly (readonly [string, RegExp])[] = [
    ['keep', /^1:5 The command keep ends with ;/],
    ['\n  foo;', /^2:3 There is no command "foo"/],
    ['fileinto "x";', /^1:1 The command fileinto needs require "fileinto"/],
    ['require "nothing";', /^1:9 The extension "nothing" is not known here. There are: fileinto,/],
    ['keep; require "fileinto";', /^1:7 require must stand before/],
    ['if header "a" { keep; }', /^1:4 header lacks an argument/],
    ['if header :is :contains "a" "b" { keep; }', /^1:15 :is and :contains exclude each other/],
    ['if header :foo "a" "b" { keep; }', /^1:11 header has no tag :foo. It has :is,/],
    ['if header :comparator "i;x" "a" "b" { keep; }', /There is no comparator "i;x"/],
    ['if true keep;', /^1:9 .*expected|^1:/],
    ['if header "a" ["b" { keep; }', /^1:20 A comma or \]/],
    ['redirect "nobody";', /^1:10 "nobody" is not an e-mail address/],
    ['keep "x";', /^1:6 keep takes no further argument/],
    ['else { keep; }', /^1:1 else must follow/],
    ['if not (true) { keep; }', /not takes one test/],
    ['if allof true { keep; }', /allof takes a list of tests/],
    ['/* open', /^1:1 This comment has no end/],
    ['redirect "open', /^1:10 This text has no end/],
    ['if size :over 10X { keep; }', /"10X" is not a number/],
    ['if address "subject" "x" { keep; }', /holds no addresses/],
    ['require "fileinto"; fileinto "a//b";', /is not a folder/],
    ['require "variables"; set "a b" "c";', /not a name for a variable/],
    ['require "variables"; set "a" "${env.b}";', /names have no dots/],
    ['require "date"; if date "date" "age" "1" { keep; }', /There is no part "age"/],
    ['require "date"; if currentdate :zone "KST" "hour" "1" { keep; }', /an offset such as "\+0900"/],
    ['require "vacation"; vacation :days 1 :seconds 1 "x";', /needs require "vacation-seconds"/],
    ['keep; }', /^1:7 There is a } too many/],
    ['if true { keep;', /^1:9 This block has no end/],
    ['keep; &', /"&" has no meaning here/],
  ]
  for (const [script, expected] of CASES) {
    it(JSON.stringify(script), () => {
      const [first = ''] = problems(script)
      assert.match(first, expected)
    })
  }

  it('are all told at once where one does not follow from the other', () => {
    assert.deepEqual(
      problems('foo;\nif bar { baz; }\nredirect "x";').map((problem) => problem.split(' ')[0]),
      ['1:1', '2:4', '2:10', '3:10'],
    )
  })

  it('include nesting that no person writes', () => {
    assert.match(problems(`${'if true {'.repeat(100)}`)[0] ?? '', /Blocks nest at most 32 deep/)
    assert.match(problems(`if ${'not '.repeat(100)} true { keep; }`)[0] ?? '', /Tests nest at most 32 deep/)
    assert.match(problems('keep;'.repeat(5_000))[0] ?? '', /at most 4000 commands/)
  })
})

describe('time', () => {
  it('of a currentdate is the world’s', () => {
    const script = 'require "date"; if currentdate "iso8601" "2026-03-01T18:30:00+09:00" { discard; }'
    assert.deepEqual(said(run(script, MESSAGE, { now: NOW, zone: 540 })), ['discard'])
  })
})
