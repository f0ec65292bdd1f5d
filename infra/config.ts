// Settings: everpost.yaml, each overridden by an environment variable. A wrong one stops the start with its key and the reason.
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'
import { normalizeAddress } from '../domain/mail/address.ts'
import { type DeliverySettings, type DnsSettings, deliverySettings, dnsSettings } from './delivery-settings.ts'
import { type FilterSettings, filterSettings } from './filter-settings.ts'
import { ConfigError, flag, known, number, section, text } from './setting-values.ts'
import { type TelemetrySettings, telemetrySettings } from './telemetry/telemetry-settings.ts'

export { ConfigError } from './setting-values.ts'

export const ROLES = ['smtp', 'submission', 'imap', 'pop3', 'web', 'delivery', 'projector'] as const
export type Role = (typeof ROLES)[number]

export const PORT_NAMES = [
  'http',
  'smtp',
  'submission',
  'submissions',
  'imap',
  'imaps',
  'pop3',
  'pop3s',
  'managesieve',
] as const
export type PortName = (typeof PORT_NAMES)[number]

export const ENGINE_NAMES = ['eventStore', 'views', 'search', 'cache', 'queue', 'blobs', 'keyring'] as const
export type EngineName = (typeof ENGINE_NAMES)[number]

export interface Config {
  readonly data: string
  readonly host: string
  readonly domain: string
  /** 0 is any free port, 'off' none. */
  readonly ports: Readonly<Record<PortName, number | 'off'>>
  readonly engines: Readonly<Record<EngineName, string>>
  readonly roles: readonly Role[]
  readonly insecureLoopbackAuth: boolean
  /** PEM files; a self-signed pair is made in the data folder when absent. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** 32 bytes of base64, instead of the file in the data folder. */
  readonly masterKey?: string
  /** Where people reach the web app from outside, for links. */
  readonly publicUrl?: string
  readonly dns: DnsSettings
  readonly delivery: DeliverySettings
  /** Seconds that mail sent in the web app can be taken back; 0 sends at once. */
  readonly undoSendSeconds: number
  readonly pop3: {
    /** Whether several POP3 sessions may have one mailbox at a time. */
    readonly sharing: 'shared' | 'exclusive'
  }
  readonly filter: FilterSettings
  readonly telemetry: TelemetrySettings
}

const DEFAULT_PORTS: Record<PortName, number> = {
  http: 8080,
  smtp: 2525,
  submission: 2587,
  submissions: 2465,
  imap: 2143,
  imaps: 2993,
  pop3: 2110,
  pop3s: 2995,
  managesieve: 2419,
}

/** The engines this build has, by scheme; the first is the embedded one. */
const SCHEMES: Record<EngineName, readonly string[]> = {
  eventStore: ['sqlite:', 'esdb:', 'esdb+discover:'],
  views: ['sqlite:', 'mongodb:', 'mongodb+srv:'],
  search: ['fts5:', 'typesense:', 'typesense+https:'],
  cache: ['memory:', 'redis:', 'rediss:'],
  queue: ['memory:', 'nats:', 'tls:'],
  blobs: ['file:', 's3:'],
  keyring: ['file:', 'mongodb:', 'mongodb+srv:'],
}

/** Whether the engine lives in this process, over the data folder. */
export const isEmbedded = (name: EngineName, address: string): boolean => address.startsWith(SCHEMES[name][0] as string)

/** Longer than this is scheduled sending. */
const MAX_UNDO_SECONDS = 600

const KNOWN_KEYS = [
  'data',
  'host',
  'domain',
  'ports',
  'engines',
  'roles',
  'insecureLoopbackAuth',
  'tls',
  'masterKey',
  'publicUrl',
  'dns',
  'delivery',
  'undoSendSeconds',
  'pop3',
  'filter',
  'telemetry',
]

export interface ConfigOverrides {
  readonly data?: string
  readonly file?: string
  readonly roles?: string
}

/** Reads the file (everpost.yaml in the working folder unless named), the environment and the command line, the last winning. */
export function loadConfig(overrides: ConfigOverrides, env: NodeJS.ProcessEnv, cwd: string): Config {
  const file = readFile(overrides.file, cwd)
  const value = (key: string, variable: string): unknown => env[variable] ?? file[key]
  const data = resolve(cwd, text('data', overrides.data ?? value('data', 'EVERPOST_DATA') ?? './data'))
  const tls = section(file, 'tls')
  const publicUrl = value('publicUrl', 'EVERPOST_PUBLIC_URL')
  const masterKey = value('masterKey', 'EVERPOST_MASTER_KEY')
  return {
    data,
    host: host(value('host', 'EVERPOST_HOST') ?? '127.0.0.1'),
    domain: domain(value('domain', 'EVERPOST_DOMAIN') ?? 'example.test'),
    ports: ports(section(file, 'ports'), env),
    engines: engines(section(file, 'engines'), env),
    roles: roles(overrides.roles ?? value('roles', 'EVERPOST_ROLE')),
    insecureLoopbackAuth: flag(
      'insecureLoopbackAuth',
      value('insecureLoopbackAuth', 'EVERPOST_INSECURE_LOOPBACK_AUTH') ?? false,
    ),
    dns: dnsSettings(file, env),
    delivery: deliverySettings(file, env),
    filter: filterSettings(file, env),
    telemetry: telemetrySettings(file, env),
    undoSendSeconds: number(
      'undoSendSeconds',
      value('undoSendSeconds', 'EVERPOST_UNDO_SEND_SECONDS') ?? 10,
      0,
      MAX_UNDO_SECONDS,
    ),
    pop3: { sharing: sharing(env['EVERPOST_POP3_SHARING'] ?? section(file, 'pop3')['sharing'] ?? 'shared') },
    ...(tls['key'] || tls['cert'] ? { tls: tlsFiles(tls, cwd) } : {}),
    ...(masterKey === undefined ? {} : { masterKey: masterKeyText(masterKey) }),
    ...(publicUrl === undefined ? {} : { publicUrl: url(publicUrl) }),
  }
}

