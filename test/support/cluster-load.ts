// What people do meanwhile: mail that comes in by SMTP, calls of the API, subscriptions that go on by themselves. Each remembers what
// it was promised, so that it can be held against the log.
import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { ImapClient } from './imap-client.ts'
import { plainAuth, SmtpClient } from './smtp-client.ts'

export interface SmtpLoadOptions {
  /** Where to connect: asked before every connection, because processes come and go. */
  readonly ports: () => readonly number[]
  readonly connections: number
  readonly recipients: readonly string[]
  /** Between two messages of a connection, milliseconds. */
  readonly everyMs: number
  /** Whom a submission comes from. */
  readonly from?: { readonly address: string; readonly password: string }
}

/** Mail by SMTP until it is stopped. A message whose answer did not come is not sent again: its id may be there or not. */
export class SmtpLoad {
  /** Message-ID -> recipient, once 250 was read. */
  readonly acknowledged = new Map<string, string>()
  readonly attempted = new Set<string>()
  /** How often each code was answered; 0 is a connection that ended. */
  readonly codes = new Map<number, number>()
  /** Answers that were neither 250 nor temporary. */
  readonly wrong: string[] = []
  /** When each 250 was read, by Message-ID, `performance.now`. */
  readonly at = new Map<string, number>()
  /** The longest that an answer took, milliseconds. */
  longestMs = 0
  readonly #stop = new AbortController()
  readonly #lanes: Promise<void>[]
  readonly #waiting = new Set<{ readonly count: number; readonly resolve: () => void }>()
  readonly #tag = randomUUID().slice(0, 8)
  #next = 0

  constructor(options: SmtpLoadOptions) {
    this.#lanes = Array.from({ length: options.connections }, (_, lane) => this.#lane(options, lane))
  }

  /** Resolves once so many more messages were acknowledged. */
  more(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add({ count: this.acknowledged.size + count, resolve })
    return promise
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#lanes)
  }

  async #lane({ ports, recipients, everyMs, from }: SmtpLoadOptions, lane: number): Promise<void> {
    const { signal } = this.#stop
    for (let turn = lane; !signal.aborted; turn++) {
      const all = ports()
      const port = all[turn % Math.max(1, all.length)]
      const client = port === undefined ? undefined : await connected(port, from).catch(() => undefined)
      while (client !== undefined && !signal.aborted) {
        const number = this.#next++
        const id = `${this.#tag}-${number}@load.test`
        const to = recipients[number % recipients.length] as string
        this.attempted.add(id)
        const began = performance.now()
        const reply = await client.send(
          from?.address ?? 'x@load.test',
          [to],
          `Message-ID: <${id}>\r\nFrom: ${from?.address ?? 'x@load.test'}\r\nSubject: load ${id}\r\n\r\nSome words, ${number}.\r\n`,
        )
        this.longestMs = Math.max(this.longestMs, performance.now() - began)
        this.codes.set(reply.code, (this.codes.get(reply.code) ?? 0) + 1)
        if (reply.code !== 250) {
          if (reply.code >= 500) this.wrong.push(`${reply.code} ${reply.text}`)
          break
        }
        this.at.set(id, performance.now())
        this.acknowledged.set(id, to)
        for (const waiter of this.#waiting) {
          if (this.acknowledged.size < waiter.count) continue
          this.#waiting.delete(waiter)
          waiter.resolve()
        }
        await pause(everyMs)
      }
      client?.destroy()
      await pause(50)
    }
  }
}

async function connected(port: number, from: SmtpLoadOptions['from']): Promise<SmtpClient | undefined> {
  const client = await SmtpClient.ready(port)
  if (from === undefined) return client
  const { code } = await client.command(`AUTH PLAIN ${plainAuth(from.address, from.password)}`)
  if (code === 235) return client
  client.destroy()
  return undefined
}

export interface ImapLoadOptions {
  readonly ports: () => readonly number[]
  readonly name: string
  readonly password: string
  readonly everyMs: number
}

