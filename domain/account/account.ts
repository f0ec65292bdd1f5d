// The events of `account-<accountId>`, `address-<hash>` and `domain-<hash>` streams: people, their addresses, credentials and rights.

import { type Grant, type Grantee, MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS, MAX_GRANTS, type Rights } from './sharing.ts'

export type AccountRole = 'user' | 'admin' | 'auditor'

export type AccountEvent =
  | { type: 'AccountOpened'; data: { accountId: string; address: string; name: string; role: AccountRole } }
  | { type: 'AddressAdded'; data: { accountId: string; address: string; kind: AddressKind } }
  | { type: 'PasswordChanged'; data: { accountId: string; hash: string; scram?: ScramVerifier } }
  | {
      type: 'AppPasswordAdded'
      data: { accountId: string; appPasswordId: string; label: string; hash: string; scram?: ScramVerifier }
    }
  | { type: 'AppPasswordRevoked'; data: { accountId: string; appPasswordId: string } }
  | { type: 'QuotaChanged'; data: { accountId: string; bytes: number | null } }
  | { type: 'FilterRulesChanged'; data: { accountId: string; name: string; script: string } }
  | { type: 'FilterRulesRenamed'; data: { accountId: string; name: string; newName: string } }
  | { type: 'FilterRulesDeleted'; data: { accountId: string; name: string } }
  /** The script that runs on new mail from now on; null is none. */
  | { type: 'FilterRulesActivated'; data: { accountId: string; name: string | null } }
  | { type: 'LegalHoldPlaced'; data: { accountId: string; holdId: string; reason: string } }
  | { type: 'LegalHoldReleased'; data: { accountId: string; holdId: string } }
  | {
      type: 'SendingSlowed'
      data: { accountId: string; reason: SlowedReason; detail: string; until: number }
    }
  | { type: 'SendingResumed'; data: { accountId: string } }
  /** From now on the grantee has these rights on the folder and no others; '' takes them all away. */
  | { type: 'FolderShared'; data: { accountId: string; folderId: string; with: Grantee; rights: Rights } }
  /** Of a folder, own or another's, or with null of the account; base64 of its bytes, null for an annotation that goes. */
  | {
      type: 'AnnotationChanged'
      data: { accountId: string; folderId: string | null; entry: string; value: string | null }
    }
  | { type: 'AccountErased'; data: { accountId: string } }

/** What SCRAM-SHA-256 checks a password by, without knowing it (RFC 5803 §2); bytes in base64. */
export interface ScramVerifier {
  readonly salt: string
  readonly iterations: number
  readonly storedKey: string
  readonly serverKey: string
}

/** What made an account look taken over. */
export type SlowedReason = 'limit' | 'bounces' | 'new-recipients'

/** `catch-all` takes every otherwise unknown address of its domain and is written `@domain`. */
export type AddressKind = 'primary' | 'alias' | 'catch-all'

/** The claim on an address: the first event of an `address-<hash>` stream wins it for good. */
export type AddressEvent = { type: 'AddressClaimed'; data: { accountId: string } }

/** The first event of a `domain-<hash>` stream: this installation takes mail for the domain. */
export type DomainEvent = { type: 'DomainAdded'; data: { name: string } }

export const ACCOUNT_EVENT_TYPES = [
  'AccountOpened',
  'AddressAdded',
  'PasswordChanged',
  'AppPasswordAdded',
  'AppPasswordRevoked',
  'QuotaChanged',
  'FilterRulesChanged',
  'FilterRulesRenamed',
  'FilterRulesDeleted',
  'FilterRulesActivated',
  'LegalHoldPlaced',
  'LegalHoldReleased',
  'SendingSlowed',
  'SendingResumed',
  'FolderShared',
  'AnnotationChanged',
  'AccountErased',
] as const satisfies readonly AccountEvent['type'][]

// ── State ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Account {
  /** Undefined before AccountOpened. */
  readonly id?: string
  readonly address?: string
  readonly erased: boolean
  readonly holds: ReadonlySet<string>
  readonly addresses: ReadonlySet<string>
  readonly appPasswords: ReadonlySet<string>
  readonly quota: number | null
  /** Epoch milliseconds; 0 while it sends freely. */
  readonly slowedUntil: number
  /** Sieve scripts by name. */
  readonly filterRules: ReadonlyMap<string, string>
  /** The script in force; null for none. */
  readonly activeRules: string | null
  readonly grants: readonly Grant[]
  /** Of values only their keys: `folderId entry`. */
  readonly annotations: ReadonlySet<string>
}

