// Work that is to be done at its time. Only a dispatcher: everything durable is on the log, and a sweep over it puts back what is lost.

/** One piece of work, taken by one worker at a time. */
export interface Work {
  readonly id: string
  /** Done: it is forgotten, unless it was enqueued again meanwhile. */
  ack(): Promise<void>
  /** Back into the queue, due at an instant (epoch milliseconds). */
  retry(dueAt: number): Promise<void>
  /** Still being worked on: without it for as long as the engine's patience, somebody else gets it. */
  working(): void
}

export interface WorkQueue {
  /**
   * Due at an instant, epoch milliseconds. An id is in the queue once: enqueued again, the earlier instant counts; enqueued while
   * it is worked on, it comes again after that. False when the queue is full: the sweep comes back to it.
   */
  enqueue(id: string, dueAt: number): Promise<boolean>
  /** The next piece that is due, as soon as there is one; undefined once the signal aborts or the queue closes. */
  take(signal?: AbortSignal): Promise<Work | undefined>
  close(): Promise<void>
}
