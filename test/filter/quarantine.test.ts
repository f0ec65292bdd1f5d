// Held mail: who sees it, who may let it go, and that its bytes stay as long as somebody may want them.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { quarantineMail } from '../../commands/quarantine-mail.ts'
import type { FilterVerdict } from '../../domain/filter/verdict.ts'
import { readMail } from '../../domain/mail/read.ts'
import { runVerb } from '../../gateways/cli/run.ts'
import { reclaim } from '../../infra/compaction.ts'
import { type Person, startWeb } from '../support/web-server.ts'

const RAW = Buffer.from('From: x@elsewhere.test\r\nSubject: Invoice\r\n\r\nSee the program.\r\n')
const VERDICT: FilterVerdict = {
  action: 'quarantine',
  score: 1,
  reasons: [{ engine: 'attachments', rule: 'executable', score: 10, text: 'A Windows program is attached' }],
}

async function start(t: TestContext) {
  const parts = await startWeb(t)
  const { everpost } = parts.server
  const hold = async (people: readonly Person[], verdict = VERDICT) => {
    const intakeId = newId()
    await quarantineMail(everpost.journal, contextOf('smtp', 'smtp', { commandId: intakeId }), {
      intakeId,
      mailFrom: 'x@elsewhere.test',
      recipients: people.map(({ id, address }) => ({ accountId: id, address, verdict })),
      blob: await everpost.blobs.put(RAW),
      mail: readMail(RAW),
    })
    await parts.server.settle()
    return intakeId
  }
  const cli = async (...words: string[]) => {
    let out = ''
    let err = ''
    const io = {
      ...{ out: (text: string) => void (out += text), err: (text: string) => void (err += text) },
      ...{
        progress: () => undefined,
        stdin: async () => '',
        cwd: '.',
        columns: 80,
        signal: new AbortController().signal,
      },
    }
    const code = await runVerb(everpost.services, `${words[0]} ${words[1]}`, words.slice(2), io)
    return { code, out, err }
  }
  return { ...parts, hold, cli }
}

const LIST = '{ quarantine { id subject from recipient verdict { action malware reasons { rule text } } } }'
const RELEASE = 'mutation($id: ID!, $account: ID) { releaseQuarantined(id: $id, accountId: $account) { messageId } }'
const DROP = 'mutation($id: ID!) { dropQuarantined(id: $id) { id } }'
type Answer = { data?: Record<string, unknown>; errors?: { extensions: { code: string } }[] }

