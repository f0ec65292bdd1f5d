import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readRange } from '../../gateways/rest/ranges.ts'
import { temporaryFolder } from '../support/folders.ts'
import { startWeb } from '../support/web-server.ts'

test('an upload is sent along, and comes back whole and in ranges', async (t) => {
  const { server, alice, bob } = await startWeb(t)
  const bytes = randomBytes(700_000)
  const boundary = 'xxBOUNDARYxx'
  const form = Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="../../보고서.bin"\r\nContent-Type: application/x-thing\r\n\r\n`,
    ),
    bytes,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
  const uploaded = [
    await server.request('POST', '/attachments', {
      token: alice.token,
      body: form,
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    }),
    await server.request('POST', '/attachments', {
      token: alice.token,
      body: bytes,
      headers: {
        'content-type': 'application/x-thing',
        'content-disposition': "attachment; filename*=utf-8''%EB%B3%B4%EA%B3%A0%EC%84%9C.bin",
      },
    }),
  ]
  for (const each of uploaded) {
    assert.equal(each.status, 201, each.text)
    assert.equal(each.json.size, bytes.length)
    assert.equal(each.json.contentType, 'application/x-thing')
    assert.match(each.json.filename, /보고서\.bin$/)
    assert.doesNotMatch(each.json.filename, /\//)
  }
  const sent = await server.request('POST', '/message', {
    token: alice.token,
    json: {
      to: [`Bob <${bob.address}>`],
      bcc: ['hidden@elsewhere.example'],
      subject: '보고서',
      text: 'siehe Anhang',
      attachments: [
        uploaded[0]?.json.id,
        { id: uploaded[1]?.json.id },
        {
          filename: 'small.html',
          contentType: 'text/html',
          content: Buffer.from('<script>1</script>').toString('base64'),
        },
      ],
    },
  })
  assert.equal(sent.status, 202, sent.text)
  await server.settle()
  const inbox = (await server.request('GET', '/folders', { token: bob.token })).json[0]
  assert.equal(inbox.total, 1)
  const page = (await server.request('GET', `/folders/${inbox.id}/message?unread=true`, { token: bob.token })).json
  const message = (await server.request('GET', `/message/${page.items[0].id}`, { token: bob.token })).json
  assert.equal(message.text, 'siehe Anhang')
  assert.equal(message.attachments.length, 3)
  const raw = await server.request('GET', message.links.raw, { token: bob.token })
  assert.doesNotMatch(raw.text, /hidden@/)
  assert.equal(raw.headers['content-type'], 'message/rfc822')

  const [file, second, page3] = message.attachments as { url: string; filename: string }[]
  assert.ok(file && second && page3)
  const get = (headers: Record<string, string> = {}, url = file.url) =>
    server.request('GET', url, { token: bob.token, headers })
  const whole = await get()
  assert.ok(whole.body.equals(bytes), `${whole.status} ${whole.body.length}`)
  assert.equal(whole.headers['content-length'], String(bytes.length))
  assert.match(String(whole.headers['content-disposition']), /^attachment; filename=".*"; filename\*=UTF-8''/)
  assert.equal(whole.headers['x-content-type-options'], 'nosniff')
  assert.ok((await get({}, second.url)).body.equals(bytes))
  for (const [range, from, to] of [
    ['bytes=0-0', 0, 1],
    ['bytes=0-', 0, bytes.length],
    ['bytes=300000-600000', 300_000, 600_001],
    ['bytes=-5', bytes.length - 5, bytes.length],
    [`bytes=${bytes.length - 1}-${bytes.length + 100}`, bytes.length - 1, bytes.length],
  ] as const) {
    const part = await get({ range })
    assert.equal(part.status, 206, range)
    assert.ok(part.body.equals(bytes.subarray(from, to)), range)
    assert.equal(part.headers['content-range'], `bytes ${from}-${to - 1}/${bytes.length}`)
  }
  const etag = String(whole.headers['etag'])
  assert.equal((await get({ 'if-none-match': etag })).status, 304)
  assert.equal((await get({ range: 'bytes=0-1', 'if-range': '"other"' })).status, 200)
  assert.equal((await get({ range: 'bytes=0-1', 'if-range': etag })).status, 206)
  const html = await get({}, page3.url)
  assert.equal(html.headers['content-type'], 'application/octet-stream', 'never a page')
  assert.match(String(html.headers['content-security-policy']), /sandbox/)
  const head = await server.request('HEAD', file.url, { token: bob.token })
  assert.equal(head.headers['content-length'], String(bytes.length))
})

test('a file over the limit is refused while it comes, and the server goes on', async (t) => {
  const { server, alice } = await startWeb(t)
  const big = await server
    .request('POST', '/attachments', {
      token: alice.token,
      body: Buffer.alloc(5 * 1024 * 1024),
      headers: { 'content-type': 'x/y' },
    })
    .catch((error) => error)
  assert.ok(big.status === 413 || big instanceof Error)
  const edge = await server.request('POST', '/attachments', {
    token: alice.token,
    body: Buffer.alloc(4 * 1024 * 1024),
    headers: { 'content-type': 'x/y' },
  })
  assert.equal(edge.status, 201)
})

test('message/rfc822 is sent as it is, without its Bcc', async (t) => {
  const { server, alice, bob } = await startWeb(t)
  const raw = `From: Alice <${alice.address}>\r\nTo: someone@elsewhere.example\r\nBcc: ${bob.address},\r\n other@elsewhere.example\r\nSubject: =?utf-8?B?7JWI64WV?=\r\nX-Mine: kept\r\n\r\nBody\r\n`
  const sent = await server.request('POST', '/message', {
    token: alice.token,
    body: raw,
    headers: { 'content-type': 'message/rfc822' },
  })
  assert.equal(sent.status, 202, sent.text)
  await server.settle()
  const copy = await server.request('GET', `/message/${sent.json.messageId}/raw`, { token: alice.token })
  assert.match(copy.text, /^Date: .*\r\nMessage-ID: <.*>\r\nFrom: Alice/)
  assert.match(copy.text, /X-Mine: kept\r\n\r\nBody\r\n$/)
  assert.doesNotMatch(copy.text, /bcc|other@|bob@/i)
  const { data } = await server.graphql(bob, '{ folders { role unread } }')
  assert.equal(data.folders[0].unread, 1)
})

test('a form is a message, its files attachments', async (t) => {
  const { server, alice, bob } = await startWeb(t)
  const form = new FormData()
  form.append('to', bob.address)
  form.append('to', 'x@elsewhere.example')
  form.append('subject', 'Form')
  form.append('text', 'words')
  form.append('anything', new Blob(['file bytes'], { type: 'text/plain' }), 'a.txt')
  const response = await fetch(`http://127.0.0.1:${server.port}/message`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${alice.token}` },
  })
  assert.equal(response.status, 202)
  const { messageId } = (await response.json()) as { messageId: string }
  await server.settle()
  const { data } = await server.graphql(
    alice,
    `{ message(id: "${messageId}") { to { address } attachments { filename } } }`,
  )
  assert.deepEqual(data.message, {
    to: [{ address: bob.address }, { address: 'x@elsewhere.example' }],
    attachments: [{ filename: 'a.txt' }],
  })
})

