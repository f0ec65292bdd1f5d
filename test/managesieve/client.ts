// A ManageSieve listener over a real log, and a client that says what a test tells it to.
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { contextOf } from '../../commands/context.ts'
import { openAccount } from '../../commands/open-account.ts'
import { listenManageSieve } from '../../gateways/managesieve/server.ts'
import { DEFAULT_MANAGESIEVE_LIMITS, type ManageSieveLimits } from '../../gateways/managesieve/services.ts'
import { loadConfig } from '../../infra/config.ts'
import { loadTls } from '../../infra/tls.ts'
import { HASH } from '../smtp/listener.ts'
import { FakeDirectory, openJournal } from '../support/journal.ts'

export async function startManageSieve(
  t: TestContext,
  options: { readonly insecureAuth?: boolean; readonly limits?: Partial<ManageSieveLimits> } = {},
) {
  const parts = await openJournal(t)
  const directory = new FakeDirectory()
  const ids: Record<string, string> = {}
  for (const name of ['ann', 'bob']) {
    const address = `${name}@example.test`
    const opened = await openAccount({ ...parts, directory }, contextOf('test', 'cli'), { address })
    if (!opened.ok) throw new Error(opened.refusal.message)
    directory.add(opened.accountId, address, { passwordHash: HASH })
    ids[name] = opened.accountId
  }
  const logged: string[] = []
  const listener = await listenManageSieve(
    {
      journal: parts.journal,
      directory,
      nameHash: (text) => parts.keyring.nameHash(text),
      now: Date.now,
      log: (event, facts) => logged.push(`${event} ${JSON.stringify(facts)}`),
      count: () => undefined,
    },
    {
      host: '127.0.0.1',
      port: 0,
      hostname: 'mail.example.test',
      tls: await loadTls(loadConfig({ data: parts.dir }, {}, parts.dir), parts.dir),
      insecureAuth: options.insecureAuth ?? true,
      limits: { ...DEFAULT_MANAGESIEVE_LIMITS, ...options.limits },
    },
  )
  t.after(() => listener.close())
  const client = async () => {
    const opened = await SieveClient.open(listener.port)
    t.after(() => opened.end())
    return opened
  }
  return { ...parts, directory, ids, logged, listener, client }
}

/** `{n+}` and the bytes behind it. */
export const literal = (text: string): string => `{${Buffer.byteLength(text)}+}\r\n${text}`

export const plain = (name: string, password: string): string =>
  `"${Buffer.from(`\0${name}\0${password}`).toString('base64')}"`

export class SieveClient {
  #socket: Socket
  #received = ''
  #ended = false
  #wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen(socket)
  }

  static async open(port: number): Promise<SieveClient> {
    const client = new SieveClient(connect(port, '127.0.0.1'))
    await client.answer()
    return client
  }

  #listen(socket: Socket): void {
    const wake = (ended: boolean) => () => {
      this.#ended ||= ended
      this.#wake?.()
    }
    socket.on('data', (chunk) => {
      this.#received += chunk.toString('utf8')
      this.#wake?.()
    })
    socket.on('close', wake(true))
    socket.on('end', wake(true))
    socket.on('error', wake(true))
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Everything up to the line that ends an answer; the rest when the server closes. */
  async answer(): Promise<string> {
    const end = /^(?:OK|NO|BYE)(?: \([^\r\n]*?\))?(?: "(?:[^"\\]|\\.)*"| \{(\d+)\}\r\n([\s\S]*))?\r\n/m
    for (;;) {
      const found = end.exec(withoutLiterals(this.#received))
      if (found) {
        const length = found.index + found[0].length
        const all = this.#received.slice(0, length)
        this.#received = this.#received.slice(length)
        return all.trimEnd()
      }
      if (this.#ended) return this.#received
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async say(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return this.answer()
  }

  /** One line, of whatever kind. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#received.indexOf('\r\n')
      if (end >= 0 || this.#ended) {
        const line = this.#received.slice(0, end)
        this.#received = this.#received.slice(end + 2)
        return line
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async signIn(name = 'ann'): Promise<void> {
    const said = await this.say(`AUTHENTICATE "PLAIN" ${plain(`${name}@example.test`, 'correct horse')}`)
    if (!said.startsWith('OK')) throw new Error(said)
  }

  async startTls(): Promise<string> {
    this.write('STARTTLS\r\n')
    await this.answer()
    const plainSocket = this.#socket
    plainSocket.removeAllListeners('data')
    this.#socket = connectTls({ socket: plainSocket, rejectUnauthorized: false })
    this.#listen(this.#socket)
    return this.answer()
  }

  end(): void {
    this.#socket.destroy()
  }
}

/** The same length, with the bytes of literals in the middle of an answer made harmless. ASCII only, which tests keep to. */
function withoutLiterals(text: string): string {
  let out = ''
  for (let at = 0; at < text.length; ) {
    const found = /^\{(\d+)\}\r\n/m.exec(text.slice(at))
    const atLineStart = found && (found.index === 0 || text[at + found.index - 1] === '\n')
    if (!found || !atLineStart) return out + text.slice(at)
    const start = at + found.index + found[0].length
    const length = Math.min(Number(found[1]), text.length - start)
    out += text.slice(at, start) + 'x'.repeat(length)
    at = start + length
  }
  return out
}
