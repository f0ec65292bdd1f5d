// What TLS a host must have before it gets mail: by default what it offers, more where its domain has published more.
import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { TlsFacts } from '../../domain/submission/submission.ts'
import type { Addresses, Route } from './route.ts'

/** The policy of a domain. */
export type TlsPolicy =
  | { readonly kind: 'none' }
  | { readonly kind: 'sts'; readonly mode: 'enforce' | 'testing'; readonly allows: (host: string) => boolean }

export const NO_POLICY: TlsPolicy = { kind: 'none' }

/** What holds for one host. */
export interface TlsDemand {
  /** Without TLS, and without a certificate that passes, nothing is sent. */
  readonly required: boolean
  readonly verify?: (certificate: PeerCertificate, socket: TLSSocket) => Error | undefined
  /** The host may not be used at all, and why. */
  readonly refusal?: string
  readonly facts: TlsFacts
}

export interface TlsPolicies {
  /** What the domain has published. Total: what cannot be found out is no policy, or the one known before. */
  ofDomain(domain: string): Promise<TlsPolicy>
  ofHost(policy: TlsPolicy, route: Route, host: string, addresses: Addresses, requireTls: boolean): Promise<TlsDemand>
}

/** TLS where it is offered, with whatever certificate. */
export const OPPORTUNISTIC: TlsPolicies = {
  ofDomain: async () => NO_POLICY,
  ofHost: async (_policy, _route, _host, _addresses, requireTls) => ({
    required: requireTls,
    facts: { policy: 'none' },
  }),
}
