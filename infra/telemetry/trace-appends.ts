// Appends as spans: which types went to which categories of streams, and how it ended.
import type { SealedJournal, Written } from '../adapters/journal/sealed-journal.ts'
import { type OtlpTracer, preciseNow } from './otlp-tracer.ts'

const MAX_TYPES = 8

/** Answers the way to stop. */
export function traceAppends(journal: Pick<SealedJournal, 'onWritten'>, tracer: OtlpTracer): () => void {
  return journal.onWritten(({ appends, results, milliseconds, error }) => {
    const events = appends.flatMap((append) => append.events)
    // Of what a command appends, some may name a part of it as their cause: the command itself says whether it began the trace.
    const first = events.find(({ metadata }) => metadata.causationId === metadata.correlationId) ?? events[0]
    if (first === undefined) return
    const facts = {
      via: first.metadata.via,
      streams: distinct(appends.map(({ stream }) => stream.slice(0, stream.indexOf('-')))),
      types: distinct(events.map(({ type }) => type)),
      events: events.length,
      outcome: outcomeOf(results, error),
    }
    tracer.command('append', first.metadata, facts, preciseNow() - milliseconds).end(error)
  })
}

function outcomeOf(results: Written['results'], error: unknown): string {
  if (error !== undefined) return 'failed'
  if (results.some(({ ok }) => !ok)) return 'conflict'
  return results.every((result) => result.ok && result.repeated) ? 'repeated' : 'appended'
}

const distinct = (names: readonly string[]): readonly string[] => [...new Set(names)].slice(0, MAX_TYPES)