export const noAccount: Account = {
  erased: false,
  holds: new Set(),
  addresses: new Set(),
  appPasswords: new Set(),
  quota: null,
  slowedUntil: 0,
  filterRules: new Map(),
  activeRules: null,
  grants: [],
  annotations: new Set(),
}

// ── Evolve ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function evolve(state: Account, event: AccountEvent): Account {
  switch (event.type) {
    case 'AccountOpened':
      return state.id === undefined ? { ...state, id: event.data.accountId, address: event.data.address } : state
    case 'AddressAdded':
      return { ...state, addresses: new Set(state.addresses).add(event.data.address) }
    case 'AppPasswordAdded':
      return { ...state, appPasswords: new Set(state.appPasswords).add(event.data.appPasswordId) }
    case 'AppPasswordRevoked':
      return { ...state, appPasswords: without(state.appPasswords, event.data.appPasswordId) }
    case 'QuotaChanged':
      return { ...state, quota: event.data.bytes }
    case 'LegalHoldPlaced':
      return { ...state, holds: new Set(state.holds).add(event.data.holdId) }
    case 'LegalHoldReleased':
      return { ...state, holds: without(state.holds, event.data.holdId) }
    case 'SendingSlowed':
      return { ...state, slowedUntil: event.data.until }
    case 'SendingResumed':
      return { ...state, slowedUntil: 0 }
    case 'AccountErased':
      return { ...state, erased: true }
    case 'FilterRulesChanged':
      return { ...state, filterRules: new Map(state.filterRules).set(event.data.name, event.data.script) }
    case 'FilterRulesRenamed': {
      const { name, newName } = event.data
      const script = state.filterRules.get(name)
      if (script === undefined || state.filterRules.has(newName)) return state
      const filterRules = new Map(state.filterRules).set(newName, script)
      filterRules.delete(name)
      return { ...state, filterRules, activeRules: state.activeRules === name ? newName : state.activeRules }
    }
    case 'FilterRulesDeleted': {
      const filterRules = new Map(state.filterRules)
      filterRules.delete(event.data.name)
      return { ...state, filterRules, activeRules: state.activeRules === event.data.name ? null : state.activeRules }
    }
    case 'FilterRulesActivated': {
      const { name } = event.data
      return name === null || state.filterRules.has(name) ? { ...state, activeRules: name } : state
    }
    case 'FolderShared': {
      const { folderId, with: grantee, rights } = event.data
      const others = state.grants.filter((grant) => grant.folderId !== folderId || grant.with !== grantee)
      return { ...state, grants: rights === '' ? others : [...others, { folderId, with: grantee, rights }] }
    }
    case 'AnnotationChanged': {
      const annotations = new Set(state.annotations)
      const key = annotationKey(event.data)
      if (event.data.value === null) annotations.delete(key)
      else annotations.add(key)
      return { ...state, annotations }
    }
    case 'PasswordChanged':
      return state
    default: {
      const _: never = event
      return _
    }
  }
}

const annotationKey = ({ folderId, entry }: { readonly folderId: string | null; readonly entry: string }): string =>
  `${folderId ?? ''} ${entry}`

function without(set: ReadonlySet<string>, item: string): ReadonlySet<string> {
  const next = new Set(set)
  next.delete(item)
  return next
}

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type AccountCommand =
  | { type: 'OpenAccount'; accountId: string; address: string; name: string; role: AccountRole }
  | { type: 'AddAddress'; address: string; kind: AddressKind }
  | { type: 'ChangePassword'; hash: string; scram?: ScramVerifier }
  | { type: 'AddAppPassword'; appPasswordId: string; label: string; hash: string; scram?: ScramVerifier }
  | { type: 'RevokeAppPassword'; appPasswordId: string }
  | { type: 'ChangeQuota'; bytes: number | null }
  | { type: 'ChangeFilterRules'; name: string; script: string }
  | { type: 'RenameFilterRules'; name: string; newName: string }
  | { type: 'DeleteFilterRules'; name: string }
  | { type: 'ActivateFilterRules'; name: string | null }
  | { type: 'PlaceLegalHold'; holdId: string; reason: string }
  | { type: 'ReleaseLegalHold'; holdId: string }
  | { type: 'SlowSending'; reason: SlowedReason; detail: string; until: number; at: number }
  | { type: 'ResumeSending' }
  /** Rights as `rightsOf` (domain/account/sharing.ts) answers them. */
  | { type: 'ShareFolder'; folderId: string; with: Grantee; rights: Rights }
  /** All or none. Values in base64; null removes. */
  | {
      type: 'ChangeAnnotations'
      changes: readonly { folderId: string | null; entry: string; value: string | null }[]
    }
  | { type: 'EraseAccount' }

