// /graphql over HTTP: POST and GET by yoga, subscriptions as server-sent events; lists by the shorter way, from the hot cache.
import { Readable } from 'node:stream'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ExecutionResult, GraphQLError, OperationTypeNode } from 'graphql'
import { createYoga, type Plugin } from 'graphql-yoga'
import type { Subscriptions } from '../realtime/subscriptions.ts'
import { clientOf, requireSession } from '../session/request-session.ts'
import type { SignedIn } from '../session/sessions.ts'
import { ProblemError } from '../web/problem.ts'
import type { WebServices } from '../web/services.ts'
import { BadJson, strictJson } from '../web/strict-json.ts'
import type { GraphqlContext } from './builder.ts'
import { contextFor } from './context.ts'
import { toCode, toGraphqlError } from './errors.ts'
import { MAX_BATCH } from './limits.ts'
import { type Prepared, prepare } from './prepare.ts'
import { schema } from './schema.ts'

export const MAX_BODY = 1024 * 1024
const TIMEOUT_MS = 30_000
/** Longer requests are not worth keeping answers of. */
const MAX_CACHED_REQUEST = 8 * 1024
const JSON_TYPE = 'application/json; charset=utf-8'

interface YogaContext {
  readonly request_: FastifyRequest
  readonly who: SignedIn
  readonly prepared: readonly Prepared[]
}

export function graphqlRoute(
  app: FastifyInstance,
  services: WebServices,
  subscriptions: Subscriptions,
  acceptSocket: (socket: WebSocket, request: FastifyRequest) => void,
): void {
  const report = (error: unknown, request: FastifyRequest) =>
    services.deps.onError?.(error, { requestId: request.id, route: '/graphql' })
  const yoga = makeYoga(services, subscriptions)

  void app.register(async (scope) => {
    // Kept as text: the same text under the same revision has the same answer.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(
      ['application/json', 'application/graphql+json'],
      { parseAs: 'string', bodyLimit: MAX_BODY },
      (_request, body, done) => done(null, body),
    )

    scope.setErrorHandler((error, request, reply) => {
      const status = (error as { statusCode?: number }).statusCode
      const { error: answer, unexpected } = toGraphqlError(
        typeof status === 'number' && status < 500 && !(error instanceof ProblemError)
          ? new ProblemError(status, 'bad-request', (error as Error).message)
          : error,
      )
      if (unexpected) report(error, request)
      const http = answer.extensions['http'] as { status: number } | undefined
      if (error instanceof ProblemError && error.problem.retryAfter !== undefined)
        void reply.header('retry-after', String(error.problem.retryAfter))
      return sendErrors(reply, [answer], http?.status ?? 400)
    })

    scope.post('/graphql', async (request, reply) => {
      const who = await requireSession(services.sessions, request)
      const text = request.body
      if (typeof text !== 'string') throw new ProblemError(415, 'bad-request', 'Send application/json.')
      const short = text.length <= MAX_CACHED_REQUEST && wantsJson(request)
      const account = who.account.id
      const revision = short ? await services.deps.views.mailbox.accountRevision(account) : undefined
      if (revision !== undefined) {
        const cached = await services.deps.cache.get(account, `graphql ${text}`, revision)
        if (cached !== undefined) return sendJson(reply, cached)
      }
      const params = readBody(text)
      const batch = Array.isArray(params) ? (params as unknown[]) : [params]
      if (batch.length === 0) throw new ProblemError(400, 'bad-request', 'A batch holds at least one operation.')
      if (batch.length > MAX_BATCH)
        throw new ProblemError(413, 'batch-too-large', `A batch takes at most ${MAX_BATCH} operations.`)
      const prepared = prepareAll(batch)
      if (!Array.isArray(params) && short) {
        const [only] = prepared
        const data = only?.plan && (await only.plan(services, account, only.variables))
        if (data !== undefined) {
          const answer = Buffer.from(`{"data":${data}}`)
          // Nothing moved while it was read: the answer is one of this revision.
          if (revision !== undefined && (await services.deps.views.mailbox.accountRevision(account)) === revision)
            void services.deps.cache.put(account, `graphql ${text}`, revision, answer)
          return sendJson(reply, answer)
        }
      }
      const withBody = request as unknown as { body: unknown }
      withBody.body = params
      return byYoga(yoga, request, reply, { request_: request, who, prepared })
    })

    const answerGet = async (request: FastifyRequest, reply: FastifyReply) => {
      const who = await requireSession(services.sessions, request)
      const { query, variables, operationName } = request.query as Record<string, unknown>
      const values = typeof variables === 'string' ? readBody(variables) : variables
      const prepared = prepareAll([{ query, variables: values, operationName }])
      if (prepared[0]?.operation.operation === OperationTypeNode.MUTATION)
        throw new ProblemError(405, 'method-not-allowed', 'A mutation needs POST.')
      return byYoga(yoga, request, reply, { request_: request, who, prepared })
    }
    scope.route({ method: 'GET', url: '/graphql', handler: answerGet, wsHandler: acceptSocket })
  })
}

