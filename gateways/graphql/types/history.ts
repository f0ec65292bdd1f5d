import { type HistoryEntry, messageHistory } from '../../web/history.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder } from '../builder.ts'

const HistoryEntryType = builder.objectRef<HistoryEntry>('HistoryEntry').implement({
  fields: (t) => ({
    eventId: t.exposeID('eventId'),
    type: t.exposeString('type'),
    stream: t.exposeString('stream'),
    revision: t.field({ type: 'Revision', resolve: (entry) => entry.revision }),
    position: t.exposeString('position'),
    at: t.field({ type: 'DateTime', resolve: (entry) => entry.at }),
    actor: t.exposeString('actor'),
    via: t.exposeString('via'),
    clientAddress: t.exposeString('clientAddress', { nullable: true }),
    clientName: t.exposeString('clientName', { nullable: true }),
    summary: t.exposeString('summary'),
    correlationId: t.exposeString('correlationId'),
    causationId: t.exposeString('causationId'),
  }),
})

builder.queryField('history', (t) =>
  t.field({
    type: [HistoryEntryType],
    args: { messageId: t.arg.id({ required: true }) },
    resolve: async (_root, { messageId }, { who, services }) => {
      const entries = await messageHistory(services.deps, who.account, messageId)
      if (entries.length === 0) throw new ProblemError(404, 'no-such-message', 'There is no such message.')
      return entries
    },
  }),
)
