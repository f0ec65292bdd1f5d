// Views in memory: for time travel, and as the model that other engines are compared with. Nothing survives the process.
import type { Position } from '../../../domain/log.ts'
import { RowDigest } from '../../../projections/digest.ts'
import type {
  AddressState,
  DirectoryState,
  DirectoryStore,
  DirectoryUnit,
  DomainState,
  ParkedEvent,
  SentMessage,
  ShareState,
  SubmissionState,
  SubmissionsStore,
  SubmissionsUnit,
  TimelineStore,
  TimelineUnit,
  ViewStore,
} from '../../../projections/ports/view-store.ts'
import type { DirectoryQueries, SubmissionQueries, TimelineQueries } from '../../../projections/queries.ts'
import { Table } from '../../../projections/unit-of-work.ts'
import { directoryRow, historyPage, lookUpAddress, submissionPage, submissionRow } from './rows.ts'

/** Checkpoint and parked events, as every memory store keeps them. */
export abstract class MemoryStore<Unit> implements ViewStore<Unit> {
  #checkpoint: Position | undefined
  readonly #parked: ParkedEvent[] = []

  checkpoint(): Position | undefined {
    return this.#checkpoint
  }
  parked(): { newest: readonly ParkedEvent[]; count: number } {
    return { newest: this.#parked.slice(-100).reverse(), count: this.#parked.length }
  }
  commit(unit: Unit, checkpoint: Position, parked: readonly ParkedEvent[]): void {
    this.write(unit)
    this.#parked.push(...parked)
    this.#checkpoint = checkpoint
  }
  close(): void {}

  abstract begin(): Unit
  protected abstract write(unit: Unit): void
  abstract digest(): string
}

function apply<Row extends object>(base: Map<string, Row>, table: Table<Row>): void {
  for (const { key, row } of table.changes()) {
    if (row === undefined) base.delete(key)
    else base.set(key, row)
  }
}

const loader =
  <Row extends object>(base: Map<string, Row>) =>
  (key: string): Row | undefined => {
    const row = base.get(key)
    return row === undefined ? undefined : structuredClone(row)
  }

const sorted = (keys: Iterable<string>): string[] => [...keys].sort()

export class MemoryDirectory extends MemoryStore<DirectoryUnit> implements DirectoryStore {
  readonly #accounts = new Map<string, DirectoryState>()
  readonly #addresses = new Map<string, AddressState>()
  readonly #domains = new Map<string, DomainState>()
  readonly #shares = new Map<string, ShareState>()