function readBody(text: string): unknown {
  try {
    return strictJson(text)
  } catch (error) {
    if (error instanceof BadJson) throw new ProblemError(400, 'bad-json', error.message)
    throw error
  }
}

class Unprepared extends GraphQLError {
  readonly all: readonly GraphQLError[]
  constructor(all: readonly GraphQLError[]) {
    super(all[0]?.message ?? 'The request cannot be read.', { extensions: all[0]?.extensions ?? {} })
    this.all = all
  }
}

function prepareAll(batch: readonly unknown[]): readonly Prepared[] {
  return batch.map((params) => {
    const result = prepare(params)
    if (!result.ok) throw new Unprepared(result.errors)
    return result.prepared
  })
}

function wantsJson(request: FastifyRequest): boolean {
  const accept = request.headers.accept
  return accept === undefined || accept.startsWith('application/json') || accept.startsWith('*/*')
}

function sendJson(reply: FastifyReply, json: Uint8Array | string): FastifyReply {
  return reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store').send(json)
}

function sendErrors(reply: FastifyReply, errors: readonly GraphQLError[], status: number): FastifyReply {
  const all = errors.flatMap((error) => (error instanceof Unprepared ? error.all : [error]))
  const shown = all.map((error) => {
    const { message, locations, path, extensions } = error.toJSON()
    const { http: _, ...rest } = extensions ?? {}
    return { message, ...(locations ? { locations } : {}), ...(path ? { path } : {}), extensions: rest }
  })
  if (status === 401) void reply.header('www-authenticate', 'Bearer realm="everpost"')
  return sendJson(reply.status(status), JSON.stringify({ errors: shown }))
}

async function byYoga(
  yoga: ReturnType<typeof makeYoga>,
  request: FastifyRequest,
  reply: FastifyReply,
  context: YogaContext,
): Promise<FastifyReply> {
  const response: Response = await yoga.handleNodeRequestAndResponse(request as never, reply.raw, context as never)
  void reply.status(response.status)
  for (const [name, value] of response.headers) if (name !== 'connection') void reply.header(name, value)
  void reply.header('cache-control', 'no-store')
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return reply.send(await response.text())
  // Pulled as fast as the client takes it; ends the subscription when the client goes.
  return reply.send(
    Readable.from(response.body as AsyncIterable<Uint8Array>, { objectMode: false, highWaterMark: 16_384 }),
  )
}

function makeYoga(services: WebServices, subscriptions: Subscriptions) {
  /** Parsing, validating and measuring are done: yoga gets the result. */
  const prepared: Plugin<YogaContext> = {
    onParse({ context, params, setParsedDocument }) {
      const source = String(params.source)
      const known = context.prepared.find(({ document }) => document.loc?.source.body === source)
      if (known) setParsedDocument(known.document)
    },
    onValidate({ setResult }) {
      setResult([])
    },
    onExecute({ executeFn, setExecuteFn }) {
      setExecuteFn((args) => withTimeout(Promise.resolve(executeFn(args)) as Promise<ExecutionResult>))
    },
  }
  return createYoga<YogaContext, GraphqlContext>({
    schema,
    graphqlEndpoint: '/graphql',
    graphiql: false,
    landingPage: false,
    cors: false,
    logging: false,
    multipart: false,
    maxRequestBodySize: false,
    batching: { limit: MAX_BATCH },
    parserAndValidationCache: false,
    plugins: [prepared],
    context: ({ request, request_, who }) =>
      contextFor(services, subscriptions, who, clientOf(request_), request.signal),
    maskedErrors: {
      maskError(thrown) {
        const { error, unexpected } = toGraphqlError(thrown)
        if (unexpected) services.deps.onError?.(thrown, { requestId: '', route: '/graphql' })
        return error
      },
    },
  })
}

async function withTimeout<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new GraphQLError('The query took too long: ask for less at once.', {
            extensions: { code: toCode('timeout'), http: { status: 503 } },
          }),
        ),
      TIMEOUT_MS,
    )
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
