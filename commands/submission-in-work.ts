// One submission while it is being delivered: its fold in memory, every change appended at its exact revision, notices to its sender.
import type { AccountId, Revision } from '../domain/log.ts'
import { submissionStream } from '../domain/log.ts'
import {
  type AttemptFacts,
  decide,
  evolve,
  noSubmission,
  type Submission,
  type SubmissionCommand,
  type SubmissionEvent,
  type SubmissionRefusal,
} from '../domain/submission/submission.ts'
import { contextOf, toNewEvents } from './context.ts'
import type { StagedBlob } from './ports/blob-store.ts'
import type { Journal, JournalAppend } from './ports/journal.ts'

export type Submitted = Extract<SubmissionEvent, { type: 'MessageSubmitted' }>['data']

/** How the last attempt for a recipient ended. */
export type LastAttempt = AttemptFacts & { readonly kind: 'delivered' | 'deferred' | 'bounced' }

/** What goes into the same commit as the changes, such as a report for the sender. */
export interface Alongside {
  readonly appends: readonly JournalAppend[]
  readonly blobs?: readonly StagedBlob[]
}

const ATTEMPTS = 20

export class SubmissionInWork {
  readonly #journal: Journal
  readonly id: string
  readonly #now: () => number
  #state: Submission = noSubmission
  #submitted: Submitted | undefined
  #revision: Revision | undefined
  #correlationId: string | undefined
  readonly #last = new Map<string, LastAttempt>()
  /** Changes happen one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(journal: Journal, id: string, now: () => number) {
    this.#journal = journal
    this.id = id
    this.#now = now
  }

  /** Undefined for no submission, and for one whose owner was erased. `now`, epoch milliseconds, dates its changes. */
  static async load(journal: Journal, id: string, now: () => number = Date.now): Promise<SubmissionInWork | undefined> {
    const work = new SubmissionInWork(journal, id, now)
    await work.#catchUp()
    return work.#submitted ? work : undefined
  }

  get state(): Submission {
    return this.#state
  }
  get submitted(): Submitted {
    return this.#submitted as Submitted
  }
  get owner(): AccountId {
    return this.submitted.accountId
  }
  /** Of the command that submitted it: everything that comes of it carries the same. */
  get correlationId(): string {
    return this.#correlationId ?? this.id
  }
  lastAttempt(recipient: string): LastAttempt | undefined {
    return this.#last.get(recipient)
  }

  /**
   * Decides commands one after the other on the newest state and appends what they decide in one go; durable when it resolves.
   * `alongside` sees the state after them and adds to the commit. Answers the first refusal, and then nothing is appended.
   */
  change(
    commands: (state: Submission) => readonly SubmissionCommand[],
    alongside?: (
      after: SubmissionInWork,
    ) => Promise<{ also: Alongside; commands: readonly SubmissionCommand[] } | undefined>,
  ): Promise<SubmissionRefusal | undefined> {
    const turn = this.#turn.then(() => this.#change(commands, alongside))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #change(
    commands: (state: Submission) => readonly SubmissionCommand[],
    alongside?: (
      after: SubmissionInWork,
    ) => Promise<{ also: Alongside; commands: readonly SubmissionCommand[] } | undefined>,
  ): Promise<SubmissionRefusal | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const after = this.#copy()
      const events: SubmissionEvent[] = []
      const run = (each: SubmissionCommand): SubmissionRefusal | undefined => {
        const decision = decide(each, after.#state)
        if ('refused' in decision) return decision.refused
        for (const event of decision.events) after.#take(event)
        events.push(...decision.events)
        return undefined
      }
      for (const command of commands(this.#state)) {
        const refusal = run(command)
        if (refusal) return refusal
      }
      const more = await alongside?.(after)
      for (const command of more?.commands ?? []) run(command)
      if (events.length === 0) return undefined
      const result = await this.#append(events, more?.also)
      if (result?.ok) {
        this.#state = after.#state
        for (const [recipient, last] of after.#last) this.#last.set(recipient, last)
        this.#revision = result.revision
        return undefined
      }
      // Someone else changed it: a cancel, or another worker.
      await this.#catchUp()
    }
    throw new Error(`Submission ${this.id} is changed by others all the time`)
  }

  async #append(events: readonly SubmissionEvent[], also: Alongside | undefined) {
    const context = contextOf(this.owner, 'system', { correlationId: this.correlationId, at: this.#now() })
    const own: JournalAppend = {
      stream: submissionStream(this.id),
      expected: this.#revision as Revision,
      events: toNewEvents(events, this.owner, context),
    }
    if (!also) return this.#journal.append(own)
    // What is told to people first: repeated after a crash in between it is the same event, and this record follows.
    const results = await this.#journal.appendAll([...also.appends, own], also.blobs ? { after: also.blobs } : {})
    return results.at(-1)
  }

  async #catchUp(): Promise<void> {
    const from = this.#revision === undefined ? 0n : this.#revision + 1n
    for await (const event of this.#journal.readStream(submissionStream(this.id), { from })) {
      this.#revision = event.revision
      if ('redacted' in event) continue
      if (event.type === 'MessageSubmitted') this.#correlationId ??= event.metadata.correlationId
      this.#take(event as SubmissionEvent)
    }
  }

  #copy(): SubmissionInWork {
    const copy = new SubmissionInWork(this.#journal, this.id, this.#now)
    copy.#state = this.#state
    copy.#submitted = this.#submitted
    copy.#revision = this.#revision
    copy.#correlationId = this.#correlationId
    for (const [recipient, last] of this.#last) copy.#last.set(recipient, last)
    return copy
  }

  #take(event: SubmissionEvent): void {
    if (event.type === 'MessageSubmitted') this.#submitted ??= event.data
    const kind = KINDS[event.type as keyof typeof KINDS] as LastAttempt['kind'] | undefined
    if (kind) {
      const data = event.data as AttemptFacts
      if (!this.#last.has(data.recipient) || this.#last.get(data.recipient)?.kind === 'deferred')
        this.#last.set(data.recipient, { ...data, kind })
    }
    this.#state = evolve(this.#state, event)
  }
}

const KINDS = {
  RecipientDelivered: 'delivered',
  RecipientDeferred: 'deferred',
  RecipientBounced: 'bounced',
} as const
