// Follows intake and mailboxes and keeps the promises that stayed open. Only for event stores that commit stream by stream: where
// MailAccepted and its deliveries are one commit there is nothing to find. Several may run: what one does twice is the same.
import { keepPromise, type Promised, type PromisePorts, promisesOf } from '../../commands/keep-promises.ts'
import type { CheckpointStore } from '../../commands/ports/checkpoint-store.ts'
import { isRedacted, type Position } from '../../domain/log.ts'
import { type EventSource, isUnreadable } from '../../projections/ports/event-source.ts'
import { oneAtATime, upToNow } from './following.ts'

export interface IntakeSweepDependencies extends PromisePorts {
  readonly source: Pick<EventSource, 'subscribe'>
  readonly checkpoints: CheckpointStore
  readonly now: () => number
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
  /** Milliseconds after which the process that accepted a mail is no longer expected to deliver it itself. 60,000 by default. */
  readonly graceMs?: number
}

const NAME = 'intake-sweep'
const TYPES: ReadonlySet<string> = new Set(['MailAccepted', 'MessageReceived'])

interface Open {
  readonly promised: Promised
  /** The place in the log before it. */
  readonly before: Position | undefined
}

export class IntakeSweep {
  readonly #deps: IntakeSweepDependencies

  constructor(deps: IntakeSweepDependencies) {
    this.#deps = deps
  }

  /** Reads what came since the last time, up to the end of the log; answers how many deliveries it made. */
  readonly look = oneAtATime((signal) => this.#look(signal))

  async #look(signal: AbortSignal | undefined): Promise<number> {
    const { source, checkpoints } = this.#deps
    const after = await checkpoints.load(NAME)
    const open = new Map<string, Open>()
    let position: Position | undefined
    let last = after
    const prefixes = ['intake-', 'mailbox-']
    for await (const batch of upToNow(source, { after, prefixes, types: TYPES, signal })) {
      for (const event of batch.events) {
        const before = last
        last = event.position
        if (event.type === 'MessageReceived') open.delete(event.id)
        if (isRedacted(event) || isUnreadable(event) || event.type !== 'MailAccepted') continue
        // What the system delivers among its own people is on record with the submission, which is finished from there.
        if (event.metadata.via !== 'smtp') continue
        for (const promised of promisesOf(event)) open.set(promised.arrivalId, { promised, before })
      }
      position = batch.position ?? position
      last = position ?? last
    }
    const { kept, waiting } = await this.#keep([...open.values()], signal)
    // What is too young is looked at again: the next look begins before the first of it.
    const reached = waiting === undefined ? position : waiting.before
    if (reached !== undefined && !signal?.aborted) await checkpoints.save(NAME, reached)
    return kept
  }

  async #keep(promises: readonly Open[], signal: AbortSignal | undefined) {
    const { now, log, graceMs = 60_000 } = this.#deps
    let kept = 0
    let waiting: Open | undefined
    for (const each of promises) {
      const { promised } = each
      if (signal?.aborted) break
      const young = now() - promised.receivedAt < graceMs
      try {
        if (!young && (await keepPromise(this.#deps, promised))) {
          kept++
          if (promised.arrives) log('delivery finished', { intake: promised.intakeId })
          continue
        }
      } catch (error) {
        log('delivery waits', { intake: promised.intakeId, error: String(error) })
        waiting ??= each
      }
      if (young) waiting ??= each
    }
    return { kept, waiting }
  }
}
