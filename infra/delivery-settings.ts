// Settings of outgoing mail: name servers, routes, retries, limits.
import { isIP } from 'node:net'
import { normalizeAddress } from '../domain/mail/address.ts'
import { type NameServer, readServer, systemNameServers } from './adapters/resolver/dns.ts'
import { ConfigError, flag, known, list, number, section, text } from './setting-values.ts'

export interface DnsSettings {
  /** Undefined: those that this machine is set up with. */
  readonly servers?: readonly NameServer[]
  readonly validating: boolean
}

/** A host that takes the mail of some domains, or of all. */
export interface Relay {
  readonly host: string
  readonly port: number
  readonly implicitTls: boolean
  readonly auth?: { readonly user: string; readonly password: string }
}

/** Amounts, by their keys: what each is by default, the least and the most. */
const AMOUNTS = {
  /** Where mail exchangers listen: 25 everywhere but in tests. */
  port: [25, 1, 65_535],
  firstRetrySeconds: [300, 0.01, 86_400],
  longestRetrySeconds: [14_400, 0.01, 604_800],
  greylistRetrySeconds: [120, 0.01, 86_400],
  warnHours: [4, 0, 10_000],
  giveUpHours: [120, 0, 10_000],
  connections: [400, 1, 10_000],
  connectionsPerDestination: [10, 1, 1_000],
  /** Messages a second to one destination; 0 is no limit. */
  ratePerDestination: [0, 0, 1e6],
  connectSeconds: [30, 0.01, 600],
  replySeconds: [300, 0.01, 3_600],
  accountMessagesPerHour: [500, 1, 1e12],
  accountRecipientsPerHour: [2_000, 1, 1e12],
  accountMessagesPerDay: [3_000, 1, 1e12],
  accountRecipientsPerDay: [10_000, 1, 1e12],
  domainMessagesPerHour: [20_000, 1, 1e12],
  domainRecipientsPerHour: [50_000, 1, 1e12],
  domainMessagesPerDay: [200_000, 1, 1e12],
  domainRecipientsPerDay: [500_000, 1, 1e12],
} as const satisfies Readonly<Record<string, readonly [number, number, number]>>

export type DeliverySettings = { readonly [K in keyof typeof AMOUNTS]: number } & {
  /** Takes all mail that no route takes. */
  readonly smarthost?: Relay
  /** By lowercase A-label domain; `.example.org` is every name below it. */
  readonly routes?: ReadonlyMap<string, Relay>
}

type Env = NodeJS.ProcessEnv

export function dnsSettings(file: Record<string, unknown>, env: Env): DnsSettings {
  const dns = section(file, 'dns')
  known('dns', dns, ['servers', 'validating'])
  const servers = env['EVERPOST_DNS_SERVERS'] ?? dns['servers']
  return {
    validating: flag('dns.validating', env['EVERPOST_DNS_VALIDATING'] ?? dns['validating'] ?? false),
    ...(servers === undefined || servers === '' ? {} : { servers: nameServers(servers) }),
  }
}

/** The servers to ask: those of the settings, else the machine's. */
export const nameServersOf = (settings: DnsSettings): readonly NameServer[] => settings.servers ?? systemNameServers()

function nameServers(value: unknown): readonly NameServer[] {
  if (value === 'none') return []
  return list('dns.servers', value).map((entry) => {
    const server = readServer(entry)
    if (isIP(server.address) && server.port > 0 && server.port < 65_536) return server
    throw new ConfigError('dns.servers', `${entry} is not an IP address, or one with a port; none asks nobody`)
  })
}

export const sendingLimitsOf = (settings: DeliverySettings) => ({
  account: {
    messagesPerHour: settings.accountMessagesPerHour,
    recipientsPerHour: settings.accountRecipientsPerHour,
    messagesPerDay: settings.accountMessagesPerDay,
    recipientsPerDay: settings.accountRecipientsPerDay,
  },
  domain: {
    messagesPerHour: settings.domainMessagesPerHour,
    recipientsPerHour: settings.domainRecipientsPerHour,
    messagesPerDay: settings.domainMessagesPerDay,
    recipientsPerDay: settings.domainRecipientsPerDay,
  },
})

export const DELIVERY_KEYS = ['smarthost', 'routes', ...Object.keys(AMOUNTS)]

export function deliverySettings(file: Record<string, unknown>, env: Env): DeliverySettings {
  const delivery = section(file, 'delivery')
  known('delivery', delivery, DELIVERY_KEYS)
  const smarthost = env['EVERPOST_SMARTHOST'] ?? delivery['smarthost']
  const given = env['EVERPOST_ROUTES'] ?? delivery['routes']
  const amounts = Object.entries(AMOUNTS).map(([name, [standard, least, most]]) => {
    const variable = `EVERPOST_DELIVERY_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
    return [name, number(`delivery.${name}`, env[variable] ?? delivery[name] ?? standard, least, most)] as const
  })
  return {
    ...(Object.fromEntries(amounts) as Record<keyof typeof AMOUNTS, number>),
    ...(smarthost === undefined || smarthost === '' ? {} : { smarthost: relay('delivery.smarthost', smarthost) }),
    ...(given === undefined || given === '' ? {} : { routes: routes(given) }),
  }
}

/** A map, or `domain=url` with commas between. */
function routes(value: unknown): ReadonlyMap<string, Relay> {
  const entries =
    typeof value === 'string'
      ? value
          .split(',')
          .filter(Boolean)
          .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)] as const)
      : Object.entries(section({ routes: value }, 'routes', 'delivery.routes'))
  return new Map(
    entries.map(([name, url]) => {
      const below = name.startsWith('.')
      const normal = normalizeAddress(`postmaster@${below ? name.slice(1) : name}`)
      if (!normal) throw new ConfigError('delivery.routes', `${name} is not a domain name`)
      return [`${below ? '.' : ''}${normal.domain}`, relay(`delivery.routes.${name}`, url)]
    }),
  )
}

/** `smtp://host:port`, `smtps://user:password@host`, or a bare host. */
function relay(key: string, value: unknown): Relay {
  const given = text(key, value)
  const address = given.includes('://') ? given : `smtp://${given}`
  // URL knows a host and a port only of the schemes it knows: the web's stand in.
  const url = URL.canParse(address) && /^smtps?:/.test(address) ? new URL(address.replace(/^smtp/, 'http')) : undefined
  if (!url?.hostname || url.pathname.length > 1)
    throw new ConfigError(key, `${given} is not like smtp://mail.example.org:587 or smtps://user:password@host`)
  const implicitTls = url.protocol === 'https:'
  const port = /:(\d+)\/?$/.exec(address)?.[1]
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: port === undefined ? (implicitTls ? 465 : url.username ? 587 : 25) : Number(port),
    implicitTls,
    ...(url.username
      ? { auth: { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) } }
      : {}),
  }
}
