// The contract of the views against every engine that needs nothing but npm.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openReader } from '../../infra/adapters/views/sqlite.ts'
import { SqliteDirectory } from '../../infra/adapters/views/sqlite-directory.ts'
import { SqliteMailbox } from '../../infra/adapters/views/sqlite-mailbox.ts'
import { SqliteSubmissions } from '../../infra/adapters/views/sqlite-submissions.ts'
import { SqliteTimeline } from '../../infra/adapters/views/sqlite-timeline.ts'
import { memoryViews, type OpenedViews, testViews } from './views.ts'

function sqliteViews(folder: string): OpenedViews {
  const path = (name: string) => join(folder, `${name}.sqlite`)
  const mailbox = new SqliteMailbox(path('mailbox'), 'live')
  const directory = new SqliteDirectory(path('directory'), 'live')
  const submissions = new SqliteSubmissions(path('submissions'), 'live')
  const timeline = new SqliteTimeline(path('timeline'), 'live')
  const readers = [
    openReader('mailbox', path('mailbox')),
    openReader('directory', path('directory')),
    openReader('submissions', path('submissions')),
    openReader('timeline', path('timeline')),
  ] as const
  const close = () => {
    for (const reader of readers) reader.db.close()
    for (const store of [mailbox, directory, submissions, timeline]) store.close()
  }
  return {
    ...{ mailbox, directory, submissions, timeline },
    queries: {
      mailbox: readers[0].queries,
      directory: readers[1].queries,
      submissions: readers[2].queries,
      timeline: readers[3].queries,
    },
    async reopen() {
      close()
      return sqliteViews(folder)
    },
    async close() {
      close()
      rmSync(folder, { recursive: true })
    },
  }
}

testViews('memory', async () => memoryViews(), 20)
testViews('sqlite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'everpost-views-'))
  new SqliteMailbox(join(folder, 'mailbox.sqlite'), 'fill').file.finish()
  new SqliteDirectory(join(folder, 'directory.sqlite'), 'fill').file.finish()
  new SqliteSubmissions(join(folder, 'submissions.sqlite'), 'fill').file.finish()
  new SqliteTimeline(join(folder, 'timeline.sqlite'), 'fill').file.finish()
  return sqliteViews(folder)
})
