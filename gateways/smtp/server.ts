// SMTP in: the MX listener that takes mail for our accounts, and the submission listeners where our people send.
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server'
import { authenticate } from '../../commands/authenticate.ts'
import { type CommandContext, contextOf } from '../../commands/context.ts'
import type { Delivered, MailToDeliver, RulesPorts } from '../../commands/deliver-by-rules.ts'
import { newCommandId, newId } from '../../commands/identity.ts'
import type { MessageBlobs } from '../../commands/ports/blob-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import type { SendingGuard } from '../../commands/ports/sending-guard.ts'
import type { Tracer } from '../../commands/ports/tracer.ts'
import type { Directory, DirectoryAccount, MailboxSnapshots } from '../../commands/ports/views.ts'
import { rejectMail } from '../../commands/reject-mail.ts'
import { submitMessage } from '../../commands/submit-message.ts'
import { normalizeAddress } from '../../domain/mail/address.ts'
import { Counter, RateLimiter } from '../limits/rate-limiter.ts'
import { MemorySharedState, type SharedState } from '../limits/shared-state.ts'
import { guessesOf } from '../wire/guard.ts'
import { answer, answerFor, type SmtpAnswer } from './answers.ts'
import type { ConnectionPolicy } from './connection-policy.ts'
import './enhanced-codes.ts'
import { IntakeRefusal, takeMessage } from './message-intake.ts'
import { type InboundProtection, receive, type Transaction } from './receive.ts'
import { envelopeOptions, recipientOptions } from './submission-envelope.ts'
import { dateTime, hasField, receivedField } from './trace.ts'

export interface SmtpDependencies {
  /** Of all processes; each counts for itself without it. */
  readonly sharedState?: SharedState
  readonly journal: Journal
  readonly blobs: MessageBlobs
  readonly directory: Directory
  readonly snapshots: MailboxSnapshots
  /** Sending limits; none when absent. */
  readonly guard?: SendingGuard
  /** Filter rules of recipients of a submission who live here. */
  readonly rules?: RulesPorts
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
  readonly count: (metric: string) => void
  /** Delivers by the filter rules of the recipients; without it everything goes to the inbox. */
  readonly deliver?: (context: CommandContext, incoming: MailToDeliver) => Promise<Delivered>
  /** For mx listeners: who may come in, and what is checked before a message is taken. */
  readonly policy?: ConnectionPolicy
  readonly tracer?: Tracer
  readonly protection?: InboundProtection
}

export interface SmtpSettings {
  /** 'mx' takes mail for local recipients from anyone; 'submission' takes mail for anyone from signed-in people. */
  readonly kind: 'mx' | 'submission'
  readonly host: string
  readonly port: number
  /** Our name in the banner and in Received fields. */
  readonly hostname: string
  readonly implicitTls: boolean
  readonly tls?: { readonly key: string; readonly cert: string }
  /** AUTH without TLS on this (loopback) listener. */
  readonly insecureAuth: boolean
  readonly limits: SmtpLimits
}

export interface SmtpLimits {
  readonly messageBytes: number
  readonly recipients: number
  readonly connections: number
  readonly connectionsPerAddress: number
  /** New connections of one address: burst and per second. */
  readonly connectionRate: { readonly burst: number; readonly perSecond: number }
  /** Messages of one address (mx) or account (submission). */
  readonly messageRate: { readonly burst: number; readonly perSecond: number }
  readonly idleMs: number
  /** From DATA to its end. */
  readonly dataMs: number
}

export const DEFAULT_SMTP_LIMITS: SmtpLimits = {
  messageBytes: 50 * 1024 * 1024,
  recipients: 100,
  connections: 1_000,
  connectionsPerAddress: 100,
  connectionRate: { burst: 500, perSecond: 50 },
  messageRate: { burst: 10_000, perSecond: 100 },
  idleMs: 5 * 60_000,
  dataMs: 10 * 60_000,
}

/** RFC 5321 §4.5.3.1.3 has 256; international addresses take more. */
const MAX_PATH = 512

export interface SmtpListener {
  readonly port: number
  close(): Promise<void>
}

