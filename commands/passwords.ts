// Passwords as argon2id PHC strings (RFC 9106 §4, OWASP's parameters), and secrets of app passwords and tokens.
import { argon2, hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(argon2)
const MEMORY_KIB = 19_456
const PASSES = 2
const LANES = 1
const TAG_BYTES = 32

export const MIN_PASSWORD = 10
const MAX_PASSWORD = 1_000

/** A sentence about what is wrong with a password, undefined when it will do. */
export function passwordProblem(password: string): string | undefined {
  if ([...password].length < MIN_PASSWORD) return `A password has at least ${MIN_PASSWORD} characters.`
  if (password.length > MAX_PASSWORD) return `A password has at most ${MAX_PASSWORD} characters.`
  return undefined
}

/** Runs on the thread pool: about 20 ms and 19 MiB. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const tag = await compute(password, salt, MEMORY_KIB, PASSES, LANES)
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${unpadded(salt)}$${unpadded(tag)}`
}

/** False for a wrong password and for a hash that is not one. Takes as long without a hash, so that accounts cannot be guessed. */
export async function verifyPassword(password: string, phc: string | undefined): Promise<boolean> {
  const parts = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(phc ?? DECOY)
  if (!parts || password.length > MAX_PASSWORD) return false
  const [, memory, passes, lanes, salt, tag] = parts as unknown as [string, string, string, string, string, string]
  const expected = Buffer.from(tag, 'base64')
  const actual = await compute(password, Buffer.from(salt, 'base64'), Number(memory), Number(passes), Number(lanes))
  return phc !== undefined && expected.length === actual.length && timingSafeEqual(expected, actual)
}

const DECOY = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${unpadded(Buffer.alloc(16, 7))}$${unpadded(Buffer.alloc(TAG_BYTES))}`

function compute(
  password: string,
  nonce: Uint8Array,
  memory: number,
  passes: number,
  parallelism: number,
): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFC'))
  return derive('argon2id', { message, nonce, parallelism, tagLength: TAG_BYTES, memory, passes }) as Promise<Buffer>
}

/** A fresh secret of 192 bits, and the hash to keep: it needs no slow hashing, since it cannot be guessed. */
export function newSecret(): { readonly secret: string; readonly hash: string } {
  const secret = randomBytes(24).toString('base64url')
  return { secret, hash: hashSecret(secret) }
}

export const hashSecret = (secret: string): string => hash('sha256', secret, 'base64url')

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}
