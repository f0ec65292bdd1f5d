// Folders shared between accounts (RFC 4314): who may do what, and that whoever may nothing learns nothing.
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { RIGHTS } from '../../domain/account/sharing.ts'
import { ImapClient } from '../support/imap-client.ts'
import { MailAccess, PASSWORD } from '../support/mail-access.ts'
import { mail } from './people.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

const FOLDER = 'Plans'

/** An owner with a folder of some mail, and somebody else of the same domain. */
async function two(t: TestContext, rights = '', ...mails: readonly string[]) {
  const port = await access.imap(t)
  const join = async () => {
    const name = await access.person()
    const client = await ImapClient.signedIn(port, name, PASSWORD)
    t.after(() => client.close())
    return { name, client }
  }
  const owner = await join()
  const guest = await join()
  await owner.client.ok(`CREATE ${FOLDER}`)
  for (const each of mails) await owner.client.ok(`APPEND ${FOLDER} {}`, each)
  const give = (letters: string, who = `${guest.name}@example.test`) =>
    owner.client.ok(`SETACL ${FOLDER} ${who} "${letters}"`)
  if (rights !== '') await give(rights)
  return {
    port,
    owner: owner.client,
    ownerName: owner.name,
    guest: guest.client,
    guestName: guest.name,
    give,
    path: `"Other Users/${owner.name}@example.test/${FOLDER}"`,
    join,
  }
}

