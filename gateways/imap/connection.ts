// One client's connection: reads commands with their literals, runs them one after the other, answers.
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { BlobError } from '../../commands/ports/blob-store.ts'
import { EventStoreError } from '../../commands/ports/event-store.ts'
import { storeMail } from '../../commands/store-mail.ts'
import { LineTooLong } from '../wire/byte-reader.ts'
import type { ChannelBinding } from '../wire/channel-binding.ts'
import type { Guard } from '../wire/guard.ts'
import { Line } from '../wire/line.ts'
import type { Output } from '../wire/output.ts'
import { isUnavailable } from '../wire/unavailable.ts'
import { Arguments, type Literal } from './arguments.ts'
import { capabilities } from './capabilities.ts'
import type { CommandArguments, StoredMessage } from './commands/command.ts'
import { COMMANDS } from './commands/index.ts'
import { BadCommand, Goodbye, Refused } from './errors.ts'
import type { ImapLimits } from './limits.ts'
import type { ImapServices } from './services.ts'
import { Session } from './session.ts'

export interface ConnectionSettings {
  readonly hostname: string
  readonly tls: SecureContext | undefined
  /** The socket speaks TLS already. */
  readonly secure: boolean
  readonly insecureAuth: boolean
  readonly limits: ImapLimits
}

interface Given {
  readonly tag: string
  readonly name: string
  readonly byUid: boolean
  readonly args: CommandArguments
}

