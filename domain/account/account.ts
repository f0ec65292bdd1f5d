// The events of `account-<accountId>`, `address-<hash>` and `domain-<hash>` streams: people, their addresses, credentials and rights.

export type AccountRole = 'user' | 'admin' | 'auditor'

export type AccountEvent =
  | { type: 'AccountOpened'; data: { accountId: string; address: string; name: string; role: AccountRole } }
  | { type: 'AddressAdded'; data: { accountId: string; address: string; kind: AddressKind } }
  | { type: 'PasswordChanged'; data: { accountId: string; hash: string } }
  | { type: 'AppPasswordAdded'; data: { accountId: string; appPasswordId: string; label: string; hash: string } }
  | { type: 'AppPasswordRevoked'; data: { accountId: string; appPasswordId: string } }
  | { type: 'QuotaChanged'; data: { accountId: string; bytes: number | null } }
  | { type: 'FilterRulesChanged'; data: { accountId: string; script: string } }
  | { type: 'LegalHoldPlaced'; data: { accountId: string; holdId: string; reason: string } }
  | { type: 'LegalHoldReleased'; data: { accountId: string; holdId: string } }
  | { type: 'AccountErased'; data: { accountId: string } }

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
  'LegalHoldPlaced',
  'LegalHoldReleased',
  'AccountErased',
] as const satisfies readonly AccountEvent['type'][]
