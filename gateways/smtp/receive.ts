// From the bytes after DATA to a verdict and its events: who sent it, what it is, where it goes.
import { hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { type CheckedMail, type CheckPorts, checkMail, FilterUnavailable } from '../../commands/check-mail.ts'
import { type CommandContext, contextOf } from '../../commands/context.ts'
import type { Delivered, MailToDeliver } from '../../commands/deliver-by-rules.ts'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { Resolver } from '../../commands/ports/resolver.ts'
import type { Span, Tracer } from '../../commands/ports/tracer.ts'
import { quarantineMail } from '../../commands/quarantine-mail.ts'
import { type IncomingMail, receiveMail } from '../../commands/receive-mail.ts'
import { type AuthenticationPolicy, authenticationOpinion } from '../../domain/filter/authentication.ts'
import { factsOf } from '../../domain/filter/signals.ts'
import { type FilterOpinion, type FilterVerdict, mainReason } from '../../domain/filter/verdict.ts'
import { answer } from './answers.ts'
import { authenticationResultsField, forgedResults } from './authentication-results.ts'
import { IntakeRefusal } from './message-intake.ts'
import { authenticateSender } from './sender-authentication.ts'
import { dress, type Spooled, spool } from './spool.ts'
import { receivedField, returnPathField } from './trace.ts'

/** What stands between the internet and the inbox. Without it everything is taken as it comes. */
export interface InboundProtection {
  readonly checks: CheckPorts
  /** Undefined: senders are not authenticated, and no Authentication-Results field is written. */
  readonly authentication: AuthenticationSettings | undefined
  /** Addresses of our own networks: their senders are not authenticated. */
  readonly trusts: (address: string) => boolean
}

export interface AuthenticationSettings {
  readonly resolver: Resolver
  readonly policy: AuthenticationPolicy
  readonly timeoutMs: number
  /** What a DMARC check that could not be made means: 'open' goes on, 'closed' answers 451. */
  readonly onFailure: 'open' | 'closed'
}

export interface ReceiveDependencies {
  readonly journal: Journal
  readonly blobs: MessageBlobs
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
  readonly count: (metric: string) => void
  readonly protection?: InboundProtection | undefined
  readonly tracer?: Tracer | undefined
  /** Delivers by the filter rules of the recipients; without it mail goes where the verdict says. */
  readonly deliver?: ((context: CommandContext, incoming: MailToDeliver) => Promise<Delivered>) | undefined
}

export interface Transaction {
  readonly intakeId: string
  readonly at: number
  /** Our name. */
  readonly hostname: string
  readonly remoteAddress: string
  readonly helo: string
  /** SMTP, ESMTP, ESMTPS … */
  readonly protocol: string
  readonly mailFrom: string
  /** One for each account. */
  readonly recipients: readonly { readonly accountId: string; readonly address: string }[]
  /** The single RCPT address, for the Received field. */
  readonly only: string | undefined
}

/** Resolves once everything is durable. Throws IntakeRefusal for what is refused for good, and what `answerFor` can answer. */
export async function receive(
  deps: ReceiveDependencies,
  transaction: Transaction,
  source: Readable,
  maxBytes: number,
): Promise<void> {
  const { tracer } = deps
  if (tracer === undefined) return receiveUntraced(deps, transaction, source, maxBytes)
  const { intakeId, recipients } = transaction
  const span = tracer.begin('smtp receive', intakeId, { role: 'smtp', recipients: recipients.length })
  try {
    await receiveUntraced(deps, transaction, source, maxBytes)
    span.note({ outcome: 'accepted' })
    span.end()
  } catch (error) {
    // A refusal is an answer; what the sender is to try again is trouble of ours.
    const refused = error instanceof IntakeRefusal
    span.note(refused ? { outcome: 'refused', code: error.responseCode } : { outcome: 'failed' })
    span.end(refused ? undefined : error)
    throw error
  }
}

/** One stage of it as a span of its own. */
async function stage<T>(tracer: Tracer | undefined, name: string, id: string, work: () => Promise<T>): Promise<T> {
  const span: Span | undefined = tracer?.step(name, id)
  if (span === undefined) return work()
  try {
    const result = await work()
    span.end()
    return result
  } catch (error) {
    span.end(error)
    throw error
  }
}

async function receiveUntraced(
  deps: ReceiveDependencies,
  transaction: Transaction,
  source: Readable,
  maxBytes: number,
): Promise<void> {
  const { protection } = deps
  const { intakeId, at, hostname, remoteAddress, helo, mailFrom, recipients } = transaction
  const { tracer } = deps
  const message = await stage(tracer, 'read message', intakeId, () => spool(source, deps.blobs, maxBytes))
  const sender = await stage(tracer, 'authenticate sender', intakeId, () =>
    authenticated(protection, transaction, message),
  )
  const trace = receivedField({
    helo,
    remoteAddress,
    host: hostname,
    protocol: transaction.protocol,
    queueId: intakeId,
    ...(transaction.only === undefined ? {} : { recipient: transaction.only }),
    at,
  })
  const prefix = returnPathField(mailFrom) + (sender?.field ?? '') + trace
  const without = protection?.authentication === undefined ? [] : forgedResults(message.beginning, hostname)
  const dressed = await dress(message, { prefix, without }, deps.blobs)
  const checked = await stage(tracer, 'check', intakeId, () =>
    judged(protection, transaction, dressed, sender?.opinion),
  )
  const context = contextOf('smtp', 'smtp', {
    commandId: intakeId,
    at,
    correlationId: intakeId,
    client: { address: remoteAddress, name: helo },
  })
  const verdict = checked?.verdict
  if (verdict?.action === 'reject') {
    deps.count('filter_rejected')
    throw new IntakeRefusal(554, `5.7.1 ${mainReason(verdict)}`)
  }
  const { blob, stored } = await stage(tracer, 'store blob', intakeId, () => dressed.store())
  const incoming = {
    intakeId,
    mailFrom,
    blob,
    stored,
    mail: dressed.mail,
    remoteAddress,
    helo,
    ...(checked?.signals === undefined ? {} : { signals: checked.signals }),
  }
  if (verdict?.action === 'quarantine') {
    deps.count('filter_quarantined')
    await quarantineMail(deps.journal, context, {
      ...incoming,
      recipients: recipients.map((recipient) => ({ ...recipient, verdict })),
    })
    return
  }
  const judgedRecipients = recipients.map((recipient) => {
    const own = verdict && ownVerdict(checked, recipient.accountId, verdict)
    if (own?.action === 'junk') deps.count('filter_junk')
    return own === undefined ? recipient : { ...recipient, verdict: own }
  })
  const judgedMail: IncomingMail = { ...incoming, recipients: judgedRecipients }
  if (!deps.deliver) {
    await receiveMail(deps.journal, context, judgedMail)
    return
  }
  const beginning = async () => dressed.beginning
  const outcome = await deps.deliver(context, { ...judgedMail, beginning, inSession: true })
  if (!outcome.delivered) throw new IntakeRefusal(550, refusalText(outcome.reason))
}

/** What rules say to a client, on one line of ASCII (RFC 5429 §2.1.2). */
const refusalText = (reason: string): string =>
  `5.7.1 ${
    reason
      .trim()
      .replace(/[^\x20-\x7e]+/g, ' ')
      .slice(0, 400) || 'Refused by the recipient'
  }`

/** An account's own training moves a message between inbox and Junk; it can neither refuse nor hold what others are sent too. */
function ownVerdict(checked: CheckedMail, accountId: string, common: FilterVerdict): FilterVerdict {
  const own = checked.ofAccount.get(accountId)
  if (own === undefined) return common
  return own.action === 'reject' || own.action === 'quarantine' ? { ...own, action: 'junk' } : own
}

async function authenticated(
  protection: InboundProtection | undefined,
  { hostname, remoteAddress, helo, mailFrom }: Transaction,
  message: Spooled,
): Promise<{ readonly field: string; readonly opinion: FilterOpinion | undefined } | undefined> {
  const settings = protection?.authentication
  if (settings === undefined) return undefined
  if (protection?.trusts(remoteAddress)) return { field: authenticationResultsField(hostname, []), opinion: undefined }
  const { beginning } = message
  const who = { remoteAddress, helo, mailFrom, beginning, read: () => message.read() }
  const found = await authenticateSender(settings.resolver, hostname, who, settings.timeoutMs)
  if (settings.onFailure === 'closed' && found.dmarc?.result === 'temperror')
    throw answer(451, '4.7.0 Your domain could not be checked just now, try again later')
  return {
    field: authenticationResultsField(hostname, found.clauses),
    opinion: authenticationOpinion(found, settings.policy, sampleOf(beginning)),
  }
}

/** The same message draws the same lot, however often it is sent. */
const sampleOf = (beginning: Buffer): number =>
  hash('sha1', beginning.subarray(0, 16_384), 'buffer').readUInt32LE(0) % 100

async function judged(
  protection: InboundProtection | undefined,
  transaction: Transaction,
  message: Awaited<ReturnType<typeof dress>>,
  known: FilterOpinion | undefined,
): Promise<CheckedMail | undefined> {
  if (protection === undefined) return undefined
  const { mail, beginning, size } = message
  try {
    return await checkMail(
      protection.checks,
      { ...transaction, mail, beginning, size, facts: factsOf(beginning, mail), read: () => message.read() },
      known === undefined ? [] : [known],
    )
  } catch (error) {
    if (error instanceof FilterUnavailable) throw answer(451, '4.7.1 Mail cannot be checked just now, try again later')
    throw error
  }
}
