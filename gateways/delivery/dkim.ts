// Signatures on outgoing mail (RFC 6376, RFC 8463), made as it leaves: the keys of the day, over the bytes that are sent.
import { Readable } from 'node:stream'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import { loadSigningKeys, type SigningKeyPorts } from '../../commands/signing-keys.ts'
import { activeKeys, type SigningKey } from '../../domain/delivery/signing-keys.ts'
import { normalizeAddress, parseAddress } from '../../domain/mail/address.ts'

/** How long keys are used before the log is asked again: a rotation holds everywhere after that. */
const KEPT_MS = 5_000
const REMEMBERED = 10_000
const MAX_HEADER = 64 * 1024

export class DomainSigner {
  readonly #ports: SigningKeyPorts
  readonly #now: () => number
  readonly #kept = new Map<string, { readonly until: number; readonly keys: Promise<readonly SigningKey[]> }>()

  constructor(ports: SigningKeyPorts, now: () => number = Date.now) {
    this.#ports = ports
    this.#now = now
  }

  /**
   * Signature fields for the domain of From, else of the envelope, each with CRLF; '' when it is not ours or has no keys. The body
   * is read in pieces and never whole.
   */
  async sign(mailFrom: string, head: Buffer, message: Buffer | (() => AsyncIterable<Uint8Array>)): Promise<string> {
    for (const domain of new Set([fromDomain(head), domainOf(mailFrom)])) {
      if (domain === undefined) continue
      const keys = await this.#keys(domain)
      const [first] = keys
      if (!first) continue
      const { signatures, errors } = await dkimSign(Buffer.isBuffer(message) ? message : Readable.from(message()), {
        signTime: new Date(this.#now()),
        // The types ask for one key here; what signs is the list below.
        signingDomain: domain,
        selector: first.selector,
        privateKey: first.privateKey,
        signatureData: keys.map(({ selector, algorithm, privateKey }) => ({
          signingDomain: domain,
          selector,
          algorithm,
          canonicalization: 'relaxed/relaxed',
          privateKey,
        })),
      })
      const [error] = errors
      if (error) throw new Error(`The message cannot be signed for ${domain}: ${error.err?.message ?? 'unknown'}`)
      return signatures
    }
    return ''
  }

  #keys(domain: string): Promise<readonly SigningKey[]> {
    const kept = this.#kept.get(domain)
    if (kept && kept.until > this.#now()) return kept.keys
    const keys = loadSigningKeys(this.#ports, domain).then((loaded) => (loaded ? activeKeys(loaded.keys) : []))
    if (this.#kept.size >= REMEMBERED) this.#kept.clear()
    this.#kept.set(domain, { until: this.#now() + KEPT_MS, keys })
    keys.catch(() => this.#kept.delete(domain))
    return keys
  }
}

const domainOf = (address: string): string | undefined => normalizeAddress(address)?.domain

/** The domain that a reader sees as the author's, which DMARC wants the signature to be of. */
function fromDomain(head: Buffer): string | undefined {
  const text = head.toString('latin1', 0, MAX_HEADER)
  const end = text.indexOf('\r\n\r\n')
  const header = end < 0 ? text : text.slice(0, end + 2)
  const field = /^from[ \t]*:((?:[^\r]|\r\n[ \t])*)/im.exec(header)?.[1]
  const address = field && parseAddress(Buffer.from(field.replace(/\r\n/g, ''), 'latin1').toString('utf8'))?.address
  return address ? domainOf(address) : undefined
}
