// What people teach by moving mail, from the SMTP session to the verdict on the next message, and the same after a rebuild.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eraseAccount } from '../../commands/change-account.ts'
import { changeMailbox } from '../../commands/change-mailbox.ts'
import { contextOf } from '../../commands/context.ts'
import { folderIdFor } from '../../commands/open-account.ts'
import { factsOf } from '../../domain/filter/signals.ts'
import { isRedacted, mailboxStream } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { BuiltinFilter } from '../../infra/adapters/mail-filter/builtin.ts'
import { startWeb } from '../support/web-server.ts'

const SPAM = ['winning lottery ticket claim', 'lottery ticket winning numbers', 'claim your lottery winnings ticket']
const HAM = ['minutes of the gardening club', 'gardening club agenda tomatoes', 'tomatoes seeds from the club']

describe('training', () => {
  it('is moving mail to and from Junk; it survives a rebuild, and an erased account takes its own away', async (t) => {
    const { server, alice, bob } = await startWeb(t)
    const { everpost } = server
    const { filter, mailbox } = everpost.projectors
    const junk = folderIdFor(alice.id, 'junk')
    const inbox = folderIdFor(alice.id, 'inbox')
    const move = async (messageIds: readonly string[], folderId: string) => {
      const moved = await changeMailbox(
        { ...everpost.services, snapshots: mailbox },
        contextOf(alice.id, 'imap'),
        alice.id,
        {
          type: 'MoveMessages',
          messageIds,
          folderId,
        },
      )
      assert.ok(moved.ok)
    }
    const ids: { spam: string[]; ham: string[] } = { spam: [], ham: [] }
    for (let i = 0; i < 12; i++) {
      const spam = { subject: SPAM[i % 3] as string, text: `${SPAM[(i + 1) % 3]} number ${i}` }
      const ham = { subject: HAM[i % 3] as string, text: `${HAM[(i + 1) % 3]} number ${i}` }
      ids.spam.push(await server.deliver(alice, spam, { wait: false }))
      ids.ham.push(await server.deliver(alice, ham, { wait: false }))
    }
    await server.settle()
    const engine = new BuiltinFilter(filter, everpost.features)
    const judge = async (text: string) => {
      const raw = Buffer.from(
        `From: x@elsewhere.test\r\nTo: alice@example.test\r\nMessage-ID: <a@b.test>\r\nDate: Sun, 01 Mar 2026 09:30:05 +0000\r\nSubject: ${text}\r\n\r\n${text}\r\n`,
      )
      const mail = readMail(raw)
      const message = {
        ...{ intakeId: 'i', mailFrom: 'x@elsewhere.test', remoteAddress: '192.0.2.1', helo: 'x', at: 0 },
        ...{ mail, beginning: raw, size: raw.length, facts: factsOf(raw, mail), read: async function* () {} },
        recipients: [{ accountId: alice.id, address: alice.address }],
      }
      const { opinion, ofAccount } = await engine.check(message)
      const learned = (of: typeof opinion | undefined) => of?.reasons.find(({ rule }) => rule === 'learned')?.score ?? 0
      return { all: learned(opinion), own: learned(ofAccount?.get(alice.id)) }
    }
    assert.deepEqual(await judge(SPAM[0] as string), { all: 0, own: 0 }, 'nobody has taught anything')

    await move(ids.spam, junk)
    await move(ids.ham, junk)
    await move(ids.ham, inbox)
    await server.settle()
    assert.equal(
      (await filter.examples({ account: alice.id, first: 100 })).filter(({ label }) => label === 'spam').length,
      12,
    )
    const spam = await judge('a lottery ticket for you to claim')
    const ham = await judge('tomatoes for the gardening club')
    assert.ok(spam.all > 3 && spam.own > 3, JSON.stringify(spam))
    assert.ok(ham.all < -3 && ham.own < -3, JSON.stringify(ham))
    assert.deepEqual(await filter.examples({ account: bob.id, first: 10 }), [], 'nobody else has them')

    const [rebuilt] = (await everpost.projectors.rebuild('filter')).projections
    assert.equal(rebuilt?.same, true)
    assert.equal((await judge('a lottery ticket for you to claim')).own, spam.own)

    // Thrown away from Junk: that does not make it wanted.
    await move([ids.spam[0] as string], folderIdFor(alice.id, 'trash'))
    await server.settle()
    assert.equal(
      (await filter.examples({ account: alice.id, first: 100 })).filter(({ label }) => label === 'spam').length,
      12,
    )

    const erased = await eraseAccount(everpost.services, contextOf('system', 'cli'), alice.id)
    assert.ok(erased.ok)
    everpost.services.forgetKey(alice.id)
    await server.settle()
    assert.deepEqual(await filter.examples({ first: 100 }), [], 'nothing that she taught is left')
    assert.equal(await filter.trainingVersion(), 'null:0')
    assert.deepEqual(await judge(SPAM[0] as string), { all: 0, own: 0 }, 'nor is the model')
    assert.equal((await everpost.projectors.rebuild('filter')).projections[0]?.same, true)
  })

  it('keeps no words: an example is numbers, and an arrival names its signals only hashed', async (t) => {
    const { server, alice } = await startWeb(t)
    await server.deliver(alice, { subject: 'Zanzibar', text: 'Zanzibar' })
    for await (const event of server.everpost.journal.readStream(mailboxStream(alice.id))) {
      if (isRedacted(event) || event.type !== 'MessageReceived') continue
      assert.equal(event.data.content.signals, undefined, 'no filter saw it')
    }
  })
})
