// The Ed25519 key that signs tree heads: one line in a file of mode 0600 beside the keyring, in the form in which signed-note tools
// keep private keys: PRIVATE+KEY+NAME+HASH+BASE64(0x01 || seed).
import { createPrivateKey, createPublicKey, hash, type KeyObject, randomBytes, sign, verify } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { formatKey, formatNote, isKeyName, keyHashOf, type NoteKey } from '../../domain/audit/checkpoint.ts'
import type { Sha256 } from '../../domain/audit/merkle.ts'
import { writeSecretFile } from '../adapters/keyring/secret-file.ts'

export const sha256: Sha256 = (bytes) => hash('sha256', bytes, 'buffer')

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')
const PREFIX = 'PRIVATE+KEY+'

export interface Signer {
  readonly key: NoteKey
  /** The key in the form that `audit verify --key` takes. */
  readonly publicKey: string
  /** The text as a note with this key's signature. */
  sign(text: string): string
}

export function verifyEd25519(publicKey: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' })
  return verify(null, text, key, signature)
}

export function newSigner(name: string): { readonly text: string } {
  if (!isKeyName(name)) throw new Error(`A key cannot be named ${JSON.stringify(name)}: spaces and + are not allowed`)
  const seed = randomBytes(32)
  const key = { name, publicKey: publicBytes(privateKey(seed)) }
  const keyHash = Buffer.from(keyHashOf(sha256, key)).toString('hex')
  return { text: `${PREFIX}${name}+${keyHash}+${Buffer.concat([Buffer.from([1]), seed]).toString('base64')}\n` }
}

/** Throws unless the text is a whole private key whose hash fits. */
export function readSigner(text: string): Signer {
  const match = /^PRIVATE\+KEY\+([^+\s]+)\+([0-9a-f]{8})\+(\S+)\s*$/u.exec(text)
  const bytes = Buffer.from(match?.[3] ?? '', 'base64')
  if (!match || bytes.length !== 33 || bytes[0] !== 1) throw new Error('it is not an Ed25519 signed-note key')
  const secret = privateKey(bytes.subarray(1))
  const key = { name: match[1] ?? '', publicKey: publicBytes(secret) }
  const keyHash = keyHashOf(sha256, key)
  if (Buffer.from(keyHash).toString('hex') !== match[2]) throw new Error('its hash does not fit: it was changed or cut')
  return {
    key,
    publicKey: formatKey(sha256, key),
    sign: (note) => {
      const signature = sign(null, Buffer.from(note), secret)
      return formatNote(note, [{ name: key.name, keyHash, signature }])
    },
  }
}

/** Reads the key, making it under `name` when there is none yet. Whole or not at all: a kill leaves no half key. */
export function signerFromFile(path: string, name: string): Signer {
  if (!existsSync(path)) {
    writeSecretFile(path, newSigner(name).text)
  }
  try {
    return readSigner(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new Error(`The key ${path} cannot sign: ${(error as Error).message}. Put it back from a backup.`, {
      cause: error,
    })
  }
}

const privateKey = (seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })

const publicBytes = (secret: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(SPKI.length))
