// GET /metrics in the Prometheus text format, /healthz and /readyz.
import type { FastifyInstance } from 'fastify'
import type { Metric, WebDependencies } from './dependencies.ts'
import { ProblemError } from './problem.ts'

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

interface RouteCount {
  readonly method: string
  readonly route: string
  readonly statuses: Map<number, number>
  readonly buckets: number[]
  count: number
  seconds: number
}

export class RequestCounters {
  readonly #routes = new Map<string, RouteCount>()

  record(method: string, route: string, status: number, milliseconds: number): void {
    const key = `${method} ${route}`
    let entry = this.#routes.get(key)
    if (!entry) {
      entry = { method, route, statuses: new Map(), buckets: BUCKETS.map(() => 0), count: 0, seconds: 0 }
      this.#routes.set(key, entry)
    }
    entry.statuses.set(status, (entry.statuses.get(status) ?? 0) + 1)
    const seconds = milliseconds / 1000
    entry.count++
    entry.seconds += seconds
    for (let i = BUCKETS.length - 1; i >= 0 && seconds <= (BUCKETS[i] as number); i--)
      entry.buckets[i] = (entry.buckets[i] as number) + 1
  }

  lines(): readonly string[] {
    const requests = [
      '# HELP everpost_http_requests_total Requests answered.',
      '# TYPE everpost_http_requests_total counter',
    ]
    const times = [
      '# HELP everpost_http_request_seconds Time from request to the end of the answer.',
      '# TYPE everpost_http_request_seconds histogram',
    ]
    for (const { method, route, statuses, buckets, count, seconds } of this.#routes.values()) {
      const labels = `method="${method}",route="${escapeLabel(route)}"`
      for (const [status, n] of statuses)
        requests.push(`everpost_http_requests_total{${labels},status="${status}"} ${n}`)
      for (const [i, n] of buckets.entries())
        times.push(`everpost_http_request_seconds_bucket{${labels},le="${BUCKETS[i]}"} ${n}`)
      times.push(`everpost_http_request_seconds_bucket{${labels},le="+Inf"} ${count}`)
      times.push(`everpost_http_request_seconds_sum{${labels}} ${seconds.toFixed(6)}`)
      times.push(`everpost_http_request_seconds_count{${labels}} ${count}`)
    }
    return [...requests, ...times]
  }
}

export type OperationsDependencies = Pick<WebDependencies, 'projections' | 'source' | 'metrics'>

export function operationRoutes(
  app: FastifyInstance,
  deps: OperationsDependencies,
  counters: RequestCounters,
  own: () => readonly Metric[],
): void {
  app.get('/healthz', async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }))

  app.get('/readyz', async (_request, reply) => {
    const [projections] = await Promise.all([deps.projections(), deps.source.head()])
    // A view that a moment's load left behind is no reason to send people elsewhere.
    const waiting = projections.filter(
      ({ state, lag }) => state !== 'live' && state !== 'rebuilding' && !(state === 'catching-up' && lag.seconds < 10),
    )
    if (waiting.length > 0) {
      const names = waiting.map(({ name, state }) => `${name} is ${state}`).join(', ')
      throw new ProblemError(503, 'not-ready', `Not ready: ${names}.`, { retryAfter: 1 })
    }
    return reply.header('cache-control', 'no-store').send({ status: 'ready' })
  })

  app.get('/metrics', async (_request, reply) => {
    const [projections, head] = await Promise.all([deps.projections(), deps.source.head()])
    const metrics: Metric[] = [
      { name: 'everpost_log_head', help: 'Position of the newest event.', type: 'gauge', value: Number(head ?? 0n) },
      ...projections.flatMap(({ name, state, lag, parkedCount }): Metric[] => {
        const labels = { projection: name }
        return [
          {
            name: 'everpost_projection_lag_positions',
            help: 'Positions between view and head.',
            type: 'gauge',
            value: Number(lag.positions),
            labels,
          },
          {
            name: 'everpost_projection_lag_seconds',
            help: 'Age of the oldest event not yet in the view.',
            type: 'gauge',
            value: lag.seconds,
            labels,
          },
          {
            name: 'everpost_projection_parked_events',
            help: 'Events that could not be applied.',
            type: 'gauge',
            value: parkedCount,
            labels,
          },
          {
            name: 'everpost_projection_live',
            help: '1 when the view follows the log.',
            type: 'gauge',
            value: state === 'live' ? 1 : 0,
            labels,
          },
        ]
      }),
      {
        name: 'everpost_process_resident_bytes',
        help: 'Resident memory of this process.',
        type: 'gauge',
        value: process.memoryUsage.rss(),
      },
      ...own(),
      ...(deps.metrics?.() ?? []),
    ]
    const text = [...renderMetrics(metrics), ...counters.lines(), ''].join('\n')
    return reply
      .header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(text)
  })
}

/** All lines of one name together, as the format asks. */
function renderMetrics(metrics: readonly Metric[]): readonly string[] {
  const lines: string[] = []
  for (const [name, group] of Map.groupBy(metrics, (metric) => metric.name)) {
    lines.push(`# HELP ${name} ${group[0]?.help ?? ''}`, `# TYPE ${name} ${group[0]?.type ?? 'gauge'}`)
    for (const { labels, value } of group) {
      const text = Object.entries(labels ?? {}).map(([key, each]) => `${key}="${escapeLabel(each)}"`)
      lines.push(`${name}${text.length > 0 ? `{${text.join(',')}}` : ''} ${value}`)
    }
  }
  return lines
}

const escapeLabel = (text: string): string => text.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`))
