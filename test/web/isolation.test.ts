import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { RIGHTS } from '../../domain/account/sharing.ts'
import { startWeb } from '../support/web-server.ts'

test("what is another account's is not there, by whatever way it is asked for", async (t) => {
  const { server, alice, bob } = await startWeb(t)
  const secret = 'zweihundertfuenfzig'
  const id = await server.deliver(alice, {
    subject: `Secret ${secret}`,
    html: `<p>${secret}</p><img src="cid:x@y">`,
    attachments: [{ filename: `${secret}.txt`, type: 'text/plain', bytes: Buffer.from(secret) }],
  })
  const own = await server.graphql(
    alice,
    `{ message(id: "${id}") { folderId threadId bodyUrl attachments { url } } folders { id } }`,
  )
  const { folderId, threadId, attachments } = own.data.message
  // Not even with every right that IMAP knows: the web shows a person's own folders.
  const share = { type: 'ShareFolder' as const, folderId, with: bob.id, rights: RIGHTS }
  const shared = await changeAccount(server.everpost.journal, contextOf(alice.id, 'imap'), alice.id, share)
  assert.ok(shared.ok)
  const upload = await server.request('POST', '/attachments?filename=a.txt', {
    token: alice.token,
    body: secret,
    headers: { 'content-type': 'text/plain' },
  })
  assert.equal(upload.status, 201)
  const sent = await server.graphql(
    alice,
    `mutation { sendMessage(input: { to: [{ address: "far@elsewhere.example" }], subject: "${secret}", text: "x", sendAt: "2030-01-01T00:00:00Z" }) { messageId submissionId } }`,
  )
  const { messageId, submissionId } = sent.data.sendMessage
  const draft = await server.graphql(alice, `mutation { saveDraft(input: { subject: "${secret}" }) { messageId } }`)
  await server.settle()
  await server.deliver(bob, { subject: 'Something else' })

  const revisionOfBob = async () => (await server.graphql(bob, '{ me { revision } }')).data.me.revision
  const before = await revisionOfBob()
  const documents = [
    `{ message(id: "${id}") { subject text html } }`,
    `{ message(id: "${messageId}") { subject } }`,
    `{ thread(id: "${threadId}") { subject messages { id subject } } }`,
    `{ messages(folderId: "${folderId}") { totalCount edges { node { id subject } } } }`,
    `{ search(query: "${secret}") { totalCount edges { node { id subject } } } }`,
    `{ search(query: "in:inbox") { edges { node { id subject } } } }`,
    `{ history(messageId: "${id}") { type summary actor } }`,
    `{ mailboxAt(time: "${new Date().toISOString()}") { folders { id } messages(folderId: "${folderId}") { edges { node { id subject } } } } }`,
    '{ submissions { id subject } folders { id } me { id address } }',
    `mutation { cancelSend(submissionId: "${submissionId}") { cancelled } }`,
    `mutation { setFlags(messageIds: ["${id}"], add: ["\\\\seen"]) { revision } }`,
    `mutation { moveMessages(messageIds: ["${id}"], folderId: "${folderId}") { revision } }`,
    `mutation { copyMessages(messageIds: ["${id}"], folderId: "${folderId}") { revision } }`,
    `mutation { deleteMessages(messageIds: ["${id}"]) { revision } }`,
    `mutation { restoreMessages(messageIds: ["${id}"]) { revision } }`,
    `mutation { renameFolder(folderId: "${folderId}", name: "mine") { revision } }`,
    `mutation { deleteFolder(folderId: "${folderId}") { revision } }`,
    `mutation { createFolder(name: "x", parentId: "${folderId}") { revision } }`,
    `mutation { sendMessage(input: { to: [{ address: "${bob.address}" }], inReplyTo: "${id}" }) { revision } }`,
    `mutation { sendMessage(input: { to: [{ address: "${bob.address}" }], forwardOf: "${id}" }) { revision } }`,
    `mutation { sendMessage(input: { to: [{ address: "${bob.address}" }], forwardAttachments: [{ messageId: "${id}", section: "2" }] }) { revision } }`,
    `mutation { sendMessage(input: { to: [{ address: "${bob.address}" }], attachmentIds: ["${upload.json.id}"] }) { revision } }`,
    `mutation { sendMessage(input: { from: { address: "${alice.address}" }, to: [{ address: "${bob.address}" }] }) { revision } }`,
    `mutation { sendMessage(input: { to: [{ address: "${bob.address}" }], draftId: "${draft.data.saveDraft.messageId}" }) { revision } }`,
    `mutation { saveDraft(input: { subject: "x" }, replaces: "${draft.data.saveDraft.messageId}") { revision } }`,
  ]
  const ids = [alice.id, id, folderId, messageId, submissionId, secret, alice.address]
  for (const document of documents) {
    const answer = await server.request('POST', '/graphql', { token: bob.token, json: { query: document } })
    // What was asked with may be named again in an error; nothing else of it may come back.
    const text = JSON.stringify(answer.json.data ?? null)
    for (const each of ids) assert.ok(!text.includes(each), `${document} -> ${answer.text}`)
    if (document.startsWith('mutation')) assert.ok(answer.json.errors, `${document} -> ${answer.text}`)
  }
  assert.equal(await revisionOfBob(), before, 'and nothing was written')

  for (const path of [
    `/folders/${folderId}/message`,
    `/message/${id}`,
    `/message/${id}/raw`,
    `/message/${id}/history`,
    attachments[0].url,
    `/message/${messageId}`,
  ]) {
    const answer = await server.request('GET', path, { token: bob.token })
    assert.equal(answer.status, 404, `${path} -> ${answer.text}`)
    assert.equal((await server.request('GET', path, { token: alice.token })).status, 200, path)
    assert.equal((await server.request('GET', path)).status, 401, path)
  }
  const restSend = await server.request('POST', '/message', {
    token: bob.token,
    json: { to: bob.address, attachments: [upload.json.id] },
  })
  assert.equal(restSend.status, 422)
  const forged = await server.request('POST', '/message', {
    token: bob.token,
    body: `From: ${alice.address}\r\nTo: ${bob.address}\r\n\r\nhi`,
    headers: { 'content-type': 'message/rfc822' },
  })
  assert.equal(forged.status, 422)
  const untouched = await server.graphql(alice, `{ message(id: "${id}") { flags folderId } submissions { state } }`)
  assert.deepEqual(untouched.data, { message: { flags: [], folderId }, submissions: [{ state: 'pending' }] })
})

