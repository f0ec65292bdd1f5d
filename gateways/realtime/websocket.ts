// /graphql over WebSocket (graphql-transport-ws): signs in by `connection_init` or the upgrade's cookie, one message under way to a
// client at a time, so that a slow one is never ahead of itself; ends when its session does.
import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { type ExecutionArgs, type ExecutionResult, execute, GraphQLError, subscribe } from 'graphql'
import { CloseCode, makeServer, type Server, type SubscribePayload } from 'graphql-ws'
import type { GraphqlContext } from '../graphql/builder.ts'
import { contextFor } from '../graphql/context.ts'
import { toGraphqlError } from '../graphql/errors.ts'
import { prepare } from '../graphql/prepare.ts'
import { schema } from '../graphql/schema.ts'
import { clientOf, isSameOrigin, tokenOf } from '../session/request-session.ts'
import type { SignedIn } from '../session/sessions.ts'
import type { WebServices } from '../web/services.ts'
import type { Subscriptions } from './subscriptions.ts'

const PING_MS = 15_000
const MAX_SOCKETS_OF_ACCOUNT = 100
const MAX_OPERATIONS = 25

interface Connection {
  readonly request: FastifyRequest
  readonly socket: WebSocket
  readonly gone: AbortController
  token: string | undefined
  who: SignedIn | undefined
}

export class WebSockets {
  readonly #services: WebServices
  readonly #subscriptions: Subscriptions
  readonly #open = new Set<Connection>()
  readonly #stopListening: () => void
  readonly #server: Server<Connection>

  constructor(services: WebServices, subscriptions: Subscriptions) {
    this.#services = services
    this.#subscriptions = subscriptions
    this.#server = makeServer<Record<string, unknown>, Connection>({
      schema,
      connectionInitWaitTimeout: 10_000,
      onConnect: (ctx) => this.#signIn(ctx.extra, ctx.connectionParams),
      onSubscribe: (ctx, _id, params) => this.#prepare(ctx.extra, ctx.subscriptions, params),
      execute: (args) => execute(args as ExecutionArgs),
      subscribe: (args) => subscribe(args as ExecutionArgs) as Promise<AsyncIterableIterator<ExecutionResult>>,
      onError: (_ctx, _id, _payload, errors) => errors.map((error) => this.#shown(error).toJSON()),
      onNext: (_ctx, _id, _payload, _args, result) =>
        result.errors
          ? { data: result.data ?? null, errors: result.errors.map((error) => this.#shown(error).toJSON()) }
          : undefined,
    })
    this.#stopListening = services.sessions.onEnded(() => void this.#dropEnded())
  }

  get size(): number {
    return this.#open.size
  }

  close(): void {
    this.#stopListening()
    for (const { socket } of this.#open) socket.close(1001, 'The server is stopping')
  }

  readonly accept = (socket: WebSocket, request: FastifyRequest): void => {
    const connection: Connection = { request, socket, gone: new AbortController(), token: undefined, who: undefined }
    this.#open.add(connection)
    let alive = true
    const ping = setInterval(() => {
      // No pong since the last ping: the other end is gone or not reading.
      if (!alive) return socket.terminate()
      alive = false
      socket.ping()
      void this.#check(connection)
    }, PING_MS)
    socket.on('pong', () => {
      alive = true
    })
    socket.on('error', () => socket.terminate())
    const closed = this.#server.opened(
      {
        protocol: socket.protocol,
        // Resolves once the bytes have left this process: the next change is read after that.
        send: (data) =>
          new Promise((resolve, reject) => {
            if (socket.readyState !== socket.OPEN) return resolve()
            socket.send(data, (error) => (error ? reject(error) : resolve()))
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) => {
          socket.on('message', (data) => {
            handle(String(data)).catch(() => socket.close(CloseCode.InternalServerError, 'Internal error'))
          })
        },
      },
      connection,
    )
    socket.once('close', (code, reason) => {
      clearInterval(ping)
      this.#open.delete(connection)
      connection.gone.abort()
      void closed(code, String(reason))
    })
  }

  async #signIn(connection: Connection, params: Record<string, unknown> | undefined): Promise<boolean> {
    const { authorization, token } = params ?? {}
    const bearer =
      typeof token === 'string'
        ? token
        : typeof authorization === 'string'
          ? authorization.replace(/^Bearer +/i, '')
          : undefined
    const given = bearer === undefined ? tokenOf(connection.request) : undefined
    // A page of another site may open a socket with our cookie: only our own pages may use it.
    if (given?.from === 'cookie' && !isSameOrigin(connection.request)) return false
    connection.token = bearer ?? given?.token
    connection.who =
      connection.token === undefined ? undefined : await this.#services.sessions.signedIn(connection.token)
    if (!connection.who) return false
    const account = connection.who.account.id
    let count = 0
    for (const each of this.#open) if (each.who?.account.id === account) count++
    return count <= MAX_SOCKETS_OF_ACCOUNT
  }

  async #prepare(
    connection: Connection,
    running: Readonly<Record<string, unknown>>,
    params: SubscribePayload,
  ): Promise<readonly GraphQLError[] | ExecutionArgs> {
    const unauthenticated = [new GraphQLError('Sign in first.', { extensions: { code: 'UNAUTHENTICATED' } })]
    const who = connection.token === undefined ? undefined : await this.#services.sessions.signedIn(connection.token)
    if (!who) {
      connection.socket.close(4403, 'Forbidden')
      return unauthenticated
    }
    connection.who = who
    if (Object.keys(running).length > MAX_OPERATIONS)
      return [
        new GraphQLError(`A connection runs at most ${MAX_OPERATIONS} operations at once.`, {
          extensions: { code: 'TOO_MANY_OPERATIONS' },
        }),
      ]
    const { query, variables, operationName } = params
    const result = prepare({ query, variables, operationName })
    if (!result.ok) return result.errors
    const contextValue: GraphqlContext = contextFor(
      this.#services,
      this.#subscriptions,
      who,
      clientOf(connection.request),
      connection.gone.signal,
    )
    return {
      schema,
      document: result.prepared.document,
      contextValue,
      operationName: operationName ?? null,
      variableValues: variables ?? null,
    }
  }

  #shown(thrown: unknown): GraphQLError {
    const { error, unexpected } = toGraphqlError(thrown)
    if (unexpected) this.#services.deps.onError?.(thrown, { requestId: '', route: 'websocket' })
    const { http: _, ...extensions } = error.extensions
    return new GraphQLError(error.message, {
      ...(error.nodes ? { nodes: error.nodes } : {}),
      ...(error.path ? { path: error.path } : {}),
      extensions,
    })
  }

  async #dropEnded(): Promise<void> {
    for (const connection of [...this.#open]) await this.#check(connection)
  }

  async #check({ token, who, socket }: Connection): Promise<void> {
    if (!who || token === undefined) return
    try {
      if (await this.#services.sessions.signedIn(token)) return
    } catch {
      return
    }
    socket.close(4403, 'The session is over')
  }
}
