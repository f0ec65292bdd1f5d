// What every engine of the log must do. Run by one line per engine in event-store.test.ts.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import {
  type Append,
  type EventStore,
  EventStoreError,
  type EventToAppend,
  type ExpectedRevision,
  MAX_APPEND_BYTES,
  MAX_EVENT_BYTES,
  type StoredEvent,
} from '../../commands/ports/event-store.ts'

export type OpenStore = (t: TestContext) => Promise<EventStore>

export function eventOf(text: string, id: string = randomUUID()): EventToAppend {
  return { id, type: 'Tested', metadata: Buffer.from('{}'), data: Buffer.from(text) }
}

const append = (stream: string, expected: ExpectedRevision, ...events: EventToAppend[]): Append => ({
  stream,
  expected,
  events,
})
const textOf = (event: StoredEvent) => Buffer.from(event.data).toString()

async function collect(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

const refusedWith = (code: string) => (error: unknown) => error instanceof EventStoreError && error.code === code

export function eventStoreContract(engine: string, open: OpenStore): void {
  describe(`EventStore contract: ${engine}`, () => {
    it('numbers the events of a stream from 0 and positions upwards', async (t) => {
      const store = await open(t)
      const first = await store.append(append('a-1', 'no-stream', eventOf('one'), eventOf('two')))
      const second = await store.append(append('b-1', 'any', eventOf('three')))
      const third = await store.append(append('a-1', 1n, eventOf('four')))
      assert.ok(first.ok && second.ok && third.ok)
      assert.deepEqual([first.revision, second.revision, third.revision], [1n, 0n, 2n])
      assert.ok(first.position < second.position && second.position < third.position)
      assert.equal(await store.lastRevision('a-1'), 2n)
      assert.equal(await store.lastRevision('c-1'), undefined)
      assert.equal(await store.head(), third.position)
    })

    it('gives back type, id, metadata and data to the byte', async (t) => {
      const store = await open(t)
      const data = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      const event = { id: randomUUID(), type: 'Tested', metadata: Buffer.from('{"k":"é"}'), data }
      await store.append(append('a-1', 'any', event))
      const [read] = await collect(store.readStream('a-1'))
      assert.equal(read?.id, event.id)
      assert.equal(read?.type, 'Tested')
      assert.deepEqual(Buffer.from(read?.metadata ?? []), event.metadata)
      assert.deepEqual(Buffer.from(read?.data ?? []), data)
    })

    it('refuses an append whose expectation is wrong, says where the stream is, and leaves no trace', async (t) => {
      const store = await open(t)
      const missing = await store.append(append('a-1', 0n, eventOf('x')))
      assert.deepEqual(missing, { ok: false, error: 'wrong-expected-revision', actual: undefined })
      await store.append(append('a-1', 'no-stream', eventOf('one')))
      const taken = await store.append(append('a-1', 'no-stream', eventOf('two'), eventOf('three')))
      assert.deepEqual(taken, { ok: false, error: 'wrong-expected-revision', actual: 0n })
      assert.deepEqual((await collect(store.readStream('a-1'))).map(textOf), ['one'])
    })

    it('lets exactly one of many writers with the same expectation win', async (t) => {
      const store = await open(t)
      await store.append(append('a-1', 'no-stream', eventOf('start')))
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.append(append('a-1', 0n, eventOf(`${i}`)))),
      )
      assert.equal(results.filter((result) => result.ok).length, 1)
      assert.equal(await store.lastRevision('a-1'), 1n)
    })

    it('answers a retry with the same ids like the first time and adds nothing', async (t) => {
      const store = await open(t)
      for (const expected of ['any', 'no-stream'] as const) {
        const events = [eventOf('one'), eventOf('two')]
        const stream = `retry-${expected}`
        const first = await store.append({ stream, expected, events })
        await store.append(append(stream, 'any', eventOf('later')))
        const again = await store.append({ stream, expected, events })
        assert.ok(first.ok && again.ok)
        assert.deepEqual([again.revision, again.position, again.repeated], [first.revision, first.position, true])
        assert.equal(await store.lastRevision(stream), 2n)
      }
    })

    it('takes concurrent repeats of one append once', async (t) => {
      const store = await open(t)
      const events = [eventOf('once')]
      const results = await Promise.all(
        Array.from({ length: 10 }, () => store.append({ stream: 'a-1', expected: 'any', events })),
      )
      assert.ok(results.every((result) => result.ok && result.revision === 0n))
      assert.equal((await collect(store.readStream('a-1'))).length, 1)
    })

    it('refuses ids that are in the stream already in another place', async (t) => {
      const store = await open(t)
      const known = eventOf('known')
      await store.append(append('a-1', 'any', known))
      await assert.rejects(store.append(append('a-1', 'any', eventOf('new'), known)), refusedWith('id-reused'))
      await assert.rejects(store.append(append('a-1', 'any', known, eventOf('new'))), refusedWith('id-reused'))
      assert.equal(await store.lastRevision('a-1'), 0n)
    })

    it('reads forwards and backwards from any revision, with a limit', async (t) => {
      const store = await open(t)
      for (let i = 0; i < 30; i++) {
        await store.append(append('a-1', 'any', ...Array.from({ length: 20 }, (_, j) => eventOf(`${i * 20 + j}`))))
      }
      const texts = async (options: Parameters<EventStore['readStream']>[1]) =>
        (await collect(store.readStream('a-1', options))).map((event) => Number(textOf(event)))
      const all = Array.from({ length: 600 }, (_, i) => i)
      assert.deepEqual(await texts({}), all)
      assert.deepEqual(await texts({ direction: 'backwards' }), all.toReversed())
      assert.deepEqual(await texts({ from: 590n }), all.slice(590))
      assert.deepEqual(await texts({ from: 3n, direction: 'backwards' }), [3, 2, 1, 0])
      assert.deepEqual(await texts({ from: 100n, limit: 300 }), all.slice(100, 400))
      assert.deepEqual(await texts({ from: 600n }), [])
      assert.deepEqual((await collect(store.readStream('nothing-here'))).length, 0)
    })

    it('takes events and appends of the largest size, and refuses one byte more', async (t) => {
      const store = await open(t)
      const sized = (bytes: number): EventToAppend => ({ ...eventOf(''), data: Buffer.alloc(bytes - 2, 7) })
      assert.ok((await store.append(append('a-1', 'any', sized(MAX_EVENT_BYTES)))).ok)
      await assert.rejects(
        store.append(append('a-1', 'any', sized(MAX_EVENT_BYTES + 1))),
        refusedWith('event-too-large'),
      )
      const full = Array.from({ length: MAX_APPEND_BYTES / MAX_EVENT_BYTES }, () => sized(MAX_EVENT_BYTES))
      assert.ok((await store.append(append('b-1', 'any', ...full))).ok)
      await assert.rejects(store.append(append('b-1', 'any', ...full, sized(3))), refusedWith('append-too-large'))
    })

    it('refuses stream names that not every engine can hold', async (t) => {
      const store = await open(t)
      for (const name of ['', 'mailbox-é', '받은편지함', 'a b', 'a/b', '$all', `a-${'x'.repeat(200)}`]) {
        await assert.rejects(store.append(append(name, 'any', eventOf('x'))), refusedWith('bad-stream-name'), name)
      }
    })

    it('subscribes: history, one caught-up mark, then live, in order and without a gap', async (t) => {
      const store = await open(t)
      for (let i = 0; i < 10; i++) await store.append(append(`s-${i % 3}`, 'any', eventOf(`${i}`)))
      const controller = new AbortController()
      const seen: string[] = []
      let marks = 0
      let wrote: Promise<unknown> | undefined
      for await (const batch of store.subscribe({ batchSize: 4, signal: controller.signal })) {
        seen.push(...batch.events.map(textOf))
        if (batch.caughtUp && marks++ === 0) {
          assert.equal(seen.length, 10)
          wrote = Promise.all(
            Array.from({ length: 5 }, (_, i) => store.append(append('s-9', 'any', eventOf(`live${i}`)))),
          )
        }
        if (seen.length === 15) controller.abort()
      }
      await wrote
      assert.deepEqual(
        seen.slice(0, 10),
        Array.from({ length: 10 }, (_, i) => `${i}`),
      )
      assert.deepEqual(seen.slice(10).sort(), ['live0', 'live1', 'live2', 'live3', 'live4'])
    })

    it('says caught up on an empty log at once', async (t) => {
      const store = await open(t)
      for await (const batch of store.subscribe()) {
        assert.deepEqual(batch, { events: [], position: undefined, caughtUp: true })
        break
      }
    })

    it('resubscribes after a position without repeating or leaving out', async (t) => {
      const store = await open(t)
      for (let i = 0; i < 20; i++) await store.append(append('s-1', 'any', eventOf(`${i}`)))
      const seen: string[] = []
      let position: bigint | undefined
      while (seen.length < 20) {
        for await (const batch of store.subscribe({ after: position, batchSize: 3 })) {
          seen.push(...batch.events.map(textOf))
          position = batch.position
          break
        }
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, i) => `${i}`),
      )
    })

    it('filters by stream prefix and moves the checkpoint over what it leaves out', async (t) => {
      const store = await open(t)
      await store.append(append('mailbox-a', 'any', eventOf('mine')))
      for (let i = 0; i < 20; i++) await store.append(append('other-a', 'any', eventOf('not mine')))
      for await (const batch of store.subscribe({ prefixes: ['mailbox-', 'account-'], batchSize: 5 })) {
        for (const event of batch.events) assert.equal(textOf(event), 'mine')
        if (!batch.caughtUp) continue
        assert.equal(batch.position, await store.head())
        break
      }
    })

    it('reads single positions in the order asked and leaves out what is not there', async (t) => {
      const store = await open(t)
      const positions: bigint[] = []
      for (const text of ['one', 'two', 'three']) {
        const result = await store.append(append('a-1', 'any', eventOf(text)))
        if (result.ok) positions.push(result.position)
      }
      const [one, two, three] = positions as [bigint, bigint, bigint]
      assert.deepEqual((await store.readPositions([three, one, three + 999n, two])).map(textOf), [
        'three',
        'one',
        'two',
      ])
    })

    it('appends to several streams all at once or not at all, where it can', async (t) => {
      const store = await open(t)
      if (!store.appendAtomically) return t.skip('this engine commits stream by stream')
      const both = await store.appendAtomically([
        append('a-1', 'no-stream', eventOf('x')),
        append('b-1', 'any', eventOf('y')),
      ])
      assert.ok(both.every((result) => result.ok))
      const neither = await store.appendAtomically([
        append('c-1', 'any', eventOf('x')),
        append('a-1', 'no-stream', eventOf('y')),
      ])
      assert.ok(neither.every((result) => !result.ok))
      assert.equal(await store.lastRevision('c-1'), undefined)
      assert.equal(await store.lastRevision('a-1'), 0n)
    })

    it('ends subscriptions and refuses work when it is closed while being read', async (t) => {
      const store = await open(t)
      await store.append(append('a-1', 'any', ...Array.from({ length: 600 }, (_, i) => eventOf(`${i}`))))
      const live = store.subscribe()[Symbol.asyncIterator]()
      await live.next()
      const waiting = live.next()
      const reading = store.readStream('a-1')[Symbol.asyncIterator]()
      await reading.next()
      await store.close()
      const end = await Promise.race([waiting, live.next()]).catch((error) => error)
      assert.ok(end.done === true || refusedWith('closed')(end) || Array.isArray(end.value?.events))
      await assert.rejects(async () => {
        for (let i = 0; i < 700; i++) if ((await reading.next()).done) throw new EventStoreError('closed', 'ended')
      }, refusedWith('closed'))
      await assert.rejects(store.append(append('a-1', 'any', eventOf('late'))), refusedWith('closed'))
    })
  })
}
