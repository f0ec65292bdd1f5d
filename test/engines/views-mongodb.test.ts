// The contract of the views against MongoDB's protocol: FerretDB, or the server that EVERPOST_TEST_MONGODB names.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { Document } from 'mongodb'
import { accountStream, mailboxStream, type Position } from '../../domain/log.ts'
import { mongoReader } from '../../infra/adapters/views/mongodb.ts'
import type { MongoDatabase } from '../../infra/adapters/views/mongodb-database.ts'
import { INDEXES } from '../../infra/adapters/views/mongodb-indexes.ts'
import { openPartitions, type PartitionedProjection } from '../../infra/adapters/views/mongodb-partitions.ts'
import { PartitionLost } from '../../infra/adapters/views/mongodb-store.ts'
import { openReader } from '../../infra/adapters/views/sqlite.ts'
import { SqliteFilter } from '../../infra/adapters/views/sqlite-filter.ts'
import { filterProjector } from '../../projections/filter.ts'
import { project } from '../../projections/runtime.ts'
import { answers, applyAll, digests, memoryViews, testViews } from '../contract/views.ts'
import { ACCOUNTS, FOLDERS, history } from '../projections/arbitrary.ts'
import { content, MemoryLog } from '../projections/log.ts'
import { temporaryFolder } from '../support/folders.ts'
import { mongoViews, type TestMongo, testMongo } from '../support/mongodb.ts'

let mongo: TestMongo
let database: MongoDatabase
before(async () => {
  mongo = await testMongo()
  database = await mongo.open({ guards: 'always' })
})
after(() => mongo.stop())

let generation = 1
testViews('mongodb', () => mongoViews(database, { generation: generation++ }), 8)

const longHistory = (seed: number): MemoryLog =>
  fc.sample(history, { numRuns: 30, seed }).reduce((a, b) => (b.events.length > a.events.length ? b : a))

/** Lets so many writes of rows and documents through, then nothing: what a kill between any two of them leaves. */
function fuse(target: MongoDatabase): { blowAfter(writes: number): void; readonly written: number } {
  let left = Number.POSITIVE_INFINITY
  let written = 0
  const spend = (wanted: number): number => {
    const some = Math.min(wanted, left)
    left -= some
    written += some
    return some
  }
  const collection = target.db.collection.bind(target.db)
  target.db.collection = ((name: string) => {
    const real = collection(name)
    const blown = new Error('killed')
    return new Proxy(real, {
      get(held, method) {
        const value = Reflect.get(held, method, held)
        if (typeof value !== 'function') return value
        const run = value.bind(held)
        if (method === 'insertMany' || method === 'bulkWrite')
          return async (items: unknown[], options: object) => {
            const some = spend(items.length)
            if (some < items.length) {
              if (some > 0) await run(items.slice(0, some), options)
              throw blown
            }
            return run(items, options)
          }
        if (method === 'replaceOne' || method === 'updateOne' || method === 'updateMany' || method === 'deleteMany')
          return async (...values: unknown[]) => {
            if (spend(1) === 0) throw blown
            return run(...values)
          }
        return run
      },
    })
  }) as typeof target.db.collection
  return {
    blowAfter(writes) {
      left = writes
      written = 0
    },
    get written() {
      return written
    },
  }
}

test('mongodb: a kill between any two writes leaves views that go on to the truth', async () => {
  const log = longHistory(7)
  log.events.splice(45)
  const model = memoryViews()
  await applyAll(model, log)
  const truth = await digests(model)
  const brittle = await mongo.open({ guards: 'always' })
  const limit = fuse(brittle)
  const names = ['mailbox', 'directory', 'submissions', 'timeline'] as const
  const own = generation
  const openAll = async (epoch: number) => {
    const opened: PartitionedProjection[] = []
    const onTrouble = () => void Promise.all(opened.map((each) => each.close()))
    for (const name of names)
      opened.push(await openPartitions(name, brittle, { generation, of: 2, epoch, onTrouble, retryMs: 1 }))
    return opened
  }
  const follow = async (views: readonly PartitionedProjection[], sizes: readonly number[]) => {
    for (let at = 0, i = 0; at < log.events.length; i++) {
      const batch = log.events.slice(at, at + (sizes[i % sizes.length] ?? 1))
      at += batch.length
      for (const view of views) await view.handle(batch, batch.at(-1)?.position as Position)
    }
    for (const view of views) await view.settle()
  }
  const compare = async (views: readonly PartitionedProjection[], at: number) =>
    assert.deepEqual(await Promise.all(views.map((view) => view.digest())), truth, `killed after ${at} writes`)

  for (const name of names) await brittle.prepare(name, generation)
  const whole = await openAll(0)
  limit.blowAfter(Number.POSITIVE_INFINITY)
  await follow(whole, [20])
  await compare(whole, -1)
  const writes = limit.written
  assert.ok(writes > 60 && log.events.length === 45, `only ${writes} writes were met`)

  for (let at = 0; at < writes; at++) {
    generation++
    const views = await openAll(0)
    limit.blowAfter(at)
    await assert.rejects(follow(views, [20]))
    limit.blowAfter(Number.POSITIVE_INFINITY)
    // The next owner cuts the log elsewhere.
    const next = await openAll(1)
    await follow(next, [7, 20])
    await compare(next, at)
    for (const view of next) await view.close()
    for (const name of names) await brittle.drop(name, generation)
  }
  for (const name of names) await brittle.drop(name, own)
  generation++
})

