// Addresses that carry their own permission: signed for a short time (bodies, inline images), or sealed (uploads).
import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { AccountId } from '../../domain/log.ts'
import type { BlobRef } from '../../domain/mailbox/mailbox.ts'

export interface BodyLink {
  readonly account: AccountId
  readonly messageId: string
  /** Section of an inline image; '' for the body itself. */
  readonly section: string
}

export interface Upload {
  readonly account: AccountId
  readonly blob: BlobRef
  readonly filename: string
  readonly type: string
}

const MAC_BYTES = 16
const HOUR = 3_600_000
const UPLOAD_LIFE = 7 * 24 * HOUR

export class SignedLinks {
  readonly #linkKey: Buffer
  readonly #uploadKey: Buffer
  readonly #now: () => number

  constructor(key: Uint8Array, now: () => number) {
    this.#linkKey = createHmac('sha256', key).update('body-links').digest()
    this.#uploadKey = createHmac('sha256', key).update('uploads').digest()
    this.#now = now
  }

  /** Valid for one to two hours; the same text within an hour, so that browsers can cache what it names. */
  sign({ account, messageId, section }: BodyLink): string {
    const expires = (Math.floor(this.#now() / HOUR) + 2) * HOUR
    const payload = Buffer.from(JSON.stringify([account, messageId, section, expires / 1000]))
    return `${payload.toString('base64url')}.${this.#mac(payload).toString('base64url')}`
  }

  /** What the link names; undefined when it is not ours or its time is over. */
  verify(token: string): BodyLink | undefined {
    if (token.length > 2000) return undefined
    const dot = token.indexOf('.')
    if (dot < 1) return undefined
    const payload = Buffer.from(token.slice(0, dot), 'base64url')
    const mac = Buffer.from(token.slice(dot + 1), 'base64url')
    if (mac.length !== MAC_BYTES || !timingSafeEqual(mac, this.#mac(payload))) return undefined
    const [account, messageId, section, expires] = JSON.parse(payload.toString()) as [string, string, string, number]
    return expires * 1000 > this.#now() ? { account, messageId, section } : undefined
  }

  /** An upload as its own id: nothing needs to be remembered of it. */
  sealUpload({ account, blob, filename, type }: Upload): string {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#uploadKey, nonce)
    const plain = JSON.stringify([account, blob.id, blob.key, blob.size, filename, type, this.#now() + UPLOAD_LIFE])
    const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    return sealed.toString('base64url')
  }

  /** Undefined for an id that is not ours, of another account, or older than a week. */
  openUpload(account: AccountId, id: string): Upload | undefined {
    if (id.length > 4000) return undefined
    const sealed = Buffer.from(id, 'base64url')
    if (sealed.length < 30) return undefined
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#uploadKey, sealed.subarray(0, 12))
      decipher.setAuthTag(sealed.subarray(-16))
      const plain = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString()
      const [owner, blobId, key, size, filename, type, expires] = JSON.parse(plain) as [
        string,
        string,
        string,
        number,
        string,
        string,
        number,
      ]
      if (owner !== account || expires <= this.#now()) return undefined
      return { account, blob: { id: blobId, key, size }, filename, type }
    } catch {
      return undefined
    }
  }

  #mac(payload: Buffer): Buffer {
    return createHmac('sha256', this.#linkKey).update(payload).digest().subarray(0, MAC_BYTES)
  }
}
