// The work queue in memory: a heap by due time. Lost with the process, as the port allows.
import type { Work, WorkQueue } from '../../../commands/ports/work-queue.ts'

interface Entry {
  readonly id: string
  dueAt: number
  /** Order of arrival among what is due at the same instant. */
  readonly order: number
  state: 'waiting' | 'working'
  /** Given to a worker until then, epoch milliseconds. */
  leaseUntil: number
  /** Enqueued while it was worked on, due then. */
  again: number | undefined
}

export interface MemoryQueueOptions {
  readonly capacity?: number
  /** A worker that is silent for so long has lost its work. */
  readonly leaseMs?: number
  /** Epoch milliseconds. */
  readonly now?: () => number
}

/** Longest wait that a timer takes. */
const MAX_TIMER = 2 ** 31 - 1

export class MemoryQueue implements WorkQueue {
  readonly #entries = new Map<string, Entry>()
  /** Binary heap of what waits, by due time; an entry that moved forward leaves its old place, marked by its due time. */
  readonly #heap: { readonly entry: Entry; readonly dueAt: number }[] = []
  readonly #takers: ((work: Work | undefined) => void)[] = []
  readonly #capacity: number
  readonly #leaseMs: number
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #order = 0
  #closed = false

  constructor({ capacity = 200_000, leaseMs = 120_000, now = Date.now }: MemoryQueueOptions = {}) {
    this.#capacity = capacity
    this.#leaseMs = leaseMs
    this.#now = now
  }

  async enqueue(id: string, dueAt: number): Promise<boolean> {
    if (this.#closed) return false
    const known = this.#entries.get(id)
    if (known?.state === 'working') known.again = Math.min(known.again ?? dueAt, dueAt)
    else if (known) {
      if (dueAt < known.dueAt) {
        known.dueAt = dueAt
        this.#push(known)
      }
    } else {
      if (this.#entries.size >= this.#capacity) return false
      const entry: Entry = { id, dueAt, order: this.#order++, state: 'waiting', leaseUntil: 0, again: undefined }
      this.#entries.set(id, entry)
      this.#push(entry)
    }
    this.#serve()
    return true
  }

  take(signal?: AbortSignal): Promise<Work | undefined> {
    if (this.#closed || signal?.aborted) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const taker = (work: Work | undefined) => {
        signal?.removeEventListener('abort', aborted)
        resolve(work)
      }
      const aborted = () => {
        this.#takers.splice(this.#takers.indexOf(taker), 1)
        taker(undefined)
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#takers.push(taker)
      this.#serve()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const taker of this.#takers.splice(0)) taker(undefined)
    this.#entries.clear()
    this.#heap.length = 0
  }

  /** Gives what is due to whoever waits, then sleeps until the next is. */
  #serve(): void {
    clearTimeout(this.#timer)
    const now = this.#now()
    while (this.#takers.length > 0) {
      const next = this.#next()
      if (!next || next.dueAt > now) break
      this.#pop()
      // A lease that ran out: its worker is gone.
      const { entry } = next
      entry.state = 'working'
      entry.leaseUntil = now + this.#leaseMs
      this.#pushLease(entry)
      this.#takers.shift()?.(this.#work(entry))
    }
    const next = this.#next()
    if (!next || this.#takers.length === 0) return
    this.#timer = setTimeout(() => this.#serve(), Math.min(MAX_TIMER, Math.max(0, next.dueAt - now)))
    this.#timer.unref()
  }

  /** The first place of the heap that still means something. */
  #next(): { readonly entry: Entry; readonly dueAt: number } | undefined {
    for (let top = this.#heap[0]; top; top = this.#heap[0]) {
      const { entry, dueAt } = top
      const stands = this.#entries.get(entry.id) === entry
      if (stands && entry.state === 'waiting' && entry.dueAt === dueAt) return top
      if (stands && entry.state === 'working' && entry.leaseUntil === dueAt) return top
      this.#pop()
    }
    return undefined
  }

  #work(entry: Entry): Work {
    const lease = { until: entry.leaseUntil }
    const holds = () =>
      this.#entries.get(entry.id) === entry && entry.state === 'working' && entry.leaseUntil === lease.until
    return {
      id: entry.id,
      ack: async () => {
        if (!holds()) return
        this.#entries.delete(entry.id)
        if (entry.again !== undefined) await this.enqueue(entry.id, entry.again)
      },
      retry: async (dueAt) => {
        if (!holds()) return
        entry.state = 'waiting'
        entry.dueAt = Math.min(dueAt, entry.again ?? dueAt)
        entry.again = undefined
        this.#push(entry)
        this.#serve()
      },
      working: () => {
        if (!holds()) return
        lease.until = entry.leaseUntil = this.#now() + this.#leaseMs
        this.#pushLease(entry)
      },
    }
  }

  #push(entry: Entry): void {
    this.#insert({ entry, dueAt: entry.dueAt })
  }
  #pushLease(entry: Entry): void {
    this.#insert({ entry, dueAt: entry.leaseUntil })
  }

  #insert(place: { readonly entry: Entry; readonly dueAt: number }): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(place)
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up] as typeof place
      if (!before(place, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = place
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= heap.length) break
      const right = heap[down + 1]
      if (right && before(right, heap[down] as typeof last)) down++
      const child = heap[down] as typeof last
      if (!before(child, last)) break
      heap[at] = child
      at = down
    }
    heap[at] = last
  }
}

type Place = { readonly entry: Entry; readonly dueAt: number }
const before = (a: Place, b: Place): boolean =>
  a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.entry.order < b.entry.order)
