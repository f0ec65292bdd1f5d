// The contract of the work queue against the memory engine, and that engine's own bound.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryQueue } from '../../infra/adapters/queue/memory.ts'
import { testWorkQueue } from './work-queue.ts'

testWorkQueue('memory', async () => {
  let now = 1_000_000
  const leaseMs = 30_000
  const pass = async (ms: number) => {
    now += ms
  }
  return { queue: new MemoryQueue({ now: () => now, leaseMs }), now: () => now, pass, leaseMs }
})

test('memory: says when it is full, and takes more once it is not', async () => {
  const queue = new MemoryQueue({ capacity: 2 })
  assert.equal(await queue.enqueue('a', 0), true)
  assert.equal(await queue.enqueue('b', 0), true)
  assert.equal(await queue.enqueue('c', 0), false)
  assert.equal(await queue.enqueue('a', 0), true, 'it is there already')
  await (await queue.take())?.ack()
  assert.equal(await queue.enqueue('c', 0), true)
  await queue.close()
})

test('memory: many pieces come in the order of their times', async () => {
  const queue = new MemoryQueue({ now: () => 1e9 })
  const times = Array.from({ length: 2000 }, (_, i) => (i * 7919) % 1000)
  for (const [i, time] of times.entries()) await queue.enqueue(`${i}`, time)
  let last = -1
  for (let i = 0; i < times.length; i++) {
    const work = await queue.take()
    const time = times[Number(work?.id)] as number
    assert.ok(time >= last)
    last = time
    await work?.ack()
  }
  await queue.close()
})

test('memory: a real clock wakes a taker', async () => {
  const queue = new MemoryQueue()
  await queue.enqueue('soon', Date.now() + 20)
  assert.equal((await queue.take())?.id, 'soon')
  await queue.close()
})
