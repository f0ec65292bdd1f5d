// Questions to a name server as packets, and what its packets answer (RFC 1035, 2308, 6891).
import { type Answer, AUTHENTIC_DATA, type DecodedPacket, decode, encode, RECURSION_DESIRED } from 'dns-packet'
import type { DnsAnswer, DnsRecords, RecordType } from '../../../commands/ports/resolver.ts'

/** What one packet says: records, a final no, or nothing that can be relied on. */
export type Reading<T extends RecordType> =
  | { readonly kind: 'records'; readonly answer: DnsAnswer<T> }
  | {
      readonly kind: 'none'
      readonly code: 'no-such-name' | 'no-data'
      readonly ttl: number
      readonly secure: boolean
    }
  | { readonly kind: 'truncated' }
  /** Another question's answer, or noise: wait on. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'failed'; readonly reason: string }

/** Aliases followed inside one answer. */
const MAX_ALIASES = 16
/** Records of one answer that are kept. */
const MAX_RECORDS = 200
const TRUNCATED = 1 << 9
/** Seconds that answers are kept at most; a negative one also when its zone names no time (RFC 2308 §5). */
const LONGEST = 86_400
const LONGEST_NONE = 3_600
const DEFAULT_NONE = 60
/** Fits one packet on every path (DNS flag day 2020). */
const UDP_PAYLOAD = 1232

/** A question. AD asks the server to say whether it validated the answer (RFC 6840 §5.7). */
export function question(id: number, name: string, type: RecordType): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ type, name, class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_PAYLOAD,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  })
}

/** Reads the answer to question `id`. Total: whatever the bytes are. `trustAd` lets the AD bit mean 'secure'. */
export function readAnswer<T extends RecordType>(
  bytes: Buffer,
  asked: { readonly id: number; readonly name: string; readonly type: T },
  trustAd: boolean,
): Reading<T> {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== asked.id || (bytes[2] as number) < 128) return { kind: 'foreign' }
  let packet: DecodedPacket
  try {
    packet = decode(bytes)
  } catch {
    return bytes.readUInt16BE(2) & TRUNCATED
      ? { kind: 'truncated' }
      : { kind: 'failed', reason: 'its answer cannot be read' }
  }
  const [echoed] = packet.questions ?? []
  if (echoed && (plain(echoed.name) !== plain(asked.name) || echoed.type !== asked.type)) return { kind: 'foreign' }
  const flags = packet.flags ?? 0
  if (flags & TRUNCATED) return { kind: 'truncated' }
  const secure = trustAd && (flags & AUTHENTIC_DATA) !== 0
  const rcode = flags & 0x0f
  if (rcode !== 0 && rcode !== 3) return { kind: 'failed', reason: `it answered ${RCODES[rcode] ?? `code ${rcode}`}` }
  if (!echoed) return { kind: 'failed', reason: 'its answer names no question' }
  const answers = packet.answers ?? []
  let name = plain(asked.name)
  let ttl = LONGEST
  for (let hop = 0; hop < MAX_ALIASES; hop++) {
    const alias = answers.find((each) => each.type === 'CNAME' && plain(each.name) === name)
    if (alias?.type !== 'CNAME') break
    ttl = Math.min(ttl, seconds(alias.ttl))
    name = plain(alias.data)
  }
  const records: DnsRecords[T][] = []
  for (const each of answers) {
    if (each.type !== asked.type || plain(each.name) !== name || records.length >= MAX_RECORDS) continue
    const record = recordOf(each)
    if (record === undefined) continue
    ttl = Math.min(ttl, 'ttl' in each ? seconds(each.ttl) : 0)
    records.push(record as DnsRecords[T])
  }
  if (records.length > 0) return { kind: 'records', answer: { records, ttl, secure } }
  return { kind: 'none', code: rcode === 3 ? 'no-such-name' : 'no-data', ttl: negativeTtl(packet), secure }
}

const RCODES: Readonly<Record<number, string>> = { 1: 'FORMERR', 2: 'SERVFAIL', 4: 'NOTIMP', 5: 'REFUSED' }

function recordOf(answer: Answer): DnsRecords[RecordType] | undefined {
  switch (answer.type) {
    case 'A':
    case 'AAAA':
      return answer.data
    case 'PTR':
      return plain(answer.data)
    case 'MX':
      return { preference: answer.data.preference ?? 0, exchange: plain(answer.data.exchange) }
    case 'TXT': {
      const strings = Array.isArray(answer.data) ? answer.data : [answer.data]
      return Buffer.concat(strings.map((each) => Buffer.from(each))).toString('utf8')
    }
    case 'TLSA': {
      const { usage, selector, matchingType, certificate } = answer.data
      return { usage, selector, matchingType, data: new Uint8Array(certificate) }
    }
    default:
      return undefined
  }
}

/** Lowercase, without the dot of the root. */
export const plain = (name: string): string => name.toLowerCase().replace(/\.$/, '')

const seconds = (ttl: number | undefined): number => Math.max(0, Math.min(LONGEST, ttl ?? 0))

function negativeTtl(packet: DecodedPacket): number {
  for (const each of packet.authorities ?? []) {
    if (each.type === 'SOA') return Math.min(LONGEST_NONE, seconds(each.ttl), seconds(each.data.minimum))
  }
  return DEFAULT_NONE
}

/** Whether a text can be asked for at all (RFC 1035 §2.3.4). */
export function isAskable(name: string): boolean {
  const bare = name.replace(/\.$/, '')
  return bare.length > 0 && bare.length <= 253 && bare.split('.').every((label) => /^[\x21-\x7e]{1,63}$/.test(label))
}
