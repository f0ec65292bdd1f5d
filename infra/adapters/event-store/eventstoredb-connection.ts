// Opening EventStoreDB: the one client of a store, its deadlines, what its errors mean, and the refusal of a server that will not do.
import { EventStoreDBClient, UnsupportedError } from '@eventstore/db-client'
import { EventStoreError, type EventStoreErrorCode } from '../../../commands/ports/event-store.ts'
import { shownAddress } from '../shown-address.ts'

export interface EventStoreDbOptions {
  /** Before every stream name, so that several logs can share a server. '' by default; letters, digits, `-`, `_`, `.`. */
  readonly namespace?: string
  /** Milliseconds that one call to the server may take. */
  readonly deadlineMs?: number
  /** Milliseconds during which an append of unknown outcome is tried again before it rejects with 'unavailable'. */
  readonly retryForMs?: number
  /** Milliseconds that the start waits for a server that is not up yet. */
  readonly startWithinMs?: number
  /** Milliseconds between looks at the head for a live subscription whose filter lets little through. */
  readonly headPollMs?: number
  /** Appends go another way: the one lane for batches of this thread is left to others. */
  readonly readOnly?: boolean
  /** Told of what went wrong and is tried again. */
  readonly onTrouble?: (error: EventStoreError) => void
}

export type Settings = Required<Omit<EventStoreDbOptions, 'onTrouble'>> & Pick<EventStoreDbOptions, 'onTrouble'>

export function settingsOf(options: EventStoreDbOptions): Settings {
  const settings = {
    namespace: '',
    deadlineMs: 5_000,
    retryForMs: 20_000,
    startWithinMs: 30_000,
    headPollMs: 500,
    readOnly: false,
    ...options,
  }
  if (!/^[A-Za-z0-9._-]{0,60}$/.test(settings.namespace))
    throw wrong(`The namespace ${JSON.stringify(settings.namespace)} has other characters than A-Z a-z 0-9 . _ -`)
  const { onTrouble } = settings
  return onTrouble === undefined ? settings : { ...settings, onTrouble: seldom(onTrouble) }
}

/** A server that is gone makes everybody who wants something of it tell the same. */
function seldom(tell: (error: EventStoreError) => void): (error: EventStoreError) => void {
  let last = ''
  let at = Number.NEGATIVE_INFINITY
  return (error) => {
    const now = performance.now()
    if (error.message === last && now - at < TELL_AGAIN_MS) return
    last = error.message
    at = now
    tell(error)
  }
}
const TELL_AGAIN_MS = 5_000

/** Caught-up marks, without which the end of history cannot be told, came with this one. */
const OLDEST: readonly [number, number] = [23, 10]

/** A client for a connection string (`esdb://` or `esdb+discover://`). Throws 'wrong-server' for one that cannot work. */
export function clientFor(url: string): EventStoreDBClient {
  const query = new URLSearchParams(url.split('?')[1] ?? '')
  for (const [key, value] of query) {
    const name = key.toLowerCase().replaceAll(/[_-]/g, '')
    if (name === 'throwonappendfailure' && value === 'false')
      throw wrong('throwOnAppendFailure=false would hide refused appends: leave it out of the connection string')
    if (name === 'nodepreference' && value.toLowerCase() !== 'leader')
      throw wrong(`nodePreference=${value} leads to nodes that do not take appends: say leader, or leave it out`)
  }
  try {
    return EventStoreDBClient.connectionString(url)
  } catch (error) {
    throw wrong(
      `The connection string ${shownAddress(url)} cannot be used: ${messageOf(error).replaceAll(url, shownAddress(url))}`,
    )
  }
}

/** Waits for a server that starts, then makes sure that it is one that can hold the log. */
export async function checkServer(client: EventStoreDBClient, url: string, settings: Settings): Promise<void> {
  const until = Date.now() + settings.startWithinMs
  let version = await retrying(() => serverVersion(client, settings), until, url)
  if (version === 'unknown')
    throw wrong(
      `${shownAddress(url)} answers gRPC but is not EventStoreDB 23.10 or newer: point engines.eventStore elsewhere`,
    )
  version = version.split('-')[0] as string
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (!(major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])))
    throw wrong(`${shownAddress(url)} is EventStoreDB ${version}: version 23.10 or newer is needed, upgrade it`)
  await retrying(() => readSomething(client, settings), until, url)
}

