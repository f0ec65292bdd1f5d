// Traces by OpenTelemetry, sent to a collector by OTLP over HTTP. Loaded only where the settings name a collector.
import { hash, randomUUID } from 'node:crypto'
import {
  type Link,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  type IdGenerator,
  RandomIdGenerator,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import type { Span, SpanFacts, Tracer } from '../../commands/ports/tracer.ts'
import { type AppliedBatch, MAX_TRACED } from '../projector/messages.ts'

export interface OtlpOptions {
  /** Address of the collector, without the path. */
  readonly url: string
  /** Share of traces that are made, 0 to 1. */
  readonly sample: number
  readonly roles: readonly string[]
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
  /** Spans gathered before they are sent, milliseconds. */
  readonly delayMs?: number
}

/** Spans that wait to be sent; one more is dropped. */
const MAX_WAITING = 2048
/** First spans that this process remembers to have begun. */
const MAX_BEGUN = 4096
/** For one attempt to send, its repeats included, and for the last one at the end. */
const SEND_MS = 2000
const DELAY_MS = 1000
/** Between two lines about a collector that does not take what it is sent. */
const QUIET_MS = 60_000

/** Fractions tell the order of what happens within a millisecond. */
export const preciseNow = (): number => performance.timeOrigin + performance.now()

/** Of a correlation id: its trace, the first span of that, and its lot among all traces, 0 to 1. The same in every process. */
export function traceOf(correlationId: string): SpanContext & { readonly lot: number } {
  const digest = hash('sha256', correlationId, 'hex')
  return {
    traceId: digest.slice(0, 32),
    spanId: digest.slice(32, 48),
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
    lot: Number.parseInt(digest.slice(48, 56), 16) / 2 ** 32,
  }
}

/** Gives a first span the ids that every process derives; all others random ones. */
class Ids implements IdGenerator {
  readonly #random = new RandomIdGenerator()
  next: SpanContext | undefined

  generateTraceId = (): string => this.next?.traceId ?? this.#random.generateTraceId()
  generateSpanId = (): string => this.next?.spanId ?? this.#random.generateSpanId()
}

/** Sends what it can, drops the rest, and says so once in a while: a collector that is gone must never disturb mail. */
class BoundedProcessor implements SpanProcessor {
  readonly #exporter: SpanExporter
  readonly #batches: BatchSpanProcessor
  readonly #log: OtlpOptions['log']
  #waiting = 0
  #silentUntil = 0
  dropped = 0

  constructor({ url, log, delayMs = DELAY_MS }: OtlpOptions) {
    this.#log = log
    this.#exporter = new OTLPTraceExporter({ url: `${url}/v1/traces`, timeoutMillis: SEND_MS })
    const exporter: SpanExporter = {
      export: (spans, done) => this.#send(spans, done),
      shutdown: () => this.#exporter.shutdown(),
    }
    this.#batches = new BatchSpanProcessor(exporter, {
      maxQueueSize: MAX_WAITING,
      maxExportBatchSize: 512,
      scheduledDelayMillis: delayMs,
      exportTimeoutMillis: 2 * SEND_MS,
    })
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.#waiting < MAX_WAITING) {
      this.#waiting++
      this.#batches.onEnd(span)
    } else this.#lose(1, 'more spans than can be sent')
  }

  #send(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    this.#waiting -= spans.length
    this.#exporter.export(spans, ({ code, error }) => {
      if (code !== 0) this.#lose(spans.length, (error?.message || String(error)).slice(0, 200))
      done({ code: 0 })
    })
  }

  #lose(spans: number, reason: string): void {
    this.dropped += spans
    if (Date.now() < this.#silentUntil) return
    this.#silentUntil = Date.now() + QUIET_MS
    this.#log('traces not sent', { dropped: this.dropped, reason })
  }

  forceFlush = (): Promise<void> => this.#batches.forceFlush()
  shutdown = (): Promise<void> => this.#batches.shutdown()
}

const NO_SPAN: Span = { note: () => undefined, happened: () => undefined, end: () => undefined }

/** Of an error only what cannot name anybody: its class, and its code where it has one. */
function kindOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  return typeof code === 'string' && /^[\w-]{1,40}$/.test(code) ? code : typeof name === 'string' ? name : typeof error
}

class LiveSpan implements Span {
  readonly #span: OtelSpan

  constructor(span: OtelSpan) {
    this.#span = span
  }

  note(facts: SpanFacts): void {
    for (const [key, value] of Object.entries(facts)) this.#span.setAttribute(`everpost.${key}`, attribute(value))
  }

  happened(name: string): void {
    this.#span.addEvent(name, preciseNow())
  }

