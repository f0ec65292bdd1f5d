// What the Typesense engine does when the server, the line or its own process does not do its part.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { MemorySearchIndex } from '../../infra/adapters/search/memory.ts'
import { TypesenseIndex } from '../../infra/adapters/search/typesense.ts'
import { TypesenseCalls, type TypesenseOptions } from '../../infra/adapters/search/typesense-calls.ts'
import { accountKey, elementOf, messageKey } from '../../infra/adapters/search/typesense-rows.ts'
import { SearchIndexError } from '../../projections/ports/search-index.ts'
import { searchMessages } from '../../projections/search/search.ts'
import { TypesenseDouble } from '../doubles/typesense/server.ts'
import { TestLog } from './log.ts'

async function startDouble(t: TestContext): Promise<TypesenseDouble> {
  const double = await TypesenseDouble.start()
  t.after(() => double.stop())
  return double
}
const QUICK: TypesenseOptions = { deadlineMs: 10_000, tries: 2, settleMs: 0 }
const unavailable = (words: RegExp) => (error: unknown) =>
  error instanceof SearchIndexError && error.code === 'unavailable' && words.test(error.message)

/** The process dies before its nth write. */
class MortalCalls extends TypesenseCalls {
  left = Number.POSITIVE_INFINITY
  #live(): void {
    if (this.left-- <= 0) throw new Error('died')
  }
  override async import(...args: Parameters<TypesenseCalls['import']>): Promise<void> {
    if (args[1].length === 0) return
    this.#live()
    return super.import(...args)
  }
  override async removeWhere(...args: Parameters<TypesenseCalls['removeWhere']>): Promise<void> {
    this.#live()
    return super.removeWhere(...args)
  }
}

/** Everything in it depends on the moment at which it is applied. */
function busyMailbox(): TestLog {
  const log = new TestLog().open('ann').open('ben')
  for (let i = 0; i < 6; i++)
    log.receive('ann', {
      id: `m${i}`,
      subject: `red ${i}`,
      text: 'green words',
      receivedAt: 1000 + i,
      flags: i % 2 ? ['\\seen'] : [],
    })
  log.append('ann', { type: 'MessageCopied', data: { messageId: 'm0', copyId: 'c0', folderId: 'archive' } })
  log.append('ann', {
    type: 'FlagsChanged',
    data: { messageIds: ['m0', 'm1'], add: ['\\flagged'], remove: ['\\seen'] },
  })
  log.append('ann', { type: 'MessageCopied', data: { messageId: 'm1', copyId: 'c1', folderId: 'archive' } })
  log.append('ann', { type: 'MessageMoved', data: { messageId: 'm2', folderId: 'archive' } })
  log.append('ann', { type: 'MessagesExpunged', data: { messageIds: ['m3', 'm4'] } })
  log.append('ann', { type: 'MessageRestored', data: { messageId: 'm3', folderId: 'archive' } })
  log.append('ann', { type: 'FolderDeleted', data: { folderId: 'archive' } })
  log.receive('ben', { id: 'm0', subject: 'red', text: 'ben', receivedAt: 5 })
  log.append('ann', { type: 'FlagsChanged', data: { messageIds: ['m0', 'm5'], add: ['\\answered'], remove: [] } })
  log.append('ann', { type: 'MessageRestored', data: { messageId: 'c1', folderId: 'inbox' } })
  return log
}
const QUERIES = [
  'red',
  'green',
  'is:flagged',
  'is:read',
  'is:answered',
  'in:archive',
  'in:inbox',
  '-green',
  'red is:unread',
  'gre*',
]

