// What TLS a host must have, by what its domain has published: DANE where the DNS is validated, else MTA-STS, else what the host offers.
import { type Resolver, ResolverError } from '../../commands/ports/resolver.ts'
import { daneProblem, usable } from './dane.ts'
import type { StsPolicies } from './mta-sts.ts'
import type { Addresses, Route } from './route.ts'
import { NO_POLICY, type TlsDemand, type TlsPolicies, type TlsPolicy } from './tls-policy.ts'
import { failureOf } from './ways.ts'

export class PublishedPolicies implements TlsPolicies {
  readonly #resolver: Resolver
  readonly #sts: StsPolicies
  readonly #now: () => number

  constructor(resolver: Resolver, sts: StsPolicies, now: () => number = Date.now) {
    this.#resolver = resolver
    this.#sts = sts
    this.#now = now
  }

  async ofDomain(domain: string): Promise<TlsPolicy> {
    return domain.startsWith('[') ? NO_POLICY : this.#sts.of(domain)
  }

  async ofHost(
    policy: TlsPolicy,
    route: Route,
    host: string,
    addresses: Addresses,
    requireTls: boolean,
  ): Promise<TlsDemand> {
    const dane = route.byMx && route.secure && addresses.secure ? await this.#dane(route, host) : undefined
    if (dane) return dane
    if (policy.kind === 'sts') {
      const facts = { policy: 'sts', policyDomain: route.domain } as const
      const allowed = policy.allows(host)
      if (policy.mode === 'testing')
        return {
          ...(requireTls ? webPki() : { required: false }),
          facts: allowed ? facts : { ...facts, failure: 'validation-failure' },
        }
      if (!allowed)
        return {
          required: true,
          refusal: `the MTA-STS policy of ${route.domain} does not name this host`,
          facts: { ...facts, failure: 'validation-failure' },
        }
      return { ...webPki(), facts }
    }
    const facts = { policy: 'none', ...(route.byMx ? { policyDomain: route.domain } : {}) } as const
    return requireTls ? { ...webPki(), facts } : { required: false, facts }
  }

  /** Undefined where there is no DANE. */
  async #dane(route: Route, host: string): Promise<TlsDemand | undefined> {
    const facts = { policy: 'dane', policyDomain: route.domain } as const
    try {
      const { records, secure } = await this.#resolver.resolve(`_${route.port}._tcp.${host}`, 'TLSA')
      if (!secure) return undefined
      const good = usable(records)
      // Records that nobody can use still say that the host speaks TLS (RFC 7672 §2.2).
      if (good.length === 0) return { required: true, facts }
      const names = [host, route.domain]
      return { required: true, verify: (certificate) => daneProblem(certificate, good, names, this.#now()), facts }
    } catch (error) {
      if (!(error instanceof ResolverError)) throw error
      if (error.code !== 'temporary') return undefined
      // Someone may be hiding the records: not without them (RFC 7672 §2.1.2).
      return {
        required: true,
        refusal: 'its TLSA records cannot be asked for just now',
        facts: { ...facts, failure: 'dnssec-invalid' },
      }
    }
  }
}

/** A certificate that a public authority vouches for, and for this name. */
const webPki = (): Pick<TlsDemand, 'required' | 'verify'> => ({
  required: true,
  verify: (_certificate, socket) =>
    socket.authorized ? undefined : new Error(failureOf(String(socket.authorizationError ?? 'validation-failure'))),
})
