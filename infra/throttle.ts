// Wakes another thread often enough and no oftener: a lone call goes through at once, calls in a rush share one.

export interface Throttled<T> {
  (value: T): void
  /** Forgets what is waiting. */
  cancel(): void
}

export interface ThrottleTimes {
  /** Between calls while they are few, milliseconds. */
  readonly calmMs: number
  /** Between calls while they rush in: one batch then does the work of many. */
  readonly busyMs: number
}

/** So many calls within one interval are a rush. */
const RUSH = 4

export function throttled<T>({ calmMs, busyMs }: ThrottleTimes, call: (value: T) => void): Throttled<T> {
  let last = Number.NEGATIVE_INFINITY
  let interval = calmMs
  let waiting = 0
  let timer: NodeJS.Timeout | undefined
  let newest: T
  const fire = () => {
    timer = undefined
    last = performance.now()
    interval = waiting >= RUSH ? busyMs : calmMs
    waiting = 0
    call(newest)
  }
  const throttle = (value: T) => {
    newest = value
    waiting++
    if (timer) return
    const wait = last + interval - performance.now()
    if (wait <= 0) fire()
    else timer = setTimeout(fire, wait)
  }
  return Object.assign(throttle, { cancel: () => clearTimeout(timer) })
}
