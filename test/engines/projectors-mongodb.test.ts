// Several projector processes over one MongoDB: partitions move when one comes, leaves or is killed, and a rebuild finds the same rows.
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openEventSource } from '../../infra/adapters/journal/open-source.ts'
import { MongoProjectors } from '../../infra/projector/mongo-projectors.ts'
import { preferred } from '../../infra/projector/partition-leases.ts'
import { temporaryFolder } from '../support/folders.ts'
import { type TestMongo, testMongo } from '../support/mongodb.ts'
import { TestLog } from '../support/test-log.ts'

let mongo: TestMongo
before(async () => {
  mongo = await testMongo()
})
after(() => mongo.stop())

test('when a process comes, only its share of the partitions moves', () => {
  const two = ['a', 'b']
  const three = ['a', 'b', 'c']
  const moved = Array.from({ length: 640 }, (_, i) => i).filter((i) => preferred(i, two) !== preferred(i, three))
  assert.ok(moved.every((i) => preferred(i, three) === 'c'))
  assert.ok(moved.length > 140 && moved.length < 290, `${moved.length}`)
})

test('processes share the work, take over from one that is killed, hand over at SIGTERM, and rebuild side by side', async (t) => {
  const folder = temporaryFolder()
  const log = new TestLog(folder)
  const accounts: string[] = []
  for (let i = 0; i < 8; i++) accounts.push(await log.account())
  let position = 0n
  const arrive = (count: number) => {
    for (const account of accounts) position = log.receive(account, count).position
  }
  arrive(40)
  const children: ChildProcess[] = []
  const start = async (name: string) => {
    const { masterKey, ...paths } = log.source
    const config = { url: mongo.url, ...paths, masterKey: Buffer.from(masterKey).toString('base64'), name }
    const child = fork(join(import.meta.dirname, 'projector-child.ts'), [JSON.stringify(config)])
    children.push(child)
    await once(child, 'message')
    return child
  }
  const source = await openEventSource(log.source)
  const asker = await MongoProjectors.start({
    url: mongo.url,
    source,
    projector: false,
    leaseMs: 5000,
    heartbeatMs: 100,
  })
  t.after(async () => {
    await asker.close()
    await source.close()
    log.close()
    for (const child of children) child.kill('SIGKILL')
  })
  const totals = async () => {
    const folders = await Promise.all(accounts.map((account) => asker.mailbox.folders(account)))
    return folders.map(([inbox]) => [inbox?.total, inbox?.unread])
  }
  const expect = (count: number) => accounts.map(() => [count, count / 2])

  const a = await start('a')
  const b = await start('b')
  await asker.ready()
  await asker.waitForPosition(position, { timeoutMs: 30_000 })
  assert.deepEqual(await totals(), expect(40))

  const touched = new Set<string>()
  const stop = asker.onApplied((mailboxes) => {
    for (const account of mailboxes.keys()) touched.add(account)
  })
  arrive(10)
  const last = log.receive(accounts[0] ?? '', 10)
  for (const account of accounts.slice(1)) position = log.receive(account, 10).position
  await asker.waitForRevision(accounts[0] ?? '', last.revision, { timeoutMs: 30_000 })
  await asker.waitForPosition(position, { timeoutMs: 30_000 })
  assert.deepEqual(await totals(), expect(60))

  a.kill('SIGKILL')
  await once(a, 'exit')
  arrive(10)
  await asker.waitForPosition(position, { timeoutMs: 30_000 })
  assert.deepEqual(await totals(), expect(70))
  stop()
  assert.deepEqual([...touched].sort(), [...accounts].sort(), 'followers of every account were told')

  await start('c')
  const result = await asker.rebuild('all')
  assert.deepEqual(
    result.projections.map(({ name, same }) => [name, same]),
    ['mailbox', 'directory', 'submissions', 'timeline', 'filter'].map((name) => [name, true]),
  )
  assert.deepEqual(await totals(), expect(70))

  const ended = once(b, 'exit')
  b.kill('SIGTERM')
  arrive(10)
  assert.deepEqual((await ended)[0], 0)
  await asker.waitForPosition(position, { timeoutMs: 30_000 })
  assert.deepEqual(await totals(), expect(80))
  const status = await asker.status()
  assert.deepEqual(
    status.map(({ generation, lag, parkedCount }) => [generation, lag.positions, parkedCount]),
    status.map(() => [2, 0n, 0]),
  )
})