/** Messages put into the INBOX by IMAP until it is stopped; one whose answer did not come may be there or not. */
export class ImapLoad {
  /** Message-IDs that OK was read for. */
  readonly acknowledged = new Set<string>()
  /** Answers that were neither OK nor a temporary NO. */
  readonly wrong: string[] = []
  readonly #stop = new AbortController()
  readonly #lane: Promise<void>

  constructor(options: ImapLoadOptions) {
    this.#lane = this.#run(options)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#lane
  }

  async #run({ ports, name, password, everyMs }: ImapLoadOptions): Promise<void> {
    const { signal } = this.#stop
    const tag = randomUUID().slice(0, 8)
    for (let number = 0; !signal.aborted; await pause(50)) {
      const [port] = ports()
      const client =
        port === undefined ? undefined : await ImapClient.signedIn(port, name, password).catch(() => undefined)
      while (client !== undefined && !signal.aborted) {
        const id = `${tag}-${number++}@imap.test`
        const text = `Message-ID: <${id}>\r\nSubject: put ${id}\r\n\r\nSome words.\r\n`
        const { status, text: said } = await client.send('APPEND INBOX {}', text)
        if (status === 'OK') this.acknowledged.add(id)
        else if (status !== 'BYE' && !said.includes('[UNAVAILABLE]')) this.wrong.push(`${status} ${said}`)
        if (status !== 'OK') break
        await pause(everyMs)
      }
      client?.close()
    }
  }
}

export interface ApiAnswer {
  readonly status: number
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  readonly json: any
}

/** One request on a connection of its own; rejects when there is no whole answer within the time. */
export function call(
  port: number,
  method: string,
  path: string,
  options: { readonly token?: string; readonly json?: unknown; readonly timeoutMs?: number } = {},
): Promise<ApiAnswer> {
  const body = options.json === undefined ? undefined : JSON.stringify(options.json)
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        ...{ port, host: '127.0.0.1', method, path, agent: false },
        headers: {
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          const type = response.headers['content-type'] ?? ''
          const json = type.includes('json') && text !== '' ? JSON.parse(text) : text
          resolve({ status: response.statusCode ?? 0, type, json })
        })
      },
    )
    asked.setTimeout(options.timeoutMs ?? 30_000, () =>
      asked.destroy(new Error(`No answer in time: ${method} ${path}`)),
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { messageId submissionId revision } }'

export interface ApiLoadOptions {
  readonly ports: () => readonly number[]
  readonly token: string
  readonly to: string
  readonly everyMs: number
}

/** Mail sent by GraphQL until it is stopped; one that failed is tried again under the same command id, until it is taken. */
export class ApiLoad {
  /** Subjects that were answered with a submission. */
  readonly acknowledged = new Set<string>()
  readonly attempted = new Set<string>()
  /** Codes of the errors that were answered, and how often. */
  readonly errors = new Map<string, number>()
  /** Answers that were no answers: not JSON, an error without a code. */
  readonly wrong: string[] = []
  longestMs = 0
  readonly #stop = new AbortController()
  readonly #lane: Promise<void>

  constructor(options: ApiLoadOptions) {
    this.#lane = this.#run(options)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#lane
  }

