// UTF-7 (RFC 2152), ISO-2022-KR (RFC 1557) and HZ (RFC 1843): still in old mail, left out of TextDecoder for the web's safety.

const eucKr = new TextDecoder('euc-kr')
const gbk = new TextDecoder('gb18030')
const utf8 = new TextDecoder()

/** RFC 2152. Bytes outside the encoding are kept as Latin-1. */
export function decodeUtf7(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  return text.replace(/\+([A-Za-z0-9+/]*)-?/g, (_all, base64: string) => {
    if (base64 === '') return '+'
    const decoded = Buffer.from(base64, 'base64')
    let out = ''
    for (let i = 0; i + 1 < decoded.length; i += 2) {
      out += String.fromCharCode(((decoded[i] as number) << 8) | (decoded[i + 1] as number))
    }
    return out.toWellFormed()
  })
}

/** RFC 1557: SO starts KS X 1001 pairs in 7 bits, SI and a line end go back to ASCII; the announcer `ESC $ ) C` is dropped. */
export function decodeIso2022Kr(bytes: Uint8Array): string {
  const out = new Uint8Array(bytes.length)
  let length = 0
  let shifted = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (byte === 0x1b && bytes[i + 1] === 0x24 && bytes[i + 2] === 0x29 && bytes[i + 3] === 0x43) i += 3
    else if (byte === 0x0e) shifted = true
    else if (byte === 0x0f) shifted = false
    else {
      if (byte === 0x0a) shifted = false
      out[length++] = shifted && byte > 0x20 && byte < 0x7f ? byte | 0x80 : byte
    }
  }
  return eucKr.decode(out.subarray(0, length))
}

/** RFC 1843: `~{` starts GB 2312 pairs in 7 bits, `~}` ends them, `~~` is a tilde, `~` before a line end joins lines. */
export function decodeHz(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte >= 0x80)) return utf8.decode(bytes)
  const out = new Uint8Array(bytes.length)
  let length = 0
  let shifted = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    const next = bytes[i + 1]
    if (byte === 0x7e && (next === 0x7b || next === 0x7d)) {
      shifted = next === 0x7b
      i++
    } else if (byte === 0x7e && !shifted && next === 0x7e) {
      out[length++] = 0x7e
      i++
    } else if (byte === 0x7e && !shifted && next === 0x0a) i++
    else {
      if (byte === 0x0a) shifted = false
      out[length++] = shifted && byte > 0x20 ? byte | 0x80 : byte
    }
  }
  return gbk.decode(out.subarray(0, length))
}
