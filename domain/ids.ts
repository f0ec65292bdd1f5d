// The one spelling of ids: 128 bits as 26 lowercase letters and digits, safe in stream names, URLs and filters of any engine.

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const VALUES = new Map([...ALPHABET].map((letter, value) => [letter, value]))

/** 16 bytes as 26 characters of RFC 4648 base32, lowercase, without padding. */
export function encodeId(bytes: Uint8Array): string {
  let text = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += ALPHABET[(held >> bits) & 31]
    }
    held &= (1 << bits) - 1
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31] : text
}

/** The 16 bytes of an id; undefined for text that is not one. */
export function decodeId(text: string): Uint8Array | undefined {
  if (text.length !== 26) return undefined
  const bytes = new Uint8Array(16)
  let held = 0
  let bits = 0
  let at = 0
  for (const letter of text) {
    const value = VALUES.get(letter)
    if (value === undefined) return undefined
    held = (held << 5) | value
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = (held >> bits) & 255
    }
    held &= (1 << bits) - 1
  }
  return held === 0 ? bytes : undefined
}
