// The work queue in NATS JetStream, shared by every process of a cell. A message is a piece of work; whoever is given it holds it
// in a queue of its own until it is due, and locks the id for as long as a worker has it.
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { JetStreamClient, JetStreamManager, JsMsg, KV, NatsConnection } from 'nats'
import type { Work, WorkQueue } from '../../../commands/ports/work-queue.ts'
import { MemoryQueue } from './memory.ts'
import { connectNats } from './nats-connection.ts'

export interface NatsQueueOptions {
  /** Names the stream: queues of different names know nothing of each other. */
  readonly name?: string
  /** Pieces in the stream; more are refused. */
  readonly capacity?: number
  /** A worker that is silent for so long has lost its work. */
  readonly leaseMs?: number
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** `enqueue` waits for so long until this process has the message, so that what is due first is given first. */
  readonly settleMs?: number
  /** A piece that was given out this often and never came to an end: it is taken out of the queue. */
  readonly maxDeliveries?: number
  readonly onPoison?: (poison: { readonly id: string; readonly deliveries: number }) => void
  readonly onTrouble?: (error: unknown) => void
}

interface Payload {
  readonly id: string
  readonly dueAt: number
}

/** What is due later goes back to the server meanwhile, at most so long at a time. */
const HORIZON_MS = 10 * 60_000
const LONGEST_NAK_MS = 60 * 60_000
const ASK_MS = 2000
const LOCKED_AGAIN_MS = 1000
/** Messages that one process holds unfinished. */
const HELD = 5000
const RETRY_MS = 500

export class NatsQueue implements WorkQueue {
  readonly #connection: NatsConnection
  readonly #options: Required<Omit<NatsQueueOptions, 'onPoison' | 'onTrouble'>> &
    Pick<NatsQueueOptions, 'onPoison' | 'onTrouble'>
  readonly #local: MemoryQueue
  readonly #process = randomUUID()
  /** Unfinished messages by id: one, unless it was enqueued again meanwhile. */
  readonly #held = new Map<string, JsMsg[]>()
  readonly #given = new Map<string, object>()
  readonly #closing = new AbortController()
  readonly #seen = new Set<() => void>()
  #stream: JetStreamClient
  #manager: JetStreamManager | undefined
  #locks: KV | undefined
  #count = 0
  #lastSeen = 0
  #connected = true
  #loop: Promise<void> = Promise.resolve()
  #keeping: NodeJS.Timeout | undefined

