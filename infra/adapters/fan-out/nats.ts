// The fan-out over NATS: one subject for the cell, nothing stored. Messages that do not arrive are made good by reading.
import { randomUUID } from 'node:crypto'
import type { NatsConnection } from 'nats'
import type { Applied, FanOut } from '../../../projections/ports/fan-out.ts'
import { connectNats } from '../queue/nats-connection.ts'

/** Mailboxes in one message: far below the server's limit of 1 MiB. */
const MOST = 5000

interface Message {
  readonly from: string
  readonly position: string
  readonly mailboxes: readonly (readonly [account: string, revision: string])[]
}

export class NatsFanOut implements FanOut {
  readonly #connection: NatsConnection
  readonly #subject: string
  readonly #process = randomUUID()
  readonly #listeners = new Set<(applied: Applied) => void>()
  readonly #missed = new Set<() => void>()

  private constructor(connection: NatsConnection, cell: string) {
    this.#connection = connection
    this.#subject = `everpost.${cell}.applied`
  }

  /** `cell` keeps installations that share a server apart. Rejects with a sentence when NATS cannot be reached. */
  static async open(url: string, cell = 'cell'): Promise<NatsFanOut> {
    const fanOut = new NatsFanOut(await connectNats(url, 'everpost fan-out'), cell)
    void fanOut.#hear()
    void fanOut.#watch()
    await fanOut.#connection.flush()
    return fanOut
  }

  publish({ mailboxes, position }: Applied): void {
    if (mailboxes.size === 0 || this.#connection.isClosed()) return
    const all = [...mailboxes].map(([account, revision]) => [account, String(revision)] as const)
    for (let from = 0; from < all.length; from += MOST) {
      const message: Message = {
        from: this.#process,
        position: String(position),
        mailboxes: all.slice(from, from + MOST),
      }
      try {
        this.#connection.publish(this.#subject, JSON.stringify(message))
      } catch {
        // Lost, as the port allows.
      }
    }
  }

  subscribe(listener: (applied: Applied) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onMissed(listener: () => void): () => void {
    this.#missed.add(listener)
    return () => this.#missed.delete(listener)
  }

  async #hear(): Promise<void> {
    for await (const { data } of this.#connection.subscribe(this.#subject)) {
      const applied = this.#read(data)
      if (applied !== undefined) for (const listener of this.#listeners) listener(applied)
    }
  }

  /** Undefined for what this process said itself, and for what is not one of ours. */
  #read(data: Uint8Array): Applied | undefined {
    try {
      const { from, position, mailboxes } = JSON.parse(Buffer.from(data).toString()) as Message
      if (from === this.#process) return undefined
      return {
        position: BigInt(position),
        mailboxes: new Map(mailboxes.map(([account, revision]) => [account, BigInt(revision)])),
      }
    } catch {
      return undefined
    }
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status())
      if (type === 'reconnect') for (const listener of this.#missed) listener()
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    this.#missed.clear()
    await this.#connection.close()
  }
}