  begin(): DirectoryUnit {
    return {
      accounts: new Table(loader(this.#accounts)),
      addresses: new Table(loader(this.#addresses)),
      domains: new Table(loader(this.#domains)),
      shares: new Table(loader(this.#shares)),
    }
  }
  protected write(unit: DirectoryUnit): void {
    apply(this.#accounts, unit.accounts)
    apply(this.#addresses, unit.addresses)
    apply(this.#domains, unit.domains)
    apply(this.#shares, unit.shares)
  }
  digest(): string {
    const digest = new RowDigest()
    for (const id of sorted(this.#accounts.keys())) digest.account(this.#accounts.get(id) as DirectoryState)
    for (const address of sorted(this.#addresses.keys()))
      digest.address(address, this.#addresses.get(address) as AddressState)
    for (const name of sorted(this.#domains.keys())) digest.domain({ name })
    for (const key of sorted(this.#shares.keys())) digest.share(key)
    return digest.finish()
  }
  readonly queries: DirectoryQueries = {
    resolve: async (address) => lookUpAddress(address, (each) => this.#addresses.get(each)),
    account: async (id) => {
      const account = this.#accounts.get(id)
      return account === undefined ? undefined : directoryRow(structuredClone(account))
    },
    erasedAccounts: async () => [...this.#accounts.values()].filter(({ erased }) => erased).map(({ id }) => id),
    accounts: async () =>
      [...this.#accounts.values()]
        .filter((account) => !account.erased)
        .sort((a, b) => a.opened - b.opened)
        .map((account) => directoryRow(structuredClone(account))),
    ownersSharingWith: async (grantees) => {
      const owners = [...this.#shares.values()].filter((share) => grantees.includes(share.with))
      return sorted(new Set(owners.map(({ owner }) => owner)))
    },
    hasDomain: async (name) => this.#domains.has(name),
    domains: async () => sorted(this.#domains.keys()),
  }
}

export class MemorySubmissions extends MemoryStore<SubmissionsUnit> implements SubmissionsStore {
  readonly #submissions = new Map<string, SubmissionState>()

  begin(): SubmissionsUnit {
    const submissions = new Table(loader(this.#submissions))
    return {
      submissions,
      idsOf: (account) => {
        const ids = new Set<string>()
        for (const row of this.#submissions.values()) if (row.accountId === account) ids.add(row.id)
        for (const row of submissions.rows()) if (row.accountId === account) ids.add(row.id)
        return [...ids]
      },
    }
  }
  protected write(unit: SubmissionsUnit): void {
    apply(this.#submissions, unit.submissions)
  }
  digest(): string {
    const digest = new RowDigest()
    for (const id of sorted(this.#submissions.keys())) digest.submission(this.#submissions.get(id) as SubmissionState)
    return digest.finish()
  }
  readonly queries: SubmissionQueries = {
    submissions: async (account, options = {}) =>
      submissionPage(
        [...this.#submissions.values()].filter((row) => row.accountId === account),
        options,
      ).map((row) => submissionRow(structuredClone(row))),
    submission: async (account, id) => {
      const row = this.#submissions.get(id)
      return row?.accountId === account ? submissionRow(structuredClone(row)) : undefined
    },
    submissionOfMessage: async (account, messageId) => {
      for (const row of this.#submissions.values())
        if (row.accountId === account && row.messageId === messageId) return submissionRow(structuredClone(row))
      return undefined
    },
    submissionsByMessageId: async (account, ids) =>
      ids.flatMap((id) =>
        [...this.#submissions.values()]
          .filter((row) => row.messageIdField === id && row.accountId === account)
          .map((row) => submissionRow(structuredClone(row))),
      ),
    pendingSubmissions: async ({ first = 1000, after } = {}) =>
      [...this.#submissions.values()]
        .filter((row) => row.state === 'pending' && (after === undefined || row.position > Number(after)))
        .sort((a, b) => a.position - b.position)
        .slice(0, first)
        .map((row) => ({ accountId: row.accountId, row: submissionRow(structuredClone(row)) })),
    pendingSubmission: async (id) => {
      const row = this.#submissions.get(id)
      if (row?.state !== 'pending') return undefined
      return { accountId: row.accountId, row: submissionRow(structuredClone(row)) }
    },
    newSubmissions: async ({ after, first }) =>
      [...this.#submissions.values()]
        .flatMap(({ id, dueAt, position }) => (dueAt === null ? [] : { id, dueAt, position: BigInt(position) }))
        .filter(({ position }) => position > after)
        .sort((a, b) => Number(a.position - b.position))
        .slice(0, first),
    dueSubmissions: async ({ until, first, after }) =>
      [...this.#submissions.values()]
        .flatMap(({ id, dueAt, position }) => (dueAt === null ? [] : { id, dueAt, position: BigInt(position) }))
        .filter(({ dueAt, position }) => {
          if (dueAt > until) return false
          return after === undefined || dueAt > after.dueAt || (dueAt === after.dueAt && position > after.position)
        })
        .sort((a, b) => a.dueAt - b.dueAt || Number(a.position - b.position))
        .slice(0, first),
  }
}

export class MemoryTimeline extends MemoryStore<TimelineUnit> implements TimelineStore {
  readonly #sent = new Map<string, SentMessage>()
  readonly #accounts = new Map<string, number[]>()
  readonly #messages = new Map<string, Map<string, number[]>>()

  begin(): TimelineUnit {
    const erased = new Set<string>()
    const load = loader(this.#sent)
    const sent = new Table<SentMessage>((id) => {
      const row = load(id)
      return row !== undefined && erased.has(row.accountId) ? undefined : row
    })
    return { sent, ofAccount: new Map(), ofMessage: new Map(), erased }
  }
  protected write(unit: TimelineUnit): void {
    for (const account of unit.erased) {
      this.#accounts.delete(account)
      this.#messages.delete(account)
      for (const [id, sent] of this.#sent) if (sent.accountId === account) this.#sent.delete(id)
    }
    apply(this.#sent, unit.sent)
    for (const [account, positions] of unit.ofAccount) append(this.#accounts, account, positions)
    for (const [account, messages] of unit.ofMessage) {
      let held = this.#messages.get(account)
      if (held === undefined) {
        held = new Map()
        this.#messages.set(account, held)
      }
      for (const [id, positions] of messages) append(held, id, positions)
    }
  }
  digest(): string {
    const digest = new RowDigest()
    for (const id of sorted(this.#sent.keys())) digest.sent(id, this.#sent.get(id) as SentMessage)
    for (const account of sorted(this.#accounts.keys()))
      digest.accountHistory(account, this.#accounts.get(account) ?? [])
    for (const account of sorted(this.#messages.keys())) {
      const messages = this.#messages.get(account) ?? new Map<string, number[]>()
      for (const id of sorted(messages.keys())) digest.messageHistory(account, id, messages.get(id) ?? [])
    }
    return digest.finish()
  }
  readonly queries: TimelineQueries = {
    messageHistory: async (account, messageId) => (this.#messages.get(account)?.get(messageId) ?? []).map(BigInt),
    accountHistory: async (account, options = {}) => historyPage(this.#accounts.get(account) ?? [], options),
  }
}

function append(lists: Map<string, number[]>, key: string, positions: readonly number[]): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [...positions])
  else for (const position of positions) list.push(position)
}
