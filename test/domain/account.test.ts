import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type AccountCommand,
  type AccountEvent,
  MAX_ADDRESSES,
  MAX_APP_PASSWORDS,
  MAX_FILTER_BYTES,
  MAX_FILTER_SCRIPTS,
  MAX_TEXT,
} from '../../domain/account/account.ts'
import {
  entryName,
  grantedRights,
  MAX_ANNOTATION_BYTES,
  MAX_ANNOTATIONS,
  MAX_GRANTS,
  rightsOf,
  withoutRights,
} from '../../domain/account/sharing.ts'
import { givenAccount as given } from './spec.ts'

const accountId = 'acc'
const open: AccountCommand = { type: 'OpenAccount', accountId, address: 'kim@example.test', name: 'Kim', role: 'user' }
const opened: AccountEvent[] = [
  { type: 'AccountOpened', data: { accountId, address: 'kim@example.test', name: 'Kim', role: 'user' } },
  { type: 'AddressAdded', data: { accountId, address: 'kim@example.test', kind: 'primary' } },
]
const erased: AccountEvent = { type: 'AccountErased', data: { accountId } }
const held: AccountEvent = { type: 'LegalHoldPlaced', data: { accountId, holdId: 'h1', reason: 'court' } }

const LATER: readonly AccountCommand[] = [
  { type: 'AddAddress', address: 'sales@example.test', kind: 'alias' },
  { type: 'ChangePassword', hash: 'phc' },
  { type: 'AddAppPassword', appPasswordId: 'p1', label: 'phone', hash: 'h' },
  { type: 'RevokeAppPassword', appPasswordId: 'p1' },
  { type: 'ChangeQuota', bytes: 5 },
  { type: 'ChangeFilterRules', name: 'main', script: 'keep;' },
  { type: 'PlaceLegalHold', holdId: 'h1', reason: 'court' },
  { type: 'ReleaseLegalHold', holdId: 'h1' },
  { type: 'ShareFolder', folderId: 'f', with: 'other', rights: 'lr' },
  { type: 'ChangeAnnotations', changes: [{ folderId: null, entry: '/private/x', value: 'AA==' }] },
]

describe('every account command', () => {
  it('is refused for an account that does not exist or was erased', () => {
    for (const command of [...LATER, { type: 'EraseAccount' } as const])
      given().when(command).refused('no-such-account')
    for (const command of LATER) given(opened, erased).when(command).refused('erased')
  })
})

describe('OpenAccount', () => {
  it('produces the account and its first address; quiet the second time; refuses an endless name', () => {
    given()
      .when(open)
      .then(...opened)
    given(opened).when(open).quiet()
    given()
      .when({ ...open, name: 'x'.repeat(MAX_TEXT + 1) } as AccountCommand)
      .refused('bad-value')
  })
})

describe('AddAddress', () => {
  const add: AccountCommand = { type: 'AddAddress', address: 'sales@example.test', kind: 'alias' }
  const added: AccountEvent = {
    type: 'AddressAdded',
    data: { accountId, address: 'sales@example.test', kind: 'alias' },
  }
  it('produces, stays quiet, refuses too many', () => {
    given(opened).when(add).then(added)
    given(opened, added).when(add).quiet()
    const many = Array.from(
      { length: MAX_ADDRESSES - 1 },
      (_, i): AccountEvent => ({
        type: 'AddressAdded',
        data: { accountId, address: `a${i}@example.test`, kind: 'alias' },
      }),
    )
    given(opened, many).when(add).refused('too-many')
  })
})

describe('ChangePassword', () => {
  it('always produces: a new salt is a new password', () => {
    const changed: AccountEvent = { type: 'PasswordChanged', data: { accountId, hash: 'phc' } }
    given(opened, changed).when({ type: 'ChangePassword', hash: 'phc' }).then(changed)
  })
})

describe('app passwords', () => {
  const add = (appPasswordId: string, label = 'phone'): AccountCommand => ({
    type: 'AddAppPassword',
    appPasswordId,
    label,
    hash: 'h',
  })
  const added = (appPasswordId: string): AccountEvent => ({
    type: 'AppPasswordAdded',
    data: { accountId, appPasswordId, label: 'phone', hash: 'h' },
  })
  it('are added once, up to a limit, with a label of bounded length', () => {
    given(opened).when(add('p1')).then(added('p1'))
    given(opened, added('p1')).when(add('p1')).quiet()
    const many = Array.from({ length: MAX_APP_PASSWORDS }, (_, i) => added(`p${i}`))
    given(opened, many).when(add('one-more')).refused('too-many')
    given(opened)
      .when(add('p1', 'x'.repeat(MAX_TEXT + 1)))
      .refused('bad-value')
  })
  it('are revoked, which makes room', () => {
    const revoked: AccountEvent = { type: 'AppPasswordRevoked', data: { accountId, appPasswordId: 'p1' } }
    given(opened, added('p1')).when({ type: 'RevokeAppPassword', appPasswordId: 'p1' }).then(revoked)
    given(opened, added('p1'), revoked).when({ type: 'RevokeAppPassword', appPasswordId: 'p1' }).quiet()
    given(opened, added('p1'), revoked).when(add('p1')).then(added('p1'))
  })
})

