// What GraphQL and REST share, made once.
import { changeMailbox } from '../../commands/change-mailbox.ts'
import { type CommandContext, contextOf } from '../../commands/context.ts'
import type { AccountId, Revision, Via } from '../../domain/log.ts'
import type { MailboxCommand } from '../../domain/mailbox/mailbox.ts'
import type { MessageFilter } from '../../projections/queries.ts'
import { type Client, Sessions, type SignedIn } from '../session/sessions.ts'
import type { WebDependencies } from './dependencies.ts'
import { MessageBodies } from './message-bodies.ts'
import { MessageFiles } from './message-files.ts'
import { Outgoing } from './outgoing.ts'
import { ProblemError } from './problem.ts'
import { SignedLinks } from './signed-links.ts'

export class WebServices {
  readonly deps: WebDependencies
  readonly now: () => number
  readonly sessions: Sessions
  readonly links: SignedLinks
  readonly bodies: MessageBodies
  readonly files: MessageFiles
  readonly outgoing: Outgoing

  constructor(deps: WebDependencies) {
    this.deps = deps
    this.now = deps.clock ?? Date.now
    this.sessions = new Sessions(deps, deps.secrets.sessionKey, this.now, deps.sharedState)
    this.links = new SignedLinks(deps.secrets.linkKey, this.now)
    this.bodies = new MessageBodies(deps, this.links)
    this.files = new MessageFiles(deps.blobs, this.bodies)
    this.outgoing = new Outgoing(deps, this.links, this.files)
  }

  context(who: SignedIn, via: Via, client: Client, commandId?: string): CommandContext {
    return contextOf(who.account.id, via, { at: this.now(), client, ...(commandId === undefined ? {} : { commandId }) })
  }

  /** Runs a mailbox command; a refusal is a ProblemError. */
  async change(context: CommandContext, account: AccountId, command: MailboxCommand) {
    const ports = { journal: this.deps.journal, snapshots: this.deps.views.mailbox }
    const span = this.deps.tracer?.begin(`${context.via} ${command.type}`, context.correlationId)
    const outcome = await changeMailbox(ports, context, account, command).catch((error) => {
      span?.end(error)
      throw error
    })
    span?.note({ outcome: outcome.ok ? 'done' : outcome.refusal.code })
    span?.end()
    if (outcome.ok) return outcome
    const { code, message } = outcome.refusal
    throw new ProblemError(code.startsWith('no-such-') ? 404 : code === 'busy' ? 503 : 422, code, message)
  }

  /** Read your own writes: resolves once the mailbox view shows the revision. */
  async atLeast(account: AccountId, revision: Revision | null | undefined): Promise<void> {
    if (revision === null || revision === undefined) return
    const shown = await this.deps.views.mailbox.accountRevision(account)
    if (shown !== undefined && shown >= revision) return
    const last = await this.deps.journal.lastRevision(`mailbox-${account}`)
    if (revision > (last ?? -1n))
      throw new ProblemError(422, 'no-such-revision', 'The mailbox has no such revision yet.', { field: 'atLeast' })
    await this.#waited(this.deps.waitForRevision(account, revision))
  }

  async searchableAtLeast(account: AccountId, revision: Revision | null | undefined): Promise<void> {
    await this.atLeast(account, revision)
    if (revision !== null && revision !== undefined)
      await this.#waited(this.deps.waitForSearch?.(account, revision) ?? Promise.resolve())
  }

  async #waited(wait: Promise<void>): Promise<void> {
    try {
      await wait
    } catch (error) {
      if ((error as { code?: unknown } | null)?.code !== 'timeout') throw error
      throw new ProblemError(503, 'view-behind', 'The view has not caught up with your last change yet: try again.', {
        retryAfter: 1,
      })
    }
  }

  /** Messages of a folder under a filter. What the folder's own counters say is free; else the engine counts, or we page. */
  async count(account: AccountId, folderId: string, filter: MessageFilter): Promise<number> {
    const { mailbox } = this.deps.views
    const asked = Object.entries(filter).filter(([, value]) => value !== undefined)
    const folder = await mailbox.folder(account, folderId)
    if (!folder) return 0
    if (asked.length === 0) return folder.total
    if (asked.length === 1 && filter.unread !== undefined)
      return filter.unread ? folder.unread : folder.total - folder.unread
    const revision = (await mailbox.accountRevision(account)) ?? 0n
    const key = `count ${folderId} ${JSON.stringify(asked)}`
    const cached = await this.deps.cache.get(account, key, revision)
    if (typeof cached === 'string') return Number(cached)
    const counted = await mailbox.count?.(account, folderId, filter)
    const total = typeof counted === 'number' ? counted : await this.#page(account, folderId, filter)
    if ((await mailbox.accountRevision(account)) === revision)
      await this.deps.cache.put(account, key, revision, String(total))
    return total
  }

  async #page(account: AccountId, folderId: string, filter: MessageFilter): Promise<number> {
    let total = 0
    let after: string | undefined
    do {
      const page = await this.deps.views.mailbox.messages(account, folderId, { filter, first: 500, after })
      total += page.rows.length
      after = page.next ?? undefined
      // Others go first between two pages.
      await new Promise((resolve) => setImmediate(resolve))
    } while (after !== undefined)
    return total
  }
}
