// A small SMTP client that says exactly the bytes it is told to, and waits for answers.
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface Reply {
  readonly code: number
  /** All lines, without the codes, joined by newlines. */
  readonly text: string
}

export class SmtpClient {
  #socket: Socket
  #text = ''
  #lines: string[] = []
  readonly #replies: Reply[] = []
  #wake: (() => void) | undefined
  #ended = false

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen(socket)
  }

  /** Connects; the greeting is the first reply. */
  static async connect(
    port: number,
    options: { readonly tls?: boolean; readonly host?: string } = {},
  ): Promise<SmtpClient> {
    const where = { port, host: options.host ?? '127.0.0.1' }
    const socket = options.tls ? connectTls({ ...where, rejectUnauthorized: false }) : connect(where)
    await new Promise<void>((resolve, reject) => {
      socket.once(options.tls ? 'secureConnect' : 'connect', () => resolve())
      socket.once('error', reject)
    })
    socket.setNoDelay(true)
    return new SmtpClient(socket)
  }

  /** Connects, reads the greeting and says EHLO. */
  static async ready(
    port: number,
    options: { readonly tls?: boolean; readonly helo?: string } = {},
  ): Promise<SmtpClient> {
    const client = await SmtpClient.connect(port, options)
    await client.reply()
    await client.command(`EHLO ${options.helo ?? 'client.test'}`)
    return client
  }

  write(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve())
    })
  }

  async command(line: string): Promise<Reply> {
    void this.write(`${line}\r\n`)
    return this.reply()
  }

  /** The next answer; code 0 once the connection has ended. */
  async reply(): Promise<Reply> {
    while (this.#replies.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#replies.shift() ?? { code: 0, text: 'closed' }
  }

  /** Resolves when the server has ended the connection. */
  async closed(): Promise<void> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** MAIL, RCPT for each, DATA and the message; the answer to the message, or the first refusal. */
  async send(from: string, to: readonly string[], message: string | Uint8Array, parameters = ''): Promise<Reply> {
    const mail = await this.command(`MAIL FROM:<${from}>${parameters}`)
    if (mail.code !== 250) return mail
    for (const address of to) {
      const reply = await this.command(`RCPT TO:<${address}>`)
      if (reply.code !== 250) return reply
    }
    const data = await this.command('DATA')
    if (data.code !== 354) return data
    await this.write(stuffed(Buffer.from(message)))
    return this.command('.')
  }

  async startTls(): Promise<void> {
    const reply = await this.command('STARTTLS')
    if (reply.code !== 220) throw new Error(`${reply.code} ${reply.text}`)
    await this.upgrade()
  }

  async upgrade(): Promise<void> {
    const plain = this.#socket
    plain.removeAllListeners()
    const secure = connectTls({ socket: plain, rejectUnauthorized: false })
    await new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', () => resolve())
      secure.once('error', reject)
    })
    this.#text = ''
    this.#lines = []
    this.#socket = secure
    this.#listen(secure)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async quit(): Promise<void> {
    await this.command('QUIT')
    this.destroy()
  }

  #listen(socket: Socket): void {
    socket.setEncoding('utf8')
    socket.on('error', () => undefined)
    socket.on('data', (chunk: string) => this.#read(chunk))
    socket.on('close', () => {
      this.#ended = true
      this.#wake?.()
    })
  }

  #read(chunk: string): void {
    this.#text += chunk
    const lines = this.#text.split('\r\n')
    this.#text = lines.pop() ?? ''
    for (const line of lines) {
      this.#lines.push(line.slice(4))
      if (line[3] === '-') continue
      this.#replies.push({ code: Number(line.slice(0, 3)), text: this.#lines.join('\n') })
      this.#lines = []
    }
    this.#wake?.()
  }
}

/** Dot-stuffed, ending in CRLF (RFC 5321 §4.5.2). */
export function stuffed(message: Buffer): Buffer {
  const text = message.toString('latin1').replace(/(^|\r\n)\./g, '$1..')
  return Buffer.from(text.endsWith('\r\n') ? text : `${text}\r\n`, 'latin1')
}

export const plainAuth = (address: string, password: string): string =>
  Buffer.from(`\0${address}\0${password}`).toString('base64')
