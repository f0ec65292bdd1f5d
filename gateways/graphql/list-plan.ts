// The lists that a mail client asks for all day, answered without the executor: `messages` and `folders` of which only row fields
// are selected. The answer is the executor's, byte for byte (a test compares them); everything else has no plan.
import {
  type DocumentNode,
  type FieldNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'
import { getArgumentValues } from 'graphql/execution/values.js'
import type { AccountId } from '../../domain/log.ts'
import type { MailAddress } from '../../domain/mail/structure.ts'
import type { FolderRow, MessageFilter, MessagePage, MessageRow } from '../../projections/queries.ts'
import type { WebServices } from '../web/services.ts'
import { isoTime } from './builder.ts'
import { checkPage, readFilter } from './types/connection.ts'

/** JSON of the operation's `data`; undefined when the executor must answer, because something is wrong with the request. */
export type ListPlan = (
  services: WebServices,
  account: AccountId,
  variables: Readonly<Record<string, unknown>>,
) => Promise<string | undefined>

type Writer<T> = (value: T) => string

const text = JSON.stringify as (value: string) => string
const ROLES: Readonly<Record<string, string>> = {
  inbox: '"INBOX"',
  drafts: '"DRAFTS"',
  sent: '"SENT"',
  archive: '"ARCHIVE"',
  junk: '"JUNK"',
  trash: '"TRASH"',
}

const ADDRESS: Readonly<Record<string, Writer<MailAddress>>> = {
  __typename: () => '"Address"',
  name: ({ name }) => (name === undefined ? 'null' : text(name)),
  address: ({ address }) => text(address),
}

const MESSAGE: Readonly<Record<string, Writer<MessageRow>>> = {
  __typename: () => '"Message"',
  id: (row) => text(row.id),
  folderId: (row) => text(row.folderId),
  uid: (row) => String(row.uid),
  threadId: (row) => text(row.threadId),
  subject: (row) => text(row.subject),
  date: (row) => (row.date === null ? 'null' : `"${isoTime(row.date)}"`),
  receivedAt: (row) => `"${isoTime(row.receivedAt)}"`,
  size: (row) => String(row.size),
  flags: (row) => JSON.stringify(row.flags),
  unread: (row) => String(!row.flags.includes('\\seen')),
  flagged: (row) => String(row.flags.includes('\\flagged')),
  snippet: (row) => text(row.snippet),
  hasAttachment: (row) => String(row.hasAttachment),
  messageIdHeader: (row) => (row.messageIdHeader === '' ? 'null' : text(row.messageIdHeader)),
  rawUrl: (row) => text(`/message/${row.id}/raw`),
}
const MESSAGE_ADDRESSES: Readonly<Record<string, (row: MessageRow) => readonly MailAddress[]>> = {
  from: (row) => row.from,
  to: (row) => row.to,
}

const FOLDER: Readonly<Record<string, Writer<FolderRow>>> = {
  __typename: () => '"Folder"',
  id: (folder) => text(folder.id),
  name: (folder) => text(folder.name),
  parentId: (folder) => (folder.parentId === null ? 'null' : text(folder.parentId)),
  role: (folder) => (folder.role === null ? 'null' : (ROLES[folder.role] as string)),
  total: (folder) => String(folder.total),
  unread: (folder) => String(folder.unread),
  uidValidity: (folder) => String(folder.uidValidity),
  uidNext: (folder) => String(folder.uidNext),
  subscribed: (folder) => String(folder.subscribed),
}

interface Edge {
  readonly cursor: string
  readonly node: MessageRow
}

interface Listed {
  readonly page: MessagePage
  readonly hasPreviousPage: boolean
  readonly total: number
}

/** Undefined when the operation asks for anything that is not a plain list. */
export function planLists(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): ListPlan | undefined {
  try {
    return new Planner(schema, document).operation(operation)
  } catch (error) {
    if (error === NO_PLAN) return undefined
    throw error
  }
}

const NO_PLAN = new Error('no plan')

class Planner {
  readonly #schema: GraphQLSchema
  readonly #document: DocumentNode
  constructor(schema: GraphQLSchema, document: DocumentNode) {
    this.#schema = schema
    this.#document = document
  }

  operation({ selectionSet, directives }: OperationDefinitionNode): ListPlan {
    if (directives && directives.length > 0) throw NO_PLAN
    const fields = this.#fields(selectionSet)
    if (fields.length > 5) throw NO_PLAN
    const parts = fields.map(([key, field]) => ({ key: `${text(key)}:`, write: this.#root(field) }))
    return async (services, account, variables) => {
      let data = '{'
      for (const { key, write } of parts) {
        const value = await write(services, account, variables)
        if (value === undefined) return undefined
        data += `${data.length > 1 ? ',' : ''}${key}${value}`
      }
      return `${data}}`
    }
  }

  #root(field: FieldNode): ListPlan {
    const definition = this.#schema.getQueryType()?.getFields()[field.name.value]
    if (!definition || !field.selectionSet) throw NO_PLAN
    if (field.name.value === 'folders') {
      const write = this.#object(field.selectionSet, FOLDER)
      return async (services, account, variables) => {
        const { atLeast } = getArgumentValues(definition, field, variables)
        await services.atLeast(account, atLeast as bigint | undefined)
        return list(await services.deps.views.mailbox.folders(account), write)
      }
    }
    if (field.name.value !== 'messages') throw NO_PLAN
    const { write, needsTotal } = this.#connection(field.selectionSet)
    return async (services, account, variables) => {
      const args = getArgumentValues(definition, field, variables) as unknown as MessagesArguments
      const filter = readFilter(args.filter)
      const options = checkPage(args)
      await services.atLeast(account, args.atLeast)
      const page = await services.deps.views.mailbox.messages(account, args.folderId, { filter, ...options })
      if (page.rows.length === 0) return undefined
      const total = needsTotal ? await services.count(account, args.folderId, filter) : 0
      const hasPreviousPage = options.after !== undefined || options.offset !== undefined
      return write({ page, hasPreviousPage, total })
    }
  }

  #connection(set: SelectionSetNode): { write: Writer<Listed>; needsTotal: boolean } {
    const parts: { key: string; write: Writer<Listed> }[] = []
    let needsTotal = false
    for (const [key, field] of this.#fields(set)) {
      const add = (write: Writer<Listed>) => parts.push({ key: `${text(key)}:`, write })
      const inner = field.selectionSet
      if (field.name.value === '__typename') add(() => '"MessageConnection"')
      else if (field.name.value === 'revision')
        add(({ page }) => (page.revision === undefined ? 'null' : `"${page.revision}"`))
      else if (field.name.value === 'totalCount') {
        needsTotal = true
        add(({ total }) => String(total))
      } else if (field.name.value === 'pageInfo' && inner) {
        add(
          this.#object<Listed>(inner, {
            __typename: () => '"PageInfo"',
            hasNextPage: ({ page }) => String(page.next !== null),
            hasPreviousPage: (listed) => String(listed.hasPreviousPage),
            startCursor: ({ page }) => text(page.cursors[0] ?? ''),
            endCursor: ({ page }) => text(page.cursors.at(-1) ?? ''),
          }),
        )
      } else if (field.name.value === 'edges' && inner) {
        const edge = this.#edge(inner)
        add(({ page }) =>
          list(
            page.rows.map((node, i) => ({ cursor: page.cursors[i] ?? '', node })),
            edge,
          ),
        )
      } else throw NO_PLAN
    }
    return { write: object(parts), needsTotal }
  }

  #edge(set: SelectionSetNode): Writer<Edge> {
    return object(
      this.#fields(set).map(([key, field]) => {
        const write = ((): Writer<Edge> => {
          if (field.name.value === '__typename') return () => '"MessageEdge"'
          if (field.name.value === 'cursor') return ({ cursor }) => text(cursor)
          if (field.name.value !== 'node' || !field.selectionSet) throw NO_PLAN
          const message = this.#message(field.selectionSet)
          return ({ node }) => message(node)
        })()
        return { key: `${text(key)}:`, write }
      }),
    )
  }

  #message(set: SelectionSetNode): Writer<MessageRow> {
    return object(
      this.#fields(set).map(([key, field]) => {
        const addresses = MESSAGE_ADDRESSES[field.name.value]
        const plain = MESSAGE[field.name.value]
        if (addresses && field.selectionSet) {
          const write = this.#object(field.selectionSet, ADDRESS)
          return { key: `${text(key)}:`, write: (row: MessageRow) => list(addresses(row), write) }
        }
        if (!plain) throw NO_PLAN
        return { key: `${text(key)}:`, write: plain }
      }),
    )
  }

  #object<T>(set: SelectionSetNode, writers: Readonly<Record<string, Writer<T>>>): Writer<T> {
    return object(
      this.#fields(set).map(([key, field]) => {
        const write = writers[field.name.value]
        if (!write) throw NO_PLAN
        return { key: `${text(key)}:`, write }
      }),
    )
  }

  /** Fields by response key, fragments opened. Directives and keys that come twice are the executor's. */
  #fields(set: SelectionSetNode, into = new Map<string, FieldNode>()): readonly (readonly [string, FieldNode])[] {
    for (const selection of set.selections) {
      if (selection.directives && selection.directives.length > 0) throw NO_PLAN
      if (selection.kind === Kind.FIELD) {
        const key = selection.alias?.value ?? selection.name.value
        if (into.has(key)) throw NO_PLAN
        into.set(key, selection)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) this.#fields(selection.selectionSet, into)
      else {
        const fragment = this.#document.definitions.find(
          (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === selection.name.value,
        )
        if (fragment?.kind !== Kind.FRAGMENT_DEFINITION || (fragment.directives?.length ?? 0) > 0) throw NO_PLAN
        this.#fields(fragment.selectionSet, into)
      }
    }
    return [...into]
  }
}

interface MessagesArguments {
  readonly folderId: string
  readonly filter?: { readonly [Key in keyof MessageFilter]: MessageFilter[Key] | null } | null
  readonly first?: number | null
  readonly after?: string | null
  readonly offset?: number | null
  readonly atLeast?: bigint | null
}

function object<T>(parts: readonly { readonly key: string; readonly write: Writer<T> }[]): Writer<T> {
  return (value) => {
    let json = '{'
    for (const { key, write } of parts) json += (json.length > 1 ? ',' : '') + key + write(value)
    return `${json}}`
  }
}

function list<T>(values: readonly T[], write: Writer<T>): string {
  let json = '['
  for (const value of values) json += (json.length > 1 ? ',' : '') + write(value)
  return `${json}]`
}
