// A process that dies between MailAccepted and the deliveries, on an engine that commits stream by stream.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { CheckpointStore } from '../../commands/ports/checkpoint-store.ts'
import type { Position } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { IntakeSweep } from '../../gateways/delivery/intake-sweep.ts'
import { openEventStoreDb } from '../../infra/adapters/event-store/eventstoredb.ts'
import { SealedJournal } from '../../infra/adapters/journal/sealed-journal.ts'
import { FileKeyring } from '../../infra/adapters/keyring/file.ts'
import { EventStoreDouble } from '../doubles/eventstoredb/server.ts'
import { temporaryFolder } from '../support/folders.ts'

const RAW = Buffer.from('From: a@b.test\r\nSubject: hello\r\n\r\nhello\r\n')

async function setUp(t: TestContext) {
  const folder = temporaryFolder()
  const path = join(folder, 'keys.sqlite')
  const master = randomBytes(32)
  const keyring = new FileKeyring(path, master, { writable: true })
  for (const account of ['ann', 'bob']) await keyring.create(account)
  const double = await EventStoreDouble.start()
  const store = await openEventStoreDb(double.url, { deadlineMs: 1_000 })
  t.after(async () => {
    await store.close()
    await double.stop()
    keyring.close()
  })
  const saved = new Map<string, Position>()
  const checkpoints: CheckpointStore = {
    load: async (name) => saved.get(name),
    save: async (name, position) => void saved.set(name, position),
  }
  const journal = new SealedJournal(store, keyring)
  let clock = Date.now()
  const sweep = () =>
    new IntakeSweep({
      ...{ journal, source: journal, checkpoints },
      readMail: async () => readMail(RAW),
      now: () => clock,
      log: () => undefined,
    })
  const die = async (after: string) => {
    const script = join(import.meta.dirname, 'intake-sweep-child.ts')
    const child = spawn(process.execPath, [script, double.url, path, master.toString('hex')], { stdio: 'ignore' })
    const reached = new Promise<void>((resolve) => {
      const stop = double.log.onAppend(() => {
        if (!double.log.events.at(-1)?.stream.startsWith(after)) return
        double.node.faults.hang = 1_000
        stop()
        resolve()
      })
    })
    await reached
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    double.node.faults.hang = 0
  }
  const arrivals = (account: string) => double.log.stream(`mailbox-${account}`).map(({ type }) => type)
  return { sweep, die, arrivals, saved, later: (ms: number) => (clock += ms) }
}

describe('the intake sweep', () => {
  for (const after of ['intake-', 'mailbox-ann']) {
    it(`delivers once what a process promised that was killed after ${after}`, async (t) => {
      const { sweep, die, arrivals, saved, later } = await setUp(t)
      await die(after)
      assert.deepEqual([arrivals('ann').length, arrivals('bob').length], [after === 'intake-' ? 0 : 1, 0])
      assert.equal(await sweep().look(), 0, 'the process may still be at it')
      later(120_000)
      assert.equal(await sweep().look(), after === 'intake-' ? 2 : 1)
      assert.deepEqual([arrivals('ann'), arrivals('bob')], [['MessageReceived'], ['MessageReceived']])
      assert.equal(await sweep().look(), 0)
      saved.clear()
      assert.equal(await sweep().look(), 0, 'nor from the beginning of the log')
      assert.deepEqual([arrivals('ann').length, arrivals('bob').length], [1, 1])
    })
  }

  it('lets a mail be accepted whose deliveries its engine refused', async (t) => {
    const { arrivals } = await setUp(t)
    assert.deepEqual(arrivals('ann'), [])
    const results = []
    const store = {
      append: async ({ stream }: { stream: string }) => {
        if (stream.startsWith('mailbox-')) throw new Error('gone')
        return { ok: true as const, revision: 0n, position: 1n, repeated: false }
      },
    }
    const keyring = new FileKeyring(join(temporaryFolder(), 'k'), randomBytes(32), { writable: true })
    t.after(() => keyring.close())
    const journal = new SealedJournal(store as never, keyring)
    const append = (stream: string) => ({ stream, expected: 'any' as const, events: [] })
    results.push(...(await journal.appendAll([append('intake-1-1'), append('mailbox-x')], { promised: true })))
    assert.deepEqual(results.length, 1)
    await assert.rejects(journal.appendAll([append('mailbox-x'), append('intake-1-1')], { promised: true }))
    await assert.rejects(journal.appendAll([append('intake-1-1'), append('mailbox-x')]))
  })
})
