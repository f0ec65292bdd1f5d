// What the EventStoreDB engine does when the server or the line does not do its part.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { generate } from 'selfsigned'
import { EventStoreError, type ExpectedRevision, type StoredEvent } from '../../commands/ports/event-store.ts'
import {
  type EventStoreDb,
  type EventStoreDbOptions,
  openEventStoreDb,
} from '../../infra/adapters/event-store/eventstoredb.ts'
import { eventOf } from '../contract/event-store.ts'
import { DoubleLog } from '../doubles/eventstoredb/log.ts'
import { type DoubleOptions, EventStoreDouble, type Member } from '../doubles/eventstoredb/server.ts'
import { temporaryFolder } from '../support/folders.ts'

const QUICK: EventStoreDbOptions = { deadlineMs: 150, retryForMs: 8_000, startWithinMs: 2_000, headPollMs: 30 }

async function openStore(t: TestContext, url: string, options: EventStoreDbOptions = {}): Promise<EventStoreDb> {
  const store = await openEventStoreDb(url, { ...QUICK, ...options })
  t.after(() => store.close())
  return store
}

async function startDouble(t: TestContext, options: DoubleOptions = {}): Promise<EventStoreDouble> {
  const double = await EventStoreDouble.start(options)
  t.after(() => double.stop())
  return double
}

const texts = (events: readonly StoredEvent[]) => events.map(({ data }) => Buffer.from(data).toString())
async function streamOf(store: EventStoreDb, stream: string): Promise<StoredEvent[]> {
  return Array.fromAsync(store.readStream(stream))
}
const refused = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof EventStoreError && error.code === code && words.test(error.message)

describe('EventStoreDB engine: appends of unknown outcome', () => {
  const cases: readonly (readonly [string, ExpectedRevision])[] = [
    ['any revision', 'any'],
    ['no stream', 'no-stream'],
    ['an exact revision', 0n],
  ]
  for (const [name, expected] of cases) {
    for (const fault of ['swallowAnswers', 'timeOutAfterWriting', 'hang'] as const) {
      it(`appends once to ${name} when ${fault === 'hang' ? 'a request is lost' : `answers are lost (${fault})`}`, async (t) => {
        const double = await startDouble(t)
        const store = await openStore(t, double.url)
        if (typeof expected === 'bigint')
          await store.append({ stream: 's', expected: 'no-stream', events: [eventOf('0')] })
        // The first try goes in a batch, the second on its own: lose both.
        double.node.faults[fault] = 2
        const result = await store.append({ stream: 's', expected, events: [eventOf('x'), eventOf('y')] })
        assert.ok(result.ok)
        const events = await streamOf(store, 's')
        assert.deepEqual(texts(events).slice(-2), ['x', 'y'])
        assert.equal(events.length, typeof expected === 'bigint' ? 3 : 2)
        assert.equal(events.at(-1)?.position, result.position)
      })
    }
  }

  it('appends once to any revision though the server forgot the ids with its memory', async (t) => {
    const double = await startDouble(t)
    const store = await openStore(t, double.url)
    await store.append({ stream: 's', expected: 'any', events: [eventOf('before')] })
    double.node.faults.swallowAnswers = 1
    const appended = store.append({ stream: 's', expected: 'any', events: [eventOf('once')] })
    while (double.log.stream('s').length < 2) await new Promise(setImmediate)
    double.log.append('s', 'any', [
      {
        id: randomUUID(),
        type: 'T',
        contentType: 'application/octet-stream',
        data: Buffer.from('later'),
        metadata: new Uint8Array(),
      },
    ])
    double.log.forgetIds()
    const result = await appended
    assert.equal(result.ok && result.revision, 1n)
    assert.deepEqual(texts(await streamOf(store, 's')), ['before', 'once', 'later'])
  })

  it('rejects as unavailable when nobody answers, and takes the same append once later', async (t) => {
    const file = join(temporaryFolder(), 'log')
    const double = await EventStoreDouble.start({ file })
    const store = await openStore(t, double.url, { retryForMs: 200, deadlineMs: 100 })
    double.node.faults.swallowAnswers = 1
    const event = eventOf('once')
    const { port } = double
    const appended = store.append({ stream: 's', expected: 'any', events: [event] })
    while (double.log.stream('s').length < 1) await new Promise(setImmediate)
    await double.stop()
    await assert.rejects(appended, refused('unavailable', /cannot be reached or does not answer/))
    await startDouble(t, { file, port })
    for (let tries = 0; ; tries++) {
      const result = await store.append({ stream: 's', expected: 'any', events: [event] }).catch((error) => error)
      if (result instanceof EventStoreError && tries < 100) continue
      assert.equal(result.revision, 0n)
      break
    }
    assert.equal((await streamOf(store, 's')).length, 1)
  })
})

