// A resolver that knows what a test told it and nothing else: no test asks a real name server.
import {
  type DnsAnswer,
  type DnsRecords,
  type RecordType,
  type Resolver,
  ResolverError,
  type ResolverErrorCode,
} from '../../commands/ports/resolver.ts'

type Zone = { readonly [T in RecordType]?: readonly DnsRecords[T][] } & { readonly secure?: boolean }

export class DnsDouble implements Resolver {
  /** `type name` of every question, in order. */
  readonly asked: string[] = []
  readonly #zones = new Map<string, Zone | ResolverErrorCode>()

  constructor(zones: Readonly<Record<string, Zone | ResolverErrorCode>> = {}) {
    for (const [name, zone] of Object.entries(zones)) this.set(name, zone)
  }

  set(name: string, zone: Zone | ResolverErrorCode): void {
    this.#zones.set(name.toLowerCase(), zone)
  }

  async resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    this.asked.push(`${type} ${name}`)
    const zone = this.#zones.get(name.toLowerCase().replace(/\.$/, ''))
    if (zone === undefined) throw new ResolverError('no-such-name', name, type)
    if (typeof zone === 'string') throw new ResolverError(zone, name, type)
    const secure = zone.secure ?? false
    const records = zone[type] as readonly DnsRecords[T][] | undefined
    if (!records || records.length === 0) throw new ResolverError('no-data', name, type, secure)
    return { records, ttl: 60, secure }
  }
}
