// The SQLite log: its schema, its commits, its threads, and a file that is not what it should be.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import { type EventStore, EventStoreError, type StoredEvent } from '../../commands/ports/event-store.ts'
import { SqliteEventStore } from '../../infra/adapters/event-store/sqlite.ts'
import { NEWEST_SCHEMA, openLogForWriting } from '../../infra/adapters/event-store/sqlite-schema.ts'
import { StorageThread } from '../../infra/adapters/storage/storage-thread.ts'
import { loadConfig } from '../../infra/config.ts'
import { lockData } from '../../infra/data-lock.ts'
import { openEverpost } from '../../infra/open-everpost.ts'
import { temporaryFolder } from '../support/folders.ts'

const failsWith = (code: string, words?: RegExp) => (error: unknown) =>
  error instanceof EventStoreError && error.code === code && (words?.test(error.message) ?? true)
const eventOf = (text: string, type = 'Tested', id: string = randomUUID()) => ({
  id,
  type,
  metadata: Buffer.from('{}'),
  data: Buffer.from(text),
})

async function open(t: TestContext, path = join(temporaryFolder(), 'log.sqlite')) {
  const storage = await StorageThread.start({ log: path })
  const store = new SqliteEventStore(storage, path)
  let open = true
  const close = async () => {
    if (!open) return
    open = false
    await store.close()
    await storage.close()
  }
  t.after(close)
  return { path, storage, store, close }
}

async function all(store: EventStore, stream: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = []
  for await (const event of store.readStream(stream)) events.push(event)
  return events
}

describe('the schema of the log', () => {
  it('goes through every step from an older version, in one transaction, and keeps what is there', async (t) => {
    const { path, store, close } = await open(t)
    await store.append({ stream: 'a-1', expected: 'any', events: [eventOf('old')] })
    await close()
    const steps = (extra: readonly string[]) => [...Array.from({ length: NEWEST_SCHEMA }, () => 'SELECT 1'), ...extra]
    assert.throws(() => openLogForWriting(path, steps(['CREATE TABLE extra (x)', 'this is not SQL'])), EventStoreError)
    let db = openLogForWriting(path)
    assert.equal(
      db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'extra'").get()?.['n'],
      0,
      'a failed upgrade leaves nothing',
    )
    db.close()
    db = openLogForWriting(path, steps(['CREATE TABLE extra (x)', 'INSERT INTO extra VALUES (7)']))
    assert.equal(db.prepare('SELECT x FROM extra').get()?.['x'], 7)
    assert.equal(db.prepare('PRAGMA user_version').get()?.['user_version'], NEWEST_SCHEMA + 2)
    assert.equal(db.prepare('SELECT count(*) AS n FROM event').get()?.['n'], 1)
    db.close()
    assert.throws(() => openLogForWriting(path), failsWith('newer-schema', /newer Everpost.*install that version/))
    await assert.rejects(StorageThread.start({ log: path }), failsWith('newer-schema'))
  })

  it('is not forced upon a file of another program, or upon no database at all', async () => {
    const dir = temporaryFolder()
    const foreign = join(dir, 'foreign.sqlite')
    const db = new DatabaseSync(foreign)
    db.exec('CREATE TABLE addresses (x); INSERT INTO addresses VALUES (1)')
    db.close()
    await assert.rejects(StorageThread.start({ log: foreign }), failsWith('corrupt', /not an Everpost log/))
    const again = new DatabaseSync(foreign)
    assert.equal(again.prepare('SELECT count(*) AS n FROM sqlite_master').get()?.['n'], 1)
    again.close()
    const text = join(dir, 'text.sqlite')
    const fd = openSync(text, 'w')
    writeSync(fd, 'Dear diary, '.repeat(1000))
    closeSync(fd)
    await assert.rejects(StorageThread.start({ log: text }), failsWith('corrupt', /text\.sqlite/))
  })
})

