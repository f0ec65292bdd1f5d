// Outgoing mail of everybody and accounts that are slowed, for administrators.
import { changeAccount } from '../../../commands/change-account.ts'
import { changeSubmission } from '../../../commands/submit-message.ts'
import type { SubmissionCommand } from '../../../domain/submission/submission.ts'
import type { DirectoryRow, SubmissionRow } from '../../../projections/queries.ts'
import { ProblemError } from '../../web/problem.ts'
import { builder, type GraphqlContext } from '../builder.ts'
import { requireAdmin } from '../rights.ts'
import { checkPage } from './connection.ts'
import { SubmissionType } from './submission.ts'

interface QueueEntry {
  readonly accountId: string
  readonly row: SubmissionRow
}

const QueueEntryType = builder.objectRef<QueueEntry>('QueueEntry').implement({
  fields: (t) => ({
    accountId: t.exposeID('accountId'),
    mailFrom: t.string({ resolve: ({ row }) => row.mailFrom }),
    nextAttemptAt: t.field({ type: 'DateTime', nullable: true, resolve: ({ row }) => row.dueAt }),
    submission: t.field({ type: SubmissionType, resolve: ({ row }) => row }),
  }),
})

const SlowedAccountType = builder.objectRef<DirectoryRow>('SlowedAccount').implement({
  description: 'An account that may send only little, because it looks taken over.',
  fields: (t) => ({
    id: t.exposeID('id'),
    address: t.exposeString('address'),
    reason: t.string({ resolve: ({ slowed }) => slowed?.reason ?? '' }),
    detail: t.string({ resolve: ({ slowed }) => slowed?.detail ?? '' }),
    until: t.field({ type: 'DateTime', resolve: ({ slowed }) => slowed?.until ?? 0 }),
  }),
})

builder.queryFields((t) => ({
  queue: t.field({
    type: [QueueEntryType],
    description: 'For administrators: mail of every account that has not reached all its recipients, oldest first.',
    args: { first: t.arg.int({ defaultValue: 50 }) },
    resolve: (_root, args, context) => {
      requireAdmin(context)
      return context.services.deps.views.submissions.pendingSubmissions({ first: checkPage(args).first })
    },
  }),
  slowedAccounts: t.field({
    type: [SlowedAccountType],
    description: 'For administrators: accounts whose sending is slowed just now.',
    resolve: async (_root, _args, context) => {
      requireAdmin(context)
      const now = context.command().at
      const accounts = await context.services.deps.views.directory.accounts()
      return accounts.filter(({ slowed }) => (slowed?.until ?? 0) > now)
    },
  }),
}))

async function change(
  context: GraphqlContext,
  submissionId: string,
  command: Extract<SubmissionCommand, { type: 'CancelSend' | 'RequestRetry' }>,
): Promise<boolean> {
  requireAdmin(context)
  const found = await context.services.deps.views.submissions.pendingSubmission(submissionId)
  if (!found) throw new ProblemError(404, 'no-such-submission', 'There is no such submission that waits.')
  const changed = await changeSubmission(context.services.deps.journal, context.command(), found.accountId, command)
  if (!changed.ok) throw new ProblemError(409, changed.refusal.code, changed.refusal.message)
  return true
}

builder.mutationFields((t) => ({
  retrySubmission: t.boolean({
    description: 'For administrators: tries again at once whoever has not got the message.',
    args: { submissionId: t.arg.id({ required: true }) },
    resolve: (_root, { submissionId }, context) =>
      change(context, submissionId, { type: 'RequestRetry', submissionId }),
  }),
  cancelSubmission: t.boolean({
    description: 'For administrators: takes the message back from everyone who has not got it.',
    args: { submissionId: t.arg.id({ required: true }) },
    resolve: (_root, { submissionId }, context) =>
      change(context, submissionId, { type: 'CancelSend', submissionId, rest: true }),
  }),
  resumeSending: t.boolean({
    description: 'For administrators: lets a slowed account send freely again.',
    args: { accountId: t.arg.id({ required: true }) },
    resolve: async (_root, { accountId }, context) => {
      requireAdmin(context)
      const outcome = await changeAccount(context.services.deps.journal, context.command(), accountId, {
        type: 'ResumeSending',
      })
      if (!outcome.ok) throw new ProblemError(404, outcome.refusal.code, outcome.refusal.message)
      return true
    },
  }),
}))
