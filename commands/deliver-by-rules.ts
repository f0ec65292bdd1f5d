// Incoming mail goes through the filter rules of each recipient, and all that follows from it is one commit.
import type { RulesAction, RulesOutcome } from '../domain/intake/intake.ts'
import { normalizeFlag } from '../domain/mail/flags.ts'
import { folderByRole, type Mailbox } from '../domain/mailbox/mailbox.ts'
import { folderAt, roleOfUse } from '../domain/mailbox/paths.ts'
import type { Header } from '../domain/sieve/message.ts'
import { SieveMessage } from '../domain/sieve/message.ts'
import type { SieveAction, SieveOutcome } from '../domain/sieve/run.ts'
import { type Answering, answerAutomatically, noteDuplicates, redirectMail, sendRefusal } from './answer-by-rules.ts'
import { changeMailbox, loadMailbox } from './change-mailbox.ts'
import type { CommandContext } from './context.ts'
import type { ActiveRules, RuleBook } from './filter-rules.ts'
import { derivedId } from './identity.ts'
import { folderIdFor } from './open-account.ts'
import type { MessageBlobs } from './ports/blob-store.ts'
import type { Journal, JournalAppend } from './ports/journal.ts'
import type { Keyring } from './ports/keyring.ts'
import type { Directory, DirectoryAccount, MailboxSnapshots } from './ports/views.ts'
import {
  appendsOf,
  type DeliveryPlan,
  defaultFolder,
  type IncomingMail,
  type IncomingRecipient,
  type PlannedDelivery,
} from './receive-mail.ts'
import { rewriteMessage } from './rewrite-message.ts'
import { runRules } from './run-rules.ts'

export interface RulesPorts {
  readonly journal: Journal
  readonly blobs: MessageBlobs
  readonly directory: Directory
  readonly snapshots: MailboxSnapshots
  readonly keyring: Pick<Keyring, 'nameHash'>
  readonly rules: RuleBook
  /** Our name, in what we write to others. */
  readonly hostname: string
}

export interface MailToDeliver extends IncomingMail {
  /** All of a small message, the first MiB of a large one: what rules may look into. */
  readonly beginning: () => Promise<Uint8Array>
  /** Whether a refusal can still be told to the client that is sending. */
  readonly inSession: boolean
}

/** Delivered and durable; or refused by the rules of everyone whom it is for, and then nothing was written. */
export type Delivered = { readonly delivered: true } | { readonly delivered: false; readonly reason: string }

const ATTEMPTS = 10

/**
 * Runs the rules, then appends MailAccepted, the arrivals and everything that the rules cause in one commit where the engine can. Ids
 * come from the intake's, so that a repeat adds nothing. Accounts without rules cost one look into the directory.
 */
export async function deliverByRules(
  ports: RulesPorts,
  context: CommandContext,
  incoming: MailToDeliver,
): Promise<Delivered> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const planned = await planDeliveries(ports, context, incoming)
    if ('refused' in planned) return { delivered: false, reason: planned.refused }
    const { blob: ref, stored: durable } = incoming
    const appends = appendsOf(context, { ...incoming, recipients: planned.recipients })
    const after = durable ? { after: [{ ref, durable }] } : {}
    const results = await ports.journal.appendAll(appends, { ...after, promised: true })
    // What the rules remember of a sender was changed by another message of the same moment: decide again.
    if (results.every(({ ok }) => ok)) return { delivered: true }
  }
  throw new Error('The rules of a recipient were run ten times and another message was always faster')
}

export type PlannedRecipients =
  | { readonly recipients: readonly IncomingRecipient[] }
  /** Everyone refuses: the reason for the client. */
  | { readonly refused: string }

/** What the rules of each recipient make of a message. Folders that a script creates, and rewritten messages, are stored already. */
export async function planDeliveries(
  ports: RulesPorts,
  context: CommandContext,
  incoming: MailToDeliver,
): Promise<PlannedRecipients> {
  const ruled = new Map<IncomingRecipient, Ruled>()
  let message: SieveMessage | undefined
  for (const recipient of incoming.recipients) {
    const account = await ports.directory.account(recipient.accountId)
    const active = account && (await ports.rules.active(account))
    if (!account || !active) continue
    message ??= new SieveMessage({
      raw: await incoming.beginning(),
      size: incoming.blob.size,
      root: incoming.mail.root,
    })
    ruled.set(recipient, await rule(ports, context, incoming, { recipient, account, active, message }))
  }
  if (ruled.size === 0) return incoming
  const refusals = [...ruled.values()].flatMap(({ outcome }) => refusalOf(outcome) ?? [])
  const [refusal] = refusals
  if (refusal && incoming.inSession && refusals.length === incoming.recipients.length && refusals.every(sayable))
    return { refused: refusal.reason }
  const recipients: IncomingRecipient[] = []
  for (const recipient of incoming.recipients) {
    const own = ruled.get(recipient)
    recipients.push(own === undefined ? recipient : { ...recipient, plan: await plan(ports, context, incoming, own) })
  }
  return { recipients }
}

