// From rows as engines keep them to rows as queries answer them; the same for every engine.
import type { Position } from '../../../domain/log.ts'
import { ownAddress } from '../../../domain/mail/address.ts'
import type {
  AddressState,
  DirectoryState,
  QuarantineState,
  SubmissionState,
} from '../../../projections/ports/view-store.ts'
import type { DirectoryRow, QuarantineRow, SubmissionRow } from '../../../projections/queries.ts'

export function directoryRow(account: DirectoryState): DirectoryRow {
  const { id, address, name, role, quota, holds, erased, appPasswords, scram, activeRules, slowed } = account
  return {
    id,
    address,
    name,
    role,
    revision: BigInt(account.revision),
    quota,
    holds,
    erased,
    appPasswords,
    scram,
    addresses: account.addresses.toSorted((a, b) => Number(b.kind === 'primary') - Number(a.kind === 'primary')),
    slowed,
    filterRules: account.filterRules.map(({ revision: at, ...rules }) => ({ ...rules, revision: BigInt(at) })),
    activeRules,
    grants: account.grants,
    annotations: account.annotations.map(({ revision: at, ...rest }) => ({ ...rest, revision: BigInt(at) })),
    ...(account.passwordHash === undefined ? {} : { passwordHash: account.passwordHash }),
    ...(account.passwordRevision === undefined ? {} : { passwordRevision: BigInt(account.passwordRevision) }),
  }
}

/** Exact address, then without its +tag, then the domain's catch-all. */
export function lookUpAddress(
  written: string,
  find: (address: string) => AddressState | undefined,
): AddressState | undefined {
  const address = ownAddress(written)
  const at = address.lastIndexOf('@')
  const exact = find(address)
  if (exact !== undefined || at < 0) return exact && { accountId: exact.accountId, kind: exact.kind }
  const local = address.slice(0, at)
  const domain = address.slice(at)
  const plus = local.indexOf('+')
  const found = (plus > 0 ? find(local.slice(0, plus) + domain) : undefined) ?? find(domain)
  return found && { accountId: found.accountId, kind: found.kind }
}

export function submissionRow(row: SubmissionState): SubmissionRow {
  const { id, messageId, mailFrom, subject, submittedAt, sendAt, state, dueAt, recipients } = row
  return {
    id,
    messageId,
    mailFrom,
    subject,
    submittedAt,
    sendAt,
    state,
    dueAt,
    recipients,
    revision: BigInt(row.revision),
    position: BigInt(row.position),
  }
}

export function quarantineRow({ position, ...rest }: QuarantineState): QuarantineRow {
  return { ...rest, position: BigInt(position) }
}

export function submissionPage(
  rows: readonly SubmissionState[],
  options: { first?: number | undefined; before?: Position | undefined; pendingOnly?: boolean | undefined },
): SubmissionState[] {
  const { first = 50, before, pendingOnly = false } = options
  return rows
    .filter(
      (row) => (before === undefined || row.position < Number(before)) && (!pendingOnly || row.state === 'pending'),
    )
    .sort((a, b) => b.position - a.position)
    .slice(0, first)
}

export function historyPage(
  positions: readonly number[],
  options: {
    first?: number | undefined
    after?: Position | undefined
    before?: Position | undefined
    newest?: boolean | undefined
  },
): Position[] {
  const { first = 1000, after, before, newest = false } = options
  const within = positions.filter(
    (position) =>
      (after === undefined || position > Number(after)) && (before === undefined || position < Number(before)),
  )
  return (newest ? within.reverse().slice(0, first) : within.slice(0, first)).map(BigInt)
}
