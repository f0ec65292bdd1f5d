// The process manager of outgoing mail: follows the log, hands due submissions to their destinations, puts every result on the log.
// Nothing it holds is the only copy of anything: a sweep over the log makes all its work again.
import type { RulesPorts } from '../../commands/deliver-by-rules.ts'
import { type NoticePorts, noticesOf } from '../../commands/notify-sender.ts'
import type { CheckpointStore } from '../../commands/ports/checkpoint-store.ts'
import type { Journal } from '../../commands/ports/journal.ts'
import { NoDataKey } from '../../commands/ports/keyring.ts'
import type { Tracer } from '../../commands/ports/tracer.ts'
import type { Work, WorkQueue } from '../../commands/ports/work-queue.ts'
import { SubmissionInWork } from '../../commands/submission-in-work.ts'
import { deliverLocally } from '../../commands/submit-message.ts'
import type { RetrySchedule } from '../../domain/delivery/schedule.ts'
import type { Position } from '../../domain/log.ts'
import { readMail } from '../../domain/mail/read.ts'
import { isOver, type Submission, type SubmissionRecipient } from '../../domain/submission/submission.ts'
import type { DueSubmission, SubmissionQueries } from '../../projections/queries.ts'
import type { Destinations, JobOutcome } from './destinations.ts'
import { fromNowOn } from './following.ts'
import { outgoingMail, type Sign } from './outgoing-mail.ts'
import type { OutgoingMail } from './smtp-session.ts'
import { COUNTED, fatesOf, verdictOn } from './verdicts.ts'

export interface DeliveryDependencies extends NoticePorts {
  readonly journal: Journal
  readonly queue: WorkQueue
  readonly submissions: Pick<SubmissionQueries, 'dueSubmissions' | 'newSubmissions'>
  /** Position of the newest event. */
  readonly head: () => Promise<Position | undefined>
  /** Calls back whenever the view of submissions may have changed, until the answered function is called. */
  readonly onChange: (listener: () => void) => () => void
  readonly checkpoints: CheckpointStore
  readonly destinations: Destinations
  readonly schedule: RetrySchedule
  readonly sign?: Sign
  /** When the account may send next, epoch milliseconds; in the past: now. For accounts that are slowed. */
  readonly notBefore?: (accountId: string) => Promise<number>
  /** Told how attempts of an account ended for good. */
  readonly settled?: (accountId: string, delivered: number, bounced: number) => Promise<void>
  /** Filter rules of recipients who live here. */
  readonly rules?: RulesPorts
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
  readonly count: (metric: string) => void
  readonly tracer?: Tracer
}

const NAME = 'delivery'
/** Submissions that are loaded and handed out at the same time. */
const LOADERS = 32
/** Submissions in work at once: each holds its fold and waits for a destination. */
const MAX_IN_WORK = 50_000
const SWEEP_MS = 60_000
const PAGE = 1_000
/** After a change that is no new submission, such as an attempt that somebody asked for. */
const LOOK_MS = 3_000
const HEARTBEAT_MS = 30_000
const BUSY_MS = 5_000
const CHECKPOINT_MS = 2_000

export class Delivery {
  readonly #deps: DeliveryDependencies
  readonly #stop = new AbortController()
  readonly #inWork = new Map<string, Work>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #running: Promise<unknown>[] = []
  #full: (() => void)[] = []
  /** Answers on their way to the log. */
  readonly #recording = new Set<Promise<void>>()
  #checkpoint: Position | undefined
  #changed = false

  private constructor(deps: DeliveryDependencies) {
    this.#deps = deps
  }

