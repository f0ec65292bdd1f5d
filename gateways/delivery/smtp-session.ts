// One connection to one host, as delivery uses it: opened, one message after the other, closed; every outcome is a value.
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { type Reply, readReply } from '../../domain/delivery/reply.ts'
import type { EnvelopeOptions, SubmissionRecipient } from '../../domain/submission/submission.ts'
import { Connection } from './smtp-connection.ts'

export interface SessionTarget {
  /** Name of the host, for SNI and for what is recorded; an address literal's address. */
  readonly host: string
  readonly address: string
  readonly port: number
  readonly implicitTls: boolean
  /** 'may' takes it where it works, 'must' refuses to go on without, 'never' does not ask. */
  readonly tls: 'may' | 'must' | 'never'
  /** Checks the certificate; an error's text says what is wrong with it. Absent: any will do. */
  readonly verify?: (certificate: PeerCertificate, socket: TLSSocket) => Error | undefined
  readonly auth?: { readonly user: string; readonly password: string }
  /** Ends the opening. */
  readonly signal?: AbortSignal
}

export interface SessionOptions {
  /** Our name in EHLO. */
  readonly name: string
  readonly connectMs: number
  readonly replyMs: number
}

/** Why there is no session with a host. */
export class SessionError extends Error {
  /** 'tls' is a handshake or certificate that failed; 'reply' an answer that ended it; 'network' everything without one. */
  readonly kind: 'network' | 'tls' | 'reply' | 'auth'
  readonly reply: Reply | undefined
  constructor(kind: SessionError['kind'], message: string, reply?: Reply) {
    super(message)
    this.kind = kind
    this.reply = reply
  }
}

export interface OutgoingMail {
  readonly mailFrom: string
  readonly recipients: readonly SubmissionRecipient[]
  readonly envelope: EnvelopeOptions
  /** Bytes of the message, for SIZE. */
  readonly size: number
  readonly eightBit: boolean
  /** The header block has bytes beyond ASCII. */
  readonly utf8Header: boolean
  /** All of it, or in pieces. */
  readonly message: Buffer | (() => AsyncIterable<Uint8Array>)
}

export interface SendOutcome {
  /** An answer for every recipient that got one. */
  readonly replies: ReadonlyMap<string, Reply>
  /** The other side speaks DSN and will report by itself (RFC 3461 §5.2.2). */
  readonly reportsItself: boolean
  /** The connection broke: recipients without an answer may or may not have the message. */
  readonly broken?: string
}

const IDLE_MS = 120_000

export class SmtpSession {
  readonly target: SessionTarget
  /** Such as `TLSv1.3 TLS_AES_256_GCM_SHA384`; undefined in the clear. */
  readonly protocol: string | undefined
  readonly #connection: Connection
  #messages = 0
  #usable = true

  private constructor(target: SessionTarget, connection: Connection) {
    this.target = target
    this.#connection = connection
    const socket = connection._socket as TLSSocket
    this.protocol = connection.secure ? `${socket.getProtocol()} ${socket.getCipher().name}` : undefined
    const over = () => {
      this.#usable = false
    }
    connection.on('error', over)
    connection.on('end', over)
  }

  get usable(): boolean {
    return this.#usable
  }
  get messages(): number {
    return this.#messages
  }

