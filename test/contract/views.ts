// What every engine of the views must keep: the same rows from the same events however they come, and nothing half done.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Position } from '../../domain/log.ts'
import { mailboxStream } from '../../domain/log.ts'
import { MemoryDirectory, MemorySubmissions, MemoryTimeline } from '../../infra/adapters/views/memory.ts'
import { MemoryMailbox } from '../../infra/adapters/views/memory-mailbox.ts'
import { directoryProjector } from '../../projections/directory.ts'
import { mailboxProjector } from '../../projections/mailbox/projector.ts'
import type {
  DirectoryStore,
  MailboxStore,
  SubmissionsStore,
  TimelineStore,
} from '../../projections/ports/view-store.ts'
import type { ViewQueries as AllQueries } from '../../projections/queries.ts'

/** The filter view has one engine yet: test/filter compares its generations. */
type ViewQueries = Omit<AllQueries, 'filter'>

import { type Projection, project } from '../../projections/runtime.ts'
import { submissionsProjector } from '../../projections/submissions.ts'
import { timelineProjector } from '../../projections/timeline.ts'
import { ACCOUNTS, cuts, FOLDERS, history, MESSAGES } from '../projections/arbitrary.ts'
import { content, type Mail, MemoryLog } from '../projections/log.ts'

export interface OpenedViews {
  readonly mailbox: MailboxStore
  readonly directory: DirectoryStore
  readonly submissions: SubmissionsStore
  readonly timeline: TimelineStore
  readonly queries: ViewQueries
  /** Closes and opens again what outlives the process; engines that keep nothing answer themselves. */
  reopen(): Promise<OpenedViews>
  close(): Promise<void>
}

export function memoryViews(): OpenedViews {
  const mailbox = new MemoryMailbox()
  const directory = new MemoryDirectory()
  const submissions = new MemorySubmissions()
  const timeline = new MemoryTimeline()
  const queries = {
    mailbox: mailbox.queries,
    directory: directory.queries,
    submissions: submissions.queries,
    timeline: timeline.queries,
  }
  const views: OpenedViews = {
    ...{ mailbox, directory, submissions, timeline, queries },
    reopen: async () => views,
    close: async () => {},
  }
  return views
}

export function projections(views: OpenedViews): readonly Projection[] {
  return [
    project(mailboxProjector, views.mailbox),
    project(directoryProjector, views.directory),
    project(submissionsProjector, views.submissions),
    project(timelineProjector, views.timeline),
  ]
}

export async function applyAll(views: OpenedViews, log: MemoryLog, sizes: readonly number[] = [500]): Promise<void> {
  const group = projections(views)
  let at = 0
  for (let i = 0; at < log.events.length; i++) {
    const batch = log.events.slice(at, at + (sizes[i % sizes.length] ?? 1))
    at += batch.length
    for (const projection of group) await projection.handle(batch, batch.at(-1)?.position as Position)
  }
}

export async function digests(views: OpenedViews): Promise<readonly string[]> {
  const { mailbox, directory, submissions, timeline } = views
  return Promise.all([mailbox, directory, submissions, timeline].map((store) => store.digest()))
}