  end(error?: unknown): void {
    if (error !== undefined) {
      this.#span.setAttribute('error.type', kindOf(error))
      this.#span.setStatus({ code: SpanStatusCode.ERROR })
    }
    this.#span.end(preciseNow())
  }
}

const attribute = (value: SpanFacts[string]): string | number | boolean | string[] =>
  typeof value === 'object' ? [...value] : value

const attributesOf = (facts: SpanFacts) =>
  Object.fromEntries(Object.entries(facts).map(([key, value]) => [`everpost.${key}`, attribute(value)]))

export class OtlpTracer implements Tracer {
  readonly #ids = new Ids()
  readonly #processor: BoundedProcessor
  readonly #provider: BasicTracerProvider
  readonly #tracer: ReturnType<BasicTracerProvider['getTracer']>
  readonly #sample: number
  readonly #begun = new Set<string>()

  constructor(options: OtlpOptions) {
    this.#sample = options.sample
    this.#processor = new BoundedProcessor(options)
    this.#provider = new BasicTracerProvider({
      sampler: new AlwaysOnSampler(),
      idGenerator: this.#ids,
      resource: resourceFromAttributes({
        'service.name': 'everpost',
        'service.instance.id': randomUUID(),
        'everpost.roles': [...options.roles],
      }),
      spanLimits: { linkCountLimit: MAX_TRACED, attributeCountLimit: 32, eventCountLimit: 16 },
      spanProcessors: [this.#processor],
    })
    this.#tracer = this.#provider.getTracer('everpost')
  }

  /** Spans that were not sent since the start. */
  get dropped(): number {
    return this.#processor.dropped
  }

  begin(name: string, correlationId: string, facts: SpanFacts = {}, since = preciseNow()): Span {
    const first = this.#sampled(correlationId)
    if (first === undefined) return NO_SPAN
    this.#begun.add(correlationId)
    if (this.#begun.size > MAX_BEGUN) this.#begun.delete(this.#begun.values().next().value as string)
    this.#ids.next = first
    const options = { startTime: since, attributes: attributesOf(facts), kind: SpanKind.SERVER, root: true }
    const span = this.#tracer.startSpan(name, options, ROOT_CONTEXT)
    this.#ids.next = undefined
    return new LiveSpan(span)
  }

  step(name: string, correlationId: string, facts: SpanFacts = {}, since = preciseNow()): Span {
    const first = this.#sampled(correlationId)
    if (first === undefined) return NO_SPAN
    return new LiveSpan(this.#below(first, name, facts, since))
  }

  /** A command's append: below the first span of its trace, or that span itself when nobody began it. */
  command(name: string, { correlationId, causationId }: Caused, facts: SpanFacts, since: number): Span {
    const isFirst = correlationId === causationId && !this.#begun.has(correlationId)
    return isFirst ? this.begin(name, correlationId, facts, since) : this.step(name, correlationId, facts, since)
  }

  /** A span of the batch by itself, and one in the trace of each of its events, linked with one another. */
  applied({ views, events, began, ended, correlationIds }: AppliedBatch): void {
    const firsts = correlationIds.slice(0, MAX_TRACED).flatMap((id) => this.#sampled(id) ?? [])
    if (firsts.length === 0) return
    const attributes = attributesOf({ views, events, traces: correlationIds.length })
    const links: Link[] = firsts.map((context) => ({ context: plain(context) }))
    const options = { kind: SpanKind.CONSUMER, startTime: began, attributes }
    const batch = this.#tracer.startSpan('project batch', { ...options, links, root: true }, ROOT_CONTEXT)
    for (const first of firsts) {
      const within = { ...options, links: [{ context: batch.spanContext() }] }
      this.#tracer.startSpan('project mailbox', within, parent(first)).end(ended)
    }
    batch.end(ended)
  }

  /** Sends what waits, for at most two seconds. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, SEND_MS)
    await Promise.race([this.#provider.shutdown().catch(() => undefined), promise])
    clearTimeout(timer)
  }

  #sampled(correlationId: string): SpanContext | undefined {
    const { lot, ...context } = traceOf(correlationId)
    return lot < this.#sample ? context : undefined
  }

  #below(first: SpanContext, name: string, facts: SpanFacts, startTime: number): OtelSpan {
    return this.#tracer.startSpan(name, { startTime, attributes: attributesOf(facts) }, parent(first))
  }
}

type Caused = { readonly correlationId: string; readonly causationId: string }

const parent = (first: SpanContext) => trace.setSpanContext(ROOT_CONTEXT, first)
const plain = ({ traceId, spanId, traceFlags }: SpanContext): SpanContext => ({ traceId, spanId, traceFlags })
