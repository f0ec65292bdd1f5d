// An event whose bytes were changed stops no view: it is parked, and what came behind it is applied. Commands do not pass it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toNewEvents } from '../../commands/context.ts'
import type { StoredEvent } from '../../commands/ports/event-store.ts'
import type { EverpostEvent } from '../../domain/events.ts'
import { mailboxStream } from '../../domain/log.ts'
import { sealEvent, UnreadableEvent } from '../../infra/adapters/journal/seal.ts'
import { SealedSource } from '../../infra/adapters/journal/sealed-journal.ts'
import { MemoryTimeline } from '../../infra/adapters/views/memory.ts'
import { MemoryMailbox } from '../../infra/adapters/views/memory-mailbox.ts'
import { mailboxProjector } from '../../projections/mailbox/projector.ts'
import { project, run } from '../../projections/runtime.ts'
import { mailboxAt } from '../../projections/time-travel.ts'
import { timelineProjector } from '../../projections/timeline.ts'
import { openJournal, testContext } from '../support/journal.ts'
import { content } from './log.ts'

const ANN = 'aaaaaaaaaaaaaaaaaaaaaaaaaa'
const STREAM = mailboxStream(ANN)

const arrival = (messageId: string): EverpostEvent => ({
  type: 'MessageReceived',
  data: {
    ...{ messageId, folderId: 'inbox', flags: [], receivedAt: 1, content: content({ subject: messageId }) },
    ...{ mailFrom: 'a@b.test', recipient: 'c@d.test', intakeId: 'i' },
  },
})
const EVENTS: readonly EverpostEvent[] = [
  { type: 'FolderCreated', data: { folderId: 'inbox', name: 'Inbox', parentId: null, role: 'inbox' } },
  arrival('first'),
  arrival('second'),
  { type: 'FlagsChanged', data: { messageIds: ['first'], add: ['\\seen'], remove: [] } },
  arrival('third'),
]

/** The log of `EVENTS`, one byte of one of them changed: counted from its start, or back from its end. */
async function damaged(t: Parameters<typeof openJournal>[0], index: number, byte: number) {
  const { keyring } = await openJournal(t)
  await keyring.create(ANN)
  const stored = EVENTS.map((event, i): StoredEvent => {
    const [made] = toNewEvents([event], ANN, testContext(`command-${i}`))
    assert.ok(made)
    const sealed = sealEvent(STREAM, made, keyring)
    const data = Buffer.from(sealed.data)
    if (i === index) data[byte < 0 ? data.length + byte : byte] = 255 - (data.at(byte) ?? 0)
    return { ...sealed, data, stream: STREAM, revision: BigInt(i), position: BigInt(i + 1) }
  })
  return new SealedSource(
    {
      async *readStream() {
        yield* stored
      },
      async *subscribe() {
        yield { events: stored, position: BigInt(stored.length), caughtUp: true }
      },
      readPositions: async (positions) => stored.filter((event) => positions.includes(event.position)),
      head: async () => BigInt(stored.length),
    },
    keyring,
  )
}

const unreadable = (error: unknown) => error instanceof UnreadableEvent && /bytes were changed/.test(error.message)

for (const [what, byte] of [
  ['payload', 40],
  ['content', -1],
] as const) {
  test(`an arrival with a damaged ${what} is parked, and the view goes on behind it`, async (t) => {
    const source = await damaged(t, 2, byte)
    const store = new MemoryMailbox()
    const timeline = new MemoryTimeline()
    const views = [project(mailboxProjector, store), project(timelineProjector, timeline)]
    await run(source, views, new AbortController().signal, { until: BigInt(EVENTS.length), once: true })
    const { newest, count } = store.parked()
    assert.equal(count, 1)
    assert.deepEqual([newest[0]?.position, newest[0]?.type], [3n, 'MessageReceived'])
    assert.match(newest[0]?.error ?? '', /UnreadableEvent: .*position 3 .*bytes were changed/)
    const page = await store.queries.messages(ANN, 'inbox')
    assert.deepEqual(page.rows.map((row) => row.id).sort(), ['first', 'third'])
    assert.equal((await store.queries.message(ANN, 'first'))?.flags[0], '\\seen')
    assert.equal(store.checkpoint(), BigInt(EVENTS.length))
    // The timeline needs no content: only a damaged payload keeps an event out of it.
    assert.equal(timeline.parked().count, what === 'payload' ? 1 : 0)
  })
}

test('commands do not read past a damaged event', async (t) => {
  const source = await damaged(t, 3, 40)
  const read: string[] = []
  await assert.rejects(async () => {
    for await (const event of source.readStream(STREAM)) read.push(event.type)
  }, unreadable)
  assert.equal(read.length, 3)
  await assert.rejects(source.readPositions([4n]), unreadable)
  await assert.rejects((await damaged(t, 1, -1)).readPositions([2n]), unreadable)
})

test('the past is shown without what cannot be read', async (t) => {
  const source = await damaged(t, 2, 40)
  const moment = await mailboxAt(source, ANN, { revision: 4n }, () => {
    const store = new MemoryMailbox()
    return { store, queries: store.queries }
  })
  const { rows } = await moment.queries.messages(ANN, 'inbox')
  assert.deepEqual(rows.map((row) => row.id).sort(), ['first', 'third'])
  assert.equal(moment.failed, 1)
  const hollow = await mailboxAt(await damaged(t, 2, -1), ANN, { revision: 4n }, () => {
    const store = new MemoryMailbox()
    return { store, queries: store.queries }
  })
  const page = await hollow.queries.messages(ANN, 'inbox')
  assert.equal(page.rows.length, 3)
  assert.match(page.rows.find((row) => row.id === 'second')?.snippet ?? '', /cannot be read/)
})