describe('ChangeQuota', () => {
  const quota = (bytes: number | null): AccountCommand => ({ type: 'ChangeQuota', bytes })
  it('produces, stays quiet, refuses what is no number of bytes', () => {
    const changed: AccountEvent = { type: 'QuotaChanged', data: { accountId, bytes: 5 } }
    given(opened).when(quota(5)).then(changed)
    given(opened, changed).when(quota(5)).quiet()
    given(opened).when(quota(null)).quiet()
    given(opened, changed)
      .when(quota(null))
      .then({ type: 'QuotaChanged', data: { accountId, bytes: null } })
    for (const bytes of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])
      given(opened).when(quota(bytes)).refused('bad-value')
  })
})

const rules = (name: string): AccountEvent => ({
  type: 'FilterRulesChanged',
  data: { accountId, name, script: 'keep;' },
})

describe('ChangeFilterRules', () => {
  it('produces, and counts bytes and not characters', () => {
    given(opened).when({ type: 'ChangeFilterRules', name: 'main', script: 'keep;' }).then(rules('main'))
    given(opened, rules('main')).when({ type: 'ChangeFilterRules', name: 'main', script: 'keep;' }).quiet()
    given(opened)
      .when({ type: 'ChangeFilterRules', name: 'main', script: '가'.repeat(MAX_FILTER_BYTES / 2) })
      .refused('bad-value')
    for (const name of ['', 'a\nb', 'x'.repeat(129)])
      given(opened).when({ type: 'ChangeFilterRules', name, script: 'keep;' }).refused('bad-value')
    const full = Array.from({ length: MAX_FILTER_SCRIPTS }, (_, i) => rules(`r${i}`))
    given(opened, ...full)
      .when({ type: 'ChangeFilterRules', name: 'more', script: 'keep;' })
      .refused('too-many')
  })
})

describe('filter rules', () => {
  const activated = (name: string | null): AccountEvent => ({ type: 'FilterRulesActivated', data: { accountId, name } })
  const renamed: AccountEvent = { type: 'FilterRulesRenamed', data: { accountId, name: 'a', newName: 'b' } }
  const deleted: AccountEvent = { type: 'FilterRulesDeleted', data: { accountId, name: 'a' } }

  it('are put in force by name', () => {
    given(opened, rules('a')).when({ type: 'ActivateFilterRules', name: 'a' }).then(activated('a'))
    given(opened, rules('a'), activated('a')).when({ type: 'ActivateFilterRules', name: 'a' }).quiet()
    given(opened, rules('a'), activated('a')).when({ type: 'ActivateFilterRules', name: null }).then(activated(null))
    given(opened, rules('a')).when({ type: 'ActivateFilterRules', name: 'b' }).refused('no-such-rules')
  })
  it('stay in force under a new name', () => {
    given(opened, rules('a'), activated('a')).when({ type: 'RenameFilterRules', name: 'a', newName: 'b' }).then(renamed)
    given(opened, rules('a'), activated('a'), renamed).when({ type: 'ActivateFilterRules', name: 'b' }).quiet()
    given(opened, rules('a')).when({ type: 'RenameFilterRules', name: 'a', newName: 'a' }).quiet()
    given(opened, rules('a'), rules('b'))
      .when({ type: 'RenameFilterRules', name: 'a', newName: 'b' })
      .refused('rules-exist')
    given(opened).when({ type: 'RenameFilterRules', name: 'a', newName: 'b' }).refused('no-such-rules')
  })
  it('are deleted unless they are in force', () => {
    given(opened, rules('a')).when({ type: 'DeleteFilterRules', name: 'a' }).then(deleted)
    given(opened, rules('a'), activated('a')).when({ type: 'DeleteFilterRules', name: 'a' }).refused('rules-active')
    given(opened, rules('a'), deleted).when({ type: 'DeleteFilterRules', name: 'a' }).refused('no-such-rules')
  })
})

describe('legal holds', () => {
  it('are placed once and released once', () => {
    given(opened).when({ type: 'PlaceLegalHold', holdId: 'h1', reason: 'court' }).then(held)
    given(opened, held).when({ type: 'PlaceLegalHold', holdId: 'h1', reason: 'court' }).quiet()
    given(opened)
      .when({ type: 'PlaceLegalHold', holdId: 'h1', reason: 'x'.repeat(MAX_TEXT + 1) })
      .refused('bad-value')
    given(opened, held)
      .when({ type: 'ReleaseLegalHold', holdId: 'h1' })
      .then({ type: 'LegalHoldReleased', data: { accountId, holdId: 'h1' } })
    given(opened).when({ type: 'ReleaseLegalHold', holdId: 'h1' }).refused('no-such-hold')
  })
  it('forbid erasure until every one is released', () => {
    const second: AccountEvent = { type: 'LegalHoldPlaced', data: { accountId, holdId: 'h2', reason: 'tax' } }
    const released: AccountEvent = { type: 'LegalHoldReleased', data: { accountId, holdId: 'h1' } }
    given(opened, held).when({ type: 'EraseAccount' }).refused('under-legal-hold')
    given(opened, held, second, released).when({ type: 'EraseAccount' }).refused('under-legal-hold')
    given(opened, held, released).when({ type: 'EraseAccount' }).then(erased)
  })
})

