// everpost migrate-engine while mail comes in: to EventStoreDB and back, nothing lost, nothing doubled, the same UIDs.
import { it } from 'node:test'
import { EventStoreDouble } from '../doubles/eventstoredb/server.ts'
import { movesThereAndBack } from '../support/moving.ts'

it('moves to EventStoreDB and back while mail comes in', async (t) => {
  const server = await EventStoreDouble.start()
  t.after(() => server.stop())
  await movesThereAndBack(t, { eventStore: server.url })
})