function readFile(name: string | undefined, cwd: string): Record<string, unknown> {
  const path = resolve(cwd, name ?? 'everpost.yaml')
  if (!existsSync(path)) {
    if (name) throw new ConfigError('--config', `there is no file ${path}`)
    return {}
  }
  let parsed: unknown
  try {
    parsed = parse(readFileSync(path, 'utf8')) ?? {}
  } catch (error) {
    throw new ConfigError(path, `is not YAML: ${(error as Error).message.split('\n')[0]}`)
  }
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new ConfigError(path, 'must be a map of settings')
  const file = parsed as Record<string, unknown>
  for (const key of Object.keys(file))
    if (!KNOWN_KEYS.includes(key)) throw new ConfigError(key, `is not a setting; there are ${KNOWN_KEYS.join(', ')}`)
  return file
}

function ports(file: Record<string, unknown>, env: NodeJS.ProcessEnv): Record<PortName, number | 'off'> {
  known('ports', file, PORT_NAMES)
  const one = (name: PortName) =>
    port(`ports.${name}`, env[`EVERPOST_${name.toUpperCase()}_PORT`] ?? file[name] ?? DEFAULT_PORTS[name])
  return Object.fromEntries(PORT_NAMES.map((name) => [name, one(name)])) as Record<PortName, number | 'off'>
}

function port(key: string, value: unknown): number | 'off' {
  if (value === 'off' || value === false) return 'off'
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > 65535) {
    throw new ConfigError(key, `${JSON.stringify(value)} is not a port: 1 to 65535, 0 for any free one, or off`)
  }
  return number
}

function sharing(value: unknown): 'shared' | 'exclusive' {
  if (value === 'shared' || value === 'exclusive') return value
  throw new ConfigError('pop3.sharing', 'is shared or exclusive')
}

function engines(file: Record<string, unknown>, env: NodeJS.ProcessEnv): Record<EngineName, string> {
  known('engines', file, ENGINE_NAMES)
  const variable = (name: EngineName) => `EVERPOST_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
  const one = (name: EngineName) => engine(name, env[variable(name)] ?? file[name] ?? (SCHEMES[name][0] as string))
  return Object.fromEntries(ENGINE_NAMES.map((name) => [name, one(name)])) as Record<EngineName, string>
}

function engine(name: EngineName, value: unknown): string {
  const address = text(`engines.${name}`, value)
  if (SCHEMES[name].some((scheme) => address.startsWith(scheme))) return address
  throw new ConfigError(
    `engines.${name}`,
    `${address} names no engine of this version, which has ${SCHEMES[name].join(', ')}`,
  )
}

function roles(value: unknown): readonly Role[] {
  if (value === undefined) return ROLES
  const names = Array.isArray(value) ? value.map(String) : text('roles', value).split(',')
  for (const name of names) {
    if (!(ROLES as readonly string[]).includes(name.trim()))
      throw new ConfigError('roles', `${name} is not one of ${ROLES.join(', ')}`)
  }
  return names.map((name) => name.trim() as Role)
}

function masterKeyText(value: unknown): string {
  const key = text('masterKey', value)
  if (Buffer.from(key, 'base64').length !== 32) throw new ConfigError('masterKey', 'is not 32 bytes of base64')
  return key
}

function host(value: unknown): string {
  const name = text('host', value)
  if (!isIP(name) && name !== 'localhost')
    throw new ConfigError('host', `${name} is not an IP address to listen on; 0.0.0.0 is every one`)
  return name
}

function domain(value: unknown): string {
  const normal = normalizeAddress(`postmaster@${text('domain', value)}`)
  if (!normal) throw new ConfigError('domain', `${value} is not a domain name`)
  return normal.domain
}

function url(value: unknown): string {
  const address = text('publicUrl', value)
  if (!/^https?:\/\/[^/]+$/.test(address))
    throw new ConfigError('publicUrl', `${address} is not like https://mail.example.org`)
  return address
}

function tlsFiles(tls: Record<string, unknown>, cwd: string): { key: string; cert: string } {
  known('tls', tls, ['key', 'cert'])
  const file = (name: 'key' | 'cert') => {
    const path = resolve(cwd, text(`tls.${name}`, tls[name]))
    if (!existsSync(path)) throw new ConfigError(`tls.${name}`, `there is no file ${path}`)
    return path
  }
  return { key: file('key'), cert: file('cert') }
}

/** The files of the embedded engines below a data folder. */
export function dataPaths(data: string) {
  return {
    log: join(data, 'log', 'log.sqlite'),
    lock: join(data, 'lock.sqlite'),
    blobs: join(data, 'blobs'),
    keyring: join(data, 'keys', 'keyring.sqlite'),
    masterKey: join(data, 'keys', 'master.key'),
    auditKey: join(data, 'keys', 'audit.key'),
    tls: join(data, 'tls'),
    control: join(data, 'control.sock'),
  }
}
