import assert from 'node:assert/strict'
import { get } from 'node:http'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { WebSocket } from 'ws'
import { changeMailbox } from '../../commands/change-mailbox.ts'
import { contextOf, toNewEvents } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { folderIdFor } from '../../commands/open-account.ts'
import { mailboxStream } from '../../domain/log.ts'
import { type FollowPorts, followMailbox } from '../../gateways/realtime/follow-mailbox.ts'
import { ProblemError } from '../../gateways/web/problem.ts'
import { PASSWORD, type Person, startWeb, type TestServer } from '../support/web-server.ts'

/** A mailbox whose log, view and wake-ups move one after the other, in steps that a test chooses. */
class SteppedMailbox {
  readonly events: { revision: bigint; type: string }[] = []
  #shown = -1n
  readonly #listeners = new Set<(touched: ReadonlyMap<string, bigint>) => void>()
  reads = 0

  readonly ports: FollowPorts = {
    journal: {
      lastRevision: async () => (this.events.length === 0 ? undefined : BigInt(this.events.length - 1)),
    } as never,
    source: {
      readStream: async function* (this: SteppedMailbox, _stream: string, { from = 0n, limit = 1e9 } = {}) {
        this.reads++
        for (const event of this.events.slice(Number(from), Number(from) + limit)) {
          await turn()
          yield {
            ...event,
            id: '',
            stream: '',
            position: event.revision,
            data: { folderId: 'f', messageIds: [] },
            metadata: { at: 0, causationId: '' },
          }
        }
      }.bind(this) as never,
      readPositions: async () => [],
      head: async () => undefined,
    },
    onApplied: (listener) => {
      this.#listeners.add(listener)
      return () => this.#listeners.delete(listener)
    },
    views: {
      mailbox: {
        accountRevision: async () => {
          const shown = this.#shown
          await turn()
          return shown < 0n ? undefined : shown
        },
        messagesById: async () => [],
        folders: async () => [],
      },
    },
  }

  get listening(): number {
    return this.#listeners.size
  }
  write(count: number): void {
    for (let i = 0; i < count; i++) this.events.push({ revision: BigInt(this.events.length), type: 'FolderSubscribed' })
  }
  apply(count: number): void {
    const before = this.#shown
    this.#shown = BigInt(Math.min(this.events.length - 1, Number(this.#shown) + count))
    if (this.#shown > before) for (const listener of this.#listeners) listener(new Map([['a', this.#shown]]))
  }
  /** Wake-ups about nothing, and about others. */
  ring(account: string): void {
    for (const listener of this.#listeners) listener(new Map([[account, this.#shown]]))
  }
}

test('whatever the interleaving of writes, views and reading: every event once, in order, never before the view shows it', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('write' as const), n: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ do: fc.constant('apply' as const), n: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ do: fc.constant('ring' as const), n: fc.integer({ min: 0, max: 1 }) }),
    fc.record({ do: fc.constant('turn' as const), n: fc.integer({ min: 1, max: 6 }) }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.nat(400),
      fc.boolean(),
      async (steps, start, slow) => {
        const mailbox = new SteppedMailbox()
        mailbox.write(start + 1)
        mailbox.apply(start)
        const after = BigInt(Math.floor(start / 2)) - 1n
        const abort = new AbortController()
        const got: bigint[] = []
        const reading = (async () => {
          for await (const { revision } of followMailbox(mailbox.ports, 'a', {
            after: after < 0n ? undefined : after,
            signal: abort.signal,
          })) {
            const shown = (await mailbox.ports.views.mailbox.accountRevision('a')) ?? -1n
            assert.ok(revision <= shown, `${revision} given while the view shows ${shown}`)
            got.push(revision)
            if (slow) await turn()
          }
        })()
        // Without `after` it starts where the view is at that moment.
        await turn()
        const first = after < 0n ? BigInt(start) : after + 1n
        for (const { do: what, n } of steps) {
          if (what === 'write') mailbox.write(n)
          else if (what === 'apply') mailbox.apply(n)
          else if (what === 'ring') mailbox.ring(n === 0 ? 'a' : 'b')
          else for (let i = 0; i < n; i++) await turn()
        }
        mailbox.apply(1e6)
        const last = BigInt(mailbox.events.length - 1)
        for (let i = 0; i < 20_000 && got.at(-1) !== last && first <= last; i++) await turn()
        abort.abort()
        await reading
        const expected = Array.from({ length: Number(last - first) + 1 }, (_, i) => first + BigInt(i))
        assert.deepEqual(got.slice(0, 3), expected.slice(0, 3))
        assert.deepEqual(got, expected)
        assert.equal(mailbox.listening, 0)
      },
    ),
    { numRuns: 60 },
  )
})

