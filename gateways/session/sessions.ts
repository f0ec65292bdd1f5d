// Who a request is from: session tokens, API tokens, the one-time link of the first sign-in.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { authenticate, authenticateToken } from '../../commands/authenticate.ts'
import { changeAccount } from '../../commands/change-account.ts'
import { contextOf } from '../../commands/context.ts'
import { hashPassword, passwordProblem, verifyPassword } from '../../commands/passwords.ts'
import { newVerifier } from '../../commands/scram.ts'
import { type AccountId, accountStream, type Revision } from '../../domain/log.ts'
import type { DirectoryRow } from '../../projections/queries.ts'
import { MemorySharedState, type SharedState } from '../limits/shared-state.ts'
import type { WebDependencies } from '../web/dependencies.ts'
import { ProblemError } from '../web/problem.ts'
import { BackOff } from './back-off.ts'
import { SessionTokens } from './tokens.ts'

/** Address and program of the client, for the events that it causes. */
export interface Client {
  readonly address: string
  readonly name: string
}

export interface SignedIn {
  readonly account: DirectoryRow
  /** Names the session or the API token: what subscriptions are counted by. */
  readonly session: string
}

const WELCOME_LIFE = 24 * 3_600_000
/** Argon2 takes 19 MiB each: this many at once, and this many waiting. */
const HASHING = 4
const WAITING = 64
const endedKey = (nonce: string): string => `ended ${nonce}`

export class Sessions {
  readonly #deps: Pick<WebDependencies, 'views' | 'journal' | 'source' | 'waitForPosition'>
  readonly #tokens: SessionTokens
  readonly #welcomeKey: Buffer
  readonly #now: () => number
  readonly #backOff: BackOff
  /** Sessions ended before their time, and wrong passwords: of all processes where they share it. */
  readonly #state: SharedState
  readonly #usedWelcomes = new Set<string>()
  readonly #endListeners = new Set<() => void>()
  #hashing = 0
  readonly #queue: (() => void)[] = []

  constructor(
    deps: Pick<WebDependencies, 'views' | 'journal' | 'source' | 'waitForPosition'>,
    sessionKey: Uint8Array,
    now: () => number,
    state: SharedState = new MemorySharedState(now),
  ) {
    this.#deps = deps
    this.#tokens = new SessionTokens(sessionKey)
    // With a part that dies with the process: a welcome link is used once, and a restart prints a new one.
    this.#welcomeKey = createHmac('sha256', sessionKey).update('welcome').update(randomBytes(32)).digest()
    this.#now = now
    this.#state = state
    this.#backOff = new BackOff(state, now)
  }

