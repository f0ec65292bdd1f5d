// One node of the EventStoreDB double: who may call it, whether it leads, and what tests may make it do wrong.
import type { Metadata } from '@grpc/grpc-js'
import type { DoubleLog, Expected, NewLogEvent, WriteOutcome } from './log.ts'
import { accessDenied, notLeader, timedOut } from './refusals.ts'

export interface Endpoint {
  readonly address: string
  readonly port: number
}

export interface User {
  readonly admin: boolean
}

/** What can be made to go wrong. Numbers count down with each call they strike. */
export interface Faults {
  /** Appends that are written and never answered. */
  swallowAnswers: number
  /** Appends that are written and answered with a timeout. */
  timeOutAfterWriting: number
  /** Appends that are neither written nor answered. */
  hang: number
  /** Subscriptions send checkpoints that make no sense, as servers have. */
  oddCheckpoints: boolean
}

export interface Access {
  /** Passwords of administrators and of others; absent: `--insecure`, everybody is an administrator. */
  readonly admins: Readonly<Record<string, string>>
  readonly others?: Readonly<Record<string, string>>
  /** A certificate that the client's authority signed counts as an administrator. */
  readonly certificates?: boolean
}

export class Node {
  readonly log: DoubleLog
  readonly faults: Faults = { swallowAnswers: 0, timeOutAfterWriting: 0, hang: 0, oddCheckpoints: false }
  readonly #leader: () => Endpoint | 'me' | undefined
  readonly #access: Access | undefined
  readonly #subscriptions = new Set<() => void>()

  constructor(log: DoubleLog, leader: () => Endpoint | 'me' | undefined, access: Access | undefined) {
    this.log = log
    this.#leader = leader
    this.#access = access
  }

  authorise(call: { readonly metadata: Metadata }): User {
    if (this.#access === undefined) return { admin: true }
    const [header] = call.metadata.get('authorization')
    if (header === undefined) {
      if (this.#access.certificates) return { admin: true }
      throw accessDenied()
    }
    const [name = '', password] = Buffer.from(String(header).replace(/^Basic /, ''), 'base64')
      .toString()
      .split(':')
    if (password !== undefined && this.#access.admins[name] === password) return { admin: true }
    if (password !== undefined && this.#access.others?.[name] === password) return { admin: false }
    throw accessDenied()
  }

  checkLeader(call: { readonly metadata: Metadata }): void {
    const leader = this.#leader()
    if (leader === 'me') return
    if (call.metadata.get('requires-leader')[0] === 'true') throw notLeader(leader)
  }

  /** Undefined for an answer that never comes. */
  async write(stream: string, expected: Expected, events: readonly NewLogEvent[]): Promise<WriteOutcome | undefined> {
    if (this.faults.hang > 0) {
      this.faults.hang--
      return undefined
    }
    const outcome = this.log.append(stream, expected, events)
    if (this.faults.swallowAnswers > 0) {
      this.faults.swallowAnswers--
      return undefined
    }
    if (this.faults.timeOutAfterWriting > 0) {
      this.faults.timeOutAfterWriting--
      throw timedOut()
    }
    return outcome
  }

  onEndSubscriptions(listener: () => void): () => void {
    this.#subscriptions.add(listener)
    return () => this.#subscriptions.delete(listener)
  }

  /** Ends every subscription without an error, as a server does that gives its clients to another. */
  endSubscriptions(): void {
    for (const end of [...this.#subscriptions]) end()
  }
}
