import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { MailAccess } from '../support/mail-access.ts'
import { mail, personWith } from './people.ts'

let access: MailAccess
before(async () => {
  access = await MailAccess.start()
})
after(() => access.close())

const uidsIn = (lines: readonly string[]) => lines.flatMap((line) => /FETCH \(UID (\d+)/.exec(line)?.[1] ?? [])

describe('UID FETCH with PARTIAL (RFC 9394)', () => {
  it('answers the messages at some places of the set, from either end', async (t) => {
    const { client } = await personWith(access, t, mail('one'), mail('two'), mail('three'), mail('four'))
    await client.ok('SELECT INBOX')
    const all = uidsIn((await client.ok('UID FETCH 1:* FLAGS')).lines)
    const of = async (modifier: string) => uidsIn((await client.ok(`UID FETCH 1:* FLAGS (${modifier})`)).lines)
    assert.deepEqual(await of('PARTIAL 1:2'), all.slice(0, 2))
    assert.deepEqual(await of('PARTIAL -1:-2'), all.slice(2))
    assert.deepEqual(await of('PARTIAL 4:99'), all.slice(3))
    assert.deepEqual(await of('PARTIAL 5:9'), [])
    assert.deepEqual(await of('PARTIAL -2:-3'), all.slice(1, 3))
  })

  it('counts what changed when CHANGEDSINCE stands beside it', async (t) => {
    const { client } = await personWith(access, t, mail('one'), mail('two'), mail('three'))
    const since = /HIGHESTMODSEQ (\d+)/.exec((await client.ok('SELECT INBOX')).lines.join())?.[1]
    const all = uidsIn((await client.ok('UID FETCH 1:* FLAGS')).lines)
    await client.ok('STORE 1,3 +FLAGS (\\Flagged)')
    const reply = await client.ok(`UID FETCH 1:* FLAGS (PARTIAL -1:-1 CHANGEDSINCE ${since})`)
    assert.deepEqual(uidsIn(reply.lines), all.slice(2))
    const first = await client.ok(`UID FETCH 1:* FLAGS (CHANGEDSINCE ${since} PARTIAL 1:1)`)
    assert.deepEqual(uidsIn(first.lines), all.slice(0, 1))
  })

  it('is for UIDs alone, and a range has both ends on one side', async (t) => {
    const { client } = await personWith(access, t, mail('one'))
    await client.ok('SELECT INBOX')
    assert.equal((await client.send('FETCH 1:* FLAGS (PARTIAL 1:2)')).status, 'BAD')
    for (const range of ['0:1', '1:-1', '1', '-1', 'x:y', '1:2:3'])
      assert.equal((await client.send(`UID FETCH 1:* FLAGS (PARTIAL ${range})`)).status, 'BAD', range)
  })
})