describe('appends', () => {
  it('that come together share a commit', async (t) => {
    const { path, store } = await open(t)
    await store.append({ stream: 'first', expected: 'any', events: [eventOf('x')] })
    const watch = new DatabaseSync(path, { readOnly: true })
    t.after(() => watch.close())
    // The number of frames of the WAL's commits: every commit ends in a frame that says how large the database is.
    const commits = () => {
      const wal = readFileSync(`${path}-wal`)
      const page = wal.readUInt32BE(8)
      let count = 0
      for (let at = 32; at + 24 + page <= wal.length; at += 24 + page)
        if (wal.readUInt32BE(at + 4) !== 0 && wal.subarray(at + 8, at + 16).equals(wal.subarray(16, 24))) count++
      return count
    }
    const before = commits()
    const results = await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        store.append({ stream: `s-${i % 20}`, expected: 'any', events: [eventOf(`${i}`)] }),
      ),
    )
    assert.ok(results.every(({ ok }) => ok))
    const made = commits() - before
    assert.ok(made >= 1 && made < 100, `${made} commits for 500 appends`)
    assert.equal((await all(store, 's-3')).length, 25)
  })

  it('that are refused leave nothing behind, not even the name of a type or a stream that was new', async (t) => {
    const { store, path } = await open(t)
    await store.append({ stream: 'taken', expected: 'any', events: [eventOf('x')] })
    const known = eventOf('known')
    await store.append({ stream: 'taken', expected: 'any', events: [known] })
    const both = await store.appendAtomically([
      { stream: 'fresh-1', expected: 'any', events: [eventOf('a', 'BrandNew')] },
      { stream: 'taken', expected: 'no-stream', events: [eventOf('b', 'AlsoNew')] },
    ])
    assert.ok(both.every(({ ok }) => !ok))
    await assert.rejects(
      store.append({ stream: 'taken', expected: 'any', events: [eventOf('c', 'ThirdNew'), known] }),
      failsWith('id-reused'),
    )
    for (const type of ['ThirdNew', 'AlsoNew', 'BrandNew'])
      assert.ok((await store.append({ stream: 'fresh-1', expected: 'any', events: [eventOf(type, type)] })).ok)
    assert.deepEqual(
      (await all(store, 'fresh-1')).map(({ type }) => type),
      ['ThirdNew', 'AlsoNew', 'BrandNew'],
    )
    const seen: string[] = []
    for await (const batch of store.subscribe()) {
      seen.push(...batch.events.map(({ type }) => type))
      if (batch.caughtUp) break
    }
    assert.deepEqual(seen, ['Tested', 'Tested', 'ThirdNew', 'AlsoNew', 'BrandNew'])
    const db = new DatabaseSync(path, { readOnly: true })
    assert.deepEqual(
      db.prepare('SELECT DISTINCT e.type FROM event e LEFT JOIN type t ON t.id = e.type WHERE t.id IS NULL').all(),
      [],
    )
    db.close()
  })

  it('reject when the storage thread is gone, and none is said to be stored that is not', async (t) => {
    const { store, storage, path } = await open(t)
    const pending = Array.from({ length: 50 }, (_, i) =>
      store.append({ stream: 'a', expected: 'any', events: [eventOf(`${i}`)] }),
    )
    const settled = Promise.allSettled(pending)
    await storage.close()
    const outcomes = await settled
    const acknowledged = outcomes.filter((outcome) => outcome.status === 'fulfilled' && outcome.value.ok).length
    const reopened = await open(t, path)
    assert.ok((await all(reopened.store, 'a')).length >= acknowledged)
    await assert.rejects(store.append({ stream: 'a', expected: 'any', events: [eventOf('late')] }), EventStoreError)
  })
})

describe('a subscription', () => {
  it('over a long stretch of other streams leaves the thread to others', async (t) => {
    const { store } = await open(t)
    for (let i = 0; i < 10; i++)
      await store.append({
        stream: `other-${i}`,
        expected: 'any',
        events: Array.from({ length: 1000 }, () => eventOf('x')),
      })
    let turns = 0
    let counting = true
    const count = () => {
      turns++
      if (counting) setImmediate(count)
    }
    setImmediate(count)
    for await (const batch of store.subscribe({ prefixes: ['mine-'], batchSize: 100 })) {
      counting = false
      assert.deepEqual(batch.events, [])
      assert.equal(batch.caughtUp, true)
      break
    }
    assert.ok(turns > 50, `${turns} turns of the event loop during 100 pages`)
  })
})

describe('a damaged log', () => {
  it('answers corrupt with the name of the file, to reads and to writes, and the process lives', async (t) => {
    const { path, store, close } = await open(t)
    for (let i = 0; i < 40; i++)
      await store.append({
        stream: `s-${i}`,
        expected: 'any',
        events: Array.from({ length: 50 }, () => eventOf('y'.repeat(500))),
      })
    await close()
    const size = statSync(path).size
    const fd = openSync(path, 'r+')
    for (let at = 8192 * 3; at < size - 8192; at += 8192) writeSync(fd, Buffer.alloc(400, 0xff), 0, 400, at)
    closeSync(fd)
    const attempt = async () => {
      const again = await open(t, path)
      for (let i = 0; i < 40; i++) await all(again.store, `s-${i}`)
    }
    await assert.rejects(attempt(), failsWith('corrupt', /log\.sqlite.*damaged.*backup/))
    const write = async () => {
      const again = await open(t, path)
      for (let i = 0; i < 40; i++)
        await again.store.append({ stream: `s-${i}`, expected: 'any', events: [eventOf('z')] })
    }
    await assert.rejects(write(), failsWith('corrupt', /log\.sqlite/))
  })
})

describe('one process for each data folder', () => {
  it('refuses the second with a sentence, and lets the next one in when the first has gone', async () => {
    const data = temporaryFolder()
    const lock = lockData(join(data, 'lock.sqlite'))
    assert.throws(
      () => lockData(join(data, 'lock.sqlite')),
      failsWith('locked', /Another Everpost is running on .*--data/),
    )
    await assert.rejects(openEverpost(loadConfig({ data }, {}, data)), failsWith('locked'))
    assert.ok(
      readdirSync(data).every((name) => name.startsWith('lock.sqlite')),
      'the second touches nothing',
    )
    lock.release()
    lockData(join(data, 'lock.sqlite')).release()
  })
  it('releases the lock of a thread or process that dies', async (t) => {
    const data = temporaryFolder()
    const source = `import { lockData } from ${JSON.stringify(new URL('../../infra/data-lock.ts', import.meta.url).href)}; lockData(${JSON.stringify(join(data, 'lock.sqlite'))}); globalThis.gc(); setTimeout(() => process.stdout.write('locked\\n'), 20); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    assert.throws(() => lockData(join(data, 'lock.sqlite')), failsWith('locked'))
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
    lockData(join(data, 'lock.sqlite')).release()
  })
})
