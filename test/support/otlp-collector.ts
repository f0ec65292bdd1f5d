// A collector of traces: takes OTLP over HTTP in JSON, as the exporter sends it, and remembers the spans.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface CollectedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  /** Nanoseconds of the epoch. */
  readonly start: bigint
  readonly end: bigint
  readonly failed: boolean
  readonly facts: Readonly<Record<string, unknown>>
  readonly events: readonly string[]
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  /** Of the process that sent it. */
  readonly roles: readonly string[]
}

interface Value {
  readonly stringValue?: string
  readonly intValue?: string | number
  readonly doubleValue?: number
  readonly boolValue?: boolean
  readonly arrayValue?: { readonly values: readonly Value[] }
}
type Attributes = readonly { readonly key: string; readonly value: Value }[]
interface SentSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status?: { readonly code?: number }
  readonly attributes?: Attributes
  readonly events?: readonly { readonly name: string }[]
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
}
interface Sent {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Attributes }
    readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[]
  }[]
}

const plain = ({ stringValue, intValue, doubleValue, boolValue, arrayValue }: Value): unknown =>
  stringValue ??
  (intValue === undefined ? undefined : Number(intValue)) ??
  doubleValue ??
  boolValue ??
  arrayValue?.values.map(plain)

const factsOf = (attributes: Attributes = []) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key.replace(/^everpost\./, ''), plain(value)]))

export interface Collector {
  readonly url: string
  readonly spans: CollectedSpan[]
  /** Everything that was sent, as it came. */
  readonly texts: string[]
  /** Answers spans once `done` holds for all that came. */
  until(done: (spans: readonly CollectedSpan[]) => boolean): Promise<readonly CollectedSpan[]>
}

/** `status` answers every request; 'hang' none. */
export async function startCollector(t: Pick<TestContext, 'after'>, status: number | 'hang' = 200): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const texts: string[] = []
  const waiting = new Set<() => void>()
  const take = (text: string) => {
    texts.push(text)
    for (const { resource, scopeSpans } of (JSON.parse(text) as Sent).resourceSpans) {
      const roles = factsOf(resource.attributes)['roles'] as readonly string[]
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
        spans.push({
          ...{ name: span.name, traceId: span.traceId, spanId: span.spanId, roles },
          parentSpanId: span.parentSpanId || undefined,
          start: BigInt(span.startTimeUnixNano),
          end: BigInt(span.endTimeUnixNano),
          failed: span.status?.code === 2,
          facts: factsOf(span.attributes),
          events: (span.events ?? []).map(({ name }) => name),
          links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
        })
      }
    }
    for (const wake of waiting) wake()
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.method !== 'POST' || request.url !== '/v1/traces') return void response.writeHead(404).end()
      if (status === 'hang') return
      if (status === 200) take(Buffer.concat(chunks).toString())
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    texts,
    until: async (done) => {
      while (!done(spans)) {
        await new Promise<void>((resolve) => {
          const wake = () => {
            waiting.delete(wake)
            resolve()
          }
          waiting.add(wake)
        })
      }
      return spans
    },
  }
}
