// What a multi-line answer does to bytes (RFC 1939 §3), and where TOP stops.

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e

/** Doubles dots at the beginning of lines, makes bare LF into CRLF, and ends with CRLF and a dot. */
export class DotStuffer {
  #before = LF
  #any = false

  push(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return bytes
    this.#any = true
    let extra = 0
    let before = this.#before
    for (const byte of bytes) {
      if ((byte === DOT && before === LF) || (byte === LF && before !== CR)) extra++
      before = byte
    }
    if (extra === 0) {
      this.#before = before
      return bytes
    }
    const stuffed = new Uint8Array(bytes.length + extra)
    let at = 0
    before = this.#before
    for (const byte of bytes) {
      if (byte === DOT && before === LF) stuffed[at++] = DOT
      else if (byte === LF && before !== CR) stuffed[at++] = CR
      stuffed[at++] = byte
      before = byte
    }
    this.#before = before
    return stuffed
  }

  end(): Uint8Array {
    return Buffer.from(this.#any && this.#before !== LF ? '\r\n.\r\n' : '.\r\n')
  }
}

/** The header, the empty line, and so many lines behind it. */
export class TopLines {
  done = false
  #left: number
  #inHeader = true
  #lineIsEmpty = true

  constructor(lines: number) {
    this.#left = lines
  }

  take(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]
      if (byte === CR) continue
      if (byte !== LF) {
        this.#lineIsEmpty = false
        continue
      }
      if (this.#inHeader) this.#inHeader = !this.#lineIsEmpty
      else this.#left--
      this.#lineIsEmpty = true
      if (!this.#inHeader && this.#left <= 0) {
        this.done = true
        return bytes.subarray(0, i + 1)
      }
    }
    return bytes
  }
}
