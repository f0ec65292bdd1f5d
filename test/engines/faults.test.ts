// Everything up and in use: each engine and each role killed, each line cut, the queue full, blobs slow, deliveries doubled. What was
// promised is in the log once, views are what a rebuild makes, subscriptions went on by themselves.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'nats'
import { isRedacted, mailboxStream } from '../../domain/log.ts'
import type { OpenedSource } from '../../infra/adapters/journal/open-source.ts'
import { Cluster, type ClusterEngine } from '../support/cluster.ts'
import { ApiLoad, Follower, ImapLoad, SmtpLoad } from '../support/cluster-load.ts'
import { Pop3Client } from '../support/pop3-client.ts'

/** How long an engine or a line is away. */
const FAULT_MS = 2000
/** What each process may hold, whatever happens. */
const MOST_MEMORY = 700 * 1024 * 1024
/** No answer, not even a refusal, may take longer. */
const LONGEST_ANSWER_MS = 40_000
const SETTLED_WITHIN_MS = 90_000
const PASSWORD = 'correct horse battery'

const ROLES = ['smtp1', 'smtp2', 'submission1', 'imap1', 'pop31', 'web1', 'web2', 'delivery1']

let cluster: Cluster
let folder: string
let log: OpenedSource
const people = new Map<string, { readonly id: string; readonly token: string }>()
let smtp: SmtpLoad
let submitted: SmtpLoad
let api: ApiLoad
let imap: ImapLoad
const followers = new Map<string, Follower>()
const arrivals = new Map<string, Arrivals>()
let mostMemory = 0
let measuring: NodeJS.Timeout

