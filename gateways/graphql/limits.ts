// What one GraphQL operation may cost, said before anything runs. No library: the limits need our own list sizes.
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'

export const MAX_TOKENS = 2000
export const MAX_DEPTH = 12
export const MAX_ALIASES = 20
export const MAX_BATCH = 5
export const MAX_COST = 100_000
/** Introspection is deeper than any honest query of ours, and costs little. */
const MAX_INTROSPECTION_DEPTH = 20
const MAX_SELECTIONS = 20_000

/** Fields that read a blob, run a search or replay a log. */
const COSTS: Readonly<Record<string, number>> = {
  'Message.text': 5,
  'Message.html': 500,
  'Message.remoteImageCount': 500,
  'Message.bodyUrl': 5,
  'Message.attachments': 5,
  'Query.search': 500,
  'Query.mailboxAt': 10_000,
  'Query.history': 200,
  'Query.thread': 100,
  'Query.testFilterRules': 10_000,
  'Query.checkFilterRules': 50,
  'Mutation.saveFilterRules': 50,
}
/** Entries of lists that no argument bounds. */
const LIST_SIZE = 5

const refuse = (code: string, message: string) => new GraphQLError(message, { extensions: { code } })

/** Depth and aliases of every operation, fragments counted where they are spread. For documents that passed validation. */
export function shapeErrors(document: DocumentNode): readonly GraphQLError[] {
  const fragments = fragmentsOf(document)
  let budget = MAX_SELECTIONS
  const aliases = new Map<string, number>()
  let deepest = 0
  let isIntrospection = false
  const walk = (set: SelectionSetNode, depth: number): void => {
    for (const selection of set.selections) {
      if (--budget < 0) return
      if (selection.kind === Kind.FIELD) {
        if (selection.name.value === '__schema' || selection.name.value === '__type') isIntrospection = true
        if (selection.alias) aliases.set(selection.name.value, (aliases.get(selection.name.value) ?? 0) + 1)
        deepest = Math.max(deepest, depth)
        if (selection.selectionSet && depth <= MAX_INTROSPECTION_DEPTH) walk(selection.selectionSet, depth + 1)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) walk(selection.selectionSet, depth)
      else {
        const fragment = fragments.get(selection.name.value)
        if (fragment) walk(fragment.selectionSet, depth)
      }
    }
  }
  for (const definition of document.definitions)
    if (definition.kind === Kind.OPERATION_DEFINITION) walk(definition.selectionSet, 1)
  const errors: GraphQLError[] = []
  const most = isIntrospection ? MAX_INTROSPECTION_DEPTH : MAX_DEPTH
  if (budget < 0) errors.push(refuse('TOO_COSTLY', `A document selects at most ${MAX_SELECTIONS} fields.`))
  if (deepest > most) errors.push(refuse('TOO_DEEP', `A query nests at most ${most} fields.`))
  for (const [name, count] of aliases)
    if (count > MAX_ALIASES)
      errors.push(
        refuse(
          'TOO_MANY_ALIASES',
          `A document asks for a field under at most ${MAX_ALIASES} names: ${name} has ${count}.`,
        ),
      )
  return errors
}

/** What the operation may read with these variables, in fields. */
export function costOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): number {
  const fragments = fragmentsOf(document)
  const root = schema.getRootType(operation.operation)
  let steps = MAX_SELECTIONS
  const cost = (set: SelectionSetNode, type: GraphQLOutputType | undefined, times: number): number => {
    const named = type && getNamedType(type)
    let total = 0
    for (const selection of set.selections) {
      if (--steps < 0) return Number.POSITIVE_INFINITY
      if (selection.kind === Kind.FIELD) {
        const field = isObjectType(named) ? named.getFields()[selection.name.value] : undefined
        const own = isObjectType(named) ? (COSTS[`${named.name}.${selection.name.value}`] ?? 1) : 1
        total += times * own
        if (!selection.selectionSet) continue
        const asked = firstOf(selection, variables)
        const size = asked ?? (isList(field?.type) && times < 500 && !isEdges(selection) ? LIST_SIZE : 1)
        total += cost(selection.selectionSet, field?.type, times * size)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const condition = selection.typeCondition ? schema.getType(selection.typeCondition.name.value) : undefined
        total += cost(selection.selectionSet, isObjectType(condition) ? condition : type, times)
      } else {
        const fragment = fragments.get(selection.name.value)
        const condition = fragment && schema.getType(fragment.typeCondition.name.value)
        if (fragment) total += cost(fragment.selectionSet, isObjectType(condition) ? condition : type, times)
      }
    }
    return total
  }
  return cost(operation.selectionSet, root ?? undefined, 1)
}

/** Edges are as many as their connection's `first` says, which is counted there. */
const isEdges = (field: FieldNode): boolean => field.name.value === 'edges'

function firstOf(field: FieldNode, variables: Readonly<Record<string, unknown>>): number | undefined {
  const argument = field.arguments?.find(({ name }) => name.value === 'first')
  const isPage = field.name.value === 'messages' || field.name.value === 'search' || field.name.value === 'submissions'
  if (!argument) return isPage && (field.arguments?.length ?? 0) > 0 ? 50 : undefined
  const value = argument.value.kind === Kind.VARIABLE ? variables[argument.value.name.value] : argument.value
  const first = typeof value === 'number' ? value : Number((value as { value?: unknown } | undefined)?.value)
  return Number.isFinite(first) ? Math.max(1, first) : 50
}

function isList(type: GraphQLOutputType | undefined): boolean {
  return isListType(isNonNullType(type) ? type.ofType : type)
}

function fragmentsOf(document: DocumentNode): ReadonlyMap<string, FragmentDefinitionNode> {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  return fragments
}
