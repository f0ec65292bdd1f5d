// One POP3 client: reads lines, runs the command that each is, answers.
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import { contextOf } from '../../commands/context.ts'
import type { DirectoryAccount } from '../../commands/ports/views.ts'
import { ByteReader, LineTooLong } from '../wire/byte-reader.ts'
import type { Guard } from '../wire/guard.ts'
import { Output } from '../wire/output.ts'
import { COMMANDS } from './commands/index.ts'
import type { Maildrop } from './maildrop.ts'
import { Refused } from './refused.ts'
import type { Locks, Pop3Limits, Pop3Services, Sharing } from './services.ts'

export interface Pop3ConnectionSettings {
  readonly hostname: string
  readonly tls: SecureContext | undefined
  readonly secure: boolean
  readonly insecureAuth: boolean
  readonly sharing: Sharing
  readonly limits: Pop3Limits
}

export class Pop3Connection {
  readonly services: Pop3Services
  readonly settings: Pop3ConnectionSettings
  readonly guard: Guard
  readonly out: Output
  readonly address: string
  secure: boolean
  /** The name that USER gave. */
  user: string | undefined
  account: DirectoryAccount | undefined
  maildrop: Maildrop | undefined
  readonly #locks: Locks
  #socket: Socket
  #reader: ByteReader
  #open = true

  constructor(socket: Socket, services: Pop3Services, guard: Guard, locks: Locks, settings: Pop3ConnectionSettings) {
    this.#socket = socket
    this.services = services
    this.guard = guard
    this.#locks = locks
    this.settings = settings
    this.secure = settings.secure
    this.address = socket.remoteAddress ?? ''
    this.out = new Output(socket)
    this.#reader = this.#listen(socket)
    socket.setNoDelay(true)
    socket.setTimeout(settings.limits.preAuthMs)
  }

  get mayUsePasswords(): boolean {
    return this.secure || this.settings.insecureAuth
  }

  /** Serves the client until one side has enough. Never rejects. */
  async run(): Promise<void> {
    const { limits, hostname } = this.settings
    this.out.line(`+OK ${hostname} Everpost ready`)
    this.out.flush()
    let bad = 0
    while (this.#open) {
      try {
        const line = await this.#reader.line(limits.lineBytes)
        if (line === null) break
        bad = (await this.#execute(line.toString('latin1'))) ? 0 : bad + 1
      } catch (error) {
        if (!(error instanceof LineTooLong)) {
          this.#report(error)
          break
        }
        this.out.line('-ERR This line is too long')
        bad++
      }
      if (bad >= limits.badCommands) {
        this.out.line('-ERR Too many errors')
        break
      }
      if (!this.#reader.pending) this.out.flush()
      await this.out.drained()
    }
    this.#open = false
    if (this.account) {
      this.guard.leave(this.account.id)
      if (this.maildrop) this.#locks.delete(this.account.id)
    }
    this.out.close()
    this.#socket.end()
  }

  /** True when the command was understood. */
  async #execute(line: string): Promise<boolean> {
    const [, name = '', rest = ''] = /^(\S*) ?(.*)$/.exec(line) ?? []
    const command = COMMANDS.get(name.toUpperCase())
    try {
      if (!command) throw new Refused('This command is not known')
      if (command.when === 'authorization' && this.account) throw new Refused('You are signed in already')
      if (command.when === 'transaction' && !this.maildrop) throw new Refused('Sign in first')
      await command.run(this, rest.trimEnd())
      return true
    } catch (error) {
      if (error instanceof Refused) {
        this.out.line(`-ERR ${error.code ? `[${error.code}] ` : ''}${error.message}`)
        return command !== undefined
      }
      this.#report(error)
      this.out.line('-ERR [SYS/TEMP] Something went wrong here, try again')
      return true
    }
  }

  #report(error: unknown): void {
    this.services.log('pop3 command failed', { error: error instanceof Error ? error.message : String(error) })
  }

  /** Gives the account its maildrop, or refuses with the reason that RFC 2449 and RFC 3206 have for it. */
  enter(account: DirectoryAccount): void {
    if (!this.guard.enter(account.id)) throw new Refused('Too many sessions of this account', 'IN-USE')
    if (this.settings.sharing === 'exclusive' && this.#locks.has(account.id)) {
      this.guard.leave(account.id)
      throw new Refused('Another session has the mailbox', 'IN-USE')
    }
    this.#locks.add(account.id)
    this.account = account
    this.#socket.setTimeout(this.settings.limits.idleMs)
  }

  context() {
    return contextOf(this.account?.id ?? '', 'pop3', {
      at: this.services.now(),
      client: { address: this.address },
    })
  }

  async ask(challenge: string): Promise<string | null> {
    this.out.line(`+ ${challenge}`)
    this.out.flush()
    return (await this.#reader.line(this.settings.limits.lineBytes))?.toString('latin1') ?? null
  }

  close(): void {
    this.#open = false
  }

  shutDown(): void {
    if (!this.#open) return
    this.#open = false
    this.#reader.end()
    this.out.flush()
    this.#socket.end()
  }

  /** RFC 2595 §4: everything begins anew, and what was sent in clear after the command does not count. */
  startTls(): void {
    const { tls, limits } = this.settings
    if (!tls) return
    this.out.flush()
    const plain = this.#socket
    plain.removeAllListeners('data')
    plain.removeAllListeners('timeout')
    this.#reader.clear()
    const secured = new TLSSocket(plain, { isServer: true, secureContext: tls })
    this.#socket = secured
    this.#reader = this.#listen(secured)
    this.out.redirect(secured)
    this.secure = true
    this.user = undefined
    secured.setTimeout(limits.preAuthMs)
    plain.resume()
  }

  #listen(socket: Socket): ByteReader {
    const reader = new ByteReader((full) => {
      if (full) this.#socket.pause()
      else this.#socket.resume()
    })
    const end = () => {
      this.#open = false
      reader.end()
    }
    socket.on('data', (chunk: Buffer) => reader.push(chunk))
    socket.on('end', end)
    socket.on('close', end)
    // Broken lines are the client's affair.
    socket.on('error', end)
    // RFC 1939 §3: silently, and without deleting anything.
    socket.on('timeout', () => {
      end()
      socket.end()
    })
    return reader
  }
}
