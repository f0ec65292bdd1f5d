// changeMailbox over the real sealed log: stale views, races, retries, and what a write costs.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { changeMailbox, loadMailbox, MAX_MESSAGES_PER_COMMAND } from '../../commands/change-mailbox.ts'
import { toNewEvents } from '../../commands/context.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import { mailboxStream } from '../../domain/log.ts'
import type { MailboxCommand, MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import { opened, received } from '../domain/aggregates.ts'
import {
  eventsOf,
  Interrupted,
  interruptedJournal,
  mailboxOf,
  openJournal,
  StaleSnapshots,
  spyingJournal,
  testContext,
} from '../support/journal.ts'

const ACCOUNT = 'aaaaaaaaaaaaaaaaaaaaaaaaaa'
const STREAM = mailboxStream(ACCOUNT)

async function write(journal: Journal, events: readonly MailboxEvent[], name: string): Promise<void> {
  const result = await journal.append({
    stream: STREAM,
    expected: 'any',
    events: toNewEvents(events, ACCOUNT, testContext(name)),
  })
  assert.ok(result.ok)
}

async function open(t: TestContext) {
  const { journal, keyring } = await openJournal(t)
  await keyring.create(ACCOUNT)
  await write(journal, [...opened, received('m1'), received('m2')], 'setup')
  const snapshots = new StaleSnapshots(journal)
  const run = (command: MailboxCommand, id?: string, over: Journal = journal) =>
    changeMailbox({ journal: over, snapshots }, testContext(id), ACCOUNT, command)
  return { journal, snapshots, run }
}

const flag = (...messageIds: string[]): MailboxCommand => ({
  type: 'ChangeFlags',
  messageIds,
  add: ['\\seen'],
  remove: [],
})
const move = (messageIds: string[], folderId: string): MailboxCommand => ({
  type: 'MoveMessages',
  messageIds,
  folderId,
})
const create = (folderId: string, name: string): MailboxCommand => ({
  type: 'CreateFolder',
  folderId,
  name,
  parentId: null,
})

describe('changeMailbox', () => {
  it('sees what the views have not seen yet', async (t) => {
    const { journal, snapshots, run } = await open(t)
    for (const seen of [0n, 2n, 3n, 4n, 5n]) {
      snapshots.seen = seen
      const { state, revision } = await loadMailbox({ journal, snapshots }, ACCOUNT, ['m1', 'm2', 'unknown'])
      assert.equal(revision, 4n)
      assert.deepEqual([...state.folders.keys()], ['inbox', 'archive', 'trash'])
      assert.deepEqual([...state.messages.keys()].sort(), ['m1', 'm2'])
    }
    snapshots.seen = 3n
    const outcome = await run(flag('m1', 'm2'))
    assert.ok(outcome.ok)
    assert.equal(outcome.revision, 5n)
    assert.deepEqual((await mailboxOf(journal, ACCOUNT)).messages.get('m2')?.flags, ['\\seen'])
  })

  it('answers a refusal as a value and appends nothing', async (t) => {
    const { journal, run } = await open(t)
    const outcome = await run(flag('m1', 'nobody'))
    assert.ok(!outcome.ok && outcome.refusal.code === 'no-such-message')
    assert.equal(await journal.lastRevision(STREAM), 4n)
    const many = await run(flag(...Array.from({ length: MAX_MESSAGES_PER_COMMAND + 1 }, (_, i) => `${i}`)))
    assert.ok(!many.ok && many.refusal.code === 'too-many')
  })

  it('answers the present revision when there is nothing to do', async (t) => {
    const { journal, run } = await open(t)
    const outcome = await run(move(['m1'], 'inbox'))
    assert.ok(outcome.ok)
    assert.deepEqual([outcome.revision, outcome.events], [4n, []])
    assert.equal(await journal.lastRevision(STREAM), 4n)
  })

  it('makes one folder of a name for writers who race: the loser decides again and is refused', async (t) => {
    const { journal, run } = await open(t)
    const outcomes = await Promise.all(Array.from({ length: 6 }, (_, i) => run(create(`f${i}`, 'Work'))))
    assert.equal(outcomes.filter(({ ok }) => ok).length, 1)
    for (const outcome of outcomes) assert.ok(outcome.ok || outcome.refusal.code === 'name-taken')
    assert.equal((await mailboxOf(journal, ACCOUNT)).folders.size, 4)
    const both = await Promise.all([run(create('a', 'A')), run(create('b', 'B'))])
    assert.ok(
      both.every(({ ok }) => ok),
      'different names both win, one after a second try',
    )
  })

  it('gives up with a sentence when the stream moves on at every try', async (t) => {
    const { journal, run } = await open(t)
    const busy: Journal = {
      append: async () => ({ ok: false, error: 'wrong-expected-revision', actual: 9n }),
      appendAll: (appends, options) => journal.appendAll(appends, options),
      readStream: (stream, options) => journal.readStream(stream, options),
      lastRevision: (stream) => journal.lastRevision(stream),
    }
    const outcome = await run(create('a', 'A'), undefined, busy)
    assert.ok(!outcome.ok && outcome.refusal.code === 'busy')
  })

  it('appends a message change at any revision: two clients never conflict', async (t) => {
    const { journal, run } = await open(t)
    const outcomes = await Promise.all([
      run(move(['m1'], 'archive')),
      run(move(['m1'], 'trash')),
      run(flag('m1')),
      run(flag('m2')),
    ])
    assert.ok(outcomes.every(({ ok }) => ok))
    const { messages } = await mailboxOf(journal, ACCOUNT)
    assert.deepEqual(messages.get('m1')?.flags, ['\\seen'])
    assert.notEqual(messages.get('m1')?.folderId, 'inbox')
  })

  it('is done once however often it is retried under its name', async (t) => {
    const { journal, run } = await open(t)
    await assert.rejects(
      run(move(['m1', 'm2'], 'archive'), 'cmd', interruptedJournal(journal, 1, { after: true })),
      Interrupted,
    )
    assert.ok((await run(move(['m1', 'm2'], 'archive'), 'cmd')).ok)
    assert.equal(await journal.lastRevision(STREAM), 6n)
    // Someone moves one back; the late repeat must not undo that.
    assert.ok((await run(move(['m2'], 'inbox'), 'other')).ok)
    assert.ok((await run(move(['m1', 'm2'], 'archive'), 'cmd')).ok)
    assert.equal((await mailboxOf(journal, ACCOUNT)).messages.get('m2')?.folderId, 'inbox')
  })

  it('does not delete for good when moving to Trash is retried', async (t) => {
    const { journal, run } = await open(t)
    assert.ok((await run({ type: 'DeleteMessages', messageIds: ['m1'] }, 'del')).ok)
    assert.ok((await run({ type: 'DeleteMessages', messageIds: ['m1'] }, 'del')).ok)
    const message = (await mailboxOf(journal, ACCOUNT)).messages.get('m1')
    assert.deepEqual([message?.folderId, message?.expunged], ['trash', false])
  })

  it('takes a retry that would decide more than the first time for done', async (t) => {
    const { journal, run } = await open(t)
    await write(journal, [{ type: 'MessageMoved', data: { messageId: 'm1', folderId: 'archive' } }], 'before')
    assert.ok((await run(move(['m1', 'm2'], 'archive'), 'cmd')).ok)
    await write(
      journal,
      [
        { type: 'MessageMoved', data: { messageId: 'm1', folderId: 'inbox' } },
        { type: 'MessageMoved', data: { messageId: 'm2', folderId: 'inbox' } },
      ],
      'back',
    )
    const revision = await journal.lastRevision(STREAM)
    assert.ok((await run(move(['m1', 'm2'], 'archive'), 'cmd')).ok)
    assert.equal(await journal.lastRevision(STREAM), revision)
  })

  it('goes on after an interruption in the middle of thousands of messages', async (t) => {
    const { journal, run } = await open(t)
    const ids = Array.from({ length: 1100 }, (_, i) => `n${i}`)
    for (let i = 0; i < ids.length; i += 500)
      await write(
        journal,
        ids.slice(i, i + 500).map((id) => received(id)),
        `fill${i}`,
      )
    const before = (await journal.lastRevision(STREAM)) ?? 0n
    await assert.rejects(run(move(ids, 'archive'), 'big', interruptedJournal(journal, 2)), Interrupted)
    assert.equal(await journal.lastRevision(STREAM), before + 1000n)
    assert.ok((await run(move(ids, 'archive'), 'big')).ok)
    assert.ok((await run(move(ids, 'archive'), 'big')).ok)
    assert.equal(await journal.lastRevision(STREAM), before + 1100n)
    const { messages } = await mailboxOf(journal, ACCOUNT)
    assert.ok(ids.every((id) => messages.get(id)?.folderId === 'archive'))
  })

  it('reads no more of a long mailbox than the tail that the views lack', async (t) => {
    const { journal, snapshots } = await open(t)
    for (let i = 0; i < 2; i++)
      await write(
        journal,
        Array.from({ length: 1000 }, (_, j) => received(`long${i}-${j}`)),
        `long${i}`,
      )
    for (const behind of [0n, 3n]) {
      const head = (await journal.lastRevision(STREAM)) ?? 0n
      snapshots.seen = head + 1n - behind
      const { spy, journal: spied } = spyingJournal(journal)
      snapshots.asked = []
      const outcome = await changeMailbox({ journal: spied, snapshots }, testContext(), ACCOUNT, {
        ...flag('m1'),
        remove: behind === 0n ? [] : ['x'],
      } as MailboxCommand)
      assert.ok(outcome.ok)
      assert.equal(spy.read, Number(behind), 'events read')
      assert.equal(spy.appends.length <= 1, true)
      assert.deepEqual(snapshots.asked, [['m1']], 'and only the messages of the command are asked for')
    }
  })

  it('names who, when, through what, and what caused what', async (t) => {
    const { journal, run } = await open(t)
    await run(flag('m1'), 'cause')
    const last = (await eventsOf(journal, STREAM)).at(-1)
    assert.ok(last && !('redacted' in last))
    assert.deepEqual(last.metadata, {
      at: 1000,
      actor: 'test',
      via: 'cli',
      correlationId: 'cause',
      causationId: 'cause',
    })
  })
})