async function retrying<T>(action: () => Promise<T>, until: number, url: string): Promise<T> {
  for (let pause = 50; ; pause = Math.min(pause * 2, 1_000)) {
    try {
      return await action()
    } catch (cause) {
      const error = toEventStoreError(cause, url)
      if (error.code === 'wrong-server' || Date.now() + pause > until) throw error
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
}

async function serverVersion(client: EventStoreDBClient, settings: Settings): Promise<string> {
  // The client asks for this anyway before its first append; it shows it to its own subclasses only.
  const { capabilities } = client as unknown as { capabilities: Promise<{ readonly serverVersion: string }> }
  return (await within(settings.deadlineMs, 'version', capabilities)).serverVersion
}

async function readSomething(client: EventStoreDBClient, settings: Settings): Promise<void> {
  const read = client.readAll({ maxCount: 1, requiresLeader: true })
  await take(read, settings.deadlineMs, () => true)
}

/** The client's streams: an error that comes when nobody iterates any more must not end the process. */
export interface ClientStream<T> extends AsyncIterable<T> {
  on(event: 'error', listener: (error: Error) => void): unknown
  destroy(error?: Error): unknown
}

/** Takes from a stream of the client until `each` says stop, with a deadline for every step. */
export async function take<T>(stream: ClientStream<T>, deadlineMs: number, each: (item: T) => boolean): Promise<void> {
  // The client emits errors without destroying its stream: a loop over it would wait for ever.
  stream.on('error', (error) => stream.destroy(error))
  let timer = setTimeout(late, deadlineMs)
  function late() {
    stream.destroy(new Late('read', deadlineMs))
  }
  try {
    for await (const item of stream) {
      if (each(item)) return
      clearTimeout(timer)
      timer = setTimeout(late, deadlineMs)
    }
  } finally {
    clearTimeout(timer)
    cancel(stream)
  }
}

/** Ends the call behind a stream of the client, on the wire too. */
export function cancel(stream: ClientStream<unknown>): void {
  const { cancel, unsubscribe } = stream as { cancel?: () => Promise<void>; unsubscribe?: () => Promise<void> }
  void (cancel ?? unsubscribe)?.call(stream).catch(() => undefined)
  stream.destroy()
}

/** Disposing of a client leaves its connection open, and with it the process. */
export async function closeChannel(client: EventStoreDBClient): Promise<void> {
  const { getChannel } = client as unknown as { getChannel(): Promise<{ close(): void }> }
  await within(500, 'closing', getChannel()).then(
    (channel) => channel.close(),
    () => undefined,
  )
}

export class Late extends Error {
  constructor(what: string, ms: number) {
    super(`No answer to ${what} within ${ms} ms`)
  }
}

/** The client has deadlines of its own that do not cover everything it does. */
export function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late(what, ms)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

export const wrong = (message: string, cause?: unknown): EventStoreError =>
  new EventStoreError('wrong-server', message, cause === undefined ? {} : { cause })

/** What an error of the client means. 'unavailable' is worth another try, the others are not. */
export function toEventStoreError(error: unknown, url: string): EventStoreError {
  if (error instanceof EventStoreError) return error
  const type = (error as { type?: string }).type
  const at = shownAddress(url)
  const of = (code: EventStoreErrorCode, message: string) => new EventStoreError(code, message, { cause: error })
  if (type === 'access-denied')
    return of(
      'wrong-server',
      `EventStoreDB at ${at} does not let this user read $all: give the connection string a user of the group $admins, or a certificate of one`,
    )
  if (type === 'stream-deleted')
    return of('corrupt', `A stream of the log was deleted on EventStoreDB at ${at}: restore it from a backup`)
  if (type === 'maximum-append-size-exceeded')
    return of(
      'append-too-large',
      `EventStoreDB at ${at} takes smaller appends than its default: set MaxAppendSize to 1 MiB or more`,
    )
  if (error instanceof UnsupportedError) return of('wrong-server', `EventStoreDB at ${at} is too old: ${error.message}`)
  const text = messageOf(error)
  if (/wrong version number|EPROTO|packet length too long/i.test(text))
    return of(
      'wrong-server',
      `EventStoreDB at ${at} does not speak TLS there: add tls=false to the connection string, or give it certificates`,
    )
  if (/ServerName to an IP/i.test(text))
    return of(
      'wrong-server',
      `TLS needs a host name, not the address of ${at}: name EventStoreDB's host in the connection string as its certificate does`,
    )
  if (/self.signed|unable to (get|verify)|certificate|CERT_/i.test(text))
    return of(
      'wrong-server',
      `The certificate of EventStoreDB at ${at} is not trusted (${text}): name its authority with tlsCAFile=`,
    )
  if (/^Received HTTP|Protocol error|NGHTTP2_PROTOCOL_ERROR/i.test(text))
    return of('wrong-server', `What answers at ${at} is not EventStoreDB (${text}): check host and port`)
  const { code } = error as { code?: number }
  if (code === 12 || code === 3)
    return of('wrong-server', `EventStoreDB at ${at} refuses what it must be able to do: ${text}`)
  return of('unavailable', `EventStoreDB at ${at} cannot be reached or does not answer: ${text}`)
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
