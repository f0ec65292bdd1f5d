// Search on Typesense as a service: follows the log, is rebuilt beside what serves, and is asked by processes that keep no index.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { openEventSource } from '../../infra/adapters/journal/open-source.ts'
import { TypesenseSearch } from '../../infra/adapters/search/typesense-search.ts'
import { seed } from '../bench/seed.ts'
import { TypesenseDouble } from '../doubles/typesense/server.ts'
import { temporaryFolder } from '../support/folders.ts'

async function setUp(t: TestContext) {
  const double = await TypesenseDouble.start()
  const { source, accounts } = await seed({ folder: temporaryFolder(), events: 400, accounts: 2 })
  const opened = await openEventSource(source)
  const head = (await opened.head()) ?? 0n
  await opened.close()
  t.after(() => double.stop())
  const start = async (indexes = true) => {
    const search = await TypesenseSearch.start({ url: double.url, source, indexes })
    t.after(() => search.close())
    return search
  }
  return { double, accounts, head, start }
}

describe('search on Typesense', () => {
  it('follows the log, goes on after a restart, and answers processes that only ask', async (t) => {
    const { accounts, head, start } = await setUp(t)
    const account = accounts[0] ?? ''
    const search = await start()
    await search.waitForPosition(head, { timeoutMs: 20_000 })
    const all = await search.search(account, 'in:anywhere', { first: 250 })
    assert.ok(all.total > 50)
    const asking = await start(false)
    await asking.waitForPosition(head)
    assert.equal((await asking.search(account, 'in:anywhere')).total, all.total)
    await assert.rejects(asking.rebuild(), /Another process/)
    const [status] = await search.status()
    assert.deepEqual([status?.state, status?.generation, status?.checkpoint], ['live', 1, head])
    await search.letGo()
    await asking.keepIndex()
    assert.equal((await asking.status())[0]?.checkpoint, head, 'the other one goes on where the first stood')
    await asking.letGo()
    await search.close()
    const again = await start()
    await again.waitForPosition(head)
    assert.equal((await again.status())[0]?.applied, 0, 'nothing is indexed twice')
  })

  it('is rebuilt beside what serves, and the alias turns only then', async (t) => {
    const { double, accounts, head, start } = await setUp(t)
    const search = await start()
    await search.waitForPosition(head, { timeoutMs: 20_000 })
    const account = accounts[1] ?? ''
    const before = await search.search(account, 'in:anywhere', { first: 20 })
    const phases = new Set<string>()
    for (const generation of [2, 3]) {
      const rebuilt = await search.rebuild(({ phase }) => {
        phases.add(phase)
        const serving = (double.collections.alias('everpost_search') as { collection_name: string }).collection_name
        if (phase === 'filling') assert.ok(serving.endsWith(`_${generation - 1}`))
      })
      assert.deepEqual([rebuilt.generation, rebuilt.same, rebuilt.parked], [generation, true, 0])
    }
    assert.deepEqual([...phases], ['filling', 'catching-up', 'comparing', 'switching', 'done'])
    const after = await search.search(account, 'in:anywhere', { first: 20 })
    assert.deepEqual(
      after.hits.map(({ messageId }) => messageId),
      before.hits.map(({ messageId }) => messageId),
    )
    assert.equal(double.collections.list().length, 2, 'the generation before stays, older ones do not')
  })
})