export interface AccountRefusal {
  readonly code:
    | 'no-such-account'
    | 'erased'
    | 'under-legal-hold'
    | 'no-such-hold'
    | 'too-many'
    | 'bad-value'
    | 'no-such-rules'
    | 'rules-exist'
    | 'rules-active'
  readonly message: string
}

export type AccountDecision = { readonly events: readonly AccountEvent[] } | { readonly refused: AccountRefusal }

export const MAX_ADDRESSES = 100
export const MAX_APP_PASSWORDS = 100
/** Of one script, UTF-8. */
export const MAX_FILTER_BYTES = 48 * 1024
export const MAX_FILTER_SCRIPTS = 20
/** Characters of a name, a label or a reason: an event stays far below its cap. */
export const MAX_TEXT = 2_000

// ── Decide ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Pure: credentials arrive hashed, ids made. No events means that it is so already. */
export function decide(command: AccountCommand, state: Account): AccountDecision {
  if (command.type === 'OpenAccount') {
    if (state.id !== undefined) return { events: [] }
    const { accountId, address, name, role } = command
    if (name.length > MAX_TEXT) return refuse('bad-value', `A name takes at most ${MAX_TEXT} characters.`)
    return {
      events: [
        { type: 'AccountOpened', data: { accountId, address, name, role } },
        { type: 'AddressAdded', data: { accountId, address, kind: 'primary' } },
      ],
    }
  }
  if (state.id === undefined) return refuse('no-such-account', 'There is no such account.')
  if (state.erased)
    return command.type === 'EraseAccount' ? { events: [] } : refuse('erased', 'This account was erased.')
  const accountId = state.id
  switch (command.type) {
    case 'AddAddress': {
      if (state.addresses.has(command.address)) return { events: [] }
      if (state.addresses.size >= MAX_ADDRESSES)
        return refuse('too-many', `An account has at most ${MAX_ADDRESSES} addresses.`)
      return { events: [{ type: 'AddressAdded', data: { accountId, address: command.address, kind: command.kind } }] }
    }
    case 'ChangePassword': {
      const { hash, scram } = command
      return { events: [{ type: 'PasswordChanged', data: { accountId, hash, ...(scram ? { scram } : {}) } }] }
    }
    case 'AddAppPassword': {
      const { appPasswordId, label, hash, scram } = command
      if (state.appPasswords.has(appPasswordId)) return { events: [] }
      if (label.length > MAX_TEXT) return refuse('bad-value', `A label takes at most ${MAX_TEXT} characters.`)
      if (state.appPasswords.size >= MAX_APP_PASSWORDS) {
        return refuse(
          'too-many',
          `An account has at most ${MAX_APP_PASSWORDS} app passwords and tokens: revoke one first.`,
        )
      }
      const added = { accountId, appPasswordId, label, hash, ...(scram ? { scram } : {}) }
      return { events: [{ type: 'AppPasswordAdded', data: added }] }
    }
    case 'RevokeAppPassword': {
      const { appPasswordId } = command
      if (!state.appPasswords.has(appPasswordId)) return { events: [] }
      return { events: [{ type: 'AppPasswordRevoked', data: { accountId, appPasswordId } }] }
    }
    case 'ChangeQuota': {
      const { bytes } = command
      if (bytes !== null && !(Number.isSafeInteger(bytes) && bytes >= 0))
        return refuse('bad-value', 'A quota is a whole number of bytes.')
      return bytes === state.quota ? { events: [] } : { events: [{ type: 'QuotaChanged', data: { accountId, bytes } }] }
    }
    case 'ChangeFilterRules': {
      const { name, script } = command
      if (new TextEncoder().encode(script).length > MAX_FILTER_BYTES)
        return refuse('bad-value', `Filter rules take at most ${MAX_FILTER_BYTES} bytes.`)
      if (state.filterRules.get(name) === script) return { events: [] }
      const problem = rulesNameProblem(name)
      if (problem) return problem
      if (!state.filterRules.has(name) && state.filterRules.size >= MAX_FILTER_SCRIPTS)
        return refuse(
          'too-many',
          `An account has at most ${MAX_FILTER_SCRIPTS} sets of filter rules: delete one first.`,
        )
      return { events: [{ type: 'FilterRulesChanged', data: { accountId, name, script } }] }
    }
    case 'RenameFilterRules': {
      const { name, newName } = command
      if (!state.filterRules.has(name)) return noSuchRules(name)
      if (name === newName) return { events: [] }
      const problem = rulesNameProblem(newName)
      if (problem) return problem
      if (state.filterRules.has(newName)) return refuse('rules-exist', `There are filter rules ${newName} already.`)
      return { events: [{ type: 'FilterRulesRenamed', data: { accountId, name, newName } }] }
    }
    case 'DeleteFilterRules': {
      const { name } = command
      if (!state.filterRules.has(name)) return noSuchRules(name)
      if (state.activeRules === name)
        return refuse('rules-active', `The filter rules ${name} are in force: put others in force, or none, first.`)
      return { events: [{ type: 'FilterRulesDeleted', data: { accountId, name } }] }
    }
    case 'ActivateFilterRules': {
      const { name } = command
      if (name !== null && !state.filterRules.has(name)) return noSuchRules(name)
      return name === state.activeRules
        ? { events: [] }
        : { events: [{ type: 'FilterRulesActivated', data: { accountId, name } }] }
    }
    case 'PlaceLegalHold': {
      const { holdId, reason } = command
      if (state.holds.has(holdId)) return { events: [] }
      if (reason.length > MAX_TEXT) return refuse('bad-value', `A reason takes at most ${MAX_TEXT} characters.`)
      return { events: [{ type: 'LegalHoldPlaced', data: { accountId, holdId, reason } }] }
    }
    case 'ReleaseLegalHold': {
      if (!state.holds.has(command.holdId)) return refuse('no-such-hold', 'There is no such legal hold on the account.')
      return { events: [{ type: 'LegalHoldReleased', data: { accountId, holdId: command.holdId } }] }
    }
    case 'SlowSending': {
      // Slowed already: its end is not pushed on and on by what it goes on doing.
      if (state.slowedUntil > command.at) return { events: [] }
      const { reason, until } = command
      const detail = command.detail.slice(0, MAX_TEXT)
      return { events: [{ type: 'SendingSlowed', data: { accountId, reason, detail, until } }] }
    }
    case 'ResumeSending':
      return state.slowedUntil === 0 ? { events: [] } : { events: [{ type: 'SendingResumed', data: { accountId } }] }
    case 'ShareFolder': {
      const { folderId, with: grantee, rights } = command
      const now = state.grants.find((grant) => grant.folderId === folderId && grant.with === grantee)?.rights ?? ''
      if (now === rights) return { events: [] }
      if (now === '' && state.grants.length >= MAX_GRANTS)
        return refuse('too-many', `An account shares its folders at most ${MAX_GRANTS} times: take some rights back.`)
      return { events: [{ type: 'FolderShared', data: { accountId, folderId, with: grantee, rights } }] }
    }
    case 'ChangeAnnotations':
      return changeAnnotations(accountId, command.changes, state)
    case 'EraseAccount': {
      if (state.holds.size > 0) {
        return refuse(
          'under-legal-hold',
          `The account is under legal hold (${[...state.holds].join(', ')}): release it first.`,
        )
      }
      return { events: [{ type: 'AccountErased', data: { accountId } }] }
    }
    default: {
      const _: never = command
      return _
    }
  }
}

