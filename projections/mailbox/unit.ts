// One unit of work on mailboxes: the rows that a batch of events touched, account by account.
import type { AccountId } from '../../domain/log.ts'
import {
  CHANGED,
  type FolderState,
  FRESH,
  type MailboxRows,
  type MailboxState,
  type MessageState,
  type MessageSummary,
  STORED,
  type VanishedUid,
} from '../ports/view-store.ts'

export function emptyMailbox(): MailboxState {
  return { revision: -1, messages: 0, bytes: 0, folders: new Map(), byId: new Map(), aliases: new Map() }
}

const UNKNOWN = Symbol('known to be missing')

/** One account's part of a unit. */
export class AccountUnit {
  readonly account: AccountId
  readonly state: MailboxState
  /** Whether the engine holds the account already. */
  readonly stored: boolean
  readonly messages = new Map<string, MessageState | typeof UNKNOWN>()
  /** Thread keys set in this unit. */
  readonly threads = new Map<number, number>()
  readonly vanished: VanishedUid[] = []
  /** Aliases added in this unit. */
  readonly merged: [from: number, to: number][] = []
  readonly #rows: MailboxRows | undefined

  constructor(account: AccountId, state: MailboxState | undefined, rows: MailboxRows | undefined) {
    this.account = account
    this.stored = state !== undefined
    this.state = state ?? emptyMailbox()
    // An account that the engine does not hold has nothing to load.
    this.#rows = state === undefined ? undefined : rows
  }

  message(id: string): MessageState | undefined {
    const held = this.messages.get(id)
    if (held !== undefined) return held === UNKNOWN ? undefined : held
    const loaded = this.#rows?.message(this.account, id)
    if (loaded === undefined) {
      this.messages.set(id, UNKNOWN)
      return undefined
    }
    settle(this.state, loaded)
    this.messages.set(id, loaded)
    return loaded
  }

  insert(message: MessageState): void {
    this.messages.set(message.id, message)
  }

  summary(message: MessageState): MessageSummary {
    const summary = message.summary ?? this.#rows?.summary(this.account, message)
    if (summary === undefined) throw new Error('A stored message has no summary.')
    return summary
  }

  thread(key: number): number | undefined {
    const thread = this.threads.get(key) ?? this.#rows?.thread(this.account, key)
    return thread === undefined ? undefined : resolveThread(this.state, thread)
  }

  inbox(): FolderState | undefined {
    for (const folder of this.state.byId.values()) if (folder.role === 'inbox') return folder
    return undefined
  }

  /** Messages that this unit holds, loaded or new. */
  *loaded(): Iterable<MessageState> {
    for (const message of this.messages.values()) if (message !== UNKNOWN) yield message
  }

  /** Messages to write. */
  *changes(): Iterable<MessageState> {
    for (const message of this.messages.values()) {
      if (message !== UNKNOWN && message.change !== STORED) yield message
    }
  }
}

/** The thread that took in all that were merged into it. Merges go to older threads, so the walk ends. */
export function resolveThread(state: Pick<MailboxState, 'aliases'>, thread: number): number {
  if (state.aliases.size === 0) return thread
  for (let next = state.aliases.get(thread); next !== undefined; next = state.aliases.get(thread)) thread = next
  return thread
}

/** Every number under which messages of the thread may be kept: its own first, then those that were merged into it. */
export function threadNumbers(state: Pick<MailboxState, 'aliases'>, thread: number): readonly number[] {
  const whole = resolveThread(state, thread)
  return [whole, ...[...state.aliases.keys()].filter((from) => resolveThread(state, from) === whole)]
}

/** A message left behind in a deleted folder is expunged by that deletion. */
export function settle(state: Pick<MailboxState, 'folders'>, message: MessageState): void {
  if (message.expunged !== 0) return
  const folder = state.folders.get(message.folder)
  if (folder === undefined || folder.deleted === 0) return
  message.expunged = folder.deleted
  message.expungedAt = folder.deletedAt
  message.modseq = folder.deleted
}

export function touch(message: MessageState): void {
  if (message.change !== FRESH) message.change = CHANGED
}

export class MailboxUnit {
  readonly accounts = new Map<AccountId, AccountUnit>()
  /** Accounts whose stored rows go before anything of `accounts` is written. */
  readonly erased = new Set<AccountId>()
  readonly #rows: MailboxRows
  #last: AccountUnit | undefined

  constructor(rows: MailboxRows) {
    this.#rows = rows
  }

  account(account: AccountId): AccountUnit {
    if (this.#last?.account === account) return this.#last
    let unit = this.accounts.get(account)
    if (unit === undefined) {
      unit = this.erased.has(account)
        ? new AccountUnit(account, undefined, undefined)
        : new AccountUnit(account, this.#rows.mailbox(account), this.#rows)
      this.accounts.set(account, unit)
    }
    this.#last = unit
    return unit
  }

  erase(account: AccountId): void {
    this.accounts.delete(account)
    this.erased.add(account)
    this.#last = undefined
  }
}
