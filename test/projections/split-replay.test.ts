// A mailbox replayed by two threads is the one that one thread replays, damage and erasure included.
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { mailboxStream } from '../../domain/log.ts'
import { openEventSource } from '../../infra/adapters/journal/open-source.ts'
import { MemoryMailbox } from '../../infra/adapters/views/memory-mailbox.ts'
import { splitSource } from '../../infra/time-travel/split-source.ts'
import { type Moment, mailboxAt } from '../../projections/time-travel.ts'
import { seed } from '../bench/seed.ts'
import { temporaryFolder } from '../support/folders.ts'

test('two threads replay what one replays', async () => {
  const { source: config, accounts } = await seed({ folder: temporaryFolder(), events: 3000, accounts: 1 })
  const account = accounts[0] ?? ''
  const db = new DatabaseSync(config.log)
  const events = db
    .prepare('SELECT position, data FROM event WHERE stream = (SELECT id FROM stream WHERE name = ?) ORDER BY revision')
    .all(mailboxStream(account))
  // One byte of an early event, one of a late one.
  const damage = (index: number) => {
    const event = events[index]
    const data = Buffer.from(event?.['data'] as Uint8Array)
    data[40] = 255 - (data[40] ?? 0)
    db.prepare('UPDATE event SET data = ? WHERE position = ?').run(data, event?.['position'] as number)
  }
  damage(300)
  damage(2500)
  db.close()

  const source = await openEventSource(config)
  const replay = async (from: Parameters<typeof mailboxAt>[0], moment: Moment) => {
    const at = await mailboxAt(from, account, moment, () => {
      const store = new MemoryMailbox()
      return { store, queries: store.queries }
    })
    const folders = await at.queries.folders(account)
    const pages = []
    for (const { id } of folders) pages.push(await at.queries.messages(account, id, { first: 500 }))
    return { folders, pages, events: at.events, failed: at.failed, at: at.at, revision: at.revision }
  }
  for (const moment of [
    { time: Number.MAX_SAFE_INTEGER },
    { revision: 2700n },
    { revision: 100n },
    { revision: 1300n },
  ]) {
    const alone = await replay(source, moment)
    assert.deepEqual(await replay(splitSource(source, config, 1000), moment), alone)
    assert.ok(alone.pages.some(({ rows }) => rows.length > 0 && rows[0]?.subject !== ''))
    assert.equal(alone.failed, 'time' in moment || moment.revision > 2500n ? 2 : moment.revision > 300n ? 1 : 0)
  }
  await source.close()
})
