// SCRAM-SHA-256 (RFC 5802, RFC 7677): the verifier that is kept beside a password's hash, and the proof that a client gives.
import { createHmac, hash, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { ScramVerifier } from '../domain/account/account.ts'
import type { DirectoryAccount } from './ports/views.ts'

const derive = promisify(pbkdf2)

/** RFC 7677 §4 asks for 4,096 at least; a client computes this many at every sign-in. */
export const SCRAM_ITERATIONS = 20_000
export const SALT_BYTES = 16

/**
 * The verifier of a new password, ready to be spread into the command that sets it; empty for a password that SCRAM cannot say.
 * All verifiers of an account share one salt, so that one exchange can be held against all of them.
 */
export async function newVerifier(
  account: Pick<DirectoryAccount, 'scram' | 'appPasswords'> | undefined,
  password: string,
): Promise<{ readonly scram?: ScramVerifier }> {
  const salt = verifiersOf(account)[0]?.salt ?? randomBytes(SALT_BYTES).toString('base64')
  const scram = await verifierOf(password, salt, SCRAM_ITERATIONS)
  return scram ? { scram } : {}
}

/** RFC 5802 §3; undefined for a password that SCRAM cannot say. Runs on the thread pool. */
export async function verifierOf(
  password: string,
  salt: string,
  iterations: number,
): Promise<ScramVerifier | undefined> {
  const prepared = saslPrep(password)
  if (prepared === undefined) return undefined
  const salted = await derive(prepared, Buffer.from(salt, 'base64'), iterations, 32, 'sha256')
  const storedKey = hash('sha256', hmac(salted, 'Client Key'), 'base64')
  return { salt, iterations, storedKey, serverKey: hmac(salted, 'Server Key').toString('base64') }
}

/** Those that one exchange can be held against: of the password, then of app passwords, with the first one's salt and iterations. */
export function verifiersOf(
  account: Pick<DirectoryAccount, 'scram' | 'appPasswords'> | undefined,
): readonly ScramVerifier[] {
  const all = [account?.scram, ...(account?.appPasswords ?? []).map(({ scram }) => scram)].filter((each) => !!each)
  const [first] = all
  return all.filter(({ salt, iterations }) => salt === first?.salt && iterations === first.iterations)
}

/**
 * The server's signature (RFC 5802 §3) when the proof is that of one of the verifiers, undefined otherwise. `message` is AuthMessage.
 * Takes the same steps whether there are verifiers or not.
 */
export function checkProof(
  verifiers: readonly ScramVerifier[],
  message: string,
  proof: Uint8Array,
): Buffer | undefined {
  let signature: Buffer | undefined
  for (const { storedKey, serverKey } of verifiers.length > 0 ? verifiers : [NOBODY]) {
    const stored = Buffer.from(storedKey, 'base64')
    const clientSignature = hmac(stored, message)
    if (proof.length !== clientSignature.length) continue
    const clientKey = clientSignature.map((byte, i) => byte ^ (proof[i] as number))
    const right = timingSafeEqual(hash('sha256', clientKey, 'buffer'), stored)
    const signed = hmac(Buffer.from(serverKey, 'base64'), message)
    if (right) signature = signed
  }
  return signature
}

const NOBODY: ScramVerifier = {
  salt: '',
  iterations: SCRAM_ITERATIONS,
  storedKey: randomBytes(32).toString('base64'),
  serverKey: randomBytes(32).toString('base64'),
}

const hmac = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** Spaces of other scripts, and characters that stand for nothing (RFC 4013 §2.1). */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu
/** Controls, private use, non-characters, surrogates and the rest of RFC 3454's prohibited tables. */
const PROHIBITED =
  /[\p{Cc}\p{Co}\p{Cs}\u06dd\u070f\u180e\u2028\u2029\u206a-\u206f\ufff9-\uffff\ufdd0-\ufdef\u2ff0-\u2ffb\u200e\u200f\u202a-\u202e]|[\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u

/** RFC 4013 for a password or a name: the form that both sides compute with; undefined for text that it forbids. */
export function saslPrep(text: string): string | undefined {
  const prepared = text.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC')
  return prepared === '' || PROHIBITED.test(prepared) ? undefined : prepared
}
