// Calls at once, then at most once in an interval with the newest argument: wakes another thread often enough and no oftener.

export interface Throttled<T> {
  (value: T): void
  /** Forgets what is waiting. */
  cancel(): void
}

export function throttled<T>(intervalMs: number, call: (value: T) => void): Throttled<T> {
  let last = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let newest: T
  const fire = () => {
    timer = undefined
    last = performance.now()
    call(newest)
  }
  const throttle = (value: T) => {
    newest = value
    if (timer) return
    const wait = last + intervalMs - performance.now()
    if (wait <= 0) fire()
    else timer = setTimeout(fire, wait)
  }
  return Object.assign(throttle, { cancel: () => clearTimeout(timer) })
}
