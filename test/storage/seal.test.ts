// What lies in the log opens only where it was written, only as it was written, and only with its owner's key.
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { toNewEvents } from '../../commands/context.ts'
import type { StoredEvent } from '../../commands/ports/event-store.ts'
import type { EverpostEvent } from '../../domain/events.ts'
import { isRedacted, mailboxStream } from '../../domain/log.ts'
import { openEvent, openLazily, sealEvent, UnreadableEvent } from '../../infra/adapters/journal/seal.ts'
import { NEWEST_SCHEMA, upcast } from '../../infra/adapters/journal/upcast.ts'
import { threadKeysOf } from '../../projections/mailbox/threads.ts'
import { content, received } from '../domain/aggregates.ts'
import { openJournal, testContext } from '../support/journal.ts'

const ANN = 'aaaaaaaaaaaaaaaaaaaaaaaaaa'
const BOB = 'bbbbbbbbbbbbbbbbbbbbbbbbba'
const unreadable = (error: unknown) => error instanceof UnreadableEvent

async function open(t: TestContext) {
  const { keyring } = await openJournal(t)
  await keyring.create(ANN)
  await keyring.create(BOB)
  const store = (event: EverpostEvent, owner: string, stream = mailboxStream(owner), id = 'one'): StoredEvent => {
    const [made] = toNewEvents([event], owner, testContext(id))
    assert.ok(made)
    return { ...sealEvent(stream, made, keyring), stream, revision: 3n, position: 9n }
  }
  return { keyring, store }
}
const withText: EverpostEvent = {
  ...received('m1'),
  type: 'MessageReceived',
  data: {
    ...(received('m1').data as Extract<EverpostEvent, { type: 'MessageReceived' }>['data']),
    content: { ...content, text: 'Long text. '.repeat(200) },
  },
}