/** Appended messages up to here are held in memory; larger ones go to the blob store as they come. */
const IN_MEMORY = 1024 * 1024
const LITERAL = /(~?)\{(\d{1,10})(\+?)\}$/
const TAG = /^([^\x00-\x20\x7f-\xff(){%*"\\+]{1,100}) +/
/** Bytes of literals before sign-in: an address and a password. */
const BEFORE_SIGN_IN = 4096

export class Connection {
  readonly session: Session
  readonly #settings: ConnectionSettings
  readonly #services: ImapServices
  readonly #guard: Guard
  readonly #line: Line
  readonly #out: Output
  #admitted: string | undefined
  #wake: (() => void) | undefined
  #lookedUpAt = 0

  constructor(socket: Socket, services: ImapServices, guard: Guard, settings: ConnectionSettings) {
    this.#services = services
    this.#guard = guard
    this.#settings = settings
    this.#line = new Line(socket, settings.limits.preAuthMs, {
      silent: () => this.#out.line('* BYE You were silent for too long'),
      closed: () => this.#wake?.(),
    })
    this.#out = this.#line.out
    this.session = new Session({
      services,
      limits: settings.limits,
      out: this.#out,
      address: this.#line.address,
      secure: settings.secure,
      canStartTls: settings.tls !== undefined,
      insecureAuth: settings.insecureAuth,
    })
  }

  /** Serves the client until one side has enough. Never rejects. */
  async run(): Promise<void> {
    const { limits, hostname } = this.#settings
    this.#out.line(`* OK [CAPABILITY ${capabilities(this.session)}] ${hostname} Everpost ready`)
    this.#out.flush()
    let bad = 0
    while (this.#line.open) {
      try {
        const given = await this.#readCommand()
        if (given === undefined) break
        if (given !== null) bad = (await this.#execute(given)) ? 0 : bad + 1
        if (bad >= limits.badCommands) throw new Goodbye('Too many errors')
      } catch (error) {
        this.#fail(error)
      }
      if (!this.#line.reader.pending) this.#out.flush()
      await this.#out.drained()
    }
    if (this.#admitted !== undefined) this.#guard.leave(this.#admitted)
    this.#line.finish()
  }

  /** The line is of no more use. */
  #fail(error: unknown): void {
    if (error instanceof Goodbye) this.#out.line(`* BYE ${error.message}`)
    else if (error instanceof BadCommand) {
      this.#out.line(`* BAD ${error.message}`)
      return
    } else {
      this.#services.log('imap session failed', { error: error instanceof Error ? error.message : String(error) })
      this.#out.line('* BYE Something went wrong here')
    }
    this.close()
  }

  /** Ends after what is being answered. */
  close(): void {
    this.#line.close()
  }

  /** The server stops: clients are told, and come back later. */
  shutDown(): void {
    if (!this.#line.open) return
    this.#out.line('* BYE Shutting down, come back in a moment')
    this.#line.hangUp()
  }

  // ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Undefined at the end; null for a line that is none, which has been answered. */
  async #readCommand(): Promise<Given | null | undefined> {
    const { limits } = this.#settings
    const lines: string[] = []
    const literals: Literal<StoredMessage>[] = []
    let total = 0
    for (;;) {
      let line: Buffer | null
      try {
        line = await (lines.length === 0 ? this.#firstLine() : this.#line.reader.line(limits.lineBytes))
      } catch (error) {
        if (!(error instanceof LineTooLong)) throw error
        throw new BadCommand('This line is too long')
      }
      if (line === null) return undefined
      const text = line.toString('latin1')
      total += text.length
      lines.push(text)
      const found = LITERAL.exec(text)
      if (!found) break
      const tag = TAG.exec(lines[0] ?? '')?.[1] ?? '*'
      const literal = await this.#readLiteral(lines[0] ?? '', tag, {
        size: Number(found[2]),
        binary: found[1] === '~',
        waits: found[3] === '',
        total,
      })
      if (!literal) return null
      if ('bytes' in literal && literal.bytes.length <= limits.literalBytes) total += literal.bytes.length
      if (total > limits.commandBytes) throw new Goodbye('This command is too long')
      literals.push(literal)
    }
    return this.#toCommand(lines, literals)
  }

  #toCommand(lines: string[], literals: readonly Literal<StoredMessage>[]): Given | null {
    const first = lines[0] ?? ''
    const tag = TAG.exec(first)
    if (!tag) {
      if (first !== '') this.#out.line('* BAD A command begins with a tag and a space')
      return null
    }
    lines[0] = first.slice(tag[0].length)
    const args: CommandArguments = new Arguments(lines, literals, this.#settings.limits.depth)
    try {
      let name = args.word()
      const byUid = name === 'UID'
      if (byUid) {
        args.space()
        name = args.word()
      }
      return { tag: tag[1] as string, name, byUid, args }
    } catch {
      this.#out.line(`${tag[1]} BAD A command has a name`)
      return null
    }
  }

  /** Undefined when it was refused, with an answer. */
  async #readLiteral(
    command: string,
    tag: string,
    literal: { readonly size: number; readonly binary: boolean; readonly waits: boolean; readonly total: number },
  ): Promise<Literal<StoredMessage> | undefined> {
    const { limits } = this.#settings
    const { size, binary, waits } = literal
    const isMessage = this.session.account !== undefined && /^\S+ +(?:APPEND|(?:UID +)?REPLACE) /i.test(command)
    const limit = isMessage ? limits.messageBytes : this.session.account ? limits.literalBytes : BEFORE_SIGN_IN
    const fits = size <= limit && literal.total + (isMessage ? 0 : size) <= limits.commandBytes
    if (!fits) {
      // RFC 7888 §4: a literal that is not waited for comes whatever is said.
      if (!waits && size > limits.messageBytes * 2) throw new Goodbye('This literal is too large')
      if (!waits) {
        for await (const _ of this.#line.reader.bytes(size));
        await this.#line.reader.line(limits.lineBytes).catch(() => null)
      }
      this.#out.line(
        `${tag} ${isMessage ? 'NO [TOOBIG] The message' : 'BAD This string'} is larger than ${limit} bytes`,
      )
      return undefined
    }
    if (waits) {
      this.#out.line('+ go on')
      this.#out.flush()
    }
    return isMessage && size > IN_MEMORY ? this.#storeLiteral(size, binary) : this.#holdLiteral(size, binary)
  }

  async #holdLiteral(size: number, binary: boolean): Promise<Literal<StoredMessage>> {
    const pieces: Buffer[] = []
    for await (const piece of this.#literalPieces(size)) pieces.push(piece)
    return { bytes: Buffer.concat(pieces), binary }
  }

  async #storeLiteral(size: number, binary: boolean): Promise<Literal<StoredMessage>> {
    return { stored: await storeMail(this.#services.blobs, this.#literalPieces(size)), binary }
  }

  async *#literalPieces(size: number): AsyncGenerator<Buffer> {
    let got = 0
    for await (const piece of this.#line.reader.bytes(size)) {
      got += piece.length
      yield piece
    }
    if (got < size) throw new Goodbye('The client has gone')
  }

  // ── Running ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** True when the command was understood. */
  async #execute({ tag, name, byUid, args }: Given): Promise<boolean> {
    const { session } = this
    const out = this.#out
    const command = COMMANDS.get(name)
    const shown = byUid ? `UID ${name}` : name
    try {
      if (!command || (byUid && !command.uid)) throw new BadCommand('This command is not known')
      if (session.enabled.has('UIDONLY') && command.uid && !byUid && name !== 'EXPUNGE')
        throw new Refused('Message numbers are not used any more: give UIDs', 'UIDREQUIRED')
      this.#allow(command.when)
      await this.#lookUpAgain()
      await session.refreshRights()
      // A UID may have come from elsewhere: what it names must be known before it is looked for.
      if (byUid) await session.tell({ expunge: true })
      session.progress.begin(tag)
      const answer = await command.run(session, args, { byUid, tag, connection: this })
      await session.tell({
        expunge: answer.holdExpunges !== true,
        ...(answer.quiet ? { quiet: answer.quiet } : {}),
      })
      out.line(`${tag} OK ${answer.code ? `[${answer.code}] ` : ''}${answer.text ?? `${shown} done`}`)
      if (answer.after) {
        out.flush()
        await answer.after()
      }
      return true
    } catch (error) {
      if (error instanceof BadCommand) {
        out.line(`${tag} BAD ${error.message}`)
        return false
      }
      if (error instanceof Refused) {
        out.line(`${tag} NO ${error.code ? `[${error.code}] ` : ''}${error.message}`)
        return true
      }
      if (error instanceof Goodbye) throw error
      out.line(`${tag} NO ${this.#trouble(error, shown)}`)
      return true
    }
  }

  /** A session does not outlive the password that it began with, nor its account. */
  async #lookUpAgain(): Promise<void> {
    const { account } = this.session
    const now = performance.now()
    if (!account || now - this.#lookedUpAt < this.#settings.limits.recheckMs) return
    this.#lookedUpAt = now
    const current = await this.#services.directory.account(account.id)
    if (!current || current.erased) throw new Goodbye('This account is no longer here')
    if (current.passwordRevision !== account.passwordRevision)
      throw new Goodbye('The password was changed: sign in again')
  }

  #allow(when: 'any' | 'before-sign-in' | 'signed-in' | 'selected'): void {
    const { account, selected } = this.session
    if (when === 'before-sign-in' && account) throw new BadCommand('You are signed in already')
    if ((when === 'signed-in' || when === 'selected') && !account) throw new BadCommand('Sign in first')
    if (when === 'selected' && !selected) throw new BadCommand('Select a mailbox first')
  }

  #trouble(error: unknown, command: string): string {
    if (error instanceof EventStoreError || error instanceof BlobError) {
      if (error.code === 'disk-full') return '[OVERQUOTA] There is no space left on the server'
      if (error.code === 'closed') return '[UNAVAILABLE] Shutting down, try again later'
    }
    const message = error instanceof Error ? error.message : String(error)
    this.#services.log('imap command failed', { command, error: message })
    if (isUnavailable(error)) return '[UNAVAILABLE] A part of the system cannot be reached just now, try again'
    return '[SERVERBUG] Something went wrong here, try again'
  }

  // ── What commands need of the line ─────────────────────────────────────────────────────────────────────────────────────

  /** Sends a challenge and answers the line that the client sends back; null when it has gone. */
  async ask(challenge: string): Promise<string | null> {
    this.#out.line(`+ ${challenge}`)
    this.#out.flush()
    return (await this.#line.reader.line(this.#settings.limits.lineBytes))?.toString('latin1') ?? null
  }

  /** The line that a command begins with. A client of NOTIFY is told meanwhile what it wants to hear (RFC 5465). */
  #firstLine(): Promise<Buffer | null> {
    const { session } = this
    if (!session.notifications || this.#line.reader.pending)
      return this.#line.reader.line(this.#settings.limits.lineBytes)
    return this.#lineWhile(async () => {
      await session.notify()
      this.#out.flush()
      await this.#out.drained()
    })
  }

  /** Calls `tell` whenever a mailbox has changed, until the client sends a line: that line, or null when it has gone. */
  async idle(tell: () => Promise<void>): Promise<string | null> {
    const line = await this.#lineWhile(async () => {
      await tell()
      await this.session.notify()
      this.#out.flush()
    })
    return line?.toString('latin1').trim() ?? null
  }

  async #lineWhile(tell: () => Promise<void>): Promise<Buffer | null> {
    let changed = true
    let ended = false
    const ring = () => this.#wake?.()
    const change = () => {
      changed = true
      ring()
    }
    const accounts = await this.session.watched()
    const watches = accounts.map((account) => this.#services.live.watch(account, change))
    const line = this.#line.reader.line(this.#settings.limits.lineBytes).finally(() => {
      ended = true
      ring()
    })
    line.catch(() => undefined)
    try {
      while (!ended && this.#line.open) {
        if (changed) {
          changed = false
          await this.#lookUpAgain()
          await this.session.refreshRights()
          await tell()
          continue
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      this.#wake = undefined
      for (const stop of watches) stop()
    }
    return line
  }

  get binding(): ChannelBinding | undefined {
    return this.#line.binding
  }

  get guard(): Guard {
    return this.#guard
  }

  /** Whether the account may have one more session; from here on the line may be quiet for long. */
  admit(account: string): boolean {
    if (!this.#guard.enter(account)) return false
    this.#admitted = account
    this.#lookedUpAt = performance.now()
    this.#line.timeout(this.#settings.limits.idleMs)
    return true
  }

  startTls(): void {
    const { tls, limits } = this.#settings
    if (!tls) return
    this.#line.startTls(tls, limits.preAuthMs)
    this.session.secure = true
  }

  compress(): void {
    this.session.compressed = true
    this.#line.compress()
  }
}
