// Session tokens: what a signed-in client carries. Signed, so that no server needs to remember them.
//
//   token   = 'es_' base64url( payload mac )
//   payload = version(1) account(16) issued(6) expires(6) passwordRevision + 1 (6) nonce(9)     numbers big-endian, times in ms
//   mac     = HMAC-SHA-256 of the payload
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { decodeId, encodeId } from '../../domain/ids.ts'
import type { AccountId, Revision } from '../../domain/log.ts'

export interface SessionClaims {
  readonly account: AccountId
  readonly issuedAt: number
  readonly expires: number
  /** The account's newest PasswordChanged when the session began; undefined before any password. */
  readonly passwordRevision: Revision | undefined
  /** Names the session. */
  readonly nonce: string
}

const PREFIX = 'es_'
const VERSION = 1
const PAYLOAD = 44
const MAC = 32
export const SESSION_LIFE = 30 * 24 * 3_600_000

export class SessionTokens {
  readonly #key: Uint8Array
  constructor(key: Uint8Array) {
    this.#key = key
  }

  issue(account: AccountId, passwordRevision: Revision | undefined, now: number): string {
    const id = decodeId(account)
    if (!id) throw new Error('An account id has 26 letters and digits')
    const payload = Buffer.alloc(PAYLOAD)
    payload[0] = VERSION
    payload.set(id, 1)
    payload.writeUIntBE(now, 17, 6)
    payload.writeUIntBE(now + SESSION_LIFE, 23, 6)
    payload.writeUIntBE(passwordRevision === undefined ? 0 : Number(passwordRevision) + 1, 29, 6)
    payload.set(randomBytes(9), 35)
    return PREFIX + Buffer.concat([payload, this.#mac(payload)]).toString('base64url')
  }

  /** The claims of a token that is ours and not over; whether they still hold is the account's business. */
  read(token: string, now: number): SessionClaims | undefined {
    if (!token.startsWith(PREFIX) || token.length > 200) return undefined
    const bytes = Buffer.from(token.slice(PREFIX.length), 'base64url')
    if (bytes.length !== PAYLOAD + MAC || bytes[0] !== VERSION) return undefined
    const payload = bytes.subarray(0, PAYLOAD)
    if (!timingSafeEqual(bytes.subarray(PAYLOAD), this.#mac(payload))) return undefined
    const expires = payload.readUIntBE(23, 6)
    if (expires <= now) return undefined
    const revision = payload.readUIntBE(29, 6)
    return {
      account: encodeId(payload.subarray(1, 17)),
      issuedAt: payload.readUIntBE(17, 6),
      expires,
      passwordRevision: revision === 0 ? undefined : BigInt(revision - 1),
      nonce: payload.toString('base64url', 35),
    }
  }

  #mac(payload: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update('session').update(payload).digest()
  }
}
