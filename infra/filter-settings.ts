// Settings of what protects the inbox: engines, thresholds, trusted networks, blocklists, greylisting.
import {
  type ConnectionPolicySettings,
  DEFAULT_CONNECTION_POLICY,
  DEFAULT_GREYLIST,
} from '../gateways/smtp/connection-policy.ts'
import { Networks } from '../gateways/smtp/networks.ts'
import { ConfigError, flag, known, list, number, section, text } from './setting-values.ts'

export interface EngineSettings {
  readonly kind: 'builtin' | 'rspamd' | 'spamd' | 'clamd'
  readonly host: string
  readonly port: number
  readonly onFailure: 'open' | 'closed'
  readonly timeoutMs: number
}

export interface FilterSettings {
  /** `builtin` and addresses of others; see `enginesOf`. */
  readonly engines: readonly string[]
  readonly timeoutSeconds: number
  readonly junkScore: number
  readonly rejectScore: number
  readonly authentication: boolean
  readonly authenticationSeconds: number
  readonly authenticationOnFailure: 'open' | 'closed'
  readonly trustedNetworks: readonly string[]
  readonly trustedSealers?: readonly string[]
  readonly blocklists?: readonly string[]
  readonly greylist: boolean
  readonly greylistSeconds: number
}

export const FILTER_KEYS = [
  'engines',
  'timeoutSeconds',
  'junkScore',
  'rejectScore',
  'authentication',
  'authenticationSeconds',
  'authenticationOnFailure',
  'trustedNetworks',
  'trustedSealers',
  'blocklists',
  'greylist',
  'greylistSeconds',
]

const PORTS = { rspamd: 11333, spamd: 783, clamd: 3310 } as const

export function filterSettings(file: Record<string, unknown>, env: NodeJS.ProcessEnv): FilterSettings {
  const filter = section(file, 'filter')
  known('filter', filter, FILTER_KEYS)
  const value = (name: string, standard?: unknown): unknown => {
    const own = name === 'engines' ? '' : `_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
    return env[`EVERPOST_FILTER${own}`] ?? filter[name] ?? standard
  }
  const several = (name: string, standard?: readonly string[]): readonly string[] | undefined => {
    const given = value(name, standard)
    if (given === undefined) return undefined
    return given === '' || given === 'none' ? [] : list(`filter.${name}`, given)
  }
  const trustedNetworks = several('trustedNetworks', DEFAULT_CONNECTION_POLICY.trustedNetworks) ?? []
  try {
    new Networks(trustedNetworks)
  } catch (error) {
    throw new ConfigError('filter.trustedNetworks', (error as Error).message)
  }
  const trustedSealers = several('trustedSealers')?.map((name) => name.toLowerCase())
  const blocklists = several('blocklists')
  const settings: FilterSettings = {
    engines: several('engines', ['builtin']) ?? [],
    timeoutSeconds: number('filter.timeoutSeconds', value('timeoutSeconds', 10), 0.01, 300),
    junkScore: number('filter.junkScore', value('junkScore', 5), 0, 1e6),
    rejectScore: number('filter.rejectScore', value('rejectScore', 20), 0, 1e6),
    authentication: flag('filter.authentication', value('authentication', true)),
    authenticationSeconds: number('filter.authenticationSeconds', value('authenticationSeconds', 10), 0.01, 300),
    authenticationOnFailure: onFailure('filter.authenticationOnFailure', value('authenticationOnFailure', 'open')),
    trustedNetworks,
    ...(trustedSealers === undefined ? {} : { trustedSealers }),
    ...(blocklists === undefined ? {} : { blocklists }),
    greylist: flag('filter.greylist', value('greylist', false)),
    greylistSeconds: number('filter.greylistSeconds', value('greylistSeconds', 60), 0, 86_400),
  }
  enginesOf(settings)
  return settings
}

/** The engines that are named, with what is said of each. Throws ConfigError. */
export const enginesOf = (settings: FilterSettings): readonly EngineSettings[] =>
  settings.engines.map((entry) => engine(entry, settings.timeoutSeconds * 1000))

function onFailure(key: string, value: unknown): 'open' | 'closed' {
  if (value === 'open' || value === 'closed') return value
  throw new ConfigError(key, `${JSON.stringify(value)} is not open (mail passes) or closed (the sender tries again)`)
}

/** `builtin`, or `rspamd://host:port?onFailure=closed&timeoutSeconds=5`. */
function engine(entry: string, timeoutMs: number): EngineSettings {
  if (entry === 'builtin') return { kind: 'builtin', host: '', port: 0, onFailure: 'open', timeoutMs }
  const found = /^(rspamd|spamd|clamd):\/\//.exec(entry)
  const kind = found?.[1] as keyof typeof PORTS | undefined
  const address = entry.replace(/^\w+/, 'http')
  if (kind === undefined || !URL.canParse(address))
    throw new ConfigError('filter.engines', `${entry} is not builtin, rspamd://host:port, spamd://… or clamd://…`)
  const url = new URL(address)
  const port = /:(\d+)(?:[/?]|$)/.exec(entry.slice(entry.indexOf('//')))?.[1]
  for (const name of url.searchParams.keys())
    known(`filter.engines ${entry}`, { [name]: 1 }, ['onFailure', 'timeoutSeconds'])
  const seconds = url.searchParams.get('timeoutSeconds')
  return {
    kind,
    host: text('filter.engines', url.hostname).replace(/^\[|\]$/g, ''),
    port: port === undefined ? PORTS[kind] : Number(port),
    onFailure: onFailure(`filter.engines ${entry}`, url.searchParams.get('onFailure') ?? 'open'),
    timeoutMs: seconds === null ? timeoutMs : number(`filter.engines ${entry}`, seconds, 0.01, 300) * 1000,
  }
}

export const connectionPolicyOf = (settings: FilterSettings): ConnectionPolicySettings => ({
  ...DEFAULT_CONNECTION_POLICY,
  trustedNetworks: settings.trustedNetworks,
  blocklists: settings.blocklists ?? [],
  greylist: settings.greylist ? { ...DEFAULT_GREYLIST, delayMs: settings.greylistSeconds * 1000 } : undefined,
})