describe('EraseAccount', () => {
  it('produces once, then stays quiet', () => {
    given(opened).when({ type: 'EraseAccount' }).then(erased)
    given(opened, erased).when({ type: 'EraseAccount' }).quiet()
  })
})

describe('ShareFolder', () => {
  const share = (rights: string, grantee = 'other'): AccountCommand => ({
    type: 'ShareFolder',
    folderId: 'f',
    with: grantee,
    rights,
  })
  const shared = (rights: string, grantee = 'other'): AccountEvent => ({
    type: 'FolderShared',
    data: { accountId, folderId: 'f', with: grantee, rights },
  })
  it('produces, takes back, stays quiet, refuses too many', () => {
    given(opened).when(share('lr')).then(shared('lr'))
    given(opened, shared('lr')).when(share('l')).then(shared('l'))
    given(opened, shared('lr')).when(share('lr')).quiet()
    given(opened).when(share('')).quiet()
    given(opened, shared('lr')).when(share('')).then(shared(''))
    const full = Array.from({ length: MAX_GRANTS }, (_, i) => shared('l', `other${i}`))
    given(opened, ...full)
      .when(share('l'))
      .refused('too-many')
    given(opened, ...full)
      .when(share('lr', 'other1'))
      .then(shared('lr', 'other1'))
  })
})

describe('ChangeAnnotations', () => {
  const change = (value: string | null, entry = '/private/x'): AccountCommand => ({
    type: 'ChangeAnnotations',
    changes: [{ folderId: 'f', entry, value }],
  })
  const changed = (value: string | null, entry = '/private/x'): AccountEvent => ({
    type: 'AnnotationChanged',
    data: { accountId, folderId: 'f', entry, value },
  })
  it('produces, removes, stays quiet, refuses what is too long and too many', () => {
    given(opened).when(change('AA==')).then(changed('AA=='))
    given(opened, changed('AA==')).when(change(null)).then(changed(null))
    given(opened).when(change(null)).quiet()
    given(opened)
      .when(change('A'.repeat(MAX_ANNOTATION_BYTES * 2)))
      .refused('bad-value')
    const full = Array.from({ length: MAX_ANNOTATIONS }, (_, i) => changed('AA==', `/private/${i}`))
    given(opened, ...full)
      .when(change('AA=='))
      .refused('too-many')
    given(opened, ...full)
      .when(change('AB==', '/private/7'))
      .then(changed('AB==', '/private/7'))
  })
})

describe('rights', () => {
  it('are letters in one order, the old ones those that they stand for', () => {
    assert.equal(rightsOf('rl'), 'lr')
    assert.equal(rightsOf(''), '')
    assert.equal(rightsOf('c'), 'kx')
    assert.equal(rightsOf('d'), 'te')
    assert.equal(rightsOf('aaa'), 'a')
    assert.equal(rightsOf('z'), undefined)
    assert.equal(rightsOf('L'), undefined)
    assert.equal(withoutRights('lrswi', 'si'), 'lrw')
  })
  it('are joined from those of the account and of its domain', () => {
    const grants = [
      { folderId: 'f', with: 'bob', rights: 'lr' },
      { folderId: 'f', with: '@example.test', rights: 'ls' },
      { folderId: 'f', with: 'kim', rights: 'a' },
      { folderId: 'g', with: 'bob', rights: 'x' },
    ]
    assert.equal(grantedRights(grants, 'f', { id: 'bob', domain: 'example.test' }), 'lrs')
    assert.equal(grantedRights(grants, 'f', { id: 'bob', domain: 'other.test' }), 'lr')
    assert.equal(grantedRights(grants, 'f', { id: 'eve', domain: 'other.test' }), '')
  })
  it('and entries have names that are paths', () => {
    assert.equal(entryName('/private/Comment'), '/private/comment')
    assert.equal(entryName('/shared/vendor/cmu/cyrus-imapd/color'), '/shared/vendor/cmu/cyrus-imapd/color')
    for (const bad of [
      '',
      '/',
      '/private',
      '/private/',
      '/private//x',
      '/other/x',
      '/private/a*',
      '/private/a%',
      '/private/\u00e9',
      `/private/${'x'.repeat(300)}`,
    ])
      assert.equal(entryName(bad), undefined, bad)
  })
})
