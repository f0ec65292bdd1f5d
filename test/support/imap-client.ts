// A client that says exactly what a test tells it to, and keeps every answer as it came.
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, TLSSocket } from 'node:tls'

export interface Reply {
  /** Untagged lines, literals joined into them: `* 1 FETCH (BODY[] {3}\r\nabc)`. */
  readonly lines: readonly string[]
  /** `OK`, `NO` or `BAD`; 'BYE' when the server closed instead. */
  readonly status: string
  /** What follows the status. */
  readonly text: string
}

export class ImapClient {
  #socket: Duplex
  #buffer = ''
  #wake: (() => void) | undefined
  #ended = false
  #tag = 0
  readonly greeting: string[] = []

  private constructor(socket: Duplex) {
    this.#socket = socket
    this.#listen(socket)
  }

  static async connect(port: number): Promise<ImapClient> {
    const client = new ImapClient(connect(port, '127.0.0.1'))
    client.greeting.push(await client.line())
    return client
  }

  /** On a line that is open already; the greeting is not read yet. */
  static over(socket: Duplex): ImapClient {
    return new ImapClient(socket)
  }

  static async signedIn(port: number, name: string, password: string, domain = 'example.test'): Promise<ImapClient> {
    const client = await ImapClient.connect(port)
    const reply = await client.send(`LOGIN ${name}@${domain} "${password}"`)
    if (reply.status !== 'OK') throw new Error(`${reply.status} ${reply.text}`)
    return client
  }

  #listen(socket: Duplex): void {
    socket.on('data', (chunk: Buffer) => {
      this.#buffer += chunk.toString('latin1')
      this.#wake?.()
    })
    const end = () => {
      this.#ended = true
      this.#wake?.()
    }
    socket.on('close', end)
    socket.on('error', end)
  }

  /** Text of one character a byte, as it is. */
  raw(text: string): void {
    this.#socket.write(Buffer.from(text, 'latin1'))
  }

  /** The next line with its literals; '' when the server has gone. */
  async line(): Promise<string> {
    for (let from = 0; ; ) {
      const end = this.#buffer.indexOf('\r\n', from)
      if (end >= 0) {
        const literal = /\{(\d+)\}$/.exec(this.#buffer.slice(0, end))
        const next = literal ? end + 2 + Number(literal[1]) : undefined
        if (next === undefined) {
          const line = this.#buffer.slice(0, end)
          this.#buffer = this.#buffer.slice(end + 2)
          return line
        }
        if (this.#buffer.length >= next) {
          from = next
          continue
        }
      }
      if (this.#ended) return ''
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }

  /** Sends a command and reads up to its tagged answer. `{literal}` parts are sent without waiting (LITERAL+). */
  async send(command: string, ...literals: readonly string[]): Promise<Reply> {
    const tag = this.begin(command, ...literals)
    return this.finish(tag)
  }

  /** Only sends; answers the tag. */
  begin(command: string, ...literals: readonly string[]): string {
    const tag = `T${++this.#tag}`
    const parts = command.split('{}')
    const text = parts
      .map((part, i) => (i === 0 ? part : `{${literals[i - 1]?.length ?? 0}+}\r\n${literals[i - 1] ?? ''}${part}`))
      .join('')
    this.raw(`${tag} ${text}\r\n`)
    return tag
  }

  async finish(tag: string): Promise<Reply> {
    const lines: string[] = []
    for (;;) {
      const line = await this.line()
      if (line === '') return { lines, status: 'BYE', text: lines.find((each) => each.startsWith('* BYE')) ?? '' }
      if (line.startsWith(`${tag} `)) {
        const [, status = '', text = ''] = /^\S+ (\S+) ?(.*)$/s.exec(line) ?? []
        return { lines, status, text }
      }
      lines.push(line)
    }
  }

  async ok(command: string, ...literals: readonly string[]): Promise<Reply> {
    const reply = await this.send(command, ...literals)
    if (reply.status !== 'OK') throw new Error(`${command}: ${reply.status} ${reply.text}`)
    return reply
  }

  async startTls(): Promise<void> {
    await this.ok('STARTTLS')
    this.#socket.removeAllListeners('data')
    const secured = connectTls({ socket: this.#socket as Socket, rejectUnauthorized: false })
    this.#socket = secured
    this.#listen(secured)
    await new Promise<void>((resolve) => secured.once('secureConnect', () => resolve()))
  }

  /** The TLS that the session runs in. */
  get tls(): TLSSocket {
    if (!(this.#socket instanceof TLSSocket)) throw new Error('There is no TLS')
    return this.#socket
  }

  close(): void {
    this.#socket.destroy()
  }
}
