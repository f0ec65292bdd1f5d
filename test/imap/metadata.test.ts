import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS } from '../../domain/account/sharing.ts'
import { ImapClient } from '../support/imap-client.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { personWith } from './people.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

describe('METADATA (RFC 5464)', () => {
  it('keeps what is set, until it is taken away', async (t) => {
    const { client } = await personWith(access, t)
    await client.ok(
      'SETMETADATA INBOX (/private/comment "mine" /shared/Comment {} /private/bin ~{4+}\r\na\0\r\n)',
      'all "ours"',
    )
    const get = async (entries: string) => (await client.ok(`GETMETADATA INBOX ${entries}`)).lines[0]
    assert.equal(await get('/private/comment'), '* METADATA INBOX (/private/comment "mine")')
    assert.equal(
      await get('(/shared/comment /private/none /PRIVATE/comment)'),
      '* METADATA INBOX (/shared/comment "all \\"ours\\"" /private/none NIL /private/comment "mine")',
    )
    assert.equal(await get('/private/bin'), '* METADATA INBOX (/private/bin ~{4}\r\na\0\r\n)')
    await client.ok('SETMETADATA INBOX (/private/comment NIL)')
    assert.equal(await get('/private/comment'), '* METADATA INBOX (/private/comment NIL)')
    await client.ok('SETMETADATA INBOX (/private/comment NIL /private/empty "")')
    assert.equal(await get('/private/empty'), '* METADATA INBOX (/private/empty "")')
  })

  it('answers by depth and size, with the options on either side of the name', async (t) => {
    const { client } = await personWith(access, t)
    await client.ok(
      'SETMETADATA INBOX (/private/f/values/small "a" /private/f/values/big "0123456789" /private/f/x/y/z "b")',
    )
    const get = async (command: string) => client.ok(`GETMETADATA ${command}`)
    assert.deepEqual((await get('(DEPTH 1) INBOX /private/f')).lines, [])
    assert.equal(
      (await get('INBOX (DEPTH 1) (/private/f/values)')).lines[0],
      '* METADATA INBOX (/private/f/values/small "a" /private/f/values/big "0123456789")',
    )
    const all = await get('(DEPTH infinity MAXSIZE 9) INBOX (/private/f)')
    assert.equal(all.lines[0], '* METADATA INBOX (/private/f/values/small "a" /private/f/x/y/z "b")')
    assert.match(all.text, /^\[METADATA LONGENTRIES 10\]/)
    assert.equal((await client.send('GETMETADATA (DEPTH 2) INBOX /private/f')).status, 'BAD')
  })

  it('is of the server too: what it says, and what each keeps there', async (t) => {
    const { client } = await personWith(access, t)
    assert.equal(
      (await client.ok('GETMETADATA "" (/shared/admin /shared/comment)')).lines[0],
      '* METADATA "" (/shared/admin "mailto:postmaster@example.test" /shared/comment NIL)',
    )
    assert.match((await client.send('SETMETADATA "" (/shared/comment "x")')).text, /^\[NOPERM\]/)
    await client.ok('SETMETADATA "" (/private/comment "x")')
    assert.equal((await client.ok('GETMETADATA "" /private/comment')).lines[0], '* METADATA "" (/private/comment "x")')
  })

  it('refuses names that are none, too much and too many; what is gone makes room', async (t) => {
    const { client } = await personWith(access, t)
    for (const entry of ['comment', '/comment', '/private', '/private/', '/private/*', '/private/a%', '/private//a'])
      assert.equal((await client.send(`GETMETADATA INBOX "${entry}"`)).status, 'BAD', entry)
    assert.match((await client.send('GETMETADATA Nowhere /private/x')).text, /^\[NONEXISTENT\]/)
    const long = 'x'.repeat(MAX_ANNOTATION_BYTES + 3)
    assert.match((await client.send('SETMETADATA INBOX (/private/x {})', long)).text, /^\[METADATA MAXSIZE 32768\]/)
    await client.ok('SETMETADATA INBOX (/private/x {})', long.slice(3))
    await client.ok('CREATE Gone')
    for (let i = 0; i < 2; i++) {
      const some = Array.from({ length: (MAX_ANNOTATIONS - 1) / 2 + i }, (_, k) => `/private/${i}/${k} "v"`)
      await client.ok(`SETMETADATA Gone (${some.join(' ')})`)
    }
    assert.match((await client.send('SETMETADATA INBOX (/private/y "v" /private/z "v")')).text, /^\[METADATA TOOMANY\]/)
    await client.ok('DELETE Gone')
    await client.ok('SETMETADATA INBOX (/private/y "v" /private/z "v")')
  })

  it('is private to each reader of a shared folder, and shared to those who may write', async (t) => {
    const { client: owner, port, name } = await personWith(access, t)
    const guest = await access.person()
    const client = await ImapClient.signedIn(port, guest, PASSWORD)
    t.after(() => client.close())
    await owner.ok('CREATE Plans')
    const path = `"Other Users/${name}@example.test/Plans"`
    assert.match((await client.send(`GETMETADATA ${path} /shared/comment`)).text, /^\[NONEXISTENT\]/)
    await owner.ok(`SETACL Plans ${guest}@example.test l`)
    assert.match((await client.send(`GETMETADATA ${path} /shared/comment`)).text, /^\[NOPERM\]/)
    await owner.ok(`SETACL Plans ${guest}@example.test lr`)
    await owner.ok('SETMETADATA Plans (/private/comment "owner" /shared/comment "both")')
    await client.ok(`SETMETADATA ${path} (/private/comment "guest")`)
    assert.match((await client.send(`SETMETADATA ${path} (/shared/comment "x")`)).text, /^\[NOPERM\]/)
    const seen = async (who: ImapClient, where: string) =>
      (await who.ok(`GETMETADATA ${where} (/private/comment /shared/comment)`)).lines[0]?.replace(/^.*? \(/, '(')
    assert.equal(await seen(owner, 'Plans'), '(/private/comment "owner" /shared/comment "both")')
    assert.match((await seen(client, path)) ?? '', /\(\/private\/comment "guest" \/shared\/comment "both"\)$/)
    await owner.ok(`SETACL Plans ${guest}@example.test +w`)
    await client.ok(`SETMETADATA ${path} (/shared/comment "guest wrote")`)
    assert.equal(await seen(owner, 'Plans'), '(/private/comment "owner" /shared/comment "guest wrote")')
  })

  it('comes with LIST (RFC 9590)', async (t) => {
    const { client } = await personWith(access, t)
    await client.ok('SETMETADATA Drafts (/shared/color "#ff0000")')
    const { lines } = await client.ok('LIST "" (INBOX Drafts) RETURN (METADATA (/shared/color))')
    assert.deepEqual(lines, [
      '* LIST (\\HasNoChildren \\Drafts) "/" Drafts',
      '* METADATA Drafts (/shared/color "#ff0000")',
      '* LIST (\\HasNoChildren) "/" INBOX',
      '* METADATA INBOX (/shared/color NIL)',
    ])
    assert.equal((await client.send('LIST "" * RETURN (METADATA (nonsense))')).status, 'BAD')
  })
})
