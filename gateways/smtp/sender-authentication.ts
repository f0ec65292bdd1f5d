// SPF, DKIM, DMARC, ARC and the reverse name of a sender, by mailauth, with names from our resolver alone.
import { Readable } from 'node:stream'
import { arc } from 'mailauth/lib/arc/index.js'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { dmarc } from 'mailauth/lib/dmarc/index.js'
import { spf } from 'mailauth/lib/spf/index.js'
import { type RecordType, type Resolver, ResolverError } from '../../commands/ports/resolver.ts'
import type { AuthenticationResult, DmarcResult, SenderAuthentication } from '../../domain/filter/authentication.ts'
import { readAddressList } from '../../domain/mail/address.ts'
import { headerFields, unfold } from '../../domain/mail/header.ts'
import { headerEnd } from './authentication-results.ts'
import { reverseName } from './networks.ts'

export interface SenderToCheck {
  readonly remoteAddress: string
  readonly helo: string
  /** Reverse-path; '' for a bounce. */
  readonly mailFrom: string
  readonly beginning: Uint8Array
  /** The whole message, as it was sent. */
  read(): AsyncIterable<Uint8Array>
}

export interface CheckedSender extends SenderAuthentication {
  /** `method=result …` clauses for the Authentication-Results field. */
  readonly clauses: readonly string[]
}

/** More signatures than this are not looked at: a message with so many wants our time. */
const MAX_SIGNATURES = 10

type Lookup = (name: string, type: string) => Promise<unknown[]>

/** What mailauth asks as it would ask node:dns. */
export function lookupBy(resolver: Resolver): Lookup {
  const unknown = (code: string, name: string) => Object.assign(new Error(`${code} ${name}`), { code })
  return async (name, type) => {
    try {
      switch (type) {
        case 'TXT':
          return (await resolver.resolve(name, 'TXT')).records.map((text) => [text])
        case 'MX':
          return (await resolver.resolve(name, 'MX')).records.map(({ preference, exchange }) => ({
            priority: preference,
            exchange,
          }))
        case 'A':
        case 'AAAA':
        case 'PTR':
          return [...(await resolver.resolve(name, type as RecordType)).records]
        default:
          throw unknown('ENODATA', name)
      }
    } catch (error) {
      if (!(error instanceof ResolverError)) throw error
      throw unknown({ 'no-such-name': 'ENOTFOUND', 'no-data': 'ENODATA', temporary: 'ETIMEOUT' }[error.code], name)
    }
  }
}

/** Never throws: what cannot be found out in `timeoutMs` is a temperror. */
export async function authenticateSender(
  resolver: Resolver,
  hostname: string,
  sender: SenderToCheck,
  timeoutMs: number,
): Promise<CheckedSender> {
  const lookup = lookupBy(resolver)
  const recent = recentOf(resolver)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs)
  })
  const inTime = <T>(work: Promise<T>): Promise<T | undefined> => Promise.race([work.catch(() => undefined), late])
  try {
    const [spfFound, signatures, iprev] = await Promise.all([
      inTime(
        recent.ask(['spf', sender.remoteAddress, sender.helo, sender.mailFrom], () =>
          checkSpf(lookup, hostname, sender),
        ),
      ),
      inTime(checkSignatures(lookup, sender)),
      inTime(recent.ask(['iprev', sender.remoteAddress], () => checkReverseName(lookup, sender.remoteAddress))),
    ])
    const arcResult = signatures?.arc
    const from = signatures?.headerFrom ?? []
    const spfDomains = spfFound?.result === 'pass' ? [spfFound.domain] : []
    const dkimDomains = (signatures?.dkim ?? [])
      .filter(({ result }) => result === 'pass')
      .map(({ domain, id }) => ({ id, domain }))
    const dmarcFound =
      from.length === 0
        ? undefined
        : await inTime(
            recent.ask(
              [
                'dmarc',
                arcResult?.result ?? '',
                ...from,
                'spf',
                ...spfDomains,
                'dkim',
                ...dkimDomains.map(({ domain }) => domain),
              ],
              () =>
                dmarc({
                  headerFrom: [...from],
                  spfDomains,
                  dkimDomains,
                  arcResult: arcResult?.raw,
                  resolver: lookup,
                } as unknown as Parameters<typeof dmarc>[0]),
            ),
          )
    const dmarcResult = dmarcOf(dmarcFound)
    return {
      spf: spfFound ?? { result: 'temperror', domain: '' },
      dkim: signatures?.dkim ?? [],
      dmarc: dmarcResult,
      arc: { result: arcResult?.result ?? 'none', sealer: arcResult?.sealer },
      iprev: iprev ?? 'temperror',
      clauses: [
        spfFound?.info ?? 'spf=temperror',
        ...(signatures === undefined ? ['dkim=temperror'] : signatures.clauses),
        ...(dmarcFound === undefined ? [] : clause(dmarcFound)),
        `iprev=${iprev ?? 'temperror'} policy.iprev=${sender.remoteAddress}`,
      ],
    }
  } finally {
    clearTimeout(timer)
  }
}

