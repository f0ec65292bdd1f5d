// Where the mail of a domain goes: a route of the settings, or its exchangers (RFC 5321 §5.1, RFC 7505, 5321 §4.1.3 for literals).
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { type Resolver, ResolverError } from '../../commands/ports/resolver.ts'

export interface Relay {
  readonly host: string
  readonly port: number
  readonly implicitTls: boolean
  readonly auth?: { readonly user: string; readonly password: string }
}

export interface RouteSettings {
  readonly smarthost?: Relay
  readonly routes?: ReadonlyMap<string, Relay>
  /** Where exchangers listen. */
  readonly port: number
  /** Our own names: an exchanger that is us is no way on. */
  readonly ownHosts: readonly string[]
}

export interface Route {
  /** Destinations with the same key share connections and health. */
  readonly key: string
  /** Best first. */
  readonly hosts: readonly { readonly name: string; readonly preference: number }[]
  readonly port: number
  readonly implicitTls: boolean
  readonly auth?: Relay['auth']
  /** Exchangers of the domain, found by MX: its published policies (MTA-STS, DANE) hold. */
  readonly byMx: boolean
  /** The MX answer was validated. */
  readonly secure: boolean
  readonly domain: string
}

export interface NoRoute {
  readonly permanent: boolean
  /** As an SMTP answer of our own. */
  readonly answer: string
}

export const isRoute = (found: Route | NoRoute): found is Route => 'hosts' in found

/** Total: whatever the DNS says, there is a way, a later, or a no. */
export async function routeFor(domain: string, settings: RouteSettings, resolver: Resolver): Promise<Route | NoRoute> {
  const literal = /^\[(?:IPv6:)?([^\]]+)\]$/i.exec(domain)
  const name = literal ? domain : domainToASCII(domain).toLowerCase()
  const relay = relayFor(name, settings)
  if (relay) {
    const { host, port, implicitTls, auth } = relay
    return {
      key: `${host}:${port}`,
      hosts: [{ name: host, preference: 0 }],
      port,
      implicitTls,
      ...(auth ? { auth } : {}),
      byMx: false,
      secure: false,
      domain: name,
    }
  }
  const to = (hosts: Route['hosts'], byMx: boolean, secure: boolean): Route => ({
    key: `${hosts.map((host) => `${host.preference} ${host.name}`).join(' ')}:${settings.port}`,
    hosts,
    port: settings.port,
    implicitTls: false,
    byMx,
    secure,
    domain: name,
  })
  if (literal) {
    const address = literal[1] ?? ''
    if (!isIP(address)) return { permanent: true, answer: `550 5.1.2 ${domain} is not an address of a host` }
    return to([{ name: address, preference: 0 }], false, false)
  }
  try {
    const { records, secure } = await resolver.resolve(name, 'MX')
    const sorted = records.toSorted(
      (a, b) => a.preference - b.preference || (a.exchange < b.exchange ? -1 : a.exchange > b.exchange ? 1 : 0),
    )
    if (sorted.every(({ exchange }) => exchange === ''))
      return { permanent: true, answer: `556 5.1.10 ${domain} takes no mail (null MX)` }
    const own = sorted.find(({ exchange }) => settings.ownHosts.includes(exchange))
    const hosts = sorted
      .filter(({ exchange, preference }) => exchange !== '' && (own === undefined || preference < own.preference))
      .map(({ exchange, preference }) => ({ name: exchange, preference }))
    if (hosts.length === 0)
      return {
        permanent: true,
        answer: `554 5.4.6 The mail exchanger of ${domain} is this server, which does not take its mail`,
      }
    return to(hosts.slice(0, MAX_HOSTS), true, secure)
  } catch (error) {
    if (!(error instanceof ResolverError)) throw error
    if (error.code === 'no-such-name') return { permanent: true, answer: `550 5.1.2 There is no domain ${domain}` }
    if (error.code === 'temporary')
      return { permanent: false, answer: `451 4.4.3 The name servers do not answer for ${domain} just now` }
    // A domain without exchangers is its own (RFC 5321 §5.1).
    return to([{ name, preference: 0 }], true, error.secure)
  }
}

/** Exchangers of a domain that are tried. */
const MAX_HOSTS = 20
/** Addresses of a host that are tried. */
const MAX_ADDRESSES = 8

function relayFor(name: string, { routes, smarthost }: RouteSettings): Relay | undefined {
  const exact = routes?.get(name)
  if (exact) return exact
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const found = routes?.get(name.slice(dot))
    if (found) return found
  }
  return smarthost
}

export interface Addresses {
  readonly addresses: readonly string[]
  /** Every answer was validated. */
  readonly secure: boolean
}

/** IPv4 and IPv6 addresses of a host; a NoRoute when it has none, or none now. */
export async function addressesOf(host: string, resolver: Resolver): Promise<Addresses | NoRoute> {
  if (isIP(host)) return { addresses: [host], secure: false }
  const found = await Promise.all((['A', 'AAAA'] as const).map((type) => lookUp(host, type, resolver)))
  const addresses = found.flatMap(({ records }) => records).slice(0, MAX_ADDRESSES)
  if (addresses.length > 0)
    return { addresses, secure: found.every(({ records, secure }) => records.length === 0 || secure) }
  if (found.some(({ temporary }) => temporary))
    return { permanent: false, answer: `451 4.4.3 The name servers do not answer for ${host} just now` }
  return { permanent: true, answer: `550 5.4.4 ${host} has no address` }
}

async function lookUp(host: string, type: 'A' | 'AAAA', resolver: Resolver) {
  try {
    const { records, secure } = await resolver.resolve(host, type)
    return { records, secure, temporary: false }
  } catch (error) {
    if (!(error instanceof ResolverError)) throw error
    return { records: [], secure: error.secure, temporary: error.code === 'temporary' }
  }
}
