// What every engine of the work queue must keep: each id once, at its time, to one worker, and again when that worker is gone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkQueue } from '../../commands/ports/work-queue.ts'

export interface OpenedQueue {
  readonly queue: WorkQueue
  /** Epoch milliseconds, as the engine sees it. */
  now(): number
  /** Moves the engine's clock on. */
  pass(ms: number): Promise<void>
  /** How long a silent worker keeps its work. */
  readonly leaseMs: number
}

export function testWorkQueue(engine: string, open: () => Promise<OpenedQueue>): void {
  const withQueue = (name: string, body: (opened: OpenedQueue) => Promise<void>) =>
    test(`${engine}: ${name}`, async () => {
      const opened = await open()
      try {
        await body(opened)
      } finally {
        await opened.queue.close()
      }
    })
  const none = async (queue: WorkQueue) => {
    const stop = new AbortController()
    const taking = queue.take(stop.signal)
    stop.abort()
    assert.equal(await taking, undefined)
  }
  const takeId = async (queue: WorkQueue) => (await queue.take())?.id

  withQueue('gives work in the order of its time, not before it', async ({ queue, now, pass }) => {
    await queue.enqueue('late', now() + 60_000)
    await queue.enqueue('b', now())
    await queue.enqueue('a', now() - 1000)
    for (const id of ['a', 'b']) {
      const work = await queue.take()
      assert.equal(work?.id, id)
      await work?.ack()
    }
    await none(queue)
    await pass(61_000)
    assert.equal(await takeId(queue), 'late')
  })

  withQueue('has an id once, and the earlier time counts', async ({ queue, now }) => {
    await queue.enqueue('x', now() + 60_000)
    await queue.enqueue('x', now())
    await queue.enqueue('x', now() + 5)
    const work = await queue.take()
    assert.equal(work?.id, 'x')
    await none(queue)
    await work?.ack()
    await none(queue)
  })

  withQueue('gives back what is retried, at its time', async ({ queue, now, pass }) => {
    await queue.enqueue('x', now())
    await (await queue.take())?.retry(now() + 10_000)
    await none(queue)
    await pass(10_001)
    assert.equal(await takeId(queue), 'x')
  })

  withQueue('gives again what was enqueued while it was worked on', async ({ queue, now }) => {
    await queue.enqueue('x', now())
    const work = await queue.take()
    await queue.enqueue('x', now())
    await none(queue)
    await work?.ack()
    assert.equal(await takeId(queue), 'x')
  })

  withQueue('gives to another what a silent worker held, and that worker changes nothing more', async (opened) => {
    const { queue, now, pass, leaseMs } = opened
    await queue.enqueue('x', now())
    const silent = await queue.take()
    await pass(leaseMs + 1)
    const second = await queue.take()
    assert.equal(second?.id, 'x')
    await silent?.ack()
    await silent?.retry(now())
    await none(queue)
    await second?.ack()
    await none(queue)
  })

  withQueue('leaves work with a worker that says that it works', async ({ queue, now, pass, leaseMs }) => {
    await queue.enqueue('x', now())
    const work = await queue.take()
    for (let i = 0; i < 3; i++) {
      await pass(Math.floor(leaseMs * 0.7))
      work?.working()
      await none(queue)
    }
    await work?.ack()
    await pass(leaseMs * 2)
    await none(queue)
  })

  withQueue('wakes whoever waits, each with a piece of its own', async ({ queue, now }) => {
    const takers = [queue.take(), queue.take()]
    await queue.enqueue('a', now())
    await queue.enqueue('b', now())
    assert.deepEqual((await Promise.all(takers)).map((work) => work?.id).sort(), ['a', 'b'])
  })

  withQueue('lets whoever waits go when it closes', async ({ queue }) => {
    const taking = queue.take()
    await queue.close()
    assert.equal(await taking, undefined)
  })
}