  /** Who the token belongs to as of now; undefined for one that is not valid, or not any more. */
  async signedIn(token: string): Promise<SignedIn | undefined> {
    if (token.startsWith('ep_')) return this.#byApiToken(token)
    const claims = this.#tokens.read(token, this.#now())
    if (!claims || (await this.#state.marked(endedKey(claims.nonce)))) return undefined
    const account = await this.#deps.views.directory.account(claims.account)
    if (!account || account.erased) return undefined
    if ((account.passwordRevision ?? -1n) > (claims.passwordRevision ?? -1n)) return undefined
    return { account, session: claims.nonce }
  }

  async #byApiToken(token: string): Promise<SignedIn | undefined> {
    const found = await authenticateToken(this.#deps.views.directory, token)
    return found && { account: found.account, session: found.id }
  }

  /** Throws one and the same problem for whatever was wrong. */
  async signIn(address: string, password: string, client: Client): Promise<{ token: string; account: DirectoryRow }> {
    const wait = await this.#backOff.wait(address, client.address)
    if (wait > 0) {
      const retryAfter = Math.ceil(wait / 1000)
      throw new ProblemError(429, 'slow-down', `Too many wrong passwords: try again in ${retryAfter} s.`, {
        retryAfter,
      })
    }
    const right = await this.#hashed(() => authenticate(this.#deps.views.directory, address, password))
    const account = right && (await this.#deps.views.directory.account(right.id))
    if (!account) {
      await this.#backOff.failed(address, client.address)
      throw new ProblemError(401, 'wrong-credentials', 'The address or the password is wrong.')
    }
    await this.#backOff.succeeded(address, client.address)
    return { token: this.#tokens.issue(account.id, account.passwordRevision, this.#now()), account }
  }

  /** A link that signs in once, within a day, and only until the account's password is set. Holds until this process ends. */
  async createWelcomeToken(accountId: AccountId): Promise<string> {
    const revision = await this.#passwordRevision(accountId)
    const payload = Buffer.from(
      JSON.stringify([
        accountId,
        String(revision ?? ''),
        this.#now() + WELCOME_LIFE,
        randomBytes(9).toString('base64url'),
      ]),
    )
    return `${payload.toString('base64url')}.${this.#welcomeMac(payload).toString('base64url')}`
  }

  async welcome(token: string): Promise<{ token: string; account: DirectoryRow }> {
    const over = new ProblemError(
      401,
      'link-over',
      'This sign-in link was used or is over: restart the server for a new one, or sign in with the password.',
    )
    const [body = '', mac = ''] = token.length > 500 ? [] : token.split('.')
    const payload = Buffer.from(body, 'base64url')
    const given = Buffer.from(mac, 'base64url')
    const right = this.#welcomeMac(payload)
    if (given.length !== right.length || !timingSafeEqual(given, right)) throw over
    const [id, revision, expires, nonce] = JSON.parse(payload.toString()) as [string, string, number, string]
    if (expires <= this.#now() || this.#usedWelcomes.has(nonce)) throw over
    this.#usedWelcomes.add(nonce)
    const account = await this.#deps.views.directory.account(id)
    if (!account || account.erased || String(account.passwordRevision ?? '') !== revision) throw over
    return { token: this.#tokens.issue(account.id, account.passwordRevision, this.#now()), account }
  }

  /** Sets the password, which ends every other session, and answers a new token for this one. */
  async setPassword(who: SignedIn, password: string, current: string | undefined, client: Client): Promise<string> {
    const problem = passwordProblem(password)
    if (problem) throw new ProblemError(422, 'bad-password', problem, { field: 'password' })
    const { account } = who
    if (account.passwordHash !== undefined) {
      const wait = await this.#backOff.wait(account.address, client.address)
      if (wait > 0)
        throw new ProblemError(429, 'slow-down', 'Too many wrong passwords: try again later.', {
          retryAfter: Math.ceil(wait / 1000),
        })
      if (!(await this.#hashed(() => verifyPassword(current ?? '', account.passwordHash)))) {
        await this.#backOff.failed(account.address, client.address)
        throw new ProblemError(403, 'wrong-password', 'The current password is wrong.', { field: 'current' })
      }
    }
    const hash = await this.#hashed(() => hashPassword(password))
    const context = contextOf(account.id, 'rest', { at: this.#now(), client })
    const scram = await newVerifier(account, password)
    const change = { type: 'ChangePassword' as const, hash, ...scram }
    const outcome = await changeAccount(this.#deps.journal, context, account.id, change)
    if (!outcome.ok) throw new ProblemError(409, outcome.refusal.code, outcome.refusal.message)
    // From here on every request of an older session meets the new password.
    const head = await this.#deps.source.head()
    if (head !== undefined) await this.#deps.waitForPosition(head).catch(() => undefined)
    this.#changed()
    return this.#tokens.issue(account.id, outcome.revision, this.#now())
  }

  /** Ends one session, in every process that shares the state. */
  async signOut(token: string): Promise<void> {
    const claims = this.#tokens.read(token, this.#now())
    if (!claims) return
    await this.#state.mark(endedKey(claims.nonce), Math.max(1, claims.expires - this.#now()))
    this.#changed()
  }

  /** Called when sessions may have ended: who holds one open asks again whether it is valid. */
  onEnded(listener: () => void): () => void {
    this.#endListeners.add(listener)
    return () => this.#endListeners.delete(listener)
  }

  #changed(): void {
    for (const listener of this.#endListeners) listener()
  }

  #welcomeMac(payload: Uint8Array): Buffer {
    return createHmac('sha256', this.#welcomeKey).update(payload).digest()
  }

  /** From the log, not the view: an account that was opened a moment ago counts. */
  async #passwordRevision(account: AccountId): Promise<Revision | undefined> {
    let newest: Revision | undefined
    for await (const event of this.#deps.journal.readStream(accountStream(account)))
      if (event.type === 'PasswordChanged') newest = event.revision
    return newest
  }

  async #hashed<T>(work: () => Promise<T>): Promise<T> {
    if (this.#hashing >= HASHING) {
      if (this.#queue.length >= WAITING)
        throw new ProblemError(503, 'busy', 'Too many people are signing in just now: try again.', { retryAfter: 2 })
      await new Promise<void>((resolve) => this.#queue.push(resolve))
    }
    this.#hashing++
    try {
      return await work()
    } finally {
      this.#hashing--
      this.#queue.shift()?.()
    }
  }
}
