// The client's side of SCRAM-SHA-256, written from RFC 5802 §3 and nothing of ours.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

export interface ScramAsked {
  readonly name: string
  readonly password: string
  /** `n,,` without channel binding, `p=tls-exporter,,` with it. */
  readonly header?: string
  readonly binding?: Uint8Array
}

export class ScramClient {
  readonly first: string
  readonly #asked: ScramAsked
  readonly #bare: string
  #serverKey = Buffer.alloc(0)
  #message = ''

  constructor(asked: ScramAsked) {
    this.#asked = asked
    this.#bare = `n=${asked.name.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${randomBytes(12).toString('base64')}`
    this.first = `${asked.header ?? 'n,,'}${this.#bare}`
  }

  last(challenge: string): string {
    const { password, header = 'n,,', binding = Buffer.alloc(0) } = this.#asked
    const [, r = '', s = '', i = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(challenge) ?? []
    const salted = pbkdf2Sync(password.normalize('NFKC'), Buffer.from(s, 'base64'), Number(i), 32, 'sha256')
    const clientKey = hmac(salted, 'Client Key')
    this.#serverKey = hmac(salted, 'Server Key')
    const withoutProof = `c=${Buffer.concat([Buffer.from(header), binding]).toString('base64')},r=${r}`
    this.#message = `${this.#bare},${challenge},${withoutProof}`
    const signature = hmac(sha256(clientKey), this.#message)
    const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] as number)))
    return `${withoutProof},p=${proof.toString('base64')}`
  }

  /** Whether the server knows the password too. */
  trusts(final: string): boolean {
    return final === `v=${hmac(this.#serverKey, this.#message).toString('base64')}`
  }
}

export const base64 = (text: string): string => Buffer.from(text).toString('base64')
export const unbase64 = (text: string): string => Buffer.from(text, 'base64').toString()