test('a retry with the same command id is the same message', async (t) => {
  const { server, alice, bob } = await startWeb(t)
  const key = '018f3b1e-7a00-7000-8000-0123456789ab'
  const send = () =>
    server.request('POST', '/message', {
      token: alice.token,
      json: { to: bob.address, subject: 'once', text: 'x' },
      headers: { 'idempotency-key': key },
    })
  const first = await send()
  const second = await send()
  assert.equal(second.status, 202, second.text)
  assert.deepEqual(second.json, first.json)
  await server.settle()
  assert.equal((await server.request('GET', '/folders', { token: bob.token })).json[0].total, 1)
})

test('answering sets In-Reply-To, References and the mark; a draft replaces a draft and goes when sent', async (t) => {
  const { server, alice, bob } = await startWeb(t)
  const id = await server.deliver(alice, {
    messageId: 'parent@elsewhere.example',
    references: ['root@elsewhere.example'],
    subject: 'Q',
  })
  const draft1 = (
    await server.graphql(
      alice,
      'mutation { saveDraft(input: { subject: "D1", bcc: [{ address: "secret@x.example", name: "S, T" }] }) { messageId revision } }',
    )
  ).data.saveDraft
  await server.settle()
  const kept = await server.graphql(alice, `{ message(id: "${draft1.messageId}") { flags bcc { name address } } }`)
  assert.deepEqual(kept.data.message, {
    flags: ['\\draft', '\\seen'],
    bcc: [{ name: 'S, T', address: 'secret@x.example' }],
  })
  const draft2 = (
    await server.graphql(
      alice,
      `mutation { saveDraft(input: { subject: "D2", inReplyTo: "${id}" }, replaces: "${draft1.messageId}") { messageId revision } }`,
    )
  ).data.saveDraft
  const sent = await server.graphql(
    alice,
    `mutation { sendMessage(input: { to: [{ address: "${bob.address}" }], subject: "Re: Q", html: "<p>A</p>", inReplyTo: "${id}", draftId: "${draft2.messageId}" }) { messageId revision } }`,
  )
  assert.equal(sent.errors, undefined)
  const { data } = await server.graphql(
    alice,
    `{ folders(atLeast: "${sent.data.sendMessage.revision}") { role total } message(id: "${id}") { flags } sent: message(id: "${sent.data.sendMessage.messageId}") { inReplyTo references text threadId } }`,
  )
  assert.equal(data.folders.find((folder: { role: string }) => folder.role === 'DRAFTS').total, 0)
  assert.deepEqual(data.message.flags, ['\\answered'])
  assert.deepEqual(data.sent.inReplyTo, ['parent@elsewhere.example'])
  assert.deepEqual(data.sent.references, ['root@elsewhere.example', 'parent@elsewhere.example'])
  assert.equal(data.sent.text, 'A')
})

