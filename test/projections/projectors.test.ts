// The projectors in their threads over a real sealed log: live, lost views, rebuilds beside traffic, a kill at any moment.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Directory, MailboxSnapshots } from '../../commands/ports/views.ts'
import type { Revision } from '../../domain/log.ts'
import { Projectors } from '../../infra/projector/projectors.ts'
import type { DirectoryQueries, MailboxQueries } from '../../projections/queries.ts'
import { temporaryFolder } from '../support/folders.ts'
import { TestLog } from '../support/test-log.ts'

// The views are what commands ask: the ports of both rooms have one shape.
const _snapshots = {} as MailboxQueries satisfies MailboxSnapshots
const _directory = {} as DirectoryQueries satisfies Directory

test('a view follows the log and says so', async () => {
  const folder = temporaryFolder()
  const log = new TestLog(folder)
  const account = await log.account()
  const projectors = await Projectors.start({ data: folder, source: log.source })
  try {
    await projectors.ready()
    const touched: (Revision | undefined)[] = []
    projectors.onApplied((mailboxes) => touched.push(mailboxes.get(account)))
    const { revision, position } = log.receive(account, 10)
    const waiting = projectors.waitForRevision(account, revision)
    projectors.poke(position)
    await waiting
    assert.equal(await projectors.mailbox.accountRevision(account), revision)
    assert.equal(touched.at(-1), revision)
    const [inbox] = await projectors.mailbox.folders(account)
    assert.deepEqual([inbox?.total, inbox?.unread], [10, 5])
    await assert.rejects(projectors.waitForRevision(account, revision + 1n, { timeoutMs: 1 }), { code: 'timeout' })
    const status = await projectors.status()
    assert.deepEqual(
      status.map(({ name, state, lag }) => [name, state, lag.positions]),
      ['mailbox', 'directory', 'submissions', 'timeline', 'filter'].map((name) => [name, 'live', 0n]),
    )
  } finally {
    await projectors.close()
    log.close()
  }
  assert.deepEqual(
    readdirSync(join(folder, 'views')).filter((name) => /-wal|-shm/.test(name)),
    [],
    'closing leaves whole files',
  )
})

test('a thread that cannot open what it follows says so, and does not hold up the end', {
  timeout: 20_000,
}, async () => {
  const folder = temporaryFolder()
  const log = new TestLog(folder)
  const projectors = await Projectors.start({ data: folder, source: log.source })
  rmSync(folder, { recursive: true })
  while (projectors.lastFailure === undefined) await setTimeout(5)
  assert.deepEqual(await projectors.status(), [], 'answered by nobody, or when the thread has ended')
  await projectors.close()
  log.close()
})

test('views that are gone, damaged or cut are made again at the start, and answer the same', async () => {
  const folder = temporaryFolder()
  const log = new TestLog(folder)
  const account = await log.account()
  log.receive(account, 30)
  const config = { data: folder, source: log.source }
  const answers = async (projectors: Projectors) => [
    await projectors.mailbox.messages(account, 'inbox', { first: 100 }),
    await projectors.directory.accounts(),
    await projectors.timeline.accountHistory(account),
  ]
  const first = await Projectors.start(config)
  await first.ready()
  const expected = await answers(first)
  await first.close()
  const views = join(folder, 'views')
  const harms = [
    () => rmSync(views, { recursive: true }),
    () => rmSync(join(views, 'catalog.json')),
    () => writeFileSync(join(views, 'catalog.json'), '{"mailbox":'),
    () => {
      for (const file of readdirSync(views).filter((name) => name.startsWith('mailbox')))
        writeFileSync(join(views, file), randomBytes(5000))
    },
    () => {
      for (const file of readdirSync(views).filter((name) => name.endsWith('.sqlite')))
        writeFileSync(join(views, file), '')
    },
  ]
  for (const harm of harms) {
    harm()
    const projectors = await Projectors.start(config)
    try {
      assert.deepEqual(await answers(projectors), expected)
    } finally {
      await projectors.close()
    }
  }
  log.close()
})

test('a rebuild beside live traffic gives the same rows, and nobody waits for it', async () => {
  const folder = temporaryFolder()
  const log = new TestLog(folder)
  const accounts = [await log.account(), await log.account()]
  for (let i = 0; i < 20; i++) for (const account of accounts) log.receive(account, 50)
  const projectors = await Projectors.start({ data: folder, source: log.source })
  try {
    await projectors.ready()
    let rebuilding = true
    const phases = new Set<string>()
    const rebuild = projectors
      .rebuild('all', (progress) => phases.add(progress.phase))
      .finally(() => {
        rebuilding = false
      })
    let last = log.receive(accounts[0] ?? '', 1)
    let written = 1
    while (rebuilding) {
      last = log.receive(accounts[0] ?? '', 1)
      written++
      projectors.poke(last.position)
      // Read-your-writes holds all the while.
      await projectors.waitForRevision(accounts[0] ?? '', last.revision)
      const [inbox] = await projectors.mailbox.folders(accounts[0] ?? '')
      assert.equal(inbox?.total, 1000 + written)
    }
    const { projections } = await rebuild
    for (const each of projections) {
      assert.equal(each.digest, each.previousDigest, each.name)
      assert.equal(each.generation, 2)
      assert.equal(each.parked, 0)
    }
    assert.ok(phases.has('filling') && phases.has('comparing') && phases.has('done'))
    await projectors.waitForRevision(accounts[0] ?? '', last.revision)
    assert.equal((await projectors.mailbox.folders(accounts[0] ?? ''))[0]?.total, 1000 + written)
    await assert.rejects(projectors.rebuild('nothing' as never), { code: 'unknown-projection' })
  } finally {
    await projectors.close()
    log.close()
  }
})

test('kill -9 at any moment of a rebuild leaves the old generation serving, and no leftovers after the next start', async () => {
  const folder = temporaryFolder()
  const masterKey = randomBytes(32)
  const log = new TestLog(folder, masterKey)
  const account = await log.account()
  for (let i = 0; i < 20; i++) log.receive(account, 100)
  const config = { data: folder, source: log.source }
  for (const phase of ['filling', 'indexing', 'comparing', 'switching']) {
    const child = fork(join(import.meta.dirname, 'rebuild-child.ts'), [], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const setting = { folder, log: log.source.log, keyring: log.source.keyring, key: masterKey.toString('base64') }
    child.on('message', (message) => {
      if (message === 'started') child.send(setting)
      if (message === phase) child.kill('SIGKILL')
    })
    await once(child, 'exit')
    const projectors = await Projectors.start(config)
    try {
      const [inbox] = await projectors.mailbox.folders(account)
      assert.deepEqual([phase, inbox?.total, inbox?.unread], [phase, 2000, 1000])
      await projectors.ready()
      const status = await projectors.status()
      const kept = new Set(
        status.flatMap(({ name, generation }) => [`${name}-${generation}`, `${name}-${generation - 1}`]),
      )
      const files = readdirSync(join(folder, 'views')).filter((name) => name.endsWith('.sqlite'))
      for (const file of files) assert.ok(kept.has(file.replace('.sqlite', '')), `${phase}: ${file} was left`)
    } finally {
      await projectors.close()
    }
  }
  log.close()
})
