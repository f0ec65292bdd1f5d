// How much an account or a domain may send, and what makes an account look taken over. Counts only: who counts where is others' business.

export interface SendingLimits {
  readonly messagesPerHour: number
  readonly recipientsPerHour: number
  readonly messagesPerDay: number
  readonly recipientsPerDay: number
}

/** What an account that is slowed may still send: enough for a person, too little for a spammer. */
export const SLOWED_LIMITS: SendingLimits = {
  messagesPerHour: 20,
  recipientsPerHour: 40,
  messagesPerDay: 100,
  recipientsPerDay: 200,
}
/** Between two messages of a slowed account that leave. */
export const SLOWED_GAP_MS = 60_000
export const SLOWED_FOR_MS = 24 * 3_600_000

/** Recipients in an hour that the account never wrote to before. */
export const NEW_RECIPIENTS_PER_HOUR = 300
/** Bounces in an hour that count as a burst, when they are this share of all results too. */
export const BOUNCES_PER_HOUR = 20
export const BOUNCED_SHARE = 0.3

export const looksTakenOver = (delivered: number, bounced: number): boolean =>
  bounced >= BOUNCES_PER_HOUR && bounced / (delivered + bounced) >= BOUNCED_SHARE

const HOUR = 3_600_000
const SLOTS_PER_HOUR = 12
const HOURS = 24

/** Counts of the last hour and the last day, in slots of 5 minutes and of an hour: a little too much rather than too little. */
export class SlidingCount {
  readonly #hour = new Map<number, number>()
  readonly #day = new Map<number, number>()

  add(count: number, at: number): void {
    const slot = Math.floor((at * SLOTS_PER_HOUR) / HOUR)
    const hour = Math.floor(at / HOUR)
    this.#hour.set(slot, (this.#hour.get(slot) ?? 0) + count)
    this.#day.set(hour, (this.#day.get(hour) ?? 0) + count)
  }
  inHour(at: number): number {
    return sum(this.#hour, Math.floor((at * SLOTS_PER_HOUR) / HOUR) - SLOTS_PER_HOUR)
  }
  inDay(at: number): number {
    return sum(this.#day, Math.floor(at / HOUR) - HOURS)
  }
}

/** Of the slots after `last`; older ones are forgotten. */
function sum(slots: Map<number, number>, last: number): number {
  let total = 0
  for (const [slot, count] of slots) {
    if (slot <= last) slots.delete(slot)
    else total += count
  }
  return total
}

export interface Usage {
  readonly messages: SlidingCount
  readonly recipients: SlidingCount
}

/** The sentence of the limit that one more message to so many recipients would break; undefined when none. */
export function brokenLimit(usage: Usage, limits: SendingLimits, recipients: number, at: number): string | undefined {
  if (usage.messages.inHour(at) + 1 > limits.messagesPerHour)
    return `More than ${limits.messagesPerHour} messages in an hour`
  if (usage.recipients.inHour(at) + recipients > limits.recipientsPerHour)
    return `More than ${limits.recipientsPerHour} recipients in an hour`
  if (usage.messages.inDay(at) + 1 > limits.messagesPerDay)
    return `More than ${limits.messagesPerDay} messages in a day`
  if (usage.recipients.inDay(at) + recipients > limits.recipientsPerDay)
    return `More than ${limits.recipientsPerDay} recipients in a day`
  return undefined
}
