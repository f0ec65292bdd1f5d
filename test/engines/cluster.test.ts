// All engines and every role as processes of their own: what one takes in the others show, and a role may stop at any time.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { isRedacted, mailboxStream } from '../../domain/log.ts'
import type { OpenedSource } from '../../infra/adapters/journal/open-source.ts'
import { traceOf } from '../../infra/telemetry/otlp-tracer.ts'
import { Cluster } from '../support/cluster.ts'
import { call, Follower, SmtpLoad } from '../support/cluster-load.ts'
import { ImapClient } from '../support/imap-client.ts'
import { type Collector, startCollector } from '../support/otlp-collector.ts'
import { plainAuth, SmtpClient } from '../support/smtp-client.ts'

const PASSWORD = 'correct horse battery'
const PEOPLE = ['ann', 'bob', 'cid']

let cluster: Cluster
let folder: string
let log: OpenedSource
let collector: Collector
const ends: (() => Promise<void>)[] = []
const ids = new Map<string, string>()
const tokens = new Map<string, string>()
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'everpost-cl-'))
  collector = await startCollector({
    after: (end) => void ends.push(async () => void (await (end as () => unknown)())),
  })
  cluster = await Cluster.start(folder, { EVERPOST_OTLP_ENDPOINT: collector.url })
  const projector = await cluster.add('projector1')
  for (const person of PEOPLE) {
    await projector.cli(['account', 'add', `${person}@example.test`, '--password-stdin'], PASSWORD)
    tokens.set(person, (await projector.cli(['token', 'create', `${person}@example.test`])).trim())
  }
  for (const { id, address } of JSON.parse(await projector.cli(['account', 'list', '--json'])))
    ids.set(address.split('@')[0], id)
  await Promise.all(['smtp1', 'submission1', 'imap1', 'web1', 'web2', 'delivery1'].map((name) => cluster.add(name)))
  log = await cluster.openLog()
})
after(async () => {
  for (const end of ends) await end()
  await log?.close()
  await cluster?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const idOf = (person: string) => ids.get(person) as string
const tokenOf = (person: string) => tokens.get(person) as string
const webs = () => [cluster.port('web1', 'http'), cluster.port('web2', 'http')]

/** Stopped after the tests, whatever becomes of them. */
function following(ports: () => readonly number[], person: string, after: bigint): Follower {
  const follower = new Follower(ports, tokenOf(person), after)
  ends.push(() => follower.stop())
  return follower
}

async function newest(person: string): Promise<bigint> {
  let revision = -1n
  for await (const event of log.readStream(mailboxStream(idOf(person)))) revision = event.revision
  return revision
}

/** Message-IDs of a mailbox in the log, and how often. */
async function arrivals(person: string): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for await (const event of log.readStream(mailboxStream(idOf(person)))) {
    if (isRedacted(event) || event.type !== 'MessageReceived') continue
    const { messageId } = event.data.content.envelope
    found.set(messageId ?? '', (found.get(messageId ?? '') ?? 0) + 1)
  }
  return found
}

async function graphql(port: number, token: string, query: string, variables: object = {}) {
  const { json } = await call(port, 'POST', '/graphql', { token, json: { query, variables } })
  assert.equal(json.errors, undefined, JSON.stringify(json.errors))
  return json.data
}

/** Answers what the server calls it. */
async function smtp(to: string, subject: string): Promise<string> {
  const client = await SmtpClient.ready(cluster.port('smtp1', 'smtp'))
  const text = `Message-ID: <${subject.replaceAll(' ', '-')}@cluster.test>\r\nSubject: ${subject}\r\n\r\nA zebra in the text.\r\n`
  const reply = await client.send('x@elsewhere.test', [`${to}@example.test`], text)
  assert.equal(reply.code, 250, reply.text)
  await client.quit()
  return /queued as (\S+)/.exec(reply.text)?.[1] ?? ''
}

test('cluster: mail that one process takes is pushed, listed, read and found by others', async () => {
  const from = await newest('ann')
  const followers = webs().map((port) => following(() => [port], 'ann', from))
  const imap = await ImapClient.signedIn(cluster.port('imap1', 'imap'), 'ann', PASSWORD)
  await smtp('ann', 'hello across')
  const revision = await newest('ann')
  for (const follower of followers) {
    await follower.reaches(revision)
    assert.ok(follower.seen.has('hello across'))
    assert.deepEqual(follower.wrong, [])
    await follower.stop()
  }
  await imap.ok('SELECT INBOX')
  const fetched = await imap.ok('FETCH * (BODY.PEEK[HEADER.FIELDS (SUBJECT)])')
  assert.match(JSON.stringify(fetched), /hello across/)
  const query = 'query ($q: String!) { search(query: $q) { edges { node { subject } } } }'
  for (const port of webs()) {
    const { search } = await eventually(
      () => graphql(port, tokenOf('ann'), query, { q: 'zebra' }),
      ({ search }) => search.edges.length > 0,
    )
    assert.deepEqual(
      search.edges.map((edge: { node: object }) => edge.node),
      [{ subject: 'hello across' }],
    )
  }
})

test('cluster: one trace follows a message through three processes, from SMTP to the push', async () => {
  const follower = following(webs, 'cid', await newest('cid'))
  const { traceId } = traceOf(await smtp('cid', 'traced'))
  const ofMessage = () => collector.spans.filter((span) => span.traceId === traceId)
  const began = (name: string) => ofMessage().find((span) => span.name === name)
  const names = ['smtp receive', 'append', 'project mailbox', 'push']
  await collector.until(() => names.every(began))
  assert.deepEqual(
    names.map((name) => began(name)?.roles),
    [['smtp'], ['smtp'], ['projector'], ['web']],
  )
  const root = began('smtp receive')?.spanId
  for (const { name, parentSpanId, failed } of ofMessage()) {
    assert.equal(failed, false, name)
    if (name !== 'smtp receive') assert.ok(parentSpanId, `${name} hangs in the air`)
  }
  assert.equal(began('project mailbox')?.parentSpanId, root)
  await follower.stop()
})

test('cluster: mail that is submitted is delivered by another process, once', async () => {
  const from = await newest('bob')
  const client = await SmtpClient.ready(cluster.port('submission1', 'submission'))
  assert.equal((await client.command(`AUTH PLAIN ${plainAuth('ann@example.test', PASSWORD)}`)).code, 235)
  const text =
    'Message-ID: <submitted@cluster.test>\r\nFrom: ann@example.test\r\nTo: bob@example.test\r\nSubject: submitted\r\n\r\nHi\r\n'
  assert.equal((await client.send('ann@example.test', ['bob@example.test'], text)).code, 250)
  await client.quit()
  const follower = following(webs, 'bob', from)
  await follower.reaches(from + 1n)
  assert.ok(follower.seen.has('submitted'))
  await follower.stop()
  assert.equal((await arrivals('bob')).get('submitted@cluster.test'), 1)
})

test('cluster: a session of one web process is good at another, and over everywhere when it is ended', async () => {
  const [one = 0, two = 0] = webs()
  const json = { address: 'ann@example.test', password: PASSWORD }
  const signedIn = await call(one, 'POST', '/session', { json })
  assert.equal(signedIn.status, 200)
  const { token } = signedIn.json
  assert.equal((await call(two, 'GET', '/session', { token })).json.address, 'ann@example.test')
  assert.equal((await call(two, 'DELETE', '/session', { token })).status, 204)
  assert.equal((await call(one, 'GET', '/session', { token })).status, 401)
})

test('cluster: wrong passwords at one process slow down the others', async () => {
  const [one = 0, two = 0] = webs()
  const attempt = (port: number) =>
    call(port, 'POST', '/session', { json: { address: 'cid@example.test', password: 'wrong password' } })
  const answers: number[] = []
  for (let i = 0; i < 6; i++) answers.push((await attempt(i % 2 === 0 ? one : two)).status)
  assert.deepEqual(answers.slice(0, 5), [401, 401, 401, 401, 401])
  assert.equal(answers[5], 429)
  const right = await call(two, 'POST', '/session', { json: { address: 'cid@example.test', password: PASSWORD } })
  assert.equal(right.status, 429)
  assert.equal(right.json.code, 'slow-down')
})

test('cluster: second and third copies of roles share the work, and SIGTERM drains each with nothing lost', async () => {
  await Promise.all(['smtp2', 'smtp3', 'delivery2', 'projector2'].map((name) => cluster.add(name)))
  const since = new Map(await Promise.all(PEOPLE.map(async (person) => [person, await newest(person)] as const)))
  const followers = PEOPLE.map((person) => following(webs, person, since.get(person) ?? -1n))
  const living = (role: string, listener: string) =>
    [...cluster.roles.values()].flatMap((each) =>
      each.role === role && each.running ? [each.ports[listener] ?? 0] : [],
    )
  const load = new SmtpLoad({
    ports: () => living('smtp', 'smtp'),
    connections: 4,
    recipients: PEOPLE.map((person) => `${person}@example.test`),
    everyMs: 150,
  })
  ends.push(() => load.stop())
  await load.more(30)
  for (const name of ['smtp1', 'delivery1', 'web1', 'imap1', 'submission1', 'projector1']) {
    assert.equal(await cluster.role(name).end('SIGTERM'), 0, `${name} ended cleanly: ${cluster.role(name).errors()}`)
    await load.more(10)
    await cluster.role(name).restart()
  }
  await load.more(10)
  await load.stop()
  assert.deepEqual(load.wrong, [])
  for (const [i, person] of PEOPLE.entries()) {
    const found = await arrivals(person)
    for (const [id, to] of load.acknowledged) if (to === `${person}@example.test`) assert.equal(found.get(id), 1, id)
    for (const [id, count] of found) assert.equal(count, 1, `${id} is there ${count} times`)
    const follower = followers[i] as Follower
    await follower.reaches(await newest(person))
    assert.deepEqual(follower.wrong, [])
    await follower.stop()
  }
  const rebuild = (name: string) => cluster.role(name).cli(['projections', 'rebuild', '--all', '--json'])
  const rebuilt = JSON.parse(
    await rebuild('projector1').catch((error: Error) => {
      // The search index is kept by one of the two.
      assert.match(error.message, /rebuild there/)
      return rebuild('projector2')
    }),
  )
  for (const { name, same } of rebuilt) assert.notEqual(same, false, `${name} differs from its rebuild`)
  assert.deepEqual(cluster.crashes(), [])
})

/** Asks again until the answer is right; the last one after a while. */
async function eventually<T>(ask: () => Promise<T>, right: (answer: T) => boolean, withinMs = 15_000): Promise<T> {
  for (const until = performance.now() + withinMs; ; ) {
    const answer = await ask()
    if (right(answer) || performance.now() > until) return answer
    await pause(50)
  }
}
