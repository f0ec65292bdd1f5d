// A log in memory for tests of projections: events get revisions and positions as a store would give them.
import { randomUUID } from 'node:crypto'
import type { EverpostEvent, RecordedEvent } from '../../domain/events.ts'
import type { Position, Redacted } from '../../domain/log.ts'
import type { MessageContent } from '../../domain/mailbox/mailbox.ts'
import type { EventSource, SourceBatch, SourceEvent } from '../../projections/ports/event-source.ts'

export class MemoryLog implements EventSource {
  readonly events: SourceEvent[] = []
  readonly #revisions = new Map<string, bigint>()
  readonly #waiting = new Set<() => void>()
  /** Positions are not dense. */
  readonly #step: bigint
  /** Subscriptions end after so many batches, as a server may end them. */
  endsAfter = Number.POSITIVE_INFINITY

  constructor(step = 3n) {
    this.#step = step
  }

  append(stream: string, event: EverpostEvent, at = 1_700_000_000_000 + this.events.length * 1000): SourceEvent {
    const revision = (this.#revisions.get(stream) ?? -1n) + 1n
    this.#revisions.set(stream, revision)
    const position = BigInt(this.events.length + 1) * this.#step
    const metadata = { at, actor: 'test', via: 'system' as const, correlationId: 'c', causationId: 'c' }
    const recorded = { id: randomUUID(), stream, revision, position, ...event, metadata } as RecordedEvent
    this.events.push(recorded)
    this.wake()
    return recorded
  }

  /** As after an erasure: what the predicate picks can no longer be read. */
  redact(pick: (event: SourceEvent) => boolean): void {
    for (const [i, event] of this.events.entries()) {
      if (!pick(event)) continue
      const { id, stream, revision, position, type } = event
      const redacted: Redacted = { id, stream, revision, position, type, redacted: true }
      this.events[i] = redacted
    }
  }

  wake(): void {
    for (const wake of this.#waiting) wake()
  }

  async *subscribe(options: Parameters<EventSource['subscribe']>[0]): AsyncGenerator<SourceBatch> {
    const { after = 0n, prefixes = [], batchSize = 500, signal } = options
    let next = this.events.findIndex((event) => event.position > after)
    if (next < 0) next = this.events.length
    let batches = 0
    let told = false
    while (!signal?.aborted && batches < this.endsAfter) {
      const slice = this.events.slice(next, next + batchSize)
      next += slice.length
      const caughtUp = next === this.events.length
      if (slice.length > 0 || !told) {
        told = caughtUp
        batches++
        const events = slice.filter(
          (event) => prefixes.length === 0 || prefixes.some((p) => event.stream.startsWith(p)),
        )
        yield { events, position: this.events[next - 1]?.position, caughtUp }
      }
      if (caughtUp && !signal?.aborted && next === this.events.length) {
        await new Promise<void>((resolve) => {
          const done = () => {
            this.#waiting.delete(done)
            resolve()
          }
          this.#waiting.add(done)
          signal?.addEventListener('abort', done, { once: true })
        })
      }
    }
  }

  async *readStream(
    stream: string,
    options: Parameters<EventSource['readStream']>[1] = {},
  ): AsyncGenerator<SourceEvent> {
    const { from = 0n, limit = Number.POSITIVE_INFINITY } = options
    let left = limit
    for (const event of this.events) if (event.stream === stream && event.revision >= from && left-- > 0) yield event
  }

  async *readPages(stream: string): AsyncGenerator<readonly SourceEvent[]> {
    const all = this.events.filter((event) => event.stream === stream)
    for (let at = 0; at < all.length; at += 7) yield all.slice(at, at + 7)
  }

  async readPositions(positions: readonly Position[]): Promise<readonly SourceEvent[]> {
    return positions.flatMap((position) => this.events.filter((event) => event.position === position))
  }

  async head(): Promise<Position | undefined> {
    return this.events.at(-1)?.position
  }
}

export interface Mail {
  readonly subject?: string
  readonly from?: string
  readonly references?: readonly string[]
  readonly messageId?: string
  readonly attachment?: boolean
  readonly size?: number
}

export function content(mail: Mail = {}): MessageContent {
  const {
    subject = 'Hello',
    from = 'ann@example.test',
    references = [],
    messageId,
    attachment = false,
    size = 1000,
  } = mail
  return {
    blob: { id: 'ab'.repeat(32), key: 'a2V5', size },
    envelope: {
      date: 1_700_000_000_000,
      subject,
      from: [{ name: 'Ann Ëxample', address: from }],
      sender: [],
      replyTo: [],
      to: [{ address: 'bob@example.test' }, { name: 'Carol', address: 'carol@example.test' }],
      cc: [],
      bcc: [],
      inReplyTo: references.slice(-1),
      references,
      ...(messageId === undefined ? {} : { messageId }),
    },
    root: { type: 'text/plain', params: {}, encoding: '7bit', headerStart: 0, bodyStart: 100, bodyEnd: size },
    snippet: `About ${subject}`,
    attachments: [],
    hasAttachment: attachment,
    text: '',
  }
}
