// The journal of commands and the event source of projections, over any event store: seals, chunks, opens, upcasts.
import { hash } from 'node:crypto'
import type {
  Append,
  AppendResult,
  EventStore,
  EventToAppend,
  ReadStreamOptions,
  StoredEvent,
} from '../../../commands/ports/event-store.ts'
import { MAX_APPEND_BYTES } from '../../../commands/ports/event-store.ts'
import type { AppendAllOptions, Journal, JournalAppend } from '../../../commands/ports/journal.ts'
import { type Keyring, KeysNotLoaded } from '../../../commands/ports/keyring.ts'
import { leafOf } from '../../../domain/audit/leaf.ts'
import type { RecordedEvent } from '../../../domain/events.ts'
import type { Position, Redacted, Revision } from '../../../domain/log.ts'
import type { SealedBatch, SealedEvent, SealedLog } from '../../../projections/audit/sealed-log.ts'
import {
  type EventSource,
  type SourceBatch,
  type SourceEvent,
  unreadable,
} from '../../../projections/ports/event-source.ts'
import { openEvent, openLazily, ownerOfStored, ownersOf, sealEvent, UnreadableEvent } from './seal.ts'

/** What a store must be able to do to be read from; a thread that never writes has only this. */
export type EventReader = Pick<EventStore, 'readStream' | 'subscribe' | 'readPositions' | 'head'> & {
  /** As `readStream`, a page at a time. */
  readPages?(
    stream: string,
    options?: ReadStreamOptions,
  ): Iterable<readonly StoredEvent[]> | AsyncIterable<readonly StoredEvent[]>
}

export class SealedSource implements EventSource, SealedLog {
  readonly #reader: EventReader
  readonly #keyring: Keyring

  constructor(reader: EventReader, keyring: Keyring) {
    this.#reader = reader
    this.#keyring = keyring
  }

