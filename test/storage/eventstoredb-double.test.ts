// The EventStoreDB double against the documented behaviour of 23.10, seen through the client package.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import {
  type AppendExpectedRevision,
  EventStoreDBClient,
  persistentSubscriptionToStreamSettingsFromDefaults,
} from '@eventstore/db-client'
import { take } from '../../infra/adapters/event-store/eventstoredb-connection.ts'
import { type DoubleOptions, EventStoreDouble } from '../doubles/eventstoredb/server.ts'
import { temporaryFolder } from '../support/folders.ts'

async function start(t: TestContext, options: DoubleOptions = {}) {
  const double = await EventStoreDouble.start(options)
  const client = EventStoreDBClient.connectionString(double.url)
  // Batches are another call on the wire: both are tested.
  const single = EventStoreDBClient.connectionString(double.url)
  Object.assign(single, { supports: async () => false })
  t.after(() => double.stop())
  return { double, client, single }
}

const event = (id: string = randomUUID(), bytes = 3) => ({
  id,
  type: 'Tested',
  contentType: 'application/octet-stream' as const,
  data: new Uint8Array(bytes),
  metadata: undefined,
})
const failsWith = (type: string) => (error: unknown) => (error as { type?: string }).type === type

describe('the double of EventStoreDB', () => {
  for (const call of ['client', 'single'] as const) {
    it(`checks expected revisions and knows a repeat (${call === 'client' ? 'BatchAppend' : 'Append'})`, async (t) => {
      const { [call]: client } = await start(t)
      const append = (ids: readonly string[], expectedRevision: AppendExpectedRevision) =>
        client.appendToStream(
          's',
          ids.map((id) => event(id)),
          { expectedRevision },
        )
      const [a, b, c, d] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()] as const
      await assert.rejects(append([a], 'stream_exists'), failsWith('wrong-expected-version'))
      const first = await append([a, b], 'no_stream')
      assert.equal(first.nextExpectedRevision, 1n)
      assert.equal((await append([c], 1n)).nextExpectedRevision, 2n)
      // The same ids under the same expectation: the first answer.
      for (const again of [await append([a, b], 'no_stream'), await append([a, b], 'any')]) {
        assert.equal(again.nextExpectedRevision, 1n)
        assert.equal(again.position?.commit, first.position?.commit)
      }
      assert.equal((await append([c], 1n)).nextExpectedRevision, 2n)
      // Repeated in part, or elsewhere: refused.
      await assert.rejects(append([a, d], 'no_stream'), failsWith('wrong-expected-version'))
      await assert.rejects(append([a, d], 'any'), failsWith('wrong-expected-version'))
      await assert.rejects(append([d], 0n), failsWith('wrong-expected-version'))
      await assert.rejects(append([d], 7n), (error) => (error as { actualVersion?: bigint }).actualVersion === 2n)
      assert.equal((await append([d], 'stream_exists')).nextExpectedRevision, 3n)
    })

    it(`takes 1 MiB an append, counting the types (${call})`, async (t) => {
      const { [call]: client } = await start(t)
      const type = 2 * 'Tested'.length
      await client.appendToStream('s', event(randomUUID(), 1024 * 1024 - type))
      const more = client.appendToStream('s', event(randomUUID(), 1024 * 1024 - type + 1))
      await assert.rejects(more, (error) => (error as { maxAppendSize?: number }).maxAppendSize === 1024 * 1024)
    })
  }

  it('refuses what it does not know', async (t) => {
    const { client } = await start(t)
    const unimplemented = (error: unknown) => (error as { code?: number }).code === 12
    await client.appendToStream('s', event())
    await assert.rejects(client.deleteStream('s'), unimplemented)
    await assert.rejects(
      client.createPersistentSubscriptionToStream('s', 'g', persistentSubscriptionToStreamSettingsFromDefaults()),
      unimplemented,
    )
    const read = client.readStream('s', { resolveLinkTos: true })
    await assert.rejects(
      take(read, 2_000, () => false),
      unimplemented,
    )
  })

  it('keeps what it acknowledged in its file, and forgets the ids of appends to any revision', async (t) => {
    const file = join(temporaryFolder(), 'log')
    const before = await EventStoreDouble.start({ file })
    const id = randomUUID()
    await EventStoreDBClient.connectionString(before.url).appendToStream('s', event(id))
    await before.stop()
    const { client } = await start(t, { file })
    assert.equal(
      (await client.appendToStream('s', event(id), { expectedRevision: 'no_stream' })).nextExpectedRevision,
      0n,
    )
    assert.equal((await client.appendToStream('s', event(id), { expectedRevision: 'any' })).nextExpectedRevision, 1n)
  })
})
