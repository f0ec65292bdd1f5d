import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import { PASSWORD, startWeb } from '../support/web-server.ts'

test('given the right password, a session works by cookie and by bearer, and ends with DELETE', async (t) => {
  const { server, alice } = await startWeb(t)
  const signedIn = await server.request('POST', '/session', {
    json: { address: alice.address.toUpperCase().replace('ALICE', 'alice'), password: PASSWORD },
  })
  assert.equal(signedIn.status, 200)
  const cookie = String(signedIn.headers['set-cookie'])
  assert.match(cookie, /HttpOnly/)
  assert.match(cookie, /SameSite=Lax/)
  const { token } = signedIn.json
  const byCookie = { cookie: cookie.split(';')[0] as string }
  assert.equal((await server.request('GET', '/session', { token })).json.address, alice.address)
  assert.equal((await server.request('GET', '/session', { headers: byCookie })).json.address, alice.address)
  assert.equal(
    (await server.request('GET', '/session', { token: alice.token })).json.address,
    alice.address,
    'API token',
  )
  assert.equal((await server.request('DELETE', '/session', { token })).status, 204)
  assert.equal((await server.request('GET', '/session', { headers: byCookie })).status, 401)
})

test('a cookie works for changes only from our own pages', async (t) => {
  const { server, alice } = await startWeb(t)
  const signedIn = await server.request('POST', '/session', { json: { address: alice.address, password: PASSWORD } })
  const cookie = String(signedIn.headers['set-cookie']).split(';')[0] as string
  const ask = (headers: Record<string, string>) =>
    server.request('POST', '/graphql', { json: { query: '{ me { id } }' }, headers: { cookie, ...headers } })
  assert.equal((await ask({})).status, 403)
  assert.equal((await ask({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })).status, 403)
  assert.equal((await ask({ origin: 'https://evil.example' })).status, 403)
  assert.equal((await ask({ 'x-everpost': '1' })).status, 200)
  assert.equal((await ask({ 'sec-fetch-site': 'same-origin' })).status, 200)
  assert.equal((await ask({ origin: `http://127.0.0.1:${server.port}`, host: `127.0.0.1:${server.port}` })).status, 200)
})

test('a wrong password and an unknown address answer alike, and soon slowly', async (t) => {
  const { server, alice } = await startWeb(t)
  const wrong = await server.request('POST', '/session', {
    json: { address: alice.address, password: 'not the password' },
  })
  const unknown = await server.request('POST', '/session', {
    json: { address: 'nobody@example.test', password: 'not the password' },
  })
  assert.equal(wrong.status, 401)
  assert.equal(wrong.text, unknown.text)
  assert.match(String(wrong.headers['content-type']), /problem\+json/)
  let status = 0
  for (let n = 0; n < 8 && status !== 429; n++)
    status = (
      await server.request('POST', '/session', { json: { address: alice.address, password: 'not the password' } })
    ).status
  assert.equal(status, 429)
  const right = await server.request('POST', '/session', { json: { address: alice.address, password: PASSWORD } })
  assert.equal(right.status, 429, 'also the right one has to wait')
  assert.ok(Number(right.headers['retry-after']) > 0)
})

test('a new password ends every older session at once, and needs the old one', async (t) => {
  const { server, alice } = await startWeb(t)
  const { token } = (await server.request('POST', '/session', { json: { address: alice.address, password: PASSWORD } }))
    .json
  const change = (json: object) => server.request('POST', '/account/password', { token, json })
  assert.equal((await change({ password: 'another long one', current: 'wrong' })).status, 403)
  assert.equal((await change({ password: 'another long one' })).status, 403)
  assert.equal((await change({ password: 'short', current: PASSWORD })).status, 422)
  const changed = await change({ password: 'another long one', current: PASSWORD })
  assert.equal(changed.status, 200)
  assert.equal((await server.request('GET', '/session', { token })).status, 401)
  assert.equal((await server.request('GET', '/session', { token: changed.json.token })).status, 200)
  assert.equal(
    (await server.request('POST', '/session', { json: { address: alice.address, password: 'another long one' } }))
      .status,
    200,
  )
})

test('a welcome link signs in once and sets the first password', async (t) => {
  const { server, alice } = await startWeb(t)
  const opened = await openAccount(server.everpost.services, contextOf('system', 'system'), {
    address: 'new@example.test',
  })
  assert.ok(opened.ok)
  await server.settle()
  const link = await server.gateway.createWelcomeToken(opened.accountId)
  const unused = await server.gateway.createWelcomeToken(opened.accountId)
  const welcome = await server.request('POST', '/session/welcome', { json: { token: link } })
  assert.equal(welcome.status, 200)
  assert.equal(welcome.json.hasPassword, false)
  assert.equal((await server.request('POST', '/session/welcome', { json: { token: link } })).status, 401)
  assert.equal(
    (await server.request('POST', '/session/welcome', { json: { token: `${link.slice(0, -2)}AA` } })).status,
    401,
  )
  const set = await server.request('POST', '/account/password', {
    token: welcome.json.token,
    json: { password: 'a first password' },
  })
  assert.equal(set.status, 200)
  assert.equal(
    (await server.request('POST', '/session/welcome', { json: { token: unused } })).status,
    401,
    'a password is set',
  )
  assert.equal((await server.request('GET', '/session', { token: welcome.json.token })).status, 401)
  assert.ok(alice)
})

test('tampered, foreign and misshapen tokens are nobody', async (t) => {
  const { server, alice, bob } = await startWeb(t)
  const { token } = (await server.request('POST', '/session', { json: { address: alice.address, password: PASSWORD } }))
    .json as { token: string }
  const secret = alice.token.split('_')[2]
  const bytes = Buffer.from(token.slice(3), 'base64url')
  const flipped = (at: number) => {
    const copy = Buffer.from(bytes)
    copy[at] = (copy[at] as number) ^ 1
    return `es_${copy.toString('base64url')}`
  }
  for (const bad of [
    '',
    'x',
    'es_',
    'es_AAAA',
    flipped(3),
    flipped(20),
    flipped(30),
    flipped(70),
    `ep_${bob.id}_${secret}`,
    `ep_${alice.id}_`,
    'ep__',
    `ep_${alice.id}_${'a'.repeat(32)}`,
  ])
    assert.equal((await server.request('GET', '/folders', { token: bad })).status, 401, bad)
  assert.equal((await server.request('GET', '/folders', { token })).status, 200)
})
