// Traces: the spans of what one command or message causes, in whatever process that happens. Without a tracer nothing is measured.

/** Counts, types, roles and outcomes; never an address, a subject or the name of an account's stream. */
export type SpanFacts = Readonly<Record<string, string | number | boolean | readonly string[]>>

export interface Span {
  note(facts: SpanFacts): void
  /** Something that happened within it, now. */
  happened(name: string): void
  /** Ends it, once. With an error it failed; of the error only its kind is kept. */
  end(error?: unknown): void
}

/** The trace follows from the correlation id that every event carries, so that no process has to tell another one. */
export interface Tracer {
  /** The first span of a trace: who decided the correlation id begins it. */
  begin(name: string, correlationId: string, facts?: SpanFacts): Span
  /** A span below the first one, from `since` (epoch milliseconds) or now on. */
  step(name: string, correlationId: string, facts?: SpanFacts, since?: number): Span
}
