// Sending limits of accounts and domains, counted in memory from what the log says was sent; an account that breaks them, or whose mail
// bounces in bursts, is slowed: an event, which everyone who administers can see.
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf, refused } from '../../commands/context.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { SendingGuard } from '../../commands/ports/sending-guard.ts'
import type { SlowedReason } from '../../domain/account/account.ts'
import {
  brokenLimit,
  looksTakenOver,
  NEW_RECIPIENTS_PER_HOUR,
  type SendingLimits,
  SLOWED_FOR_MS,
  SLOWED_GAP_MS,
  SLOWED_LIMITS,
  SlidingCount,
  type Usage,
} from '../../domain/delivery/sending-limits.ts'
import type { AccountId } from '../../domain/log.ts'
import type { DirectoryQueries, SubmissionQueries } from '../../projections/queries.ts'

export interface SendingGuardDependencies {
  readonly journal: Journal
  readonly directory: Pick<DirectoryQueries, 'account'>
  readonly submissions: Pick<SubmissionQueries, 'submissions'>
  readonly limits: { readonly account: SendingLimits; readonly domain: SendingLimits }
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
  /** Other processes take submissions of the same accounts: what they took is read again every minute. */
  readonly shared?: boolean
}

interface AccountUsage extends Usage {
  readonly fresh: SlidingCount
  readonly delivered: SlidingCount
  readonly bounced: SlidingCount
  readonly known: Set<string>
  /** When the next message of a slowed account may leave. */
  nextAt: number
}

const REMEMBERED = 20_000
/** Earlier submissions that are read when an account is first met: a day of them, and as many as name its usual recipients. */
const LOOKED_BACK = 1_000
const KNOWN_RECIPIENTS = 20_000
const DAY = 86_400_000
const READ_AGAIN_MS = 60_000

export class AccountSendingGuard implements SendingGuard {
  readonly #deps: SendingGuardDependencies
  readonly #accounts = new Map<AccountId, { readonly usage: Promise<AccountUsage>; readonly readAt: number }>()
  readonly #domains = new Map<string, Usage>()

  constructor(deps: SendingGuardDependencies) {
    this.#deps = deps
  }

  async admit(account: AccountId, from: string, recipients: readonly string[], at: number) {
    const { limits, directory } = this.#deps
    const usage = await this.#usage(account, at)
    const slowed = ((await directory.account(account))?.slowed?.until ?? 0) > at
    const broken = brokenLimit(usage, slowed ? SLOWED_LIMITS : limits.account, recipients.length, at)
    if (broken !== undefined) {
      if (!slowed) await this.#slow(account, 'limit', broken, at)
      return refused(
        'sending-limit',
        slowed
          ? `${broken}, and this account is slowed because it looked taken over. Ask your administrator.`
          : `${broken}: this account has sent too much. Try again later.`,
      ).refusal
    }
    const domain = from.slice(from.lastIndexOf('@') + 1)
    const ofDomain = this.#domain(domain)
    const brokenByAll = brokenLimit(ofDomain, limits.domain, recipients.length, at)
    if (brokenByAll !== undefined)
      return refused('sending-limit', `${brokenByAll} from ${domain}: try again later.`).refusal
    for (const each of [usage, ofDomain]) {
      each.messages.add(1, at)
      each.recipients.add(recipients.length, at)
    }
    const fresh = recipients.filter((each) => !usage.known.has(each))
    for (const each of fresh) if (usage.known.size < KNOWN_RECIPIENTS) usage.known.add(each)
    usage.fresh.add(fresh.length, at)
    if (!slowed && usage.fresh.inHour(at) > NEW_RECIPIENTS_PER_HOUR)
      await this.#slow(
        account,
        'new-recipients',
        `More than ${NEW_RECIPIENTS_PER_HOUR} recipients in an hour that it never wrote to`,
        at,
      )
    return undefined
  }

  async settled(account: AccountId, delivered: number, bounced: number, at: number): Promise<void> {
    if (account === 'system') return
    const usage = await this.#usage(account, at)
    usage.delivered.add(delivered, at)
    if (bounced === 0) return
    usage.bounced.add(bounced, at)
    const [good, bad] = [usage.delivered.inHour(at), usage.bounced.inHour(at)]
    if (looksTakenOver(good, bad))
      await this.#slow(account, 'bounces', `${bad} of ${good + bad} recipients in an hour bounced`, at)
  }

  async notBefore(account: AccountId, at: number): Promise<number> {
    if (account === 'system') return 0
    const row = await this.#deps.directory.account(account)
    if ((row?.slowed?.until ?? 0) <= at) return 0
    const usage = await this.#usage(account, at)
    if (usage.nextAt > at) return usage.nextAt
    usage.nextAt = at + SLOWED_GAP_MS
    return 0
  }

  async #slow(account: AccountId, reason: SlowedReason, detail: string, at: number): Promise<void> {
    const context = contextOf('system', 'system', { at })
    const command = { type: 'SlowSending', reason, detail, until: at + SLOWED_FOR_MS, at } as const
    const outcome = await changeAccount(this.#deps.journal, context, account, command)
    this.#deps.log('sending slowed', { account, reason, detail, recorded: outcome.ok })
  }

  #usage(account: AccountId, at: number): Promise<AccountUsage> {
    const known = this.#accounts.get(account)
    if (known && (this.#deps.shared !== true || at - known.readAt < READ_AGAIN_MS)) return known.usage
    if (known === undefined && this.#accounts.size >= REMEMBERED) {
      const [oldest] = this.#accounts.keys()
      if (oldest !== undefined) this.#accounts.delete(oldest)
    }
    const usage = this.#fromLog(account, at, known?.usage)
    this.#accounts.set(account, { usage, readAt: at })
    usage.catch(() => this.#accounts.delete(account))
    return usage
  }

  /** What the log does not tell goes on as it was counted `before`. */
  async #fromLog(account: AccountId, at: number, before: Promise<AccountUsage> | undefined): Promise<AccountUsage> {
    const usage: AccountUsage = {
      fresh: new SlidingCount(),
      delivered: new SlidingCount(),
      bounced: new SlidingCount(),
      known: new Set(),
      nextAt: 0,
      ...(await before),
      messages: new SlidingCount(),
      recipients: new SlidingCount(),
    }
    for (const row of await this.#deps.submissions.submissions(account, { first: LOOKED_BACK })) {
      if (row.submittedAt > at - DAY) {
        usage.messages.add(1, row.submittedAt)
        usage.recipients.add(row.recipients.length, row.submittedAt)
      }
      for (const { address } of row.recipients) if (usage.known.size < KNOWN_RECIPIENTS) usage.known.add(address)
    }
    return usage
  }

  #domain(domain: string): Usage {
    const known = this.#domains.get(domain)
    if (known) return known
    if (this.#domains.size >= REMEMBERED) this.#domains.clear()
    const usage = { messages: new SlidingCount(), recipients: new SlidingCount() }
    this.#domains.set(domain, usage)
    return usage
  }
}