  /** Runs until it is stopped. */
  static start(deps: DeliveryDependencies): Delivery {
    const delivery = new Delivery(deps)
    delivery.#running.push(delivery.#guard('follow', () => delivery.#follow()))
    for (let i = 0; i < LOADERS; i++) delivery.#running.push(delivery.#guard('load', () => delivery.#load()))
    delivery.#every(SWEEP_MS, () => delivery.sweep(), true)
    delivery.#every(LOOK_MS, () => delivery.#lookAgain())
    delivery.#every(HEARTBEAT_MS, async () => {
      for (const work of delivery.#inWork.values()) work.working()
    })
    delivery.#every(CHECKPOINT_MS, () => delivery.#saveCheckpoint())
    return delivery
  }

  /** Submissions that are being sent. */
  get inWork(): number {
    return this.#inWork.size
  }

  /** Lets what is being sent come to its end, and puts the answers on the log; what takes too long is cut, and the log knows that it had begun. */
  async stop(): Promise<void> {
    this.#stop.abort()
    for (const timer of this.#timers) clearTimeout(timer)
    for (const resolve of this.#full.splice(0)) resolve()
    await this.#deps.destinations.stop()
    await Promise.allSettled(this.#recording)
    await Promise.all(this.#running)
    await this.#saveCheckpoint().catch(() => undefined)
  }

  /** Puts everything that is due, or soon will be, into the queue: what is there already stays as it is. */
  async sweep(): Promise<void> {
    const { submissions, queue, now } = this.#deps
    const until = now() + 2 * SWEEP_MS
    let after: DueSubmission | undefined
    do {
      const page = await submissions.dueSubmissions({ until, first: PAGE, after })
      for (const { id, dueAt } of page) {
        if (this.#inWork.has(id)) continue
        if (!(await queue.enqueue(id, dueAt))) return
      }
      after = page.length === PAGE ? page.at(-1) : undefined
    } while (after && !this.#stop.signal.aborted)
  }

  /** Takes up what is new in the view of the log: once for every change, however many come while it looks. */
  async #follow(): Promise<void> {
    const { submissions, queue, checkpoints, head } = this.#deps
    // What is older than the first start is the sweep's.
    let after = await fromNowOn(checkpoints, NAME, head)
    const { signal } = this.#stop
    let changed = Promise.withResolvers<void>()
    const stop = this.#deps.onChange(() => {
      this.#changed = true
      changed.resolve()
    })
    signal.addEventListener('abort', () => changed.resolve(), { once: true })
    try {
      while (!signal.aborted) {
        changed = Promise.withResolvers<void>()
        const found = await submissions.newSubmissions({ after, first: PAGE })
        for (const { id, dueAt, position } of found) {
          await queue.enqueue(id, dueAt)
          after = position
        }
        this.#checkpoint = after
        if (found.length < PAGE && !signal.aborted) await changed.promise
      }
    } finally {
      stop()
    }
  }

  /** What became due by a change, without waiting for the sweep. */
  async #lookAgain(): Promise<void> {
    if (!this.#changed) return
    this.#changed = false
    const { submissions, queue, now } = this.#deps
    for (const { id, dueAt } of await submissions.dueSubmissions({ until: now(), first: PAGE })) {
      if (this.#inWork.has(id)) continue
      await queue.enqueue(id, dueAt)
    }
  }

  async #saveCheckpoint(): Promise<void> {
    if (this.#checkpoint !== undefined) await this.#deps.checkpoints.save(NAME, this.#checkpoint)
  }

  async #load(): Promise<void> {
    const { queue, log } = this.#deps
    const { signal } = this.#stop
    while (!signal.aborted) {
      if (this.#inWork.size >= MAX_IN_WORK) await new Promise<void>((resolve) => this.#full.push(resolve))
      const work = await queue.take(signal)
      if (!work) return
      this.#inWork.set(work.id, work)
      try {
        await this.#deliver(work)
      } catch (error) {
        if (signal.aborted) return
        log('delivery waits', { submission: work.id, error: String(error) })
        await this.#back(work, this.#deps.now() + SWEEP_MS)
      }
    }
  }

  /** Ends the work on a submission for now: until an instant, or for good. */
  async #back(work: Work, dueAt: number | undefined): Promise<void> {
    this.#inWork.delete(work.id)
    this.#full.shift()?.()
    if (dueAt === undefined) await work.ack()
    else await work.retry(dueAt)
  }

  async #deliver(item: Work): Promise<void> {
    const { journal, now, notBefore } = this.#deps
    let work = await SubmissionInWork.load(journal, item.id, this.#deps.now)
    if (!work) return this.#back(item, undefined)
    if (work.state.cancelled) return this.#back(item, undefined)
    const { submitted } = work
    if (submitted.sendAt > now()) return this.#back(item, submitted.sendAt)
    const local = submitted.recipients.some(
      ({ address, accountId }) => accountId !== undefined && work?.state.fates.get(address) === 'waiting',
    )
    if (local) {
      await deliverLocally(this.#deps, item.id, readMail(await this.#deps.blobs.read(submitted.blob)))
      work = await SubmissionInWork.load(journal, item.id, this.#deps.now)
      if (!work) return this.#back(item, undefined)
    }
    const slowedUntil = (await notBefore?.(submitted.accountId)) ?? 0
    const due = slowedUntil > now() ? [] : this.#dueRecipients(work)
    if (due.length === 0) {
      await this.#notify(work)
      const next = nextDue(work)
      return this.#back(item, next === undefined ? undefined : Math.max(next, slowedUntil))
    }
    this.#handOut(item, work, due)
  }

  #dueRecipients(work: SubmissionInWork): readonly SubmissionRecipient[] {
    const { fates, deferrals } = work.state
    const now = this.#deps.now()
    return work.submitted.recipients.filter(
      ({ address, accountId }) =>
        accountId === undefined && !isOver(fates.get(address)) && (deferrals.get(address)?.nextAttemptAt ?? 0) <= now,
    )
  }

  /** One job for each domain; when the last of them has ended, the submission goes back to the queue or is over. */
  #handOut(item: Work, work: SubmissionInWork, due: readonly SubmissionRecipient[]): void {
    const { destinations, log, now } = this.#deps
    const domains = Map.groupBy(due, ({ address }) => address.slice(address.lastIndexOf('@') + 1))
    let open = domains.size
    let wait = 0
    let failure: unknown
    // Only when every job has ended may anyone take the submission again: until then its recipients are being sent to.
    const ended = async () => {
      if (--open > 0 || this.#stop.signal.aborted) return
      try {
        if (failure !== undefined) throw failure
        await this.#notify(work)
        const next = nextDue(work)
        await this.#back(item, next === undefined ? undefined : Math.max(next, now() + wait))
      } catch (error) {
        await this.#failed(item, error)
      }
    }
    const envelope = work.submitted.envelope ?? {}
    for (const [domain, recipients] of domains) {
      const span = this.#deps.tracer?.step('deliver', work.correlationId, {
        role: 'delivery',
        recipients: recipients.length,
        attempt: 1 + Math.max(...recipients.map(({ address }) => work.state.deferrals.get(address)?.attempts ?? 0)),
      })
      const job = {
        domain,
        recipients,
        envelope,
        // Only a retry that was asked for is due at no time at all.
        urgent: recipients.some(({ address }) => work.state.deferrals.get(address)?.nextAttemptAt === 0),
        begin: () => {
          span?.happened('connected')
          return this.#begin(work, recipients)
        },
        done: (outcome: JobOutcome) => {
          span?.note(fatesOf(outcome))
          span?.end()
          const recorded = this.#record(work, recipients, outcome).then(ended, (error) => {
            failure ??= error
            return ended()
          })
          this.#recording.add(recorded)
          void recorded.finally(() => this.#recording.delete(recorded))
        },
        busy: () => {
          span?.note({ outcome: 'busy' })
          span?.end()
          wait = BUSY_MS
          void ended()
        },
        dropped: () => {
          span?.note({ outcome: 'dropped' })
          span?.end()
          void ended()
        },
      }
      destinations.submit(job).catch((error) => {
        log('no way found', { submission: work.id, error: String(error) })
        job.busy()
      })
    }
  }

  /** A failure of ours: it comes again with the next sweep. */
  async #failed(item: Work, error: unknown): Promise<void> {
    if (this.#stop.signal.aborted) return
    const gone = error instanceof NoDataKey
    if (!gone) this.#deps.log('delivery waits', { submission: item.id, error: String(error) })
    await this.#back(item, gone ? undefined : this.#deps.now() + SWEEP_MS)
  }

  /** Puts on the log that the transaction begins, which nobody can take back then; undefined when somebody did before. */
  async #begin(work: SubmissionInWork, recipients: readonly SubmissionRecipient[]): Promise<OutgoingMail | undefined> {
    const { submitted } = work
    const [refusal, mail] = await Promise.all([
      work.change(() => [
        { type: 'StartSending', submissionId: work.id, recipients: recipients.map(({ address }) => address) },
      ]),
      outgoingMail(this.#deps, work, recipients),
    ])
    return refusal || submitted === undefined ? undefined : mail
  }

  /** Every answer becomes an event, with what the sender must be told of it, in one commit. */
  async #record(
    work: SubmissionInWork,
    recipients: readonly SubmissionRecipient[],
    outcome: JobOutcome,
  ): Promise<void> {
    const { count, schedule, now } = this.#deps
    const commands = (state: Submission) =>
      recipients.flatMap(({ address }) => verdictOn(address, work.id, state, outcome, { schedule, now: now() }))
    const types = commands(work.state).map(({ type }) => type)
    for (const type of types) count(COUNTED[type as keyof typeof COUNTED] ?? 'delivery_other')
    await work.change(commands, (after) => noticesOf(this.#deps, after, this.#times()))
    const of = (wanted: string) => types.filter((type) => type === wanted).length
    const [delivered, bounced] = [of('RecordDelivery'), of('RecordBounce')]
    if (delivered + bounced > 0) await this.#deps.settled?.(work.owner, delivered, bounced)
  }

  async #notify(work: SubmissionInWork): Promise<void> {
    await work.change(
      () => [],
      (after) => noticesOf(this.#deps, after, this.#times()),
    )
  }

  #times() {
    const { schedule, now } = this.#deps
    return { now: now(), warnMs: schedule.warnMs, giveUpMs: schedule.giveUpMs }
  }

  /** Runs again and again, the next time so long after the end of the last. */
  #every(ms: number, run: () => Promise<void>, atOnce = false): void {
    const wait = () => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        void step()
      }, ms)
      timer.unref()
      this.#timers.add(timer)
    }
    const step = async () => {
      await run().catch((error) => {
        if (!this.#stop.signal.aborted) this.#deps.log('delivery waits', { error: String(error) })
      })
      if (!this.#stop.signal.aborted) wait()
    }
    if (atOnce) void step()
    else wait()
  }

  /** A part that ends by an error is begun again after a while: mail must not stand still until somebody restarts. */
  async #guard(part: string, run: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await run()
        if (this.#stop.signal.aborted) return
      } catch (error) {
        if (this.#stop.signal.aborted) return
        this.#deps.log('delivery waits', { part, error: String(error) })
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000)
        this.#stop.signal.addEventListener('abort', () => resolve(), { once: true })
        timer.unref()
      })
    }
  }
}

/** When the first open recipient elsewhere is due; undefined when all have their fate. */
function nextDue({ state, submitted }: SubmissionInWork): number | undefined {
  if (state.cancelled || state.completed) return undefined
  let first: number | undefined
  for (const { address } of submitted.recipients) {
    if (isOver(state.fates.get(address))) continue
    const at = state.deferrals.get(address)?.nextAttemptAt ?? submitted.sendAt
    if (first === undefined || at < first) first = at
  }
  return first
}
