import { dropQuarantined, releaseQuarantined } from '../../../commands/quarantine-mail.ts'
import type { QuarantineRow } from '../../../projections/queries.ts'
import { readStored } from '../../quarantine/read-stored.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder, type GraphqlContext } from '../builder.ts'
import { isAdmin, requireAdmin } from '../rights.ts'
import { checkPage } from './connection.ts'
import { FilterVerdictType } from './verdict.ts'

const QuarantinedMailType = builder.objectRef<QuarantineRow>('QuarantinedMail').implement({
  fields: (t) => ({
    id: t.id({ resolve: (row) => row.intakeId }),
    accountId: t.exposeID('accountId'),
    receivedAt: t.field({ type: 'DateTime', resolve: (row) => row.receivedAt }),
    size: t.exposeFloat('size'),
    from: t.string({ resolve: ({ section }) => section.from }),
    mailFrom: t.string({ resolve: ({ section }) => section.mailFrom }),
    recipient: t.string({ resolve: ({ section }) => section.recipient }),
    subject: t.string({ resolve: ({ section }) => section.subject }),
    verdict: t.field({ type: FilterVerdictType, resolve: ({ section }) => section.verdict }),
  }),
})

builder.queryField('quarantine', (t) =>
  t.field({
    type: [QuarantinedMailType],
    description: 'Mail that is held, the newest first: your own, or with `all` that of everybody (administrators).',
    args: { first: t.arg.int({ defaultValue: 50 }), all: t.arg.boolean({ defaultValue: false }) },
    resolve: (_root, args, context) => {
      const { filter } = context.services.deps.views
      const { first } = checkPage(args)
      if (!args.all) return filter.quarantine(context.accountId, { first })
      requireAdmin(context)
      return filter.allQuarantined({ first })
    },
  }),
)

/** The held message, one's own unless an administrator names another account. */
async function held(context: GraphqlContext, id: string, accountId: string | null | undefined): Promise<QuarantineRow> {
  const account = accountId ?? context.accountId
  if (account !== context.accountId) requireAdmin(context)
  const row = await context.services.deps.views.filter.quarantined(account, id)
  if (row === undefined) throw new ProblemError(404, 'not-held', 'This message is not in quarantine.')
  return row
}

const ReleasedType = builder
  .objectRef<{ readonly messageId: string }>('ReleaseQuarantinedPayload')
  .implement({ fields: (t) => ({ messageId: t.exposeID('messageId') }) })
const DroppedType = builder
  .objectRef<{ readonly id: string }>('DropQuarantinedPayload')
  .implement({ fields: (t) => ({ id: t.exposeID('id') }) })

builder.mutationFields((t) => {
  const args = { id: t.arg.id({ required: true }), accountId: t.arg.id() }
  return {
    releaseQuarantined: t.field({
      type: ReleasedType,
      description: 'Delivers it after all. Malware is released by administrators only.',
      args,
      resolve: async (_root, { id, accountId }, context) => {
        const { journal, blobs } = context.services.deps
        const row = await held(context, id, accountId)
        const ports = { journal, readMail: readStored(blobs) }
        const outcome = await releaseQuarantined(ports, context.command(), row, { administrator: isAdmin(context) })
        if (outcome.ok) return { messageId: outcome.messageId }
        const { code, message } = outcome.refusal
        throw new ProblemError(code === 'malware' ? 403 : 404, code, message)
      },
    }),
    dropQuarantined: t.field({
      type: DroppedType,
      description: 'Gives it up: its bytes are freed by the next compaction.',
      args,
      resolve: async (_root, { id, accountId }, context) => {
        const row = await held(context, id, accountId)
        const outcome = await dropQuarantined(context.services.deps.journal, context.command(), row)
        if (!outcome.ok) throw new ProblemError(404, outcome.refusal.code, outcome.refusal.message)
        return { id }
      },
    }),
  }
})
