// One ManageSieve client: reads commands, runs them, answers.
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { contextOf } from '../../commands/context.ts'
import type { DirectoryAccount } from '../../commands/ports/views.ts'
import { LineTooLong } from '../wire/byte-reader.ts'
import type { ChannelBinding } from '../wire/channel-binding.ts'
import type { Guard } from '../wire/guard.ts'
import { Line } from '../wire/line.ts'
import type { Output } from '../wire/output.ts'
import { sendCapabilities } from './commands/capability.ts'
import { COMMANDS } from './commands/index.ts'
import { Refused, Unreadable } from './refused.ts'
import type { ManageSieveLimits, ManageSieveServices } from './services.ts'
import { readWords, stringOf, type Word } from './words.ts'

export interface ManageSieveConnectionSettings {
  readonly hostname: string
  readonly tls: SecureContext | undefined
  readonly insecureAuth: boolean
  readonly limits: ManageSieveLimits
}

export class ManageSieveConnection {
  readonly services: ManageSieveServices
  readonly settings: ManageSieveConnectionSettings
  readonly guard: Guard
  secure = false
  account: DirectoryAccount | undefined
  readonly #line: Line
  readonly #out: Output

  constructor(socket: Socket, services: ManageSieveServices, guard: Guard, settings: ManageSieveConnectionSettings) {
    this.services = services
    this.guard = guard
    this.settings = settings
    this.#line = new Line(socket, settings.limits.preAuthMs, {
      silent: () => this.#answer('BYE', 'Nothing was said for too long'),
    })
    this.#out = this.#line.out
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
    sendCapabilities(this)
    this.ok(`${this.settings.hostname} Everpost ready`)
    this.#out.flush()
    let bad = 0
    while (this.#line.open) {
      try {
        const words = await readWords(this.#line.reader, this.settings.limits)
        if (words === null) break
        bad = (await this.#execute(words)) ? 0 : bad + 1
      } catch (error) {
        bad++
        if (error instanceof LineTooLong) this.#answer('NO', 'This line is too long')
        else if (error instanceof Unreadable && !error.fatal) this.#answer('NO', error.message)
        else {
          if (error instanceof Unreadable) this.#answer('BYE', error.message)
          else this.#report(error)
          break
        }
      }
      if (bad >= this.settings.limits.badCommands) {
        this.#answer('BYE', 'Too many errors')
        break
      }
      if (!this.#line.reader.pending) this.#out.flush()
      await this.#out.drained()
    }
    this.leave()
    this.#line.finish()
  }

  /** True when the command was understood. */
  async #execute([name, ...words]: readonly Word[]): Promise<boolean> {
    if (name === undefined) return true
    const command = name.kind === 'atom' ? COMMANDS.get(name.text.toUpperCase()) : undefined
    try {
      if (!command) throw new Refused('This command is not known')
      if (command.when === 'signed-out' && this.account) throw new Refused('You are signed in already')
      if (command.when === 'signed-in' && !this.account) throw new Refused('Sign in first')
      await command.run(this, words)
      return true
    } catch (error) {
      if (error instanceof Refused) {
        this.#answer('NO', error.message, error.code)
        return command !== undefined && !this.#isWrongUse(error)
      }
      this.#report(error)
      this.#answer('NO', 'Something went wrong here, try again', 'TRYLATER')
      return true
    }
  }

  #isWrongUse(error: Refused): boolean {
    return error.code === undefined && this.account === undefined
  }

  #report(error: unknown): void {
    this.services.log('managesieve command failed', { error: error instanceof Error ? error.message : String(error) })
  }

  ok(text: string, code?: string): void {
    this.#answer('OK', text, code)
  }

  line(text: string): void {
    this.#out.bytes(Buffer.from(`${text}\r\n`))
  }

  #answer(kind: 'OK' | 'NO' | 'BYE', text: string, code?: string): void {
    this.line(`${kind}${code === undefined ? '' : ` (${code})`} ${stringOf(text)}`)
  }

  /** Asks for one more string in the middle of a command, as SASL does. */
  async ask(challenge: string): Promise<string | undefined> {
    this.line(stringOf(challenge))
    this.#out.flush()
    const words = await readWords(this.#line.reader, this.settings.limits)
    const [word, more] = words ?? []
    return word?.kind === 'string' && more === undefined ? word.text : undefined
  }

  enter(account: DirectoryAccount): void {
    if (!this.guard.enter(account.id)) throw new Refused('Too many sessions of this account', 'TRYLATER')
    this.account = account
    this.#line.timeout(this.settings.limits.idleMs)
  }

  leave(): void {
    if (this.account) this.guard.leave(this.account.id)
    this.account = undefined
    this.#line.timeout(this.settings.limits.preAuthMs)
  }

  context() {
    return contextOf(this.account?.id ?? '', 'managesieve', {
      at: this.services.now(),
      client: { address: this.address },
    })
  }

  close(): void {
    this.#line.close()
  }

  shutDown(): void {
    if (!this.#line.open) return
    this.#answer('BYE', 'Shutting down')
    this.#line.hangUp()
  }

  /** RFC 5804 §2.2: behind it the capabilities are told afresh. */
  startTls(): void {
    const { tls, limits } = this.settings
    if (!tls) return
    this.#line.startTls(tls, limits.preAuthMs)
    this.secure = true
    sendCapabilities(this)
    this.ok('TLS is on')
  }
}