/** Everything that can be asked, asked. */
export async function answers({ mailbox, directory, submissions, timeline }: ViewQueries): Promise<unknown> {
  const all: unknown[] = [await directory.accounts(), await directory.domains(), await submissions.pendingSubmissions()]
  all.push(await directory.ownersSharingWith([ACCOUNTS[0], '@example.test']), await directory.ownersSharingWith([]))
  for (const account of ACCOUNTS) {
    const snapshot = await mailbox.snapshot(account, MESSAGES)
    const rows = await mailbox.messagesById(account, MESSAGES)
    all.push(
      snapshot,
      rows,
      await mailbox.usage(account),
      await mailbox.folders(account),
      await mailbox.expunged(account),
    )
    all.push(await directory.account(account), await submissions.submissions(account))
    all.push(await timeline.accountHistory(account, { first: 7 }))
    all.push(await timeline.accountHistory(account, { first: 7, newest: true, after: 20n, before: 200n }))
    for (const id of MESSAGES) all.push(await timeline.messageHistory(account, id))
    for (const threadId of new Set(rows.map((row) => row.threadId))) all.push(await mailbox.thread(account, threadId))
    for (const folder of FOLDERS) {
      for (const order of ['date', 'uid'] as const) {
        for (const filter of [
          {},
          { unread: true },
          { flagged: true, unread: false },
          { hasAttachment: true },
          { from: 'SENDER1' },
          { since: 1003, before: 1007 },
        ]) {
          let after: string | undefined
          do {
            const page = await mailbox.messages(account, folder, { order, filter, first: 3, after })
            all.push(page)
            after = page.next ?? undefined
          } while (after !== undefined)
          for (const offset of [1, 3, 5])
            all.push(await mailbox.messages(account, folder, { order, filter, first: 2, offset }))
          all.push(await mailbox.count(account, folder, filter))
        }
      }
      all.push(await mailbox.uidRange(account, folder, { from: 2, to: 30, changedSince: 4 }))
      all.push(await mailbox.firstUnseen(account, folder))
      all.push(await mailbox.countFlagged(account, folder, '\\flagged'))
      all.push(await mailbox.vanishedSince(account, folder, 5))
    }
  }
  return all
}

