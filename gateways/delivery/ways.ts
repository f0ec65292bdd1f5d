// From a domain to an open connection: routes, exchangers in their order, addresses, and what TLS each of them must have.
import type { Resolver } from '../../commands/ports/resolver.ts'
import { type Reply, readReply, refusesEverything } from '../../domain/delivery/reply.ts'
import type { EnvelopeOptions, TlsFacts } from '../../domain/submission/submission.ts'
import { type OpenedSession, Unreachable, type Way, type Ways } from './destinations.ts'
import { addressesOf, isRoute, type NoRoute, type Route, type RouteSettings, routeFor } from './route.ts'
import { SessionError, type SessionOptions, SmtpSession } from './smtp-session.ts'
import { NO_POLICY, type TlsDemand, type TlsPolicies, type TlsPolicy } from './tls-policy.ts'

/** How long a host that does not answer, or answers TLS badly, is remembered. */
const BAD_HOST_MS = 5 * 60_000
const PLAIN_HOST_MS = 60 * 60_000
/** How long a way is kept before it is asked for again: the resolver keeps what the DNS says for its own time. */
const KEPT_MS = 30_000
const REMEMBERED = 20_000

export class MailWays implements Ways {
  readonly #resolver: Resolver
  readonly #routes: RouteSettings
  readonly #session: SessionOptions
  readonly #policies: TlsPolicies
  readonly #now: () => number
  readonly #kept = new Map<string, { readonly until: number; readonly way: Way | NoRoute }>()
  readonly #badHosts = new Map<string, number>()
  /** Hosts whose STARTTLS does not work, and why. */
  readonly #plainHosts = new Map<string, { readonly until: number; readonly failure: string }>()
  #turn = 0

  constructor(
    parts: {
      readonly resolver: Resolver
      readonly routes: RouteSettings
      readonly session: SessionOptions
      readonly policies: TlsPolicies
    },
    now: () => number = Date.now,
  ) {
    this.#resolver = parts.resolver
    this.#routes = parts.routes
    this.#session = parts.session
    this.#policies = parts.policies
    this.#now = now
  }