const codeOf = (text: string) => /^\[([A-Z-]+)/.exec(text)?.[1]

describe('SETACL, GETACL, DELETEACL, LISTRIGHTS, MYRIGHTS', () => {
  it('give, tell and take rights', async (t) => {
    const { owner, guest, give, guestName, ownerName, path } = await two(t)
    const acl = async () => (await owner.ok(`GETACL ${FOLDER}`)).lines[0]?.replace(`* ACL ${FOLDER} `, '')
    const self = `${ownerName}@example.test "${RIGHTS}cd"`
    assert.equal(await acl(), self)
    await give('lr')
    assert.equal(await acl(), `${self} ${guestName}@example.test "lr"`)
    await give('+sx')
    await give('-s')
    assert.equal(await acl(), `${self} ${guestName}@example.test "lrxc"`)
    await give('l', 'anyone')
    assert.equal(await acl(), `${self} ${guestName}@example.test "lrxc" anyone "l"`)
    await owner.ok(`DELETEACL ${FOLDER} ${guestName}@example.test`)
    assert.equal(await acl(), `${self} anyone "l"`)
    assert.equal((await guest.ok(`MYRIGHTS ${path}`)).lines[0], `* MYRIGHTS ${path} "l"`)
    assert.equal((await owner.ok(`MYRIGHTS ${FOLDER}`)).lines[0], `* MYRIGHTS ${FOLDER} "${RIGHTS}cd"`)
    assert.match(
      (await owner.ok(`LISTRIGHTS ${FOLDER} ${guestName}@example.test`)).lines[0] ?? '',
      / "" l r s w i p k x t e a c d$/,
    )
    assert.match(
      (await owner.ok(`LISTRIGHTS ${FOLDER} ${ownerName}@example.test`)).lines[0] ?? '',
      new RegExp(`"${RIGHTS}cd"$`),
    )
    await owner.ok(`DELETEACL ${FOLDER} anyone`)
  })

  it('refuse what cannot be given, and everybody without the right to', async (t) => {
    const { owner, guest, give, guestName, ownerName, path } = await two(t, 'lrswipkxte')
    await access.person('elsewhere.test')
    const stranger = [...access.ids.keys()].at(-1)
    for (const who of [
      `${stranger}@elsewhere.test`,
      'nobody@example.test',
      'nonsense',
      `${ownerName}@example.test`,
      `-${guestName}@example.test`,
    ])
      assert.equal((await owner.send(`SETACL ${FOLDER} ${who} "lr"`)).status, 'NO', who)
    assert.equal((await owner.send(`SETACL ${FOLDER} ${guestName}@example.test "lz"`)).status, 'BAD')
    assert.equal((await owner.send(`SETACL Nowhere anyone "l"`)).status, 'NO')
    for (const command of [
      `SETACL ${path} anyone "lr"`,
      `DELETEACL ${path} anyone`,
      `GETACL ${path}`,
      `LISTRIGHTS ${path} anyone`,
    ])
      assert.equal(codeOf((await guest.send(command)).text), 'NOPERM', command)
    await give('lra')
    await guest.ok(`SETACL ${path} anyone "l"`)
    assert.match((await owner.ok(`GETACL ${FOLDER}`)).lines[0] ?? '', /anyone "l"$/)
    await owner.ok(`DELETEACL ${FOLDER} anyone`)
  })
})

describe('a shared folder', () => {
  it('is listed in the namespace of others, with its levels, status and rights', async (t) => {
    const { guest, path, ownerName, owner, guestName } = await two(t, 'lr', mail('one'))
    assert.equal((await guest.ok('NAMESPACE')).lines[0], '* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL')
    const { lines } = await guest.ok('LIST "" "Other Users*" RETURN (SUBSCRIBED MYRIGHTS STATUS (MESSAGES))')
    assert.deepEqual(lines, [
      `* LIST (\\HasNoChildren \\Subscribed) "/" ${path}`,
      `* MYRIGHTS ${path} "lr"`,
      `* STATUS ${path} (MESSAGES 1)`,
      '* LIST (\\Noselect \\HasChildren) "/" "Other Users"',
      `* LIST (\\Noselect \\HasChildren) "/" "Other Users/${ownerName}@example.test"`,
    ])
    assert.equal((await guest.ok('LIST "" "%"')).lines.filter((line) => line.includes('Other')).length, 1)
    assert.ok((await guest.ok('LSUB "" "*"')).lines.includes(`* LSUB () "/" ${path}`))
    await owner.ok(`CREATE ${FOLDER}/Below`)
    assert.equal((await guest.ok('LIST "" "Other Users/*"')).lines.length, 2, 'what is below is not shared with it')
    await owner.ok(`SETACL ${FOLDER}/Below ${guestName}@example.test l`)
    assert.match((await guest.ok(`LIST "" ${path}`)).lines[0] ?? '', /\\HasChildren/)
    assert.ok(!(await owner.ok('LIST "" "*"')).lines.join().includes('Other Users'))
    assert.equal((await guest.ok(`SUBSCRIBE ${path}`)).status, 'OK')
    assert.equal((await guest.send(`UNSUBSCRIBE ${path}`)).status, 'NO')
    assert.equal((await guest.ok(`GETQUOTAROOT ${path}`)).lines.length, 1)
  })

  it('is read with r, and tells what the owner does', async (t) => {
    const { guest, owner, path } = await two(t, 'lr', mail('one'), mail('two'))
    const selected = await guest.ok(`SELECT ${path}`)
    assert.match(selected.text, /^\[READ-ONLY\]/)
    assert.ok(selected.lines.includes('* 2 EXISTS'))
    assert.ok(selected.lines.some((line) => line.includes('[PERMANENTFLAGS ()]')))
    assert.match((await guest.ok('FETCH 1 BODY[]')).lines[0] ?? '', /Subject: one/)
    assert.equal((await guest.ok('SEARCH BODY hello')).lines[0], '* SEARCH 1 2')
    assert.equal((await guest.ok('SORT (REVERSE ARRIVAL) UTF-8 ALL')).lines[0], '* SORT 2 1')
    assert.match((await guest.ok('FETCH 1:2 (SAVEDATE THREADID PREVIEW)')).lines[0] ?? '', /SAVEDATE "/)
    assert.equal((await owner.ok(`STATUS ${FOLDER} (UNSEEN)`)).lines[0], `* STATUS ${FOLDER} (UNSEEN 2)`)
    guest.raw('i IDLE\r\n')
    assert.equal(await guest.line(), '+ idling')
    await owner.ok(`APPEND ${FOLDER} {}`, mail('three'))
    assert.equal(await guest.line(), '* 3 EXISTS')
    guest.raw('DONE\r\n')
    assert.match(await guest.line(), /^i OK/)
    const copied = await guest.ok('COPY 1 INBOX')
    assert.match(copied.text, /^\[COPYUID \d+ \d+ \d+\]/)
    await guest.ok('SELECT INBOX')
    assert.match((await guest.ok('FETCH 1 BODY.PEEK[]')).lines[0] ?? '', /Subject: one/)
  })

  it('is changed right by right', async (t) => {
    const { guest, give, path } = await two(t, 'lr', mail('one'), mail('two'))
    const tried = async (letters: string, command: string, ...literals: readonly string[]) => {
      await give('lr')
      await give(`+${letters}`)
      await guest.ok(`SELECT ${path}`)
      return guest.send(command, ...literals)
    }
    const commands: readonly [right: string, command: string, ...literals: readonly string[]][] = [
      ['s', 'STORE 1 +FLAGS (\\Seen)'],
      ['w', 'STORE 1 +FLAGS (\\Flagged Work)'],
      ['t', 'STORE 1 +FLAGS (\\Deleted)'],
      ['i', `APPEND ${path} {}`, mail('more')],
      ['k', `CREATE ${path.slice(0, -1)}/Made"`],
      ['te', 'UID EXPUNGE 1:*'],
    ]
    for (const [right, command, ...literals] of commands) {
      const others = 'swite'.replace(new RegExp(`[${right}]`, 'g'), '')
      assert.equal(codeOf((await tried(others, command, ...literals)).text), 'NOPERM', `${command} with ${others}`)
      // EXPUNGE needs a mailbox that is not read only.
      assert.equal((await tried(right, command, ...literals)).status, 'OK', `${command} with ${right}`)
    }
    // What may be changed is, the rest stays (RFC 4314 §4).
    const { lines } = await tried('w', 'STORE 1 FLAGS (\\Answered \\Deleted)')
    assert.match(lines[0] ?? '', /FLAGS \(\\Answered\)/)
    const moved = await tried('t', 'MOVE 1 INBOX')
    assert.equal(codeOf(moved.text), 'NOPERM')
    assert.match((await tried('te', 'MOVE 1 INBOX')).lines.join(), /COPYUID.*EXPUNGE/s)
    assert.equal(codeOf((await tried('te', `REPLACE 1 ${path} {}`, mail('new'))).text), 'NOPERM')
    assert.equal((await tried('tei', `REPLACE 1 ${path} {}`, mail('new'))).status, 'OK')
    assert.equal((await tried('tei', 'REPLACE 1 Drafts {}', mail('new'))).status, 'OK')
    assert.equal(codeOf((await tried('e', `DELETE ${path.slice(0, -1)}/Made"`)).text), 'NOPERM')
    assert.equal(codeOf((await tried('', `RENAME ${path} Mine`)).text), 'CANNOT')
    assert.equal(codeOf((await tried('', `CREATE "Other Users/x"`)).text), 'CANNOT')
  })

  it('takes messages from elsewhere, with the flags that may be set', async (t) => {
    const { guest, owner, path } = await two(t, 'lri', mail('one'))
    await guest.ok('APPEND INBOX (\\Seen \\Flagged) {}', mail('gift'))
    await guest.ok('SELECT INBOX')
    assert.match((await guest.ok(`COPY 1 ${path}`)).text, /COPYUID/)
    assert.match((await guest.ok(`MOVE 1 ${path}`)).lines.join(), /COPYUID.*\* 1 EXPUNGE/)
    await owner.ok(`SELECT ${FOLDER}`)
    const { lines } = await owner.ok('FETCH 2:3 (FLAGS BODY.PEEK[])')
    for (const line of lines) assert.match(line, /FLAGS \(\).*Subject: gift/s)
  })

  it('is one with all that anyone in the domain may do, and nobody outside', async (t) => {
    const { owner, path, join, port } = await two(t, '', mail('one'))
    await owner.ok(`SETACL ${FOLDER} anyone lr`)
    const { client } = await join()
    assert.equal((await client.ok(`EXAMINE ${path}`)).status, 'OK')
    const name = await access.person('elsewhere.test')
    const outside = await ImapClient.connect(port)
    t.after(() => outside.close())
    await outside.ok(`LOGIN ${name}@elsewhere.test "${PASSWORD}"`)
    assert.equal(codeOf((await outside.send(`EXAMINE ${path}`)).text), 'NONEXISTENT')
    assert.ok(!(await outside.ok('LIST "" "*"')).lines.join().includes('Other Users'))
    await owner.ok(`DELETEACL ${FOLDER} anyone`)
  })
})

describe('whoever has no right', () => {
  it('cannot tell a folder that is there from one that is not', async (t) => {
    const { guest, path } = await two(t, '', mail('secret'))
    const commands = (name: string): readonly (readonly [string, ...string[]])[] => [
      [`SELECT ${name}`],
      [`EXAMINE ${name}`],
      [`STATUS ${name} (MESSAGES)`],
      [`MYRIGHTS ${name}`],
      [`GETACL ${name}`],
      [`SETACL ${name} anyone lr`],
      [`LISTRIGHTS ${name} anyone`],
      [`DELETE ${name}`],
      [`RENAME ${name} Mine`],
      [`CREATE ${name.slice(0, -1)}/Below"`],
      [`SUBSCRIBE ${name}`],
      [`GETQUOTAROOT ${name}`],
      [`APPEND ${name} {}`, mail('x')],
      [`APPEND INBOX CATENATE (URL "/${name.slice(1, -1).replaceAll(' ', '%20')}/;UID=8")`],
      [`COPY 1 ${name}`],
      [`MOVE 1 ${name}`],
      [`REPLACE 1 ${name} {}`, mail('x')],
    ]
    await guest.ok('APPEND INBOX {}', mail('own'))
    await guest.ok('SELECT INBOX')
    const nowhere = path.replace(FOLDER, 'Nothing')
    for (const [i, [command, ...literals]] of commands(path).entries()) {
      const there = await guest.send(command, ...literals)
      const [other = '', ...same] = commands(nowhere)[i] ?? []
      if (command.startsWith('SELECT') || command.startsWith('EXAMINE')) await guest.ok('SELECT INBOX')
      const missing = await guest.send(other, ...same)
      if (command.startsWith('SELECT') || command.startsWith('EXAMINE')) await guest.ok('SELECT INBOX')
      assert.equal(there.status, 'NO', command)
      assert.equal(there.text, missing.text.replace('Nothing', FOLDER), command)
      assert.deepEqual(there.lines, missing.lines, command)
    }
    assert.ok(!(await guest.ok('LIST "" "*"')).lines.join().includes('Other Users'))
  })

  it('has none from the next command on, also in the middle of a session', async (t) => {
    const { guest, give, owner, path, guestName } = await two(t, 'lrswte', mail('one'), mail('two'))
    await guest.ok(`SELECT ${path}`)
    await guest.ok('STORE 1 +FLAGS (\\Seen)')
    await give('lr')
    assert.equal(codeOf((await guest.send('STORE 2 +FLAGS (\\Seen)')).text), 'NOPERM')
    assert.equal((await guest.ok('FETCH 2 FLAGS')).lines.length, 1)
    await owner.ok(`DELETEACL ${FOLDER} ${guestName}@example.test`)
    const last = await guest.send('FETCH 1 BODY[]')
    assert.equal(last.status, 'BYE')
    assert.ok(!last.lines.join().includes('Subject'))
  })

  it('is told nothing more in IDLE either', async (t) => {
    const { guest, owner, path, guestName } = await two(t, 'lr', mail('one'))
    await guest.ok(`SELECT ${path}`)
    guest.raw('i IDLE\r\n')
    await guest.line()
    await owner.ok(`DELETEACL ${FOLDER} ${guestName}@example.test`)
    await owner.ok(`APPEND ${FOLDER} {}`, mail('two'))
    assert.match(await guest.line(), /^\* BYE/)
  })
})
