// The GraphQL schema. Importing a file of types adds them to the builder.
import { buildSchema, type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql'
import { builder } from './builder.ts'
import './types/account.ts'
import './types/folder.ts'
import './types/connection.ts'
import './types/message.ts'
import './types/queue.ts'
import './types/search.ts'
import './types/history.ts'
import './types/snapshot.ts'
import './types/submission.ts'
import './types/quarantine.ts'
import './types/filter-rules.ts'
import './mutations/send.ts'
import './mutations/messages.ts'
import './mutations/folders.ts'
import './mutations/filter-rules.ts'
import './types/subscription.ts'

export const schema: GraphQLSchema = builder.toSchema({ sortSchema: false })

export const printedSchema = (): string =>
  `# Generated from the types in this folder: node gateways/graphql/print.ts\n\n${printSchema(lexicographicSortSchema(schema))}\n`

/** Whether a written schema says the same, whatever its layout. */
export const isCurrent = (written: string): boolean =>
  printSchema(lexicographicSortSchema(buildSchema(written))) === printSchema(lexicographicSortSchema(schema))