const person = (name: string) => people.get(name) as { readonly id: string; readonly token: string }
const arrivalsOf = (name: string) => arrivals.get(name) as Arrivals
const ports = (role: string, listener: string) => () =>
  [...cluster.roles.values()].flatMap((each) => (each.role === role && each.running ? [each.ports[listener] ?? 0] : []))

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'everpost-fl-'))
  cluster = await Cluster.start(folder)
  const projector = await cluster.add('projector1')
  const tokens = new Map<string, string>()
  for (const name of ['ann', 'bob']) {
    await projector.cli(['account', 'add', `${name}@example.test`, '--password-stdin'], PASSWORD)
    tokens.set(name, (await projector.cli(['token', 'create', `${name}@example.test`])).trim())
  }
  for (const { id, address } of JSON.parse(await projector.cli(['account', 'list', '--json']))) {
    const name = address.split('@')[0]
    people.set(name, { id, token: tokens.get(name) ?? '' })
  }
  await Promise.all(ROLES.map((name) => cluster.add(name)))
  log = await cluster.openLog()
  const web = ports('web', 'http')
  for (const [name, { token, id }] of people) {
    const mailbox = await new Arrivals(id).read()
    arrivals.set(name, mailbox)
    followers.set(name, new Follower(web, token, mailbox.newest))
  }
  const recipients = ['ann@example.test', 'bob@example.test']
  smtp = new SmtpLoad({ ports: ports('smtp', 'smtp'), connections: 3, recipients, everyMs: 300 })
  const from = { address: 'ann@example.test', password: PASSWORD }
  const submissions = { ports: ports('submission', 'submission'), recipients: ['bob@example.test'], from }
  submitted = new SmtpLoad({ ...submissions, connections: 1, everyMs: 1000 })
  imap = new ImapLoad({ ports: ports('imap', 'imap'), name: 'bob', password: PASSWORD, everyMs: 1000 })
  api = new ApiLoad({ ports: web, token: person('ann').token, to: 'bob@example.test', everyMs: 500 })
  measuring = setInterval(() => {
    for (const each of cluster.roles.values()) mostMemory = Math.max(mostMemory, each.running ? each.rss() : 0)
  }, 250)
  await smtp.more(20)
})
after(async () => {
  clearInterval(measuring)
  await smtp?.stop()
  await api?.stop()
  await submitted?.stop()
  await imap?.stop()
  for (const follower of followers.values()) await follower.stop()
  await log?.close()
  await cluster?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** What arrived in a mailbox by the log: Message-IDs and subjects, and how often. Read on from where it was read last. */
class Arrivals {
  readonly found = new Map<string, number>()
  newest = -1n
  readonly #stream: string

  constructor(account: string) {
    this.#stream = mailboxStream(account)
  }

  async read(): Promise<this> {
    for await (const event of log.readStream(this.#stream, { from: this.newest + 1n })) {
      this.newest = event.revision
      if (isRedacted(event) || (event.type !== 'MessageReceived' && event.type !== 'MessageAppended')) continue
      // What is sent is put into the sender's own folder, too.
      if (event.type === 'MessageAppended' && !event.data.content.envelope.subject?.startsWith('put ')) continue
      const { messageId, subject } = event.data.content.envelope
      for (const key of [messageId, subject]) if (key) this.found.set(key, (this.found.get(key) ?? 0) + 1)
    }
    return this
  }
}

/** The fault is over: mail is taken again, then all is held against the log. */
async function allIsWell(): Promise<void> {
  await within(SETTLED_WITHIN_MS, 'mail is taken again', smtp.more(10))
  const promised = [...smtp.acknowledged, ...submitted.acknowledged]
  const sent = [...api.acknowledged, ...imap.acknowledged]
  const until = performance.now() + SETTLED_WITHIN_MS
  for (;;) {
    const [ann, bob] = [await arrivalsOf('ann').read(), await arrivalsOf('bob').read()]
    const of = (to: string) => (to.startsWith('ann') ? ann : bob).found
    // What was submitted is delivered in its own time.
    const missing = [
      ...promised.filter(([id, to]) => !of(to).has(id)).map(([id]) => id),
      ...sent.filter((key) => !bob.found.has(key)),
    ]
    for (const { found } of [ann, bob])
      for (const [key, count] of found) assert.equal(count, 1, `${key} is there ${count} times`)
    if (missing.length === 0) {
      for (const [name, { newest }] of Object.entries({ ann, bob })) {
        const follower = followers.get(name) as Follower
        await follower.reaches(newest, SETTLED_WITHIN_MS)
        assert.deepEqual(follower.wrong, [], `${name}: no gap and no double`)
      }
      break
    }
    if (performance.now() > until) assert.fail(`acknowledged and not in the log: ${missing.join(', ')}`)
    await pause(200)
  }
  assert.deepEqual([...smtp.wrong, ...submitted.wrong], [], 'trouble of ours is a temporary answer')
  const failed = cluster
    .role('imap1')
    .errors()
    .match(/.*imap command failed.*/g)
  assert.deepEqual(imap.wrong, [], `trouble of ours is NO [UNAVAILABLE]: ${failed?.join('\n')}`)
  assert.deepEqual(api.wrong, [], 'trouble of ours is an error with a code')
  assert.ok(smtp.longestMs < LONGEST_ANSWER_MS, `an answer of SMTP took ${smtp.longestMs} ms`)
  assert.ok(api.longestMs < LONGEST_ANSWER_MS, `an answer of the API took ${api.longestMs} ms`)
  assert.ok(mostMemory < MOST_MEMORY, `a process held ${mostMemory} bytes`)
  assert.deepEqual(cluster.crashes(), [])
  for (const each of cluster.roles.values()) assert.ok(each.running)
}

async function viewsEqualARebuild(): Promise<void> {
  const rebuilt = JSON.parse(await cluster.role('projector1').cli(['projections', 'rebuild', '--all', '--json']))
  assert.ok(rebuilt.length > 4)
  for (const { name, same, parked } of rebuilt) {
    assert.notEqual(same, false, `${name} differs from its rebuild`)
    assert.equal(parked, 0, name)
  }
}

async function within(ms: number, what: string, work: Promise<unknown>): Promise<void> {
  let late: NodeJS.Timeout | undefined
  const never = new Promise((_, reject) => {
    late = setTimeout(() => reject(new Error(`Not within ${ms} ms: ${what}; SMTP answered ${[...smtp.codes]}`)), ms)
  })
  await Promise.race([work, never]).finally(() => clearTimeout(late))
}

async function engineKilled(name: ClusterEngine): Promise<void> {
  await cluster.engines[name].kill()
  await pause(FAULT_MS)
  await cluster.engines[name].restart()
  await allIsWell()
}

async function lineCut(name: ClusterEngine): Promise<void> {
  const { proxy } = cluster.engines[name]
  proxy.cut()
  await pause(FAULT_MS)
  proxy.restore()
  await allIsWell()
}

async function processKilled(name: string): Promise<void> {
  await cluster.role(name).end('SIGKILL')
  await pause(FAULT_MS / 2)
  await cluster.role(name).restart()
  await allIsWell()
}

test('EventStoreDB killed and started again', () => engineKilled('eventStore'))
test('MongoDB killed and started again', () => engineKilled('views'))
test('Typesense killed and started again', () => engineKilled('search'))
test('Redis killed and started again', () => engineKilled('cache'))
test('NATS killed and started again', () => engineKilled('queue'))
test('S3 killed and started again', () => engineKilled('blobs'))
test('the line to EventStoreDB cut', () => lineCut('eventStore'))
test('the line to MongoDB cut', () => lineCut('views'))
test('the line to Typesense cut', () => lineCut('search'))
test('the line to Redis cut', () => lineCut('cache'))
test('the line to NATS cut', () => lineCut('queue'))
test('the line to S3 cut', () => lineCut('blobs'))

test('views equal a rebuild after every engine was away', viewsEqualARebuild)

test('a process killed and started again: smtp', () => processKilled('smtp1'))
test('a process killed and started again: submission', () => processKilled('submission1'))
test('a process killed and started again: imap', () => processKilled('imap1'))
test('a process killed and started again: pop3', async () => {
  const signedIn = async () => {
    const client = new Pop3Client(cluster.port('pop31', 'pop3'))
    await client.line()
    await client.say('USER bob@example.test')
    assert.match(await client.say(`PASS ${PASSWORD}`), /^\+OK/)
    return client
  }
  const client = await signedIn()
  const before = await client.lines('UIDL')
  assert.match(await client.say('DELE 1'), /^\+OK/)
  await processKilled('pop31')
  client.close()
  const again = await signedIn()
  assert.deepEqual((await again.lines('UIDL')).slice(0, before.length), before, 'nothing is deleted before QUIT')
  again.close()
})
test('a process killed and started again: web', () => processKilled('web1'))
test('a process killed and started again: delivery', () => processKilled('delivery1'))
test('a process killed and started again: projector', () => processKilled('projector1'))

test('S3 slow', async () => {
  const { proxy } = cluster.engines.blobs
  proxy.delay(400)
  await pause(FAULT_MS)
  proxy.restore()
  await allIsWell()
})

test('NATS full', async () => {
  const connection = await connect({ servers: cluster.engines.queue.direct.replace('nats://', '') })
  const manager = await connection.jetstreamManager()
  const { config } = await manager.streams.info('everpost-work')
  await manager.streams.update('everpost-work', { ...config, max_msgs: 1 })
  await connection
    .jetstream()
    .publish('everpost-work.filler', '{}')
    .catch(() => undefined)
  await pause(FAULT_MS)
  await manager.streams.update('everpost-work', config)
  await connection.close()
  await allIsWell()
})

test('deliveries doubled and late', async () => {
  const connection = await connect({ servers: cluster.engines.queue.direct.replace('nats://', '') })
  const told = connection.subscribe('everpost-work.work')
  // Each piece of work once more, under another message id; heard again, it is not said again.
  const said = new Set<string>()
  const enough = Promise.withResolvers<void>()
  const again = async () => {
    for await (const { data } of told) {
      const text = Buffer.from(data).toString()
      if (said.has(text)) continue
      said.add(text)
      connection.publish('everpost-work.work', text)
      if (said.size === 3) enough.resolve()
    }
  }
  const listening = again()
  cluster.engines.queue.proxy.delay(300)
  try {
    await within(SETTLED_WITHIN_MS, 'work is queued', enough.promise)
  } finally {
    told.unsubscribe()
    cluster.engines.queue.proxy.restore()
    await listening
    await connection.close()
  }
  await allIsWell()
})

test('views equal a rebuild at the end', { timeout: 120_000 }, async (t) => {
  await viewsEqualARebuild()
  t.diagnostic(
    `${smtp.acknowledged.size} messages and ${api.acknowledged.size} submissions acknowledged; SMTP codes ${JSON.stringify([...smtp.codes])}, API errors ${JSON.stringify([...api.errors])}; longest answers ${Math.round(smtp.longestMs)} and ${Math.round(api.longestMs)} ms; most memory ${Math.round(mostMemory / 1e6)} MB`,
  )
})