test('inline pictures come by signed links, other parts do not', async (t) => {
  const { server, alice } = await startWeb(t)
  const png = Buffer.from('89504e470d0a1a0a', 'hex')
  const id = await server.deliver(alice, {
    html: '<img src="cid:logo@x"><img src="cid:doc@x">',
    attachments: [
      { filename: 'logo.png', type: 'image/png', bytes: png, contentId: 'logo@x' },
      { filename: 'x.svg', type: 'image/svg+xml', bytes: Buffer.from('<svg/>'), contentId: 'doc@x' },
    ],
  })
  const { data } = await server.graphql(alice, `{ message(id: "${id}") { html bodyUrl remoteImageCount } }`)
  const links = [...String(data.message.html).matchAll(/src="([^"]+)"/g)].map((match) => match[1] as string)
  assert.equal(links.length, 1)
  const picture = await server.request('GET', links[0] as string)
  assert.equal(picture.status, 200)
  assert.equal(picture.headers['content-type'], 'image/png')
  assert.deepEqual(picture.body, png)
  assert.equal((await server.request('GET', `${links[0]}x`)).status, 404)
  const body = await server.request('GET', data.message.bodyUrl)
  assert.match(String(body.headers['content-security-policy']), /sandbox allow-scripts/)
  assert.match(String(body.headers['content-security-policy']), /img-src http:\/\/127\.0\.0\.1:\d+ data:;/)
  const shown = await server.request('GET', `${data.message.bodyUrl}&images=1`)
  assert.match(String(shown.headers['content-security-policy']), /img-src http:\/\/127\.0\.0\.1:\d+ data: https:;/)
  assert.ok(Buffer.byteLength(/<script[^>]*>([\s\S]*)<\/script>/.exec(body.text)?.[1] ?? '') < 1600)
})

test('ranges are read as RFC 9110 says, and one at a time', () => {
  const cases: [string, number, ReturnType<typeof readRange>][] = [
    ['bytes=0-9', 100, [0, 10]],
    ['bytes=90-', 100, [90, 100]],
    ['bytes=-10', 100, [90, 100]],
    ['bytes=-1000', 100, [0, 100]],
    ['bytes=0-1000', 100, [0, 100]],
    ...[
      'bytes=100-',
      'bytes=5-4',
      'bytes=-0',
      'bytes=-',
      'bytes=0-1,3-4',
      'bytes=',
      'items=0-1',
      'bytes=a-b',
      'bytes=0x1-2',
      `bytes=${'9'.repeat(30)}-`,
    ].map((text): [string, number, 'unsatisfiable'] => [text, 100, 'unsatisfiable']),
    ['bytes=0-', 0, 'unsatisfiable'],
  ]
  for (const [text, size, expected] of cases) assert.deepEqual(readRange(text, size), expected, text)
})

test('the web app: its page at every address, hashed files for ever, nothing outside its folder', async (t) => {
  const root = temporaryFolder()
  mkdirSync(join(root, 'dist/assets'), { recursive: true })
  writeFileSync(join(root, 'secret.txt'), 'secret')
  writeFileSync(join(root, 'dist/index.html'), '<!doctype html><p>app</p>')
  writeFileSync(join(root, 'dist/assets/app-1a2b.js'), 'console.log(1)'.repeat(200))
  assert.ok(existsSync(join(root, 'dist')))
  const { server } = await startWeb(t, { webRoot: join(root, 'dist') })
  for (const path of ['/', '/m/inbox', '/search?q=x', '/compose/1']) {
    const page = await server.request('GET', path)
    assert.equal(page.status, 200)
    assert.match(page.text, /app/)
    assert.equal(page.headers['cache-control'], 'no-store')
    assert.match(String(page.headers['content-security-policy']), /frame-ancestors 'none'/)
  }
  const script = await server.request('GET', '/assets/app-1a2b.js', { headers: { 'accept-encoding': 'br' } })
  assert.match(String(script.headers['cache-control']), /immutable/)
  assert.equal(script.headers['content-encoding'], 'br')
  assert.equal((await server.request('GET', '/assets/none.js')).status, 404)
  for (const path of [
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/assets/..%5c..%5csecret.txt',
    '//etc/passwd',
    '/.env',
  ])
    assert.doesNotMatch((await server.request('GET', path)).text, /secret|root:/, path)
})