test('history says of other people only that there was one', async (t) => {
  const { server, alice, bob } = await startWeb(t)
  await server.graphql(
    alice,
    `mutation { sendMessage(input: { to: [{ address: "${bob.address}" }], subject: "hi", text: "x" }) { revision } }`,
  )
  await server.settle()
  const { data } = await server.graphql(bob, '{ search(query: "hi") { edges { node { id } } } folders { id role } }')
  const inbox = data.folders.find((folder: { role: string }) => folder.role === 'INBOX')
  const list = await server.graphql(bob, `{ messages(folderId: "${inbox.id}") { edges { node { id } } } }`)
  const id = list.data.messages.edges[0].node.id
  const history = await server.request('GET', `/message/${id}/history`, { token: bob.token })
  assert.equal(history.status, 200)
  assert.ok(!history.text.includes(alice.id), history.text)
  assert.ok(history.json.length >= 2)
})

test('an erased account is nobody, at once and everywhere', async (t) => {
  const { server, alice } = await startWeb(t)
  const id = await server.deliver(alice, { html: '<p>x</p>' })
  const { data } = await server.graphql(alice, `{ message(id: "${id}") { bodyUrl } }`)
  const { eraseAccount } = await import('../../commands/change-account.ts')
  const { contextOf } = await import('../../commands/context.ts')
  assert.equal((await server.request('GET', data.message.bodyUrl)).status, 200)
  await eraseAccount(server.everpost.services, contextOf('system', 'cli'), alice.id)
  server.everpost.services.forgetKey(alice.id)
  await server.settle()
  assert.equal((await server.request('GET', '/folders', { token: alice.token })).status, 401)
  assert.equal((await server.request('GET', data.message.bodyUrl)).status, 404)
})
