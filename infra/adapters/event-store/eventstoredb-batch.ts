// Appends over the client's batch stream: two to three times as many as one call each. The client keeps the answers that it waits
// for in one table of the whole process, which any broken stream of it empties, and an answer to a forgotten append would then end
// the process. Hence: one lane a thread, with a client of its own that does nothing else; fewer appends in flight than make the
// client's queue wait; and on the first trouble the lane rests while everybody goes by single calls.
import type { AppendExpectedRevision, AppendResult, BinaryEventData, EventStoreDBClient } from '@eventstore/db-client'
import { closeChannel, within } from './eventstoredb-connection.ts'

/** The client's stream takes 16 messages before writers wait, and a writer that waits when it breaks is never told. */
const IN_FLIGHT = 15
/** Appends that may wait for a place, and the answers' time in milliseconds beyond which they go by single calls instead. */
const WAITING = 64
const QUICK_MS = 100
/** How long the lane rests after a trouble: first and longest, milliseconds. */
const REST = [1_000, 60_000] as const

let claimed = false

export class BatchLane {
  readonly #open: () => EventStoreDBClient
  readonly #deadlineMs: number
  #client: EventStoreDBClient | undefined
  #inFlight = 0
  readonly #waiting: ((hasPlace: boolean) => void)[] = []
  /** Running mean of the time to an answer. */
  #answerMs = 0
  #restUntil = 0
  #rest: number = REST[0]
  #closing: Promise<void> | undefined

  private constructor(open: () => EventStoreDBClient, deadlineMs: number) {
    this.#open = open
    this.#deadlineMs = deadlineMs
  }

  /** Undefined when another store of this thread has it. */
  static claim(open: () => EventStoreDBClient, deadlineMs: number): BatchLane | undefined {
    if (claimed) return undefined
    claimed = true
    return new BatchLane(open, deadlineMs)
  }

  /** Undefined when the lane is full or rests: append by a single call. Rejects as the client does; the outcome is unknown then. */
  append(
    stream: string,
    events: readonly BinaryEventData[],
    expectedRevision: AppendExpectedRevision,
  ): Promise<AppendResult> | undefined {
    if (this.#resting()) return undefined
    if (this.#inFlight < IN_FLIGHT) {
      this.#inFlight++
      return this.#send(stream, events, expectedRevision)
    }
    if (this.#waiting.length >= WAITING || this.#answerMs > QUICK_MS) return undefined
    return this.#later(stream, events, expectedRevision)
  }

  async close(): Promise<void> {
    this.#restUntil = Number.POSITIVE_INFINITY
    for (const wake of this.#waiting.splice(0)) wake(false)
    await this.#retire()
    claimed = false
  }

  #resting(): boolean {
    return this.#closing !== undefined || performance.now() < this.#restUntil
  }

  async #later(
    stream: string,
    events: readonly BinaryEventData[],
    expectedRevision: AppendExpectedRevision,
  ): Promise<AppendResult> {
    const hasPlace = await new Promise<boolean>((resolve) => this.#waiting.push(resolve))
    // Nothing was sent: the caller tries again, by a single call.
    if (!hasPlace) throw new Error('The batch stream broke')
    return this.#send(stream, events, expectedRevision)
  }

  /** Has a place in the lane already, and hands it on. */
  async #send(
    stream: string,
    events: readonly BinaryEventData[],
    expectedRevision: AppendExpectedRevision,
  ): Promise<AppendResult> {
    this.#client ??= this.#open()
    const client = this.#client
    const began = performance.now()
    try {
      const sent = client.appendToStream(stream, [...events], { expectedRevision, deadline: this.#deadlineMs })
      const answer = await within(this.#deadlineMs, 'an append', sent)
      this.#rest = REST[0]
      this.#answerMs += (performance.now() - began - this.#answerMs) / 32
      return answer
    } catch (error) {
      if ((error as { type?: string }).type !== 'wrong-expected-version') this.#restAWhile(client)
      throw error
    } finally {
      const next = this.#resting() ? undefined : this.#waiting.shift()
      if (next) next(true)
      else this.#inFlight--
    }
  }

  #restAWhile(client: EventStoreDBClient): void {
    if (client !== this.#client) return
    this.#restUntil = performance.now() + this.#rest
    this.#rest = Math.min(this.#rest * 2, REST[1])
    void this.#retire()
    for (const wake of this.#waiting.splice(0)) wake(false)
  }

  /** Lets go of the client. No other takes its place before the last stream of this one is over. */
  #retire(): Promise<void> {
    const client = this.#client
    if (client === undefined) return this.#closing ?? Promise.resolve()
    this.#client = undefined
    this.#closing = client
      .dispose()
      .catch(() => undefined)
      .then(() => closeChannel(client))
      .finally(() => {
        this.#closing = undefined
      })
    return this.#closing
  }
}
