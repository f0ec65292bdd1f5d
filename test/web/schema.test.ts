import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { getIntrospectionQuery } from 'graphql'
import { MAX_COST } from '../../gateways/graphql/limits.ts'
import { prepare } from '../../gateways/graphql/prepare.ts'
import { isCurrent, schema } from '../../gateways/graphql/schema.ts'
import { openApi } from '../../gateways/rest/openapi.ts'
import { startWeb } from '../support/web-server.ts'

test('schema.graphql is what the types say', () => {
  const written = readFileSync(new URL('../../gateways/graphql/schema.graphql', import.meta.url), 'utf8')
  assert.ok(isCurrent(written), 'stale: node gateways/graphql/print.ts')
})

test('the names that others rely on are in the schema', () => {
  const fields = (type: string) => Object.keys((schema.getType(type) as never as { getFields(): object }).getFields())
  for (const name of ['me', 'folders', 'messages', 'message', 'thread', 'search', 'history', 'mailboxAt'])
    assert.ok(fields('Query').includes(name), name)
  for (const name of [
    'sendMessage',
    'cancelSend',
    'setFlags',
    'moveMessages',
    'deleteMessages',
    'restoreMessages',
    'createFolder',
  ])
    assert.ok(fields('Mutation').includes(name), name)
  for (const name of [
    'id',
    'folderId',
    'uid',
    'threadId',
    'subject',
    'from',
    'to',
    'date',
    'receivedAt',
    'size',
    'flags',
    'snippet',
    'hasAttachment',
  ])
    assert.ok(fields('Message').includes(name), name)
})

test('introspection is within the limits', () => {
  const result = prepare({ query: getIntrospectionQuery() })
  assert.ok(result.ok, JSON.stringify(result))
  assert.ok(MAX_COST > 0)
})

test('OpenAPI describes every route, every operation has an id of its own, and every reference leads somewhere', async (t) => {
  const { server } = await startWeb(t)
  const document = (await server.request('GET', '/openapi.json')).json
  assert.deepEqual(document, JSON.parse(JSON.stringify(openApi(undefined))))
  const described = new Set<string>()
  const ids = new Set<string>()
  for (const [path, operations] of Object.entries<
    Record<string, { operationId: string; parameters?: { name: string; in: string }[] }>
  >(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      described.add(`${method.toUpperCase()} ${path}`)
      assert.ok(!ids.has(operation.operationId), operation.operationId)
      ids.add(operation.operationId)
      const inPath = (operation.parameters ?? []).filter((each) => each.in === 'path').map((each) => each.name)
      assert.deepEqual(
        inPath,
        [...path.matchAll(/\{(\w+)\}/g)].map((match) => String(match[1])),
        path,
      )
    }
  }
  const served = new Set(server.gateway.routes)
  assert.deepEqual([...described].sort(), [...served].sort())
  for (const [, name = ''] of JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
    assert.ok(document.components.schemas[name], name)
})

test('a list answered by its plan is the answer of the executor, to the byte', async (t) => {
  const { server, alice } = await startWeb(t)
  for (let n = 0; n < 7; n++)
    await server.deliver(
      alice,
      {
        subject: `Nr "${n}" \u2028 안녕 \\ \u0001`,
        to: [{ address: alice.address }, { name: 'Ünal', address: 'x@y.example' }],
      },
      { wait: n === 6 },
    )
  const folders = (await server.graphql(alice, '{ folders { id } }')).data.folders as { id: string }[]
  const id = folders[0]?.id
  const row =
    'id folderId uid threadId subject from { name address } to { address } date receivedAt size flags unread flagged snippet hasAttachment messageIdHeader rawUrl __typename'
  const queries = [
    `{ messages(folderId: "${id}") { edges { cursor node { ${row} } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount revision } }`,
    `{ messages(folderId: "${id}", first: 2) { totalCount edges { node { id alias: subject } } pageInfo { endCursor hasNextPage } } }`,
    `{ messages(folderId: "${id}", first: 3, offset: 2, filter: { unread: true }) { edges { cursor } pageInfo { hasPreviousPage } } }`,
    `{ messages(folderId: "${id}", filter: { from: "kim", hasAttachment: false, since: "2001-01-01T00:00:00Z" }) { totalCount edges { node { ...Row } } } } fragment Row on Message { id ... on Message { subject } }`,
    '{ folders { id name parentId role total unread uidValidity uidNext subscribed } }',
    `{ a: folders { id } b: messages(folderId: "${id}", first: 1) { revision } }`,
  ]
  for (const query of queries) {
    const prepared = prepare({ query })
    assert.ok(prepared.ok && prepared.prepared.plan, `no plan: ${query}`)
    const planned = await server.request('POST', '/graphql', { token: alice.token, json: { query } })
    const again = await server.request('POST', '/graphql', { token: alice.token, json: { query } })
    // A directive is the executor's.
    const executed = await server.request('POST', '/graphql', {
      token: alice.token,
      json: {
        query: query
          .replace(/^\{/, 'query A($no: Boolean = false) { ... @skip(if: $no) { __typename }')
          .replace(/\{ __typename \}/, '{ __typename }'),
      },
    })
    assert.equal(planned.status, 200, planned.text)
    assert.equal(again.text, planned.text)
    assert.equal(executed.text.replace('"__typename":"Query",', ''), planned.text)
  }
})

test('a cached list is never older than the mailbox', async (t) => {
  const { server, alice } = await startWeb(t)
  const first = await server.deliver(alice, {})
  const { folderId } = (await server.graphql(alice, `{ message(id: "${first}") { folderId } }`)).data.message
  const query = `{ messages(folderId: "${folderId}") { totalCount revision edges { node { id flags } } } }`
  const before = await server.graphql(alice, query)
  assert.equal(before.data.messages.totalCount, 1)
  for (let n = 0; n < 20; n++) {
    const { data } = await server.graphql(
      alice,
      `mutation { setFlags(messageIds: ["${first}"], ${n % 2 ? 'remove' : 'add'}: ["\\\\seen"]) { revision } }`,
    )
    const { revision } = data.setFlags
    await server.graphql(alice, `{ folders(atLeast: "${revision}") { id } }`)
    const after = await server.graphql(alice, query)
    assert.ok(BigInt(after.data.messages.revision) >= BigInt(revision))
    assert.deepEqual(after.data.messages.edges[0].node.flags, n % 2 ? [] : ['\\seen'])
  }
})
