// What operators ask of a process that serves no web app: /healthz, /readyz and /metrics, and nothing else.
import Fastify from 'fastify'
import { type OperationsDependencies, operationRoutes, RequestCounters } from './metrics.ts'
import { ProblemError, sendProblem } from './problem.ts'

export interface OperationsGateway {
  /** Rejects with the system's error (EADDRINUSE, EACCES) when the port cannot be had. Answers the port. */
  listen(options: { readonly host: string; readonly port: number }): Promise<number>
  close(): Promise<void>
}

export function createOperationsGateway(deps: OperationsDependencies): OperationsGateway {
  const app = Fastify({ logger: false, forceCloseConnections: true })
  app.setErrorHandler((error, _request, reply) =>
    sendProblem(
      reply,
      error instanceof ProblemError
        ? error.problem
        : { status: 503, code: 'unavailable', detail: 'An engine does not answer: see the log of this process.' },
    ),
  )
  operationRoutes(app, deps, new RequestCounters(), () => [])
  return {
    listen: async ({ host, port }) => {
      await app.listen({ host, port })
      const address = app.server.address()
      return typeof address === 'object' && address !== null ? address.port : port
    },
    close: () => app.close(),
  }
}