test('mongodb: who lost a partition writes nothing more of it', async () => {
  const log = longHistory(3)
  const own = generation++
  await database.prepare('mailbox', own)
  const first = await openPartitions('mailbox', database, { generation: own, of: 2, epoch: 1 })
  const half = log.events.slice(0, 20)
  await first.handle(half, half.at(-1)?.position as Position)
  const second = await openPartitions('mailbox', database, { generation: own, of: 2, epoch: 2 })
  const rest = log.events.slice(20)
  await assert.rejects(first.handle(rest, rest.at(-1)?.position as Position), PartitionLost)
  await assert.rejects(openPartitions('mailbox', database, { generation: own, of: 2, epoch: 1 }), PartitionLost)
  await second.handle(log.events, rest.at(-1)?.position as Position)
  const model = memoryViews()
  await applyAll(model, log)
  assert.equal(await second.digest(), await model.mailbox.digest())
  await database.drop('mailbox', own)
})

interface Asked {
  readonly table: string
  readonly filter: Document
  readonly sort: Document
  readonly hint: string | undefined
  readonly command: Document
}

test('mongodb: every question has an index that serves it', async () => {
  const watched = await mongo.open({ guards: 'always', monitored: true })
  const views = await mongoViews(watched, { generation: generation++ })
  const asked: Asked[] = []
  try {
    const log = longHistory(5)
    await applyAll(views, log)
    watched.client.on('commandStarted', ({ commandName, command }) => {
      const table = String(command[commandName]).replace(/^[a-z]+_\d+_/, '')
      if (commandName === 'find')
        asked.push({ table, filter: command['filter'], sort: command['sort'] ?? {}, hint: command['hint'], command })
      if (commandName === 'aggregate') {
        const [{ $match }] = command['pipeline']
        asked.push({ table, filter: $match, sort: {}, hint: command['hint'], command })
      }
    })
    await answers(views.queries)
    const { submissions, directory, mailbox } = views.queries
    for (const account of ACCOUNTS)
      for (const folder of FOLDERS) await mailbox.messages(account, folder, { filter: { flagged: true } })
    const filter = mongoReader('filter', watched, generation - 1)
    await submissions.dueSubmissions({ until: 1e13, first: 5, after: { id: 'x', dueAt: 1, position: 1n } })
    await submissions.newSubmissions({ after: 0n, first: 5 })
    await submissions.submissions('a', { pendingOnly: true, before: 10n })
    await submissions.submissionOfMessage('a', 'b')
    await submissions.submissionsByMessageId('a', ['b'])
    await directory.erasedAccounts()
    await filter.quarantine('a', { before: 5n })
    await filter.allQuarantined()
    await filter.trainingVersion('a')
    await filter.trainingVersion()
    await filter.examples({ account: 'a', first: 2 })
    await filter.examples({ first: 2 })
    assert.ok(asked.length > 100)
    const used = new Set<string>()
    for (const each of asked) {
      if (each.filter['_id'] !== undefined) continue
      const index = INDEXES.find(({ name, table }) => name === each.hint && table === each.table)
      assert.ok(index, `no index is named by ${JSON.stringify(each.command)}`)
      used.add(index.name)
      // Equality on the first fields, then what is sorted or ranged over.
      const fields = Object.keys(index.key)
      const equal = new Set(Object.entries(each.filter).flatMap(([key, value]) => (isEquality(value) ? [key] : [])))
      let at = 0
      while (at < fields.length && equal.has(fields[at] as string)) at++
      const next = fields[at]
      const ranged = next !== undefined && (next in each.filter || next in each.sort)
      assert.ok(at > 0 || ranged, `${index.name} does not begin as ${JSON.stringify(each.filter)} asks`)
      const ordered = Object.keys(each.sort)
      if (ordered.length > 0 && ordered[0] !== 'order')
        assert.deepEqual(
          fields.slice(at, at + ordered.length),
          ordered,
          `${index.name} does not give the order asked for`,
        )
    }
    const wiping = ['thread_account', 'sent_account', 'judged_account', 'head_at']
    assert.deepEqual(
      [...INDEXES].map(({ name }) => name).filter((name) => !used.has(name) && !wiping.includes(name)),
      [],
    )
    if (!watched.indexed) return
    for (const { command, hint } of asked) {
      const { lsid: _, $db: __, $clusterTime: ___, ...plain } = command
      const plan = JSON.stringify(await watched.db.command({ explain: plain, verbosity: 'queryPlanner' }))
      assert.ok(!plan.includes('COLLSCAN'), `a collection scan: ${JSON.stringify(plain)}`)
      if (hint !== undefined) assert.ok(plan.includes(hint))
    }
  } finally {
    await views.close()
  }
})

