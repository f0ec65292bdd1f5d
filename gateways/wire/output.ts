// Answers on their way out: gathered into few writes, held back while the client does not read.
import type { Writable } from 'node:stream'

/** Bytes gathered before they are written without being asked to. */
const GATHER = 32 * 1024

export class Output {
  #stream: Writable
  #parts: Buffer[] = []
  #length = 0
  /** Text behind the parts, one character a byte: many short answers become bytes at once. */
  #text = ''
  #closed = false

  constructor(stream: Writable) {
    this.#stream = stream
  }

  /** Text is one character a byte, or ASCII. */
  text(text: string): void {
    if (this.#closed) return
    this.#text += text
    if (this.#text.length + this.#length >= GATHER) this.flush()
  }

  line(text: string): void {
    this.text(`${text}\r\n`)
  }

  bytes(bytes: Uint8Array): void {
    if (this.#closed) return
    this.#settle()
    this.#parts.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    this.#length += bytes.byteLength
    if (this.#length >= GATHER) this.flush()
  }

  #settle(): void {
    if (this.#text === '') return
    const bytes = Buffer.from(this.#text, 'latin1')
    this.#text = ''
    this.#parts.push(bytes)
    this.#length += bytes.length
  }

  flush(): void {
    this.#settle()
    if (this.#length === 0) return
    const all = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts)
    this.#parts = []
    this.#length = 0
    if (!this.#stream.destroyed) this.#stream.write(all)
  }

  /** Resolves when the client has room for more. */
  async drained(): Promise<void> {
    const stream = this.#stream
    if (!stream.writableNeedDrain || stream.destroyed) return
    await new Promise<void>((resolve) => {
      const done = () => {
        stream.off('drain', done)
        stream.off('close', done)
        stream.off('error', done)
        resolve()
      }
      stream.on('drain', done)
      stream.on('close', done)
      stream.on('error', done)
    })
  }

  /** From here on answers go elsewhere: through TLS, or a compressor. */
  redirect(stream: Writable): void {
    this.flush()
    this.#stream = stream
  }

  close(): void {
    this.flush()
    this.#closed = true
  }
}
