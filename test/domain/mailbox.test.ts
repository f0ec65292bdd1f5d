import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MailboxCommand, MailboxEvent } from '../../domain/mailbox/mailbox.ts'
import { MAX_FOLDERS } from '../../domain/mailbox/mailbox.ts'
import { expunged, folder, moved, opened, received } from './aggregates.ts'
import { givenMailbox as given } from './spec.ts'

const create = (folderId: string, name: string, parentId: string | null = null): MailboxCommand => ({
  type: 'CreateFolder',
  folderId,
  name,
  parentId,
})
/** A chain of folders, each in the one before: chain-0 to chain-(n-1). */
const chain = (n: number, prefix = 'chain'): MailboxEvent[] =>
  Array.from({ length: n }, (_, i) => folder(`${prefix}-${i}`, null, i === 0 ? null : `${prefix}-${i - 1}`))

describe('CreateFolder', () => {
  it('produces FolderCreated with the name trimmed and composed', () => {
    given(opened)
      .when(create('work', '  Cafe\u0301 '))
      .then({ type: 'FolderCreated', data: { folderId: 'work', name: 'Café', parentId: null, role: null } })
    given(opened, folder('work'))
      .when(create('sub', '2026', 'work'))
      .then({ type: 'FolderCreated', data: { folderId: 'sub', name: '2026', parentId: 'work', role: null } })
  })
  it('refuses bad names, taken names in any case, missing parents, second folders of a role and too many', () => {
    for (const name of ['', '   ', 'a/b', 'a\nb', 'a\u0000', 'a\u007f', 'x'.repeat(201), '\ud800'])
      given(opened).when(create('work', name)).refused('bad-name')
    given(opened).when(create('work', 'INBOX')).refused('name-taken')
    given(opened, folder('work')).when(create('other', 'WORK')).refused('name-taken')
    given(opened)
      .when(create('work', 'a', 'nowhere'))
      .refused('no-such-folder')
    given(opened)
      .when({ ...create('t2', 'Bin'), role: 'trash' } as MailboxCommand)
      .refused('name-taken')
    given(opened, folder('work')).when(create('work', 'else')).refused('name-taken')
    const many = Array.from({ length: MAX_FOLDERS - 3 }, (_, i) => folder(`f${i}`))
    given(opened, many).when(create('one-more', 'one more')).refused('too-many')
  })
  it('nests 20 deep and no deeper', () => {
    given(opened, chain(19))
      .when(create('x', 'x', 'chain-18'))
      .then({
        type: 'FolderCreated',
        data: { folderId: 'x', name: 'x', parentId: 'chain-18', role: null },
      })
    given(opened, chain(20))
      .when(create('x', 'x', 'chain-19'))
      .refused('too-many')
  })
  it('takes the same name below another parent', () => {
    given(opened, folder('work'), folder('2026', null, 'work'))
      .when(create('home26', '2026'))
      .then({ type: 'FolderCreated', data: { folderId: 'home26', name: '2026', parentId: null, role: null } })
  })
  it('stays quiet when it is there already', () => {
    given(opened, folder('work')).when(create('work', 'work')).quiet()
  })
})

describe('RenameFolder', () => {
  const rename = (folderId: string, name: string): MailboxCommand => ({ type: 'RenameFolder', folderId, name })
  it('produces FolderRenamed, also when only the case changes', () => {
    given(opened, folder('work'))
      .when(rename('work', 'Büro'))
      .then({
        type: 'FolderRenamed',
        data: { folderId: 'work', name: 'Büro' },
      })
    given(opened, folder('work'))
      .when(rename('work', 'Work'))
      .then({
        type: 'FolderRenamed',
        data: { folderId: 'work', name: 'Work' },
      })
  })
  it('refuses the inbox, a missing folder, bad and taken names', () => {
    given(opened).when(rename('inbox', 'Post')).refused('not-allowed')
    given(opened).when(rename('nowhere', 'x')).refused('no-such-folder')
    given(opened, folder('work')).when(rename('work', 'a/b')).refused('bad-name')
    given(opened, folder('work')).when(rename('work', 'Trash')).refused('name-taken')
  })
  it('stays quiet for the name it has', () => {
    given(opened, folder('work')).when(rename('work', ' work ')).quiet()
  })
})

