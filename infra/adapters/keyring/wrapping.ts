// What all keyrings share: how data keys are wrapped by the master key, and what is derived from the system's own.
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import type { Keyring } from '../../../commands/ports/keyring.ts'

/** An engine of the keyring, for whoever opened it. */
export interface OpenKeyring extends Keyring {
  /** A key for one other purpose, such as signing sessions; the same after every start. */
  derive(purpose: string): Uint8Array
  /** Drops a key from memory, after somebody else destroyed it. */
  forget(account: string): void
  close(): void | Promise<void>
}

export class KeyringError extends Error {
  readonly code: 'no-master-key' | 'wrong-master-key' | 'unavailable'
  constructor(code: KeyringError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KeyringError'
    this.code = code
  }
}

export function wrap(master: Uint8Array, owner: string, key: Uint8Array): Uint8Array {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', master, nonce).setAAD(Buffer.from(owner))
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()])
}

export function unwrap(master: Uint8Array, owner: string, wrapped: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('aes-256-gcm', master, wrapped.subarray(0, 12)).setAAD(Buffer.from(owner))
  decipher.setAuthTag(wrapped.subarray(44, 60))
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(12, 44)), decipher.final()])
  } catch (cause) {
    throw new KeyringError(
      'wrong-master-key',
      'The master key does not open this keyring: it belongs to another data folder',
      { cause },
    )
  }
}

export const hashOfName = (system: Uint8Array, text: string): string =>
  createHmac('sha256', system).update(`name:${text}`).digest('hex').slice(0, 40)

export const derivedKey = (system: Uint8Array, purpose: string): Uint8Array =>
  createHmac('sha256', system).update(`purpose:${purpose}`).digest()
