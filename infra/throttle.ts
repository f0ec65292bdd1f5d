// Wakes a projector often enough and no oftener: a lone event at once, events in a rush together, so that they share a transaction.

export interface Wakes {
  (head: bigint): void
  /** Forgets what is waiting. */
  cancel(): void
}

export interface ThrottleTimes {
  /** Milliseconds between calls while events are few. */
  readonly calmMs: number
  /** Milliseconds between calls in a rush: one batch then does the work of many. */
  readonly busyMs: number
}

/** Events a second from which on it is a rush: two hundred messages. */
const RUSH = 400
/** Milliseconds over which the rate is taken. */
const SPAN = 100

/** `call` gets the newest head. How many events come is read off the heads, which count them. */
export function throttled({ calmMs, busyMs }: ThrottleTimes, call: (head: bigint) => void): Wakes {
  let last = Number.NEGATIVE_INFINITY
  let spanBegan = Number.NEGATIVE_INFINITY
  let spanHead = 0n
  let interval = calmMs
  let timer: NodeJS.Timeout | undefined
  let newest = 0n
  const fire = () => {
    timer = undefined
    last = performance.now()
    call(newest)
  }
  const measure = (now: number) => {
    const elapsed = now - spanBegan
    if (elapsed < SPAN) return
    const perSecond = (Number(newest - spanHead) * 1000) / elapsed
    // The first span knows no head to count from.
    interval = Number.isFinite(elapsed) && perSecond >= RUSH ? busyMs : calmMs
    spanBegan = now
    spanHead = newest
  }
  const throttle = (head: bigint) => {
    newest = head
    const now = performance.now()
    measure(now)
    if (timer) return
    const wait = last + interval - now
    if (wait <= 0) fire()
    else timer = setTimeout(fire, wait)
  }
  return Object.assign(throttle, { cancel: () => clearTimeout(timer) })
}