describe('MoveFolder', () => {
  const move = (folderId: string, parentId: string | null): MailboxCommand => ({
    type: 'MoveFolder',
    folderId,
    parentId,
  })
  const two = [...opened, folder('a'), folder('b', null, 'a'), folder('c')]
  it('produces FolderMoved', () => {
    given(two)
      .when(move('c', 'b'))
      .then({ type: 'FolderMoved', data: { folderId: 'c', parentId: 'b' } })
    given(two)
      .when(move('b', null))
      .then({ type: 'FolderMoved', data: { folderId: 'b', parentId: null } })
  })
  it('refuses cycles, the inbox, missing folders and a name taken there', () => {
    given(two).when(move('a', 'a')).refused('not-allowed')
    given(two).when(move('a', 'b')).refused('not-allowed')
    given(two).when(move('inbox', 'a')).refused('not-allowed')
    given(two).when(move('nowhere', 'a')).refused('no-such-folder')
    given(two).when(move('c', 'nowhere')).refused('no-such-folder')
    given(two, { type: 'FolderRenamed', data: { folderId: 'c', name: 'B' } })
      .when(move('c', 'a'))
      .refused('name-taken')
  })
  it('refuses to nest a whole tree too deep', () => {
    given(opened, chain(12), chain(12, 'other')).when(move('other-0', 'chain-11')).refused('too-many')
    given(opened, chain(12), chain(8, 'other'))
      .when(move('other-0', 'chain-11'))
      .then({
        type: 'FolderMoved',
        data: { folderId: 'other-0', parentId: 'chain-11' },
      })
  })
  it('stays quiet where it is', () => {
    given(two).when(move('b', 'a')).quiet()
  })
})

describe('DeleteFolder', () => {
  const remove = (folderId: string): MailboxCommand => ({ type: 'DeleteFolder', folderId })
  it('produces FolderDeleted, and what lies in it is expunged but restorable', () => {
    given(opened, folder('work'))
      .when(remove('work'))
      .then({ type: 'FolderDeleted', data: { folderId: 'work' } })
    const after = given(opened, folder('work'), received('m1', 'work'), {
      type: 'FolderDeleted',
      data: { folderId: 'work' },
    } as MailboxEvent)
    assert.equal(after.state.messages.get('m1')?.expunged, true)
    after.when({ type: 'RestoreMessages', messageIds: ['m1'] }).then({
      type: 'MessageRestored',
      data: { messageId: 'm1', folderId: 'inbox' },
    })
  })
  it('refuses folders with a role, with folders below, and missing ones', () => {
    given(opened).when(remove('trash')).refused('not-allowed')
    given(opened, folder('a'), folder('b', null, 'a'))
      .when(remove('a'))
      .refused('not-allowed')
    given(opened).when(remove('nowhere')).refused('no-such-folder')
  })
})

describe('SubscribeFolder', () => {
  const subscribe = (folderId: string, subscribed: boolean): MailboxCommand => ({
    type: 'SubscribeFolder',
    folderId,
    subscribed,
  })
  it('produces, refuses and stays quiet', () => {
    given(opened)
      .when(subscribe('archive', false))
      .then({
        type: 'FolderSubscribed',
        data: { folderId: 'archive', subscribed: false },
      })
    given(opened).when(subscribe('nowhere', true)).refused('no-such-folder')
    given(opened).when(subscribe('archive', true)).quiet()
  })
})