describe('the Typesense engine', () => {
  it('replays to the truth, killed before any of its writes', async (t) => {
    const double = await startDouble(t)
    const log = busyMailbox()
    const model = new MemorySearchIndex()
    await log.project(model, { batch: 1_000 })
    const answers = async (index: TypesenseIndex | MemorySearchIndex) => {
      const all: unknown[] = []
      for (const account of ['ann', 'ben'])
        for (const query of QUERIES) {
          const { hits } = await searchMessages(index, log, account, query, { now: 10_000, first: 100 })
          all.push([account, query, hits.map(({ messageId }) => messageId).sort()])
        }
      return all
    }
    const truth = await answers(model)
    for (const [first, second] of [
      [100, 3],
      [4, 7],
      [3, 100],
    ] as const) {
      for (let writes = 0; ; writes++) {
        const name = `killed_${first}_${writes}`
        const calls = new MortalCalls(double.url, QUICK)
        const dying = await TypesenseIndex.open(calls, name)
        calls.left = writes
        const died = await log.project(dying, { batch: first }).then(
          () => false,
          () => true,
        )
        const index = await TypesenseIndex.open(new TypesenseCalls(double.url, QUICK), name)
        await log.project(index, { batch: second })
        assert.deepEqual(
          await answers(index),
          truth,
          `batches of ${first}, then ${second}, killed before write ${writes}`,
        )
        if (!died) break
      }
    }
  })

  it('goes on by itself after a failure of the server, without opening again', async (t) => {
    const double = await startDouble(t)
    const log = busyMailbox()
    const index = await TypesenseIndex.open(new TypesenseCalls(double.url, { deadlineMs: 1_500, tries: 1 }), 'flaky')
    for (const fault of ['swallow', 'notReady', 'failLines'] as const) {
      double.faults[fault] = 1
      await assert.rejects(log.project(index, { batch: 4 }), SearchIndexError)
    }
    await log.project(index, { batch: 4 })
    const { hits } = await searchMessages(index, log, 'ann', 'red', { now: 10_000 })
    assert.ok(hits.length > 0)
  })

  it('tries again what a starting server or a lost answer left open, and says so when it goes on', async (t) => {
    const double = await startDouble(t)
    const calls = new TypesenseCalls(double.url, { deadlineMs: 1_000, tries: 3 })
    double.faults.notReady = 1
    double.faults.swallow = 1
    await calls.create('patient')
    double.faults.notReady = 10
    await assert.rejects(calls.create('refused'), unavailable(/Not Ready or Lagging/))
    double.faults.notReady = 0
    await assert.rejects(
      new TypesenseCalls(double.url.replace('test-key', 'wrong'), QUICK).create('x'),
      unavailable(/does not take the key/),
    )
    assert.throws(() => new TypesenseCalls('http://h:8108'), unavailable(/typesense:\/\/KEY@HOST/))
  })

  it('believes a server that starts only when it has stopped moving', async (t) => {
    const double = await startDouble(t)
    const log = busyMailbox()
    await log.project(await TypesenseIndex.open(new TypesenseCalls(double.url), 'replayed'), { batch: 4 })
    const { documents } = double.collections.find('replayed')
    const state = documents.get('state')
    assert.ok(state)
    const newest = state.document
    // As a server does that has come to an older place of its own log.
    state.document = { ...newest, cp: '3' }
    const replay = () => {
      state.document = newest
    }
    let reads = 0
    class Watched extends TypesenseCalls {
      override async count(name: string): Promise<number> {
        if (++reads === 1) replay()
        return super.count(name)
      }
    }
    const index = await TypesenseIndex.open(new Watched(double.url, { settleMs: 20 }), 'replayed')
    assert.equal(await index.checkpoint(), BigInt(String(newest['cp'])))
    assert.equal(reads, 3)
  })

  it('encodes ids and words so that no two are the same to the server', () => {
    const ids = [
      'acc-1',
      'acc1',
      'ACC_1',
      'accé1',
      'acce1',
      'a.c.c.1',
      '계정1',
      '계정-1',
      'x6163632d31',
      '',
      'a b',
      'u1z2',
      'u1',
    ]
    const keys = ids.map((id) => accountKey(id))
    assert.equal(new Set(keys).size, ids.length)
    for (const key of keys) assert.match(key, /^[a-z0-9]+$/)
    assert.match(messageKey('계정', 'm-1'), /^[a-z0-9]+$/)
    const tokens = ['ab', '검색', 'été'.normalize('NFC'), 'x6162', 'a'.repeat(64), 'b'.repeat(64)]
    const elements = tokens.map((token) => elementOf('any', token, false).element)
    assert.equal(new Set(elements).size, tokens.length)
    for (const element of elements) assert.match(element, /^[a-z0-9]{1,99}$/)
  })

  it('drops the words of expunged messages, and of those that a crash left behind', async (t) => {
    const double = await startDouble(t)
    const log = new TestLog().open('ann').receive('ann', { id: 'm1', subject: 'secretword', text: 'x', receivedAt: 1 })
    const index = await TypesenseIndex.open(new TypesenseCalls(double.url), 'words')
    await log.project(index, {})
    const stored = () => JSON.stringify([...double.collections.find('words').documents.values()])
    assert.match(stored(), /secretword/)
    log.append('ann', { type: 'MessagesExpunged', data: { messageIds: ['m1'] } })
    await log.project(index, {})
    assert.doesNotMatch(stored(), /secretword/)
    await index.optimize()
  })
})