function changeAnnotations(
  accountId: string,
  changes: Extract<AccountCommand, { type: 'ChangeAnnotations' }>['changes'],
  state: Account,
): AccountDecision {
  const events: AccountEvent[] = []
  const annotations = new Set(state.annotations)
  for (const { folderId, entry, value } of changes) {
    if ((value?.length ?? 0) > Math.ceil(MAX_ANNOTATION_BYTES / 3) * 4)
      return refuse('bad-value', `An annotation takes at most ${MAX_ANNOTATION_BYTES} bytes.`)
    const key = annotationKey({ folderId, entry })
    if (value === null && !annotations.has(key)) continue
    if (value === null) annotations.delete(key)
    else annotations.add(key)
    events.push({ type: 'AnnotationChanged', data: { accountId, folderId, entry, value } })
  }
  if (annotations.size > MAX_ANNOTATIONS && annotations.size > state.annotations.size)
    return refuse('too-many', `An account keeps at most ${MAX_ANNOTATIONS} annotations.`)
  return { events }
}

const noSuchRules = (name: string) => refuse('no-such-rules', `There are no filter rules ${name.slice(0, 200)}.`)

/** RFC 5804 §1.6: 1 to 128 characters, none of them a control or a separator of lines. */
function rulesNameProblem(name: string) {
  if (/^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]{1,128}$/u.test(name) && name.isWellFormed()) return undefined
  return refuse('bad-value', 'A name of filter rules has 1 to 128 characters, none of them a control character.')
}

const refuse = (code: AccountRefusal['code'], message: string) => ({ refused: { code, message } })
