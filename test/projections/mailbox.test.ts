// The mailbox view against the fold of the domain, against failing writes, and against time.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRedacted, mailboxStream, type Position } from '../../domain/log.ts'
import { emptyMailbox, evolve, type MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import { MemoryMailbox } from '../../infra/adapters/views/memory-mailbox.ts'
import { openReader } from '../../infra/adapters/views/sqlite.ts'
import { SqliteMailbox } from '../../infra/adapters/views/sqlite-mailbox.ts'
import { mailboxProjector } from '../../projections/mailbox/projector.ts'
import type { Snapshot } from '../../projections/queries.ts'
import { project, run } from '../../projections/runtime.ts'
import { mailboxAt } from '../../projections/time-travel.ts'
import { temporaryFolder } from '../support/folders.ts'
import { ACCOUNTS, history, MESSAGES, mailboxEvent } from './arbitrary.ts'
import { content, MemoryLog } from './log.ts'

const [ACCOUNT] = ACCOUNTS
const inbox = {
  type: 'FolderCreated',
  data: { folderId: 'inbox', name: 'Inbox', parentId: null, role: 'inbox' },
} as const

const mailboxLog = fc.array(mailboxEvent, { maxLength: 150, size: 'max' }).map((events) => {
  const log = new MemoryLog()
  for (const event of [inbox, ...events]) log.append(mailboxStream(ACCOUNT), event)
  return log
})

async function viewOf(log: MemoryLog): Promise<MemoryMailbox> {
  const store = new MemoryMailbox()
  await project(mailboxProjector, store).handle(log.events, (await log.head()) as Position)
  return store
}

test('the view is the fold of the domain', async () => {
  await fc.assert(
    fc.asyncProperty(mailboxLog, async (log) => {
      let state = emptyMailbox
      for (const event of log.events)
        if (!isRedacted(event)) state = evolve(state, event as unknown as MailboxEvent, event.revision)
      const { queries } = await viewOf(log)
      const { folders, messages }: Snapshot = await queries.snapshot(ACCOUNT, MESSAGES)
      assert.deepEqual(folders, [...state.folders.values()])
      const ids = MESSAGES.filter((id) => state.messages.has(id))
      assert.deepEqual(
        messages,
        ids.map((id) => state.messages.get(id)),
      )
      // Counters are those that counting gives.
      for (const row of await queries.folders(ACCOUNT)) {
        const living: Snapshot['messages'] = messages.filter(
          (each: Snapshot['messages'][number]) => each.folderId === row.id && !each.expunged,
        )
        const unread = living.filter((each) => !each.flags.includes('\\seen'))
        assert.deepEqual([row.name, row.total, row.unread], [row.name, living.length, unread.length])
      }
      assert.equal((await queries.usage(ACCOUNT)).messages, messages.filter((each) => !each.expunged).length)
    }),
    { numRuns: 300 },
  )
})

test('a write that fails at any point leaves nothing half done', async () => {
  const folder = temporaryFolder()
  let file = 0
  await fc.assert(
    fc.asyncProperty(
      history,
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 10 }),
      async (log, stops) => {
        const path = join(folder, `mailbox-${file++}.sqlite`)
        new SqliteMailbox(path, 'fill').file.finish()
        const store = new SqliteMailbox(path, 'live')
        const { db } = store.file
        db.exec('CREATE TEMP TABLE countdown (n INTEGER); INSERT INTO countdown VALUES (0)')
        for (const table of ['mailbox', 'folder', 'message', 'thread_key', 'thread_alias', 'vanished', 'view'])
          for (const change of ['INSERT', 'UPDATE', 'DELETE'])
            db.exec(`CREATE TEMP TRIGGER ${table}_${change} AFTER ${change} ON main.${table} BEGIN
            UPDATE countdown SET n = n - 1;
            SELECT RAISE(ABORT, 'pulled the plug') WHERE (SELECT n FROM countdown) = 0; END`)
        const view = project(mailboxProjector, store)
        for (let at = 0, i = 0; at < log.events.length; at += 10, i++) {
          const batch = log.events.slice(at, at + 10)
          const last = batch.at(-1)?.position as Position
          const before = store.digest()
          db.prepare('UPDATE countdown SET n = ?').run(stops[i % stops.length] ?? 1)
          try {
            await view.handle(batch, last)
          } catch (error) {
            assert.match(String(error), /pulled the plug/)
            assert.equal(store.digest(), before)
          }
          db.prepare('UPDATE countdown SET n = 0').run()
          await view.handle(batch, last)
        }
        const digest = store.digest()
        store.close()
        const model = new MemoryMailbox()
        await project(mailboxProjector, model).handle(log.events, (await log.head()) as Position)
        assert.equal(digest, model.digest())
      },
    ),
    { numRuns: 30 },
  )
})