  async find(domain: string, envelope: EnvelopeOptions): Promise<Way | NoRoute> {
    const key = `${domain} ${envelope.requireTls ?? false}`
    const kept = this.#kept.get(key)
    if (kept && kept.until > this.#now()) return kept.way
    const way = await this.#find(domain, envelope)
    if (this.#kept.size >= REMEMBERED) this.#kept.clear()
    this.#kept.set(key, { until: this.#now() + KEPT_MS, way })
    return way
  }

  async #find(domain: string, { requireTls = false }: EnvelopeOptions): Promise<Way | NoRoute> {
    const route = await routeFor(domain, this.#routes, this.#resolver)
    if (!isRoute(route)) return route
    const policy = route.byMx ? await this.#policies.ofDomain(route.domain) : NO_POLICY
    const key = `${route.key}${policy.kind === 'none' ? '' : ` ${policy.kind} ${route.domain}`}${requireTls ? ' requiretls' : ''}`
    return { key, route, open: (signal) => this.#open(route, policy, requireTls, signal) }
  }

  async #open(route: Route, policy: TlsPolicy, requireTls: boolean, signal: AbortSignal): Promise<OpenedSession> {
    let last: { reply: Reply; remote: string; tls?: TlsFacts } | undefined
    for (const host of this.#inOrder(route)) {
      const found = await addressesOf(host, this.#resolver)
      if (!('addresses' in found)) {
        // A host that has no address is passed over; only when none has one is it the answer.
        if (!last || !found.permanent) last = { reply: readReply(found.answer), remote: host }
        continue
      }
      const demand = await this.#policies.ofHost(policy, route, host, found, requireTls)
      if (demand.refusal !== undefined) {
        last = { reply: readReply(`451 4.7.5 ${host}: ${demand.refusal}`), remote: host, tls: demand.facts }
        continue
      }
      for (const address of found.addresses) {
        try {
          return await this.#connect(route, host, address, demand, signal)
        } catch (error) {
          if (!(error instanceof SessionError)) throw error
          const tls = error.kind === 'tls' ? { ...demand.facts, failure: failureOf(error.message) } : demand.facts
          last = { reply: replyOf(error, host), remote: host, tls }
          // What the host itself says counts for all its addresses.
          if (error.reply) break
          if (signal.aborted) throw new Unreachable(last.reply, last.remote, last.tls)
        }
      }
      remember(this.#badHosts, `${host}:${route.port}`, this.#now() + BAD_HOST_MS)
    }
    throw new Unreachable(
      last?.reply ?? readReply(`451 4.4.1 ${route.domain} has no host that takes mail`),
      last?.remote,
      last?.tls,
    )
  }

  async #connect(
    route: Route,
    host: string,
    address: string,
    demand: TlsDemand,
    signal: AbortSignal,
  ): Promise<OpenedSession> {
    const { port, implicitTls, auth } = route
    const place = `${host}:${port}`
    const target = { host, address, port, implicitTls, signal, ...(auth ? { auth } : {}) }
    // A password goes over a channel that is closed to others, or not at all; this machine itself is one.
    const must = demand.required || (auth !== undefined && !isLoopback(address))
    const plain = this.#plainHosts.get(place)
    if (!must && !implicitTls && plain && plain.until > this.#now()) {
      const session = await SmtpSession.open({ ...target, tls: 'never' }, this.#session)
      return this.#opened(session, place, { ...demand.facts, failure: plain.failure })
    }
    try {
      const session = await SmtpSession.open(
        { ...target, tls: must ? 'must' : 'may', ...(demand.verify ? { verify: demand.verify } : {}) },
        this.#session,
      )
      return this.#opened(session, place, demand.facts)
    } catch (error) {
      if (!(error instanceof SessionError) || error.kind !== 'tls' || must || implicitTls) throw error
      // Opportunistic: mail in the clear is what there was before; a host whose TLS is broken still gets its mail (RFC 7435).
      const failure = failureOf(error.message)
      remember(this.#plainHosts, place, { until: this.#now() + PLAIN_HOST_MS, failure })
      const session = await SmtpSession.open({ ...target, tls: 'never' }, this.#session)
      return this.#opened(session, place, { ...demand.facts, failure })
    }
  }

  #opened(session: SmtpSession, place: string, facts: TlsFacts): OpenedSession {
    this.#badHosts.delete(place)
    return { session, tls: session.protocol === undefined ? facts : { ...facts, protocol: session.protocol } }
  }

  /** By preference; among equals in turn; those that did not answer lately last. */
  #inOrder(route: Route): readonly string[] {
    const now = this.#now()
    const turn = this.#turn++
    const bad = (name: string) => Number((this.#badHosts.get(`${name}:${route.port}`) ?? 0) > now)
    return route.hosts
      .map(({ name, preference }, i) => ({ name, preference, place: (i + turn) % route.hosts.length }))
      .sort((a, b) => bad(a.name) - bad(b.name) || a.preference - b.preference || a.place - b.place)
      .map(({ name }) => name)
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= REMEMBERED) map.clear()
  map.set(key, value)
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')

/** The word of RFC 8460 §4.3 for what went wrong. */
export function failureOf(message: string): string {
  if (/^[a-z0-9-]+$/.test(message)) return message
  if (/does not support required STARTTLS|STARTTLS/i.test(message)) return 'starttls-not-supported'
  if (/expired/i.test(message)) return 'certificate-expired'
  if (/altname|does not match|hostname/i.test(message)) return 'certificate-host-mismatch'
  if (/self.signed|unable to (?:get|verify)|untrusted/i.test(message)) return 'certificate-not-trusted'
  return 'validation-failure'
}

/** An error of opening a session as an answer; `host` is whom it was about. */
function replyOf(error: SessionError, host: string): Reply {
  if (error.reply && error.kind === 'reply') {
    const { reply } = error
    // 521 says for good that this host takes no mail; another refusal in a greeting may be gone tomorrow.
    if (reply.meaning === 'permanent' && reply.code !== 521 && refusesEverything(reply.code))
      return readReply(`451 4.3.2 ${host} refuses the connection: ${reply.text}`)
    return reply
  }
  const status = error.kind === 'tls' ? '4.7.5' : error.kind === 'auth' ? '4.7.8' : '4.4.1'
  return readReply(`451 ${status} ${host}: ${error.reply?.text ?? error.message}`)
}
