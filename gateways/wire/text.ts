// Text of a protocol that says UTF-8 and gets whatever clients send.

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** UTF-8, or Latin-1 where it is not valid: never throws, and keeps every byte. */
export function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return Buffer.from(bytes).toString('latin1')
  }
}
