// DANE for SMTP (RFC 7672): whether a host's certificate is the one that its validated TLSA records name.
import { hash, timingSafeEqual, X509Certificate } from 'node:crypto'
import type { PeerCertificate } from 'node:tls'
import type { DnsRecords } from '../../commands/ports/resolver.ts'

type Tlsa = DnsRecords['TLSA']

/** Certificates of a chain that are looked at. */
const MAX_CHAIN = 10

/** Records that SMTP may rely on (RFC 7672 §3.1): trust anchors and end entities, whole or by hash. */
export const usable = (records: readonly Tlsa[]): readonly Tlsa[] =>
  records.filter(
    ({ usage, selector, matchingType, data }) =>
      (usage === 2 || usage === 3) && selector <= 1 && matchingType <= 2 && data.length > 0,
  )

/** Undefined when a record matches; else what is wrong, in the words of RFC 8460 §4.3. `names` are the names that a certificate may be for. */
export function daneProblem(
  certificate: PeerCertificate,
  records: readonly Tlsa[],
  names: readonly string[],
  now: number,
): Error | undefined {
  const chain = chainOf(certificate)
  const [leaf] = chain
  if (!leaf) return new Error('validation-failure')
  if (records.some((record) => record.usage === 3 && matches(leaf, record))) return undefined
  for (const record of records) {
    if (record.usage !== 2) continue
    const anchor = chain.findIndex((each) => matches(each, record))
    if (anchor < 0) continue
    if (chain.slice(0, anchor).some((each, i) => !issued(each, chain[i + 1]))) continue
    if (!names.some((name) => leaf.checkHost(name) !== undefined)) return new Error('certificate-host-mismatch')
    if (chain.slice(0, anchor + 1).some((each) => now < Date.parse(each.validFrom) || now > Date.parse(each.validTo)))
      return new Error('certificate-expired')
    return undefined
  }
  return new Error('tlsa-invalid')
}

function chainOf(certificate: PeerCertificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = []
  let each: (PeerCertificate & { issuerCertificate?: PeerCertificate }) | undefined = certificate
  while (each?.raw && chain.length < MAX_CHAIN) {
    chain.push(new X509Certificate(each.raw))
    const next: PeerCertificate | undefined = each.issuerCertificate
    each = next === each ? undefined : next
  }
  return chain
}

function matches(certificate: X509Certificate, { selector, matchingType, data }: Tlsa): boolean {
  const bytes = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: 'spki', format: 'der' })
  const found = matchingType === 0 ? bytes : hash(matchingType === 1 ? 'sha256' : 'sha512', bytes, 'buffer')
  return found.length === data.length && timingSafeEqual(found, data)
}

const issued = (certificate: X509Certificate, issuer: X509Certificate | undefined): boolean =>
  issuer !== undefined && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