interface Ruled {
  readonly recipient: IncomingRecipient
  readonly account: DirectoryAccount
  readonly active: ActiveRules
  readonly message: SieveMessage
  readonly mailbox: Mailbox | undefined
  readonly outcome: SieveOutcome
}

async function rule(
  ports: RulesPorts,
  context: CommandContext,
  incoming: MailToDeliver,
  of: Omit<Ruled, 'mailbox' | 'outcome'>,
): Promise<Ruled> {
  const { program } = of.active
  const mailbox = program.usesFolders ? (await loadMailbox(ports, of.account.id, [])).state : undefined
  const outcome = await runRules(ports, {
    accountId: of.account.id,
    program,
    message: of.message,
    mailFrom: incoming.mailFrom,
    recipient: of.recipient.address,
    now: context.at,
    mailbox,
    hostname: ports.hostname,
    remoteAddress: incoming.remoteAddress,
  })
  return { ...of, mailbox, outcome }
}

type Refusal = Extract<SieveAction, { type: 'reject' }>

const refusalOf = ({ actions }: SieveOutcome): Refusal | undefined => actions.find((action) => action.type === 'reject')

/** An SMTP answer is ASCII; `reject`, unlike `ereject`, must not lose a word of its reason (RFC 5429 §2.5). */
const sayable = ({ extended, reason }: Refusal): boolean => extended || /^[\x20-\x7e\r\n\t]*$/.test(reason)

async function plan(
  ports: RulesPorts,
  context: CommandContext,
  incoming: MailToDeliver,
  own: Ruled,
): Promise<DeliveryPlan> {
  const { outcome, active } = own
  const planner = new Planner(ports, context, incoming, own)
  for (const action of outcome.actions) await planner.take(action)
  const { problem } = outcome
  const noted = problem ? [] : await noteDuplicates(planner.answering, outcome.seen)
  const done: RulesOutcome = {
    script: active.name,
    actions: planner.done.slice(0, MAX_ACTIONS_TOLD),
    ...(problem ? { problem: { ...problem, message: problem.message.slice(0, 200) } } : {}),
  }
  return { deliveries: planner.deliveries(), outcome: done, appends: [...planner.appends, ...noted] }
}

const MAX_ACTIONS_TOLD = 8
const MAX_DETAIL = 60

/** Turns the actions of one outcome into deliveries and appends. */
class Planner {
  readonly answering: Answering
  readonly done: RulesAction[] = []
  readonly appends: JournalAppend[] = []
  readonly #ports: RulesPorts
  readonly #context: CommandContext
  readonly #incoming: MailToDeliver
  readonly #own: Ruled
  /** By folder. */
  readonly #deliveries = new Map<string, PlannedDelivery>()
  readonly #rewritten = new Map<Header, Promise<NonNullable<PlannedDelivery['edited']>>>()
  #mailbox: Mailbox | undefined

  constructor(ports: RulesPorts, context: CommandContext, incoming: MailToDeliver, own: Ruled) {
    this.#ports = ports
    this.#context = context
    this.#incoming = incoming
    this.#own = own
    this.#mailbox = own.mailbox
    const { account, recipient, message } = own
    const junk = recipient.verdict?.action === 'junk'
    this.answering = { ports, context, incoming, account, recipient: recipient.address, header: message.header, junk }
  }

