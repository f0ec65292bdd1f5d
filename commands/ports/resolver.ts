// Names of the internet, as delivery and the checks of incoming mail ask for them. Nothing else in Everpost resolves a name.

export interface DnsRecords {
  readonly A: string
  readonly AAAA: string
  readonly MX: { readonly preference: number; readonly exchange: string }
  /** One record's strings joined, as RFC 7208 §3.3 and RFC 6376 §3.6.2.2 read them. */
  readonly TXT: string
  readonly PTR: string
  readonly TLSA: {
    readonly usage: number
    readonly selector: number
    readonly matchingType: number
    readonly data: Uint8Array
  }
}

export type RecordType = keyof DnsRecords

export interface DnsAnswer<T extends RecordType> {
  /** At least one; names without a trailing dot. */
  readonly records: readonly DnsRecords[T][]
  /** Seconds that the answer may be kept. */
  readonly ttl: number
  /** True when a validating resolver says so (RFC 4035 AD) and the settings trust it to: DANE rests on it (RFC 7672 §2). */
  readonly secure: boolean
}

/** 'no-such-name' is NXDOMAIN, 'no-data' a name without such records, 'temporary' a timeout or SERVFAIL: ask again later. */
export type ResolverErrorCode = 'no-such-name' | 'no-data' | 'temporary'

export class ResolverError extends Error {
  readonly code: ResolverErrorCode
  /** Whether the negative answer was validated. */
  readonly secure: boolean
  constructor(code: ResolverErrorCode, name: string, type: RecordType, secure = false) {
    super(`${type} ${name}: ${code}`)
    this.name = 'ResolverError'
    this.code = code
    this.secure = secure
  }
}

export interface Resolver {
  /** Throws ResolverError. `name` is an A-label name, for PTR the reverse name (`1.2.0.192.in-addr.arpa`). */
  resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>>
}
