// What a domain is told of the TLS of sessions with its hosts: daily reports (RFC 8460).
import { normalizeAddress } from '../mail/address.ts'
import { formatDate } from '../mail/compose.ts'
import type { AttemptFacts } from '../submission/submission.ts'

export const DAY_MS = 86_400_000

/** The UTC day of an instant, counted from 1970. */
export const dayOf = (at: number): number => Math.floor(at / DAY_MS)

const POLICY_TYPES = { none: 'no-policy-found', sts: 'sts', dane: 'tlsa' } as const
export type ReportedPolicy = (typeof POLICY_TYPES)[keyof typeof POLICY_TYPES]

/** RFC 8460 §4.3. */
const RESULT_TYPES: ReadonlySet<string> = new Set([
  'starttls-not-supported',
  'certificate-host-mismatch',
  'certificate-expired',
  'certificate-not-trusted',
  'validation-failure',
  'tlsa-invalid',
  'dnssec-invalid',
  'dane-required',
  'sts-policy-fetch-error',
  'sts-policy-invalid',
  'sts-webpki-invalid',
])

export interface PolicyCounts {
  readonly type: ReportedPolicy
  successful: number
  failed: number
  /** Sessions that failed, by `result-type host`. */
  readonly failures: Map<string, { readonly resultType: string; readonly host: string; count: number }>
}

/** Domains of one day, and different failures of one policy, that are told apart at most. */
const MAX_DOMAINS = 10_000
const MAX_FAILURES = 100

/** The sessions of one day, by policy domain. */
export class TlsDay {
  readonly domains = new Map<string, Map<ReportedPolicy, PolicyCounts>>()

  /** Counts what an attempt tells of its session; nothing when there was none, or no domain's policy was asked for. */
  count(attempt: Pick<AttemptFacts, 'tls' | 'remote'>, delivered: boolean): void {
    const { tls, remote } = attempt
    if (tls?.policyDomain === undefined) return
    // Mail that went in the clear met a host that offers no TLS; where nothing was delivered there may have been no host at all.
    const clear = tls.protocol === undefined && delivered ? 'starttls-not-supported' : undefined
    const failure = tls.failure ?? clear
    if (failure === undefined && tls.protocol === undefined) return
    const counts = this.#of(tls.policyDomain, POLICY_TYPES[tls.policy])
    if (!counts) return
    if (failure === undefined) {
      counts.successful++
      return
    }
    counts.failed++
    const resultType = RESULT_TYPES.has(failure) ? failure : 'validation-failure'
    const host = remote ?? ''
    const key = `${resultType} ${host}`
    const known = counts.failures.get(key)
    if (known) known.count++
    else if (counts.failures.size < MAX_FAILURES) counts.failures.set(key, { resultType, host, count: 1 })
  }

  #of(domain: string, type: ReportedPolicy): PolicyCounts | undefined {
    let policies = this.domains.get(domain)
    if (!policies) {
      if (this.domains.size >= MAX_DOMAINS) return undefined
      policies = new Map()
      this.domains.set(domain, policies)
    }
    let counts = policies.get(type)
    if (!counts) {
      counts = { type, successful: 0, failed: 0, failures: new Map() }
      policies.set(type, counts)
    }
    return counts
  }
}

export interface ReportPlaces {
  /** Normalised. */
  readonly addresses: readonly string[]
  /** Places that are not mail, such as https. */
  readonly others: readonly string[]
}

const MAX_PLACES = 10

