// The keyring in MongoDB, and the log sealed under it, on FerretDB or the server that EVERPOST_TEST_MONGODB names.
import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { MongoClient } from 'mongodb'
import type { EverpostEvent } from '../../domain/events.ts'
import type { NewEvent } from '../../domain/log.ts'
import { isRedacted } from '../../domain/log.ts'
import { openEventStoreDb } from '../../infra/adapters/event-store/eventstoredb.ts'
import { openEventSource } from '../../infra/adapters/journal/open-source.ts'
import { SealedJournal } from '../../infra/adapters/journal/sealed-journal.ts'
import { KeyringError } from '../../infra/adapters/keyring/file.ts'
import { MongoKeyring } from '../../infra/adapters/keyring/mongodb.ts'
import type { SourceEvent } from '../../projections/ports/event-source.ts'
import { keyOf, keyringContract } from '../contract/keyring.ts'
import { EventStoreDouble } from '../doubles/eventstoredb/server.ts'
import { type TestMongo, testMongo } from '../support/mongodb.ts'

let mongo: TestMongo
before(async () => {
  mongo = await testMongo()
})
after(() => mongo.stop())

const master = randomBytes(32)
function fresh(): string {
  const url = new URL(mongo.url)
  url.pathname = `/everpost_test_${randomBytes(5).toString('hex')}`
  return url.href
}

keyringContract('mongodb', async (t) => {
  const url = fresh()
  const freshMs = 300
  const open = async () => {
    const keyring = await MongoKeyring.open(url, master, { mayCreate: true, freshMs })
    t.after(() => keyring.close())
    return keyring
  }
  return { keyring: await open(), another: open, freshMs }
})

describe('the keyring in MongoDB', () => {
  it('holds nothing that opens without the master key, and says so', async (t) => {
    const url = fresh()
    const keyring = await MongoKeyring.open(url, master, { mayCreate: true })
    await keyring.create('ann')
    const key = await keyOf(keyring, 'ann')
    await keyring.close()
    const client = new MongoClient(url)
    t.after(() => client.close())
    const stored = JSON.stringify(await client.db().collection('data_keys').find().toArray())
    assert.ok(key !== undefined && !stored.includes(Buffer.from(key, 'hex').toString('base64')))
    const wrong = (code: string) => (error: unknown) => error instanceof KeyringError && error.code === code
    await assert.rejects(MongoKeyring.open(url, randomBytes(32), { mayCreate: true }), wrong('wrong-master-key'))
    await assert.rejects(MongoKeyring.open(fresh(), master, { mayCreate: false }), wrong('unavailable'))
    await assert.rejects(MongoKeyring.open('nonsense', master, { mayCreate: false }), wrong('unavailable'))
  })

  it('seals and opens the log for every process, sections included, until a key is destroyed', async (t) => {
    const url = fresh()
    const double = await EventStoreDouble.start()
    const keyring = await MongoKeyring.open(url, master, { mayCreate: true, freshMs: 300 })
    const store = await openEventStoreDb(double.url)
    t.after(async () => {
      await store.close()
      await double.stop()
      await keyring.close()
    })
    const journal = new SealedJournal(store, keyring)
    const metadata = { at: 1, actor: 'x', via: 'smtp' as const, correlationId: '', causationId: '' }
    const named = (id: string, owner: string, event: EverpostEvent): NewEvent<EverpostEvent> =>
      ({ ...event, id, owner, metadata }) as NewEvent<EverpostEvent>
    await keyring.create('ann')
    await keyring.create('bob')
    const folder = { type: 'FolderRenamed', data: { folderId: 'f', name: 'Ann’s' } } as const
    await journal.append({ stream: 'mailbox-ann', expected: 'any', events: [named(randomUUID(), 'ann', folder)] })
    const section = { messageId: 'm' }
    const released: EverpostEvent = {
      type: 'MailReleased',
      data: { intakeId: 'i', sections: { ann: section, bob: section } },
    } as EverpostEvent
    await journal.append({ stream: 'intake-x-0', expected: 'any', events: [named(randomUUID(), 'system', released)] })
    const source = await openEventSource({
      log: { eventStoreDb: double.url },
      keyring: { mongodb: url },
      masterKey: master,
    })
    t.after(() => source.close())
    const read = async () => {
      const all: SourceEvent[] = []
      for await (const { events, caughtUp } of source.subscribe({})) {
        all.push(...events)
        if (caughtUp) break
      }
      return all
    }
    const [first, second] = await read()
    assert.ok(first && !isRedacted(first) && first.type === 'FolderRenamed' && first.data.name === 'Ann’s')
    assert.ok(second && !isRedacted(second) && second.type === 'MailReleased')
    assert.deepEqual(Object.keys(second.data.sections), ['ann', 'bob'])
    await keyring.destroy('ann')
    const since = performance.now()
    for (;;) {
      const [gone, left] = await read()
      if (gone && isRedacted(gone)) {
        assert.ok(left && !isRedacted(left) && left.type === 'MailReleased')
        break
      }
      assert.ok(performance.now() - since < 8_000, 'another process goes on reading')
    }
  })
})
