// The SQLite engine of the views: which class writes, reads and digests each of them.
import type { DatabaseSync } from 'node:sqlite'
import { directoryProjector } from '../../../projections/directory.ts'
import { filterProjector } from '../../../projections/filter.ts'
import { mailboxProjector } from '../../../projections/mailbox/projector.ts'
import type { ViewQueries } from '../../../projections/queries.ts'
import { type Projection, project } from '../../../projections/runtime.ts'
import { submissionsProjector } from '../../../projections/submissions.ts'
import { timelineProjector } from '../../../projections/timeline.ts'
import { directoryDigest, SqliteDirectory, SqliteDirectoryQueries } from './sqlite-directory.ts'
import { openForReading, Queries, type ViewFile } from './sqlite-file.ts'
import { filterDigest, SqliteFilter, SqliteFilterQueries } from './sqlite-filter.ts'
import { mailboxDigest, SqliteMailbox } from './sqlite-mailbox.ts'
import { SqliteMailboxQueries } from './sqlite-mailbox-queries.ts'
import { SqliteSubmissionQueries, SqliteSubmissions, submissionsDigest } from './sqlite-submissions.ts'
import { SqliteTimeline, SqliteTimelineQueries, timelineDigest } from './sqlite-timeline.ts'

export type SqliteViewName = 'mailbox' | 'directory' | 'submissions' | 'timeline' | 'filter'

/** A view opened for writing. */
export interface OpenedView {
  readonly projection: Projection
  readonly file: ViewFile
}

export interface SqliteView {
  readonly version: number
  open(path: string, mode: 'live' | 'fill'): OpenedView
  digest(queries: Queries): string
}

export const SQLITE_VIEWS: { readonly [Name in SqliteViewName]: SqliteView } = {
  mailbox: {
    version: mailboxProjector.version,
    open(path, mode) {
      const store = new SqliteMailbox(path, mode)
      return { projection: project(mailboxProjector, store), file: store.file }
    },
    digest: mailboxDigest,
  },
  directory: {
    version: directoryProjector.version,
    open(path, mode) {
      const store = new SqliteDirectory(path, mode)
      return { projection: project(directoryProjector, store), file: store.file }
    },
    digest: directoryDigest,
  },
  submissions: {
    version: submissionsProjector.version,
    open(path, mode) {
      const store = new SqliteSubmissions(path, mode)
      return { projection: project(submissionsProjector, store), file: store.file }
    },
    digest: submissionsDigest,
  },
  timeline: {
    version: timelineProjector.version,
    open(path, mode) {
      const store = new SqliteTimeline(path, mode)
      return { projection: project(timelineProjector, store), file: store.file }
    },
    digest: timelineDigest,
  },
  filter: {
    version: filterProjector.version,
    open(path, mode) {
      const store = new SqliteFilter(path, mode)
      return { projection: project(filterProjector, store), file: store.file }
    },
    digest: filterDigest,
  },
}

/** One view opened for reading. */
export interface ReadableView<Q> {
  readonly queries: Q
  readonly db: DatabaseSync
}

const READERS = {
  mailbox: (queries: Queries) => new SqliteMailboxQueries(queries),
  directory: (queries: Queries) => new SqliteDirectoryQueries(queries),
  submissions: (queries: Queries) => new SqliteSubmissionQueries(queries),
  timeline: (queries: Queries) => new SqliteTimelineQueries(queries),
  filter: (queries: Queries) => new SqliteFilterQueries(queries),
} satisfies { [Name in SqliteViewName]: (queries: Queries) => ViewQueries[Name] }

export function openReader<Name extends SqliteViewName>(name: Name, path: string): ReadableView<ViewQueries[Name]> {
  const db = openForReading(path)
  const make = READERS[name] as unknown as (queries: Queries) => ViewQueries[Name]
  return { queries: make(new Queries(db)), db }
}

/** Checkpoint and digest of a view at one moment, through a connection of its own. */
export class ViewSnapshot {
  readonly #name: SqliteViewName
  readonly #queries: Queries
  readonly checkpoint: bigint | undefined

  constructor(name: SqliteViewName, path: string) {
    this.#name = name
    this.#queries = new Queries(openForReading(path))
    this.#queries.db.exec('BEGIN')
    const checkpoint = this.#queries.prepare('SELECT checkpoint FROM view').get()?.[0]
    this.checkpoint = typeof checkpoint === 'number' ? BigInt(checkpoint) : undefined
  }
  digest(): string {
    return SQLITE_VIEWS[this.#name].digest(this.#queries)
  }
  close(): void {
    this.#queries.db.close()
  }
}
