// Measures what is appended; traces only where the settings name a collector, and only then is OpenTelemetry loaded.
import { Histogram } from '../../gateways/web/histogram.ts'
import type { SealedJournal } from '../adapters/journal/sealed-journal.ts'
import type { Config } from '../config.ts'
import { logLine } from '../log-line.ts'
import type { OtlpTracer } from './otlp-tracer.ts'

export async function openTelemetry(
  { telemetry: { otlp, sample }, roles }: Pick<Config, 'telemetry' | 'roles'>,
  journal: Pick<SealedJournal, 'onWritten'>,
): Promise<{ readonly tracer: OtlpTracer | undefined; readonly appended: Histogram }> {
  const appended = new Histogram('everpost_append_seconds', 'Time of an append to the log, waiting included.')
  journal.onWritten(({ milliseconds, error }) => {
    if (error === undefined) appended.observe(milliseconds / 1000)
  })
  if (otlp === undefined) return { tracer: undefined, appended }
  const [{ OtlpTracer }, { traceAppends }] = await Promise.all([
    import('./otlp-tracer.ts'),
    import('./trace-appends.ts'),
  ])
  const tracer = new OtlpTracer({ url: otlp, sample, roles, log: logLine })
  traceAppends(journal, tracer)
  return { tracer, appended }
}