  /** Throws SessionError. */
  static async open(target: SessionTarget, options: SessionOptions): Promise<SmtpSession> {
    const socket = await tcp(target, options.connectMs)
    let certificateError: Error | undefined
    const connection = new Connection({
      host: target.host,
      port: target.port,
      name: options.name,
      connection: socket,
      secure: target.implicitTls,
      ignoreTLS: target.tls === 'never',
      requireTLS: target.tls === 'must',
      opportunisticTLS: target.tls === 'may',
      connectionTimeout: options.connectMs + options.replyMs,
      greetingTimeout: options.replyMs,
      socketTimeout: options.replyMs,
      socketCloseTimeout: 1_000,
      maxResponseSize: 64 * 1024,
      // Certificates are judged by the policy of the destination, below, and not by whether a public authority knows them.
      tls: { rejectUnauthorized: false, minVersion: target.verify ? 'TLSv1.2' : 'TLSv1' },
    })
    await new Promise<void>((resolve, reject) => {
      const fail = (error: LibraryError) => {
        connection.close()
        const reply = error.response ? readReply(error.response) : undefined
        const kind = error.code === 'ETLS' || /TLS/.test(error.message) ? 'tls' : reply ? 'reply' : 'network'
        const inTls = kind === 'network' && connection.upgrading
        reject(new SessionError(inTls ? 'tls' : kind, said(error), reply))
      }
      connection.once('error', fail)
      const aborted = () => fail(new Error('it takes too long while many others wait'))
      if (target.signal?.aborted) return aborted()
      target.signal?.addEventListener('abort', aborted, { once: true })
      connection.connect((error) => {
        connection.removeListener('error', fail)
        target.signal?.removeEventListener('abort', aborted)
        if (error) fail(error)
        else resolve()
      })
    })
    connection.on('error', () => undefined)
    if (target.verify) {
      const tls = connection._socket as TLSSocket
      certificateError = connection.secure
        ? target.verify(tls.getPeerCertificate(true), tls)
        : new Error('starttls-not-supported')
      if (certificateError) {
        connection.close()
        throw new SessionError('tls', certificateError.message)
      }
    }
    if (target.auth) await signIn(connection, target.auth)
    const session = new SmtpSession(target, connection)
    socket.setNoDelay(true)
    return session
  }

  /** Never rejects: what happened to each recipient, and whether the connection lived through it. */
  async send(mail: OutgoingMail): Promise<SendOutcome> {
    const { recipients } = mail
    const connection = this.#connection
    const everyone = (text: string): SendOutcome => ({
      replies: new Map(recipients.map(({ address }) => [address, readReply(text)])),
      reportsItself: false,
    })
    const utf8 = mail.utf8Header || [mail.mailFrom, ...recipients.map(({ address }) => address)].some(beyondAscii)
    if (utf8 && !connection.offers('SMTPUTF8'))
      return everyone(`550 5.6.7 ${this.target.host} takes no international addresses or headers (SMTPUTF8)`)
    if (connection.largest > 0 && mail.size > connection.largest)
      return everyone(`552 5.3.4 ${this.target.host} takes messages of at most ${connection.largest} bytes`)
    if (mail.envelope.requireTls && !(connection.secure && connection.offers('REQUIRETLS')))
      return everyone(`550 5.7.30 ${this.target.host} does not support REQUIRETLS`)
    const dsn = connection.offers('DSN')
    const addressesUtf8 = [mail.mailFrom, ...recipients.map(({ address }) => address)].some(beyondAscii)
    connection.mailParameters = [
      utf8 && !addressesUtf8 ? ' SMTPUTF8' : '',
      dsn && mail.envelope.returns ? ` RET=${mail.envelope.returns === 'full' ? 'FULL' : 'HDRS'}` : '',
      dsn && mail.envelope.envelopeId ? ` ENVID=${xtext(mail.envelope.envelopeId)}` : '',
    ].join('')
    connection.recipientParameters = dsn
      ? new Map(recipients.map((each) => [each.address, dsnParameters(each)]))
      : new Map()
    this.#messages++
    const body = Buffer.isBuffer(mail.message) ? mail.message : Readable.from(mail.message())
    return new Promise<SendOutcome>((resolve) => {
      const envelope = {
        from: mail.mailFrom,
        to: recipients.map(({ address }) => address),
        size: mail.size,
        use8BitMime: mail.eightBit,
        ...(mail.envelope.requireTls ? { requireTLSExtensionEnabled: true } : {}),
      }
      connection.send(envelope, body, (error, info) => {
        const replies = new Map<string, Reply>()
        const refused = (error as RefusedRecipients | null)?.rejectedErrors ?? info?.rejectedErrors ?? []
        for (const each of refused as readonly RecipientError[])
          if (each.recipient && each.response) replies.set(each.recipient, readReply(each.response))
        const reportsItself = dsn
        if (!error && info) {
          const accepted = readReply(info.response)
          for (const address of info.accepted) replies.set(address, accepted)
          return resolve({ replies, reportsItself })
        }
        const failure = error as RecipientError & { command?: string }
        if (failure.response && failure.code !== 'ECONNECTION') {
          const reply = readReply(failure.response)
          for (const { address } of recipients) if (!replies.has(address)) replies.set(address, reply)
          // After a refusal the session stands where it began only once RSET is answered (RFC 5321 §4.1.1.5).
          return connection.reset((broken) => {
            if (broken) this.close()
            resolve({ replies, reportsItself })
          })
        }
        this.close()
        if (failure.response) {
          const reply = readReply(failure.response)
          for (const { address } of recipients) if (!replies.has(address)) replies.set(address, reply)
        }
        resolve({ replies, reportsItself, broken: said(failure) })
      })
    })
  }

