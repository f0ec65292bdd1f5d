// A POP3 client that says what a test tells it to.
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'

/** Says lines and hears lines. */
export class Pop3Client {
  #socket: Socket
  #text = ''
  #ended = false
  #wake: (() => void) | undefined

  constructor(port: number) {
    this.#socket = this.#listen(connect(port, '127.0.0.1'))
  }

  #listen(socket: Socket): Socket {
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
      this.#wake?.()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#wake?.()
    })
    socket.on('error', () => undefined)
    return socket
  }

  /** Behind the answer to STLS. */
  async startTls(): Promise<TLSSocket> {
    this.#socket.removeAllListeners('data')
    const secured = connectTls({ socket: this.#socket, rejectUnauthorized: false })
    this.#socket = this.#listen(secured)
    await new Promise<void>((resolve) => secured.once('secureConnect', () => resolve()))
    return secured
  }

  /** Several lines in one write, without waiting. */
  write(...lines: readonly string[]): void {
    this.#socket.write(Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'utf8'))
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf('\r\n')
      if (end >= 0) {
        const line = this.#text.slice(0, end)
        this.#text = this.#text.slice(end + 2)
        return line
      }
      if (this.#ended) return ''
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async say(line: string): Promise<string> {
    this.#socket.write(Buffer.from(`${line}\r\n`, 'latin1'))
    return this.line()
  }

  /** The lines behind +OK, dots undone. */
  async lines(line: string): Promise<readonly string[]> {
    const first = await this.say(line)
    assert.match(first, /^\+OK/)
    const all: string[] = []
    for (let next = await this.line(); next !== '.'; next = await this.line()) all.push(next.replace(/^\./, ''))
    return all
  }

  close(): void {
    this.#socket.destroy()
  }
}
