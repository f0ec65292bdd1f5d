import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { startWeb, type TestServer } from '../support/web-server.ts'

interface Hostile {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly json?: unknown
  readonly body?: string | Uint8Array
  readonly headers?: Record<string, string>
}

const graphql = (name: string, query: unknown, variables?: unknown): Hostile => ({
  name,
  method: 'POST',
  path: '/graphql',
  json: variables === undefined ? { query } : { query, variables },
})
const raw = (name: string, body: string | Uint8Array, path = '/graphql', type = 'application/json'): Hostile => ({
  name,
  method: 'POST',
  path,
  body,
  headers: { 'content-type': type },
})
const get = (path: string, headers: Record<string, string> = {}): Hostile => ({
  name: `GET ${path.slice(0, 80)} ${JSON.stringify(headers).slice(0, 60)}`,
  method: 'GET',
  path,
  headers,
})

/** Fields nested `depth` deep. */
const nested = (depth: number) =>
  `{ ${'thread(id: "t1") { messages { '.repeat(1)}${'... on Message { '.repeat(depth)} id ${'}'.repeat(depth)} } } }`
const deepSchema = (depth: number) =>
  `{ __schema { types { ${'fields { type { '.repeat(depth)} name ${'} }'.repeat(depth)} } } }`

function hostile(messageId: string, folderId: string): readonly Hostile[] {
  const list: Hostile[] = []
  const add = (...more: Hostile[]) => list.push(...more)
  // Documents
  add(
    graphql('depth bomb by introspection', deepSchema(15)),
    graphql('very deep introspection', deepSchema(200)),
    graphql('deep inline fragments', nested(700)),
    graphql('many tokens', `{ ${'me { id } '.repeat(1000)} }`),
    graphql('long document', `{ me { id ${' '.repeat(70_000)} } }`),
    graphql('braces', '{'.repeat(5000)),
    graphql('brackets in a value', `{ message(id: ${'['.repeat(1500)} ) { id } }`),
    graphql(
      'objects in a value',
      `{ messages(folderId: "x", filter: ${'{from:'.repeat(500)}"x"${'}'.repeat(500)}) { totalCount } }`,
    ),
    graphql('alias flood of a root field', `{ ${Array.from({ length: 21 }, (_, i) => `a${i}: me { id }`).join(' ')} }`),
    graphql('alias flood of a leaf', `{ me { ${Array.from({ length: 100 }, (_, i) => `a${i}: id`).join(' ')} } }`),
    graphql(
      'alias flood by fragments',
      `{ me { ...A ...B } } fragment A on Account { ${Array.from({ length: 15 }, (_, i) => `a${i}: id`).join(' ')} } fragment B on Account { ${Array.from({ length: 15 }, (_, i) => `b${i}: id`).join(' ')} }`,
    ),
    graphql('fragment cycle', '{ me { ...A } } fragment A on Account { ...B } fragment B on Account { ...A }'),
    graphql('fragment on itself', '{ me { ...A } } fragment A on Account { ...A }'),
    graphql(
      'fragment doubling',
      `{ me { ...F0 } } ${Array.from({ length: 30 }, (_, i) => `fragment F${i} on Account { ...F${i + 1} ...F${i + 1} x${i}: id }`).join(' ')} fragment F30 on Account { id }`,
    ),
    graphql('unknown fragment', '{ me { ...Nothing } }'),
    graphql('unused fragment', '{ me { id } } fragment A on Account { id }'),
    graphql('unknown field', '{ passwordHash }'),
    graphql('unknown type', '{ me { ... on Admin { id } } }'),
    graphql('no selection', '{ me }'),
    graphql('selection on a leaf', '{ me { id { x } } }'),
    graphql('empty document', ''),
    graphql('blank document', '   \n'),
    graphql('comment only', '# nothing'),
    graphql('type definition', 'type Query { x: Int }'),
    graphql('schema extension', '{ me { id } } extend type Query { x: Int }'),
    graphql('no operation', 'fragment A on Account { id }'),
    graphql('two anonymous operations', '{ me { id } } { me { name } }'),
    graphql('two operations, no name', 'query A { me { id } } query B { me { id } }'),
    graphql(
      'mutation and query under one name',
      'query A { me { id } } mutation A { deleteFolder(folderId: "x") { revision } }',
    ),
    graphql('conflicting fields', '{ me { a: id a: name } }'),
    graphql('unknown directive', '{ me @evil { id } }'),
    graphql('directive twice', '{ me @skip(if: false) @skip(if: false) { id } }'),
    graphql('defer', '{ ... @defer { me { id } } }'),
    graphql('missing argument', '{ message { id } }'),
    graphql('unknown argument', '{ message(id: "x", evil: 1) { id } }'),
    graphql('argument twice', '{ message(id: "x", id: "y") { id } }'),
    graphql('unterminated string', '{ message(id: "x) { id } }'),
    graphql('NUL in the document', '{ me { id\u0000 } }'),
    graphql('lone surrogate escape', '{ message(id: "\\uD800") { id } }'),
    graphql('subscription with two fields', 'subscription { a: mailboxChanged { type } b: mailboxChanged { type } }'),
    graphql(
      'costly page of bodies',
      `{ messages(folderId: "${folderId}", first: 500) { edges { node { html remoteImageCount } } } }`,
    ),
    graphql(
      'costly threads',
      `{ ${Array.from({ length: 18 }, (_, i) => `a${i}: mailboxAt(time: "2020-01-01T00:00:00Z") { revision }`).join(' ')} }`,
    ),
  )
  // Values
  for (const first of [
    '0',
    '-1',
    '501',
    '2147483647',
    '2147483648',
    '1e3',
    '"5"',
    'null5',
    '1.5',
    '99999999999999999999',
  ])
    add(graphql(`first: ${first}`, `{ messages(folderId: "${folderId}", first: ${first}) { totalCount } }`))
  for (const after of [
    'x',
    'd',
    'dzzz',
    'd1.2.3',
    'u1',
    '../../etc',
    "' OR 1=1 --",
    'dzzzzzzzzzzzzzzzzzzz.1',
    'd-1.zzzzzzzzzzzz',
    '\u0000',
    'x'.repeat(600),
    'd1.2\n',
  ])
    add(
      graphql(
        `after: ${after.slice(0, 30)}`,
        'query A($f: ID!, $a: String) { messages(folderId: $f, after: $a) { totalCount } }',
        { f: folderId, a: after },
      ),
    )
  for (const offset of ['-1', '10000001', '2147483648'])
    add(graphql(`offset: ${offset}`, `{ messages(folderId: "${folderId}", offset: ${offset}) { totalCount } }`))
  add(graphql('after and offset', `{ messages(folderId: "${folderId}", offset: 5, after: "d1.1") { totalCount } }`))
  for (const revision of ['-1', '1.5', 'x', '', '99999999999999999999999', '0x10', ' 1', '999999999999999999'])
    add(graphql(`atLeast: ${revision}`, 'query A($r: Revision) { folders(atLeast: $r) { id } }', { r: revision }))
  for (const time of [
    '',
    'yesterday',
    '2020-01-01',
    '2020-13-01T00:00:00Z',
    '2020-01-01T00:00:00',
    '275761-01-01T00:00:00Z',
    0,
    true,
    {},
    [],
    'T'.repeat(10_000),
  ])
    add(
      graphql(
        `time: ${JSON.stringify(time).slice(0, 30)}`,
        'query A($t: DateTime!) { mailboxAt(time: $t) { revision } }',
        { t: time },
      ),
    )
  for (const id of [null, 1.5, true, {}, [], [['x']]])
    add(graphql(`id: ${JSON.stringify(id)}`, 'query A($i: ID!) { message(id: $i) { id } }', { i: id }))
  add(
    graphql('folder that is not there', '{ messages(folderId: "../../x") { totalCount } }'),
    graphql('history of nothing', '{ history(messageId: "x") { type } }'),
    graphql('giant search', 'query A($q: String!) { search(query: $q) { totalCount } }', { q: 'a '.repeat(5000) }),
    graphql('giant filter', 'query A($q: String!) { messages(folderId: "x", filter: { from: $q }) { totalCount } }', {
      q: 'a'.repeat(300),
    }),
    graphql('giant variables', 'mutation A($ids: [ID!]!) { deleteMessages(messageIds: $ids) { revision } }', {
      ids: Array.from({ length: 10_001 }, (_, i) => `m${i}`),
    }),
    graphql('no ids', 'mutation { deleteMessages(messageIds: []) { revision } }'),
    graphql('null ids', 'mutation A($ids: [ID!]!) { deleteMessages(messageIds: $ids) { revision } }', { ids: [null] }),
    graphql('missing variable', 'query A($i: ID!) { message(id: $i) { id } }', {}),
    graphql('variables are a list', '{ me { id } }', []),
    graphql('variables are text', '{ me { id } }', 'x'),
    graphql(
      'unknown input field',
      'mutation { sendMessage(input: { to: [{ address: "a@b.example", admin: true }] }) { revision } }',
    ),
    graphql(
      'unknown enum-like flag',
      `mutation { setFlags(messageIds: ["${messageId}"], add: ["\\\\Recent"]) { revision } }`,
    ),
    graphql(
      'flag with line break',
      `mutation { setFlags(messageIds: ["${messageId}"], add: ["a\\r\\nb"]) { revision } }`,
    ),
    graphql('many flags', 'mutation A($f: [String!]) { setFlags(messageIds: ["x"], add: $f) { revision } }', {
      f: Array.from({ length: 65 }, (_, i) => `f${i}`),
    }),
    graphql('folder name with slash', 'mutation { createFolder(name: "a/../b") { revision } }'),
    graphql('folder name with control character', 'mutation { createFolder(name: "a\\u0000b") { revision } }'),
    graphql('empty folder name', 'mutation { createFolder(name: "  ") { revision } }'),
    graphql('folder named INBOX', 'mutation { createFolder(name: "inbox") { revision } }'),
    graphql('giant folder name', 'mutation A($n: String!) { createFolder(name: $n) { revision } }', {
      n: 'x'.repeat(100_000),
    }),
    graphql('deleting the inbox', `mutation { deleteFolder(folderId: "${folderId}") { revision } }`),
    graphql('send to nobody', 'mutation { sendMessage(input: { subject: "x" }) { revision } }'),
    graphql(
      'send to no address',
      'mutation { sendMessage(input: { to: [{ address: "not an address" }] }) { revision } }',
    ),
    graphql(
      'header injection by address',
      'mutation { sendMessage(input: { to: [{ address: "a@b.example\\r\\nBcc: c@d.example" }] }) { revision } }',
    ),
    graphql(
      'two addresses in one',
      'mutation { sendMessage(input: { to: [{ address: "a@b.example, c@d.example" }] }) { revision } }',
    ),
    graphql(
      'foreign sender',
      'mutation { sendMessage(input: { from: { address: "root@example.test" }, to: [{ address: "a@b.example" }] }) { revision } }',
    ),
    graphql(
      'command id that is none',
      'mutation { sendMessage(input: { to: [{ address: "a@b.example" }], commandId: "../x" }) { revision } }',
    ),
    graphql(
      'upload that is none',
      'mutation { sendMessage(input: { to: [{ address: "a@b.example" }], attachmentIds: ["AAAA"] }) { revision } }',
    ),
    graphql(
      'many uploads',
      'mutation A($a: [ID!]) { sendMessage(input: { to: [{ address: "a@b.example" }], attachmentIds: $a }) { revision } }',
      { a: Array.from({ length: 101 }, () => 'x') },
    ),
    graphql(
      'a message as draft',
      `mutation { sendMessage(input: { to: [{ address: "a@b.example" }], draftId: "${messageId}" }) { revision } }`,
    ),
    graphql(
      'far future',
      'mutation { sendMessage(input: { to: [{ address: "a@b.example" }], sendAt: "9999-01-01T00:00:00Z" }) { revision } }',
    ),
    graphql('cancel nothing', 'mutation { cancelSend(submissionId: "../../x") { cancelled } }'),
    graphql('many recipients', 'mutation A($t: [AddressInput!]) { sendMessage(input: { to: $t }) { revision } }', {
      t: Array.from({ length: 501 }, (_, i) => ({ address: `a${i}@b.example` })),
    }),
  )
  // Bodies
  add(
    raw('not JSON', '{'),
    raw('empty body', ''),
    raw('JSON text', '"x"'),
    raw('JSON null', 'null'),
    raw('JSON number', '1e999'),
    raw('empty batch', '[]'),
    raw('huge batch', JSON.stringify(Array.from({ length: 1000 }, () => ({ query: '{ me { id } }' })))),
    raw('batch of six', JSON.stringify(Array.from({ length: 6 }, () => ({ query: '{ me { id } }' })))),
    raw('batch of batches', '[[{"query":"{ me { id } }"}]]'),
    raw('batch with a bad one', JSON.stringify([{ query: '{ me { id } }' }, { query: '{ nope }' }])),
    raw('key twice', '{"query":"{ me { id } }","query":"{ me { name } }"}'),
    raw('key twice, escaped', '{"query":"{ me { id } }","qu\\u0065ry":"{ me { name } }"}'),
    raw('variable twice', '{"query":"query A($i: ID!) { message(id: $i) { id } }","variables":{"i":"a","i":"b"}}'),
    raw('__proto__', '{"query":"{ me { id } }","__proto__":{"admin":true}}'),
    raw('constructor', '{"query":"{ me { id } }","variables":{"constructor":{"prototype":{"x":1}}}}'),
    raw('escaped __proto__', '{"query":"{ me { id } }","\\u005f_proto__":{}}'),
    raw('nested arrays', `{"query":"{ me { id } }","variables":{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`),
    raw('nested objects', `{"query":"{ me { id } }","variables":${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}}`),
    raw('over one MiB', JSON.stringify({ query: '{ me { id } }', variables: { x: 'x'.repeat(1_100_000) } })),
    raw('unknown parameter', '{"query":"{ me { id } }","evil":1}'),
    raw('query is a number', '{"query":1}'),
    raw('query is a list', '{"query":["{ me { id } }"]}'),
    raw('no query', '{"variables":{}}'),
    raw('operationName is an object', '{"query":"{ me { id } }","operationName":{}}'),
    raw('operation that is not there', '{"query":"query A { me { id } }","operationName":"B"}'),
    raw('extensions is text', '{"query":"{ me { id } }","extensions":"x"}'),
    raw('binary', new Uint8Array([0xff, 0xfe, 0x00, 0x80])),
    raw('text/plain', '{"query":"{ me { id } }"}', '/graphql', 'text/plain'),
    raw('form', 'query={me{id}}', '/graphql', 'application/x-www-form-urlencoded'),
    raw('graphql as text', '{ me { id } }', '/graphql', 'application/graphql'),
    raw('multipart graphql', '--x\r\n\r\n--x--', '/graphql', 'multipart/form-data; boundary=x'),
    raw('odd media type', '{}', '/graphql', 'application/json/../x'),
  )
  // REST
  add(
    get('/graphql'),
    get('/graphql?query=mutation%20%7B%20deleteFolder(folderId%3A%22x%22)%20%7B%20revision%20%7D%20%7D'),
    get('/graphql?query=%7Bme%7Bid%7D%7D&variables=%7B'),
    get('/graphql?query=%7Bme%7Bid%7D%7D&query=%7Bme%7Bname%7D%7D'),
    get('/message/..%2f..%2fetc%2fpasswd'),
    get('/message/%00'),
    get('/message/%zz'),
    get(`/message/${'x'.repeat(3000)}`),
    get(`/message/${messageId}/attachments/..%2f..%2fx`),
    get(`/message/${messageId}/attachments/0`),
    get(`/message/${messageId}/attachments/1.1.1.1.1.1`),
    get(`/message/${messageId}/attachments/99999999999`),
    get(`/message/${messageId}/attachments/1.uu1`),
    get(`/message/${messageId}/attachments/${'1.'.repeat(1000)}1`),
    get(`/message/${messageId}/raw`, { range: 'bytes=999999999-' }),
    get(`/message/${messageId}/raw`, { range: 'bytes=5-1' }),
    get(`/message/${messageId}/raw`, {
      range: `bytes=${Array.from({ length: 200 }, (_, i) => `${i}-${i}`).join(',')}`,
    }),
    get(`/message/${messageId}/raw`, { range: 'bytes=-0' }),
    get(`/message/${messageId}/raw`, { range: 'lines=1-2' }),
    get(`/message/${messageId}/raw`, { range: `bytes=${'9'.repeat(400)}-` }),
    get('/folders/x/message'),
    get(`/folders/${'x'.repeat(100)}/message`),
    get(`/folders/${folderId}/message?first=0`),
    get(`/folders/${folderId}/message?first=-1`),
    get(`/folders/${folderId}/message?first=1e9`),
    get(`/folders/${folderId}/message?first=5&first=6`),
    get(`/folders/${folderId}/message?after=evil`),
    get(`/folders/${folderId}/message?unread=maybe`),
    get(`/folders/${folderId}/message?since=now`),
    get(`/folders/${folderId}/message?from=${'x'.repeat(300)}`),
    get('/folders?atLeast=-1'),
    get('/folders?atLeast=99999999999999'),
    get('/folders?atLeast=1&atLeast=2'),
    get('/body/x'),
    get('/body/x.y'),
    get(`/body/${'A'.repeat(3000)}.AAAA`),
    get('/part/..%2f..%2fetc'),
    get('/session/welcome'),
    get('/message'),
    { name: 'PUT', method: 'PUT', path: '/folders', json: {} },
    { name: 'PATCH', method: 'PATCH', path: `/message/${messageId}`, json: {} },
    { name: 'DELETE a message', method: 'DELETE', path: `/message/${messageId}` },
    { name: 'POST to a reading address', method: 'POST', path: '/folders', json: {} },
    { name: 'TRACE', method: 'TRACE', path: '/session' },
  )
  for (const [name, json] of Object.entries({
    'send a list': [],
    'send nothing': {},
    'send to a number': { to: 5 },
    'send to an object list': { to: [[]] },
    'send to a line break': { to: 'a@b.example\r\nBcc: x@y.example' },
    'send to no address': { to: 'nobody' },
    'send with wrong subject': { to: 'a@b.example', subject: { a: 1 } },
    'send with giant subject': { to: 'a@b.example', subject: 'x'.repeat(20_000) },
    'send at no time': { to: 'a@b.example', sendAt: 'soon' },
    'send unknown upload': { to: 'a@b.example', attachments: ['x'] },
    'send bad attachment': { to: 'a@b.example', attachments: [5] },
    'send attachment without name': { to: 'a@b.example', attachments: [{ content: 'AAAA' }] },
    'send attachment that is not base64': { to: 'a@b.example', attachments: [{ filename: 'a', content: '***' }] },
    'send as someone else': { to: 'a@b.example', from: 'root@example.test' },
    'answer to nothing': { to: 'a@b.example', inReplyTo: 'x' },
    'forward of nothing': { to: 'a@b.example', forwardOf: '../x' },
  }))
    add({ name, method: 'POST', path: '/message', json })
  add(
    raw('rfc822 without sender', 'To: a@b.example\r\n\r\nx', '/message', 'message/rfc822'),
    raw('rfc822 of someone else', 'From: root@example.test\r\nTo: a@b.example\r\n\r\nx', '/message', 'message/rfc822'),
    raw('rfc822 to nobody', 'From: alice@example.test\r\n\r\nx', '/message', 'message/rfc822'),
    raw('rfc822 that is empty', ' ', '/message', 'message/rfc822'),
    raw('form without boundary', 'x', '/message', 'multipart/form-data'),
    raw(
      'form with another boundary',
      '--a\r\nContent-Disposition: form-data; name="to"\r\n\r\nx\r\n--a--',
      '/message',
      'multipart/form-data; boundary=b',
    ),
    raw(
      'form that ends early',
      '--a\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nxxxx',
      '/message',
      'multipart/form-data; boundary=a',
    ),
    raw(
      'form with many fields',
      `${Array.from({ length: 300 }, (_, i) => `--a\r\nContent-Disposition: form-data; name="f${i}"\r\n\r\nx\r\n`).join('')}--a--\r\n`,
      '/message',
      'multipart/form-data; boundary=a',
    ),
    raw(
      'form with __proto__',
      '--a\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\nx\r\n--a--\r\n',
      '/message',
      'multipart/form-data; boundary=a',
    ),
    raw(
      'form with bad JSON',
      '--a\r\nContent-Disposition: form-data; name="message"\r\n\r\n{"to":\r\n--a--\r\n',
      '/message',
      'multipart/form-data; boundary=a',
    ),
    raw(
      'upload form without file',
      '--a\r\nContent-Disposition: form-data; name="x"\r\n\r\nx\r\n--a--\r\n',
      '/attachments',
      'multipart/form-data; boundary=a',
    ),
    raw('upload form without boundary', 'x', '/attachments', 'multipart/form-data'),
    raw('sign in with a list', '[]', '/session'),
    raw('sign in with numbers', '{"address":1,"password":2}', '/session'),
    raw('sign in without password', '{"address":"a@b.example"}', '/session'),
    raw(
      'sign in with giant password',
      JSON.stringify({ address: 'a@b.example', password: 'x'.repeat(100_000) }),
      '/session',
    ),
    raw('sign in with broken JSON', '{"address"', '/session'),
    raw('sign in by form', 'address=a', '/session', 'application/x-www-form-urlencoded'),
    raw('sign in with prototype', '{"__proto__":{"address":"a"},"password":"x"}', '/session'),
    raw('welcome with nonsense', '{"token":"a.b"}', '/session/welcome'),
    raw(
      'welcome with JSON inside',
      JSON.stringify({ token: `${Buffer.from('{').toString('base64url')}.AAAA` }),
      '/session/welcome',
    ),
    raw('password too short', '{"password":"x","current":"correct horse battery"}', '/account/password'),
    raw('password of wrong type', '{"password":{}}', '/account/password'),
    {
      name: 'bad Idempotency-Key',
      method: 'POST',
      path: '/message',
      json: { to: 'a@b.example' },
      headers: { 'idempotency-key': 'x' },
    },
    { name: 'two tokens', method: 'GET', path: '/folders', headers: { authorization: 'Basic YWxpY2U6eA==' } },
    { name: 'huge header', method: 'GET', path: '/folders', headers: { 'x-big': 'x'.repeat(20_000) } },
  )
  return list
}