test('time travel answers what a view of the first events answers, whatever the clock did', async () => {
  const steps = fc.array(fc.integer({ min: -3, max: 5 }), { minLength: 1, maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(mailboxEvent, { maxLength: 60, size: 'max' }),
      steps,
      fc.nat(300),
      async (events, clock, time) => {
        const log = new MemoryLog()
        let now = 100
        for (const [i, event] of [inbox, ...events].entries()) {
          now += clock[i % clock.length] ?? 1
          log.append(mailboxStream(ACCOUNT), event, now)
        }
        const open = () => {
          const store = new MemoryMailbox()
          return { store, queries: store.queries }
        }
        const last = log.events.findLastIndex((event) => !isRedacted(event) && event.metadata.at <= time)
        const before = new MemoryLog()
        before.events.push(...log.events.slice(0, last + 1))
        const moment = await mailboxAt(log, ACCOUNT, { time }, open)
        assert.equal(moment.revision, before.events.at(-1)?.revision)
        const expected = await viewOf(before)
        assert.deepEqual(
          await moment.queries.messagesById(ACCOUNT, MESSAGES),
          await expected.queries.messagesById(ACCOUNT, MESSAGES),
        )
        assert.deepEqual(await moment.queries.folders(ACCOUNT), await expected.queries.folders(ACCOUNT))
        if (moment.revision === undefined) return
        const same = await mailboxAt(log, ACCOUNT, { revision: moment.revision }, open)
        assert.deepEqual(
          await same.queries.messagesById(ACCOUNT, MESSAGES),
          await moment.queries.messagesById(ACCOUNT, MESSAGES),
        )
      },
    ),
    { numRuns: 100 },
  )
})

test('time travel goes on past an event that does not apply', async () => {
  const log = new MemoryLog()
  const stream = mailboxStream(ACCOUNT)
  log.append(stream, inbox)
  log.append(stream, { type: 'MessagesExpunged', data: null } as never)
  const data = {
    messageId: 'm',
    folderId: 'inbox',
    flags: [],
    receivedAt: 1,
    content: content(),
    source: 'append',
  } as const
  log.append(stream, { type: 'MessageAppended', data })
  const moment = await mailboxAt(log, ACCOUNT, { time: Number.MAX_SAFE_INTEGER }, () => {
    const store = new MemoryMailbox()
    return { store, queries: store.queries }
  })
  assert.deepEqual([moment.failed, moment.events, moment.revision], [1, 2, 2n])
  assert.equal((await moment.queries.folders(ACCOUNT))[0]?.total, 1)
})

test('the runtime goes on through ends and errors of the source, without a gap or a double', async () => {
  const log = new MemoryLog()
  log.endsAfter = 2
  const stream = mailboxStream(ACCOUNT)
  log.append(stream, inbox)
  const receive = (i: number) => {
    const data = {
      messageId: `m${i}`,
      folderId: 'inbox',
      flags: [],
      receivedAt: i,
      content: content(),
      source: 'append',
    } as const
    return log.append(stream, { type: 'MessageAppended', data }).position
  }
  for (let i = 0; i < 30; i++) receive(i)
  let broken = 3
  const flaky = {
    async *subscribe(options: Parameters<MemoryLog['subscribe']>[0]) {
      for await (const batch of log.subscribe(options)) {
        if (broken-- > 0) throw new Error('connection lost')
        yield batch
      }
    },
  }
  const store = new MemoryMailbox()
  const view = project(mailboxProjector, store)
  const stop = new AbortController()
  const errors: string[] = []
  let until = 30
  await run(flaky, [view], stop.signal, {
    batchSize: 4,
    retryMs: 1,
    onError: (error) => errors.push(String(error)),
    onBatch(batch) {
      if (!batch.caughtUp) return
      if (until++ < 40) receive(until)
      else stop.abort()
    },
  })
  assert.equal(errors.length, 3)
  assert.equal((await store.queries.folders(ACCOUNT))[0]?.total, 40)
  assert.equal(store.checkpoint(), await log.head())
})

test('a message of one account is never found through another', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'mailbox.sqlite')
  new SqliteMailbox(path, 'fill').file.finish()
  const store = new SqliteMailbox(path, 'live')
  const log = new MemoryLog()
  for (const account of ACCOUNTS) {
    log.append(mailboxStream(account), inbox)
    const data = {
      folderId: 'inbox',
      flags: [],
      receivedAt: 1,
      content: content({ subject: account }),
      source: 'append',
    } as const
    log.append(mailboxStream(account), { type: 'MessageAppended', data: { ...data, messageId: 'shared' } })
    log.append(mailboxStream(account), { type: 'MessageAppended', data: { ...data, messageId: `of-${account}` } })
  }
  await project(mailboxProjector, store).handle(log.events, (await log.head()) as Position)
  const { queries, db } = openReader('mailbox', path)
  for (const account of ACCOUNTS) {
    assert.equal((await queries.message(account, 'shared'))?.subject, account)
    for (const other of ACCOUNTS) {
      const found = await queries.messagesById(account, [`of-${other}`])
      assert.equal(found.length, other === account ? 1 : 0)
    }
    const page = await queries.messages(account, 'inbox')
    assert.deepEqual(new Set(page.rows.map((row) => row.subject)), new Set([account]))
  }
  db.close()
  store.close()
})