describe('ChangeFlags', () => {
  const flags = (messageIds: string[], add: string[], remove: string[] = []): MailboxCommand => ({
    type: 'ChangeFlags',
    messageIds,
    add,
    remove,
  })
  it('produces one event for the messages that change, flags normalised', () => {
    given(opened, received('m1'), received('m2', 'inbox', ['\\seen']))
      .when(flags(['m1', 'm2', 'm1'], ['\\Seen', 'Todo', 'todo'], []))
      .then({
        type: 'FlagsChanged',
        data: { messageIds: ['m1', 'm2'], add: ['\\seen', 'todo'], remove: [] },
      })
    given(opened, received('m1'), received('m2', 'inbox', ['\\seen']))
      .when(flags(['m1', 'm2'], ['\\seen']))
      .then({ type: 'FlagsChanged', data: { messageIds: ['m1'], add: ['\\seen'], remove: [] } })
  })
  it('splits more than 1,000 messages over events', () => {
    const ids = Array.from({ length: 1001 }, (_, i) => `m${i}`)
    const { decision } = given(
      opened,
      ids.map((id) => received(id)),
    ).when(flags(ids, ['\\seen']))
    assert.ok('events' in decision)
    assert.deepEqual(
      decision.events.map((event) => 'messageIds' in event.data && event.data.messageIds.length),
      [1000, 1],
    )
  })
  it('refuses flags that are none, missing and expunged messages, and too many flags', () => {
    for (const flag of ['', 'a b', '\\recent', '\\made-up', 'ä', 'x'.repeat(101), 'a(b', 'a]', '%', '*'])
      given(opened, received('m1'))
        .when(flags(['m1'], [flag]))
        .refused('bad-flag')
    given(opened, received('m1'))
      .when(flags(['m1'], [], ['a b']))
      .refused('bad-flag')
    given(opened, received('m1'))
      .when(flags(['m1', 'm2'], ['\\seen']))
      .refused('no-such-message')
    given(opened, received('m1'), expunged('m1'))
      .when(flags(['m1'], ['\\seen']))
      .refused('no-such-message')
    const many = Array.from({ length: 65 }, (_, i) => `k${i}`)
    given(opened, received('m1'))
      .when(flags(['m1'], many))
      .refused('too-many')
    given(opened, received('m1'))
      .when(flags(['m1'], [], many))
      .refused('too-many')
    given(opened, received('m1', 'inbox', many.slice(0, 64)))
      .when(flags(['m1'], ['more']))
      .refused('too-many')
  })
  it('stays quiet when nothing changes', () => {
    given(opened, received('m1', 'inbox', ['\\seen']))
      .when(flags(['m1'], ['\\SEEN'], ['\\flagged']))
      .quiet()
    given(opened)
      .when(flags([], ['\\seen']))
      .quiet()
  })
})

describe('MoveMessages', () => {
  const move = (messageIds: string[], folderId: string): MailboxCommand => ({
    type: 'MoveMessages',
    messageIds,
    folderId,
  })
  it('produces one event a message', () => {
    given(opened, received('m1'), received('m2'))
      .when(move(['m2', 'm1', 'm2'], 'archive'))
      .then(moved('m2', 'archive'), moved('m1', 'archive'))
  })
  it('refuses missing messages and folders', () => {
    given(opened, received('m1'))
      .when(move(['m1', 'm2'], 'archive'))
      .refused('no-such-message')
    given(opened, received('m1'))
      .when(move(['m1'], 'nowhere'))
      .refused('no-such-folder')
    given(opened, received('m1'), expunged('m1'))
      .when(move(['m1'], 'archive'))
      .refused('no-such-message')
  })
  it('stays quiet for what is there already', () => {
    given(opened, received('m1'))
      .when(move(['m1'], 'inbox'))
      .quiet()
  })
})

describe('CopyMessages', () => {
  const copy = (messageId: string, copyId: string, folderId = 'archive'): MailboxCommand => ({
    type: 'CopyMessages',
    copies: [{ messageId, copyId }],
    folderId,
  })
  it('produces MessageCopied, and the copy has the flags of then', () => {
    const given1 = given(opened, received('m1', 'inbox', ['\\seen']))
    given1.when(copy('m1', 'c1')).then({
      type: 'MessageCopied',
      data: { messageId: 'm1', copyId: 'c1', folderId: 'archive' },
    })
    const { state } = given(opened, received('m1', 'inbox', ['\\seen']), {
      type: 'MessageCopied',
      data: { messageId: 'm1', copyId: 'c1', folderId: 'archive' },
    } as MailboxEvent)
    assert.deepEqual(state.messages.get('c1')?.flags, ['\\seen'])
    assert.equal(state.messages.get('m1')?.folderId, 'inbox')
  })
  it('refuses missing messages and folders', () => {
    given(opened).when(copy('m1', 'c1')).refused('no-such-message')
    given(opened, received('m1'))
      .when(copy('m1', 'c1', 'nowhere'))
      .refused('no-such-folder')
  })
  it('stays quiet for a copy that is there', () => {
    given(opened, received('m1'), received('c1', 'archive')).when(copy('m1', 'c1')).quiet()
  })
})

