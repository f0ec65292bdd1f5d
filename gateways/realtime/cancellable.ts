// An async generator that ends at once when its reader leaves: `return` of a plain one waits until the generator next wakes up.

/** `neverStarted` runs when the reader leaves before the first value was asked for: the generator's own `finally` would not. */
export function cancellable<T>(
  outer: AbortSignal | undefined,
  make: (signal: AbortSignal) => AsyncGenerator<T, void, void>,
  neverStarted: () => void,
): AsyncIterableIterator<T> {
  const controller = new AbortController()
  const stop = () => controller.abort()
  if (outer?.aborted) stop()
  outer?.addEventListener('abort', stop, { once: true })
  const values = make(controller.signal)
  let started = false
  const end = async (): Promise<IteratorResult<T>> => {
    outer?.removeEventListener('abort', stop)
    stop()
    if (!started) neverStarted()
    await values.return()
    return { done: true, value: undefined }
  }
  return {
    next: async () => {
      started = true
      const result = await values.next()
      return result.done ? { done: true, value: undefined } : result
    },
    return: end,
    throw: end,
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