test('a place that the log does not have is refused, an idle reader reads nothing', async () => {
  const mailbox = new SteppedMailbox()
  mailbox.write(3)
  mailbox.apply(3)
  await assert.rejects(
    followMailbox(mailbox.ports, 'a', { after: 3n }).next(),
    (error: unknown) => error instanceof ProblemError && error.problem.code === 'no-such-revision',
  )
  const abort = new AbortController()
  const changes = followMailbox(mailbox.ports, 'a', { after: 2n, signal: abort.signal })
  const next = changes.next()
  for (let i = 0; i < 50; i++) await turn()
  assert.equal(mailbox.reads, 0)
  abort.abort()
  assert.equal((await next).done, true)
})

interface Change {
  readonly revision: string
  readonly type: string
  readonly messageIds: readonly string[]
  readonly messages: readonly { readonly subject: string; readonly flags: readonly string[] }[]
  readonly folderIds: readonly string[]
  readonly folders: readonly { readonly id: string; readonly total: number }[] | null
}

interface Received {
  readonly type: string
  readonly id?: string
  readonly payload?: {
    readonly data?: { readonly mailboxChanged?: Change; readonly me?: { readonly address: string } }
    readonly errors?: unknown
  }
}

/** A graphql-transport-ws client of the least kind. */
class Client {
  readonly socket: WebSocket
  readonly received: Received[] = []
  #wake: (() => void) | undefined
  closed: number | undefined

