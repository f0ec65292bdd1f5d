// The event store contract on EventStoreDB: on its double, and on the server that EVERPOST_TEST_ESDB names if it is set.
import { randomBytes } from 'node:crypto'
import { openEventStoreDb } from '../../infra/adapters/event-store/eventstoredb.ts'
import { EventStoreDouble } from '../doubles/eventstoredb/server.ts'
import { eventStoreContract } from './event-store.ts'

eventStoreContract('eventstoredb', async (t) => {
  const double = await EventStoreDouble.start()
  const store = await openEventStoreDb(double.url)
  t.after(async () => {
    await store.close()
    await double.stop()
  })
  return store
})

const real = process.env['EVERPOST_TEST_ESDB']
if (real !== undefined) {
  eventStoreContract('eventstoredb, the server of EVERPOST_TEST_ESDB', async (t) => {
    // A log of its own on a server that may hold anything else.
    const store = await openEventStoreDb(real, { namespace: `everpost-test-${randomBytes(8).toString('hex')}.` })
    t.after(() => store.close())
    return store
  })
}
