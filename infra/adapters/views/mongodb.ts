// The MongoDB engine of the views: which class writes and reads each of them.
import { directoryProjector } from '../../../projections/directory.ts'
import { filterProjector } from '../../../projections/filter.ts'
import { mailboxProjector } from '../../../projections/mailbox/projector.ts'
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

export const MONGO_VIEWS: { readonly [Name in MongoViewName]: MongoView } = {
  mailbox: {
    version: mailboxProjector.version,
    store(database, options) {
      const store = new MongoMailbox(database, options)
      return { store, project: () => project(mailboxProjector, store) }
    },
  },
  directory: {
    version: directoryProjector.version,
    store(database, options) {
      const store = new MongoDirectory(database, options)
      return { store, project: () => project(directoryProjector, store) }
    },
  },
  submissions: {
    version: submissionsProjector.version,
    store(database, options) {
      const store = new MongoSubmissions(database, options)
      return { store, project: () => project(submissionsProjector, store) }
    },
  },
  timeline: {
    version: timelineProjector.version,
    store(database, options) {
      const store = new MongoTimeline(database, options)
      return { store, project: () => project(timelineProjector, store) }
    },
  },
  filter: {
    version: filterProjector.version,
    store(database, options) {
      const store = new MongoFilter(database, options)
      return { store, project: () => project(filterProjector, store) }
    },
  },
}

const READERS: {
  readonly [Name in MongoViewName]: (database: MongoDatabase, generation: number) => ViewQueries[Name]
} = {
  mailbox: (database, generation) => new MongoMailboxQueries(database, generation),
  directory: (database, generation) => new MongoDirectoryQueries(database, generation),
  submissions: (database, generation) => new MongoSubmissionQueries(database, generation),
  timeline: (database, generation) => new MongoTimelineQueries(database, generation),
  filter: (database, generation) => new MongoFilterQueries(database, generation),
}

/** Questions to one generation of a view. */
export function mongoReader<Name extends MongoViewName>(
  name: Name,
  database: MongoDatabase,
  generation: number,
): ViewQueries[Name] {
  return (READERS[name] as (database: MongoDatabase, generation: number) => ViewQueries[Name])(database, generation)
}