describe('a sealed event', () => {
  it('comes back as it was, with its text when asked for', async (t) => {
    const { keyring, store } = await open(t)
    const stored = store(withText, ANN)
    const whole = openEvent(stored, keyring, true)
    assert.ok(!isRedacted(whole))
    assert.deepEqual(whole.data, withText.data)
    assert.deepEqual(
      [whole.revision, whole.position, whole.type, whole.stream],
      [3n, 9n, 'MessageReceived', mailboxStream(ANN)],
    )
    assert.equal(whole.metadata.actor, 'test')
    const bare = openEvent(stored, keyring, false)
    assert.ok(!isRedacted(bare) && bare.type === 'MessageReceived')
    assert.equal(bare.data.content.text, '')
  })

  it('shows nothing of itself', async (t) => {
    const { store } = await open(t)
    const stored = store(withText, ANN)
    const visible = Buffer.concat([stored.data, stored.metadata]).toString('latin1')
    assert.doesNotMatch(visible, /Hello|example|Long text|messageId/)
  })

  it('does not open when any one of its bytes was changed', async (t) => {
    const { keyring, store } = await open(t)
    const stored = store({ type: 'FolderSubscribed', data: { folderId: 'inbox', subscribed: true } }, ANN)
    for (let i = 0; i < stored.data.length; i++) {
      const data = Buffer.from(stored.data)
      data[i] = (data[i] as number) ^ 1
      assert.throws(() => openEvent({ ...stored, data }, keyring, true), unreadable, `byte ${i}`)
    }
    for (const length of [0, 1, 4, 5, 20, stored.data.length - 1])
      assert.throws(
        () => openEvent({ ...stored, data: stored.data.subarray(0, length) }, keyring, true),
        unreadable,
        `cut to ${length}`,
      )
    assert.throws(() => openEvent({ ...stored, metadata: Buffer.from('{') }, keyring, true), unreadable)
  })

  it('has a content that opens only whole, unchanged and in its own event', async (t) => {
    const { keyring, store } = await open(t)
    const stored = store(withText, ANN)
    const content = 5 + Buffer.from(stored.data).readUInt32LE(1)
    for (let i = content; i < stored.data.length; i += 7) {
      const data = Buffer.from(stored.data)
      data[i] = (data[i] as number) ^ 1
      assert.throws(() => openEvent({ ...stored, data }, keyring, false), unreadable, `byte ${i}`)
      const lazy = openLazily({ ...stored, data }, keyring, false)
      assert.ok(!isRedacted(lazy) && lazy.type === 'MessageReceived')
      assert.equal(lazy.data.messageId, 'm1')
      assert.throws(() => lazy.data.content, unreadable)
    }
    for (const length of [content, content + 12, stored.data.length - 1])
      assert.throws(() => openEvent({ ...stored, data: stored.data.subarray(0, length) }, keyring, false), unreadable)
    const other = store(withText, ANN, mailboxStream(ANN), 'two')
    const otherContent = 5 + Buffer.from(other.data).readUInt32LE(1)
    const swapped = Buffer.concat([stored.data.subarray(0, content), other.data.subarray(otherContent)])
    assert.throws(() => openEvent({ ...stored, data: swapped }, keyring, false), unreadable)
    const folder = store({ type: 'FolderSubscribed', data: { folderId: 'inbox', subscribed: true } }, ANN)
    const longer = Buffer.concat([folder.data, stored.data.subarray(content)])
    assert.throws(() => openEvent({ ...folder, data: longer }, keyring, false), unreadable)
  })

  it('tells an arrival without opening its content', async (t) => {
    const { keyring, store } = await open(t)
    const lazy = openLazily(store(withText, ANN), keyring, false)
    assert.ok(!isRedacted(lazy) && lazy.type === 'MessageReceived')
    assert.deepEqual(lazy.facts, { size: content.blob.size, threadKeys: threadKeysOf(content.envelope) })
    const whole = withText.data as { content: object }
    assert.deepEqual({ ...lazy.data }, { ...whole, content: { ...whole.content, text: '' } })
    assert.equal(lazy.data.content, lazy.data.content, 'opened once')
  })

  it('does not open in another stream, under another id or type, or with another key', async (t) => {
    const { keyring, store } = await open(t)
    const stored = store(received('m1'), ANN)
    for (const moved of [
      { stream: mailboxStream(BOB) },
      { stream: `account-${ANN}` },
      { id: '00000000-0000-5000-8000-000000000000' },
      { type: 'MessageAppended' },
    ])
      assert.throws(() => openEvent({ ...stored, ...moved }, keyring, true), unreadable, JSON.stringify(moved))
    const other = store(received('m1'), ANN, mailboxStream(ANN), 'two')
    assert.throws(
      () => openEvent({ ...stored, data: other.data }, keyring, true),
      unreadable,
      'the payload of another event',
    )
    assert.throws(
      () => openEvent({ ...stored, metadata: Buffer.from(JSON.stringify({ v: 1, k: BOB })) }, keyring, true),
      unreadable,
    )
  })

  it('is redacted once its key is gone', async (t) => {
    const { keyring, store } = await open(t)
    const stored = store(received('m1'), ANN)
    await keyring.destroy(ANN)
    assert.deepEqual(openEvent(stored, keyring, true), {
      id: stored.id,
      stream: stored.stream,
      revision: 3n,
      position: 9n,
      type: 'MessageReceived',
      redacted: true,
    })
  })

  it('of a newer program is refused with that reason, never guessed at', async (t) => {
    const { keyring, store } = await open(t)
    const stored = store(received('m1'), ANN)
    const newer = { ...stored, metadata: Buffer.from(JSON.stringify({ v: NEWEST_SCHEMA + 1 })) }
    assert.throws(() => openEvent(newer, keyring, true), /newer than this program.*install that version/)
    assert.deepEqual(upcast('FolderCreated', NEWEST_SCHEMA, { folderId: 'x' }), { folderId: 'x' })
  })

  it('has its sections each under their own key', async (t) => {
    const { keyring, store } = await open(t)
    const section = (messageId: string) => ({
      messageId,
      mailFrom: 'a@b.test',
      recipient: 'r',
      blob: { id: 'x', key: 'k', size: 1 },
    })
    const stored = store(
      {
        type: 'MailAccepted',
        data: { intakeId: 'i', receivedAt: 1, size: 1, sections: { [ANN]: section('a'), [BOB]: section('b') } },
      },
      'system',
      'intake-20260301-1',
    )
    const both = openEvent(stored, keyring, true)
    assert.ok(!isRedacted(both) && both.type === 'MailAccepted')
    assert.deepEqual(both.data.sections, { [ANN]: section('a'), [BOB]: section('b') })
    await keyring.destroy(BOB)
    const one = openEvent(stored, keyring, true)
    assert.ok(!isRedacted(one) && one.type === 'MailAccepted')
    assert.deepEqual(one.data.sections, { [ANN]: section('a') })
  })

  it('is not made for an account without a key', async (t) => {
    const { store } = await open(t)
    assert.throws(() => store(received('m1'), 'nobody'), { name: 'NoDataKey' })
  })
})