  async take(action: SieveAction): Promise<void> {
    switch (action.type) {
      case 'keep': {
        // Who writes keep wants it in the inbox, whatever the spam filter thinks; what no rule files goes where mail goes.
        await this.#store(action.place ? folderIdFor(this.#own.account.id, 'inbox') : undefined, action)
        this.#tell(action, undefined)
        return
      }
      case 'fileinto': {
        const { folderId, note } = await this.#folder(action)
        await this.#store(folderId, action)
        this.#tell(action, action.mailbox, note)
        return
      }
      case 'redirect': {
        const redirected = await redirectMail(this.answering, action)
        if ('append' in redirected) this.appends.push(redirected.append)
        // What cannot be passed on stays here rather than get lost.
        else await this.#store(undefined, { flags: [] })
        this.#tell(action, action.address, 'append' in redirected ? undefined : redirected.note)
        return
      }
      case 'discard':
        this.#tell(action, undefined)
        return
      case 'reject': {
        const sent = await sendRefusal(this.answering, action)
        if ('append' in sent) this.appends.push(sent.append)
        this.#tell(action, action.reason, 'append' in sent ? undefined : sent.note)
        return
      }
      case 'vacation': {
        if (this.#own.recipient.verdict?.action === 'junk') {
          // Its sender is hardly ever who it says: the answer would go to somebody else.
          this.#tell(action, undefined, 'junk is not answered')
          return
        }
        const answered = await answerAutomatically(this.answering, action)
        if ('appends' in answered) this.appends.push(...answered.appends)
        this.#tell(action, undefined, 'appends' in answered ? undefined : answered.note)
        return
      }
      default: {
        const _: never = action
        return _
      }
    }
  }

  /** In the order of the script. The same folder under two names gets the message once. */
  deliveries(): readonly PlannedDelivery[] {
    return [...this.#deliveries.values()]
  }

  #tell(action: SieveAction, detail: string | undefined, note?: string): void {
    this.done.push({
      action: action.type,
      ...(action.place ? { line: action.place.line } : {}),
      ...(detail === undefined ? {} : { detail: detail.slice(0, MAX_DETAIL).toWellFormed() }),
      ...(note === undefined ? {} : { note: note.slice(0, MAX_DETAIL) }),
    })
  }

  async #store(
    folderId: string | undefined,
    { flags, header, place }: { flags: readonly string[]; header?: Header; place?: { readonly line: number } },
  ): Promise<void> {
    const key = folderId ?? defaultFolder(this.#own.recipient)
    const known = this.#deliveries.get(key)
    const normal = flags.flatMap((flag) => normalizeFlag(flag) ?? [])
    const edited = header === undefined ? undefined : await this.#rewrite(header)
    this.#deliveries.set(key, {
      ...known,
      ...(folderId === undefined ? {} : { folderId }),
      flags: [...new Set([...(known?.flags ?? []), ...normal])].sort(),
      ...(place ? { filedBy: { script: this.#own.active.name, line: place.line } } : {}),
      ...(edited ? { edited } : {}),
    })
  }

  #rewrite(header: Header): Promise<NonNullable<PlannedDelivery['edited']>> {
    const known = this.#rewritten.get(header)
    if (known) return known
    const rewritten = rewriteMessage(this.#ports.blobs, this.#incoming, header)
    this.#rewritten.set(header, rewritten)
    return rewritten
  }

  /** Where `fileinto` puts a message; undefined, with the reason, when that is nowhere and it must stay in the inbox. */
  async #folder({
    mailbox: path,
    specialUse,
    create,
  }: Extract<SieveAction, { type: 'fileinto' }>): Promise<{ readonly folderId?: string; readonly note?: string }> {
    const mailbox = this.#mailbox as Mailbox
    const role = specialUse === undefined ? undefined : roleOfUse(specialUse)
    const found = (role && folderByRole(mailbox, role)) ?? folderAt(mailbox, path)
    if (found) return { folderId: found.id }
    if (!create) return { note: 'there is no such folder' }
    const { account } = this.#own
    let parentId: string | null = null
    const names = path.split('/')
    for (const [depth, name] of names.entries()) {
      const above = names.slice(0, depth + 1).join('/')
      const known = folderAt(this.#mailbox as Mailbox, above)
      if (known) {
        parentId = known.id
        continue
      }
      const folderId = derivedId('folder', this.#context.commandId, account.id, above)
      const context = { ...this.#context, commandId: `${this.#context.commandId}/${account.id}/${folderId}` }
      const created = await changeMailbox(this.#ports, context, account.id, {
        type: 'CreateFolder',
        folderId,
        name,
        parentId,
      })
      this.#mailbox = (await loadMailbox(this.#ports, account.id, [])).state
      const now: string | undefined = folderAt(this.#mailbox, above)?.id
      if (now === undefined) return { note: created.ok ? 'the folder could not be made' : created.refusal.message }
      parentId = now
    }
    return parentId === null ? {} : { folderId: parentId }
  }
}
