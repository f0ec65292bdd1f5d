// The resolver over a recursive name server: UDP, TCP where an answer is cut, every answer kept as long as it says.
// Node's own resolver tells neither times to live nor whether an answer was validated, and delivery needs both.
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { getServers } from 'node:dns'
import { connect, isIPv6 } from 'node:net'
import {
  type DnsAnswer,
  type RecordType,
  type Resolver,
  ResolverError,
  type ResolverErrorCode,
} from '../../../commands/ports/resolver.ts'
import { isAskable, plain, question, type Reading, readAnswer } from './dns-message.ts'

export interface NameServer {
  readonly address: string
  readonly port: number
}

export interface DnsResolverOptions {
  /** Asked in this order; none at all answers 'temporary' to everything. */
  readonly servers: readonly NameServer[]
  /** The servers validate DNSSEC and the way to them is safe: their AD bit means 'secure'. */
  readonly validating?: boolean
  /** For one server to answer once. */
  readonly timeoutMs?: number
  /** Times that every server is asked. */
  readonly rounds?: number
  readonly cachedAnswers?: number
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/** Questions under way at once; more wait for a place, and beyond `MAX_WAITING` the answer is 'temporary'. */
const MAX_ASKING = 256
const MAX_WAITING = 20_000
const MAX_TCP_BYTES = 65_535

interface Kept {
  readonly until: number
  readonly outcome: DnsAnswer<RecordType> | ResolverError
}

/** The servers that this machine is set up with. */
export const systemNameServers = (): readonly NameServer[] => getServers().map(readServer)

/** `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:53`, `2001:db8::1`. */
export function readServer(text: string): NameServer {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text)
  if (bracketed) return { address: bracketed[1] as string, port: Number(bracketed[2] ?? 53) }
  if (isIPv6(text)) return { address: text, port: 53 }
  const [address = '', port] = text.split(':')
  return { address, port: Number(port ?? 53) }
}

export class DnsResolver implements Resolver {
  readonly #options: Required<DnsResolverOptions>
  readonly #kept = new Map<string, Kept>()
  readonly #asking = new Map<string, Promise<DnsAnswer<RecordType>>>()
  readonly #abort = new AbortController()
  #places = MAX_ASKING
  readonly #waiting: (() => void)[] = []

  constructor(options: DnsResolverOptions) {
    this.#options = {
      validating: false,
      timeoutMs: 3_000,
      rounds: 2,
      cachedAnswers: 20_000,
      now: Date.now,
      ...options,
    }
  }

  async resolve<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    const asked = plain(name)
    if (!isAskable(asked)) throw new ResolverError('no-such-name', name.slice(0, 260), type)
    const key = `${type} ${asked}`
    const kept = this.#kept.get(key)
    if (kept && kept.until > this.#options.now()) {
      // The least used leave first: whoever is used goes to the end.
      this.#kept.delete(key)
      this.#kept.set(key, kept)
      if (kept.outcome instanceof ResolverError) throw kept.outcome
      return kept.outcome as DnsAnswer<T>
    }
    const under = this.#asking.get(key)
    if (under) return (await under) as DnsAnswer<T>
    const asking = this.#ask(asked, type, key).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    return asking
  }

  /** Ends what is under way with 'temporary'. */
  close(): void {
    this.#abort.abort()
  }

  async #ask<T extends RecordType>(name: string, type: T, key: string): Promise<DnsAnswer<T>> {
    const { servers, rounds, validating } = this.#options
    if (servers.length === 0 || this.#waiting.length >= MAX_WAITING) throw new ResolverError('temporary', name, type)
    if (this.#places === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#places--
    try {
      for (let round = 0; round < rounds; round++) {
        for (const server of servers) {
          if (this.#abort.signal.aborted) break
          const reading = await this.#askServer(server, name, type)
          if (reading.kind === 'records') {
            this.#keep(key, reading.answer.ttl, reading.answer)
            return reading.answer
          }
          if (reading.kind === 'none') {
            const error = new ResolverError(reading.code, name, type, validating && reading.secure)
            this.#keep(key, reading.ttl, error)
            throw error
          }
        }
      }
      throw new ResolverError('temporary' satisfies ResolverErrorCode, name, type)
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#places++
    }
  }

  async #askServer<T extends RecordType>(server: NameServer, name: string, type: T): Promise<Reading<T>> {
    const asked = { id: randomInt(65_536), name, type }
    const read = (bytes: Buffer) => readAnswer(bytes, asked, this.#options.validating)
    const packet = question(asked.id, name, type)
    const overUdp = await this.#exchange((settle) => askUdp(server, packet, (bytes) => settle(read(bytes))))
    if (overUdp.kind !== 'truncated') return overUdp as Reading<T>
    return (await this.#exchange((settle) => askTcp(server, packet, (bytes) => settle(read(bytes))))) as Reading<T>
  }

  /** Runs one exchange until it settles, its time is over or the resolver closes; then its socket is gone. */
  #exchange(
    start: (settle: (reading: Reading<RecordType>) => void) => { end(): void; failed: Promise<Error> },
  ): Promise<Reading<RecordType>> {
    return new Promise((resolve) => {
      const done = (reading: Reading<RecordType>) => {
        if (reading.kind === 'foreign') return
        clearTimeout(timer)
        this.#abort.signal.removeEventListener('abort', aborted)
        running?.end()
        resolve(reading)
      }
      const aborted = () => done({ kind: 'failed', reason: 'the resolver is closed' })
      const timer = setTimeout(() => done({ kind: 'failed', reason: 'it did not answer' }), this.#options.timeoutMs)
      this.#abort.signal.addEventListener('abort', aborted, { once: true })
      const running = start(done)
      void running.failed.then((error) => done({ kind: 'failed', reason: error.message }))
    })
  }

  #keep(key: string, ttl: number, outcome: DnsAnswer<RecordType> | ResolverError): void {
    if (ttl <= 0) return
    this.#kept.delete(key)
    if (this.#kept.size >= this.#options.cachedAnswers) {
      const [oldest] = this.#kept.keys()
      if (oldest !== undefined) this.#kept.delete(oldest)
    }
    this.#kept.set(key, { until: this.#options.now() + ttl * 1000, outcome })
  }
}

/** A socket of its own for every question: its random port is half of what a forger would have to guess (RFC 5452 §9.2). */
function askUdp(server: NameServer, packet: Buffer, answered: (bytes: Buffer) => void) {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  const failed = Promise.withResolvers<Error>()
  socket.on('error', failed.resolve)
  socket.on('message', answered)
  // Connected: the system drops what other addresses send.
  socket.connect(server.port, server.address, () => socket.send(packet))
  let open = true
  const end = () => {
    if (open) socket.close()
    open = false
  }
  return { end, failed: failed.promise }
}

function askTcp(server: NameServer, packet: Buffer, answered: (bytes: Buffer) => void) {
  const socket = connect(server.port, server.address)
  const failed = Promise.withResolvers<Error>()
  let received = Buffer.alloc(0)
  socket.on('error', failed.resolve)
  socket.on('close', () => failed.resolve(new Error('it closed the connection')))
  socket.on('connect', () => {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(packet.length)
    socket.write(Buffer.concat([length, packet]))
  })
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0)
      answered(received.subarray(2, end))
      received = received.subarray(end)
    }
    if (received.length > MAX_TCP_BYTES + 2) socket.destroy()
  })
  return { end: () => socket.destroy(), failed: failed.promise }
}
