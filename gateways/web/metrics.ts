// GET /metrics in the Prometheus text format, /healthz and /readyz.
import type { FastifyInstance } from 'fastify'
import type { Metric, WebDependencies } from './dependencies.ts'
import { Buckets } from './histogram.ts'
import { ProblemError } from './problem.ts'

interface RouteCount {
  readonly method: string
  readonly route: string
  readonly statuses: Map<number, number>
  readonly times: Buckets
}

export class RequestCounters {
  readonly #routes = new Map<string, RouteCount>()

  record(method: string, route: string, status: number, milliseconds: number): void {
    const key = `${method} ${route}`
    let entry = this.#routes.get(key)
    if (!entry) {
      entry = { method, route, statuses: new Map(), times: new Buckets() }
      this.#routes.set(key, entry)
    }
    entry.statuses.set(status, (entry.statuses.get(status) ?? 0) + 1)
    entry.times.observe(milliseconds / 1000)
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
    for (const { method, route, statuses, times: taken } of this.#routes.values()) {
      const labels = `method="${method}",route="${escapeLabel(route)}"`
      for (const [status, n] of statuses)
        requests.push(`everpost_http_requests_total{${labels},status="${status}"} ${n}`)
      times.push(...taken.lines('everpost_http_request_seconds', labels))
    }
    return [...requests, ...times]
  }
}

export type OperationsDependencies = Pick<WebDependencies, 'projections' | 'source' | 'metrics' | 'histograms'>

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
    const text = [
      ...renderMetrics(metrics),
      ...(deps.histograms ?? []).flatMap((histogram) => histogram.lines()),
      ...counters.lines(),
      '',
    ].join('\n')
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
