// The MongoDB engine of the views: which class writes and reads each of them.
import { directoryProjector } from '../../../projections/directory.ts'
import { filterProjector } from '../../../projections/filter.ts'
import { mailboxProjector } from '../../../projections/mailbox/projector.ts'
import type { Projector } from '../../../projections/ports/view-store.ts'
import type { ViewQueries } from '../../../projections/queries.ts'
import { type Projection, project } from '../../../projections/runtime.ts'
import { submissionsProjector } from '../../../projections/submissions.ts'
import { timelineProjector } from '../../../projections/timeline.ts'
import type { MongoDatabase } from './mongodb-database.ts'
import { MongoDirectory, MongoDirectoryQueries } from './mongodb-directory.ts'
import { MongoFilter, MongoFilterQueries } from './mongodb-filter.ts'
import type { MongoViewName } from './mongodb-indexes.ts'
import { MongoMailbox } from './mongodb-mailbox.ts'
import { MongoMailboxQueries } from './mongodb-mailbox-queries.ts'
import type { MongoStore, MongoStoreOptions } from './mongodb-store.ts'
import { MongoSubmissionQueries, MongoSubmissions } from './mongodb-submissions.ts'
import { MongoTimeline, MongoTimelineQueries } from './mongodb-timeline.ts'

export interface MongoView {
  readonly version: number
  /** A store with its projector; `project` once the store was opened and stands at one position. */
  store(database: MongoDatabase, options: MongoStoreOptions): OpenedMongoView
}

export interface OpenedMongoView {
  readonly store: Pick<MongoStore<unknown>, 'open' | 'settle' | 'checkpoint' | 'parked' | 'digest' | 'close'>
  project(): Projection
}

const view = <Unit>(
  projector: Projector<Unit>,
  Store: new (database: MongoDatabase, options: MongoStoreOptions) => MongoStore<Unit>,
): MongoView => ({
  version: projector.version,
  store(database, options) {
    const store = new Store(database, options)
    return { store, project: () => project(projector, store) }
  },
})

export const MONGO_VIEWS: { readonly [Name in MongoViewName]: MongoView } = {
  mailbox: view(mailboxProjector, MongoMailbox),
  directory: view(directoryProjector, MongoDirectory),
  submissions: view(submissionsProjector, MongoSubmissions),
  timeline: view(timelineProjector, MongoTimeline),
  filter: view(filterProjector, MongoFilter),
}

type Readers = {
  readonly [Name in MongoViewName]: new (
    database: MongoDatabase,
    view: MongoViewName,
    generation: number,
  ) => ViewQueries[Name]
}

const READERS: Readers = {
  mailbox: MongoMailboxQueries,
  directory: MongoDirectoryQueries,
  submissions: MongoSubmissionQueries,
  timeline: MongoTimelineQueries,
  filter: MongoFilterQueries,
}

/** Questions to one generation of a view. */
export function mongoReader<Name extends MongoViewName>(
  name: Name,
  database: MongoDatabase,
  generation: number,
): ViewQueries[Name] {
  const Reader: Readers[Name] = READERS[name]
  return new Reader(database, name, generation)
}