  constructor(server: TestServer, init: object | undefined, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${server.port}/graphql`, 'graphql-transport-ws', { headers })
    this.socket.on('open', () => this.send({ type: 'connection_init', ...(init ? { payload: init } : {}) }))
    this.socket.on('message', (data) => {
      this.received.push(JSON.parse(String(data)))
      this.#wake?.()
    })
    this.socket.on('close', (code) => {
      this.closed = code
      this.#wake?.()
    })
    this.socket.on('error', () => undefined)
  }
  send(message: object): void {
    this.socket.send(JSON.stringify(message))
  }
  subscribe(id: string, query: string): void {
    this.send({ type: 'subscribe', id, payload: { query } })
  }
  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
  changes(id = '1'): readonly Change[] {
    return this.received.flatMap((each) =>
      each.type === 'next' && each.id === id ? (each.payload?.data?.mailboxChanged ?? []) : [],
    )
  }
  ack(): Promise<void> {
    return this.until(() => this.closed !== undefined || this.received.some((each) => each.type === 'connection_ack'))
  }
}

const FIELDS =
  '{ revision type at causationId messageIds messages { id subject flags } folderIds folders { id total unread } }'

async function flag(server: TestServer, person: Person, messageIds: readonly string[], add: string): Promise<void> {
  const ports = { journal: server.everpost.journal, snapshots: server.everpost.projectors.mailbox }
  const outcome = await changeMailbox(ports, contextOf(person.id, 'imap'), person.id, {
    type: 'ChangeFlags',
    messageIds,
    add: [add],
    remove: [],
  })
  assert.ok(outcome.ok)
}

test('over WebSocket: history from a revision, then live, each change once; others hear nothing', async (t) => {
  const { server, alice, bob } = await startWeb(t)
  const first = await server.deliver(alice, { subject: 'one' })
  const mine = new Client(server, { authorization: `Bearer ${alice.token}` })
  const theirs = new Client(server, { token: bob.token })
  t.after(() => {
    for (const client of [mine, theirs]) client.socket.terminate()
  })
  await mine.ack()
  await theirs.ack()
  mine.subscribe('1', `subscription { mailboxChanged(after: "0") ${FIELDS} }`)
  theirs.subscribe('1', `subscription { mailboxChanged(after: "5") ${FIELDS} }`)
  await mine.until(() => mine.changes().length === 6)
  const second = await server.deliver(alice, { subject: 'two' }, { wait: false })
  await flag(server, alice, [first], '\\flagged')
  await mine.until(() => mine.changes().length === 8)
  const changes = mine.changes()
  assert.deepEqual(
    changes.map(({ revision }) => revision),
    ['1', '2', '3', '4', '5', '6', '7', '8'],
  )
  assert.deepEqual(
    changes.slice(-3).map(({ type }) => type),
    ['MessageReceived', 'MessageReceived', 'FlagsChanged'],
  )
  assert.deepEqual(changes[6]?.messageIds, [second])
  assert.equal(changes[6]?.messages[0]?.subject, 'two')
  assert.deepEqual(changes[7]?.messages[0]?.flags, ['\\flagged'])
  assert.equal(changes[5]?.folders?.find((folder) => folder.id === changes[5]?.folderIds[0])?.total, 1)
  assert.equal(theirs.changes().length, 0)
  mine.send({ type: 'complete', id: '1' })
  mine.subscribe('q', '{ me { address } }')
  await mine.until(() => mine.received.some((each) => each.id === 'q' && each.type === 'complete'))
  const metrics = (await server.request('GET', '/metrics')).text
  assert.match(metrics, /^everpost_subscriptions_open 1$/m, 'the completed one is gone although nothing happened since')
})

test('over server-sent events: the same, and the end of the connection ends it', async (t) => {
  const { server, alice } = await startWeb(t)
  const query = encodeURIComponent(`subscription { mailboxChanged(after: "4") ${FIELDS} }`)
  const events: Change[] = []
  let wake: (() => void) | undefined
  const request = get(
    `http://127.0.0.1:${server.port}/graphql?query=${query}`,
    { headers: { accept: 'text/event-stream', authorization: `Bearer ${alice.token}` } },
    (response) => {
      assert.match(String(response.headers['content-type']), /text\/event-stream/)
      let held = ''
      response.on('data', (chunk) => {
        held += String(chunk)
        for (let end = held.indexOf('\n\n'); end !== -1; end = held.indexOf('\n\n')) {
          const data = /^data: (.+)$/m.exec(held.slice(0, end))?.[1]
          held = held.slice(end + 2)
          if (data) events.push(JSON.parse(data).data.mailboxChanged)
        }
        wake?.()
      })
      response.on('error', () => undefined)
    },
  )
  request.on('error', () => undefined)
  const until = async (done: () => boolean) => {
    while (!done())
      await new Promise<void>((resolve) => {
        wake = resolve
      })
  }
  await until(() => events.length === 1)
  const id = await server.deliver(alice, { subject: 'live' })
  await until(() => events.length === 2)
  assert.deepEqual(events[1]?.messageIds, [id])
  request.destroy()
  for (let i = 0; ; i++) {
    if (/^everpost_subscriptions_open 0$/m.test((await server.request('GET', '/metrics')).text)) break
    assert.ok(i < 200, 'the subscription outlived its connection')
  }
})

test('strangers, other sites and ended sessions get no events', async (t) => {
  const { server, alice } = await startWeb(t)
  const signIn = async () =>
    server.request('POST', '/session', { json: { address: alice.address, password: PASSWORD } })
  const session = await signIn()
  const cookie = String(session.headers['set-cookie']).split(';')[0] as string
  const clients = [
    new Client(server, undefined),
    new Client(server, { authorization: 'Bearer nonsense' }),
    new Client(server, { token: 5 }),
    new Client(server, undefined, { cookie, origin: 'https://evil.example' }),
    new Client(server, undefined, { cookie }),
  ]
  for (const client of clients) {
    await client.until(() => client.closed !== undefined)
    assert.equal(client.closed, 4403)
  }
  const own = new Client(server, undefined, { cookie, origin: `http://127.0.0.1:${server.port}` })
  await own.ack()
  assert.equal(own.closed, undefined)
  own.subscribe('1', `subscription { mailboxChanged ${FIELDS} }`)
  const early = new Client(server, { token: session.json.token })
  await early.ack()
  assert.equal((await server.request('DELETE', '/session', { token: session.json.token })).status, 204)
  await own.until(() => own.closed !== undefined)
  await early.until(() => early.closed !== undefined)
  assert.equal(own.closed, 4403)
  await server.deliver(alice, {})
  assert.equal(own.changes().length, 0)
})