  /** Says QUIT and does not wait for more than a moment. */
  close(): void {
    if (!this.#usable) return
    this.#usable = false
    this.#connection.quit()
    setTimeout(() => this.#connection.close(), 2_000).unref()
  }

  /** Ends at once, in the middle of whatever it does. */
  destroy(): void {
    this.#usable = false
    const socket = this.#connection._socket
    if (socket) socket.destroy()
    this.#connection.close()
  }
}

interface LibraryError extends Error {
  readonly code?: string | undefined
  readonly originalCode?: string | undefined
  readonly response?: string | undefined
}
interface RecipientError extends LibraryError {
  readonly recipient?: string
}
interface RefusedRecipients extends Error {
  readonly rejectedErrors?: readonly Error[]
}

function tcp(target: SessionTarget, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: target.address, port: target.port })
    const fail = (why: string) => {
      socket.destroy()
      reject(new SessionError('network', why))
    }
    target.signal?.addEventListener('abort', () => fail('it takes too long while many others wait'), { once: true })
    socket.setTimeout(timeoutMs, () => fail('it does not answer: connection timed out'))
    socket.once('error', (error: NodeJS.ErrnoException) => fail(said(error)))
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      socket.removeAllListeners('timeout')
      socket.setTimeout(IDLE_MS)
      resolve(socket)
    })
  })
}

function signIn(connection: Connection, auth: { readonly user: string; readonly password: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.login({ user: auth.user, pass: auth.password }, (error) => {
      if (!error) return resolve()
      connection.close()
      const { response } = error as RecipientError
      reject(new SessionError('auth', said(error), response ? readReply(response) : undefined))
    })
  })
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'connection timed out',
  ECONNRESET: 'connection reset',
}

/** One line, without what the library puts around it. */
function said(error: LibraryError): string {
  const known = WORDS[error.originalCode ?? ''] ?? WORDS[error.code ?? '']
  return known && !/timed? ?out|greeting/i.test(error.message)
    ? known
    : error.message.replace(/\s+/g, ' ').slice(0, 500)
}

const beyondAscii = (text: string): boolean => /[^\x00-\x7f]/.test(text)

/** RFC 3461 §4: xtext. */
export const xtext = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) =>
      byte > 0x20 && byte < 0x7f && byte !== 0x2b && byte !== 0x3d
        ? String.fromCharCode(byte)
        : `+${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')

function dsnParameters({ notify, originalRecipient }: SubmissionRecipient): string {
  const [type, ...rest] = (originalRecipient ?? '').split(';')
  return [
    notify ? ` NOTIFY=${notify.join(',').toUpperCase()}` : '',
    originalRecipient && rest.length > 0 ? ` ORCPT=${type};${xtext(rest.join(';'))}` : '',
  ].join('')
}
