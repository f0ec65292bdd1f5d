// Whether trouble is temporary, as every protocol has a way to say.

/** Whether an engine is away: every port says so with the code 'unavailable'. */
export const isUnavailable = (error: unknown): boolean =>
  error instanceof Error && (error as { readonly code?: unknown }).code === 'unavailable'
