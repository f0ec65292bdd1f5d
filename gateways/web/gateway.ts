// The web gateway: one HTTP server for sessions, GraphQL, REST, push, bodies of messages and the web app.
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import multipart from '@fastify/multipart'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify'
import { handleProtocols } from 'graphql-ws'
import { BlobError } from '../../commands/ports/blob-store.ts'
import type { AccountId } from '../../domain/log.ts'
import { BadCursor } from '../../projections/queries.ts'
import { graphqlRoute, MAX_BODY } from '../graphql/route.ts'
import { Subscriptions } from '../realtime/subscriptions.ts'
import { WebSockets } from '../realtime/websocket.ts'
import { openApi } from '../rest/openapi.ts'
import { readingRoutes } from '../rest/reading.ts'
import { sendingRoutes } from '../rest/sending.ts'
import { sessionRoutes } from '../session/routes.ts'
import type { WebDependencies } from './dependencies.ts'
import { operationRoutes, RequestCounters } from './metrics.ts'
import { awayProblem, type Problem, ProblemError, sendProblem } from './problem.ts'
import { WebServices } from './services.ts'
import { pathOf, StaticApp } from './static-app.ts'
import { BadJson, strictJson } from './strict-json.ts'

export interface WebGateway {
  /** For tests: requests without a network. */
  readonly app: FastifyInstance
  /** What is served, as `GET /folders/{id}/message`. */
  readonly routes: readonly string[]
  /** Rejects with the system's error (EADDRINUSE, EACCES) when the port cannot be had. Answers the port. */
  listen(options: { readonly host: string; readonly port: number }): Promise<number>
  /** A token for `POST /session/welcome`, or `/welcome?token=…` in the web app: signs in once, until a password is set. */
  createWelcomeToken(account: AccountId): Promise<string>
  /** Ends subscriptions and connections; resolves once answers under way are out. */
  close(): Promise<void>
}

export async function createWebGateway(deps: WebDependencies): Promise<WebGateway> {
  const services = new WebServices(deps)
  const subscriptions = new Subscriptions()
  const sockets = new WebSockets(services, subscriptions)
  const counters = new RequestCounters()
  const app = Fastify({
    logger: false,
    trustProxy: deps.config.trustProxy ?? false,
    bodyLimit: MAX_BODY,
    requestTimeout: 600_000,
    connectionTimeout: 0,
    keepAliveTimeout: 72_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 4000 },
    http: { headersTimeout: 20_000, maxHeaderSize: 16 * 1024 },
    return503OnClosing: true,
    frameworkErrors: (error, _request, reply) => {
      sendProblem(reply as unknown as FastifyReply, problemOf(error))
    },
  })

  const routes: string[] = []
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat())
      if (each !== 'HEAD' && each !== 'OPTIONS') routes.push(`${each} ${url.replace(/:(\w+)/g, '{$1}')}`)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, strictJson(String(body)))
    } catch (error) {
      done(error instanceof BadJson ? new ProblemError(400, 'bad-json', error.message) : (error as Error))
    }
  })
  await app.register(cookie)
  await app.register(multipart, { throwFileSizeLimit: false })
  await app.register(websocket, {
    options: { maxPayload: MAX_BODY, handleProtocols, perMessageDeflate: false },
    errorHandler: (_error, socket) => socket.terminate(),
  })

  app.addHook('onRequest', async (request, reply) => {
    void reply
      .header('x-content-type-options', 'nosniff')
      .header('referrer-policy', 'no-referrer')
      .header('x-frame-options', 'DENY')
      .header('cross-origin-opener-policy', 'same-origin')
      .header('permissions-policy', 'camera=(), microphone=(), geolocation=()')
    if (request.protocol === 'https') void reply.header('strict-transport-security', 'max-age=31536000')
  })
  app.addHook('onResponse', async (request, reply) => {
    counters.record(request.method, request.routeOptions.url ?? 'app', reply.statusCode, reply.elapsedTime)
  })

  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error)
    if (problem.status >= 500 && !(error instanceof ProblemError))
      deps.onError?.(error, { requestId: request.id, route: request.routeOptions.url ?? request.url })
    void reply.removeHeader('content-length')
    return sendProblem(reply, problem)
  })

  sessionRoutes(app, services.sessions, deps.config.secureCookies ?? false)
  graphqlRoute(app, services, subscriptions, sockets.accept)
  readingRoutes(app, services)
  sendingRoutes(app, services)
  operationRoutes(app, deps, counters, () => [
    { name: 'everpost_websockets_open', help: 'Open WebSocket connections.', type: 'gauge', value: sockets.size },
    { name: 'everpost_subscriptions_open', help: 'Open subscriptions.', type: 'gauge', value: subscriptions.size },
  ])
  app.get('/openapi.json', async (_request, reply) => reply.send(openApi(deps.config.publicUrl)))

  const webApp = new StaticApp(deps.config.webRoot)
  app.setNotFoundHandler((request, reply) => {
    const isPage = request.method === 'GET' || request.method === 'HEAD'
    if (isPage && !API.test(request.url) && pathOf(request.url) !== undefined) return webApp.send(request, reply)
    return sendProblem(reply, { status: 404, code: 'not-found', detail: 'There is nothing at this address.' })
  })

  await app.ready()
  return {
    app,
    routes,
    listen: async ({ host, port }) => {
      await app.listen({ host, port })
      return (app.server.address() as AddressInfo).port
    },
    createWelcomeToken: (account) => services.sessions.createWelcomeToken(account),
    close: async () => {
      sockets.close()
      await app.close()
    },
  }
}

/** Addresses that are never the web app's. */
const API =
  /^\/(?:graphql|session|account|folders|message|attachments|body|part|metrics|healthz|readyz|openapi\.json)(?:[/?]|$)/

function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem
  if (error instanceof BadCursor) return { status: 400, code: 'bad-cursor', detail: error.message, field: 'after' }
  if (error instanceof BlobError && error.code === 'not-found')
    return { status: 404, code: 'gone', detail: error.message }
  const away = awayProblem(error)
  if (away !== undefined) return away
  const { statusCode, code, message } = error as Partial<FastifyError>
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    if (statusCode === 413)
      return { status: 413, code: 'too-large', detail: 'The request is larger than this address takes.' }
    if (statusCode === 415)
      return { status: 415, code: 'media-type', detail: 'This address does not take such a Content-Type.' }
    return {
      status: statusCode,
      code: (code ?? 'bad-request')
        .toLowerCase()
        .replace(/^fst_err_/, '')
        .replaceAll('_', '-'),
      detail: message ?? 'The request cannot be read.',
    }
  }
  // The form reader throws plain errors.
  if (error instanceof Error && /^Multipart: |end of multipart data|^Malformed part header/.test(error.message))
    return { status: 400, code: 'bad-form', detail: `The form cannot be read: ${error.message}.` }
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE')
    return { status: 400, code: 'bad-request', detail: 'The request ended before its body did.' }
  return { status: 500, code: 'internal', detail: 'Something went wrong here. It was noted; try again.' }
}