async function isAlive(server: TestServer, token: string, after: string): Promise<void> {
  const started = performance.now()
  const answer = await server.request('POST', '/graphql', { token, json: { query: '{ me { address } }' } })
  assert.equal(answer.status, 200, `after ${after}: ${answer.text}`)
  const took = performance.now() - started
  assert.ok(took < 2000, `after ${after} an honest request took ${took} ms`)
}

test('hostile requests are refused with a reason, each in time, and the server answers the next', async (t) => {
  const { server, alice } = await startWeb(t)
  const messageId = await server.deliver(alice, {})
  const { data } = await server.graphql(alice, '{ folders { id } me { revision } }')
  const folderId = data.folders[0].id
  const list = hostile(messageId, folderId)
  assert.ok(list.length >= 200, `only ${list.length}`)
  const wrong: string[] = []
  for (const { name, method, path, json, body, headers } of list) {
    const started = performance.now()
    const answer = await server.request(method, path, {
      token: alice.token,
      ...(json === undefined ? {} : { json }),
      body,
      headers: { ...headers },
    })
    const took = performance.now() - started
    const type = String(answer.headers['content-type'])
    const reason =
      /json/.test(type) && answer.text !== '' ? (answer.json.detail ?? answer.json.errors?.[0]?.message) : undefined
    const expectsReason = name !== 'huge header' && name !== 'TRACE'
    if (
      answer.status < 400 ||
      answer.status >= 500 ||
      (expectsReason && (typeof reason !== 'string' || reason.length < 5)) ||
      took > 3000
    )
      wrong.push(`${name}: ${answer.status} in ${Math.round(took)} ms: ${answer.text.slice(0, 300)}`)
    if (/node_modules|\.ts:\d|at .*\(/.test(answer.text))
      wrong.push(`${name} shows insides: ${answer.text.slice(0, 300)}`)
  }
  assert.deepEqual(wrong, [])
  assert.deepEqual(server.errors, [], 'nothing unexpected happened inside')
  await isAlive(server, alice.token, 'all of them')
  assert.equal(
    (await server.graphql(alice, '{ me { revision } }')).data.me.revision,
    data.me.revision,
    'nothing was written',
  )
  assert.equal(({} as { admin?: boolean }).admin, undefined)
})

test('broken HTTP is answered or hung up on, and the server answers the next', async (t) => {
  const { server, alice } = await startWeb(t)
  const pieces = [
    'GET / HTTP/1.1\r\n\r\n',
    'GET /folders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n',
    'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    'POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GARBAGE\r\n\r\n',
    '\u0000\u0001\u0002',
    `GET /${'a'.repeat(30_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    'GET / HTTP/1.1\r\nHost: x\r\nX: a\u0000b\r\n\r\n',
    'GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    'GET /folders HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    'GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
  ]
  for (const piece of pieces) {
    const text = await new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1')
      let held = ''
      socket.on('data', (chunk) => {
        held += String(chunk)
      })
      socket.on('error', () => resolve(held))
      socket.on('close', () => resolve(held))
      socket.end(piece)
    })
    assert.doesNotMatch(text, /^HTTP\/1\.1 5/, piece.slice(0, 60))
    await isAlive(server, alice.token, JSON.stringify(piece.slice(0, 60)))
  }
  assert.deepEqual(server.errors, [])
})
