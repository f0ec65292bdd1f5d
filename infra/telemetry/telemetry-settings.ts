// Settings of traces: where they are sent, and how many.
import { ConfigError, known, number, section, text } from '../setting-values.ts'

export interface TelemetrySettings {
  /** Address of an OTLP/HTTP collector, without the path; no traces when absent. */
  readonly otlp?: string
  /** Share of traces that are made, 0 to 1: the same ones in every process. */
  readonly sample: number
}

export const TELEMETRY_KEYS = ['otlp', 'sample']

export function telemetrySettings(file: Record<string, unknown>, env: NodeJS.ProcessEnv): TelemetrySettings {
  const telemetry = section(file, 'telemetry')
  known('telemetry', telemetry, TELEMETRY_KEYS)
  const otlp = env['EVERPOST_OTLP_ENDPOINT'] ?? telemetry['otlp']
  const sample = env['EVERPOST_TELEMETRY_SAMPLE'] ?? telemetry['sample'] ?? 1
  return {
    ...(otlp === undefined || otlp === '' ? {} : { otlp: collector(otlp) }),
    sample: number('telemetry.sample', sample, 0, 1),
  }
}

function collector(value: unknown): string {
  const address = text('telemetry.otlp', value)
  const url = URL.canParse(address) ? new URL(address) : undefined
  if ((url?.protocol !== 'http:' && url?.protocol !== 'https:') || url.search !== '' || url.hash !== '')
    throw new ConfigError('telemetry.otlp', `${address} is not like http://127.0.0.1:4318`)
  return address.replace(/\/+$/, '')
}
