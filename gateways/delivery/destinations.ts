// Who is sent what, when: one queue for each destination, connections that are used again, and rest for hosts that do not answer, so
// that a dead one never holds up the others.
import { type Reply, readReply } from '../../domain/delivery/reply.ts'
import { restAfter } from '../../domain/delivery/schedule.ts'
import type { EnvelopeOptions, SubmissionRecipient, TlsFacts } from '../../domain/submission/submission.ts'
import { isRoute, type NoRoute, type Route } from './route.ts'
import type { OutgoingMail, SmtpSession } from './smtp-session.ts'

export interface DestinationSettings {
  readonly connections: number
  readonly connectionsPerDestination: number
  /** Messages a second; 0 is no limit. */
  readonly ratePerDestination: number
  /** A connection that takes longer to open makes room for others meanwhile; 1,000 by default. */
  readonly slowMs?: number
}

/** A message for the recipients of one domain. */
export interface Job {
  readonly domain: string
  readonly recipients: readonly SubmissionRecipient[]
  readonly envelope: EnvelopeOptions
  /** Somebody asked for this attempt: a destination that rests is tried all the same. */
  readonly urgent?: boolean
  /** A connection is ready: the message to send, or undefined when it was taken back meanwhile. */
  begin(): Promise<OutgoingMail | undefined>
  /** Called once, with an answer for every recipient. */
  done(outcome: JobOutcome): void
  /** Called instead of `done`: too much waits for this destination, come again later. */
  busy(): void
  /** Called instead of `done`, when `begin` answered undefined or delivery stops. */
  dropped(): void
}

export interface JobOutcome {
  readonly replies: ReadonlyMap<string, Reply>
  readonly remote?: string
  readonly tls?: TlsFacts
  readonly reportsItself: boolean
}

/** An open connection and by which policy it was made. */
export interface OpenedSession {
  readonly session: SmtpSession
  readonly tls: TlsFacts
}

/** No host of a route could be reached. */
export class Unreachable extends Error {
  readonly reply: Reply
  readonly remote: string | undefined
  readonly tls: TlsFacts | undefined
  constructor(reply: Reply, remote?: string, tls?: TlsFacts) {
    super(reply.text)
    this.reply = reply
    this.remote = remote
    this.tls = tls
  }
}

/** Where a domain's mail goes and how connections there are made: routes and TLS policies are its business. */
export interface Ways {
  /** `key` tells destinations apart: the same hosts under another policy are another one. */
  find(domain: string, envelope: EnvelopeOptions): Promise<Way | NoRoute>
}

export interface Way {
  readonly key: string
  readonly route: Route
  /** Throws Unreachable, also when the signal ends the attempt. */
  open(signal: AbortSignal): Promise<OpenedSession>
}

/** Jobs that wait for one destination, and for all of them; those that have never answered share half. */
const WAITING = 10_000
const WAITING_UNPROVEN = 2_000
const WAITING_ALL = 60_000
/** Connections tried at once at a destination that has not answered yet. */
const FIRST_WINDOW = 2
const SLOW_MS = 1_000
/** How long a connection without work is kept. */
const IDLE_MS = 3_000
/** Messages over one connection. */
const MESSAGES_PER_SESSION = 500
/** Destinations that are remembered without work. */
const REMEMBERED = 10_000

interface Destination {
  readonly key: string
  readonly waiting: Job[]
  way: Way
  /** Connections being opened or in use. */
  active: number
  readonly idle: { readonly opened: OpenedSession; readonly timer: NodeJS.Timeout }[]
  window: number
  /** Since it last answered. */
  failures: number
  proven: boolean
  restUntil: number
  lastFailure: { readonly reply: Reply; readonly remote: string | undefined } | undefined
  /** When the next message may go, of a limited rate. */
  nextSlot: number
}

export interface DestinationState {
  readonly key: string
  readonly waiting: number
  readonly active: number
  readonly restUntil: number
  readonly lastFailure: string | undefined
}

export class Destinations {
  readonly #ways: Ways
  readonly #settings: DestinationSettings
  readonly #now: () => number
  readonly #all = new Map<string, Destination>()
  /** Destinations that have work and found no free connection. */
  readonly #starved = new Set<Destination>()
  readonly #sessions = new Set<SmtpSession>()
  #active = 0
  /** Connections that have been opening for long: as many as there are quick ones, and no more. */
  #slow = 0
  #waiting = 0
  #waitingUnproven = 0
  #stopped = false
  /** Transactions that have begun. */
  readonly #sending = new Map<SmtpSession, Promise<void>>()
  /** Connections that are being opened: a silent host must not hold up the end of the process. */
  readonly #opening = new Set<AbortController>()

  constructor(ways: Ways, settings: DestinationSettings, now: () => number = Date.now) {
    this.#ways = ways
    this.#settings = settings
    this.#now = now
  }

