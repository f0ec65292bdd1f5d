// Content-Transfer-Encoding: base64 and quoted-printable (RFC 2045 §6), uuencode; whole or as a stream, tolerant of damage.
import { asBuffer } from './charset.ts'
import { hexDigit } from './encoded-word.ts'
import { UuDecoder } from './uuencode.ts'

/** Turns encoded bytes into decoded ones in pieces of any size; the pieces' cuts never change the result. */
export interface TransferDecoder {
  push(chunk: Uint8Array): Uint8Array
  /** What was still held back. */
  end(): Uint8Array
}

const NOTHING = new Uint8Array(0)

/** A decoder for one body; encodings that carry no coding (7bit, 8bit, binary, unknown) pass through. */
export function transferDecoder(encoding: string): TransferDecoder {
  switch (encoding.toLowerCase()) {
    case 'base64':
      return new Base64Decoder()
    case 'quoted-printable':
      return new QuotedPrintableDecoder()
    case 'uuencode':
    case 'x-uuencode':
    case 'x-uue':
    case 'uue':
      return new UuDecoder()
    default:
      return { push: (chunk) => chunk, end: () => NOTHING }
  }
}

/** The decoded bytes of a whole body; may share memory with `bytes` when there is nothing to decode. */
export function decodeTransfer(bytes: Uint8Array, encoding: string): Uint8Array {
  const decoder = transferDecoder(encoding)
  const body = decoder.push(bytes)
  const rest = decoder.end()
  if (rest.length === 0) return body
  return body.length === 0 ? rest : Buffer.concat([body, rest])
}

const SKIP = 0xff
const PAD = 0xfe
const SIXTETS = new Uint8Array(256).fill(SKIP)
for (const [i, char] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  SIXTETS[char.charCodeAt(0)] = i
}
SIXTETS[0x3d] = PAD

/** Characters outside the alphabet are passed over; padding ends a quantum and decoding goes on (joined base64 texts). */
class Base64Decoder implements TransferDecoder {
  #bits = 0
  #count = 0

  push(chunk: Uint8Array): Uint8Array {
    const out = Buffer.allocUnsafe(((chunk.length + this.#count) * 3) / 4 + 3)
    let length = 0
    let bits = this.#bits
    let count = this.#count
    const end = chunk.length
    for (let i = 0; i < end; ) {
      // Four clean characters at once is the common case.
      if (count === 0 && i + 4 <= end) {
        const a = SIXTETS[chunk[i] as number] as number
        const b = SIXTETS[chunk[i + 1] as number] as number
        const c = SIXTETS[chunk[i + 2] as number] as number
        const d = SIXTETS[chunk[i + 3] as number] as number
        if ((a | b | c | d) < 64) {
          out[length] = (a << 2) | (b >> 4)
          out[length + 1] = (b << 4) | (c >> 2)
          out[length + 2] = (c << 6) | d
          length += 3
          i += 4
          continue
        }
      }
      const value = SIXTETS[chunk[i++] as number] as number
      if (value < 64) {
        bits = (bits << 6) | value
        if (++count === 4) {
          out[length++] = bits >> 16
          out[length++] = bits >> 8
          out[length++] = bits
          count = 0
          bits = 0
        }
      } else if (value === PAD) {
        if (count === 2) out[length++] = bits >> 4
        else if (count === 3) {
          out[length++] = bits >> 10
          out[length++] = bits >> 2
        }
        count = 0
        bits = 0
      }
    }
    this.#bits = bits
    this.#count = count
    return out.subarray(0, length)
  }

  end(): Uint8Array {
    return this.push(Uint8Array.of(0x3d))
  }
}

/** Longest run of blanks at a line's end that is held back to see whether it is padding of transport. */
const MAX_BLANKS = 1024

/** Soft line breaks go, also with blanks after `=`; blanks at a line's end go (RFC 2045 §6.7 rule 3); a broken `=XY` stays as written. */
class QuotedPrintableDecoder implements TransferDecoder {
  /** An unfinished `=…` or a run of blanks. */
  #held: Buffer = Buffer.alloc(0)

  push(chunk: Uint8Array): Uint8Array {
    return this.#decode(this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]), false)
  }

  end(): Uint8Array {
    return this.#decode(this.#held, true)
  }

  #decode(bytes: Uint8Array, final: boolean): Uint8Array {
    const out = Buffer.allocUnsafe(bytes.length)
    const end = bytes.length
    let length = 0
    let at = 0
    let held = end
    while (at < end) {
      const byte = bytes[at] as number
      if (byte !== 0x3d && byte !== 0x20 && byte !== 0x09) {
        out[length++] = byte
        at++
        continue
      }
      let next = byte === 0x3d ? at + 1 : at
      const most = next + MAX_BLANKS
      while (next < end && next < most && (bytes[next] === 0x20 || bytes[next] === 0x09)) next++
      if (next >= end && next < most && !final) {
        held = at
        break
      }
      const after = bytes[next]
      if (byte !== 0x3d) {
        if (after !== 0x0a && after !== 0x0d && next < end)
          for (let i = at; i < next; i++) out[length++] = bytes[i] as number
        at = next
        continue
      }
      if (after === 0x0a || next >= end) {
        at = next + 1
        continue
      }
      if (next + 1 >= end && !final) {
        held = at
        break
      }
      if (after === 0x0d) {
        at = bytes[next + 1] === 0x0a ? next + 2 : next + 1
        continue
      }
      const high = next === at + 1 ? hexDigit(after as number) : -1
      const low = high < 0 ? -1 : hexDigit(bytes[next + 1] ?? 0)
      if (low >= 0) {
        out[length++] = high * 16 + low
        at = next + 1 + 1
      } else {
        out[length++] = byte
        at++
      }
    }
    this.#held = Buffer.from(asBuffer(bytes).subarray(held))
    return out.subarray(0, length)
  }
}