test('hostile socket messages close or fail that operation alone', async (t) => {
  const { server, alice } = await startWeb(t)
  for (const message of [
    '{',
    '[]',
    '"x"',
    '{"type":"evil"}',
    '{"type":"subscribe"}',
    '{"type":"subscribe","id":"","payload":{"query":"x"}}',
    '{"type":"subscribe","id":"1","payload":{"query":5}}',
    '{"type":"connection_init"}',
    'x'.repeat(1_200_000),
  ]) {
    const client = new Client(server, { token: alice.token })
    await client.ack()
    client.socket.send(message)
    await client.until(() => client.closed !== undefined)
    assert.ok((client.closed ?? 0) >= 1000, message.slice(0, 50))
  }
  const client = new Client(server, { token: alice.token })
  t.after(() => client.socket.terminate())
  await client.ack()
  for (const [i, query] of [
    '{ nope }',
    `{ ${'me { id } '.repeat(1000)} }`,
    'subscription { mailboxChanged(after: "x") { type } }',
    'subscription { mailboxChanged(after: "999") { type } }',
  ].entries()) {
    client.subscribe(`h${i}`, query)
    await client.until(() =>
      client.received.some((each) => each.id === `h${i}` && (each.type === 'error' || each.payload?.errors)),
    )
  }
  for (let i = 0; i < 22; i++) client.subscribe(`s${i}`, 'subscription { mailboxChanged { type } }')
  await client.until(
    () =>
      client.received.filter((each) => each.id?.startsWith('s') && /TOO_MANY/.test(JSON.stringify(each))).length === 2,
  )
  client.subscribe('ok', '{ me { address } }')
  await client.until(() =>
    client.received.some((each) => each.id === 'ok' && each.payload?.data?.me?.address === alice.address),
  )
  assert.deepEqual(server.errors, [])
})

test('a week-old cursor: 50,000 events behind, streamed in pages to a reader that pauses, then live', {
  timeout: 120_000,
}, async (t) => {
  const { server, alice } = await startWeb(t)
  const { journal } = server.everpost
  const id = await server.deliver(alice, {})
  const COUNT = 50_000
  for (let n = 0; n < COUNT; n += 1000) {
    const events = Array.from({ length: 1000 }, (_, i) => ({
      type: 'FolderSubscribed' as const,
      data: { folderId: folderIdFor(alice.id, 'junk'), subscribed: (n + i) % 2 === 0 },
    }))
    await journal.append({
      stream: mailboxStream(alice.id),
      expected: 'any',
      events: toNewEvents(events, alice.id, contextOf(alice.id, 'imap', { commandId: newId() })),
    })
  }
  await server.settle()
  const client = new Client(server, { token: alice.token })
  t.after(() => client.socket.terminate())
  await client.ack()
  client.subscribe('1', 'subscription { mailboxChanged(after: "6") { revision type } }')
  await client.until(() => client.changes().length > 500)
  // A reader that stops reading is not read ahead of: what was sent fits into the buffers of the sockets.
  client.socket.pause()
  const memory = process.memoryUsage.rss()
  for (let i = 0; i < 20; i++)
    assert.equal(
      (await server.request('POST', '/graphql', { token: alice.token, json: { query: '{ me { id } }' } })).status,
      200,
    )
  assert.ok(process.memoryUsage.rss() - memory < 100 * 1024 * 1024)
  client.socket.resume()
  let seen = 0
  await client.until(() => {
    seen = client.received.length
    return seen >= COUNT
  })
  await flag(server, alice, [id], '\\seen')
  await client.until(() => client.received.length >= COUNT + 2)
  const revisions = client.changes().map(({ revision }) => Number(revision))
  assert.deepEqual(
    revisions,
    Array.from({ length: COUNT + 1 }, (_, i) => i + 7),
  )
})