describe('DeleteMessages', () => {
  const remove = (...messageIds: string[]): MailboxCommand => ({ type: 'DeleteMessages', messageIds })
  it('moves to Trash, and from Trash expunges', () => {
    given(opened, received('m1'), received('m2', 'trash'))
      .when(remove('m1', 'm2'))
      .then(moved('m1', 'trash'), expunged('m2'))
  })
  it('expunges at once where there is no Trash', () => {
    given(folder('inbox', 'inbox'), received('m1')).when(remove('m1')).then(expunged('m1'))
  })
  it('refuses what was never there, stays quiet for what is gone', () => {
    given(opened).when(remove('m1')).refused('no-such-message')
    given(opened, received('m1'), expunged('m1')).when(remove('m1')).quiet()
  })
})

describe('ExpungeMessages', () => {
  const expunge = (...messageIds: string[]): MailboxCommand => ({ type: 'ExpungeMessages', messageIds })
  it('produces, refuses and stays quiet', () => {
    given(opened, received('m1'), received('m2'))
      .when(expunge('m2', 'm1', 'm2'))
      .then(expunged('m2', 'm1'))
    given(opened).when(expunge('m1')).refused('no-such-message')
    given(opened, received('m1'), expunged('m1')).when(expunge('m1')).quiet()
  })
})

describe('RestoreMessages', () => {
  const restore = (messageIds: string[], folderId?: string): MailboxCommand => ({
    type: 'RestoreMessages',
    messageIds,
    ...(folderId === undefined ? {} : { folderId }),
  })
  it('brings back what was expunged to where it was, and what is in Trash to the inbox', () => {
    given(opened, received('m1', 'archive'), expunged('m1'))
      .when(restore(['m1']))
      .then({
        type: 'MessageRestored',
        data: { messageId: 'm1', folderId: 'archive' },
      })
    given(opened, received('m1', 'trash'), expunged('m1'))
      .when(restore(['m1']))
      .then({
        type: 'MessageRestored',
        data: { messageId: 'm1', folderId: 'inbox' },
      })
    given(opened, received('m1', 'trash'))
      .when(restore(['m1']))
      .then(moved('m1', 'inbox'))
    given(opened, received('m1', 'trash'))
      .when(restore(['m1'], 'archive'))
      .then(moved('m1', 'archive'))
  })
  it('takes the mark for deletion off', () => {
    const { state } = given(opened, received('m1', 'inbox', ['\\deleted', '\\seen']), expunged('m1'), {
      type: 'MessageRestored',
      data: { messageId: 'm1', folderId: 'inbox' },
    } as MailboxEvent)
    assert.deepEqual(state.messages.get('m1')?.flags, ['\\seen'])
  })
  it('refuses unknown messages and folders, stays quiet for what is in place', () => {
    given(opened)
      .when(restore(['m1']))
      .refused('no-such-message')
    given(opened, received('m1'))
      .when(restore(['m1'], 'nowhere'))
      .refused('no-such-folder')
    given(opened, received('m1'))
      .when(restore(['m1']))
      .quiet()
  })
})

describe('arrivals', () => {
  it('go to the inbox when their folder is gone, and come once', () => {
    const { state } = given(opened, received('m1', 'deleted-since'), received('m1', 'archive'))
    assert.equal(state.messages.size, 1)
    assert.equal(state.messages.get('m1')?.folderId, 'inbox')
    assert.equal(state.messages.get('m1')?.arrivedAt, 3n)
  })
})
