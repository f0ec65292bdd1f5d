// How accounts, messages and their ids are numbered in the FTS5 engine's tables.
import { MAX_REVISION } from '../../../projections/search/cursor.ts'

/** A message's row is its account's number times this, plus the revision of its arrival. */
export const ACCOUNT_STEP = 2 ** 32

/** First and last row that an account can have. */
export function rangeOf(account: number): readonly [number, number] {
  return [account * ACCOUNT_STEP, account * ACCOUNT_STEP + MAX_REVISION]
}

const ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
/** 26 characters of base32 for 128 bits: the last one holds three bits and two zeros. */
const ID = /^[a-z2-7]{25}[aeimquy4]$/

/** Message ids are 16 bytes in base32: kept as bytes, they take 10 less in the table and 10 less in its index. */
export function messageKey(id: string): string | Uint8Array {
  if (!ID.test(id)) return id
  const key = new Uint8Array(16)
  let value = 0
  let bits = 0
  let o = 0
  for (let i = 0; i < id.length; i++) {
    const c = id.charCodeAt(i)
    value = ((value << 5) | (c >= 97 ? c - 97 : c - 24)) & 0xfff
    bits += 5
    if (bits < 8 || o === 16) continue
    bits -= 8
    key[o++] = (value >> bits) & 255
  }
  return key
}

export function messageOfKey(key: unknown): string {
  if (!(key instanceof Uint8Array)) return String(key)
  let id = ''
  let value = 0
  let bits = 0
  for (const byte of key) {
    value = ((value << 8) | byte) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) id += ID_ALPHABET[(value >> (bits - 5)) & 31]
  }
  return id + ID_ALPHABET[(value << (5 - bits)) & 31]
}
