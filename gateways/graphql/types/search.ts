import type { MessageRow } from '../../../projections/queries.ts'
import type { MessageHit, SearchResult, Segment } from '../../../projections/search/search.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder } from '../builder.ts'
import { checkPage, PageInfoType } from './connection.ts'
import { MessageType } from './message.ts'

const MAX_QUERY = 2000
const MAX_HITS = 250

const FragmentType = builder.objectRef<Segment>('Fragment').implement({
  description: 'Text, and whether it matched: show it with a mark, never as HTML.',
  fields: (t) => ({ text: t.exposeString('text'), match: t.exposeBoolean('match') }),
})

interface Edge {
  readonly hit: MessageHit
  readonly node: MessageRow
}

const SearchEdgeType = builder.objectRef<Edge>('SearchEdge').implement({
  fields: (t) => ({
    cursor: t.string({ resolve: ({ hit }) => hit.cursor }),
    score: t.float({ resolve: ({ hit }) => hit.score }),
    node: t.field({ type: MessageType, resolve: ({ node }) => node }),
    subject: t.field({ type: [FragmentType], resolve: ({ hit }) => hit.subject }),
    snippet: t.field({ type: [FragmentType], resolve: ({ hit }) => hit.snippet }),
  }),
})

interface Found {
  readonly edges: readonly Edge[]
  readonly result: SearchResult
  readonly isFirst: boolean
}

const SearchConnectionType = builder.objectRef<Found>('SearchConnection').implement({
  fields: (t) => ({
    edges: t.field({ type: [SearchEdgeType], resolve: ({ edges }) => edges }),
    pageInfo: t.field({
      type: PageInfoType,
      resolve: ({ result, isFirst }) => ({
        hasNextPage: result.hasNext,
        hasPreviousPage: !isFirst,
        startCursor: result.hits[0]?.cursor ?? null,
        endCursor: result.cursor,
      }),
    }),
    totalCount: t.int({ resolve: ({ result }) => result.total }),
    totalIsExact: t.boolean({ resolve: ({ result }) => result.totalIsExact }),
    warnings: t.stringList({ resolve: ({ result }) => result.warnings }),
  }),
})

builder.queryField('search', (t) =>
  t.field({
    type: SearchConnectionType,
    args: {
      query: t.arg.string({ required: true }),
      first: t.arg.int({ defaultValue: 50 }),
      after: t.arg.string(),
      atLeast: t.arg({ type: 'Revision' }),
    },
    resolve: async (_root, args, { accountId, services }): Promise<Found> => {
      if (args.query.length > MAX_QUERY)
        throw new ProblemError(400, 'bad-user-input', `A search takes at most ${MAX_QUERY} characters.`, {
          field: 'query',
        })
      const options = checkPage(args, MAX_HITS)
      await services.searchableAtLeast(accountId, args.atLeast)
      const result = await services.deps.search(accountId, args.query, options)
      const ids = result.hits.map(({ messageId }) => messageId)
      const rows = new Map((await services.deps.views.mailbox.messagesById(accountId, ids)).map((row) => [row.id, row]))
      const edges = result.hits.flatMap((hit) => {
        const node = rows.get(hit.messageId)
        return node && !node.expunged ? [{ hit, node }] : []
      })
      return { edges, result, isFirst: options.after === undefined }
    },
  }),
)
