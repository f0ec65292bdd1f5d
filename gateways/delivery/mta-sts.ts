// MTA-STS (RFC 8461): the policy that a domain serves by HTTPS, known by the id in its DNS, kept as long as it says.
import { request } from 'node:https'
import { parsePolicy, validateMx } from 'mailauth/lib/mta-sts.js'
import { type Resolver, ResolverError } from '../../commands/ports/resolver.ts'
import { addressesOf } from './route.ts'
import { NO_POLICY, type TlsPolicy } from './tls-policy.ts'

/** The text of a domain's policy; rejects when it cannot be had as RFC 8461 §3.3 wants it. */
export type FetchPolicy = (domain: string) => Promise<string>

interface Kept {
  readonly id: string
  readonly policy: TlsPolicy
  readonly lines: readonly string[]
  readonly until: number
}

const MAX_POLICY_BYTES = 64 * 1024
const FETCH_MS = 20_000
const REMEMBERED = 10_000
/** After a fetch that failed: the id is not asked for again at every message. */
const RETRY_MS = 5 * 60_000
/** RFC 8461 §3.2: max_age at most. */
const LONGEST_MS = 31_557_600_000

export class StsPolicies {
  readonly #resolver: Resolver
  readonly #fetch: FetchPolicy
  readonly #now: () => number
  readonly #kept = new Map<string, Kept>()
  readonly #failed = new Map<string, number>()

  constructor(resolver: Resolver, fetch: FetchPolicy, now: () => number = Date.now) {
    this.#resolver = resolver
    this.#fetch = fetch
    this.#now = now
  }

  /** Total: without a live policy the one known before holds until its time is over, else there is none (RFC 8461 §5.1). */
  async of(domain: string): Promise<TlsPolicy> {
    const kept = this.#valid(domain)
    const id = await this.#currentId(domain)
    if (id === undefined || id === kept?.id) return kept?.policy ?? NO_POLICY
    if ((this.#failed.get(`${domain} ${id}`) ?? 0) > this.#now()) return kept?.policy ?? NO_POLICY
    try {
      const text = await this.#fetch(domain)
      const { mode, maxAge, mx } = parsePolicy(text, { strict: true })
      const policy: TlsPolicy =
        mode === 'enforce' || mode === 'testing'
          ? {
              kind: 'sts',
              mode,
              allows: (host) => validateMx(host, { id, mode, mx: mx ?? [] }).valid,
            }
          : NO_POLICY
      if (this.#kept.size >= REMEMBERED) this.#kept.clear()
      const until = this.#now() + Math.min(LONGEST_MS, (maxAge ?? 0) * 1000)
      this.#kept.set(domain, { id, policy, until, lines: linesOf(text) })
      return policy
    } catch {
      if (this.#failed.size >= REMEMBERED) this.#failed.clear()
      this.#failed.set(`${domain} ${id}`, this.#now() + RETRY_MS)
      return kept?.policy ?? NO_POLICY
    }
  }

  /** The lines of the live policy, for reports; undefined when there is none. */
  async lines(domain: string): Promise<readonly string[] | undefined> {
    await this.of(domain)
    return this.#valid(domain)?.lines
  }

  #valid(domain: string): Kept | undefined {
    const kept = this.#kept.get(domain)
    return kept && kept.until > this.#now() ? kept : undefined
  }

  /** The id of the one record that is a policy's; several are none (RFC 8461 §3.1). */
  async #currentId(domain: string): Promise<string | undefined> {
    try {
      const { records } = await this.#resolver.resolve(`_mta-sts.${domain}`, 'TXT')
      const found = records.filter((text) => /^v=STSv1\s*;/.test(text))
      return found.length === 1 ? /;\s*id\s*=\s*([A-Za-z0-9]{1,32})\s*(?:;|$)/.exec(found[0] ?? '')?.[1] : undefined
    } catch (error) {
      if (error instanceof ResolverError) return undefined
      throw error
    }
  }
}

const MAX_LINES = 50

const linesOf = (text: string): readonly string[] =>
  text
    .split(/\r?\n/, MAX_LINES)
    .map((line) => line.trim().slice(0, 300))
    .filter((line) => line !== '')

/** Over HTTPS, names by our own resolver, certificates by the public authorities; no redirects (RFC 8461 §3.3). */
export function httpsPolicy(
  resolver: Resolver,
  options: { readonly port?: number; readonly ca?: string } = {},
): FetchPolicy {
  return async (domain) => {
    const host = `mta-sts.${domain}`
    const found = await addressesOf(host, resolver)
    if (!('addresses' in found)) throw new Error(found.answer)
    return new Promise((resolve, reject) => {
      const asking = request(
        {
          host: found.addresses[0],
          port: options.port ?? 443,
          servername: host,
          headers: { host },
          path: '/.well-known/mta-sts.txt',
          agent: false,
          rejectUnauthorized: true,
          ...(options.ca ? { ca: options.ca } : {}),
          signal: AbortSignal.timeout(FETCH_MS),
        },
        (response) => {
          const type = (response.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
          if (response.statusCode !== 200 || type !== 'text/plain') {
            response.destroy()
            return reject(new Error(`${host} answered ${response.statusCode} ${type}`))
          }
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => {
            text += chunk
            if (text.length > MAX_POLICY_BYTES) response.destroy(new Error(`The policy of ${domain} is too large`))
          })
          response.on('error', reject)
          response.on('end', () => resolve(text))
        },
      )
      asking.on('error', reject)
      asking.end()
    })
  }
}
