// The events of `filter-<hash>` streams: what a script was told to remember about one sender or one id, so that nothing is done twice.

export type FilterMemoryEvent =
  /** A sender was answered by vacation; not again before `until`, epoch milliseconds. */
  | { type: 'AutomaticReplySent'; data: { accountId: string; intakeId: string; submissionId: string; until: number } }
  /** An id was met by the test duplicate; it counts as seen before `until`. */
  | { type: 'DuplicateNoted'; data: { accountId: string; intakeId: string; until: number } }

export const FILTER_MEMORY_EVENT_TYPES = [
  'AutomaticReplySent',
  'DuplicateNoted',
] as const satisfies readonly FilterMemoryEvent['type'][]