const clause = (found: unknown): readonly string[] => {
  const { info } = (found || {}) as { info?: string }
  return info === undefined ? [] : [info]
}

async function checkSpf(lookup: Lookup, hostname: string, { remoteAddress, helo, mailFrom }: SenderToCheck) {
  const found = (await spf({
    sender: mailFrom === '' ? `postmaster@${helo}` : mailFrom,
    ip: remoteAddress,
    helo: helo || `[${remoteAddress}]`,
    mta: hostname,
    resolver: lookup,
  } as unknown as Parameters<typeof spf>[0])) as unknown as {
    domain?: string
    info?: string
    status: { result: AuthenticationResult }
  }
  const { result } = found.status
  return { result, domain: found.domain ?? '', info: found.info ?? `spf=${result}` }
}

interface Signatures {
  readonly headerFrom: readonly string[]
  readonly dkim: readonly { readonly result: AuthenticationResult; readonly domain: string; readonly id: unknown }[]
  readonly arc: { readonly result: AuthenticationResult; readonly sealer: string | undefined; readonly raw: unknown }
  readonly clauses: readonly string[]
}

const SIGNATURE = /^(?:dkim-signature|arc-seal)[ \t]*:/gim

async function checkSignatures(lookup: Lookup, sender: SenderToCheck): Promise<Signatures> {
  const bytes = Buffer.from(sender.beginning.buffer, sender.beginning.byteOffset, sender.beginning.length)
  const header = bytes.subarray(0, headerEnd(bytes))
  const signatures = header.toString('latin1').match(SIGNATURE)?.length ?? 0
  // Without a signature nothing needs hashing: only whom the From field names.
  if (signatures === 0 || signatures > MAX_SIGNATURES) {
    const clauses = signatures === 0 ? ['dkim=none'] : ['dkim=policy (too many signatures)']
    return { headerFrom: authorsOf(bytes, header.length), dkim: [], arc: NO_ARC, clauses }
  }
  const input = Readable.from(sender.read(), { objectMode: false })
  const verified = (await dkimVerify(
    input as never,
    { resolver: lookup, sender: sender.mailFrom } as never,
  )) as unknown as {
    headerFrom: string[]
    arc?: unknown
    results: { id: unknown; signingDomain?: string; status: { result: AuthenticationResult }; info?: string }[]
  }
  const raw = (await arc(verified.arc as never, { resolver: lookup } as never).catch(() => undefined)) as unknown as
    | { status?: { result: AuthenticationResult }; signature?: { signingDomain?: string }; info?: string }
    | undefined
  const result = raw?.status?.result ?? 'none'
  return {
    headerFrom: verified.headerFrom,
    dkim: verified.results.map(({ id, signingDomain, status }) => ({
      id,
      domain: signingDomain ?? '',
      result: status.result,
    })),
    arc: { result, sealer: raw?.signature?.signingDomain?.toLowerCase(), raw },
    clauses: [
      ...verified.results.map(({ info, status }) => info ?? `dkim=${status.result}`),
      ...(result === 'none' ? [] : [raw?.info ?? `arc=${result}`]),
    ],
  }
}

