// One POP3 client: reads lines, runs the command that each is, answers.
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { contextOf } from '../../commands/context.ts'
import type { DirectoryAccount } from '../../commands/ports/views.ts'
import { LineTooLong } from '../wire/byte-reader.ts'
import type { ChannelBinding } from '../wire/channel-binding.ts'
import type { Guard } from '../wire/guard.ts'
import { Line } from '../wire/line.ts'
import type { Output } from '../wire/output.ts'
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
  readonly #line: Line
  secure: boolean
  /** The name that USER gave. */
  user: string | undefined
  account: DirectoryAccount | undefined
  maildrop: Maildrop | undefined
  readonly #locks: Locks

  constructor(socket: Socket, services: Pop3Services, guard: Guard, locks: Locks, settings: Pop3ConnectionSettings) {
    this.services = services
    this.guard = guard
    this.#locks = locks
    this.settings = settings
    this.secure = settings.secure
    // RFC 1939 §3: a silent client is left silently, and nothing is deleted.
    this.#line = new Line(socket, settings.limits.preAuthMs)
  }

  get out(): Output {
    return this.#line.out
  }

  get address(): string {
    return this.#line.address
  }

  get binding(): ChannelBinding | undefined {
    return this.#line.binding
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
    while (this.#line.open) {
      try {
        const line = await this.#line.reader.line(limits.lineBytes)
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
      if (!this.#line.reader.pending) this.out.flush()
      await this.out.drained()
    }
    if (this.account) {
      this.guard.leave(this.account.id)
      if (this.maildrop) this.#locks.delete(this.account.id)
    }
    this.#line.finish()
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
    this.#line.timeout(this.settings.limits.idleMs)
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
    return (await this.#line.reader.line(this.settings.limits.lineBytes))?.toString('latin1') ?? null
  }

  close(): void {
    this.#line.close()
  }

  shutDown(): void {
    if (this.#line.open) this.#line.hangUp()
  }

  startTls(): void {
    const { tls, limits } = this.settings
    if (!tls) return
    this.#line.startTls(tls, limits.preAuthMs)
    this.secure = true
    this.user = undefined
  }
}
