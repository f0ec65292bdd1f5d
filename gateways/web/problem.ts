// Errors of HTTP as RFC 9457 problem documents: a code for programs, a sentence for people.
import type { FastifyReply } from 'fastify'
import { isUnavailable } from '../wire/unavailable.ts'

export interface Problem {
  readonly status: number
  readonly code: string
  readonly detail: string
  /** Name of the field that is wrong. */
  readonly field?: string
  readonly retryAfter?: number
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not signed in',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  411: 'Length required',
  413: 'Too large',
  414: 'Address too long',
  415: 'Unsupported media type',
  416: 'Range not satisfiable',
  422: 'Cannot be done',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Not available',
}

/** Thrown by handlers; the gateway's error handler sends it. */
export class ProblemError extends Error {
  readonly problem: Problem
  constructor(status: number, code: string, detail: string, more: Omit<Problem, 'status' | 'code' | 'detail'> = {}) {
    super(detail)
    this.name = 'ProblemError'
    this.problem = { status, code, detail, ...more }
  }
}

const AWAY: Problem = {
  status: 503,
  code: 'unavailable',
  detail: 'A part of the system cannot be reached just now: try again.',
  retryAfter: 2,
}

/** What to answer when an engine is away; undefined for other errors. */
export const awayProblem = (error: unknown): Problem | undefined => (isUnavailable(error) ? AWAY : undefined)

export function problemDocument({ status, code, detail, field }: Problem): object {
  return {
    type: `urn:everpost:problem:${code}`,
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    code,
    ...(field === undefined ? {} : { field }),
  }
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.retryAfter !== undefined) void reply.header('retry-after', String(problem.retryAfter))
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="everpost"')
  return reply
    .status(problem.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(JSON.stringify(problemDocument(problem)))
}

export const notFound = (what: string) => new ProblemError(404, 'not-found', `There is no such ${what}.`)
