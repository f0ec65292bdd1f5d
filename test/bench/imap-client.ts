// A load of IMAP commands over plain sockets, the same for every server: sessions that read and write their own small mailboxes.
import { connect, type Socket } from 'node:net'

export { randomFrom as generator } from '../support/random.ts'

/** One session: commands in, tagged answers out. Literals of answers are counted past, not parsed. */
export class LoadClient {
  readonly #socket: Socket
  #buffer: Buffer = Buffer.alloc(0)
  #wake: (() => void) | undefined
  #tag = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
      this.#wake?.()
    })
    socket.on('error', () => undefined)
  }

  static async open(port: number, user: string, password: string): Promise<LoadClient> {
    const client = new LoadClient(connect(port, '127.0.0.1'))
    await client.#line()
    await client.run(`LOGIN "${user}" "${password}"`)
    return client
  }

  async #line(): Promise<string> {
    for (;;) {
      let from = 0
      for (;;) {
        const end = this.#buffer.indexOf('\r\n', from)
        if (end < 0) break
        const literal = /\{(\d+)\}$/.exec(this.#buffer.toString('latin1', Math.max(from, end - 24), end))
        if (!literal) {
          const line = this.#buffer.toString('latin1', 0, end)
          this.#buffer = this.#buffer.subarray(end + 2)
          return line
        }
        from = end + 2 + Number(literal[1])
        if (from > this.#buffer.length) break
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Untagged lines; throws unless the command is answered OK. */
  async run(command: string): Promise<readonly string[]> {
    const tag = `a${++this.#tag}`
    this.#socket.write(`${tag} ${command}\r\n`)
    const lines: string[] = []
    for (;;) {
      const line = await this.#line()
      if (line.startsWith(`${tag} `)) {
        if (!line.startsWith(`${tag} OK`)) throw new Error(`${command}: ${line}`)
        return lines
      }
      lines.push(line)
    }
  }

  async append(folder: string, message: string): Promise<void> {
    const tag = `a${++this.#tag}`
    this.#socket.write(`${tag} APPEND ${folder} {${Buffer.byteLength(message)}}\r\n`)
    for (let line = await this.#line(); !line.startsWith('+'); line = await this.#line())
      if (line.startsWith(tag)) throw new Error(line)
    this.#socket.write(`${message}\r\n`)
    for (;;) {
      const line = await this.#line()
      if (!line.startsWith(`${tag} `)) continue
      if (!line.startsWith(`${tag} OK`)) throw new Error(line)
      return
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}

export const message = (i: number, bytes: number): string =>
  `From: Sender ${i} <s${i}@load.test>\r\nTo: user@example.test\r\nSubject: load message ${i}\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <${i}.${Math.random()}@load.test>\r\n\r\n${'The quick brown fox jumps over the lazy dog again.\r\n'.repeat(Math.ceil(bytes / 52))}`

/** One command of the random mix on a mailbox of about a hundred messages. */
export async function mixed(client: LoadClient, random: (below: number) => number, step: number): Promise<void> {
  const n = 1 + random(50)
  switch (random(16)) {
    case 0:
      return void (await client.run('SELECT INBOX'))
    case 1:
    case 2:
      return void (await client.run('FETCH 1:* (UID FLAGS)'))
    case 3:
    case 4:
      return void (await client.run(`FETCH ${n}:${n + 5} (UID FLAGS ENVELOPE INTERNALDATE RFC822.SIZE)`))
    case 5:
    case 6:
    case 7:
      return void (await client.run(`FETCH ${n} BODY.PEEK[]`))
    case 8:
      return void (await client.run(`FETCH ${n} BODYSTRUCTURE`))
    case 9:
    case 10:
      return void (await client.run(`STORE ${n} ${random(2) ? '+' : '-'}FLAGS (\\Seen)`))
    case 11:
      return void (await client.run(`COPY ${n} Copies`))
    case 12:
      return client.append('INBOX', message(step, 2000))
    case 13: {
      await client.run(`STORE ${n} +FLAGS.SILENT (\\Deleted)`)
      return void (await client.run('EXPUNGE'))
    }
    case 14:
      return void (await client.run('SEARCH UNSEEN'))
    default:
      return void (await client.run('STATUS Copies (MESSAGES UNSEEN)'))
  }
}
