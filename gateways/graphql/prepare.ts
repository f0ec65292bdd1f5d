// From the text of a request to an operation that may run: parsed, validated, measured. Good documents are kept.
import {
  type DocumentNode,
  GraphQLError,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  validate,
} from 'graphql'
import { getVariableValues } from 'graphql/execution/values.js'
import { costOf, MAX_COST, MAX_TOKENS, shapeErrors } from './limits.ts'
import { type ListPlan, planLists } from './list-plan.ts'
import { schema } from './schema.ts'

export interface Prepared {
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
  /** A shorter way to the same answer, for operations that only list. */
  readonly plan: ListPlan | undefined
  readonly variables: Readonly<Record<string, unknown>>
}

export type Preparation =
  | { readonly ok: true; readonly prepared: Prepared }
  | { readonly ok: false; readonly errors: readonly GraphQLError[] }

interface KnownDocument {
  readonly document: DocumentNode
  readonly plans: Map<string, ListPlan | undefined>
}

const KNOWN = 1000
const MAX_QUERY = 64 * 1024
const known = new Map<string, KnownDocument>()

const failed = (code: string, message: string): Preparation => ({
  ok: false,
  errors: [new GraphQLError(message, { extensions: { code } })],
})

/** `params` is what a client sent: nothing about it is trusted. */
export function prepare(params: unknown): Preparation {
  if (typeof params !== 'object' || params === null || Array.isArray(params))
    return failed('BAD_REQUEST', 'A request is an object with a query.')
  const { query, variables, operationName, extensions, ...others } = params as Record<string, unknown>
  const stranger = Object.keys(others)[0]
  if (stranger !== undefined)
    return failed('BAD_REQUEST', `A request has no field ${JSON.stringify(stranger.slice(0, 50))}.`)
  if (typeof query !== 'string' || query.trim() === '')
    return failed('BAD_REQUEST', 'The field query must be a GraphQL document.')
  if (query.length > MAX_QUERY) return failed('TOO_LONG', `A document takes at most ${MAX_QUERY} characters.`)
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string')
    return failed('BAD_REQUEST', 'The field operationName must be text.')
  if (variables !== undefined && variables !== null && (typeof variables !== 'object' || Array.isArray(variables)))
    return failed('BAD_REQUEST', 'The field variables must be an object.')
  if (extensions !== undefined && extensions !== null && typeof extensions !== 'object')
    return failed('BAD_REQUEST', 'The field extensions must be an object.')
  const found = documentOf(query)
  if (Array.isArray(found)) return { ok: false, errors: found }
  const { document, plans } = found as KnownDocument
  const operation = getOperationAST(document, operationName ?? undefined)
  if (!operation)
    return failed(
      'BAD_REQUEST',
      operationName ? 'The document has no such operation.' : 'Name one of the operations in operationName.',
    )
  const coerced = getVariableValues(
    schema,
    operation.variableDefinitions ?? [],
    (variables ?? {}) as Record<string, unknown>,
    {
      maxErrors: 5,
    },
  )
  if (coerced.errors) return { ok: false, errors: coerced.errors.map((error) => coded(error, 'BAD_USER_INPUT')) }
  if (costOf(schema, document, operation, coerced.coerced) > MAX_COST)
    return failed('TOO_COSTLY', 'The query asks for too much at once: take smaller pages or fewer fields.')
  const name = operation.name?.value ?? ''
  let plan = plans.get(name)
  if (!plans.has(name)) {
    plan = operation.operation === OperationTypeNode.QUERY ? planLists(schema, document, operation) : undefined
    plans.set(name, plan)
  }
  return { ok: true, prepared: { document, operation, plan, variables: coerced.coerced } }
}

function documentOf(query: string): KnownDocument | GraphQLError[] {
  const held = known.get(query)
  if (held) {
    known.delete(query)
    known.set(query, held)
    return held
  }
  let document: DocumentNode
  try {
    document = parse(query, { maxTokens: MAX_TOKENS })
  } catch (error) {
    if (error instanceof GraphQLError) return [coded(error, 'GRAPHQL_PARSE_FAILED')]
    // A document nested deeper than the parser's stack.
    return [new GraphQLError('The document nests too deeply.', { extensions: { code: 'TOO_DEEP' } })]
  }
  if (
    document.definitions.some(
      (definition) => definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION,
    )
  )
    return [
      new GraphQLError('A document holds operations and fragments only.', { extensions: { code: 'BAD_REQUEST' } }),
    ]
  const errors = validate(schema, document, undefined, { maxErrors: 10 })
  if (errors.length > 0) return errors.map((error) => coded(error, 'GRAPHQL_VALIDATION_FAILED'))
  const shape = shapeErrors(document)
  if (shape.length > 0) return [...shape]
  const entry = { document, plans: new Map<string, ListPlan | undefined>() }
  known.set(query, entry)
  const oldest = known.size > KNOWN ? known.keys().next().value : undefined
  if (oldest !== undefined) known.delete(oldest)
  return entry
}

function coded(error: GraphQLError, code: string): GraphQLError {
  if (error.extensions['code'] !== undefined) return error
  return new GraphQLError(error.message, {
    ...(error.nodes ? { nodes: error.nodes } : {}),
    ...(error.source ? { source: error.source } : {}),
    ...(error.positions ? { positions: error.positions } : {}),
    extensions: { code },
  })
}