  async #run({ ports, token, to, everyMs }: ApiLoadOptions): Promise<void> {
    const { signal } = this.#stop
    for (let number = 0; !signal.aborted; number++) {
      const subject = `sent ${randomUUID().slice(0, 8)} ${number}`
      const input = { commandId: randomUUID(), to: [{ address: to }], subject, text: 'Some words.' }
      this.attempted.add(subject)
      for (let turn = number; !signal.aborted; turn++) {
        const all = ports()
        if (await this.#send(all[turn % Math.max(1, all.length)], token, input)) {
          this.acknowledged.add(subject)
          break
        }
        await pause(50)
      }
      await pause(everyMs)
    }
  }

  async #send(port: number | undefined, token: string, input: object): Promise<boolean> {
    const began = performance.now()
    const count = (code: string) => this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
    try {
      const { status, json } = await call(port ?? 1, 'POST', '/graphql', {
        token,
        json: { query: SEND, variables: { input } },
      })
      if (json?.data?.sendMessage?.submissionId !== undefined) return true
      const code = json?.errors?.[0]?.extensions?.code ?? json?.code
      if (typeof code === 'string') count(code)
      else this.wrong.push(`${status} ${JSON.stringify(json).slice(0, 300)}`)
    } catch (error) {
      count((error as { code?: string }).code ?? 'NO_ANSWER')
    } finally {
      this.longestMs = Math.max(this.longestMs, performance.now() - began)
    }
    return false
  }
}

const FOLLOW =
  'subscription ($after: Revision) { mailboxChanged(after: $after) { revision type messages { id subject } } }'

/** One subscription that goes on from its last revision on whichever process answers. */
export class Follower {
  /** Every revision in the order in which it came. */
  readonly revisions: bigint[] = []
  /** When each subject was first seen, `performance.now`. */
  readonly seen = new Map<string, number>()
  /** Revisions that did not follow the one before. */
  readonly wrong: string[] = []
  connections = 0
  #last: bigint
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  readonly #waiting = new Set<{ readonly revision: bigint; readonly resolve: () => void }>()

  /** `after` is the revision that the caller knows already, -1 for none. */
  constructor(ports: () => readonly number[], token: string, after = -1n) {
    this.#last = after
    this.#running = this.#run(ports, token)
  }

  get last(): bigint {
    return this.#last
  }

  /** Resolves once it was told of the revision; rejects when that takes too long. */
  async reaches(revision: bigint, timeoutMs = 60_000): Promise<void> {
    if (this.#last >= revision) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter = { revision, resolve }
    this.#waiting.add(waiter)
    const late = setTimeout(
      () => reject(new Error(`The subscription stands at ${this.#last} instead of ${revision}`)),
      timeoutMs,
    )
    await promise.finally(() => clearTimeout(late))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(ports: () => readonly number[], token: string): Promise<void> {
    for (let turn = 0; !this.#stop.signal.aborted; turn++) {
      const all = ports()
      const port = all[turn % Math.max(1, all.length)]
      if (port !== undefined) await this.#follow(port, token).catch(() => undefined)
      await pause(50)
    }
  }

  #follow(port: number, token: string): Promise<void> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws')
    const end = () => socket.terminate()
    this.#stop.signal.addEventListener('abort', end, { once: true })
    if (this.#stop.signal.aborted) end()
    return new Promise<void>((resolve) => {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#stop.signal.removeEventListener('abort', end)
        resolve()
      })
      socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { token } })))
      socket.on('message', (data) => {
        const message = JSON.parse(String(data))
        if (message.type === 'connection_ack') {
          this.connections++
          const variables = this.#last < 0n ? {} : { after: String(this.#last) }
          socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query: FOLLOW, variables } }))
        } else if (message.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }))
        else if (message.type === 'error' || message.type === 'complete') socket.close()
        else if (message.type === 'next') this.#take(message.payload?.data?.mailboxChanged, socket)
      })
    })
  }

  #take(
    change: { revision: string; messages: readonly { subject: string }[] } | undefined,
    socket: Pick<WebSocket, 'close'>,
  ): void {
    if (!change) {
      socket.close()
      return
    }
    const revision = BigInt(change.revision)
    if (this.revisions.length > 0 && revision !== this.#last + 1n) this.wrong.push(`${revision} after ${this.#last}`)
    this.revisions.push(revision)
    this.#last = revision
    for (const { subject } of change.messages) if (!this.seen.has(subject)) this.seen.set(subject, performance.now())
    for (const waiter of this.#waiting) {
      if (revision < waiter.revision) continue
      this.#waiting.delete(waiter)
      waiter.resolve()
    }
  }
}
