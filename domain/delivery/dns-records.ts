// What a domain publishes so that others find its mail server and believe its mail.
import type { SigningKey } from './signing-keys.ts'

export interface DnsRecordToPublish {
  /** Without a last dot. */
  readonly name: string
  readonly type: 'MX' | 'TXT' | 'A / AAAA' | 'HTTPS file'
  readonly value: string
  /** One sentence: what it is for. */
  readonly why: string
}

/** `host` is the name of the mail server. `at` makes the id of the MTA-STS policy. */
export function recordsFor(
  domain: string,
  host: string,
  keys: readonly SigningKey[],
  at: number,
): readonly DnsRecordToPublish[] {
  const id = new Date(at).toISOString().replace(/[-:]|\.\d+/g, '')
  return [
    { name: domain, type: 'MX', value: `10 ${host}.`, why: 'Mail for the domain comes to this server.' },
    { name: host, type: 'A / AAAA', value: 'the public addresses of this server', why: 'Where that is.' },
    { name: domain, type: 'TXT', value: 'v=spf1 mx -all', why: 'SPF: only this server sends for the domain.' },
    ...keys.map((key) => ({
      name: `${key.selector}._domainkey.${domain}`,
      type: 'TXT' as const,
      value: dkimRecord(key),
      why: `DKIM (${key.algorithm})${key.retired ? ', signs no more: keep it for a week, then remove it' : ': the key that signs'}.`,
    })),
    {
      name: `_dmarc.${domain}`,
      type: 'TXT',
      value: `v=DMARC1; p=quarantine; rua=mailto:postmaster@${domain}`,
      why: 'DMARC: what others do with forged mail, and where they report it.',
    },
    {
      name: `_smtp._tls.${domain}`,
      type: 'TXT',
      value: `v=TLSRPTv1; rua=mailto:postmaster@${domain}`,
      why: 'TLS-RPT: where others report that TLS to this server failed.',
    },
    {
      name: `_mta-sts.${domain}`,
      type: 'TXT',
      value: `v=STSv1; id=${id}`,
      why: 'MTA-STS: there is a policy; a new id whenever it changes.',
    },
    {
      name: `https://mta-sts.${domain}/.well-known/mta-sts.txt`,
      type: 'HTTPS file',
      value: `version: STSv1\nmode: testing\nmx: ${host}\nmax_age: 604800`,
      why: 'MTA-STS: the policy; mode: enforce once the reports are clean.',
    },
  ]
}

const dkimRecord = ({ algorithm, publicKey }: SigningKey): string =>
  `v=DKIM1; k=${algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519'}; p=${publicKey}`

/** A TXT value as zone files have it: strings of at most 255 bytes (RFC 1035 §3.3.14). */
export const zoneText = (value: string): string =>
  (value.match(/.{1,250}/g) ?? ['']).map((part) => `"${part}"`).join(' ')
