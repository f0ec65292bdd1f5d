// Pages of messages as Relay connections.
import type { Revision } from '../../../domain/log.ts'
import type { MessageFilter, MessagePage, MessageRow } from '../../../projections/queries.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder } from '../builder.ts'
import { MessageType } from './message.ts'

export interface PageInfo {
  readonly hasNextPage: boolean
  readonly hasPreviousPage: boolean
  readonly startCursor: string | null
  readonly endCursor: string | null
}

export interface MessageConnection {
  readonly page: MessagePage
  readonly hasPreviousPage: boolean
  totalCount(): number | Promise<number>
  readonly revision: Revision | null
}

export const MessageFilterInput = builder.inputType('MessageFilter', {
  fields: (t) => ({
    unread: t.boolean(),
    flagged: t.boolean(),
    hasAttachment: t.boolean(),
    from: t.string(),
    since: t.field({ type: 'DateTime' }),
    before: t.field({ type: 'DateTime' }),
  }),
})

export const PageInfoType = builder.objectRef<PageInfo>('PageInfo').implement({
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNextPage'),
    hasPreviousPage: t.exposeBoolean('hasPreviousPage'),
    startCursor: t.exposeString('startCursor', { nullable: true }),
    endCursor: t.exposeString('endCursor', { nullable: true }),
  }),
})

const EdgeType = builder.objectRef<{ readonly cursor: string; readonly node: MessageRow }>('MessageEdge').implement({
  fields: (t) => ({
    cursor: t.exposeString('cursor'),
    node: t.field({ type: MessageType, resolve: (edge) => edge.node }),
  }),
})

export const MessageConnectionType = builder.objectRef<MessageConnection>('MessageConnection').implement({
  fields: (t) => ({
    edges: t.field({
      type: [EdgeType],
      resolve: ({ page }) => page.rows.map((node, i) => ({ cursor: page.cursors[i] ?? '', node })),
    }),
    pageInfo: t.field({ type: PageInfoType, resolve: pageInfo }),
    totalCount: t.int({ resolve: (connection) => connection.totalCount() }),
    revision: t.field({ type: 'Revision', nullable: true, resolve: (connection) => connection.revision }),
  }),
})

export function pageInfo({ page, hasPreviousPage }: MessageConnection): PageInfo {
  return {
    hasNextPage: page.next !== null,
    hasPreviousPage,
    startCursor: page.cursors[0] ?? null,
    endCursor: page.cursors.at(-1) ?? null,
  }
}

export const MAX_FIRST = 500
const MAX_OFFSET = 10_000_000

/** Checks what a page is asked with; the sentence names the argument. */
export function checkPage(
  {
    first,
    after,
    offset,
  }: { first?: number | null | undefined; after?: string | null | undefined; offset?: number | null | undefined },
  maxFirst = MAX_FIRST,
): { first: number; after?: string; offset?: number } {
  const count = first ?? 50
  const bad = (field: string, detail: string) => new ProblemError(400, 'bad-user-input', detail, { field })
  if (count < 1 || count > maxFirst) throw bad('first', `first takes 1 to ${maxFirst}.`)
  if (typeof offset === 'number' && (offset < 0 || offset > MAX_OFFSET))
    throw bad('offset', `offset takes 0 to ${MAX_OFFSET}.`)
  if (typeof offset === 'number' && offset > 0 && typeof after === 'string')
    throw bad('offset', 'Use after or offset, not both.')
  if (typeof after === 'string' && after.length > 500)
    throw bad('after', 'The cursor is not one that this server gave out.')
  return {
    first: count,
    ...(typeof after === 'string' ? { after } : {}),
    ...(typeof offset === 'number' && offset > 0 ? { offset } : {}),
  }
}

type FilterInput = { readonly [Key in keyof MessageFilter]: MessageFilter[Key] | null }

export function readFilter(input: FilterInput | null | undefined): MessageFilter {
  if (!input) return {}
  const { unread, flagged, hasAttachment, from, since, before } = input
  if (typeof from === 'string' && from.length > 200)
    throw new ProblemError(400, 'bad-user-input', 'filter.from takes at most 200 characters.', { field: 'filter.from' })
  return {
    unread: unread ?? undefined,
    flagged: flagged ?? undefined,
    hasAttachment: hasAttachment ?? undefined,
    from: from || undefined,
    since: since ?? undefined,
    before: before ?? undefined,
  }
}

builder.queryField('messages', (t) =>
  t.field({
    type: MessageConnectionType,
    description: 'Newest first. `offset` skips rows instead of `after`, for scroll bars over long folders.',
    args: {
      folderId: t.arg.id({ required: true }),
      filter: t.arg({ type: MessageFilterInput }),
      first: t.arg.int({ defaultValue: 50 }),
      after: t.arg.string(),
      offset: t.arg.int(),
      atLeast: t.arg({ type: 'Revision' }),
    },
    resolve: async (_root, args, { accountId, services }): Promise<MessageConnection> => {
      const { folderId } = args
      const filter = readFilter(args.filter)
      const options = checkPage(args)
      await services.atLeast(accountId, args.atLeast)
      const { mailbox } = services.deps.views
      const page = await mailbox.messages(accountId, folderId, { filter, ...options })
      if (page.rows.length === 0 && !(await mailbox.folder(accountId, folderId)))
        throw new ProblemError(404, 'no-such-folder', 'This folder does not exist.')
      return {
        page,
        hasPreviousPage: options.after !== undefined || options.offset !== undefined,
        totalCount: () => services.count(accountId, folderId, filter),
        revision: page.revision ?? null,
      }
    },
  }),
)