/** Where a domain wants its reports, by the TXT records of `_smtp._tls`; undefined unless exactly one is a policy (RFC 8460 §3). */
export function readReportPlaces(records: readonly string[]): ReportPlaces | undefined {
  const found = records.filter((text) => /^v=TLSRPTv1[ \t]*;/.test(text))
  const rua = found.length === 1 ? /;[ \t]*rua[ \t]*=([^;]{1,2000})/.exec(found[0] ?? '')?.[1] : undefined
  if (rua === undefined) return undefined
  const addresses = new Set<string>()
  const others: string[] = []
  for (const uri of rua.split(',', MAX_PLACES).map((text) => text.trim())) {
    const mail = /^mailto:([^?]+)/i.exec(uri)?.[1]
    const address = mail === undefined ? undefined : normalizeAddress(decoded(mail))?.address
    if (address !== undefined) addresses.add(address)
    else if (uri !== '') others.push(uri.slice(0, 200))
  }
  return { addresses: [...addresses], others }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export interface TlsReportInput {
  /** Without angle brackets, of the form of a Message-ID. */
  readonly reportId: string
  /** Of the UTC day. */
  readonly day: number
  /** Our domain, and who to write to about the report. */
  readonly submitter: string
  readonly contact: string
  readonly policyDomain: string
  readonly policies: readonly (Omit<PolicyCounts, 'failures'> & {
    readonly failures: ReadonlyMap<
      string,
      { readonly resultType: string; readonly host: string; readonly count: number }
    >
    /** The policy as it was published, line by line; absent when it cannot be had. */
    readonly lines?: readonly string[]
  })[]
}

/** The report itself (RFC 8460 §4). */
export function tlsReport({ reportId, day, submitter, contact, policyDomain, policies }: TlsReportInput): string {
  const instant = (at: number) => new Date(at).toISOString().replace('.000Z', 'Z')
  return JSON.stringify({
    'organization-name': submitter,
    'date-range': {
      'start-datetime': instant(day * DAY_MS),
      'end-datetime': instant((day + 1) * DAY_MS - 1000),
    },
    'contact-info': contact,
    'report-id': reportId,
    policies: policies.map(({ type, lines, successful, failed, failures }) => {
      const hosts = type === 'sts' ? (lines ?? []).flatMap((line) => /^mx:\s*(\S+)/i.exec(line)?.[1] ?? []) : []
      return {
        policy: {
          'policy-type': type,
          ...(lines && lines.length > 0 ? { 'policy-string': lines } : {}),
          'policy-domain': policyDomain,
          ...(hosts.length > 0 ? { 'mx-host': hosts } : {}),
        },
        summary: { 'total-successful-session-count': successful, 'total-failure-session-count': failed },
        ...(failures.size === 0
          ? {}
          : {
              'failure-details': [...failures.values()].map(({ resultType, host, count }) => ({
                'result-type': resultType,
                ...(host === '' ? {} : { 'receiving-mx-hostname': host }),
                'failed-session-count': count,
              })),
            }),
      }
    }),
  })
}

/** The message that takes a report to its domain (RFC 8460 §5.3). `gzipped` is the report, compressed. The same input, the same bytes. */
export function composeTlsReport(
  { reportId, day, submitter, contact, policyDomain }: Omit<TlsReportInput, 'policies'>,
  to: readonly string[],
  gzipped: Uint8Array,
): Uint8Array {
  const boundary = `tlsrpt-${reportId.replace(/[^A-Za-z0-9]/g, '').slice(0, 40)}`
  const begin = (day * DAY_MS) / 1000
  const name = `${submitter}!${policyDomain}!${begin}!${begin + DAY_MS / 1000 - 1}.json.gz`
  const date = new Date(day * DAY_MS).toISOString().slice(0, 10)
  const base64 = Buffer.from(gzipped).toString('base64').replace(/.{76}/g, '$&\r\n').trimEnd()
  return Buffer.from(
    [
      `Date: ${formatDate((day + 1) * DAY_MS)}`,
      `From: <${contact}>`,
      `To: ${to.map((address) => `<${address}>`).join(',\r\n ')}`,
      `Subject: Report Domain: ${policyDomain}\r\n Submitter: ${submitter}\r\n Report-ID: <${reportId}>`,
      `Message-ID: <${reportId}>`,
      `TLS-Report-Domain: ${policyDomain}`,
      `TLS-Report-Submitter: ${submitter}`,
      'Auto-Submitted: auto-generated',
      'MIME-Version: 1.0',
      `Content-Type: multipart/report; report-type="tlsrpt";\r\n\tboundary="${boundary}"`,
      '',
      `--${boundary}`,
      'Content-Type: text/plain; charset=us-ascii',
      '',
      `This is the report on the TLS of mail from ${submitter} to ${policyDomain} on ${date} (UTC).`,
      '',
      `--${boundary}`,
      `Content-Type: application/tlsrpt+gzip`,
      'Content-Transfer-Encoding: base64',
      `Content-Disposition: attachment;\r\n\tfilename="${name}"`,
      '',
      base64,
      `--${boundary}--`,
      '',
    ].join('\r\n'),
  )
}