interface Recipient {
  readonly accountId?: string
  readonly address: string
  /** As RCPT TO gave it, with its parameters. */
  readonly given?: object
}

export async function listenSmtp(deps: SmtpDependencies, settings: SmtpSettings): Promise<SmtpListener> {
  const { limits, kind } = settings
  const open = new Counter()
  const connects = new RateLimiter(limits.connectionRate)
  const state = deps.sharedState ?? new MemorySharedState()
  const messages = state.rate(`messages of ${kind}`, limits.messageRate)
  const guesses = guessesOf(state)
  /** What RCPT found, by session, so that DATA need not look again. */
  const found = new WeakMap<SMTPServerSession, Map<string, Recipient>>()
  const trusted = isLoopback(settings.host)
  const policy = kind === 'mx' ? deps.policy : undefined

  const options: SMTPServerOptions = {
    name: settings.hostname,
    banner: 'Everpost',
    size: limits.messageBytes,
    secure: settings.implicitTls,
    ...(settings.tls ?? {}),
    hideENHANCEDSTATUSCODES: false,
    // Reports on request (RFC 3461) are for our own people's mail.
    hideDSN: kind === 'mx',
    hideREQUIRETLS: kind === 'mx',
    hideSTARTTLS: settings.implicitTls || !settings.tls,
    authOptional: kind === 'mx',
    disabledCommands: kind === 'mx' ? ['AUTH'] : [],
    authMethods: ['PLAIN', 'LOGIN'],
    allowInsecureAuth: settings.insecureAuth,
    disableReverseLookup: true,
    maxClients: limits.connections,
    maxRecipients: limits.recipients,
    socketTimeout: limits.idleMs,
    closeTimeout: 10_000,
    logger: false,
    onConnect(session, callback) {
      const address = session.remoteAddress
      if (open.up(address) > limits.connectionsPerAddress && !trusted) {
        return callback(answer(421, '4.7.0 Too many connections from your address'))
      }
      if (!trusted && !connects.take(address)) return callback(answer(421, '4.7.0 Too many new connections, slow down'))
      const refusal = policy?.connected(address)
      if (refusal) return callback(answer(refusal.code, refusal.text))
      deps.count('smtp_connections')
      callback()
    },
    onClose(session, callback) {
      open.down(session.remoteAddress)
      policy?.disconnected(session.remoteAddress)
      callback?.()
    },
    onAuth(auth, session, callback) {
      const address = session.remoteAddress
      const signIn = async () => {
        if ((await guesses.wait(address)) > 0) throw answer(421, '4.7.0 Too many failed sign-ins, wait a little')
        const account = await authenticate(deps.directory, auth.username ?? '', auth.password ?? '')
        if (account) return account
        await guesses.take(address)
        deps.count('auth_failures')
        deps.log('sign-in refused', { via: 'submission', address })
        throw answer(535, '5.7.8 Wrong address or password')
      }
      signIn().then(
        (account) => callback(null, { user: account }),
        (error) => callback(answerFor(error)),
      )
    },
    onMailFrom(from, session, callback) {
      found.delete(session)
      if (from.address.length > MAX_PATH) return callback(answer(553, '5.1.7 This sender address is too long'))
      const admit = async () => {
        const who = kind === 'submission' ? accountOf(session)?.id : session.remoteAddress
        if (!(trusted && kind === 'mx') && !(await messages.take(who ?? '')))
          throw answer(451, '4.7.1 Too many messages in a short time, try again later')
        const refusal = await policy?.mailFrom(session.remoteAddress)
        if (refusal) throw answer(refusal.code, refusal.text)
        if (kind === 'submission' && !(await ownsAddress(deps.directory, accountOf(session), from.address)))
          throw answer(553, '5.7.1 This sender address is not yours')
      }
      admit().then(
        () => callback(),
        (error) => callback(answerFor(error)),
      )
    },
    onRcptTo(to, session, callback) {
      findRecipient(deps, kind, to.address).then(
        async (recipient) => {
          if (recipient instanceof Error) return refuseStranger(policy, session, recipient, callback)
          const refusal = await policy?.recipient(session.remoteAddress, mailFromOf(session), recipient.address)
          if (refusal) return callback(answer(refusal.code, refusal.text))
          const recipients = found.get(session) ?? new Map<string, Recipient>()
          found.set(session, recipients.set(to.address, recipient))
          callback()
        },
        (error) => callback(answerFor(error)),
      )
    },
    onData(stream, session, callback) {
      const timer = setTimeout(() => stream.destroy(answer(421, '4.4.2 The message took too long')), limits.dataMs)
      const recipients = found.get(session) ?? new Map<string, Recipient>()
      const chosen = session.envelope.rcptTo.flatMap((given) => {
        const recipient = recipients.get(given.address)
        return recipient ? { ...recipient, given } : []
      })
      take(deps, settings, session, chosen, stream)
        .then(
          (queueId) => {
            deps.count(kind === 'mx' ? 'smtp_accepted' : 'submission_accepted')
            callback(null, `2.0.0 Ok: queued as ${queueId}`)
          },
          (error) => {
            deps.count('smtp_refused')
            const said = answerFor(error)
            if ((said.responseCode ?? 0) < 500) deps.log('message not stored', { error: String(error) })
            stream.resume()
            callback(said)
          },
        )
        .finally(() => clearTimeout(timer))
    },
  }
  const server = new SMTPServer(options)
  // Broken sockets and TLS failures of clients are their affair; they must not end the process.
  server.on('error', (error) => deps.log('smtp client error', { error: error.message }))
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject)
    server.listen(settings.port, settings.host, () => {
      server.server.removeListener('error', reject)
      resolve()
    })
  })
  return {
    port: (server.server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

async function take(
  deps: SmtpDependencies,
  settings: SmtpSettings,
  session: SMTPServerSession,
  recipients: readonly Recipient[],
  stream: Parameters<NonNullable<SMTPServerOptions['onData']>>[0],
): Promise<string> {
  const queueId = newId()
  const at = deps.now()
  if (settings.kind === 'mx') {
    const transaction = transactionOf(settings, session, recipients, queueId, at)
    const received = receive(deps, transaction, stream, settings.limits.messageBytes)
    await received.catch((error) => onRecord(deps, queueId, at, error))
    return queueId
  }
  const only = recipients.length === 1 ? recipients[0] : undefined
  const trace = receivedField({
    helo: session.hostNameAppearsAs,
    remoteAddress: session.remoteAddress,
    host: settings.hostname,
    protocol: session.transmissionType,
    queueId,
    ...(only ? { recipient: only.address } : {}),
    at,
  })
  const commandId = newCommandId()
  const span = deps.tracer?.begin('smtp submission', commandId, { role: 'submission', recipients: recipients.length })
  try {
    const id = await submitted(deps, settings, session, recipients, stream, { queueId, commandId, at, trace })
    span?.end()
    return id
  } catch (error) {
    span?.end(error)
    throw error
  }
}

/** Answers the submission's id. */
async function submitted(
  deps: SmtpDependencies,
  settings: SmtpSettings,
  session: SMTPServerSession,
  recipients: readonly Recipient[],
  stream: Readable,
  { queueId, commandId, at, trace }: { queueId: string; commandId: string; at: number; trace: string },
): Promise<string> {
  const prefix = (beginning: Uint8Array) => trace + missingFields(beginning, settings.hostname, at)
  const taken = takeMessage(stream, deps.blobs, prefix, settings.limits.messageBytes)
  const { blob, stored, mail } = await taken.catch((error) => onRecord(deps, queueId, at, error))
  const client = { address: session.remoteAddress, name: session.hostNameAppearsAs }
  const account = accountOf(session)
  if (!account) throw answer(530, '5.7.0 Sign in first')
  const context = contextOf(account.id, 'submission', { commandId, at, client })
  const outcome = await submitMessage(deps, context, {
    accountId: account.id,
    mailFrom: mailFromOf(session),
    recipients: recipients.map(({ address, given }) => recipientOptions(given ?? {}, address)),
    envelope: envelopeOptions(session.envelope),
    blob,
    stored,
    mail,
  })
  if (!outcome.ok) {
    const { code, message } = outcome.refusal
    throw code === 'sending-limit' ? answer(450, `4.7.1 ${message}`) : answer(554, `5.6.0 ${message}`)
  }
  return outcome.submissionId
}

function transactionOf(
  settings: SmtpSettings,
  session: SMTPServerSession,
  recipients: readonly Recipient[],
  intakeId: string,
  at: number,
): Transaction {
  const byAccount = new Map<string, { accountId: string; address: string }>()
  for (const { accountId, address } of recipients) {
    if (accountId !== undefined && !byAccount.has(accountId)) byAccount.set(accountId, { accountId, address })
  }
  return {
    intakeId,
    at,
    hostname: settings.hostname,
    remoteAddress: session.remoteAddress,
    helo: session.hostNameAppearsAs,
    protocol: session.transmissionType,
    mailFrom: mailFromOf(session),
    recipients: [...byAccount.values()],
    only: recipients.length === 1 ? recipients[0]?.address : undefined,
  }
}

/** Whoever asks for one unknown address after the other waits longer and longer, and is then sent away. */
function refuseStranger(
  policy: ConnectionPolicy | undefined,
  session: SMTPServerSession,
  refusal: SmtpAnswer,
  callback: (error: Error) => void,
): void {
  const { delayMs, close } =
    refusal.responseCode === 550 && policy ? policy.stranger(session.remoteAddress) : { delayMs: 0, close: false }
  const said = close ? answer(421, '4.7.0 Too many unknown recipients') : refusal
  if (delayMs === 0) callback(said)
  else setTimeout(() => callback(said), delayMs).unref()
}

const mailFromOf = (session: SMTPServerSession): string =>
  session.envelope.mailFrom ? session.envelope.mailFrom.address : ''

/** A final refusal of a whole message is an event; then it is answered as it is. */
async function onRecord(deps: SmtpDependencies, intakeId: string, at: number, error: unknown): Promise<never> {
  if (error instanceof IntakeRefusal) {
    const context = contextOf('smtp', 'smtp', { commandId: intakeId, at, correlationId: intakeId })
    const refusal = { intakeId, code: error.responseCode, reason: error.message }
    await rejectMail(deps.journal, context, refusal).catch((cause) =>
      deps.log('refusal not recorded', { error: String(cause) }),
    )
  }
  throw error
}

/** A submission server adds what a message must have (RFC 6409 §8). */
function missingFields(beginning: Uint8Array, hostname: string, at: number): string {
  const date = hasField(beginning, 'date') ? '' : `Date: ${dateTime(at)}\r\n`
  return date + (hasField(beginning, 'message-id') ? '' : `Message-ID: <${newId()}@${hostname}>\r\n`)
}

const accountOf = (session: SMTPServerSession): DirectoryAccount | undefined =>
  session.user as DirectoryAccount | undefined

async function ownsAddress(
  directory: Directory,
  account: DirectoryAccount | undefined,
  address: string,
): Promise<boolean> {
  const normal = normalizeAddress(address)
  const owner = normal && (await directory.resolve(normal.address))
  return account !== undefined && owner?.accountId === account.id
}

async function findRecipient(
  deps: SmtpDependencies,
  kind: SmtpSettings['kind'],
  text: string,
): Promise<Recipient | Error> {
  const normal = normalizeAddress(text)
  if (!normal) return answer(553, '5.1.3 This is not an address')
  if (!(await deps.directory.hasDomain(normal.domain))) {
    return kind === 'submission'
      ? { address: normal.address }
      : answer(550, '5.7.1 Relaying denied: this domain is not ours')
  }
  const owner = await deps.directory.resolve(normal.address)
  const account = owner && (await deps.directory.account(owner.accountId))
  if (!account || account.erased) return answer(550, '5.1.1 No such mailbox here')
  if (account.quota !== null && (await deps.snapshots.usage(account.id)).bytes >= account.quota) {
    return answer(452, '4.2.2 The mailbox is full')
  }
  return { accountId: account.id, address: normal.address }
}

const isLoopback = (host: string): boolean => host === '::1' || host === 'localhost' || host.startsWith('127.')
