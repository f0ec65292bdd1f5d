// Who may talk to the MX listener, how much, and how patiently we answer: counted by network, so that a neighbour's address does not help.
import { hash } from 'node:crypto'
import type { Resolver } from '../../commands/ports/resolver.ts'
import { type Cache, FOREVER } from '../../projections/ports/cache.ts'
import { Counter, type RateLimit, RateLimiter } from '../limits/rate-limiter.ts'
import { MemorySharedState, type SharedRate, type SharedState } from '../limits/shared-state.ts'
import { Networks, networkOf, reversedLabels } from './networks.ts'

export interface ConnectionPolicySettings {
  /** Networks that skip SPF, blocklists, greylisting, limits and the tarpit: our own. */
  readonly trustedNetworks: readonly string[]
  /** Zones of DNS blocklists (RFC 5782); any answer in 127.0.0.0/8 refuses. */
  readonly blocklists: readonly string[]
  readonly blocklistTimeoutMs: number
  readonly greylist: GreylistSettings | undefined
  readonly connectionsPerNetwork: number
  readonly connectionRate: RateLimit
  readonly messageRate: RateLimit
  readonly tarpit: TarpitSettings
}

export interface GreylistSettings {
  /** The first attempt of a stranger is put off this long. */
  readonly delayMs: number
  /** A retry later than this is a first attempt again. */
  readonly retryWithinMs: number
  /** Who retried once is known this long after the last message. */
  readonly knownForMs: number
}

export interface TarpitSettings {
  /** Unknown recipients that are forgiven. */
  readonly free: number
  /** Delay of the first answer after those; doubles with each. */
  readonly firstDelayMs: number
  readonly maxDelayMs: number
  /** After so many the connection is closed with 421. */
  readonly closeAfter: number
}

export const DEFAULT_GREYLIST: GreylistSettings = {
  delayMs: 60_000,
  retryWithinMs: 2 * 86_400_000,
  knownForMs: 35 * 86_400_000,
}

export const DEFAULT_CONNECTION_POLICY: ConnectionPolicySettings = {
  trustedNetworks: ['127.0.0.0/8', '::1'],
  blocklists: [],
  blocklistTimeoutMs: 3000,
  greylist: undefined,
  connectionsPerNetwork: 100,
  connectionRate: { burst: 500, perSecond: 50 },
  messageRate: { burst: 10_000, perSecond: 100 },
  tarpit: { free: 3, firstDelayMs: 500, maxDelayMs: 10_000, closeAfter: 12 },
}

/** How long it is remembered whether an address is on a list, and for how many addresses. */
const LISTED_MS = 10 * 60_000
const MAX_REMEMBERED = 20_000

export interface PolicyPorts {
  readonly resolver: Resolver
  readonly cache: Cache
  readonly now: () => number
  /** Of all processes; each counts for itself without it. */
  readonly sharedState?: SharedState
}

export interface Refusal {
  readonly code: number
  readonly text: string
}

export class ConnectionPolicy {
  readonly #settings: ConnectionPolicySettings
  readonly #ports: PolicyPorts
  readonly #trusted: Networks
  readonly #open = new Counter()
  readonly #connects: RateLimiter
  readonly #messages: SharedRate
  readonly #strangers = new Map<string, { count: number; at: number }>()
  readonly #listed = new Map<string, { readonly answer: Promise<string | undefined>; readonly until: number }>()

  constructor(settings: ConnectionPolicySettings, ports: PolicyPorts) {
    this.#settings = settings
    this.#ports = ports
    this.#trusted = new Networks(settings.trustedNetworks)
    this.#connects = new RateLimiter(settings.connectionRate)
    this.#messages = (ports.sharedState ?? new MemorySharedState()).rate('messages of network', settings.messageRate)
  }

  trusts(address: string): boolean {
    return this.#trusted.has(address)
  }