  /** Takes a job. What becomes of it is told to the job itself. */
  async submit(job: Job): Promise<void> {
    const way = await this.#ways.find(job.domain, job.envelope)
    if (this.#stopped) return job.dropped()
    if (!isWay(way)) return job.done(everyone(job, readReply(way.answer)))
    const destination = this.#destination(way)
    if (job.urgent) destination.restUntil = 0
    const { lastFailure } = destination
    if (destination.restUntil > this.#now() && lastFailure) return job.done(resting(job, lastFailure))
    const room = destination.proven
      ? destination.waiting.length < WAITING
      : destination.waiting.length < WAITING_UNPROVEN && this.#waitingUnproven < WAITING_ALL / 2
    if (!room || this.#waiting >= WAITING_ALL) return job.busy()
    destination.waiting.push(job)
    this.#waiting++
    if (!destination.proven) this.#waitingUnproven++
    this.#pump(destination)
  }

  states(): readonly DestinationState[] {
    return [...this.#all.values()].map(({ key, waiting, active, restUntil, lastFailure }) => ({
      key,
      waiting: waiting.length,
      active,
      restUntil,
      lastFailure: lastFailure?.reply.text,
    }))
  }

  /**
   * Drops what waits, and lets what is being sent come to its end for a few seconds: an answer that nobody hears is a message sent twice.
   * What takes longer is cut; it stays begun on the log, and is sent again.
   */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const destination of this.#all.values()) {
      for (const { opened, timer } of destination.idle.splice(0)) {
        clearTimeout(timer)
        opened.session.destroy()
      }
      for (const job of destination.waiting.splice(0)) job.dropped()
    }
    for (const opening of this.#opening) opening.abort()
    for (const session of this.#sessions) if (!this.#sending.has(session)) session.destroy()
    let timer: NodeJS.Timeout | undefined
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS)
    })
    await Promise.race([Promise.allSettled(this.#sending.values()), enough])
    clearTimeout(timer)
    // The last answers are told in the turn after they came.
    await new Promise((resolve) => setImmediate(resolve))
    for (const session of this.#sessions) session.destroy()
  }

  #destination(way: Way): Destination {
    const known = this.#all.get(way.key)
    if (known) {
      known.way = way
      return known
    }
    if (this.#all.size >= REMEMBERED) this.#forget()
    const destination: Destination = {
      key: way.key,
      waiting: [],
      way,
      active: 0,
      idle: [],
      window: Math.min(FIRST_WINDOW, this.#settings.connectionsPerDestination),
      failures: 0,
      proven: false,
      restUntil: 0,
      lastFailure: undefined,
      nextSlot: 0,
    }
    this.#all.set(way.key, destination)
    return destination
  }

  #forget(): void {
    for (const [key, { waiting, active, idle, restUntil }] of this.#all) {
      if (waiting.length === 0 && active === 0 && idle.length === 0 && restUntil <= this.#now()) this.#all.delete(key)
      if (this.#all.size < REMEMBERED * 0.9) return
    }
  }

  /** Gives every connection that may be had work. */
  #pump(destination: Destination): void {
    while (destination.waiting.length > 0 && !this.#stopped) {
      const idle = destination.idle.pop()
      if (idle) {
        clearTimeout(idle.timer)
        void this.#work(destination, idle.opened)
        continue
      }
      if (destination.active >= destination.window) return
      if (this.#active >= this.#settings.connections) {
        this.#starved.add(destination)
        return
      }
      void this.#work(destination, undefined)
    }
    this.#starved.delete(destination)
  }

  /** One connection's life: opened for a job, then one job after the other, then idle for a moment. Never rejects. */
  async #work(destination: Destination, idle: OpenedSession | undefined): Promise<void> {
    destination.active++
    this.#active++
    let opened = idle
    try {
      for (let job = this.#next(destination); job; job = this.#next(destination)) {
        if (!opened?.session.usable) {
          const found = await this.#open(destination, job)
          if (found === 'enough') break
          opened = found
          if (!opened) continue
        }
        await this.#send(destination, job, opened)
        if (opened.session.messages >= MESSAGES_PER_SESSION) opened.session.close()
        if (!opened.session.usable) this.#sessions.delete(opened.session)
      }
    } finally {
      destination.active--
      this.#active--
    }
    if (opened?.session.usable) this.#rest(destination, opened)
    // A job that was put back waits for a connection that works; when there is none left, for a new one.
    if (destination.waiting.length > 0 && (destination.idle.length > 0 || destination.active === 0))
      this.#pump(destination)
    this.#feed()
  }

  /** Connections are free: for those who found none. */
  #feed(): void {
    const starved = [...this.#starved]
    this.#starved.clear()
    for (const each of starved) this.#pump(each)
  }

  #next(destination: Destination): Job | undefined {
    if (this.#stopped) return undefined
    const job = destination.waiting.shift()
    if (!job) return undefined
    this.#waiting--
    if (!destination.proven) this.#waitingUnproven--
    return job
  }

  /** Undefined when the job has its outcome; 'enough' when it waits again, for the connections that there are. */
  async #open(destination: Destination, job: Job): Promise<OpenedSession | 'enough' | undefined> {
    const stop = new AbortController()
    this.#opening.add(stop)
    let slow = false
    const timer = setTimeout(() => {
      // Dead hosts in numbers must not hold every connection until their time is over.
      if (this.#slow >= this.#settings.connections) return stop.abort()
      slow = true
      this.#slow++
      this.#active--
      this.#feed()
    }, this.#settings.slowMs ?? SLOW_MS)
    try {
      const opened = await destination.way.open(stop.signal).finally(() => {
        clearTimeout(timer)
        this.#opening.delete(stop)
        if (!slow) return
        this.#slow--
        this.#active++
      })
      this.#sessions.add(opened.session)
      if (this.#stopped) {
        opened.session.destroy()
        job.dropped()
        return undefined
      }
      if (!destination.proven) {
        this.#waitingUnproven -= destination.waiting.length
        destination.proven = true
      }
      destination.failures = 0
      destination.restUntil = 0
      destination.window = Math.min(this.#settings.connectionsPerDestination, destination.window + 1)
      this.#pump(destination)
      return opened
    } catch (error) {
      if (this.#stopped) {
        job.dropped()
        return undefined
      }
      if (!(error instanceof Unreachable)) {
        job.done(everyone(job, readReply(`451 4.3.0 ${(error as Error).message}`)))
        return undefined
      }
      const { reply, remote, tls } = error
      if (destination.active > 1) {
        // Others still talk to it, or try to: the last of them decides whether it is full or dead.
        destination.window = Math.max(1, destination.active - 1)
        destination.waiting.unshift(job)
        this.#waiting++
        if (!destination.proven) this.#waitingUnproven++
        return 'enough'
      }
      job.done({ ...everyone(job, reply, remote), ...(tls ? { tls } : {}) })
      this.#failed(destination, reply, remote)
      return undefined
    }
  }

  /** No connection: rest, for all that waits. */
  #failed(destination: Destination, reply: Reply, remote: string | undefined): void {
    destination.failures++
    destination.lastFailure = { reply, remote }
    destination.restUntil = this.#now() + restAfter(destination.failures)
    if (destination.proven) this.#waitingUnproven += destination.waiting.length
    destination.proven = false
    destination.window = 1
    for (let job = this.#next(destination); job; job = this.#next(destination))
      job.done(resting(job, destination.lastFailure))
  }

  async #send(destination: Destination, job: Job, opened: OpenedSession): Promise<void> {
    const { session, tls } = opened
    const { ratePerDestination } = this.#settings
    if (ratePerDestination > 0) {
      const at = Math.max(this.#now(), destination.nextSlot)
      destination.nextSlot = at + 1000 / ratePerDestination
      const wait = at - this.#now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    }
    let mail: OutgoingMail | undefined
    try {
      mail = await job.begin()
    } catch (error) {
      return job.done(everyone(job, readReply(`451 4.3.0 ${(error as Error).message}`)))
    }
    if (!mail || this.#stopped) return job.dropped()
    const sending = session.send(mail)
    this.#sending.set(
      session,
      sending.then(() => undefined),
    )
    const sent = await sending.finally(() => this.#sending.delete(session))
    const { host } = session.target
    const lost =
      sent.broken === undefined ? undefined : readReply(`451 4.4.2 Connection with ${host} lost: ${sent.broken}`)
    const replies = new Map(
      job.recipients.map(({ address }) => [address, sent.replies.get(address) ?? lost ?? NO_ANSWER] as const),
    )
    if (this.#stopped && sent.broken !== undefined) return job.dropped()
    job.done({ replies, remote: host, tls, reportsItself: sent.reportsItself })
    const closing = [...replies.values()].find(({ code }) => code === 421)
    if (closing) this.#failed(destination, closing, host)
  }

  #rest(destination: Destination, opened: OpenedSession): void {
    if (this.#stopped) {
      opened.session.destroy()
      return
    }
    const timer = setTimeout(() => {
      const at = destination.idle.findIndex((each) => each.timer === timer)
      if (at >= 0) destination.idle.splice(at, 1)
      this.#sessions.delete(opened.session)
      opened.session.close()
    }, IDLE_MS)
    timer.unref()
    destination.idle.push({ opened, timer })
  }
}

/** How long a transaction may take to end when the process stops, milliseconds. */
const DRAIN_MS = 5_000

const isWay = (found: Way | NoRoute): found is Way => 'route' in found && isRoute(found.route)

const NO_ANSWER = readReply('451 4.5.0 The other server gave no answer for this recipient')

const everyone = (job: Job, reply: Reply, remote?: string): JobOutcome => ({
  replies: new Map(job.recipients.map(({ address }) => [address, reply])),
  reportsItself: false,
  ...(remote === undefined ? {} : { remote }),
})

/** Not tried: the last attempt for the destination failed, and it rests. */
function resting(
  job: Job,
  { reply, remote }: { readonly reply: Reply; readonly remote: string | undefined },
): JobOutcome {
  return everyone(
    job,
    readReply(`451 4.4.1 ${job.domain} is left alone for a while, it could not be reached: ${reply.text}`),
    remote,
  )
}