export function testViews(engine: string, open: () => Promise<OpenedViews>, runs = 100): void {
  test(`${engine}: answers are those of the memory engine, however the log is cut`, async () => {
    await fc.assert(
      fc.asyncProperty(history, cuts, async (log, sizes) => {
        const model = memoryViews()
        await applyAll(model, log)
        const views = await open()
        try {
          await applyAll(views, log, sizes)
          assert.deepEqual(await digests(views), await digests(model))
          assert.deepEqual(await answers(views.queries), await answers(model.queries))
        } finally {
          await views.close()
        }
      }),
      { numRuns: runs },
    )
  })

  test(`${engine}: replaying changes nothing, and a restart goes on where it was`, async () => {
    await fc.assert(
      fc.asyncProperty(history, cuts, fc.double({ min: 0, max: 1, noNaN: true }), async (log, sizes, part) => {
        let views = await open()
        try {
          const some = new MemoryLog()
          some.events.push(...log.events.slice(0, Math.floor(log.events.length * part)))
          await applyAll(views, some, sizes)
          views = await views.reopen()
          await applyAll(views, log, sizes)
          const once = await digests(views)
          await applyAll(views, log, [500])
          assert.deepEqual(await digests(views), once)
          const model = memoryViews()
          await applyAll(model, log)
          assert.deepEqual(once, await digests(model))
        } finally {
          await views.close()
        }
      }),
      { numRuns: Math.ceil(runs / 4) },
    )
  })

  test(`${engine}: an erased account leaves the rows that a rebuild over its redacted events gives`, async () => {
    await fc.assert(
      fc.asyncProperty(history, async (log) => {
        const account = ACCOUNTS[0]
        log.append(`account-${account}`, { type: 'AccountErased', data: { accountId: account } })
        const live = await open()
        const again = await open()
        try {
          await applyAll(live, log, [7])
          log.redact((event) => event.stream.endsWith(account) || event.stream === 'submission-submission-of-aaa')
          await applyAll(again, log)
          assert.deepEqual(await digests(live), await digests(again))
          assert.equal(await live.queries.mailbox.accountRevision(account), undefined)
          assert.deepEqual(await live.queries.timeline.accountHistory(account), [])
          assert.equal((await live.queries.directory.account(account))?.address, '')
        } finally {
          await live.close()
          await again.close()
        }
      }),
      { numRuns: Math.ceil(runs / 4) },
    )
  })

  test(`${engine}: pages go on behind a cursor while mail arrives, and refuse cursors that are not theirs`, async () => {
    const [account] = ACCOUNTS
    const log = new MemoryLog()
    log.append(mailboxStream(account), folderCreated)
    for (let i = 0; i < 10; i++) log.append(mailboxStream(account), received(`message-${i}`, 1000 + Math.floor(i / 3)))
    const views = await open()
    try {
      await applyAll(views, log)
      const first = await views.queries.mailbox.messages(account, 'inbox', { first: 4 })
      log.append(mailboxStream(account), received('message-late', 2000))
      await applyAll(views, log)
      const rest = await views.queries.mailbox.messages(account, 'inbox', { first: 100, after: first.next ?? '' })
      const seen = [...first.rows, ...rest.rows].map((row) => row.id)
      assert.deepEqual(
        seen,
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((i) => `message-${i}`),
      )
      for (const after of ['', 'x', 'd1', `u${'9'.repeat(30)}`, 'd-.-'])
        await assert.rejects(views.queries.mailbox.messages(account, 'inbox', { after }), { code: 'bad-cursor' })
      const other = await views.queries.mailbox.messages(ACCOUNTS[1], 'inbox', { first: 10 })
      assert.deepEqual(other.rows, [])
    } finally {
      await views.close()
    }
  })

  test(`${engine}: a late message ties two threads together under the older one`, async () => {
    const [account] = ACCOUNTS
    const log = new MemoryLog()
    log.append(mailboxStream(account), folderCreated)
    log.append(mailboxStream(account), received('one', 1, { messageId: 'one@x', subject: 'First' }))
    log.append(mailboxStream(account), received('two', 2, { messageId: 'two@x', subject: 'Second' }))
    log.append(
      mailboxStream(account),
      received('three', 3, { messageId: 'three@x', references: ['two@x'], subject: 'Re: Second' }),
    )
    const views = await open()
    try {
      await applyAll(views, log)
      const { mailbox } = views.queries
      const younger = (await mailbox.message(account, 'two'))?.threadId ?? ''
      assert.equal((await mailbox.thread(account, younger))?.messages.length, 2)
      log.append(
        mailboxStream(account),
        received('four', 4, { messageId: 'four@x', references: ['one@x', 'three@x'], subject: 'Both' }),
      )
      await applyAll(views, log)
      const older = (await mailbox.message(account, 'one'))?.threadId
      const thread = await mailbox.thread(account, younger)
      assert.equal(thread?.id, older)
      assert.deepEqual(
        thread?.messages.map((row) => row.id),
        ['one', 'two', 'three', 'four'],
      )
    } finally {
      await views.close()
    }
  })

  test(`${engine}: an event that cannot be applied is parked, and the others are`, async () => {
    const [account] = ACCOUNTS
    const log = new MemoryLog()
    log.append(mailboxStream(account), folderCreated)
    log.append(mailboxStream(account), received('good', 1))
    const bad = log.append(mailboxStream(account), { type: 'FlagsChanged', data: null } as never)
    log.append(mailboxStream(account), received('better', 2))
    const views = await open()
    try {
      await applyAll(views, log)
      const { newest, count } = views.mailbox.parked()
      assert.equal(count, 1)
      assert.equal(newest[0]?.position, bad.position)
      assert.equal(newest[0]?.type, 'FlagsChanged')
      assert.match(newest[0]?.error ?? '', /TypeError/)
      assert.equal((await views.queries.mailbox.folders(account))[0]?.unread, 2)
      assert.equal(views.mailbox.checkpoint(), log.events.at(-1)?.position)
    } finally {
      await views.close()
    }
  })
}

const folderCreated = {
  type: 'FolderCreated',
  data: { folderId: 'inbox', name: 'Inbox', parentId: null, role: 'inbox' },
} as const

function received(messageId: string, receivedAt: number, mail: Mail = {}) {
  return {
    type: 'MessageReceived' as const,
    data: {
      ...{ messageId, folderId: 'inbox', flags: [], receivedAt, content: content(mail) },
      ...{ mailFrom: 'a@b.test', recipient: 'c@d.test', intakeId: 'i' },
    },
  }
}
