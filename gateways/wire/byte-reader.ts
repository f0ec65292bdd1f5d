// Bytes as they come off the wire, asked for in lines and counts. Holds back the sender while nobody asks.

/** More than this unread stops the socket. */
const HIGH_WATER = 256 * 1024

export class LineTooLong extends Error {}

export class ByteReader {
  #chunks: Buffer[] = []
  #length = 0
  #ended = false
  #wake: (() => void) | undefined
  readonly #onPressure: (full: boolean) => void

  constructor(onPressure: (full: boolean) => void) {
    this.#onPressure = onPressure
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length > HIGH_WATER) this.#onPressure(true)
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  /** Whether something waits to be read. */
  get pending(): boolean {
    return this.#length > 0
  }

  /** Drops what was not read: after STARTTLS nothing said in clear may count (RFC 9051 §6.2.1). */
  clear(): void {
    this.#chunks = []
    this.#length = 0
  }

  /** What was not read, to be read by other means: compressed bytes behind the command that began compression. */
  takeAll(): Buffer {
    return this.#take(this.#length)
  }

  /** The next line without its CRLF (a bare LF ends one too); null at the end. Rejects with LineTooLong, having dropped that line. */
  async line(max: number): Promise<Buffer | null> {
    let searched = 0
    let tooLong = false
    for (;;) {
      const at = this.#indexOfNewline(searched)
      if (at >= 0) {
        const line = this.#take(at + 1)
        if (tooLong || line.length > max + 2) throw new LineTooLong()
        const end = line.length > 1 && line[line.length - 2] === 0x0d ? line.length - 2 : line.length - 1
        return line.subarray(0, end)
      }
      searched = this.#length
      if (this.#length > max + 2) {
        tooLong = true
        this.clear()
        searched = 0
      }
      if (!(await this.#more())) return null
    }
  }

  /** Exactly `count` bytes in pieces as they come; ends early when the client goes. */
  async *bytes(count: number): AsyncGenerator<Buffer, void, void> {
    let left = count
    while (left > 0) {
      if (this.#length === 0 && !(await this.#more())) return
      const piece = this.#take(Math.min(left, this.#chunks[0]?.length ?? 0))
      left -= piece.length
      yield piece
    }
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false
    this.#onPressure(false)
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
    return this.#length > 0 || !this.#ended
  }

  #indexOfNewline(from: number): number {
    let base = 0
    for (const chunk of this.#chunks) {
      if (base + chunk.length > from) {
        const at = chunk.indexOf(0x0a, Math.max(0, from - base))
        if (at >= 0) return base + at
      }
      base += chunk.length
    }
    return -1
  }

  #take(count: number): Buffer {
    const first = this.#chunks[0]
    this.#length -= count
    if (first && first.length >= count) {
      if (first.length === count) this.#chunks.shift()
      else this.#chunks[0] = first.subarray(count)
      return first.subarray(0, count)
    }
    const parts: Buffer[] = []
    let left = count
    while (left > 0) {
      const chunk = this.#chunks.shift()
      if (!chunk) break
      parts.push(chunk.subarray(0, left))
      if (chunk.length > left) this.#chunks.unshift(chunk.subarray(left))
      left -= Math.min(left, chunk.length)
    }
    return Buffer.concat(parts)
  }
}