const NO_ARC: Signatures['arc'] = { result: 'none', sealer: undefined, raw: undefined }

/** The addresses of every From field: more than one domain among them, and DMARC has nobody to ask (RFC 9989 §5.3.1). */
function authorsOf(bytes: Buffer, end: number): readonly string[] {
  const authors: string[] = []
  for (const field of headerFields(bytes, { headerStart: 0, bodyStart: end })) {
    if (field.name.toLowerCase() !== 'from' || authors.length > 100) continue
    const value = unfold(bytes.toString('utf8', field.valueStart, Math.min(field.end, field.valueStart + 8192)))
    for (const { address } of readAddressList(value)) if (address !== '') authors.push(address)
  }
  return authors
}

/** Senders come in bursts: what was found of one is true of the next for a minute. Failures to find out are not kept. */
const RECENT_MS = 60_000
const MAX_RECENT = 5000

class Recent {
  readonly #held = new Map<string, { readonly found: Promise<unknown>; readonly until: number }>()

  ask<T>(what: readonly string[], find: () => Promise<T>): Promise<T> {
    const key = what.join('\n')
    const now = performance.now()
    const held = this.#held.get(key)
    if (held !== undefined && held.until > now) return held.found as Promise<T>
    const found = find()
    this.#held.delete(key)
    this.#held.set(key, { found, until: now + RECENT_MS })
    const forget = () => {
      if (this.#held.get(key)?.found === found) this.#held.delete(key)
    }
    found.then((value) => {
      if (isTemporary(value)) forget()
    }, forget)
    const oldest = this.#held.keys().next()
    if (this.#held.size > MAX_RECENT && !oldest.done) this.#held.delete(oldest.value)
    return found
  }
}

function isTemporary(value: unknown): boolean {
  if (value === 'temperror') return true
  const { result, status } = (value || {}) as { result?: unknown; status?: { result?: unknown } }
  return result === 'temperror' || status?.result === 'temperror'
}

const recents = new WeakMap<Resolver, Recent>()

function recentOf(resolver: Resolver): Recent {
  const recent = recents.get(resolver) ?? new Recent()
  recents.set(resolver, recent)
  return recent
}

function dmarcOf(found: unknown): DmarcResult | undefined {
  if (!found) return undefined
  const { status, policy, record } = found as {
    status: { result: AuthenticationResult; header: { from: string } }
    policy?: string
    record?: { pct?: string | number }
  }
  const percent = Number(record?.pct ?? 100)
  return {
    result: status.result,
    domain: status.header.from,
    policy: policy === 'reject' || policy === 'quarantine' ? policy : 'none',
    percent: Number.isFinite(percent) ? Math.max(0, Math.min(100, percent)) : 100,
  }
}

/** RFC 8601 §2.7.3: the address's name, and whether it leads back to the address. */
async function checkReverseName(lookup: Lookup, address: string): Promise<AuthenticationResult> {
  const name = reverseName(address)
  if (name === undefined) return 'permerror'
  try {
    const names = (await lookup(name, 'PTR')) as string[]
    const type = address.includes(':') ? 'AAAA' : 'A'
    for (const each of names.slice(0, 5)) {
      const addresses = (await lookup(each, type).catch(() => [])) as string[]
      if (addresses.some((found) => sameAddress(found, address))) return 'pass'
    }
    return 'fail'
  } catch (error) {
    return (error as { code?: string }).code === 'ETIMEOUT' ? 'temperror' : 'fail'
  }
}

const sameAddress = (a: string, b: string): boolean => reverseName(a) === reverseName(b)