const isEquality = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || Object.keys(value).every((key) => key === '$in')

test('mongodb: the filter view has the rows that SQLite has', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'filter.sqlite')
  new SqliteFilter(path, 'fill').file.finish()
  const sqlite = new SqliteFilter(path, 'live')
  const own = generation++
  const views = await mongoViews(database, { generation: own })
  try {
    const log = filterLog()
    const last = log.events.at(-1)?.position as Position
    await project(filterProjector, sqlite).handle(log.events, last)
    const projection = project(filterProjector, views.filter)
    for (let at = 0; at < log.events.length; at += 5) {
      const batch = log.events.slice(at, at + 5)
      await projection.handle(batch, batch.at(-1)?.position as Position)
    }
    assert.equal(await views.filter.digest(), sqlite.digest())
    const [mongo, reader] = [mongoReader('filter', database, own), openReader('filter', path)]
    for (const account of ACCOUNTS) {
      assert.deepEqual(await mongo.quarantine(account), await reader.queries.quarantine(account))
      assert.deepEqual(
        await mongo.examples({ account, first: 9 }),
        await reader.queries.examples({ account, first: 9 }),
      )
      assert.equal(await mongo.trainingVersion(account), await reader.queries.trainingVersion(account))
    }
    assert.deepEqual(await mongo.allQuarantined(), await reader.queries.allQuarantined())
    reader.db.close()
  } finally {
    sqlite.close()
    await views.close()
  }
})

/** Junk moved in and out, flags that teach, held mail released and dropped, an account erased. */
function filterLog(): MemoryLog {
  const log = new MemoryLog()
  const folder = (account: string, folderId: string, role: 'inbox' | 'junk' | 'trash') =>
    log.append(mailboxStream(account), {
      type: 'FolderCreated',
      data: { folderId, name: folderId, parentId: null, role },
    })
  for (const account of ACCOUNTS) for (const role of ['inbox', 'junk', 'trash'] as const) folder(account, role, role)
  for (const [i, account] of ACCOUNTS.entries()) {
    const own = mailboxStream(account)
    for (const messageId of ['m1', 'm2', 'm3', 'm4']) {
      const arrived = { messageId, folderId: messageId === 'm4' ? 'junk' : 'inbox', flags: [], receivedAt: 5 }
      const rest = { content: content(), mailFrom: 'a@b.test', recipient: 'c@d.test', intakeId: 'i' }
      log.append(own, { type: 'MessageReceived', data: { ...arrived, ...rest } })
    }
    log.append(own, { type: 'MessageMoved', data: { messageId: 'm1', folderId: 'junk' } })
    log.append(own, { type: 'MessageMoved', data: { messageId: 'm4', folderId: i === 0 ? 'inbox' : 'trash' } })
    for (const id of ['m2', 'm3'])
      log.append(own, { type: 'FlagsChanged', data: { messageIds: [id], add: ['$notjunk'], remove: [] } })
    log.append(own, { type: 'MessageCopied', data: { messageId: 'm2', copyId: 'm5', folderId: 'junk' } })
  }
  const section = (account: string) => ({ [account]: { messageId: 'q', reasons: [] } }) as never
  const quarantine = (intakeId: string, account: string, ...after: ('MailReleased' | 'QuarantineDropped')[]) => {
    const sections = section(account)
    log.append('intake-20260101-0', {
      type: 'MailQuarantined',
      data: { intakeId, receivedAt: 7, size: 9, sections },
    } as never)
    for (const type of after) log.append('intake-20260101-0', { type, data: { intakeId, sections } } as never)
  }
  quarantine('q1', ACCOUNTS[0])
  quarantine('q2', ACCOUNTS[0], 'MailReleased', 'QuarantineDropped')
  quarantine('q3', ACCOUNTS[1], 'QuarantineDropped')
  quarantine('q4', ACCOUNTS[2])
  log.append(accountStream(ACCOUNTS[2]), { type: 'AccountErased', data: { accountId: ACCOUNTS[2] } })
  return log
}