  private constructor(connection: NatsConnection, options: NatsQueueOptions) {
    this.#connection = connection
    this.#options = {
      ...{ name: 'everpost-work', capacity: 200_000, leaseMs: 120_000, now: Date.now, settleMs: 0, maxDeliveries: 20 },
      ...options,
    }
    const { leaseMs, now } = this.#options
    this.#local = new MemoryQueue({ capacity: 2 * HELD, leaseMs, now })
    this.#stream = connection.jetstream()
  }

  /** Rejects with a sentence when NATS cannot be reached. Losing it later, or all of its data, only delays work: a sweep brings it back. */
  static async open(url: string, options: NatsQueueOptions = {}): Promise<NatsQueue> {
    const queue = new NatsQueue(await connectNats(url, 'everpost queue'), options)
    try {
      await queue.#prepare()
    } catch (error) {
      await queue.#connection.close()
      throw error
    }
    void queue.#watch()
    queue.#loop = queue.#follow()
    queue.#keeping = setInterval(() => queue.#keep(), Math.max(1000, queue.#patience / 3))
    queue.#keeping.unref()
    return queue
  }

  /** How long the server waits for a sign of life of a message, by its own clock. */
  get #patience(): number {
    return Math.max(5000, this.#options.leaseMs)
  }

  /** Makes what is missing, as after the loss of all data. */
  async #prepare(): Promise<void> {
    const { AckPolicy, DiscardPolicy, RetentionPolicy, StorageType, nanos } = await import('nats')
    const { name, capacity, leaseMs } = this.#options
    this.#manager = await this.#connection.jetstreamManager({ timeout: ASK_MS })
    const config = {
      name,
      subjects: [`${name}.>`],
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      max_msgs: capacity,
      duplicate_window: nanos(120_000),
    }
    await this.#manager.streams.info(name).catch(() => this.#manager?.streams.add(config))
    const durable = 'workers'
    const consumer = {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(this.#patience),
      max_ack_pending: HELD,
      // Counted here: the server would leave what it gave up on in the stream for ever.
      max_deliver: -1,
    }
    await this.#manager.consumers.info(name, durable).catch(() => this.#manager?.consumers.add(name, consumer))
    this.#locks = await this.#stream.views.kv(`${name}-locks`, { ttl: Math.max(leaseMs, 1000), history: 1 })
  }

  async enqueue(id: string, dueAt: number): Promise<boolean> {
    if (this.#closing.signal.aborted || !this.#connected) return false
    try {
      // The client may send it twice; the server takes it once.
      const msgID = `${this.#process}/${this.#count++}`
      const text = JSON.stringify({ id, dueAt } satisfies Payload)
      const { seq } = await this.#stream.publish(`${this.#options.name}.work`, text, { msgID, timeout: ASK_MS })
      if (this.#options.settleMs > 0) await this.#untilSeen(seq)
      return true
    } catch {
      // Full, or away: the sweep comes back to it.
      return false
    }
  }

  async take(signal?: AbortSignal): Promise<Work | undefined> {
    for (;;) {
      const work = await this.#local.take(signal)
      if (work === undefined) return undefined
      const { id } = work
      if (!(await this.#lock(id))) {
        await work.retry(this.#options.now() + LOCKED_AGAIN_MS)
        continue
      }
      return this.#work(work, id)
    }
  }

  #work(work: Work, id: string): Work {
    const token = {}
    this.#given.set(id, token)
    const messages = [...(this.#held.get(id) ?? [])]
    const holds = () => this.#given.get(id) === token
    return {
      id,
      ack: async () => {
        if (!holds()) return
        this.#given.delete(id)
        this.#release(id, messages)
        for (const message of messages) message.ack()
        await this.#unlock(id)
        await work.ack()
      },
      retry: async (dueAt) => {
        if (!holds()) return
        this.#given.delete(id)
        await this.#unlock(id)
        if (dueAt - this.#options.now() <= HORIZON_MS) return work.retry(dueAt)
        this.#release(id, messages)
        for (const message of messages.slice(1)) message.ack()
        // The message says when it was due first: what it is due now is said by a new one.
        const [first] = messages
        if (first !== undefined) (await this.enqueue(id, dueAt)) ? first.ack() : first.nak(HORIZON_MS)
        await work.ack()
      },
      working: () => {
        if (!holds()) return
        work.working()
        for (const message of messages) message.working()
        void this.#locks?.put(id, this.#process).catch(() => undefined)
      },
    }
  }

  #release(id: string, messages: readonly JsMsg[]): void {
    const left = (this.#held.get(id) ?? []).filter((message) => !messages.includes(message))
    if (left.length === 0) this.#held.delete(id)
    else this.#held.set(id, left)
  }

  /** False while another process works on the id. Without NATS nothing is given out: who else has it cannot be known. */
  async #lock(id: string): Promise<boolean> {
    try {
      await this.#locks?.create(id, this.#process)
      return true
    } catch {
      const held = await this.#locks?.get(id).catch(() => undefined)
      if (held?.string() !== this.#process) return false
      await this.#locks?.put(id, this.#process).catch(() => undefined)
      return true
    }
  }

  async #unlock(id: string): Promise<void> {
    await this.#locks?.purge(id).catch(() => undefined)
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        const consumer = await this.#stream.consumers.get(this.#options.name, 'workers')
        const messages = await consumer.consume({ max_messages: 500, expires: 10_000, idle_heartbeat: 2000 })
        const stop = () => void messages.close()
        signal.addEventListener('abort', stop, { once: true })
        void this.#restartWhenSilent(messages)
        for await (const message of messages) this.#take(message)
        signal.removeEventListener('abort', stop)
      } catch (error) {
        if (signal.aborted) return
        this.#options.onTrouble?.(error)
      }
      if (signal.aborted) return
      await pause(RETRY_MS, undefined, { ref: false })
      // The server may have come back without its data.
      await this.#prepare().catch((error) => this.#options.onTrouble?.(error))
    }
  }

  /** A stream or consumer that is gone does not end the iteration by itself. */
  async #restartWhenSilent(messages: {
    status(): Promise<AsyncIterable<{ type: string; data: unknown }>>
    stop(error?: Error): void
  }) {
    for await (const { type, data } of await messages.status()) {
      const gone = type === 'stream_not_found' || type === 'consumer_not_found' || type === 'consumer_deleted'
      if (gone || (type === 'heartbeats_missed' && Number(data) >= 2)) messages.stop()
    }
  }

  #take(message: JsMsg): void {
    const { now, maxDeliveries, onPoison } = this.#options
    this.#lastSeen = Math.max(this.#lastSeen, message.seq)
    const work = payloadOf(message)
    if (work === undefined) {
      // Nobody here wrote it.
      message.term()
      onPoison?.({ id: message.string().slice(0, 100), deliveries: message.info.deliveryCount })
      return
    }
    const published = message.info.timestampNanos / 1e6
    const later = Math.ceil(Math.max(0, work.dueAt - published) / HORIZON_MS)
    const deliveries = message.info.deliveryCount
    if (deliveries > maxDeliveries + later) {
      message.term()
      onPoison?.({ id: work.id, deliveries })
    } else if (work.dueAt - now() > HORIZON_MS) {
      message.nak(Math.min(work.dueAt - now() - HORIZON_MS / 2, LONGEST_NAK_MS))
    } else {
      const held = this.#held.get(work.id)
      const known = held?.findIndex((each) => each.seq === message.seq) ?? -1
      if (held === undefined) this.#held.set(work.id, [message])
      else if (known >= 0) held[known] = message
      else held.push(message)
      void this.#local.enqueue(work.id, work.dueAt)
    }
    for (const seen of this.#seen) seen()
  }

  async #untilSeen(seq: number): Promise<void> {
    if (this.#lastSeen >= seq) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const seen = () => {
      if (this.#lastSeen >= seq) resolve()
    }
    this.#seen.add(seen)
    const timer = setTimeout(resolve, this.#options.settleMs)
    await promise
    clearTimeout(timer)
    this.#seen.delete(seen)
  }

  /** What waits here for its time is not somebody else's. */
  #keep(): void {
    if (!this.#connected) return
    for (const messages of this.#held.values()) for (const message of messages) message.working()
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect') this.#connected = false
      else if (type === 'reconnect') this.#connected = true
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    clearInterval(this.#keeping)
    await this.#local.close()
    // Others may have at once what was not begun.
    for (const messages of this.#held.values()) for (const message of messages) message.nak()
    if (this.#connected) {
      await Promise.all([...this.#given.keys()].map((id) => this.#unlock(id)))
      await this.#connection.flush().catch(() => undefined)
    }
    await this.#connection.close()
    await Promise.race([this.#loop, pause(RETRY_MS, undefined, { ref: false })])
  }
}

function payloadOf(message: JsMsg): Payload | undefined {
  try {
    const { id, dueAt } = message.json<Partial<Payload>>()
    return typeof id === 'string' && Number.isFinite(dueAt) ? { id, dueAt: dueAt as number } : undefined
  } catch {
    return undefined
  }
}
