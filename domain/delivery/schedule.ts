// When a deferred recipient is tried again, and when its sender hears of it.

export interface RetrySchedule {
  /** After the first attempt that failed for now; doubles from then on. */
  readonly firstMs: number
  readonly longestMs: number
  /** After an answer that looks like greylisting, for the first attempts. */
  readonly greylistMs: number
  /** From the instant of sending: the sender learns that it takes longer. */
  readonly warnMs: number
  /** From the instant of sending: then it bounces. */
  readonly giveUpMs: number
}

/** Attempts that may be answered by greylisting before it is taken for an ordinary failure. */
const GREYLISTED_ATTEMPTS = 3
/** Share of a wait that varies between recipients, so that what failed together does not come back together. */
const JITTER = 0.2

export interface FailedAttempt {
  /** Attempts so far, this one included. */
  readonly attempts: number
  readonly sendAt: number
  readonly now: number
  readonly greylisted: boolean
  /** Spreads the waits: the same for the same recipient of the same submission. */
  readonly seed: string
  readonly warned: boolean
}

export type NextStep =
  | { readonly kind: 'retry'; readonly at: number; readonly warn: boolean }
  | { readonly kind: 'give-up' }

/** Pure: the same attempt gives the same instant. The last attempt comes when the time is over and not before. */
export function afterFailure(schedule: RetrySchedule, attempt: FailedAttempt): NextStep {
  const { attempts, sendAt, now, seed } = attempt
  const end = sendAt + schedule.giveUpMs
  if (now >= end) return { kind: 'give-up' }
  const warnAt = sendAt + schedule.warnMs
  const warn = !attempt.warned && now >= warnAt
  const soon = attempt.greylisted && attempts <= GREYLISTED_ATTEMPTS
  const base = soon
    ? schedule.greylistMs
    : Math.min(schedule.longestMs, schedule.firstMs * 2 ** Math.min(attempts - 1, 40))
  let at = now + Math.round(base * (1 - JITTER / 2 + JITTER * share(`${seed} ${attempts}`)))
  // The warning is true at its instant: tried just then.
  if (!attempt.warned && !warn && at > warnAt) at = warnAt
  return { kind: 'retry', at: Math.min(at, end), warn }
}

/** 0 to 1, even, from a text (FNV-1a). */
function share(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash ^= hash >>> 15
  return (Math.imul(hash, 0x2c1b3c6d) >>> 0) / 2 ** 32
}

/** How long a destination whose hosts do not answer is left alone, after so many failures in a row. */
export const restAfter = (failures: number): number => Math.min(1_800_000, 30_000 * 2 ** Math.min(failures - 1, 10))
