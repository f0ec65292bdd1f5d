// Signed tree heads as text: C2SP tlog-checkpoint, a signed note (c2sp.org/signed-note, c2sp.org/tlog-checkpoint) with Ed25519
// signatures. Pure: hashing, signing and checking come from outside.
//
//   ORIGIN\n SIZE\n BASE64(ROOT)\n [extension lines\n] \n  — NAME BASE64(keyHash(4) || signature(64))\n
import { HASH_BYTES, type Sha256 } from './merkle.ts'

const ED25519 = 1
const SIGNATURE_BYTES = 64
const KEY_BYTES = 32
/** Longer texts are refused unread. */
const MAX_NOTE = 64 * 1024
const MAX_SIGNATURES = 100

export interface Checkpoint {
  /** Names the log. */
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  readonly extensions: readonly string[]
}

export interface NoteSignature {
  readonly name: string
  readonly keyHash: Uint8Array
  readonly signature: Uint8Array
}

export interface Note {
  /** What is signed, its last newline included. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** An Ed25519 key under a name. Its text form is `NAME+KEYHASH+BASE64(0x01 || key)`, as every signed-note tool takes it. */
export interface NoteKey {
  readonly name: string
  readonly publicKey: Uint8Array
}

/** The text is not what it should be; the message says where and why. */
export class MalformedNote extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'MalformedNote'
  }
}

/** First four bytes of SHA-256(name || "\n" || 0x01 || public key). */
export function keyHashOf(sha256: Sha256, key: NoteKey): Uint8Array {
  const name = Buffer.from(`${key.name}\n`)
  return sha256(Buffer.concat([name, Buffer.from([ED25519]), key.publicKey])).slice(0, 4)
}

export function formatKey(sha256: Sha256, key: NoteKey): string {
  const bytes = Buffer.concat([Buffer.from([ED25519]), key.publicKey])
  return `${key.name}+${hex(keyHashOf(sha256, key))}+${bytes.toString('base64')}`
}

/** Throws `MalformedNote` unless the text is a whole Ed25519 verifier key whose hash fits. */
export function parseKey(sha256: Sha256, text: string): NoteKey {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/u.exec(text.trim())
  if (!match)
    throw new MalformedNote('A public key reads NAME+HASH+BASE64, such as the one that "everpost audit key" prints')
  const [, name = '', hash = '', encoded = ''] = match
  const bytes = fromBase64(encoded, 'The public key')
  if (bytes[0] !== ED25519 || bytes.length !== 1 + KEY_BYTES)
    throw new MalformedNote('The public key is not an Ed25519 key')
  const key = { name, publicKey: bytes.slice(1) }
  if (hex(keyHashOf(sha256, key)) !== hash)
    throw new MalformedNote('The public key does not have the hash that it states: it was changed or cut')
  return key
}

export const isKeyName = (name: string): boolean => /^[^+\s]+$/u.test(name)

export function formatCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  return [origin, `${size}`, Buffer.from(root).toString('base64'), ...extensions, ''].join('\n')
}

/** Reads the text of a note, without its signatures. */
export function parseCheckpoint(text: string): Checkpoint {
  if (!text.endsWith('\n')) throw new MalformedNote('The checkpoint does not end with a newline')
  const [origin = '', size = '', root = '', ...extensions] = text.slice(0, -1).split('\n')
  if (origin === '') throw new MalformedNote('The checkpoint has no origin line')
  if (!/^(0|[1-9][0-9]*)$/.test(size) || !Number.isSafeInteger(Number(size)))
    throw new MalformedNote(
      `The size of the checkpoint is not a plain decimal number: ${JSON.stringify(size.slice(0, 40))}`,
    )
  const bytes = fromBase64(root, 'The root hash of the checkpoint')
  if (bytes.length !== HASH_BYTES) throw new MalformedNote(`The root hash has ${bytes.length} bytes, not ${HASH_BYTES}`)
  if (extensions.some((line) => line === '')) throw new MalformedNote('The checkpoint has an empty line')
  return { origin, size: Number(size), root: bytes, extensions }
}

export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  const lines = signatures.map(
    ({ name, keyHash, signature }) => `— ${name} ${Buffer.concat([keyHash, signature]).toString('base64')}\n`,
  )
  return `${text}\n${lines.join('')}`
}

/** Throws `MalformedNote` for anything but a text, an empty line and at least one signature line. */
export function parseNote(note: string): Note {
  if (note.length > MAX_NOTE) throw new MalformedNote(`A note has at most ${MAX_NOTE} characters`)
  if (!note.endsWith('\n')) throw new MalformedNote('The note does not end with a newline')
  if (/[\u0000-\u0009\u000b-\u001f\ufffd]/.test(note)) throw new MalformedNote('The note has control characters')
  const end = note.lastIndexOf('\n\n')
  if (end < 0) throw new MalformedNote('The note has no empty line before its signatures')
  const lines = note.slice(end + 2, -1).split('\n')
  if (note.length === end + 2) throw new MalformedNote('The note has no signature')
  if (lines.length > MAX_SIGNATURES) throw new MalformedNote(`A note has at most ${MAX_SIGNATURES} signatures`)
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignature) }
}

function parseSignature(line: string): NoteSignature {
  const match = /^— ([^+\s]+) (\S+)$/u.exec(line)
  if (!match)
    throw new MalformedNote(`A signature line reads "— NAME BASE64", not ${JSON.stringify(line.slice(0, 80))}`)
  const [, name = '', encoded = ''] = match
  const bytes = fromBase64(encoded, 'A signature')
  if (bytes.length < 5) throw new MalformedNote('A signature is too short')
  return { name, keyHash: bytes.slice(0, 4), signature: bytes.slice(4) }
}

export type VerifySignature = (publicKey: Uint8Array, text: Uint8Array, signature: Uint8Array) => boolean

/** Whether a key signed the note: 'unsigned' when no signature claims to be of that key, 'wrong' when one does and is not. */
export function checkNote(
  sha256: Sha256,
  verify: VerifySignature,
  note: Note,
  key: NoteKey,
): 'signed' | 'unsigned' | 'wrong' {
  const hash = hex(keyHashOf(sha256, key))
  const own = note.signatures.filter(({ name, keyHash }) => name === key.name && hex(keyHash) === hash)
  if (own.length === 0) return 'unsigned'
  const text = Buffer.from(note.text)
  const right = own.every(
    ({ signature }) => signature.length === SIGNATURE_BYTES && verify(key.publicKey, text, signature),
  )
  return right ? 'signed' : 'wrong'
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Strict: the one canonical text of the bytes, with padding. */
function fromBase64(text: string, what: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (text === '' || bytes.toString('base64') !== text) throw new MalformedNote(`${what} is not base64`)
  return new Uint8Array(bytes)
}
