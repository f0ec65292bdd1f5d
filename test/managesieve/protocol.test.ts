// ManageSieve as clients speak it (RFC 5804): every command, what is refused and how, and input that is none.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { rulesOf } from '../../commands/filter-rules.ts'
import { newSecret } from '../../commands/passwords.ts'
import { newVerifier } from '../../commands/scram.ts'
import { MAX_FILTER_BYTES, MAX_FILTER_SCRIPTS } from '../../domain/account/account.ts'
import { PASSWORD } from '../smtp/listener.ts'
import { base64, ScramClient, unbase64 } from '../support/scram-client.ts'
import { literal, plain, startManageSieve } from './client.ts'

describe('a session', () => {
  it('is told what there is, and more once it is signed in', async (t) => {
    const { client } = await startManageSieve(t)
    const ann = await client()
    const before = await ann.say('CAPABILITY')
    assert.match(
      before,
      /^"IMPLEMENTATION" "Everpost"\r\n"SIEVE" "fileinto envelope .*"\r\n"SASL" "SCRAM-SHA-256 OAUTHBEARER PLAIN LOGIN"\r\n"STARTTLS"\r\n/,
    )
    assert.match(before, /\r\n"MAXREDIRECTS" "4"\r\n"UNAUTHENTICATE"\r\n"VERSION" "1.0"\r\nOK /)
    assert.match(await ann.say('LISTSCRIPTS'), /^NO "Sign in first"/)
    await ann.signIn()
    assert.match(await ann.say('CAPABILITY'), /"OWNER" "ann@example.test"/)
    assert.match(await ann.say('NOOP'), /^OK "Done"$/)
    assert.match(await ann.say('NOOP "a b"'), /^OK \(TAG "a b"\) "Done"$/)
    assert.match(await ann.say('UNAUTHENTICATE'), /^OK/)
    assert.match(await ann.say('LISTSCRIPTS'), /^NO/)
    await ann.signIn('bob')
    assert.match(await ann.say('LOGOUT'), /^OK/)
    assert.equal(await ann.answer(), '', 'the server closes')
  })

  it('signs in by SCRAM, and by a token', async (t) => {
    const { client, directory, ids } = await startManageSieve(t)
    const ann = await client()
    const verifier = await newVerifier(undefined, PASSWORD)
    const { secret, hash } = newSecret()
    const appPasswords = [{ id: 'a', label: '', hash }]
    directory.add(ids['ann'] ?? '', 'ann@example.test', { ...verifier, appPasswords })
    const scram = new ScramClient({ name: 'ann@example.test', password: PASSWORD })
    ann.write(`AUTHENTICATE "SCRAM-SHA-256" "${base64(scram.first)}"\r\n`)
    const challenge = unbase64((await ann.line()).slice(1, -1))
    ann.write(`"${base64(scram.last(challenge))}"\r\n`)
    assert.ok(scram.trusts(unbase64((await ann.line()).slice(1, -1))))
    assert.match(await ann.say('""'), /^OK "Signed in"/)
    const other = await client()
    const bearer = base64(`n,,\x01auth=Bearer ep_${ids['ann']}_${secret}\x01\x01`)
    assert.match(await other.say(`AUTHENTICATE "OAUTHBEARER" "${bearer}"`), /^OK/)
  })

  it('stores, lists, gives, renames, puts in force and deletes scripts', async (t) => {
    const { client, journal, ids } = await startManageSieve(t)
    const ann = await client()
    await ann.signIn()
    assert.match(await ann.say('HAVESPACE "main" 999'), /^OK/)
    assert.match(await ann.say(`PUTSCRIPT "main" ${literal('keep;\r\nstop;\r\n')}`), /^OK/)
    assert.match(await ann.say('PUTSCRIPT "other" "discard;"'), /^OK/)
    assert.match(await ann.say(`SETACTIVE ${literal('main')}`), /^OK/)
    assert.equal(await ann.say('LISTSCRIPTS'), '"main" ACTIVE\r\n"other"\r\nOK "That is all"')
    assert.equal(await ann.say('GETSCRIPT "main"'), '{14}\r\nkeep;\r\nstop;\r\n\r\nOK "That is it"')
    assert.match(await ann.say('RENAMESCRIPT "main" "other"'), /^NO \(ALREADYEXISTS\)/)
    assert.match(await ann.say('RENAMESCRIPT "main" "first \\"one\\""'), /^OK/)
    assert.equal(await ann.say('LISTSCRIPTS'), '"other"\r\n"first \\"one\\"" ACTIVE\r\nOK "That is all"')
    assert.match(await ann.say('DELETESCRIPT "first \\"one\\""'), /^NO \(ACTIVE\)/)
    assert.match(await ann.say('SETACTIVE ""'), /^OK/)
    assert.match(await ann.say('DELETESCRIPT "first \\"one\\""'), /^OK/)
    for (const command of ['GETSCRIPT "x"', 'DELETESCRIPT "x"', 'SETACTIVE "x"', 'RENAMESCRIPT "x" "y"'])
      assert.match(await ann.say(command), /^NO \(NONEXISTENT\)/)
    assert.deepEqual(await rulesOf(journal, ids['ann'] ?? ''), {
      scripts: new Map([['other', 'discard;']]),
      active: null,
    })
    assert.deepEqual([...(await rulesOf(journal, ids['bob'] ?? '')).scripts], [])
  })

  it('tells what is wrong with a script by line and column, and stores nothing of it', async (t) => {
    const { client } = await startManageSieve(t)
    const ann = await client()
    await ann.signIn()
    const wrong = 'keep;\r\nfoo;\r\nredirect "x";\r\n'
    for (const command of [`PUTSCRIPT "main" ${literal(wrong)}`, `CHECKSCRIPT ${literal(wrong)}`]) {
      const said = await ann.say(command)
      assert.match(said, /^NO \{\d+\}\r\nline 2, column 1: There is no command \\?"foo\\?"/)
      assert.match(said, /line 3, column 10: /)
    }
    assert.match(await ann.say('CHECKSCRIPT "keep;"'), /^OK/)
    assert.match(await ann.say('LISTSCRIPTS'), /^OK/)
  })

  it('has limits of size and number', async (t) => {
    const { client } = await startManageSieve(t)
    const ann = await client()
    await ann.signIn()
    assert.match(await ann.say(`HAVESPACE "main" ${MAX_FILTER_BYTES + 1}`), /^NO \(QUOTA\/MAXSIZE\)/)
    const long = `#${'x'.repeat(MAX_FILTER_BYTES)}\r\n`
    assert.match(await ann.say(`PUTSCRIPT "main" ${literal(long)}`), /^NO "line 1, column 1: Filter rules take at most/)
    for (let i = 0; i < MAX_FILTER_SCRIPTS; i++) assert.match(await ann.say(`PUTSCRIPT "s${i}" "keep;"`), /^OK/)
    assert.match(await ann.say('PUTSCRIPT "more" "keep;"'), /^NO \(QUOTA\/MAXSCRIPTS\)/)
    assert.match(await ann.say('HAVESPACE "more" 5'), /^NO \(QUOTA\/MAXSCRIPTS\)/)
    assert.match(await ann.say('HAVESPACE "s1" 5'), /^OK/)
    ann.write('PUTSCRIPT "main" {999999999+}\r\n')
    assert.match(await ann.answer(), /^BYE /)
  })
})

describe('signing in', () => {
  it('needs TLS, and begins anew behind it', async (t) => {
    const { client } = await startManageSieve(t, { insecureAuth: false })
    const ann = await client()
    assert.match(await ann.say('CAPABILITY'), /"SASL" ""\r\n"STARTTLS"/)
    assert.match(
      await ann.say(`AUTHENTICATE "PLAIN" ${plain('ann@example.test', 'correct horse')}`),
      /^NO \(ENCRYPT-NEEDED\)/,
    )
    const greeting = await ann.startTls()
    assert.match(greeting, /"SASL" "SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER PLAIN LOGIN"\r\n/)
    assert.doesNotMatch(greeting, /STARTTLS/)
    await ann.signIn()
    assert.match(await ann.say('STARTTLS'), /^NO/)
  })

  it('takes the words in a second string, refuses wrong ones, and slows guessing', async (t) => {
    const { client } = await startManageSieve(t)
    const ann = await client()
    ann.write('AUTHENTICATE "PLAIN"\r\n')
    ann.write(`${plain('ann@example.test', 'correct horse')}\r\n`)
    assert.match(await ann.answer(), /^""\r\nOK/)
    const guesser = await client()
    const guess = () => guesser.say(`AUTHENTICATE "PLAIN" ${plain('ann@example.test', 'wrong')}`)
    assert.match(await guess(), /^NO "Wrong address or password"/)
    assert.match(await guesser.say('AUTHENTICATE "PLAIN" "no base64!"'), /^NO/)
    assert.match(await guesser.say('AUTHENTICATE "SCRAM-SHA-256" ""'), /^NO/)
    const other = await client()
    for (let i = 0; i < 9; i++)
      assert.match(
        await (i < 5 ? guess() : other.say(`AUTHENTICATE "PLAIN" ${plain('ann@example.test', 'wrong')}`)),
        /^NO/,
      )
    const third = await client()
    assert.match(
      await third.say(`AUTHENTICATE "PLAIN" ${plain('ann@example.test', 'correct horse')}`),
      /^NO \(TRYLATER\)/,
    )
  })

  it('for somebody else is refused', async (t) => {
    const { client } = await startManageSieve(t)
    const ann = await client()
    const words = Buffer.from('bob@example.test\0ann@example.test\0correct horse').toString('base64')
    assert.match(await ann.say(`AUTHENTICATE "PLAIN" "${words}"`), /^NO/)
  })
})

describe('what is no ManageSieve', () => {
  const CASES: readonly (readonly [string, RegExp])[] = [
    ['HELLO', /^NO "This command is not known"/],
    ['"LISTSCRIPTS"', /^NO/],
    ['LISTSCRIPTS "x"', /^NO "This command takes no arguments"/],
    ['PUTSCRIPT "x"', /^NO "This command takes 2 strings"/],
    ['PUTSCRIPT x "keep;"', /^NO/],
    ['HAVESPACE "x" "5"', /^NO/],
    ['GETSCRIPT "open', /^NO "Cannot read this command from character 11 on"/],
    ['GETSCRIPT "a""b"', /^NO "A blank is missing/],
    ['NOOP "a" "b" "c" "d" "e" "f" "g" "h" "i"', /^NO "There are too many words/],
    ['GETSCRIPT {3}', /^BYE/],
    ['', /^$/],
  ]
  for (const [line, expected] of CASES) {
    it(JSON.stringify(line), async (t) => {
      const { client } = await startManageSieve(t)
      const ann = await client()
      await ann.signIn()
      if (line === '') assert.match(await ann.say('\r\nNOOP'), /^OK/)
      else assert.match(await ann.say(line), expected)
    })
  }

  it('ends a connection that says nothing else', async (t) => {
    const { client } = await startManageSieve(t, { limits: { badCommands: 3 } })
    const ann = await client()
    for (let i = 0; i < 2; i++) assert.match(await ann.say('X'), /^NO/)
    ann.write('X\r\n')
    assert.match(await ann.answer(), /^NO/)
    assert.match(await ann.answer(), /^BYE/)
  })

  it('is too long a line, or not UTF-8', async (t) => {
    const { client } = await startManageSieve(t)
    const ann = await client()
    assert.match(await ann.say(`NOOP "${'x'.repeat(20_000)}"`), /^NO "This line is too long"/)
    ann.write(Buffer.from([0x4e, 0x4f, 0x4f, 0x50, 0x20, 0x22, 0xff, 0x22, 0x0d, 0x0a]))
    assert.match(await ann.answer(), /^NO "This is not UTF-8"/)
  })

  it('never ends the listener', async (t) => {
    const { client, logged } = await startManageSieve(t, { limits: { connectionsPerAddress: 1_000 } })
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc
        .array(
          fc.constantFrom(
            'PUTSCRIPT',
            'GETSCRIPT',
            ' ',
            '"',
            '{3+}',
            '\r\n',
            'a',
            '\\',
            '{9999999999+}',
            'AUTHENTICATE',
            '5',
            '"PLAIN"',
          ),
          { maxLength: 20 },
        )
        .map((parts) => Buffer.from(parts.join(''))),
    )
    await fc.assert(
      fc.asyncProperty(junk, async (bytes) => {
        const one = await client()
        one.write(bytes)
        one.write('\r\nLOGOUT\r\n')
        one.end()
      }),
      { numRuns: 200 },
    )
    const last = await client()
    assert.match(await last.say('NOOP'), /^OK/)
    assert.deepEqual(
      logged.filter((line) => line.includes('failed')),
      [],
    )
  })
})
