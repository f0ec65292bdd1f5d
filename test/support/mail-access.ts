// The embedded profile behind IMAP and POP3 listeners, with people who have passwords.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { newId } from '../../commands/identity.ts'
import { addDomain, openAccount } from '../../commands/open-account.ts'
import { newSecret } from '../../commands/passwords.ts'
import { receiveMail } from '../../commands/receive-mail.ts'
import { newVerifier } from '../../commands/scram.ts'
import { readMail } from '../../domain/mail/read.ts'
import { DEFAULT_IMAP_LIMITS, type ImapLimits } from '../../gateways/imap/limits.ts'
import { OpenedContents } from '../../gateways/imap/opened-contents.ts'
import { Rendered } from '../../gateways/imap/respond/rendered.ts'
import { listenImap } from '../../gateways/imap/server.ts'
import { listenPop3 } from '../../gateways/pop3/server.ts'
import { DEFAULT_POP3_LIMITS, type Pop3Limits, type Sharing } from '../../gateways/pop3/services.ts'
import { loadConfig } from '../../infra/config.ts'
import { liveMailboxes } from '../../infra/live-mailboxes.ts'
import { type Everpost, openEverpost } from '../../infra/open-everpost.ts'
import { loadTls, type TlsPair } from '../../infra/tls.ts'
import type { HeaderField } from '../../projections/ports/search-index.ts'
import { HASH, PASSWORD } from '../smtp/listener.ts'

export { PASSWORD }

export class MailAccess {
  readonly everpost: Everpost
  readonly tls: TlsPair
  readonly ids = new Map<string, string>()
  readonly logged: string[] = []
  readonly #live: ReturnType<typeof liveMailboxes>
  readonly #rendered = new Rendered()
  readonly #contents = new OpenedContents()

  private constructor(everpost: Everpost, tls: TlsPair) {
    this.everpost = everpost
    this.tls = tls
    this.#live = liveMailboxes(everpost.journal, everpost.projectors)
  }

  /** To be closed at the end. */
  static async start(): Promise<MailAccess> {
    const data = mkdtempSync(join(tmpdir(), 'everpost-access-'))
    const config = loadConfig({ data }, { EVERPOST_DNS_SERVERS: 'none' }, data)
    const everpost = await openEverpost(config)
    return new MailAccess(everpost, await loadTls(config, data))
  }

  async close(): Promise<void> {
    await this.everpost.close()
    rmSync(this.everpost.config.data, { recursive: true, force: true })
  }

  /** Opens an account whose password is `PASSWORD`; answers the name before the @. */
  async person(domain = 'example.test'): Promise<string> {
    const { everpost } = this
    const name = `p${this.ids.size + 1}`
    await addDomain(everpost.services, contextOf('test', 'cli', { commandId: `domain/${domain}` }), domain)
    await this.settle()
    const opened = await openAccount(everpost.services, contextOf('test', 'cli'), { address: `${name}@${domain}` })
    if (!opened.ok) throw new Error(opened.refusal.message)
    this.ids.set(name, opened.accountId)
    await this.changePassword(name)
    return name
  }

  /** To the same as before, which is a change all the same; `scram` makes the verifiers too, as the command line does. */
  async changePassword(name: string, { scram = false } = {}): Promise<void> {
    const verifier = scram ? await newVerifier(undefined, PASSWORD) : {}
    const change = { type: 'ChangePassword' as const, hash: HASH, ...verifier }
    await changeAccount(this.everpost.journal, contextOf('test', 'cli'), this.ids.get(name) ?? '', change)
    await this.settle()
  }

  /** A new token, which is an app password too. */
  async token(name: string): Promise<string> {
    const id = this.ids.get(name) ?? ''
    const { secret, hash } = newSecret()
    const token = `ep_${id}_${secret}`
    const scram = await newVerifier(await this.everpost.projectors.directory.account(id), token)
    const change = { type: 'AddAppPassword' as const, appPasswordId: newId(), label: 'test', hash, ...scram }
    await changeAccount(this.everpost.journal, contextOf('test', 'cli'), id, change)
    await this.settle()
    return token
  }

  get services() {
    const { everpost, logged } = this
    const { projectors } = everpost
    return {
      journal: everpost.journal,
      source: everpost.journal,
      blobs: everpost.blobs,
      directory: projectors.directory,
      nameHash: (text: string) => everpost.keyring.nameHash(text),
      snapshots: this.#live.live,
      mailbox: projectors.mailbox,
      live: this.#live.live,
      rendered: this.#rendered,
      contents: this.#contents,
      waitForRevision: (...args: Parameters<typeof projectors.waitForRevision>) => projectors.waitForRevision(...args),
      settle: () => everpost.services.settle(),
      substring: (account: string, needle: string, field: HeaderField | null) =>
        everpost.search.substring?.(account, needle, field) ?? Promise.resolve(undefined),
      now: Date.now,
      log: (event: string, facts: object) => void logged.push(`${event} ${JSON.stringify(facts)}`),
      count: () => undefined,
    }
  }

  /** The port of an IMAP listener of its own. */
  async imap(
    t: TestContext,
    options: {
      readonly limits?: Partial<ImapLimits>
      readonly insecureAuth?: boolean
      readonly implicitTls?: boolean
    } = {},
  ): Promise<number> {
    const listener = await listenImap(this.services, {
      host: '127.0.0.1',
      port: 0,
      hostname: 'mail.example.test',
      implicitTls: options.implicitTls ?? false,
      tls: this.tls,
      insecureAuth: options.insecureAuth ?? true,
      limits: { ...DEFAULT_IMAP_LIMITS, ...options.limits },
    })
    t.after(() => listener.close())
    return listener.port
  }

  async pop3(
    t: TestContext,
    options: {
      readonly limits?: Partial<Pop3Limits>
      readonly insecureAuth?: boolean
      readonly sharing?: Sharing
    } = {},
  ): Promise<number> {
    const listener = await listenPop3(this.services, {
      host: '127.0.0.1',
      port: 0,
      hostname: 'mail.example.test',
      implicitTls: false,
      tls: this.tls,
      insecureAuth: options.insecureAuth ?? true,
      sharing: options.sharing ?? 'shared',
      limits: { ...DEFAULT_POP3_LIMITS, ...options.limits },
      locks: new Set(),
    })
    t.after(() => listener.close())
    return listener.port
  }

  /** Delivers a message as SMTP would; resolves when it is on the log. */
  async deliver(name: string, raw: string | Uint8Array): Promise<void> {
    const { everpost } = this
    const bytes = typeof raw === 'string' ? Buffer.from(raw) : raw
    const accountId = this.ids.get(name) ?? ''
    const intakeId = newId()
    await receiveMail(everpost.journal, contextOf('smtp', 'smtp', { commandId: intakeId }), {
      intakeId,
      mailFrom: 'sender@elsewhere.test',
      recipients: [{ accountId, address: `${name}@example.test` }],
      blob: await everpost.blobs.put(bytes),
      mail: readMail(bytes),
    })
  }

  settle(): Promise<void> {
    return this.everpost.services.settle()
  }
}
