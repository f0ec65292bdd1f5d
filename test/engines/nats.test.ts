// The contract of the work queue, and the fan-out, against NATS JetStream: its own server, or the one that EVERPOST_TEST_NATS names.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from 'nats'
import { NatsFanOut } from '../../infra/adapters/fan-out/nats.ts'
import { NatsQueue, type NatsQueueOptions } from '../../infra/adapters/queue/nats.ts'
import { natsAddress } from '../../infra/adapters/queue/nats-connection.ts'
import { type RunningEngine, startEngine } from '../../infra/deploy/engines/engines.ts'
import type { Applied } from '../../projections/ports/fan-out.ts'
import { testWorkQueue } from '../contract/work-queue.ts'

let engine: RunningEngine | undefined
let url = process.env['EVERPOST_TEST_NATS'] ?? ''
before(async () => {
  if (url !== '') return
  engine = await startEngine('nats')
  url = engine.url
})
after(() => engine?.stop())

const open = (options: NatsQueueOptions = {}) =>
  NatsQueue.open(url, { name: `test-${randomBytes(4).toString('hex')}`, settleMs: 1000, ...options })

testWorkQueue('nats', async () => {
  let now = Date.now()
  const leaseMs = 30_000
  const pass = async (ms: number) => {
    now += ms
  }
  return { queue: await open({ now: () => now, leaseMs }), now: () => now, pass, leaseMs }
})

test('nats: says when it is full, and takes more once it is not', async () => {
  const queue = await open({ capacity: 2 })
  try {
    assert.equal(await queue.enqueue('a', 0), true)
    assert.equal(await queue.enqueue('b', 0), true)
    assert.equal(await queue.enqueue('c', 0), false)
    await (await queue.take())?.ack()
    let taken = false
    while (!taken) taken = await queue.enqueue('c', 0)
    const left = [await queue.take(), await queue.take()].map((work) => work?.id).sort()
    assert.deepEqual(left, ['b', 'c'])
  } finally {
    await queue.close()
  }
})

test('nats: two processes share the work, each piece once', async () => {
  const name = `test-${randomBytes(4).toString('hex')}`
  const [one, two] = [await open({ name, settleMs: 0 }), await open({ name, settleMs: 0 })]
  try {
    const ids = Array.from({ length: 60 }, (_, i) => `piece${i}`)
    for (const id of ids) await one.enqueue(id, 0)
    const done: string[] = []
    const stop = new AbortController()
    const worker = async (queue: NatsQueue) => {
      for (let work = await queue.take(stop.signal); work; work = await queue.take(stop.signal)) {
        done.push(work.id)
        await work.ack()
        if (done.length === ids.length) stop.abort()
      }
    }
    await Promise.all([worker(one), worker(two)])
    assert.deepEqual(done.sort(), ids.sort())
  } finally {
    await one.close()
    await two.close()
  }
})

test('nats: a piece on which workers die again and again is taken out and reported', async () => {
  const name = `test-${randomBytes(4).toString('hex')}`
  const poison: string[] = []
  const told = Promise.withResolvers<void>()
  const onPoison = ({ id }: { readonly id: string }) => {
    poison.push(id)
    told.resolve()
  }
  for (let deaths = 0; deaths < 3; deaths++) {
    const queue = await open({ name, maxDeliveries: 3 })
    if (deaths === 0) await queue.enqueue('bad', 0)
    assert.equal((await queue.take())?.id, 'bad')
    await queue.close()
  }
  const queue = await open({ name, maxDeliveries: 3, onPoison })
  await told.promise
  assert.deepEqual(poison, ['bad'])
  await queue.close()
})

test('nats: what somebody else wrote into the stream is taken out and reported, and work goes on', async () => {
  const name = `test-${randomBytes(4).toString('hex')}`
  const poison: string[] = []
  const queue = await open({ name, onPoison: ({ id }) => void poison.push(id) })
  const stranger = await connect({ servers: natsAddress(url).hosts })
  try {
    const written = ['{}', 'no JSON', 'null', '{"id":"x","dueAt":"soon"}']
    for (const text of written) await stranger.jetstream().publish(`${name}.work`, text)
    for (const id of ['a', 'b']) {
      await queue.enqueue(id, 0)
      const work = await queue.take()
      assert.equal(work?.id, id)
      await work?.ack()
    }
    assert.deepEqual(poison, written)
  } finally {
    await stranger.close()
    await queue.close()
  }
})

test('nats: a server that is killed, and one that lost all of its data, are taken up again', async (t) => {
  if (engine === undefined) return t.skip('somebody else’s server')
  const queue = await open()
  const missed = Promise.withResolvers<void>()
  const fanOut = await NatsFanOut.open(url)
  fanOut.onMissed(() => missed.resolve())
  const again = async (id: string) => {
    while (!(await queue.enqueue(id, 0))) await new Promise((resolve) => setImmediate(resolve))
  }
  try {
    await queue.enqueue('a', 0)
    await (await queue.take())?.ack()
    await engine.kill()
    assert.equal(await queue.enqueue('lost', 0), false)
    rmSync(join(engine.dataDir, 'jetstream'), { recursive: true })
    await engine.restart()
    await missed.promise
    await again('b')
    const work = await queue.take()
    assert.equal(work?.id, 'b')
    await work?.ack()
  } finally {
    await queue.close()
    await fanOut.close()
  }
})

test('nats: what one process applied the others hear, and it itself does not', async () => {
  const cell = randomBytes(4).toString('hex')
  const [one, two] = [await NatsFanOut.open(url, cell), await NatsFanOut.open(url, cell)]
  try {
    const heard = Promise.withResolvers<Applied>()
    one.subscribe(() => heard.reject(new Error('its own words')))
    two.subscribe(heard.resolve)
    one.publish({ mailboxes: new Map([['a', 7n]]), position: 12n })
    assert.deepEqual(await heard.promise, { mailboxes: new Map([['a', 7n]]), position: 12n })
  } finally {
    await one.close()
    await two.close()
  }
})

test('nats: a server that is not there is refused with a sentence', async () => {
  await assert.rejects(NatsQueue.open('nats://127.0.0.1:1'), /NATS at 127.0.0.1:1 cannot be used/)
})
