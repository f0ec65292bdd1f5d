// Errors of resolvers as clients see them: a code and a sentence; what nobody foresaw stays in the program's log.
import { GraphQLError } from 'graphql'
import { BlobError } from '../../commands/ports/blob-store.ts'
import { BadCursor } from '../../projections/queries.ts'
import { awayProblem, ProblemError } from '../web/problem.ts'

const CODES: Readonly<Record<string, string>> = { 'signed-out': 'UNAUTHENTICATED' }

export const toCode = (code: string): string => CODES[code] ?? code.toUpperCase().replaceAll('-', '_')

/** What was thrown, as an error to answer with; `unexpected` when a person cannot do anything about it. */
export function toGraphqlError(error: unknown): { readonly error: GraphQLError; readonly unexpected: boolean } {
  const cause = error instanceof GraphQLError && error.originalError ? error.originalError : error
  const located = error instanceof GraphQLError ? error : undefined
  const make = (message: string, code: string, status: number, more: object = {}) =>
    new GraphQLError(message, {
      ...(located?.nodes ? { nodes: located.nodes } : {}),
      ...(located?.path ? { path: located.path } : {}),
      extensions: { code, ...more, http: { status } },
    })
  if (cause instanceof ProblemError) {
    const { code, detail, status, field } = cause.problem
    return { error: make(detail, toCode(code), status, field ? { field } : {}), unexpected: false }
  }
  if (cause instanceof BadCursor) return { error: make(cause.message, 'BAD_CURSOR', 400), unexpected: false }
  if (cause instanceof BlobError && cause.code === 'not-found')
    return { error: make(cause.message, 'GONE', 404), unexpected: false }
  if (cause instanceof GraphQLError) {
    if (cause.extensions['code'] !== undefined) return { error: cause, unexpected: false }
    return { error: make(cause.message, 'BAD_REQUEST', 400), unexpected: false }
  }
  const away = awayProblem(cause)
  if (away !== undefined) return { error: make(away.detail, toCode(away.code), away.status), unexpected: true }
  return {
    error: make('Something went wrong here. It was noted; try again.', 'INTERNAL', 500),
    unexpected: true,
  }
}