describe('quarantine', () => {
  it('is released by its owner: once, into the inbox, with the reasons', async (t) => {
    const { server, alice, bob, hold } = await start(t)
    const id = await hold([alice, bob])
    const ask = async (person: Person, query: string, variables = {}) => {
      const { data } = (await server.graphql(person, query, variables)) as Answer
      return { data: data ?? {} }
    }
    const listed = (await ask(alice, LIST)).data['quarantine'] as {
      subject: string
      verdict: { reasons: unknown[] }
    }[]
    assert.equal(listed.length, 1)
    assert.deepEqual([listed[0]?.subject, listed[0]?.verdict.reasons.length], ['Invoice', 1])
    const released = (await ask(alice, RELEASE, { id })).data['releaseQuarantined'] as { messageId: string }
    await server.settle()
    const again = (await ask(alice, RELEASE, { id })).data['releaseQuarantined']
    assert.deepEqual(again, released)
    const message = (
      await ask(
        alice,
        '{ folders { role total } message(id: "' +
          released.messageId +
          '") { subject text verdict { action reasons { text } } } }',
      )
    ).data
    assert.deepEqual(
      (message['folders'] as { role: string; total: number }[]).find(({ role }) => role?.toLowerCase() === 'inbox')
        ?.total,
      1,
    )
    assert.deepEqual((message['message'] as { subject: string }).subject, 'Invoice')
    assert.deepEqual((message['message'] as { verdict: FilterVerdict }).verdict.action, 'quarantine')
    assert.deepEqual((await ask(alice, LIST)).data['quarantine'], [])
    assert.equal(((await ask(bob, LIST)).data['quarantine'] as unknown[]).length, 1, 'that of another stays')
    const history = (await ask(alice, `{ history(messageId: "${released.messageId}") { type summary } }`)).data[
      'history'
    ]
    assert.deepEqual(
      (history as { type: string }[]).map(({ type }) => type),
      ['MailQuarantined', 'MessageReceived', 'MailReleased'],
    )
    const [rebuilt] = (await server.everpost.projectors.rebuild('filter')).projections
    assert.equal(rebuilt?.same, true)
  })

  it('keeps malware from everybody but administrators, and strangers from other people’s mail', async (t) => {
    const { server, alice, bob, hold, cli } = await start(t)
    const id = await hold([alice], { ...VERDICT, malware: true })
    const code = async (person: Person, query: string, variables: object) =>
      ((await server.graphql(person, query, variables as Record<string, unknown>)) as Answer).errors?.[0]?.extensions
        .code
    assert.equal(await code(alice, RELEASE, { id }), 'MALWARE')
    assert.equal(await code(bob, RELEASE, { id, account: alice.id }), 'FORBIDDEN')
    assert.equal(await code(bob, RELEASE, { id }), 'NOT_HELD')
    assert.equal(await code(bob, '{ quarantine(all: true) { id } }', {}), 'FORBIDDEN')
    const released = await cli('quarantine', 'release', alice.address, id, '--json')
    assert.equal(released.code, 0, released.err)
    assert.deepEqual(await server.everpost.projectors.filter.quarantine(alice.id), [])
  })

  it('is listed and dropped on the command line and by its owner; what was dropped cannot be had back', async (t) => {
    const { server, alice, hold, cli } = await start(t)
    const [first, second] = [await hold([alice]), await hold([alice])]
    const listed = JSON.parse((await cli('quarantine', 'list', '--json')).out) as { id: string; subject: string }[]
    assert.deepEqual(
      listed.map(({ id }) => id),
      [second, first],
    )
    assert.match((await cli('quarantine', 'list', alice.address)).out, /Invoice +A Windows program is attached/)
    assert.equal((await cli('quarantine', 'drop', alice.address, first)).code, 0)
    assert.ok(((await server.graphql(alice, DROP, { id: second })) as Answer).data)
    await server.settle()
    assert.equal((await cli('quarantine', 'list')).out, 'Nothing is held.\n')
    const refused = await cli('quarantine', 'release', alice.address, first)
    assert.deepEqual([refused.code, /no longer in quarantine/.test(refused.err)], [1, true])
  })

  it('keeps its bytes through compaction until it is dropped, and an erased account takes its own along', async (t) => {
    const { server, alice, bob, hold } = await start(t)
    const { everpost } = server
    const { projectors, journal: source, blobStore } = everpost
    const compact = () =>
      reclaim(
        {
          ...projectors,
          mailbox: projectors.mailbox,
          directory: projectors.directory,
          submissions: projectors.submissions,
          filter: projectors.filter,
          source,
          blobStore,
        },
        Date.now() + 10 * 86_400_000,
      )
    const id = await hold([alice])
    const row = await projectors.filter.quarantined(alice.id, id)
    assert.ok(row)
    assert.equal((await compact()).blobsDeleted, 0)
    assert.ok(RAW.equals(await everpost.blobs.read(row.section.blob)))
    await server.graphql(alice, DROP, { id })
    await server.settle()
    assert.equal((await compact()).blobsDeleted, 1)
    await hold([bob])
    const erased = await changeAccount(everpost.journal, contextOf('system', 'cli'), bob.id, {
      type: 'EraseAccount',
    } as never)
    assert.ok(erased.ok)
    await server.settle()
    assert.deepEqual(await projectors.filter.quarantine(bob.id), [])
  })
})
