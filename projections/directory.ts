// Accounts, their addresses and credentials, and the domains of this installation, as rows.

import { ACCOUNT_EVENT_TYPES, type AddressKind } from '../domain/account/account.ts'
import { accountOfStream, isRedacted } from '../domain/log.ts'
import type { SourceEvent } from './ports/event-source.ts'
import { type DirectoryState, type DirectoryUnit, type Projector, shareKey } from './ports/view-store.ts'

export const directoryProjector: Projector<DirectoryUnit> = {
  name: 'directory',
  version: 5,
  prefixes: ['account-', 'domain-'],
  types: new Set<string>([...ACCOUNT_EVENT_TYPES, 'DomainAdded']),
  apply,
}

function apply(unit: DirectoryUnit, event: SourceEvent): void {
  if (event.type === 'AccountErased') {
    erase(unit, event)
    return
  }
  if (isRedacted(event)) return
  if (event.type === 'DomainAdded') {
    unit.domains.put(event.data.name, { name: event.data.name })
    return
  }
  const id = accountOfStream(event.stream)
  if (id === undefined) return
  if (event.type === 'AccountOpened') {
    if (unit.accounts.get(id) !== undefined) return
    const { address, name, role } = event.data
    const account: DirectoryState = {
      id,
      opened: Number(event.position),
      address,
      name,
      role,
      passwordHash: undefined,
      passwordRevision: undefined,
      revision: Number(event.revision),
      quota: null,
      holds: [],
      erased: false,
      appPasswords: [],
      scram: null,
      addresses: [],
      slowed: null,
      filterRules: [],
      activeRules: null,
      grants: [],
      annotations: [],
    }
    addAddress(unit, account, address, 'primary')
    unit.accounts.put(id, account)
    return
  }
  const account = unit.accounts.get(id)
  if (account === undefined || account.erased) return
  switch (event.type) {
    case 'AddressAdded':
      addAddress(unit, account, event.data.address, event.data.kind)
      break
    case 'PasswordChanged':
      account.passwordHash = event.data.hash
      account.scram = event.data.scram ?? null
      account.passwordRevision = Number(event.revision)
      break
    case 'AppPasswordAdded': {
      const { appPasswordId, label, hash, scram = null } = event.data
      if (!account.appPasswords.some((each) => each.id === appPasswordId))
        account.appPasswords.push({ id: appPasswordId, label, hash, scram })
      break
    }
    case 'AppPasswordRevoked': {
      const { appPasswordId } = event.data
      account.appPasswords = account.appPasswords.filter((each) => each.id !== appPasswordId)
      break
    }
    case 'QuotaChanged':
      account.quota = event.data.bytes
      break
    case 'FilterRulesChanged':
      putRules(account, event.data.name, Buffer.byteLength(event.data.script), Number(event.revision))
      break
    case 'SendingSlowed': {
      const { reason, detail, until } = event.data
      account.slowed = { reason, detail, until }
      break
    }
    case 'SendingResumed':
      account.slowed = null
      break
    case 'FilterRulesRenamed': {
      const { name, newName } = event.data
      const rules = account.filterRules.find((each) => each.name === name)
      if (rules === undefined || account.filterRules.some((each) => each.name === newName)) break
      rules.name = newName
      if (account.activeRules === name) account.activeRules = newName
      break
    }
    case 'FilterRulesDeleted': {
      const { name } = event.data
      account.filterRules = account.filterRules.filter((each) => each.name !== name)
      if (account.activeRules === name) account.activeRules = null
      break
    }
    case 'FilterRulesActivated': {
      const { name } = event.data
      if (name === null || account.filterRules.some((each) => each.name === name)) account.activeRules = name
      break
    }
    case 'FolderShared': {
      const { folderId, with: grantee, rights } = event.data
      account.grants = account.grants.filter((grant) => grant.folderId !== folderId || grant.with !== grantee)
      if (rights !== '') account.grants.push({ folderId, with: grantee, rights })
      const key = shareKey(grantee, id)
      if (account.grants.some((grant) => grant.with === grantee)) unit.shares.put(key, { with: grantee, owner: id })
      else unit.shares.delete(key)
      break
    }
    case 'AnnotationChanged': {
      const { folderId, entry, value } = event.data
      const { annotations } = account
      account.annotations = annotations.filter((each) => each.folderId !== folderId || each.entry !== entry)
      const bytes = value === null ? 0 : Buffer.byteLength(value, 'base64')
      if (value !== null) account.annotations.push({ folderId, entry, bytes, revision: Number(event.revision) })
      break
    }
    case 'LegalHoldPlaced':
      if (!account.holds.includes(event.data.holdId)) account.holds.push(event.data.holdId)
      break
    case 'LegalHoldReleased': {
      const { holdId } = event.data
      account.holds = account.holds.filter((each) => each !== holdId)
      break
    }
    default:
      return
  }
  account.revision = Number(event.revision)
  unit.accounts.put(id, account)
}

/** Of scripts the view knows where in the stream they are: their texts would make every look at an account slow. */
function putRules(account: DirectoryState, name: string, bytes: number, revision: number): void {
  const known = account.filterRules.find((each) => each.name === name)
  if (known === undefined) account.filterRules.push({ name, bytes, revision })
  else {
    known.bytes = bytes
    known.revision = revision
  }
}

/** The first account that claimed an address keeps it. */
function addAddress(unit: DirectoryUnit, account: DirectoryState, address: string, kind: AddressKind): void {
  const holder = unit.addresses.get(address)
  if (holder !== undefined && holder.accountId !== account.id) return
  unit.addresses.put(address, { accountId: account.id, kind })
  const known = account.addresses.find((each) => each.address === address)
  if (known === undefined) account.addresses.push({ address, kind })
  else known.kind = kind
  if (kind === 'primary') account.address = address
}

/** What stays of an erased account is its id: nothing of the person, and the same after any replay. */
function erase(unit: DirectoryUnit, event: SourceEvent): void {
  const id = accountOfStream(event.stream)
  if (id === undefined) return
  const known = unit.accounts.get(id)
  for (const { address } of known?.addresses ?? []) unit.addresses.delete(address)
  for (const grant of known?.grants ?? []) unit.shares.delete(shareKey(grant.with, id))
  unit.accounts.put(id, {
    id,
    opened: Number(event.position),
    address: '',
    name: '',
    role: 'user',
    passwordHash: undefined,
    passwordRevision: undefined,
    revision: Number(event.revision),
    quota: null,
    holds: [],
    erased: true,
    appPasswords: [],
    scram: null,
    addresses: [],
    slowed: null,
    filterRules: [],
    activeRules: null,
    grants: [],
    annotations: [],
  })
}