  /** Called for every connection; each is given back by `disconnected`. */
  connected(address: string): Refusal | undefined {
    const network = networkOf(address)
    const open = this.#open.up(network)
    if (this.trusts(address)) return undefined
    if (open > this.#settings.connectionsPerNetwork)
      return { code: 421, text: '4.7.0 Too many connections from your network' }
    if (!this.#connects.take(network))
      return { code: 421, text: '4.7.0 Too many new connections from your network, slow down' }
    // Asked now, so that the answer is there when the first recipient comes.
    void this.#blocklist(address)
    return undefined
  }

  disconnected(address: string): void {
    this.#open.down(networkOf(address))
  }

  async mailFrom(address: string): Promise<Refusal | undefined> {
    if (this.trusts(address) || (await this.#messages.take(networkOf(address)))) return undefined
    return { code: 451, text: '4.7.1 Too many messages in a short time, try again later' }
  }

  /** For a recipient that exists: blocklists, then the greylist. A resolver or cache that fails lets mail in. */
  async recipient(address: string, mailFrom: string, recipient: string): Promise<Refusal | undefined> {
    if (this.trusts(address)) return undefined
    const zone = await this.#blocklist(address)
    if (zone !== undefined) return { code: 550, text: `5.7.1 Your address is on the blocklist ${zone}` }
    const { greylist } = this.#settings
    if (greylist === undefined || (await this.#known(greylist, networkOf(address), mailFrom, recipient)))
      return undefined
    return { code: 451, text: '4.7.1 Greylisted: please try again in a few minutes' }
  }

  /** For a recipient that does not exist: how long to wait with the answer, and whether to end the connection (RFC 5321 §7.3). */
  stranger(address: string): { readonly delayMs: number; readonly close: boolean } {
    if (this.trusts(address)) return { delayMs: 0, close: false }
    const { free, firstDelayMs, maxDelayMs, closeAfter } = this.#settings.tarpit
    const network = networkOf(address)
    const now = this.#ports.now()
    const held = this.#strangers.get(network)
    // An hour of peace, and all is forgiven.
    const count = (held !== undefined && now - held.at < 3_600_000 ? held.count : 0) + 1
    this.#strangers.delete(network)
    this.#strangers.set(network, { count, at: now })
    forgetOldest(this.#strangers)
    const delayMs = count <= free ? 0 : Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(20, count - free - 1))
    return { delayMs, close: count > closeAfter }
  }

  #blocklist(address: string): Promise<string | undefined> {
    const { blocklists } = this.#settings
    if (blocklists.length === 0) return Promise.resolve(undefined)
    const now = this.#ports.now()
    const held = this.#listed.get(address)
    if (held !== undefined && held.until > now) return held.answer
    const answer = this.#ask(address)
    this.#listed.delete(address)
    this.#listed.set(address, { answer, until: now + LISTED_MS })
    forgetOldest(this.#listed)
    return answer
  }

  async #ask(address: string): Promise<string | undefined> {
    const labels = reversedLabels(address)
    if (labels === undefined) return undefined
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), this.#settings.blocklistTimeoutMs)
    })
    const lists = this.#settings.blocklists.map(async (zone) => {
      try {
        const { records } = await this.#ports.resolver.resolve(`${labels}.${zone}`, 'A')
        // 127.255.255.x says that the list does not answer us, not that the address is on it.
        const listed = records.some((record) => record.startsWith('127.') && !record.startsWith('127.255.255.'))
        return listed ? zone : undefined
      } catch {
        return undefined
      }
    })
    try {
      for (const list of lists) {
        const zone = await Promise.race([list, late])
        if (zone !== undefined) return zone
      }
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }

  /** Whether the triplet has waited (or was known already); notes it otherwise. Addresses are kept hashed. */
  async #known(settings: GreylistSettings, network: string, mailFrom: string, recipient: string): Promise<boolean> {
    const key = hash('sha256', [network, mailFrom.toLowerCase(), recipient.toLowerCase()].join('\n'), 'base64url')
    const now = this.#ports.now()
    const { cache } = this.#ports
    const note = (first: number, ttlMs: number) => cache.put(GREYLIST, key, FOREVER, String(first), { ttlMs })
    try {
      const first = Number((await cache.get(GREYLIST, key, FOREVER)) ?? Number.NaN)
      if (Number.isNaN(first)) {
        await note(now, settings.retryWithinMs)
        return false
      }
      if (now - first < settings.delayMs) return false
      await note(first, settings.knownForMs)
      return true
    } catch {
      return true
    }
  }
}

/** Not an account: the cache keeps the greylist under this name. */
const GREYLIST = 'greylist'

function forgetOldest(map: Map<string, unknown>): void {
  if (map.size <= MAX_REMEMBERED) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}