  async *subscribe(options: Parameters<EventSource['subscribe']>[0]): AsyncGenerator<SourceBatch> {
    for await (const batch of this.#reader.subscribe(options)) {
      const { types } = options
      const wanted = types ? batch.events.filter(({ type }) => types.has(type)) : batch.events
      yield { ...batch, events: await this.#openAll(wanted, (event) => this.#openOrMark(event, options.text ?? false)) }
    }
  }

  async *readStream(
    stream: string,
    options: ReadStreamOptions & { readonly text?: boolean } = {},
  ): AsyncGenerator<SourceEvent> {
    const open = (event: StoredEvent): SourceEvent => openLazily(event, this.#keyring, options.text ?? false)
    for await (const event of this.#reader.readStream(stream, options))
      yield this.#keyring.load === undefined ? open(event) : ((await this.#openAll([event], open))[0] as SourceEvent)
  }

  async *readPages(stream: string, options: ReadStreamOptions = {}): AsyncGenerator<readonly SourceEvent[]> {
    if (this.#reader.readPages !== undefined) {
      for await (const page of this.#reader.readPages(stream, options))
        yield await this.#openAll(page, (event) => this.#openOrMark(event, false))
    } else {
      for await (const event of this.#reader.readStream(stream, options))
        yield await this.#openAll([event], (each) => this.#openOrMark(each, false))
    }
  }

  async readPositions(
    positions: readonly Position[],
    options: { readonly text?: boolean } = {},
  ): Promise<readonly SourceEvent[]> {
    const stored = await this.#reader.readPositions(positions)
    return this.#openAll(stored, (event) => this.#open(event, options.text ?? false))
  }

  head(): Promise<Position | undefined> {
    return this.#reader.head()
  }

  async *subscribeSealed(options: Parameters<SealedLog['subscribeSealed']>[0]): AsyncGenerator<SealedBatch> {
    for await (const batch of this.#reader.subscribe(options)) {
      await this.#keyring.load?.(batch.events.map(ownerOfStored))
      yield { ...batch, events: batch.events.map(digested) }
    }
  }

  async *readSealedStream(stream: string): AsyncGenerator<SealedEvent> {
    for await (const event of this.#reader.readStream(stream)) {
      await this.#keyring.load?.([ownerOfStored(event)])
      yield digested(event)
    }
  }

  async readSealed(positions: readonly Position[]): Promise<readonly SealedEvent[]> {
    const stored = await this.#reader.readPositions(positions)
    await this.#keyring.load?.(stored.map(ownerOfStored))
    return stored.map(digested)
  }

  /** Its owner's key came into memory with the event; sections under keys that did not are left out. */
  open({ redacted: _, leaf: __, sealed, ...event }: SealedEvent, withText = false): SourceEvent {
    const stored = { ...event, data: sealed }
    if (this.#keyring.load === undefined) return this.#open(stored, withText)
    const keyring = this.#keyring
    const owner = ownerOfStored(stored)
    const dataKey = (account: string) => {
      try {
        return keyring.dataKey(account)
      } catch (error) {
        if (account !== owner && error instanceof KeysNotLoaded) return undefined
        throw error
      }
    }
    return openEvent(stored, { dataKey }, withText)
  }

  /** Opens events with the keys of their owners brought into memory first, where the keyring wants that. */
  async #openAll<T>(events: readonly StoredEvent[], open: (event: StoredEvent) => T): Promise<readonly T[]> {
    const keyring = this.#keyring
    if (keyring.load === undefined) return events.map(open)
    await keyring.load(events.map(ownerOfStored))
    const opened: T[] = []
    for (const event of events) {
      for (;;) {
        try {
          opened.push(open(event))
          break
        } catch (error) {
          // Whose sections an event has shows only inside it.
          if (!(error instanceof KeysNotLoaded)) throw error
          await keyring.load(error.accounts)
        }
      }
    }
    return opened
  }

  #open(event: StoredEvent, text: boolean): RecordedEvent | Redacted {
    return openEvent(event, this.#keyring, text)
  }

  /** Who asks for text needs the content of every arrival; others may not. */
  #openOrMark(event: StoredEvent, text: boolean): SourceEvent {
    try {
      return text ? openEvent(event, this.#keyring, true) : openLazily(event, this.#keyring, false)
    } catch (error) {
      if (error instanceof UnreadableEvent) return unreadable(event, error)
      throw error
    }
  }
}

function digested(event: StoredEvent): SealedEvent {
  const { id, stream, revision, position, type, metadata, data } = event
  const leaf = leafOf((bytes) => hash('sha256', bytes, 'buffer'), event)
  return { id, stream, revision, position, type, redacted: true, metadata, sealed: data, leaf }
}

/** Events that this process has appended, durable by now. */
export interface Appended {
  readonly stream: string
  readonly events: JournalAppend['events']
  /** Of the last of them. */
  readonly revision: Revision
  readonly position: Position
}

/** One commit as the command that waited for it saw it. */
export interface Written {
  readonly appends: readonly JournalAppend[]
  /** Of each append; missing when it failed. */
  readonly results: readonly AppendResult[]
  /** Waiting for others included. */
  readonly milliseconds: number
  readonly error?: unknown
}

export class SealedJournal extends SealedSource implements Journal {
  readonly #store: EventStore
  readonly #keyring: Keyring
  readonly #listeners = new Set<(appended: Appended) => void>()
  readonly #observers = new Set<(written: Written) => void>()
  #held: Promise<void> | undefined
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(store: EventStore, keyring: Keyring) {
    super(store, keyring)
    this.#store = store
    this.#keyring = keyring
  }

  /** Whether several streams are one commit. Where not, promises of MailAccepted may stay open: see gateways/delivery/intake-sweep.ts. */
  get atomic(): boolean {
    return this.#store.appendAtomically !== undefined
  }

  /** Appends wait from here on; resolves once those under way have ended, with the way to let them go on, or to refuse them for good. */
  async hold(): Promise<(refusal?: Error) => void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    promise.catch(() => undefined)
    this.#held = promise
    await Promise.allSettled([...this.#underWay])
    return (refusal) => {
      if (refusal) return reject(refusal)
      this.#held = undefined
      resolve()
    }
  }

  /** One write, when none are held. */
  async #write<T>(work: () => Promise<T>): Promise<T> {
    while (this.#held !== undefined) await this.#held
    const writing = work()
    this.#underWay.add(writing)
    try {
      return await writing
    } finally {
      this.#underWay.delete(writing)
    }
  }

  async #observed<T extends AppendResult | readonly AppendResult[]>(
    appends: readonly JournalAppend[],
    work: () => Promise<T>,
  ): Promise<T> {
    if (this.#observers.size === 0) return this.#write(work)
    const began = performance.now()
    const tell = (results: readonly AppendResult[], failure: { readonly error?: unknown }) => {
      const written = { appends, results, milliseconds: performance.now() - began, ...failure }
      for (const observer of this.#observers) observer(written)
    }
    try {
      const result = await this.#write(work)
      tell(Array.isArray(result) ? result : [result], {})
      return result
    } catch (error) {
      tell([], { error })
      throw error
    }
  }

  append(append: JournalAppend): Promise<AppendResult> {
    return this.#observed([append], () => this.#append(append))
  }

  async #append(append: JournalAppend): Promise<AppendResult> {
    if (this.#keyring.load !== undefined) await this.#keyring.load(append.events.flatMap(ownersOf))
    const chunks = this.#chunks(append)
    let last: AppendResult | undefined
    let told = 0
    for (const chunk of chunks) {
      last = await this.#store.append(chunk)
      if (!last.ok) return last
      this.#tell(append.stream, append.events.slice(told, told + chunk.events.length), last)
      told += chunk.events.length
    }
    return last as AppendResult
  }

  appendAll(appends: readonly JournalAppend[], options: AppendAllOptions = {}): Promise<readonly AppendResult[]> {
    return this.#observed(appends, () => this.#appendAll(appends, options))
  }

  async #appendAll(
    appends: readonly JournalAppend[],
    { after = [], promised = false }: AppendAllOptions,
  ): Promise<readonly AppendResult[]> {
    if (this.#keyring.load !== undefined)
      await this.#keyring.load(appends.flatMap(({ events }) => events.flatMap(ownersOf)))
    const chunked = appends.map((append) => this.#chunks(append))
    const durable = Promise.all(after.map((blob) => blob.durable))
    if (this.#store.appendAtomically && chunked.every((chunks) => chunks.length === 1)) {
      const ordered = this.#store.ordersBlobs === true
      if (!ordered) await durable
      const options = ordered && after.length > 0 ? { blobs: after.map(({ ref }) => ref.id) } : {}
      const together = chunked.map((chunks) => chunks[0] as Append)
      const appended = this.#store.appendAtomically(together, options)
      appended.catch(() => undefined)
      // Why a blob was not stored says more than that the append lacked it.
      await durable
      const results = await appended
      for (const [i, { stream, events }] of appends.entries()) this.#tell(stream, events, results[i])
      return results
    }
    await durable
    const results: AppendResult[] = []
    for (const append of appends) {
      try {
        results.push(await this.#append(append))
      } catch (error) {
        if (!promised || results[0]?.ok !== true) throw error
        return results
      }
    }
    return results
  }

  /** Calls back with everything that is appended through this journal; answers the way to stop. */
  onAppended(listener: (appended: Appended) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls back with every commit and how long it took; answers the way to stop. */
  onWritten(observer: (written: Written) => void): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  #tell(stream: string, events: JournalAppend['events'], result: AppendResult | undefined): void {
    if (!result?.ok || result.repeated) return
    const { revision, position } = result
    for (const listener of this.#listeners) listener({ stream, events, revision, position })
  }

  lastRevision(stream: string): Promise<Revision | undefined> {
    return this.#store.lastRevision(stream)
  }

  /** Pieces below the engine's limits. An exact expectation moves on with each piece. */
  #chunks({ stream, expected, events }: JournalAppend): readonly Append[] {
    const chunks: EventToAppend[][] = [[]]
    let bytes = 0
    for (const event of events) {
      const sealed = sealEvent(stream, event, this.#keyring)
      const size = sealed.data.length + sealed.metadata.length
      const chunk = chunks.at(-1) as EventToAppend[]
      if (chunk.length > 0 && (bytes + size > MAX_APPEND_BYTES || chunk.length >= 1000)) {
        chunks.push([sealed])
        bytes = size
      } else {
        chunk.push(sealed)
        bytes += size
      }
    }
    let written = 0
    return chunks.map((chunk) => {
      const here =
        written === 0 || expected === 'any' ? expected : (expected === 'no-stream' ? -1n : expected) + BigInt(written)
      written += chunk.length
      return { stream, expected: here, events: chunk }
    })
  }
}