describe('EventStoreDB engine: the server is killed', () => {
  const started = async (t: TestContext, file: string, port = 0): Promise<{ child: ChildProcess; url: string }> => {
    const script = join(import.meta.dirname, '../doubles/eventstoredb/serve.ts')
    const child = spawn(process.execPath, [script, '--file', file, '--port', String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const [line] = (await once(child.stdout as NonNullable<typeof child.stdout>, 'data')) as [Buffer]
    return { child, url: line.toString().trim() }
  }

  it('loses nothing and doubles nothing under load, and its readers go on by themselves', async (t) => {
    const file = join(temporaryFolder(), 'log')
    let { child, url } = await started(t, file)
    const port = Number(new URL(url.replace('esdb:', 'http:')).port)
    const store = await openStore(t, url, { deadlineMs: 1_000, retryForMs: 30_000 })
    const sent = new Set<string>()
    let stop = false
    let finished = false
    const writer = async (name: number) => {
      for (let i = 0; !stop; i++) {
        const text = `${name}:${i}`
        const result = await store.append({ stream: `s-${name % 7}`, expected: 'any', events: [eventOf(text)] })
        assert.ok(result.ok)
        sent.add(text)
      }
    }
    const seen: string[] = []
    const controller = new AbortController()
    const reader = (async () => {
      let last = 0n
      for await (const { events } of store.subscribe({ signal: controller.signal })) {
        for (const event of events) {
          assert.ok(event.position > last)
          last = event.position
        }
        seen.push(...texts(events))
        if (finished && seen.length >= sent.size) controller.abort()
      }
    })()
    const writers = Array.from({ length: 32 }, (_, i) => writer(i))
    for (const enough of [100, 400]) {
      while (sent.size < enough) await new Promise((resolve) => setTimeout(resolve, 5))
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
      ;({ child, url } = await started(t, file, port))
    }
    while (sent.size < 700) await new Promise((resolve) => setTimeout(resolve, 5))
    stop = true
    await Promise.all(writers)
    finished = true
    if (seen.length >= sent.size) controller.abort()
    await reader
    assert.equal(seen.length, new Set(seen).size, 'nothing came twice')
    assert.deepEqual(new Set(seen), sent)
  })
})

describe('EventStoreDB engine: subscriptions', () => {
  it('goes on after a clean end by the server', async (t) => {
    const double = await startDouble(t)
    const store = await openStore(t, double.url)
    const seen: string[] = []
    let next = 0
    for await (const batch of store.subscribe()) {
      seen.push(...texts(batch.events))
      if (!batch.caughtUp) continue
      if (next === 5) break
      double.node.endSubscriptions()
      await store.append({ stream: 's', expected: 'any', events: [eventOf(`${next++}`)] })
    }
    for await (const batch of store.subscribe()) {
      if (!batch.caughtUp) continue
      break
    }
    assert.deepEqual(seen, ['0', '1', '2', '3', '4'].slice(0, seen.length))
    assert.ok(seen.length >= 4)
  })

  it('is not led astray by checkpoints that make no sense', async (t) => {
    const double = await startDouble(t)
    double.node.faults.oddCheckpoints = true
    const store = await openStore(t, double.url)
    for (let i = 0; i < 5; i++) await store.append({ stream: `a-${i}`, expected: 'any', events: [eventOf(`${i}`)] })
    const positions: bigint[] = []
    const seen: string[] = []
    for await (const batch of store.subscribe({ prefixes: ['a-'], batchSize: 2 })) {
      if (batch.position !== undefined) positions.push(batch.position)
      seen.push(...texts(batch.events))
      if (batch.caughtUp && seen.length === 5) double.node.endSubscriptions()
      if (batch.caughtUp && seen.length === 5 && positions.length > 3) break
      if (batch.caughtUp && seen.length === 5)
        await store.append({ stream: 'a-9', expected: 'any', events: [eventOf('x')] })
      if (seen.length === 6) break
    }
    assert.deepEqual(seen.slice(0, 5), ['0', '1', '2', '3', '4'])
    assert.deepEqual(
      positions,
      positions.toSorted((a, b) => (a < b ? -1 : 1)),
    )
    assert.ok(positions.every((position) => position < 2n ** 60n))
  })

  it('moves a live subscription over what its filter leaves out, without the server saying a word', async (t) => {
    const double = await startDouble(t)
    const store = await openStore(t, double.url)
    await store.append({ stream: 'wanted-1', expected: 'any', events: [eventOf('1')] })
    let skipped: bigint | undefined
    for await (const batch of store.subscribe({ prefixes: ['wanted-'] })) {
      if (batch.caughtUp && skipped === undefined) {
        const result = await store.append({ stream: 'other-1', expected: 'any', events: [eventOf('2')] })
        assert.ok(result.ok)
        skipped = result.position
      }
      if (skipped !== undefined && (batch.position ?? 0n) >= skipped) break
    }
  })

  it('keeps logs of one server apart, and the streams of the server out', async (t) => {
    const double = await startDouble(t)
    const one = await openStore(t, double.url, { namespace: 'one.' })
    const two = await openStore(t, double.url, { namespace: 'two.' })
    await one.append({ stream: 's', expected: 'no-stream', events: [eventOf('1')] })
    await two.append({ stream: 's', expected: 'no-stream', events: [eventOf('2')] })
    assert.deepEqual(texts(await streamOf(one, 's')), ['1'])
    for await (const batch of two.subscribe()) {
      assert.deepEqual(texts(batch.events), ['2'])
      assert.equal(batch.events[0]?.stream, 's')
      break
    }
    const head = await one.head()
    assert.equal((await one.readPositions([head ?? 0n]))[0]?.stream, 's')
    assert.deepEqual(await two.readPositions([head ?? 0n]), [])
  })

  it('gives metadata back to the byte, however its JSON is written', async (t) => {
    const store = await openStore(t, (await startDouble(t)).url)
    const all = ['{"b":1,"a":2}', '{ "spaced" : 1.0 }', '{"2":1,"1":2}', '[]', 'null', '', 'no json', '{"a":1,"a":2}']
    const events = all.map((text) => ({ ...eventOf('x'), metadata: Buffer.from(text) }))
    await store.append({ stream: 's', expected: 'any', events })
    const read = await streamOf(store, 's')
    assert.deepEqual(
      read.map(({ metadata }) => Buffer.from(metadata).toString()),
      all,
    )
  })
})

describe('EventStoreDB engine: clusters', () => {
  it('finds the leader by gossip, and follows it when another node leads', async (t) => {
    const log = new DoubleLog()
    let leading = 0
    const nodes: EventStoreDouble[] = []
    const members = (): Member[] =>
      nodes.map(({ port }, i) => ({
        address: '127.0.0.1',
        port,
        state: i === leading ? 'leader' : 'follower',
        alive: true,
      }))
    const leader = (me: number) => () =>
      me === leading ? ('me' as const) : { address: '127.0.0.1', port: nodes[leading]?.port ?? 0 }
    for (const me of [0, 1]) nodes.push(await startDouble(t, { log, leader: leader(me), members }))
    const url = `esdb://127.0.0.1:${nodes[0]?.port},127.0.0.1:${nodes[1]?.port}?tls=false`
    const store = await openStore(t, url)
    assert.ok((await store.append({ stream: 's', expected: 'no-stream', events: [eventOf('0')] })).ok)
    leading = 1
    assert.ok((await store.append({ stream: 's', expected: 0n, events: [eventOf('1')] })).ok)
    assert.equal(await store.lastRevision('s'), 1n)
    leading = 0
    await nodes[1]?.stop()
    assert.ok((await store.append({ stream: 's', expected: 1n, events: [eventOf('2')] })).ok)
    assert.deepEqual(texts(await streamOf(store, 's')), ['0', '1', '2'])
  })

  it('goes from a follower to the leader that it names', async (t) => {
    const log = new DoubleLog()
    const first = await startDouble(t, { log })
    const follower = await startDouble(t, { log, leader: () => ({ address: '127.0.0.1', port: first.port }) })
    const store = await openStore(t, follower.url)
    assert.ok((await store.append({ stream: 's', expected: 'no-stream', events: [eventOf('0')] })).ok)
  })
})

describe('EventStoreDB engine: servers that will not do', () => {
  const opening = (url: string, options = {}) =>
    openEventStoreDb(url, { ...QUICK, startWithinMs: 300, ...options }).then((store) => store.close())

  it('says what to do about an old one, another one, none at all', async (t) => {
    const old = await startDouble(t, { version: '22.10.3' })
    await assert.rejects(opening(old.url), refused('wrong-server', /22\.10\.3.*upgrade/))
    const empty = new Server()
    const port = await new Promise<number>((resolve) =>
      empty.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
    )
    t.after(() => empty.forceShutdown())
    await assert.rejects(opening(`esdb://127.0.0.1:${port}?tls=false`), refused('wrong-server', /not EventStoreDB/))
    const web = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
    await once(web, 'listening')
    t.after(() => web.close())
    const webPort = (web.address() as AddressInfo).port
    await assert.rejects(opening(`esdb://127.0.0.1:${webPort}?tls=false`), (error) => error instanceof EventStoreError)
    await assert.rejects(
      opening('esdb://127.0.0.1:1?tls=false'),
      refused('unavailable', /127\.0\.0\.1:1 cannot be reached/),
    )
    const leaderless = await startDouble(t, { leader: () => undefined })
    await assert.rejects(opening(leaderless.url), refused('unavailable', /leader/))
  })

  it('refuses connection strings that cannot work, without showing the password', async () => {
    await assert.rejects(opening('http://example.test'), refused('wrong-server', /cannot be used/))
    await assert.rejects(opening('esdb://h?nodePreference=follower'), refused('wrong-server', /say leader/))
    await assert.rejects(opening('esdb://h?throwOnAppendFailure=false'), refused('wrong-server', /leave it out/))
    await assert.rejects(
      opening('esdb://me:secret@127.0.0.1:x'),
      (error) => error instanceof EventStoreError && !error.message.includes('secret'),
    )
  })

  it('connects by TLS with a password or a certificate, and says who lacks what', async (t) => {
    const folder = temporaryFolder()
    const pem = await generate([{ name: 'commonName', value: 'localhost' }], {
      keySize: 2048,
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
      ],
    } as never)
    const [ca, key] = [join(folder, 'ca.crt'), join(folder, 'user.key')]
    writeFileSync(ca, pem.cert)
    writeFileSync(key, pem.private)
    const tls = { key: pem.private, cert: pem.cert }
    const access = { admins: { admin: 'right' }, others: { guest: 'guest' } }
    const double = await startDouble(t, { tls, access })
    const at = (user: string, more = `?tlsCAFile=${encodeURIComponent(ca)}`) =>
      `esdb://${user}localhost:${double.port}${more}`
    await opening(at('admin:right@'))
    await assert.rejects(opening(at('admin:wrong@')), refused('wrong-server', /\$admins/))
    await assert.rejects(opening(at('guest:guest@')), refused('wrong-server', /\$admins/))
    await assert.rejects(opening(at('')), refused('wrong-server', /\$admins/))
    await assert.rejects(opening(at('admin:right@', '')), refused('wrong-server', /tlsCAFile/))
    const plain = await startDouble(t)
    await assert.rejects(opening(`esdb://localhost:${plain.port}`), refused('wrong-server', /tls=false/))
    const mutual = await startDouble(t, {
      tls: { ...tls, clientCa: pem.cert },
      access: { admins: {}, certificates: true },
    })
    const files = `tlsCAFile=${encodeURIComponent(ca)}&userCertFile=${encodeURIComponent(ca)}&userKeyFile=${encodeURIComponent(key)}`
    await opening(`esdb://localhost:${mutual.port}?${files}`)
    await assert.rejects(opening(`esdb://127.0.0.1:${mutual.port}?${files}`), refused('wrong-server', /host name/))
  })
})
