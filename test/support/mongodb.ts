// A MongoDB for a test file: the one that EVERPOST_TEST_MONGODB names, else a FerretDB of its own. Each database is thrown away.
import { randomBytes } from 'node:crypto'
import { MONGO_VIEWS, mongoReader } from '../../infra/adapters/views/mongodb.ts'
import { type MongoDatabase, type MongoOptions, openMongo } from '../../infra/adapters/views/mongodb-database.ts'
import { MongoDirectory } from '../../infra/adapters/views/mongodb-directory.ts'
import { MongoFilter } from '../../infra/adapters/views/mongodb-filter.ts'
import type { MongoViewName } from '../../infra/adapters/views/mongodb-indexes.ts'
import { MongoMailbox } from '../../infra/adapters/views/mongodb-mailbox.ts'
import type { MongoStoreOptions } from '../../infra/adapters/views/mongodb-store.ts'
import { MongoSubmissions } from '../../infra/adapters/views/mongodb-submissions.ts'
import { MongoTimeline } from '../../infra/adapters/views/mongodb-timeline.ts'
import { type RunningEngine, startEngine } from '../../infra/deploy/engines/engines.ts'
import type { OpenedViews } from '../contract/views.ts'

export interface TestMongo {
  readonly url: string
  /** Undefined for a server that somebody else started. */
  readonly engine: RunningEngine | undefined
  open(options?: MongoOptions): Promise<MongoDatabase>
  stop(): Promise<void>
}

export async function testMongo(): Promise<TestMongo> {
  const given = process.env['EVERPOST_TEST_MONGODB']
  const engine = given === undefined ? await startEngine('mongodb') : undefined
  const url = new URL(given ?? (engine as RunningEngine).url)
  url.pathname = `/everpost_test_${randomBytes(5).toString('hex')}`
  const opened: MongoDatabase[] = []
  return {
    url: url.href,
    engine,
    async open(options) {
      const database = await openMongo(url.href, options)
      opened.push(database)
      return database
    },
    async stop() {
      if (given !== undefined) await opened[0]?.db.dropDatabase().catch(() => undefined)
      for (const database of opened) await database.close()
      await engine?.stop()
    },
  }
}

export type OpenedMongo = OpenedViews & { readonly filter: MongoFilter }

/** The stores of one generation, as one partition. */
export async function mongoViews(
  database: MongoDatabase,
  given: MongoStoreOptions,
  { prepared = false }: { readonly prepared?: boolean } = {},
): Promise<OpenedMongo> {
  const options = { ...given, of: 1 }
  const names = Object.keys(MONGO_VIEWS) as MongoViewName[]
  if (!prepared) for (const name of names) await database.prepare(name, options.generation)
  const mailbox = new MongoMailbox(database, options)
  const directory = new MongoDirectory(database, options)
  const submissions = new MongoSubmissions(database, options)
  const timeline = new MongoTimeline(database, options)
  const filter = new MongoFilter(database, options)
  const stores = [mailbox, directory, submissions, timeline, filter]
  for (const store of stores) await store.open()
  const { generation } = options
  const closeStores = async () => {
    for (const store of stores) await store.close()
  }
  return {
    ...{ mailbox, directory, submissions, timeline, filter },
    queries: {
      mailbox: mongoReader('mailbox', database, generation),
      directory: mongoReader('directory', database, generation),
      submissions: mongoReader('submissions', database, generation),
      timeline: mongoReader('timeline', database, generation),
    },
    async reopen() {
      await closeStores()
      return mongoViews(database, { ...options, epoch: (options.epoch ?? 0) + 1 }, { prepared: true })
    },
    async close() {
      await closeStores()
      for (const name of names) await database.drop(name, generation)
    },
  }
}
