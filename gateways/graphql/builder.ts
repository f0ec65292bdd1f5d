// The schema builder that every file under types/ and mutations/ adds to, and the context that resolvers get.
import SchemaBuilder from '@pothos/core'
import { GraphQLError, Kind } from 'graphql'
import type { CommandContext } from '../../commands/context.ts'
import type { AccountId, Revision } from '../../domain/log.ts'
import type { Client, SignedIn } from '../session/sessions.ts'
import { parseInstant } from '../web/fields.ts'
import type { MessageContents } from '../web/message-contents.ts'
import type { WebServices } from '../web/services.ts'

export interface GraphqlContext {
  readonly who: SignedIn
  readonly accountId: AccountId
  readonly services: WebServices
  readonly client: Client
  /** Of this request, or of this step of a subscription. */
  contents: MessageContents
  /** For a new command of this request. */
  command(commandId?: string): CommandContext
  /** Aborts when the client has gone. */
  readonly signal?: AbortSignal | undefined
  /** Where a subscription asks whether it may go on. */
  readonly subscriptions: { open(session: string): () => void }
}

export const builder = new SchemaBuilder<{
  Context: GraphqlContext
  DefaultFieldNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    Revision: { Input: Revision; Output: Revision }
    DateTime: { Input: number; Output: number }
  }
}>({ defaultFieldNullability: false })

const wrong = (message: string) => new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } })

function readRevision(value: unknown): Revision {
  if (typeof value !== 'string' || !/^\d{1,18}$/.test(value))
    throw wrong('A Revision is a decimal string such as "1203".')
  return BigInt(value)
}

builder.scalarType('Revision', {
  description: 'Decimal string: 0-based number of an event in the mailbox stream.',
  serialize: String,
  parseValue: readRevision,
  parseLiteral: (node) => readRevision(node.kind === Kind.STRING || node.kind === Kind.INT ? node.value : undefined),
})

function readInstant(value: unknown): number {
  const time = typeof value === 'string' ? parseInstant(value) : undefined
  if (time === undefined)
    throw wrong('A DateTime is an ISO 8601 instant with an offset, such as "2026-03-01T09:00:00+09:00".')
  return time
}

builder.scalarType('DateTime', {
  description: 'ISO 8601 instant with offset.',
  serialize: isoTime,
  parseValue: readInstant,
  parseLiteral: (node) => readInstant(node.kind === Kind.STRING ? node.value : undefined),
})

/** Mail claims dates that no calendar has; they are shown at the calendar's end. */
export function isoTime(time: number): string {
  return new Date(Math.max(-62_135_596_800_000, Math.min(253_402_300_799_999, time))).toISOString()
}

builder.queryType({})
builder.mutationType({})
builder.subscriptionType({})
