// The queue and slowed accounts over GraphQL: an administrator sees and changes them, nobody else does.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { openAccount } from '../../commands/open-account.ts'
import { newSecret } from '../../commands/passwords.ts'
import { submissionStream } from '../../domain/log.ts'
import { typesOf } from '../support/journal.ts'
import { type Person, startWeb } from '../support/web-server.ts'

async function start(t: TestContext) {
  const { server, alice, bob } = await startWeb(t)
  const { everpost } = server
  const address = `root@${everpost.config.domain}`
  const opened = await openAccount(everpost.services, contextOf('system', 'system'), { address, role: 'admin' })
  assert.ok(opened.ok)
  const { hash, secret } = newSecret()
  const id = opened.accountId
  const password = { type: 'AddAppPassword', appPasswordId: newId(), label: 'test', hash } as const
  await changeAccount(everpost.journal, contextOf(id, 'cli'), id, password)
  const admin: Person = { id, address, token: `ep_${id}_${secret}` }
  const sent = await server.graphql(
    alice,
    'mutation { sendMessage(input: { to: [{ address: "far@elsewhere.example" }], subject: "x", text: "x", sendAt: "2030-01-01T00:00:00Z" }) { submissionId messageId } }',
  )
  await server.settle()
  return { server, alice, bob, admin, ...(sent.data.sendMessage as { submissionId: string; messageId: string }) }
}

test('an administrator sees the mail of everybody that waits, tries it again and takes it back', async (t) => {
  const { server, admin, alice, submissionId } = await start(t)
  const { data } = await server.graphql(admin, '{ queue { accountId mailFrom nextAttemptAt submission { id state } } }')
  assert.deepEqual(data.queue, [
    {
      accountId: alice.id,
      mailFrom: alice.address,
      nextAttemptAt: '2030-01-01T00:00:00.000Z',
      submission: { id: submissionId, state: 'pending' },
    },
  ])
  const retried = await server.graphql(admin, `mutation { retrySubmission(submissionId: "${submissionId}") }`)
  assert.equal(retried.data.retrySubmission, true)
  const cancelled = await server.graphql(admin, `mutation { cancelSubmission(submissionId: "${submissionId}") }`)
  assert.equal(cancelled.data.cancelSubmission, true)
  await server.settle()
  assert.deepEqual((await server.graphql(admin, '{ queue { accountId } }')).data.queue, [])
  assert.deepEqual(await typesOf(server.everpost.journal, submissionStream(submissionId)), [
    'MessageSubmitted',
    'RetryRequested',
    'SendCancelled',
    'SubmissionCompleted',
  ])
  const again = await server.graphql(admin, `mutation { cancelSubmission(submissionId: "${submissionId}") }`)
  assert.match(again.errors?.[0]?.message ?? '', /no such submission that waits/)
})

test('an administrator sees who is slowed, and lets them send again', async (t) => {
  const { server, admin, alice } = await start(t)
  const now = Date.now()
  const slow = {
    type: 'SlowSending',
    reason: 'bounces',
    detail: 'Much bounced',
    until: now + 3_600_000,
    at: now,
  } as const
  await changeAccount(server.everpost.journal, contextOf('system', 'system'), alice.id, slow)
  await server.settle()
  const { data } = await server.graphql(admin, '{ slowedAccounts { id address reason detail until } }')
  assert.deepEqual(data.slowedAccounts, [
    {
      id: alice.id,
      address: alice.address,
      reason: 'bounces',
      detail: 'Much bounced',
      until: new Date(now + 3_600_000).toISOString(),
    },
  ])
  const resumed = await server.graphql(admin, `mutation { resumeSending(accountId: "${alice.id}") }`)
  assert.equal(resumed.data.resumeSending, true)
  await server.settle()
  assert.deepEqual((await server.graphql(admin, '{ slowedAccounts { id } }')).data.slowedAccounts, [])
  const nobody = await server.graphql(admin, `mutation { resumeSending(accountId: "${'a'.repeat(26)}") }`)
  assert.ok(nobody.errors)
})

test('anybody else is refused, for their own mail too, and nothing changes', async (t) => {
  const { server, alice, bob, submissionId } = await start(t)
  for (const person of [alice, bob]) {
    for (const document of [
      '{ queue { accountId } }',
      '{ slowedAccounts { id } }',
      `mutation { retrySubmission(submissionId: "${submissionId}") }`,
      `mutation { cancelSubmission(submissionId: "${submissionId}") }`,
      `mutation { resumeSending(accountId: "${person.id}") }`,
    ]) {
      const { data, errors } = await server.graphql(person, document)
      assert.equal(errors?.[0]?.message, 'Only administrators may do that.', document)
      assert.equal(data ?? null, null, document)
    }
  }
  assert.deepEqual(await typesOf(server.everpost.journal, submissionStream(submissionId)), ['MessageSubmitted'])
})

test('cancelSend answers with the draft that the message is again', async (t) => {
  const { server, alice, submissionId, messageId } = await start(t)
  const { data } = await server.graphql(
    alice,
    `mutation { cancelSend(submissionId: "${submissionId}") { cancelled messageId revision } }`,
  )
  assert.equal(data.cancelSend.cancelled, true)
  assert.equal(data.cancelSend.messageId, messageId)
  await server.settle()
  const after = await server.graphql(alice, `{ message(id: "${messageId}") { flags folderId } folders { id role } }`)
  const drafts = after.data.folders.find((folder: { role: string }) => folder.role === 'DRAFTS')
  assert.equal(after.data.message.folderId, drafts.id)
  assert.ok(after.data.message.flags.includes('\\draft'))
})
