// A process that is told to stop ends in its time, also while its engine is away.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventStoreDouble } from '../doubles/eventstoredb/server.ts'
import { temporaryFolder } from '../support/folders.ts'
import { startServer } from '../support/server.ts'

test('an engine that is away does not hold up the end of the process for long', { timeout: 60_000 }, async (t) => {
  const double = await EventStoreDouble.start()
  const server = await startServer(temporaryFolder(), { EVERPOST_EVENT_STORE: double.url })
  t.after(() => server.end('SIGKILL'))
  await double.stop()
  await server.end('SIGTERM')
  assert.equal(server.child.exitCode, 0)
})
